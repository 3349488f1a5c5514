//! Reads a bundle or checkpoint folder: asks the library which file is wanted next until it has them all.

use std::path::Path;
use std::{fs, io};

use pollster::block_on;
use tabrank::{CheckpointFiles, DeviceChoice, LoadOptions, Reranker, Unobserved};

use super::{CliError, say};

/// Loads the bundle or checkpoint in `folder` on the CPU; says what runs, and prints its warnings.
pub fn load(folder: &Path) -> Result<Reranker, CliError> {
    let reranker = load_files(read(folder)?)?;
    let info = reranker.info();
    say(format_args!("{}: {} weights", info.architecture, info.dtype.name()));
    for warning in reranker.warnings() {
        say(format_args!("warning: {}", warning.message));
    }
    Ok(reranker)
}

/// Loads a model on the CPU.
pub fn load_files(files: CheckpointFiles) -> Result<Reranker, CliError> {
    let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
    Ok(block_on(Reranker::load(files, &options, &mut Unobserved))?)
}

/// The files of a bundle or checkpoint.
pub fn read(folder: &Path) -> Result<CheckpointFiles, CliError> {
    let mut files = CheckpointFiles::new();
    read_into(&mut files, folder)?;
    Ok(files)
}

/// Reads the files of a bundle or checkpoint; those that come before an error stay.
pub fn read_into(files: &mut CheckpointFiles, folder: &Path) -> Result<(), CliError> {
    if !folder.is_dir() {
        return Err(CliError::NoFolder { path: folder.to_owned() });
    }
    loop {
        let wanted = files.wanted()?;
        if wanted.is_empty() {
            return Ok(());
        }
        for file in wanted {
            let path = folder.join(&file.name);
            match fs::read(&path) {
                Ok(bytes) => files.insert(&file.name, bytes)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    files.insert_missing(&file.name)?
                }
                Err(source) => return Err(CliError::Read { path, source }),
            }
        }
    }
}
