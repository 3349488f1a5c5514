//! `tabrank pages text`: the words of pages, for stages that read them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::keys::{Refused, check_distinct, key};
use super::source::{Source, check_regular};
use crate::cli::CliError;
use crate::cli::jsonl::InputArgs;
use crate::cli::pdf::Limits;

/// Get the words of PDFs' pages.
///
/// Writes JSONL, an object a page: "id" (the key of `pages encode`), "title" (the file's name and the page's number) and "text" (what the file
/// says is written there: none on a scan, unless a program has put what it read beneath, and none on a picture).
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank pages text reports/*.pdf > pages.jsonl")]
pub struct TextArgs {
    /// PDFs, and pictures, which have no words.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Most seconds that a page may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    page_seconds: u64,
    #[command(flatten)]
    input: InputArgs,
}

#[derive(Serialize)]
struct Page<'a> {
    id: &'a str,
    title: String,
    text: String,
}

pub fn run(args: &TextArgs) -> Result<(), CliError> {
    check_distinct(&args.files)?;
    check_regular(&args.files)?;
    let mut refused = Refused::new(args.input.on_error);
    let mut taken = 0;
    for path in &args.files {
        taken += file(args, path, &mut refused)?;
    }
    refused.finish(taken)
}

/// Answers how many pages were written.
fn file(args: &TextArgs, path: &Path, refused: &mut Refused) -> Result<u64, CliError> {
    let limits = Limits { pixels: None, seconds: args.page_seconds };
    let mut source = match Source::open(path, limits, 0) {
        Ok(source) => source,
        Err(error @ CliError::Page { .. }) => return refused.take(error).map(|()| 0),
        Err(error) => return Err(error),
    };
    let mut taken = 0;
    for page in 0..source.pages() {
        match source.words(page) {
            Ok(text) => write(path, page, text)?,
            Err(error) => {
                refused.take(error)?;
                continue;
            }
        }
        taken += 1;
    }
    Ok(taken)
}

fn write(path: &Path, page: usize, text: String) -> Result<(), CliError> {
    let name = path.file_stem().unwrap_or_default().display();
    let id = key(path, page);
    let written = Page { id: &id, title: format!("{name}, page {}", page + 1), text };
    let line = serde_json::to_string(&written).expect("strings serialize");
    writeln!(io::stdout().lock(), "{line}").map_err(CliError::Stdout)
}
