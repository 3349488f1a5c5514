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
mod token_ids;
mod weights;

use std::cell::OnceCell;
use std::collections::BTreeMap;

pub use architecture::{Architecture, BertArchitecture};
pub(crate) use fields::{Fields, not_json};
pub(crate) use modules::{Module, ModuleKind};
use names::check_name;
pub use weights::{TensorInfo, Weights};

use crate::error::{Error, Result};
use crate::model::bundle::{
    Bundle, BundleFiles, FileEntry, Integrity, MANIFEST, MAX_MANIFEST, Manifest, TensorSpec, sha256,
};

/// Largest `tokenizer.json`, in bytes; one with 250,000 entries has 17 MB.
const MAX_TOKENIZER: u64 = 64 << 20;
/// Largest file of settings, in bytes: they have some kilobytes, lists of tokens or of tensors some hundreds. Parsed it takes up to
/// 36 times its size.
const MAX_SETTINGS: u64 = 8 << 20;
/// Largest weight file, in bytes: on 32 bits no tensor may be longer, and the rest of the memory is for the model.
const MAX_WEIGHTS: u64 = if cfg!(target_pointer_width = "32") { 512 << 20 } else { 4 << 30 };
const NO_PICKLES: &str = " (only safetensors weights are read, never pickled ones: save the model again with safetensors; a bundle's are listed in its tabrank.json, which is not there)";

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

/// The files of one checkpoint folder, as far as they have been found.
#[derive(Debug, Clone, Default)]
pub struct CheckpointFiles {
    /// `None`: looked for and absent.
    files: BTreeMap<String, Option<Vec<u8>>>,
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
        self.files.insert(name.to_owned(), Some(bytes));
        self.token_ids.take();
        Ok(())
    }

    /// Notes that the folder has no such file.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if it is not optional.
    pub fn insert_missing(&mut self, name: &str) -> Result<()> {
        let required = self.wanted()?.iter().any(|file| file.name == name && !file.optional);
        if required {
            // The index is only looked for where the whole file is absent, and that is what a user misses.
            let name = name.replace(WEIGHT_INDEX, "model.safetensors");
            let hint = match self.bundle {
                None if name.ends_with(".safetensors") => NO_PICKLES,
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

    /// All stored tensors, a Dense module's behind its folder.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn tensors(&self) -> Result<Vec<TensorInfo>> {
        let mut tensors = Weights::open(self, &self.backbone_files()?)?.tensors();
        if self.bundle.is_some() {
            return Ok(tensors);
        }
        for module in self.modules()?.iter().filter(|module| module.kind == ModuleKind::Dense) {
            let weights = Weights::open(self, &[module.path_of("model.safetensors")])?;
            let behind = |info: TensorInfo| TensorInfo { name: module.path_of(&info.name), ..info };
            tensors.extend(weights.tensors().into_iter().map(behind));
        }
        Ok(tensors)
    }

    /// The files that are no weights, in order of their names: what a bundle takes over.
    pub(crate) fn settings_found(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter()
            .filter(|(name, _)| !name.ends_with(".safetensors") && !name.ends_with(WEIGHT_INDEX))
    }

    /// The SHA-256 of a file, if it is there: a bundle's are known, and were held against it.
    pub(crate) fn sha256(&self, name: &str) -> Option<String> {
        let listed = self.manifest().and_then(|manifest| {
            let entry = manifest.files.iter().find(|entry| entry.name == name)?;
            Some(entry.integrity.sha256.clone())
        });
        listed.or_else(|| self.get(name).map(sha256))
    }

    /// The SHA-256 of each file that holds weights.
    ///
    /// # Errors
    /// [`Error::MissingFile`].
    pub(crate) fn weight_hashes(&self) -> Result<Vec<String>> {
        if let Some(manifest) = self.manifest() {
            let hashes = manifest.weights.iter().map(|entry| entry.integrity.sha256.clone());
            return Ok(hashes.collect());
        }
        self.backbone_files()?;
        let weights = self.iter().filter(|(name, _)| name.ends_with(".safetensors"));
        Ok(weights.map(|(_, bytes)| sha256(bytes)).collect())
    }

    /// Holds a bundle's tensors against those that its configuration calls for. A checkpoint's are looked at when they
    /// are read: it may hold others too.
    pub(crate) fn check_tensors(&self, specs: &[TensorSpec]) -> Result<()> {
        match &self.bundle {
            Some(bundle) => bundle.tensors.borrow().check(specs, bundle.manifest.dtype),
            None => Ok(()),
        }
    }

    /// The bytes of a file; `None` if it is absent.
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
/// By this file the libraries tell an adapter, whose weights change those beside it. A load does not ask for it; who can look into
/// the folder inserts it, so that it is refused.
pub const ADAPTER: &str = "adapter_config.json";
pub(crate) const ARTIFACT: &str = "artifact.metadata";
const WEIGHT_INDEX: &str = "model.safetensors.index.json";

/// Most bytes that a file of this name may have.
fn limit_of(name: &str) -> u64 {
    match name.rsplit('/').next() {
        Some(MANIFEST) => MAX_MANIFEST as u64,
        Some("tokenizer.json") => MAX_TOKENIZER,
        Some(file) if file.ends_with(".safetensors") => MAX_WEIGHTS,
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
