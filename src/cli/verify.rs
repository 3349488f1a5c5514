//! `tabrank verify`: is this model, or this index, whole?

use std::io::{self, Write};
use std::path::PathBuf;

use tabrank::{CheckpointFiles, Overrides};

use super::{CliError, index, model, parity};

/// Check a bundle or a checkpoint: every hash, every tensor, whether it loads, and whether it encodes or scores a few built-in
/// sentences; or an index: every hash, every list and every document, and whether
/// lists and documents go together.
///
/// Exit code 0 if it is whole; 65 with the culprit on stderr if it is not.
#[derive(clap::Args)]
#[command(after_long_help = "\
Example:
  tabrank verify bundles/all-MiniLM-L6-v2-q8")]
pub struct VerifyArgs {
    /// The bundle, checkpoint or index folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(args: &VerifyArgs) -> Result<(), CliError> {
    if index::is_index(&args.folder) {
        return index::verify(&args.folder);
    }
    let mut files = CheckpointFiles::new();
    files.take_pages();
    model::read_into(&mut files, &args.folder)?;
    let tensors = files.tensors()?;
    parity::run(&model::load_files(files.clone(), Overrides::default())?)?;
    let hashes = match files.manifest() {
        Some(manifest) => format!("{} files have their hashes", manifest.entries().count()),
        None => "a checkpoint has no hashes".to_owned(),
    };
    let bytes: usize = tensors.iter().map(|tensor| tensor.bytes).sum();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{}: whole; {hashes}; {} tensors of {bytes} bytes load and encode",
        args.folder.display(),
        tensors.len()
    )
    .map_err(CliError::Stdout)
}
