//! `tabrank rerank`: candidates from stdin, the best of them to stdout.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use pollster::block_on;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tabrank::{RerankOptions, RerankResult};

use super::jsonl::{self, Fields, Line};
use super::progress::Progress;
use super::{CliError, ModelArgs, model};

const STDIN: &str = "stdin";

/// Rerank candidates against a query.
///
/// Reads JSONL from stdin, one object with a "text" a line. Writes the best as JSONL, best first: each
/// the object as it came, plus "index" (its line, from 0), "rank" (from 1) and "score" (the MaxSim sum).
/// A field of its own by one of these names moves into "replaced". Equal scores keep the input's order.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank rerank --model models/all-MiniLM-L6-v2 --query 'who built it?' --top-k 3 < candidates.jsonl
  search | tabrank rerank --model colbert --query 'who built it?' | jq -r .text")]
pub struct RerankArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// The query.
    #[arg(long)]
    query: String,
    /// How many to keep [default: all].
    #[arg(long, value_name = "K")]
    top_k: Option<NonZeroUsize>,
}

pub fn run(args: &RerankArgs) -> Result<(), CliError> {
    let mut lines = jsonl::read(STDIN, io::stdin().lock())?;
    let texts = jsonl::texts(STDIN, &lines)?;
    let reranker = model::load(&args.model.model)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let options = RerankOptions { top_k: args.top_k.map(NonZeroUsize::get), explain: false };
    let mut progress = Progress::new("encode", texts.len());
    let output = block_on(reranker.rerank(&args.query, &texts, options, &mut progress))?;
    drop(progress);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = output
        .results
        .iter()
        .enumerate()
        .try_for_each(|(place, result)| write(&mut out, &mut lines[result.index], place, result))
        .and_then(|()| out.flush());
    written.map_err(CliError::Stdout)
}

fn write(
    out: &mut impl Write,
    line: &mut Line,
    place: usize,
    result: &RerankResult,
) -> io::Result<()> {
    let number = line.number;
    let fields = &mut line.fields;
    let mut replaced = Fields::new();
    for (name, value) in
        [("index", raw(&number)), ("rank", raw(&(place + 1))), ("score", raw(&result.score))]
    {
        if let Some(own) = fields.shift_remove(name) {
            replaced.insert(name.to_owned(), own);
        }
        fields.insert(name.to_owned(), value);
    }
    if !replaced.is_empty() {
        fields.insert("replaced".to_owned(), raw(&replaced));
    }
    serde_json::to_writer(&mut *out, fields)?;
    out.write_all(b"\n")
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("numbers and objects of raw values serialize")
}
