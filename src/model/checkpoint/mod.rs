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

mod fields;
mod layouts;
mod modules;
mod names;
mod token_ids;
mod weights;

use std::cell::OnceCell;
use std::collections::BTreeMap;

pub(crate) use fields::Fields;
pub(crate) use modules::{Module, ModuleKind};
use names::check_name;
pub use weights::{TensorInfo, Weights};

use crate::error::{Error, Result};
use crate::model::bundle::{
    Bundle, BundleFiles, FileEntry, Integrity, MANIFEST, Manifest, TensorSpec,
};

/// Largest JSON file that is read, in bytes; a tokenizer with 250,000 entries has 17 MB.
const MAX_JSON: usize = 64 << 20;
/// Largest weight file that is read, in bytes.
const MAX_WEIGHTS: usize = if cfg!(target_pointer_width = "32") { 512 << 20 } else { 4 << 30 };
const NO_PICKLES: &str = " (only safetensors weights are read, never pickled ones: save the model again with safetensors)";

/// A file to look for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// Path relative to the checkpoint folder, with `/`.
    pub name: String,
    /// Whether the checkpoint is complete without it.
    pub optional: bool,
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
        let limit = if name.ends_with(".safetensors") { MAX_WEIGHTS } else { MAX_JSON };
        if bytes.len() > limit {
            return Err(Error::FileTooLarge { file: name.to_owned(), bytes: bytes.len(), limit });
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
            return Err(Error::MissingFile {
                name: name.to_owned(),
                hint: match self.bundle {
                    None if name.ends_with(".safetensors") || name == WEIGHT_INDEX => NO_PICKLES,
                    _ => "",
                },
            });
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
                    files.push(WantedFile { name, optional, integrity: None });
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
pub(crate) const SENTENCE_TRANSFORMERS: &str = "config_sentence_transformers.json";
pub(crate) const ARTIFACT: &str = "artifact.metadata";
const WEIGHT_INDEX: &str = "model.safetensors.index.json";

/// Opens a manifest whose files all lie below the folder and come to no more than a model may have.
fn open_bundle(bytes: &[u8]) -> Result<Bundle> {
    let bundle = Bundle::open(bytes)?;
    for entry in bundle.manifest.entries() {
        check_name(&entry.name)?;
    }
    check_total("files", &bundle.manifest.files, MAX_JSON)?;
    check_total("weights", &bundle.manifest.weights, MAX_WEIGHTS)?;
    Ok(bundle)
}

fn check_total(field: &str, entries: &[FileEntry], limit: usize) -> Result<()> {
    let sizes = entries.iter().map(|entry| entry.integrity.bytes);
    let total = sizes.fold(0, u64::saturating_add);
    match total <= limit as u64 {
        true => Ok(()),
        false => Err(Error::BundleManifest {
            field: field.to_owned(),
            reason: format!("have {total} bytes; at most {limit} are taken"),
        }),
    }
}
