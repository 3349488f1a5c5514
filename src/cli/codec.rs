//! `tabrank codec`: how are a collection's embeddings stored in a few bits a number?

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use clap::{Args, Subcommand};
use pollster::block_on;
use tabrank::{EmbeddingsFile, ResidualCodec, TrainOptions};

use super::progress::Progress;
use super::{CliError, Output};

/// Make residual codecs, which store embeddings as ColBERTv2 and PLAID do.
///
/// A codec holds the centroids of a model's embeddings, and what a few bits stand for of the way from there. `tabrank inspect` shows
/// what a codec's file holds.
#[derive(Args)]
pub struct CodecArgs {
    #[command(subcommand)]
    command: CodecCommand,
}

#[derive(Subcommand)]
enum CodecCommand {
    Train(TrainArgs),
}

/// Make a codec of a sample of embeddings.
///
/// Centroids by k-means of 95 % of the documents, buckets by quantiles of the rest. A sample of some thousand documents is
/// enough for a collection of the same kind of text. The same sample and options make the same codec.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  tabrank encode --model models/all-MiniLM-L6-v2 -o sample.safetensors < documents.jsonl
  tabrank codec train sample.safetensors -o codec.safetensors")]
struct TrainArgs {
    /// Embeddings of documents, a file of `tabrank encode -o`.
    #[arg(value_name = "SAMPLE")]
    sample: PathBuf,
    /// The codec that the sample is stored by, if that is a residual one.
    #[arg(long, value_name = "FILE")]
    codec: Option<PathBuf>,
    /// The file to write: one that is there is replaced when the new one is whole; a pipe or a device is written into; - is stdout.
    #[arg(short, long, value_name = "CODEC")]
    output: PathBuf,
    /// Bits of each number: a token takes `dimension * nbits / 8 + 4` bytes.
    #[arg(long, default_value = "2", value_parser = nbits())]
    nbits: usize,
    /// Number of centroids [default: as suits a collection of the sample's size, the power of two below 16 times the root of its
    /// tokens].
    #[arg(long, value_name = "K")]
    centroids: Option<usize>,
    /// Of the random numbers that choose the first centroids, and the documents that buckets are made of.
    #[arg(long, default_value_t = TrainOptions::default().seed)]
    seed: u64,
}

fn nbits() -> impl TypedValueParser<Value = usize> {
    PossibleValuesParser::new(["1", "2", "4", "8"])
        .map(|text| text.parse().expect("these are numbers"))
}

pub fn run(args: &CodecArgs) -> Result<(), CliError> {
    match &args.command {
        CodecCommand::Train(args) => train(args),
    }
}

fn train(args: &TrainArgs) -> Result<(), CliError> {
    let output = output(args)?;
    let codecs = args.codec.iter().map(|path| read_codec(path)).collect::<Result<Vec<_>, _>>()?;
    let EmbeddingsFile { embeddings, info, .. } =
        EmbeddingsFile::read(&args.sample.display().to_string(), &read(&args.sample)?, &codecs)?;
    let options = TrainOptions {
        nbits: args.nbits,
        centroids: args.centroids,
        seed: args.seed,
        embedding_id: info.embedding_id,
    };
    let mut progress = Progress::new("train", embeddings.lengths().iter().sum());
    let codec = block_on(ResidualCodec::train(&embeddings, &options, &mut progress))?;
    drop(progress);
    output.write(|out| out.write_all(&codec.write()))
}

/// Where the codec goes; not over a file that this reads.
fn output(args: &TrainArgs) -> Result<Output<'_>, CliError> {
    let output = Output::find(&args.output)?;
    let found = output.path().and_then(|path| path.canonicalize().ok());
    let mut read = [&args.sample].into_iter().chain(&args.codec);
    match found.is_some() && read.any(|file| file.canonicalize().ok() == found) {
        true => Err(CliError::OutputInUse { path: args.output.clone(), reason: "is the input" }),
        false => Ok(output),
    }
}

/// The codec of a file.
///
/// # Errors
/// A file that cannot be read, or that holds no codec.
pub fn read_codec(path: &Path) -> Result<Arc<ResidualCodec>, CliError> {
    Ok(Arc::new(ResidualCodec::read(&path.display().to_string(), &read(path)?)?))
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(path).map_err(|source| CliError::read(path, source))
}
