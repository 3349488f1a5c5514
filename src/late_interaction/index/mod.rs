//! Which documents of a whole collection answer a query best, without a server? Compressed embeddings in hashed files of at most 256 KB,
//! of which a query needs a few.
//!
//! An index is a folder, or the same paths below a URL:
//!
//! ```text
//! index.json                            the manifest, written last: it swaps one state of an index for the next
//! codec-0123456789abcdef.bin, ...       the file of the residual codec, cut into pieces
//! lists-0123456789abcdef.bin, ...       of each centroid, the documents that have a token there
//! documents-0123456789abcdef.safetensors, ...   codes, residuals and ids of the documents
//! ```
//!
//! A part's name holds the first 16 digits of its SHA-256, so that parts of two states never stand in each other's place.
//!
//! # The manifest
//!
//! UTF-8 JSON, at most 16 MiB, nested at most 32 deep, no key twice in an object. Fields that are not named here are ignored.
//!
//! ```text
//! format        "tabrank-index"
//! version       1; a reader refuses any other
//! embeddingId   the model: see [`crate::model::embedding_id`]; a string, or null if it is not known
//! tokenPooling  how rows were pooled, such as "2"; a string or null
//! dimension     width of an embedding
//! nbits         bits of each number of a residual: 1, 2, 4 or 8
//! codecId       see [`ResidualCodec::id`]
//! centroids     how many the codec has
//! documents     how many there are, below 2³²
//! tokens        rows of all documents
//! writer        name and version of the program
//! parts
//!   codec       [ { file, bytes, sha256 } ]: in the order in which they make the codec's file
//!   lists       [ { file, bytes, sha256, first, last } ]: of which centroids, from 0 to the last without gaps
//!   documents   [ { file, bytes, sha256, first, last } ]: which documents, from 0 to the last without gaps
//! ```
//!
//! `bytes` is at most 262,144, and `sha256` 64 lower-case hexadecimal digits. A centroid with a long list may be the last of one part and
//! the first of the next: each of the two holds some of it.
//!
//! # The parts
//!
//! The codec's file is that of [`ResidualCodec::write`], with centroids of type F16 where halves hold them to the value.
//!
//! A part with lists is a row of numbers, each in 7-bit groups, the lowest first, bit 7 set in all bytes but its last (LEB128): `first`
//! of the manifest, then of each centroid the length of its list and the list, ascending: the first document's number, then each one's
//! distance from the one before. Nothing follows.
//!
//! A part with documents is an embeddings file, see [`crate::late_interaction::codec::file`], of residual codes, with `ids`.
//!
//! # The order of documents
//!
//! Documents that are alike share parts, so that a query's best ones are fetched together: they are numbered by what [`order`] makes of
//! the codec's centroids and of their own codes, and, of equals, as they came. So it makes no difference whether an index is built at
//! once, of parts that are merged, or by additions: the files are the same, byte for byte.
//!
//! # Search
//!
//! See [`search`].

mod build;
mod check;
mod documents;
pub mod foreign;
mod lists;
mod manifest;
pub mod order;
mod query;
pub mod search;
mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use build::{BuildOptions, Documents, IndexDocument, IndexWriter, build};
pub use check::check;
pub use manifest::{IndexManifest, IndexPart, PartKind, is_part};
pub use search::{Hit, Search, SearchOptions};
pub use stored::{IndexReader, Joined, StoredDocuments};

use crate::error::{Error, Result};
use crate::late_interaction::codec::ResidualCodec;

/// Name of the manifest.
pub const MANIFEST: &str = "index.json";
/// Largest part, in bytes: static hosts send files whole.
pub const MAX_PART: usize = 256 << 10;
/// Longest id of a document, in bytes.
pub const MAX_ID: usize = 1 << 10;

/// An opened index: its manifest, and the codec once all of its parts were given.
#[derive(Debug, Clone)]
pub struct Index {
    manifest: Arc<IndexManifest>,
    /// Those of the codec's pieces that were given.
    pieces: BTreeMap<String, Vec<u8>>,
    codec: Option<Arc<ResidualCodec>>,
}

impl Index {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::IndexManifest`].
    pub fn open(manifest: &[u8]) -> Result<Self> {
        let manifest = Arc::new(IndexManifest::parse(manifest)?);
        Ok(Self { manifest, pieces: BTreeMap::new(), codec: None })
    }

    /// What the manifest says.
    pub fn manifest(&self) -> &IndexManifest {
        &self.manifest
    }

    /// The parts that have to be given before a search; none once the codec is there.
    pub fn wanted(&self) -> Vec<String> {
        let parts = match self.codec {
            Some(_) => &[],
            None => self.manifest.codec.as_slice(),
        };
        let missing = parts.iter().filter(|part| !self.pieces.contains_key(&part.file));
        let missing: BTreeSet<&String> = missing.map(|part| &part.file).collect();
        missing.into_iter().cloned().collect()
    }

    /// Takes a part that is wanted; the last one makes the codec. A part that is not wanted any more is passed over.
    ///
    /// # Errors
    /// [`Error::Integrity`], [`Error::IndexPart`].
    pub fn give(&mut self, file: &str, bytes: &[u8]) -> Result<()> {
        self.manifest.verify(file, bytes)?;
        if self.codec.is_none() && self.manifest.codec.iter().any(|part| part.file == file) {
            self.pieces.insert(file.to_owned(), bytes.to_vec());
            if self.wanted().is_empty() {
                self.codec = Some(Arc::new(self.read_codec()?));
                self.pieces.clear();
            }
        }
        Ok(())
    }

    /// Whether a model's embeddings of this id and width are what the index holds; no id where nobody knows it.
    ///
    /// # Errors
    /// [`Error::IndexModel`].
    pub fn check_model(&self, embedding_id: Option<&str>, dimension: usize) -> Result<()> {
        let held = self.manifest.info.embedding_id.as_deref();
        let reason = match held.zip(embedding_id) {
            Some((held, given)) if held != given => {
                format!("holds embeddings of the model {held}; this one is {given}")
            }
            _ if dimension != self.manifest.dimension => {
                let held = self.manifest.dimension;
                format!("holds embeddings of width {held}; this model's have {dimension}")
            }
            _ => return Ok(()),
        };
        Err(Error::IndexModel { reason })
    }

    /// The codec, once its parts were given.
    pub fn codec(&self) -> Option<&Arc<ResidualCodec>> {
        self.codec.as_ref()
    }

    /// Begins a search with the embeddings of a query, row-major.
    ///
    /// # Errors
    /// [`Error::Argument`] if these are no finite rows of the index's width, if a setting is 0 that may not be, or if parts of the codec
    /// are missing.
    pub fn search(&self, query: &[f32], options: &SearchOptions) -> Result<Search> {
        let codec = self.codec.clone();
        let codec =
            codec.ok_or_else(|| Error::argument("the index", "lacks parts of its codec"))?;
        Search::new(self.manifest.clone(), codec, query, options)
    }

    fn read_codec(&self) -> Result<ResidualCodec> {
        let parts = &self.manifest.codec;
        let bytes: Vec<u8> =
            parts.iter().flat_map(|part| &self.pieces[&part.file]).copied().collect();
        let file = &parts[0].file;
        let wrong = |reason: String| Error::IndexPart { file: file.clone(), reason };
        let codec =
            ResidualCodec::read("the codec", &bytes).map_err(|error| wrong(error.to_string()))?;
        self.manifest.check_codec(&codec).map_err(wrong)?;
        Ok(codec)
    }
}
