//! `tabrank encode`: texts from stdin, their embeddings to a file.

use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use pollster::block_on;
use safetensors::{Dtype, tensor::TensorView};
use tabrank::{Pooling, TextKind, TokenEmbeddings};

use super::jsonl;
use super::progress::Progress;
use super::{CliError, Kind, ModelArgs, model};

/// Encode texts ahead of time.
///
/// Reads JSONL from stdin, one object with a "text" a line. Writes a safetensors file with
/// "embeddings" (F32, [rows, dimension], text after text) and "lengths" (U32, [texts]: rows of each).
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
    /// none: an embedding a token. mean: one L2-normalised vector a text, for a dense first stage.
    #[arg(long, default_value = "none")]
    pooling: PoolingArg,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum PoolingArg {
    None,
    Mean,
}

pub fn run(args: &EncodeArgs) -> Result<(), CliError> {
    let lines = jsonl::read("stdin", io::stdin().lock())?;
    let texts = jsonl::texts("stdin", &lines)?;
    let reranker = model::load(&args.model.model)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let kind = match args.kind {
        Kind::Query => TextKind::Query,
        Kind::Document => TextKind::Document,
    };
    let pooling = match args.pooling {
        PoolingArg::None => Pooling::None,
        PoolingArg::Mean => Pooling::Mean,
    };
    let mut progress = Progress::new("encode", texts.len());
    let encoded = block_on(reranker.encode(kind, &texts, pooling, &mut progress))?;
    drop(progress);
    write(&args.output, &encoded.embeddings)
}

/// Writes beside the target and renames, so that no half file is ever there.
fn write(path: &Path, embeddings: &TokenEmbeddings) -> Result<(), CliError> {
    let values: Vec<u8> = embeddings.values().iter().flat_map(|v| v.to_le_bytes()).collect();
    let lengths: Vec<u8> =
        embeddings.lengths().iter().flat_map(|&n| (n as u32).to_le_bytes()).collect();
    let rows = embeddings.lengths().iter().sum();
    let view = |dtype, shape, data| {
        TensorView::new(dtype, shape, data).expect("the data has the size of its shape")
    };
    let tensors = [
        ("embeddings", view(Dtype::F32, vec![rows, embeddings.dimension()], &values)),
        ("lengths", view(Dtype::U32, vec![embeddings.len()], &lengths)),
    ];
    let bytes = safetensors::serialize(tensors, None).expect("two small names make a header");
    let failed = |source| CliError::Write { name: path.display().to_string(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    io::Write::write_all(&mut file, &bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
