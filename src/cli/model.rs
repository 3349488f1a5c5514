//! Reads a bundle or checkpoint folder: asks the library which file is wanted next until it has them all. Of a checkpoint's weights
//! it reads what stands in front of the tensors, and each tensor when it is asked for.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::ops::Range;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex};

use pollster::block_on;
use tabrank::model::checkpoint::{
    ADAPTER, MAX_SETTINGS, ReadAt, SENTENCE_TRANSFORMERS, WantedFile, header_end,
};
use tabrank::{CheckpointFiles, DeviceChoice, Error, LoadOptions, Overrides, Reranker, Unobserved};

use super::error::is_taken;
use super::{CliError, pickle, say};

/// Loads the bundle or checkpoint in `folder`; says what runs, and prints its warnings.
pub fn load(folder: &Path, options: &LoadOptions) -> Result<Reranker, CliError> {
    loaded(folder, read(folder), options)
}

/// Loads one that encodes pages, with what only these need.
pub fn load_with_pages(folder: &Path, options: &LoadOptions) -> Result<Reranker, CliError> {
    let mut files = CheckpointFiles::new();
    files.take_pages();
    let read = read_into(&mut files, folder).map(|()| files);
    let reranker = loaded(folder, read, options)?;
    match reranker.reads_pages() {
        true => Ok(reranker),
        false => {
            let reason = "is of a model that reads texts alone, or was converted with --without-pages; pages want one that sees, such as ColModernVBERT".to_owned();
            Err(CliError::Folder { folder: folder.to_owned(), reason })
        }
    }
}

/// The model that was read, or could not be; says what runs, and prints its warnings.
fn loaded(
    folder: &Path,
    files: Result<CheckpointFiles, CliError>,
    options: &LoadOptions,
) -> Result<Reranker, CliError> {
    let loaded = files.and_then(|files| {
        block_on(Reranker::load(files, options, &mut Unobserved)).map_err(CliError::from)
    });
    let reranker = loaded.map_err(|error| error.of_model(folder))?;
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

/// The files of a checkpoint that is to be converted: its weights may be pickled.
pub fn read_to_convert(folder: &Path) -> Result<CheckpointFiles, CliError> {
    let mut files = CheckpointFiles::new();
    files.take_pickles();
    read_into(&mut files, folder)?;
    Ok(files)
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
    let weights = OpenFiles::default();
    files.read_with(weights.clone());
    loop {
        let wanted = files.wanted()?;
        if wanted.is_empty() {
            read_unasked(files, folder, &weights)?;
            // An adapter's settings call for its weights.
            if files.wanted()?.is_empty() {
                return Ok(());
            }
            continue;
        }
        for file in wanted {
            if !weights.read_one(files, folder, &file)? {
                missing(files, folder, &file.name)?;
            }
        }
    }
}

/// What nothing asks for, as nothing should lie there; a folder can be looked into.
fn read_unasked(
    files: &mut CheckpointFiles,
    folder: &Path,
    weights: &OpenFiles,
) -> Result<(), CliError> {
    if files.manifest().is_some() {
        return Ok(());
    }
    let adapter = files.adapter_file()?;
    if files.get(&adapter).is_none() && is_taken(&folder.join(&adapter)) {
        let file =
            WantedFile { name: adapter, optional: true, limit: MAX_SETTINGS, integrity: None };
        weights.read_one(files, folder, &file)?;
    }
    if files.get(SENTENCE_TRANSFORMERS).is_none() {
        let name = SENTENCE_TRANSFORMERS.to_owned();
        let file = WantedFile { name, optional: true, limit: MAX_SETTINGS, integrity: None };
        weights.read_one(files, folder, &file)?;
    }
    Ok(())
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
    /// All in front of the tensors of a weight file of this size, as far as there is as much.
    Header(Vec<u8>, u64),
    Pickle(File),
    /// Bytes that there are, or as many as one knows of.
    TooLarge(u64),
}

/// The weight files of a folder, which stay open: what is read of one is of one version.
#[derive(Clone, Default)]
struct OpenFiles(Arc<Mutex<HashMap<String, File>>>);

impl OpenFiles {
    /// Whether the folder has the file, which then is among the others.
    fn read_one(
        &self,
        files: &mut CheckpointFiles,
        folder: &Path,
        file: &WantedFile,
    ) -> Result<bool, CliError> {
        let (path, name) = (folder.join(&file.name), &file.name);
        let read = match (file.takes_header(), file.is_pickle()) {
            (true, _) => self.open(&path, name),
            (_, true) => open(&path).map(|(file, _)| Read::Pickle(file)),
            _ => read_up_to(&path, file.limit),
        };
        match read {
            Ok(Read::All(bytes)) => files.insert(name, bytes)?,
            Ok(Read::Header(bytes, size)) => files.insert_header(name, bytes, size)?,
            Ok(Read::Pickle(opened)) => {
                let found = pickle::open(name, &opened)?;
                files.insert_pickle(name, &found.pickle, &found.storages)?;
                self.keep(name, opened);
            }
            Ok(Read::TooLarge(bytes)) => {
                let (file, limit) = (name.clone(), file.limit);
                return Err(Error::FileTooLarge { file, bytes, limit }.into());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_taken(&path) => {
                return Ok(false);
            }
            Err(source) => return Err(CliError::read(&path, source)),
        }
        Ok(true)
    }

    /// Reads the header of a file, and lets more be read by its name.
    fn open(&self, path: &Path, name: &str) -> io::Result<Read> {
        let (mut file, size) = open(path)?;
        let mut bytes = Vec::new();
        file.by_ref().take(START).read_to_end(&mut bytes)?;
        // What is no weight file is told from what it is by the library.
        if let Ok(end) = header_end(name, &bytes) {
            file.by_ref().take(end.saturating_sub(START)).read_to_end(&mut bytes)?;
        }
        self.keep(name, file);
        Ok(Read::Header(bytes, size))
    }

    fn keep(&self, name: &str, file: File) {
        self.0.lock().expect("no thread panics").insert(name.to_owned(), file);
    }
}

impl ReadAt for OpenFiles {
    fn read_at(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let mut files = self.0.lock().expect("no thread panics");
        let file = files.get_mut(name).expect("what has a header was opened");
        let mut bytes = vec![0; (range.end - range.start) as usize];
        file.seek(io::SeekFrom::Start(range.start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|source| Error::Read { file: name.to_owned(), reason: source.to_string() })?;
        Ok(bytes)
    }
}

/// Bytes of a weight file that are read at first: enough for most to be told from what else may be in its place.
const START: u64 = 1024;

/// A file and its size. A pipe or a device is not opened: it may never answer, and has no size.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let metadata = fs::metadata(path)?;
    match metadata.is_file() {
        true => Ok((File::open(path)?, metadata.len())),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// No more is read than is taken.
fn read_up_to(path: &Path, limit: u64) -> io::Result<Read> {
    let (file, size) = open(path)?;
    if size > limit {
        return Ok(Read::TooLarge(size));
    }
    let mut bytes = Vec::with_capacity(size as usize + 1);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
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
        ": pytorch_model.bin holds pickled weights, which only `tabrank convert` reads, and executes nothing of; name the bundle that it makes",
    ),
    (
        "pytorch_model.bin.index.json",
        ": the weights here are pickled, which only `tabrank convert` reads, and executes nothing of; name the bundle that it makes",
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
