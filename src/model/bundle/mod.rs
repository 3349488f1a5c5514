//! What is in a converted model? The bundle: a checkpoint with its weights stored smaller and every file hashed.
//!
//! A bundle is a folder, or the same paths below a URL:
//!
//! ```text
//! tabrank.json                              the manifest; its presence makes a folder a bundle
//! config.json, tokenizer.json, ...          the checkpoint's own files, byte for byte, under their own names
//! weights-00001-of-00002.safetensors, ...   the weights, in shards of at most 16 MiB
//! pages-00001-of-00002.safetensors, ...     of a model that reads pages, the weights that only pages need, in the same way
//! ```
//!
//! # The manifest
//!
//! UTF-8 JSON, at most 1 MiB, nested at most 32 deep, no key twice in an object. Fields that are not named here are
//! ignored.
//!
//! ```text
//! format    "tabrank-bundle"
//! version   "1.0"; "2.0" with overrides; "3.0" with dtype "q8" or "q4": major and minor, decimal. A reader refuses another major
//!           version and takes any minor one.
//! dtype     "f32", "f16", "q8" or "q4": the type that the matrices are stored in
//! source    { repository, revision, license }: where the checkpoint came from, each a string or null
//! overrides { query_length, ... }: settings in place of the files' own, as [`crate::model::overrides`] names them; absent or
//!           null in version 1
//! embedding_id  a string: see [`crate::model::embedding_id`]. For programs that load no models; a load makes its own
//! files     [ { name, bytes, sha256 } ]: every file but the manifest and the weights
//! weights   [ { name, bytes, sha256 } ]: the shards; their order means nothing
//! pages     [ { name, bytes, sha256 } ]: the shards of what reads pages; absent where there are none. Who encodes no pages needs none
//!           of them, and `embedding_id` says nothing of them
//! ```
//!
//! `name` is a path below the folder, with `/`, of ASCII letters, digits, `.`, `_` and `-`, no part empty, `.` or `..`;
//! no name stands twice. Names of shards end in `.safetensors`, the others do not. `bytes` is the file's size. `sha256`
//! is its SHA-256 in 64 lower-case hexadecimal digits.
//!
//! # The weights
//!
//! Each shard is a safetensors file: 8 bytes with the length of the header (little-endian), the header (JSON: of each
//! tensor its type, shape and place), the tensors' bytes (little-endian, row-major, without gaps). Tensors have rank 1
//! or 2.
//!
//! Names are the checkpoint's, without a prefix such as `bert.`, with LayerNorms named `weight` and `bias`. The kernel of a
//! convolution is a matrix with a row a filter. A Dense
//! module's stand behind its folder: `1_Dense/linear.weight`. Stanford's projection is `linear.weight`. There are no
//! others than those the configuration calls for.
//!
//! A matrix `X` `[rows, columns]` is the vocabulary table or a weight that is multiplied. It is stored as
//!
//! ```text
//! f32   X  F32 [rows, columns]
//! f16   X  F16 [rows, columns]
//! q8    X  I8  [rows, columns]       X.scale F16 [rows, columns / 64]   X.equalizer F32 [columns], if it has one
//! q4    X  U8  [rows, columns / 2]   X.scale F16 [rows, columns / 32]   X.equalizer F32 [columns], if it has one
//! ```
//!
//! with the meaning that [`crate::model::quantize`] gives. A q4 byte holds the even column in its low half; quotients
//! are rounded up, and behind a row's last column stands the code zero, which is 8. Codes of q8 lie within ±127 in the table
//! and within ±63 elsewhere; scales are finite. The scale of a q8 matrix is F32
//! `[rows]` where a row has one: in the table, in a matrix of at most 64 columns and in all before version 3. It and equalizers are
//! positive and not subnormal. The table has no
//! equalizer. In a q4 bundle projections are q8, and other matrices may be, but not all. All other tensors are F32; the position table is
//! F16 but in a bundle of f32.
//!
//! A tensor that does not fit a shard is cut between rows: the part with rows 10 to 19 of `X` is named `X[10:20]`. Parts
//! follow each other without gap from row 0; they may lie in any shards.

mod check;
mod json;
mod manifest;
mod shard;
mod tensors;
mod writer;

use std::cell::RefCell;
use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

pub use check::{TensorKind, TensorSpec};
pub(crate) use json::parse as strict_json;
pub use manifest::{FileEntry, Integrity, Manifest, Source};
pub(crate) use manifest::{MAX_MANIFEST, integrity};
pub(crate) use tensors::{Tensor, Tensors, store};

pub use writer::BundleFiles;
pub(crate) use writer::BundleWriter;

use crate::error::{Error, Result};

/// Name of the manifest.
pub const MANIFEST: &str = "tabrank.json";
/// Largest shard, in bytes: what is fetched again after an interruption.
pub const MAX_SHARD: usize = 16 << 20;

/// An opened bundle: its manifest, and the tensors of the shards so far.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    pub(crate) manifest: Manifest,
    /// Shards whose tensors are in `tensors`.
    read: BTreeSet<String>,
    /// Loading takes tensors out one by one, from shared references to the checkpoint.
    pub(crate) tensors: RefCell<Tensors>,
    /// Those of the shards for pages.
    pub(crate) pages: RefCell<Tensors>,
}

impl Bundle {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::BundleManifest`], [`Error::BundleVersion`].
    pub(crate) fn open(bytes: &[u8]) -> Result<Self> {
        Ok(Self {
            manifest: Manifest::parse(bytes)?,
            read: BTreeSet::new(),
            tensors: RefCell::default(),
            pages: RefCell::default(),
        })
    }

    /// Whether `name` is a shard.
    pub(crate) fn is_shard(&self, name: &str) -> bool {
        self.shards().any(|shard| shard.name == name)
    }

    fn shards(&self) -> impl Iterator<Item = &FileEntry> {
        self.manifest.weights.iter().chain(&self.manifest.pages)
    }

    /// Whether the tensors of this shard are there.
    pub(crate) fn has_read(&self, name: &str) -> bool {
        self.read.contains(name)
    }

    /// Holds a file against the manifest, by its hash where that is known.
    ///
    /// # Errors
    /// [`Error::Integrity`]; [`Error::BundleManifest`] for a file that is not listed.
    pub(crate) fn verify(&self, name: &str, bytes: &[u8], hash: Option<String>) -> Result<()> {
        let listed = self.manifest.entries().find(|entry| entry.name == name);
        let listed = listed.ok_or_else(|| Error::BundleManifest {
            field: "files".to_owned(),
            reason: format!("does not list {name:?}"),
        })?;
        listed.integrity.verify_hashed(MANIFEST, name, bytes, hash)
    }

    /// Takes the tensors of a verified shard.
    ///
    /// # Errors
    /// [`Error::InvalidSafetensors`], [`Error::BundleTensor`].
    pub(crate) fn insert_shard(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        if !self.read.insert(name.to_owned()) {
            // The hash says that these are the same bytes again.
            return Ok(());
        }
        let Manifest { weights, pages, .. } = &self.manifest;
        let of_pages = pages.iter().any(|shard| shard.name == name);
        let (tensors, shards) = match of_pages {
            true => (self.pages.get_mut(), pages),
            false => (self.tensors.get_mut(), weights),
        };
        shard::read(name, bytes, tensors)?;
        match shards.iter().all(|shard| self.read.contains(&shard.name)) {
            true => tensors.join_parts(),
            false => Ok(()),
        }
    }
}

/// The SHA-256 itself.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// In lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(Sha256::new_with_prefix(bytes))
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Bundle, sha256};
    use crate::error::Error;

    #[test]
    fn a_hash_that_the_caller_has_computed_is_held_against_the_manifest() {
        let (bytes, other) = (b"{}", sha256(b"[]"));
        let file = format!(r#"{{"name":"config.json","bytes":2,"sha256":"{}"}}"#, sha256(bytes));
        let shard = file.replace("config.json", "w.safetensors");
        let manifest = format!(
            r#"{{"format":"tabrank-bundle","version":"3.0","dtype":"q8","source":{{"repository":null,"revision":null,"license":null}},"files":[{file}],"weights":[{shard}]}}"#
        );
        let bundle = Bundle::open(manifest.as_bytes()).unwrap();
        let verify = |hash| bundle.verify("config.json", bytes, hash);
        assert!(verify(None).is_ok() && verify(Some(sha256(bytes))).is_ok());
        assert!(matches!(verify(Some(other)), Err(Error::Integrity { .. })));
    }
}
