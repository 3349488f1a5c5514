//! `tabrank pages`: pages as images, encoded by a visual model and searched by a question.

mod arranged;
mod encode;
mod keys;
mod search;
mod source;
mod text;

use clap::{Args, Subcommand};

use self::encode::EncodeArgs;
use self::search::SearchArgs;
use self::text::TextArgs;
use super::CliError;
use super::pdf::{self, DrawArgs};

/// Encode and search pages as images: PDFs, scans and pictures, by visual late interaction.
///
/// A visual model compares a question's tokens with the patches of a page's picture, so that tables, charts and layout count, and nothing has to
/// be read from a scan. `pages encode` makes a file of embeddings, `pages search` finds the pages that answer a question, and `pages text`
/// gets the words of a PDF's pages for stages that read them.
#[derive(Args)]
pub struct PagesArgs {
    #[command(subcommand)]
    command: PagesCommand,
}

#[derive(Subcommand)]
enum PagesCommand {
    Encode(EncodeArgs),
    Search(SearchArgs),
    Text(TextArgs),
    #[command(hide = true)]
    Draw(DrawArgs),
}

pub fn run(args: &PagesArgs) -> Result<(), CliError> {
    match &args.command {
        PagesCommand::Encode(args) => encode::run(args),
        PagesCommand::Search(args) => search::run(args),
        PagesCommand::Text(args) => text::run(args),
        PagesCommand::Draw(args) => pdf::draw(args),
    }
}
