//! `tabrank index merge`: several indexes become one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tabrank::{Documents, EmbeddingsInfo, Joined, ResidualCodec};

use super::change::check_info;
use super::folder::{Failed, stored};
use super::foreign;
use super::format::FormatArgs;
use super::ids::Ids;
use crate::cli::CliError;

/// Merge indexes into one.
///
/// They have to be of one model and have one codec: build each with --codec. The result is the same, byte for byte, as that of building all
/// documents at once in the order of the folders. One part of each index is in memory, and 80 bytes a document.
///
/// One folder alone makes one of another form: of colbert-ai, PyLate, fast-plaid or next-plaid ours, and of ours, with --format plaid, one that
/// fast-plaid and PyLate read. Those of others do not say of which model their embeddings are, and go with each other alone.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank index merge part-0 part-1 part-2 -o site/index
  tabrank index merge .pylate/index -o site/index
  tabrank index merge site/index --format plaid -o plaid")]
pub struct MergeArgs {
    /// The indexes' folders.
    #[arg(value_name = "DIR", required = true)]
    indexes: Vec<PathBuf>,
    /// The folder to write: an index that is there is replaced when the new one is whole, an empty folder is filled, and anything else is left
    /// alone.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    format: FormatArgs,
}

pub fn run(args: &MergeArgs) -> Result<(), CliError> {
    let target = args.format.target(&args.output)?;
    let mut sources = Vec::new();
    let mut first: Option<(Arc<ResidualCodec>, EmbeddingsInfo)> = None;
    for folder in &args.indexes {
        let (source, codec, info) = source(folder)?;
        match &first {
            Some((expected, of)) => {
                check_codec(folder, &codec, &args.indexes[0], expected)?;
                check_info(&info, of).map_err(|failed| failed.of(folder))?;
            }
            None => first = Some((codec, info)),
        }
        sources.push(source);
    }
    check_ids(&args.indexes, &mut sources)?;
    let (codec, info) = first.expect("there is one folder at least");
    args.format.build(target, &codec, &mut Joined(sources), &info)
}

type Source = Box<dyn Documents<Error = Failed>>;

/// The documents of a folder, whoever wrote it; other libraries do not say of which model.
fn source(folder: &Path) -> Result<(Source, Arc<ResidualCodec>, EmbeddingsInfo), CliError> {
    match foreign::other(folder) {
        None => {
            let (stored, codec) = stored(folder)?;
            let info = stored.index().manifest().info.clone();
            Ok((Box::new(stored), codec, info))
        }
        Some(form) => {
            let index = foreign::open(folder, form)?;
            let codec = index.codec().clone();
            Ok((Box::new(index), codec, EmbeddingsInfo::default()))
        }
    }
}

fn check_codec(
    folder: &Path,
    codec: &ResidualCodec,
    first: &Path,
    expected: &ResidualCodec,
) -> Result<(), CliError> {
    if codec == expected {
        return Ok(());
    }
    let (found, expected, first) = (codec.id(), expected.id(), first.display());
    let reason =
        format!("has the codec {found}, and {first} has {expected}; build both with one --codec");
    Err(CliError::Folder { folder: folder.to_owned(), reason })
}

/// # Errors
/// An id that two of the folders have.
fn check_ids(folders: &[PathBuf], sources: &mut [Source]) -> Result<(), CliError> {
    let mut ids = Ids::default();
    for (at, (folder, source)) in folders.iter().zip(sources).enumerate() {
        for place in 0..source.count() {
            let id = source.read(place).map_err(|failed| failed.of(folder))?.id;
            if let Some(before) = ids.insert(&id, at as u32) {
                let before = folders[before as usize].display();
                let reason = format!("has the document {id:?}, which {before} has too");
                return Err(CliError::Folder { folder: folder.clone(), reason });
            }
        }
    }
    Ok(())
}
