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
//! multi-vector), PyLate, Stanford ColBERT, models of pages of transformers and colpali-engine.

mod adapter;
mod architecture;
mod bytes;
mod fields;
mod layouts;
mod modules;
mod names;
pub(crate) mod pickle;
mod places;
mod token_ids;
mod visual;
mod wanted;
mod weights;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;

pub use architecture::{Architecture, BertArchitecture, DecoderArchitecture};
pub use bytes::ReadAt;
use bytes::Reader;
pub(crate) use fields::{Fields, not_json};
pub(crate) use modules::{Module, ModuleKind};
use names::check_name;
pub use pickle::{MAX_PICKLE, no_archive};
pub(crate) use places::Place;
pub use places::header_end;
pub(crate) use visual::{Visual, VisualClass, VisualModel};
pub use wanted::{MAX_SETTINGS, WantedFile};
use wanted::{MAX_TOKENIZER, MAX_WEIGHTS, limit_of};
pub use weights::{TensorInfo, Weights};

use crate::error::{Error, Result};
use crate::model::bundle::{Bundle, BundleFiles, FileEntry, MANIFEST, Manifest, TensorSpec};

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
    /// Which of a bundle's shards are asked for.
    shards: Shards,
    /// The manifest and the tensors, if this is a bundle.
    bundle: Option<Bundle>,
    /// One more than the highest id that `tokenizer.json` names, once that was asked for.
    token_ids: OnceCell<u64>,
}

/// Which of a model's weights are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Shards {
    /// Those that texts need.
    #[default]
    Texts,
    /// Those that only pages need.
    Pages,
    Both,
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
        self.insert_hashed(name, bytes, None)
    }

    /// As [`CheckpointFiles::insert`], of bytes whose SHA-256 may be known, in lower-case hexadecimal.
    pub(crate) fn insert_hashed(
        &mut self,
        name: &str,
        bytes: Vec<u8>,
        sha256: Option<String>,
    ) -> Result<()> {
        let (limit, size) = (limit_of(name), bytes.len() as u64);
        // A manifest says for itself that it is too large, as a bundle's error.
        if size > limit && name != MANIFEST {
            return Err(Error::FileTooLarge { file: name.to_owned(), bytes: size, limit });
        }
        if name == MANIFEST {
            self.bundle = Some(open_bundle(&bytes)?);
        } else if let Some(bundle) = &mut self.bundle {
            bundle.verify(name, &bytes, sha256)?;
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

    /// Wants the weights that only pages need as well: [`CheckpointFiles::wanted`] asks for a bundle's shards with them, and they
    /// become part of what is converted and loaded.
    pub fn take_pages(&mut self) {
        self.shards = Shards::Both;
    }

    /// Wants the weights that only pages need and no others, for a model that is loaded already. Of a checkpoint they lie in the same
    /// files.
    pub fn take_pages_alone(&mut self) {
        self.shards = Shards::Pages;
    }

    /// Whether the weights that only pages need are wanted.
    pub fn takes_pages(&self) -> bool {
        self.shards != Shards::Texts
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
        if let Some(bundle) = &self.bundle {
            if self.takes_pages() {
                tensors.extend(Weights::of_tensors(&bundle.pages, "").tensors());
            }
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
            let adapter = name.ends_with(ADAPTER);
            !is_weights(name) && !is_pickle(name) && !name.ends_with(".index.json") && !adapter
        })
    }

    /// Holds a bundle's tensors against those that its configuration calls for. A checkpoint's are looked at when they
    /// are read: it may hold others too.
    pub(crate) fn check_tensors(&self, specs: &[TensorSpec]) -> Result<()> {
        match &self.bundle {
            Some(bundle) => bundle.tensors.borrow().check(specs, bundle.manifest.dtype),
            None => Ok(()),
        }
    }

    /// As [`CheckpointFiles::check_tensors`], of the tensors that only pages need.
    pub(crate) fn check_page_tensors(&self, specs: &[TensorSpec]) -> Result<()> {
        match &self.bundle {
            Some(bundle) => bundle.pages.borrow().check(specs, bundle.manifest.dtype),
            None => Ok(()),
        }
    }

    /// The bytes of a file, of weights perhaps all in front of the tensors' data alone; `None` if it is absent.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name)?.as_deref()
    }

    /// A text backbone's settings: `config.json`, or the part of it that is about the backbone.
    pub(crate) fn text_config<'n>(&self, name: &'n str) -> Result<Option<Fields<'n>>> {
        let Some(config) = self.fields(name)? else {
            return Ok(None);
        };
        Ok(Some(match Visual::of(&config)? {
            Some(visual) => visual.text,
            None => config,
        }))
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
/// but a few folders. Who can look into the folder inserts [`CheckpointFiles::adapter_file`], so that it is heeded, or refused.
pub const ADAPTER: &str = "adapter_config.json";
pub(crate) const ARTIFACT: &str = "artifact.metadata";
/// How a model of pages renders queries and pages.
pub(crate) const PROCESSOR: &str = "processor_config.json";
/// How it cuts pages into pictures.
pub(crate) const PREPROCESSOR: &str = "preprocessor_config.json";
const WEIGHTS: &str = "model.safetensors";
const WEIGHT_INDEX: &str = "model.safetensors.index.json";
const PICKLE: &str = "pytorch_model.bin";
const PICKLE_INDEX: &str = "pytorch_model.bin.index.json";
const NO_PICKLES: &str = " (only safetensors weights are loaded, never pickled ones: `tabrank convert` makes a bundle of those; a bundle's are listed in its tabrank.json, which is not there)";

fn is_pickle(name: &str) -> bool {
    name.ends_with(".bin")
}

fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors")
}

/// Opens a manifest whose files all lie below the folder and come to no more than a model may have.
fn open_bundle(bytes: &[u8]) -> Result<Bundle> {
    let bundle = Bundle::open(bytes)?;
    for entry in bundle.manifest.entries() {
        check_name(&entry.name)?;
    }
    check_total("files", &bundle.manifest.files, MAX_TOKENIZER)?;
    check_total("weights", &bundle.manifest.weights, MAX_WEIGHTS)?;
    check_total("pages", &bundle.manifest.pages, MAX_WEIGHTS)?;
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
