//! Which bytes of the files are at hand, which are read when their turn comes, and what are their hashes?

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::places::{self, Place};
use super::{CheckpointFiles, PICKLE, WEIGHTS, is_weights};
use crate::error::{Error, Result};
use crate::model::bundle::sha256;

/// Bytes of a file that are read at a time to be hashed.
const HASHED_AT_ONCE: usize = 16 << 20;

/// Reads parts of the files of which [`CheckpointFiles`] has the header alone.
pub trait ReadAt: Send + Sync {
    /// The bytes of `file` at `range`, all of them.
    ///
    /// # Errors
    /// [`Error::Read`].
    fn read_at(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>>;
}

#[derive(Clone)]
pub(super) struct Reader(Arc<dyn ReadAt>);

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl CheckpointFiles {
    /// Says where tensors are read from that are not in memory.
    pub fn read_with(&mut self, reader: impl ReadAt + 'static) {
        self.reader = Some(Reader(Arc::new(reader)));
    }

    /// The SHA-256 of a file, if it is there: a bundle's are known, and were held against it.
    pub(crate) fn sha256(&self, name: &str) -> Option<String> {
        let listed = self.manifest().and_then(|manifest| {
            let entry = manifest.files.iter().find(|entry| entry.name == name)?;
            Some(entry.integrity.sha256.clone())
        });
        listed.or_else(|| self.get(name).map(sha256))
    }

    /// A hash of each file that holds weights: SHA-256 of a bundle's, which its manifest has, XXH3 of a checkpoint's; and of what scales
    /// an adapter's.
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
        let mut hashes: Vec<String> =
            weights.map(|(name, size)| self.hash(name, size)).collect::<Result<_>>()?;
        if self.is_adapted()? {
            hashes.extend(self.sha256(&self.adapter_file()?));
        }
        Ok(hashes)
    }

    /// The XXH3 of a weight file, in hexadecimal.
    fn hash(&self, name: &str, size: u64) -> Result<String> {
        let mut hash = Xxh3::new();
        for start in (0..size).step_by(HASHED_AT_ONCE) {
            hash.update(&self.bytes(name, start..size.min(start + HASHED_AT_ONCE as u64))?);
        }
        Ok(format!("{:032x}", hash.digest128()))
    }

    /// Names and places of the tensors in a weight file, or in the pickle that stands in its place.
    pub(super) fn places(&self, name: &str) -> Result<Vec<(String, Place)>> {
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
}
