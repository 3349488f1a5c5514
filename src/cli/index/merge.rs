//! `tabrank index merge`: several indexes become one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tabrank::{Documents, EmbeddingsInfo, Joined, ResidualCodec};

use super::build::{build_options, say_built};
use super::change::check_info;
use super::folder::{Failed, Target, stored};
use super::ids::Ids;
use crate::cli::CliError;

/// Merge indexes into one.
///
/// They have to be of one model and have one codec: build each with --codec. The result is the same, byte for byte, as that of building all
/// documents at once in the order of the folders. One part of each index is in memory, and 80 bytes a document.
#[derive(clap::Args)]
#[command(after_long_help = "\
Example:
  tabrank index merge part-0 part-1 part-2 -o site/index")]
pub struct MergeArgs {
    /// The indexes' folders.
    #[arg(value_name = "DIR", required = true)]
    indexes: Vec<PathBuf>,
    /// The folder to write: an index that is there is replaced when the new one is whole, an empty folder is filled, and anything else is left
    /// alone.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub fn run(args: &MergeArgs) -> Result<(), CliError> {
    let target = Target::find(&args.output)?;
    let mut sources: Vec<Box<dyn Documents<Error = Failed>>> = Vec::new();
    let mut first: Option<(Arc<ResidualCodec>, EmbeddingsInfo)> = None;
    for folder in &args.indexes {
        let (stored, codec) = stored(folder)?;
        let info = stored.index().manifest().info.clone();
        match &first {
            Some((expected, of)) => {
                check_codec(folder, &codec, &args.indexes[0], expected)?;
                check_info(&info, of).map_err(|failed| failed.of(folder))?;
            }
            None => first = Some((codec, info)),
        }
        sources.push(Box::new(stored));
    }
    check_ids(&args.indexes, &mut sources)?;
    let (codec, info) = first.expect("there is one folder at least");
    say_built(&target.build(&codec, &mut Joined(sources), &build_options(&info))?);
    Ok(())
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
fn check_ids(
    folders: &[PathBuf],
    sources: &mut [Box<dyn Documents<Error = Failed>>],
) -> Result<(), CliError> {
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
