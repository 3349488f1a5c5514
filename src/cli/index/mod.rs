//! `tabrank index`: a collection that can be searched without a server.

mod build;
mod change;
mod documents;
mod folder;
mod foreign;
mod format;
mod ids;
mod inspect;
mod merge;
mod origin;
mod rows;
mod sample;
mod search;
mod spilled;

use clap::{Args, Subcommand};

use self::build::BuildArgs;
use self::change::{AddArgs, DeleteArgs};
pub use self::foreign::is_index;
pub use self::inspect::{inspect, verify};
use self::merge::MergeArgs;
pub use self::rows::RowsFile;
use self::search::SearchArgs;
use super::CliError;

/// Make and search indexes, collections that pages search without a server.
///
/// An index is a folder: a manifest, index.json, and parts of at most 256 KB, which any host of static files serves: the centroids of a
/// residual codec, for each centroid the documents that have a token there, and the documents' compressed embeddings. A search reads the
/// centroids, then the lists and the documents that a query needs. `tabrank inspect` shows what a folder holds, and `tabrank verify`
/// checks it. Folders of colbert-ai, PyLate, fast-plaid and next-plaid are searched and merged as they are.
#[derive(Args)]
pub struct IndexArgs {
    #[command(subcommand)]
    command: IndexCommand,
}

#[derive(Subcommand)]
enum IndexCommand {
    Build(BuildArgs),
    Add(AddArgs),
    Delete(DeleteArgs),
    Search(SearchArgs),
    Merge(MergeArgs),
}

pub fn run(args: &IndexArgs) -> Result<(), CliError> {
    match &args.command {
        IndexCommand::Build(args) => build::run(args),
        IndexCommand::Add(args) => change::add(args),
        IndexCommand::Delete(args) => change::delete(args),
        IndexCommand::Search(args) => search::run(args),
        IndexCommand::Merge(args) => merge::run(args),
    }
}
