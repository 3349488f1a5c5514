//! Arguments, and the command that each verb runs. The only code of this crate that touches files,
//! the console or the clock.

mod codec;
mod compress;
mod convert;
mod document_json;
mod encode;
mod error;
mod eval;
mod fields;
mod index;
mod input;
mod inspect;
mod inspect_file;
pub mod interrupt;
mod jsonl;
mod long;
mod model;
mod output;
mod overrides;
mod pages;
mod parity;
mod partial;
mod pdf;
mod pickle;
mod progress;
mod readme;
mod rerank;
mod stages;
mod threads;
mod verify;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use overrides::OverrideArgs;
use tabrank::{DeviceChoice, LoadOptions, Reranker, SpelledTokens};

pub use error::CliError;
use long::LongArgs;
use output::Output;

const EXIT_CODES: &str = "\
Exit codes:
  0    success
  2    wrong usage
  65   bad input data, a model that is damaged or not supported, or a conversion that loses too much
  66   a file or folder that cannot be read
  70   an error inside tabrank
  74   output that cannot be written
  130  Ctrl-C (asked to end in another way: 128 and the signal's number)";

/// Late-interaction reranking: encode query and documents, score them by MaxSim, keep the best.
#[derive(Parser)]
#[command(version, after_long_help = EXIT_CODES, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Rerank(rerank::RerankArgs),
    Eval(eval::EvalArgs),
    Encode(encode::EncodeArgs),
    Codec(codec::CodecArgs),
    Index(index::IndexArgs),
    Pages(pages::PagesArgs),
    Convert(convert::ConvertArgs),
    Inspect(inspect::InspectArgs),
    Verify(verify::VerifyArgs),
}

/// The model that a verb works with.
#[derive(clap::Args)]
pub struct ModelArgs {
    /// A bundle of `tabrank convert`, or a checkpoint folder: config.json, tokenizer.json, model.safetensors and
    /// what its layout adds (PyLate, Stanford, sentence-transformers or plain transformers).
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// What becomes of special tokens that a text spells out, such as [MASK] or a marker: those tokens, as in the reference
    /// libraries, or text like any other.
    #[arg(long, value_enum, default_value_t = SpecialTokens::Parse, value_name = "HOW")]
    special_tokens: SpecialTokens,
    #[command(flatten)]
    overrides: OverrideArgs,
}

impl ModelArgs {
    /// The model that these name.
    fn load(&self) -> Result<Reranker, CliError> {
        model::load(&self.model, &self.options())
    }

    /// The same with all that only pages need.
    fn load_with_pages(&self) -> Result<Reranker, CliError> {
        model::load_with_pages(&self.model, &self.options())
    }

    /// A file to write. What is in the model's folder is never replaced.
    fn output<'a>(&self, path: &'a Path) -> Result<Output<'a>, CliError> {
        let output = Output::find(path)?;
        let model = self.model.canonicalize();
        let found = output.path().and_then(|path| path.canonicalize().ok());
        match (found, model) {
            (Some(found), Ok(model)) if found.starts_with(&model) => Err(CliError::OutputInUse {
                path: path.to_owned(),
                reason: "is in the model's folder already",
            }),
            _ => Ok(output),
        }
    }

    /// How models are loaded: on the CPU.
    fn options(&self) -> LoadOptions {
        LoadOptions {
            device: DeviceChoice::Cpu,
            spelled_tokens: match self.special_tokens {
                SpecialTokens::Parse => SpelledTokens::Parse,
                SpecialTokens::Text => SpelledTokens::Text,
            },
            overrides: self.overrides.overrides(),
            ..LoadOptions::default()
        }
    }
}

/// What becomes of special tokens in texts.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SpecialTokens {
    Parse,
    Text,
}

/// The kind of text that is encoded.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Query,
    Document,
}

/// Tells the user something that is no data. That nobody listens is no failure.
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "tabrank: {text}");
}

/// Tells how many texts were cut, if any.
fn say_truncated(truncated: usize, texts: usize) {
    if truncated > 0 {
        say(format_args!(
            "warning: {truncated} of {texts} texts are longer than the model takes; their ends are not read"
        ));
    }
}

/// Runs what was asked for.
pub fn run(args: Args) -> Result<(), CliError> {
    threads::limit()?;
    match args.command {
        Command::Rerank(args) => rerank::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Encode(args) => encode::run(&args),
        Command::Codec(args) => codec::run(&args),
        Command::Index(args) => index::run(&args),
        Command::Pages(args) => pages::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Verify(args) => verify::run(&args),
    }
}
