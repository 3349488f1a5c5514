//! Which files make up a checkpoint folder, and what do they hold?
//!
//! A folder on a web server cannot be listed, so the reader says which file it needs next:
//!
//! ```text
//! while !(wanted = files.wanted()?).is_empty() { for each: insert(name, bytes) or insert_missing(name) }
//! ```
//!
//! The command line and the browser run the same loop. Only names that [`CheckpointFiles::wanted`]
//! gives are ever asked for, and each optional one only where the files so far make it likely:
//! a browser prints every absent file on the console.
//!
//! A folder with `tabrank.json` is a [`crate::model::bundle`]: its manifest lists all other files, each is held against its
//! hash, and a shard's tensors are taken out at once, so that its bytes can go.
//!
//! Recognised layouts: plain transformers, sentence-transformers (bi-encoder and version 6
//! multi-vector), PyLate, Stanford ColBERT.

mod architecture;
mod fields;
mod layouts;
mod modules;
mod names;
mod pickle;
mod places;
mod token_ids;
mod weights;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use architecture::{Architecture, BertArchitecture};
pub(crate) use fields::{Fields, not_json};
pub(crate) use modules::{Module, ModuleKind};
use names::check_name;
pub use pickle::{MAX_PICKLE, no_archive};
pub(crate) use places::Place;
pub use places::header_end;
pub use weights::{TensorInfo, Weights};
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};
use crate::model::bundle::{
    Bundle, BundleFiles, FileEntry, Integrity, MANIFEST, MAX_MANIFEST, Manifest, TensorSpec, sha256,
};

/// Largest `tokenizer.json`, in bytes; one with 250,000 entries has 17 MB.
const MAX_TOKENIZER: u64 = 64 << 20;
/// Largest file of settings, in bytes: they have some kilobytes, lists of tokens or of tensors some hundreds. Parsed it takes up to
/// 36 times its size.
pub const MAX_SETTINGS: u64 = 8 << 20;
/// Bytes of a file that are read at a time to be hashed.
const HASHED_AT_ONCE: usize = 16 << 20;
/// Most bytes of a weight file that is in memory as a whole, and of a bundle's together: on 32 bits no allocation is longer.
const MAX_WEIGHTS: u64 = if cfg!(target_pointer_width = "32") { 2 << 30 } else { u64::MAX };
const NO_PICKLES: &str = " (only safetensors weights are loaded, never pickled ones: `tabrank convert` makes a bundle of those; a bundle's are listed in its tabrank.json, which is not there)";

/// A file to look for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// Path relative to the checkpoint folder, with `/`.
    pub name: String,
    /// Whether the checkpoint is complete without it.
    pub optional: bool,
    /// Most bytes that are taken, so that a reader can stop there.
    pub limit: u64,
    /// What it must be, if a bundle's manifest says so.
    pub integrity: Option<Integrity>,
}

impl WantedFile {
    /// Whether the file's header is enough: the weights of a checkpoint can be read one tensor at a time.
    pub fn takes_header(&self) -> bool {
        is_weights(&self.name) && self.integrity.is_none()
    }

    /// Whether it is a file of PyTorch's: see [`CheckpointFiles::insert_pickle`].
    pub fn is_pickle(&self) -> bool {
        is_pickle(&self.name) && self.integrity.is_none()
    }
}

/// Reads parts of the files of which [`CheckpointFiles`] has the header alone.
pub trait ReadAt: Send + Sync {
    /// The bytes of `file` at `range`, all of them.
    ///
    /// # Errors
    /// [`Error::Read`].
    fn read_at(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>>;
}

#[derive(Clone)]
struct Reader(Arc<dyn ReadAt>);

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// The files of one checkpoint folder, as far as they have been found.
#[derive(Debug, Clone, Default)]
pub struct CheckpointFiles {
    /// `None`: looked for and absent.
    files: BTreeMap<String, Option<Vec<u8>>>,
    /// Sizes of the files of which `files` holds all in front of the tensors' data, and no more.
    headers: BTreeMap<String, u64>,
    /// The tensors of pickled files, whose bytes are not here.
    pickles: BTreeMap<String, Vec<(String, Place)>>,
    /// Where what is not here is read from.
    reader: Option<Reader>,
    /// Whether pickles are asked for where there are no safetensors.
    takes_pickles: bool,
    /// The manifest and the tensors, if this is a bundle.
    bundle: Option<Bundle>,
    /// One more than the highest id that `tokenizer.json` names, once that was asked for.
    token_ids: OnceCell<u64>,
}

impl CheckpointFiles {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The files of a bundle that was just made.
    ///
    /// # Errors
    /// As [`CheckpointFiles::insert`].
    pub fn from_bundle(bundle: &BundleFiles) -> Result<Self> {
        let mut files = Self::new();
        for (name, bytes) in &bundle.files {
            files.insert(name, bytes.clone())?;
        }
        Ok(files)
    }

    /// Takes the bytes of a file. A bundle's are held against its manifest before anything else is done with them.
    ///
    /// # Errors
    /// [`Error::FileTooLarge`]; of a bundle also [`Error::Integrity`] and what is wrong with its manifest or tensors.
    pub fn insert(&mut self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let (limit, size) = (limit_of(name), bytes.len() as u64);
        // A manifest says for itself that it is too large, as a bundle's error.
        if size > limit && name != MANIFEST {
            return Err(Error::FileTooLarge { file: name.to_owned(), bytes: size, limit });
        }
        if name == MANIFEST {
            self.bundle = Some(open_bundle(&bytes)?);
        } else if let Some(bundle) = &mut self.bundle {
            bundle.verify(name, &bytes)?;
            if bundle.is_shard(name) {
                return bundle.insert_shard(name, &bytes);
            }
        }
        self.headers.remove(name);
        self.files.insert(name.to_owned(), Some(bytes));
        self.token_ids.take();
        Ok(())
    }

    /// Takes all in front of the tensors' data, by [`header_end`], of a weight file that has `size` bytes. The tensors are read when
    /// their turn comes: by the reader that [`CheckpointFiles::read_with`] was given, or by whoever converts.
    ///
    /// # Errors
    /// [`Error::OtherFile`], [`Error::InvalidSafetensors`].
    pub fn insert_header(&mut self, name: &str, header: Vec<u8>, size: u64) -> Result<()> {
        places::places(name, &header, size)?;
        self.headers.insert(name.to_owned(), size);
        self.files.insert(name.to_owned(), Some(header));
        Ok(())
    }

    /// Lets [`CheckpointFiles::wanted`] ask for pickles where there are no safetensors.
    pub fn take_pickles(&mut self) {
        self.takes_pickles = true;
    }

    /// Takes a file as `torch.save` writes a model's state: its pickle, and where its storages lie in it. Nothing is executed, and
    /// only tensors are taken; as of [`CheckpointFiles::insert_header`], they are read when their turn comes.
    ///
    /// # Errors
    /// [`Error::InvalidPickle`], [`Error::FileTooLarge`].
    pub fn insert_pickle(
        &mut self,
        name: &str,
        pickle: &[u8],
        storages: &BTreeMap<String, Range<u64>>,
    ) -> Result<()> {
        self.pickles.insert(name.to_owned(), pickle::places(name, pickle, storages)?);
        self.files.insert(name.to_owned(), Some(Vec::new()));
        Ok(())
    }

    /// Says where tensors are read from that are not in memory.
    pub fn read_with(&mut self, reader: impl ReadAt + 'static) {
        self.reader = Some(Reader(Arc::new(reader)));
    }

    /// Notes that the folder has no such file.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if it is not optional.
    pub fn insert_missing(&mut self, name: &str) -> Result<()> {
        let required = self.wanted()?.iter().any(|file| file.name == name && !file.optional);
        if required {
            // The others are only looked for where the whole file is absent, and that is what a user misses.
            let name = [PICKLE_INDEX, PICKLE, WEIGHT_INDEX]
                .into_iter()
                .fold(name.to_owned(), |name, form| name.replace(form, WEIGHTS));
            let hint = match self.bundle {
                None if is_weights(&name) => NO_PICKLES,
                _ => "",
            };
            return Err(Error::MissingFile { name, hint });
        }
        self.files.insert(name.to_owned(), None);
        Ok(())
    }

    /// The files to look for next, given those found so far; empty when the checkpoint is complete.
    ///
    /// # Errors
    /// What the files so far say wrongly.
    pub fn wanted(&self) -> Result<Vec<WantedFile>> {
        if let Some(bundle) = &self.bundle {
            return Ok(self.listed(bundle));
        }
        for round in [Self::manifest_file, Self::roots, Self::settings, Self::weight_files] {
            let mut files = Vec::new();
            for (name, optional) in round(self)? {
                check_name(&name)?;
                if !self.files.contains_key(&name) {
                    let limit = limit_of(&name);
                    files.push(WantedFile { name, optional, limit, integrity: None });
                }
            }
            if !files.is_empty() {
                return Ok(files);
            }
        }
        Ok(Vec::new())
    }

    /// The files that a bundle's manifest lists and that are not there yet.
    fn listed(&self, bundle: &Bundle) -> Vec<WantedFile> {
        bundle
            .manifest
            .entries()
            .filter(|entry| !self.files.contains_key(&entry.name) && !bundle.has_read(&entry.name))
            .map(|entry| WantedFile {
                name: entry.name.clone(),
                optional: false,
                limit: limit_of(&entry.name),
                integrity: Some(entry.integrity.clone()),
            })
            .collect()
    }

    /// The manifest, if this is a bundle.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.bundle.as_ref().map(|bundle| &bundle.manifest)
    }

    /// Names and bytes of the files that were found, in order of their names; without a bundle's shards, whose bytes
    /// are gone.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().filter_map(|(name, bytes)| Some((name.as_str(), bytes.as_deref()?)))
    }

    /// Names and sizes of the files that were found, in order of their names; without a bundle's shards.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, u64)> {
        let size =
            |name, bytes: &[u8]| self.headers.get(name).copied().unwrap_or(bytes.len() as u64);
        self.iter().map(move |(name, bytes)| (name, size(name, bytes)))
    }

    /// All stored tensors, another module's behind its folder.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn tensors(&self) -> Result<Vec<TensorInfo>> {
        let mut tensors = Weights::open(self, &self.backbone_files()?)?.tensors();
        if self.bundle.is_some() {
            return Ok(tensors);
        }
        for module in self.modules()?.iter().filter(|module| module.kind.has_weights()) {
            let weights = Weights::open(self, &[module.path_of(WEIGHTS)])?;
            let behind = |info: TensorInfo| TensorInfo { name: module.path_of(&info.name), ..info };
            tensors.extend(weights.tensors().into_iter().map(behind));
        }
        Ok(tensors)
    }

    /// The files that are no weights, in order of their names: what a bundle takes over.
    pub(crate) fn settings_found(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().filter(|(name, _)| {
            !is_weights(name) && !is_pickle(name) && !name.ends_with(".index.json")
        })
    }

    /// The SHA-256 of a file, if it is there: a bundle's are known, and were held against it.
    pub(crate) fn sha256(&self, name: &str) -> Option<String> {
        let listed = self.manifest().and_then(|manifest| {
            let entry = manifest.files.iter().find(|entry| entry.name == name)?;
            Some(entry.integrity.sha256.clone())
        });
        listed.or_else(|| self.get(name).map(sha256))
    }

    /// A hash of each file that holds weights: SHA-256 of a bundle's, which its manifest has, XXH3 of a checkpoint's.
    ///
    /// # Errors
    /// [`Error::MissingFile`].
    pub(crate) fn weight_hashes(&self) -> Result<Vec<String>> {
        if let Some(manifest) = self.manifest() {
            let hashes = manifest.weights.iter().map(|entry| entry.integrity.sha256.clone());
            return Ok(hashes.collect());
        }
        self.backbone_files()?;
        let weights = self.sizes().filter(|(name, _)| is_weights(name));
        weights.map(|(name, size)| self.hash(name, size)).collect()
    }

    /// The XXH3 of a weight file, in hexadecimal.
    fn hash(&self, name: &str, size: u64) -> Result<String> {
        let mut hash = Xxh3::new();
        for start in (0..size).step_by(HASHED_AT_ONCE) {
            hash.update(&self.bytes(name, start..size.min(start + HASHED_AT_ONCE as u64))?);
        }
        Ok(format!("{:032x}", hash.digest128()))
    }

    /// Holds a bundle's tensors against those that its configuration calls for. A checkpoint's are looked at when they
    /// are read: it may hold others too.
    pub(crate) fn check_tensors(&self, specs: &[TensorSpec]) -> Result<()> {
        match &self.bundle {
            Some(bundle) => bundle.tensors.borrow().check(specs, bundle.manifest.dtype),
            None => Ok(()),
        }
    }

    /// Names and places of the tensors in a weight file, or in the pickle that stands in its place.
    fn places(&self, name: &str) -> Result<Vec<(String, Place)>> {
        let in_place = name.strip_suffix(WEIGHTS).map(|folder| format!("{folder}{PICKLE}"));
        let in_place = in_place.filter(|_| self.get(name).is_none());
        if let Some(tensors) = self.pickles.get(in_place.as_deref().unwrap_or(name)) {
            return Ok(tensors.clone());
        }
        let bytes =
            self.get(name).ok_or_else(|| Error::MissingFile { name: name.to_owned(), hint: "" })?;
        let size = self.headers.get(name).copied().unwrap_or(bytes.len() as u64);
        places::places(name, bytes, size)
    }

    /// Some bytes of a weight file, which must lie within it.
    pub(crate) fn bytes(&self, file: &str, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        match (self.get(file), &self.reader) {
            (Some(bytes), _) if !self.is_partial(file) => {
                Ok(Cow::Borrowed(&bytes[range.start as usize..range.end as usize]))
            }
            (_, Some(Reader(reader))) => {
                let length = range.end - range.start;
                let bytes = reader.read_at(file, range)?;
                assert_eq!(bytes.len() as u64, length, "a reader reads what it was asked for");
                Ok(Cow::Owned(bytes))
            }
            _ => Err(Error::MissingFile { name: file.to_owned(), hint: " beyond its header" }),
        }
    }

    /// Whether the tensors of a file are not here.
    fn is_partial(&self, file: &str) -> bool {
        self.headers.contains_key(file) || self.pickles.contains_key(file)
    }

    /// Whether all of the weights can be read without asking anybody.
    pub(crate) fn is_readable(&self) -> bool {
        self.reader.is_some() || !self.files.keys().any(|file| self.is_partial(file))
    }

    /// The bytes of a file, of weights perhaps all in front of the tensors' data alone; `None` if it is absent.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name)?.as_deref()
    }

    /// A JSON file's fields; `None` if it is absent.
    pub(crate) fn fields<'n>(&self, name: &'n str) -> Result<Option<Fields<'n>>> {
        self.get(name).map(|bytes| Fields::parse(name, bytes)).transpose()
    }
}

pub(crate) const MODULES: &str = "modules.json";
/// The settings of all of a model's modules. Beside no `modules.json` the libraries do not read it, and a load does not ask for it
/// but where it is likely; who can look into the folder inserts it, so that a model whose modules are missing is refused.
pub const SENTENCE_TRANSFORMERS: &str = "config_sentence_transformers.json";
/// By this file the libraries tell an adapter, whose weights change those beside it. No load asks for it: it would be absent from all
/// but a few folders. Who can look into the folder inserts [`CheckpointFiles::adapter_file`], so that it is refused.
pub const ADAPTER: &str = "adapter_config.json";
pub(crate) const ARTIFACT: &str = "artifact.metadata";
const WEIGHTS: &str = "model.safetensors";
const WEIGHT_INDEX: &str = "model.safetensors.index.json";
const PICKLE: &str = "pytorch_model.bin";
const PICKLE_INDEX: &str = "pytorch_model.bin.index.json";

fn is_pickle(name: &str) -> bool {
    name.ends_with(".bin")
}

fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors")
}

/// Most bytes that a file of this name may have.
fn limit_of(name: &str) -> u64 {
    match name.rsplit('/').next() {
        Some(MANIFEST) => MAX_MANIFEST as u64,
        Some("tokenizer.json") => MAX_TOKENIZER,
        Some(file) if is_weights(file) => MAX_WEIGHTS,
        _ => MAX_SETTINGS,
    }
}

/// Opens a manifest whose files all lie below the folder and come to no more than a model may have.
fn open_bundle(bytes: &[u8]) -> Result<Bundle> {
    let bundle = Bundle::open(bytes)?;
    for entry in bundle.manifest.entries() {
        check_name(&entry.name)?;
    }
    check_total("files", &bundle.manifest.files, MAX_TOKENIZER)?;
    check_total("weights", &bundle.manifest.weights, MAX_WEIGHTS)?;
    Ok(bundle)
}

fn check_total(field: &str, entries: &[FileEntry], limit: u64) -> Result<()> {
    let sizes = entries.iter().map(|entry| entry.integrity.bytes);
    let total = sizes.fold(0, u64::saturating_add);
    match total <= limit {
        true => Ok(()),
        false => Err(Error::BundleManifest {
            field: field.to_owned(),
            reason: format!("have {total} bytes; at most {limit} are taken"),
        }),
    }
}
