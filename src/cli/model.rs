//! Reads a bundle or checkpoint folder: asks the library which file is wanted next until it has them all.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path};

use pollster::block_on;
use tabrank::model::checkpoint::ADAPTER;
use tabrank::{CheckpointFiles, DeviceChoice, Error, LoadOptions, Overrides, Reranker, Unobserved};

use super::error::is_taken;
use super::{CliError, say};

/// Loads the bundle or checkpoint in `folder`; says what runs, and prints its warnings.
pub fn load(folder: &Path, options: &LoadOptions) -> Result<Reranker, CliError> {
    let reranker = block_on(Reranker::load(read(folder)?, options, &mut Unobserved))?;
    let info = reranker.info();
    say(format_args!("{}: {} weights", info.architecture, info.dtype.name()));
    for warning in reranker.warnings() {
        say(format_args!("warning: {}", warning.message));
    }
    Ok(reranker)
}

/// Loads a model on the CPU.
pub fn load_files(files: CheckpointFiles, overrides: Overrides) -> Result<Reranker, CliError> {
    let options = LoadOptions { device: DeviceChoice::Cpu, overrides, ..LoadOptions::default() };
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
        return Err(CliError::NoFolder { path: folder.to_owned(), hint: no_folder(folder) });
    }
    loop {
        let wanted = files.wanted()?;
        if wanted.is_empty() {
            // Nothing asks for it, as nothing should lie there; a folder can be looked into.
            if is_taken(&folder.join(ADAPTER)) && files.manifest().is_none() {
                files.insert(ADAPTER, Vec::new())?;
            }
            return Ok(());
        }
        for file in wanted {
            let path = folder.join(&file.name);
            match read_up_to(&path, file.limit) {
                Ok(Read::All(bytes)) => files.insert(&file.name, bytes)?,
                Ok(Read::TooLarge(bytes)) => {
                    let (file, limit) = (file.name, file.limit);
                    return Err(Error::FileTooLarge { file, bytes, limit }.into());
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && !is_taken(&path) => {
                    missing(files, folder, &file.name)?
                }
                Err(source) => return Err(CliError::read(&path, source)),
            }
        }
    }
}

/// What a name that is no folder may have been meant for.
fn no_folder(name: &Path) -> &'static str {
    match name.components().next() {
        _ if name.exists() => "",
        _ if is_taken(name) => ": it is, or leads through, a link to what is not there",
        // An id of a hub, or an address.
        Some(Component::Normal(_)) => {
            ": a model is read from this machine, not from a hub; clone its repository (with Git LFS), or download a snapshot of it, and name that folder"
        }
        _ => "",
    }
}

enum Read {
    All(Vec<u8>),
    /// Bytes that there are, or as many as one knows of.
    TooLarge(u64),
}

/// No more is read than is taken. A pipe or a device is not opened: it may never answer, and has no size.
fn read_up_to(path: &Path, limit: u64) -> io::Result<Read> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        let reason = format!("it is not a regular file; at most {limit} bytes of one are taken");
        return Err(io::Error::other(reason));
    }
    let file = File::open(path)?;
    let size = metadata.len();
    if size > limit {
        return Ok(Read::TooLarge(size));
    }
    let mut bytes = Vec::with_capacity(size as usize + 1);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(match bytes.len() as u64 {
        length if length > limit => Read::TooLarge(length),
        _ => Read::All(bytes),
    })
}

/// Notes that a file is absent; where it is needed, says what lies in its place.
fn missing(files: &mut CheckpointFiles, folder: &Path, name: &str) -> Result<(), Error> {
    files.insert_missing(name).map_err(|error| match error {
        Error::MissingFile { name, hint } => {
            let there = other_forms(&name).iter().find(|(there, _)| is_taken(&folder.join(there)));
            Error::MissingFile { name, hint: there.map_or(hint, |(_, hint)| hint) }
        }
        error => error,
    })
}

/// What may lie in place of a file.
fn other_forms(missing: &str) -> &'static [(&'static str, &'static str)] {
    match missing {
        "config.json" => &OTHER_FORMS[..2],
        name if name.ends_with(".safetensors") => OTHER_FORMS,
        _ => &[],
    }
}

/// What lies in folders without safetensors, and what to do then; the first two also without `config.json`.
const OTHER_FORMS: &[(&str, &str)] = &[
    (
        ADAPTER,
        ": adapter_config.json says that this is an adapter; merge it into its base model (`merge_and_unload` of peft) and save that",
    ),
    (
        "onnx_config.json",
        ": onnx_config.json says that these are exported ONNX graphs; take the checkpoint that they were exported from",
    ),
    (
        "pytorch_model.bin",
        ": pytorch_model.bin holds pickled weights, which are never read; load the model in Python and save it again with safetensors",
    ),
    (
        "pytorch_model.bin.index.json",
        ": the weights here are pickled, and never read; load the model in Python and save it again with safetensors",
    ),
    ("onnx", ": onnx/ holds ONNX graphs; take the checkpoint that they were exported from"),
    ("model.onnx", ": model.onnx is an ONNX graph; take the checkpoint that it was exported from"),
    (
        "tf_model.h5",
        ": tf_model.h5 holds TensorFlow weights; save the model again with safetensors",
    ),
    (
        "flax_model.msgpack",
        ": flax_model.msgpack holds Flax weights; save the model again with safetensors",
    ),
];
