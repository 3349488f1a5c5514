//! Which file is looked for next, and how large may it be?

use super::names::check_name;
use super::{
    CheckpointFiles, NO_PICKLES, PICKLE, PICKLE_INDEX, Shards, WEIGHT_INDEX, WEIGHTS, is_pickle,
    is_weights,
};
use crate::error::{Error, Result};
use crate::model::bundle::{Bundle, Integrity, MANIFEST, MAX_MANIFEST, Manifest};

/// Largest `tokenizer.json`, in bytes; one with 250,000 entries has 17 MB.
pub(super) const MAX_TOKENIZER: u64 = 64 << 20;
/// Largest file of settings, in bytes: they have some kilobytes, lists of tokens or of tensors some hundreds. Parsed it takes up to
/// 36 times its size.
pub const MAX_SETTINGS: u64 = 8 << 20;
/// Most bytes of a weight file that is in memory as a whole, and of a bundle's together: on 32 bits no allocation is longer.
pub(super) const MAX_WEIGHTS: u64 =
    if cfg!(target_pointer_width = "32") { 2 << 30 } else { u64::MAX };

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

impl CheckpointFiles {
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
        let Manifest { files, weights, pages, .. } = &bundle.manifest;
        let texts = weights.iter().filter(|_| self.shards != Shards::Pages);
        let pages = pages.iter().filter(|_| self.takes_pages());
        files
            .iter()
            .chain(texts)
            .chain(pages)
            .filter(|entry| !self.files.contains_key(&entry.name) && !bundle.has_read(&entry.name))
            .map(|entry| WantedFile {
                name: entry.name.clone(),
                optional: false,
                limit: limit_of(&entry.name),
                integrity: Some(entry.integrity.clone()),
            })
            .collect()
    }
}

/// Most bytes that a file of this name may have.
pub(super) fn limit_of(name: &str) -> u64 {
    match name.rsplit('/').next() {
        Some(MANIFEST) => MAX_MANIFEST as u64,
        Some("tokenizer.json") => MAX_TOKENIZER,
        Some(file) if is_weights(file) => MAX_WEIGHTS,
        _ => MAX_SETTINGS,
    }
}
