//! `tabrank encode`: texts from stdin, their embeddings to a file.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use pollster::block_on;
use tabrank::{EncodeOptions, Encoded, Error, LongDocuments, Pooling, TextKind};

use super::jsonl::{self, InputArgs};
use super::progress::Progress;
use super::{CliError, Kind, LongArgs, ModelArgs, say_truncated};

/// Encode texts ahead of time.
///
/// Reads JSONL from stdin, one object with a "text" a line, or an array of them. Writes a safetensors file with
/// "embeddings" (F32, [rows, dimension], text after text), "lengths" (U32, [texts]: rows of each), "indices" (U32, [texts]: the
/// line of each, or its place in the array, from 0) and "truncated" (BOOL, [texts]: whether it had more tokens than the model takes).
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank encode --model models/all-MiniLM-L6-v2 -o documents.safetensors < documents.jsonl
  tabrank encode --model models/all-MiniLM-L6-v2 --pooling mean -o dense.safetensors < documents.jsonl")]
pub struct EncodeArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Queries and documents differ in marker, length, expansion and skiplist.
    #[arg(long, default_value = "document")]
    kind: Kind,
    /// none: an embedding a token. mean, cls: one L2-normalised vector a text, for a dense first stage. checkpoint: the one that
    /// the checkpoint's own modules make, as sentence-transformers' `encode` does.
    #[arg(long, default_value = "none")]
    pooling: PoolingArg,
    #[command(flatten)]
    long: LongArgs,
    /// The file to write: one that is there is replaced when the new one is whole; a pipe or a device is written into; - is stdout.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    input: InputArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum PoolingArg {
    None,
    Mean,
    Cls,
    Checkpoint,
}

impl From<PoolingArg> for Pooling {
    fn from(pooling: PoolingArg) -> Self {
        match pooling {
            PoolingArg::None => Pooling::None,
            PoolingArg::Mean => Pooling::Mean,
            PoolingArg::Cls => Pooling::Cls,
            PoolingArg::Checkpoint => Pooling::Checkpoint,
        }
    }
}

pub fn run(args: &EncodeArgs) -> Result<(), CliError> {
    let kind = match args.kind {
        Kind::Query => TextKind::Query,
        Kind::Document => TextKind::Document,
    };
    let pooling = Pooling::from(args.pooling);
    let long_documents = args.long.long_documents()?;
    if kind == TextKind::Query && long_documents != LongDocuments::Cut {
        return Err(CliError::QueryWindows);
    }
    let (mut texts, mut places, mut indices) = (Vec::new(), Vec::new(), Vec::new());
    jsonl::read_stdin(&args.input, |record| {
        let text = record.string("text")?;
        if kind == TextKind::Query && text.trim().is_empty() {
            return Err(record.place.wrong("the query is empty"));
        }
        texts.push(text);
        indices.push(record.index as u32);
        places.push(record.place);
        Ok(())
    })?;
    let reranker = args.model.load()?;
    let output = args.model.output(&args.output)?;
    let mut embeddings = Embeddings {
        values: output.scratch()?,
        dimension: reranker.width(pooling),
        lengths: Vec::with_capacity(texts.len()),
        indices,
        truncated: Vec::with_capacity(texts.len()),
    };
    let mut progress = Progress::new("encode", texts.len());
    let mut failed = None;
    let write = |encoded: Encoded| {
        embeddings.push(&encoded).map_err(|error| {
            failed = Some(error);
            Error::Aborted
        })
    };
    let options = EncodeOptions { pooling, long_documents, ..EncodeOptions::default() };
    let encoded = block_on(reranker.encode_each(kind, &texts, options, &mut progress, write));
    drop(progress);
    if let Some(error) = failed {
        return Err(CliError::write(&args.output, error));
    }
    encoded.map_err(|error| jsonl::located(error, kind, |index| &places[index]))?;
    say_truncated(embeddings.truncated.iter().filter(|cut| **cut).count(), texts.len());
    output.write(|out| embeddings.write(out))
}

/// A safetensors file. Its header stands in front and tells the sizes, so that embeddings go to a file without a name first.
struct Embeddings {
    values: File,
    dimension: usize,
    lengths: Vec<u32>,
    indices: Vec<u32>,
    truncated: Vec<bool>,
}

impl Embeddings {
    fn push(&mut self, encoded: &Encoded) -> io::Result<()> {
        let embeddings = &encoded.embeddings;
        self.lengths.extend(embeddings.lengths().iter().map(|&length| length as u32));
        self.truncated.extend(&encoded.truncated);
        let values: Vec<u8> = embeddings.values().iter().flat_map(|v| v.to_le_bytes()).collect();
        self.values.write_all(&values)
    }

    fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.header())?;
        self.values.rewind()?;
        io::copy(&mut self.values, out)?;
        for numbers in [&self.lengths, &self.indices] {
            out.write_all(&numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>())?;
        }
        out.write_all(&self.truncated.iter().map(|&cut| u8::from(cut)).collect::<Vec<u8>>())
    }

    /// With its length in front, and spaces behind it up to a multiple of eight, as the format has it.
    fn header(&self) -> Vec<u8> {
        let rows: u64 = self.lengths.iter().map(|&length| u64::from(length)).sum();
        let texts = self.lengths.len() as u64;
        let mut end = 0;
        let mut tensor = |dtype: &str, shape: &[u64], width: u64| {
            let begin = end;
            end += shape.iter().product::<u64>() * width;
            serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]})
        };
        let text = serde_json::json!({
            "embeddings": tensor("F32", &[rows, self.dimension as u64], 4),
            "lengths": tensor("U32", &[texts], 4),
            "indices": tensor("U32", &[texts], 4),
            "truncated": tensor("BOOL", &[texts], 1),
        });
        let mut text = text.to_string().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        [&(text.len() as u64).to_le_bytes(), text.as_slice()].concat()
    }
}
