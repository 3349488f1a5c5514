//! Index folders that other libraries have written: read as they are, chunk after chunk, and written for fast-plaid.
//!
//! | form | told by | ids |
//! | --- | --- | --- |
//! | fast-plaid, next-plaid | `centroids.npy` | a document's number |
//! | PyLate | `fast_plaid_index/centroids.npy` | those of `plaid_ids_to_documents_ids.pkl` |
//! | colbert-ai, PyLate with `use_fast=False` | `centroids.pt` | those of that file if it is there, or numbers |
//!
//! See [`layout`] for their files. Pickles are read by a machine that executes nothing. What next-plaid's server keeps in SQLite is not
//! read, and neither are the ids that PyLate wrote in SQLite before version 1.6.
//!
//! In memory are the codec, 8 bytes a document, its id, and 8 bytes a centroid; documents and lists are read when their turn comes. An
//! index without lists (`compress_only`) has them made at its first search, which takes 4 bytes for each centroid of each document.
//!
//! Scores are computed in 32 bits from what the codes stand for, as next-plaid and colbert-ai on a CPU do; fast-plaid computes in halves,
//! so that its scores differ by some 2⁻¹⁰ of a query token's.

mod array;
mod ids;
pub mod layout;
mod lists;
mod npy;
mod open;
mod write;

use std::collections::BTreeMap;
use std::ops::Range;

use open::Documents;
pub use open::ForeignIndex;
pub use write::{FolderWriter, write_plaid};

use crate::error::{Error, Result};

/// Where a folder's files are read. Names are paths in it, with `/`.
pub trait IndexFolder {
    /// What reading can fail with.
    type Error: From<Error>;

    /// Bytes of a file; `None` if it is not there.
    ///
    /// # Errors
    /// What the caller's reading fails with.
    fn size(&self, file: &str) -> Result<Option<u64>, Self::Error>;

    /// Some bytes of a file, all that are asked for. They lie within it.
    ///
    /// # Errors
    /// What the caller's reading fails with.
    fn read_at(&self, file: &str, bytes: Range<u64>) -> Result<Vec<u8>, Self::Error>;

    /// What a file holds that `torch.save` has written: a ZIP archive whose entries are stored as they are.
    ///
    /// # Errors
    /// What the caller's reading fails with.
    fn archive(&self, file: &str) -> Result<Archive, Self::Error>;
}

/// What an archive says of its tensors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// Its `data.pkl`.
    pub pickle: Vec<u8>,
    /// Where the numbers of each storage lie in the file, by the names that the pickle has for them.
    pub storages: BTreeMap<String, Range<u64>>,
}

/// What has written an index folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexForm {
    /// [`crate::late_interaction::index`].
    Tabrank,
    /// fast-plaid or next-plaid.
    FastPlaid,
    /// PyLate, with fast-plaid's files in `fast_plaid_index/`.
    PyLate,
    /// colbert-ai, or PyLate with `use_fast=False`.
    Stanford,
}

impl IndexForm {
    /// The file that each is told by, and it.
    pub const FILES: [(&str, Self); 4] = [
        (super::MANIFEST, IndexForm::Tabrank),
        ("fast_plaid_index/centroids.npy", IndexForm::PyLate),
        ("centroids.npy", IndexForm::FastPlaid),
        ("centroids.pt", IndexForm::Stanford),
    ];

    /// By which files are there; `None`: it is no index.
    pub fn of(mut has: impl FnMut(&str) -> bool) -> Option<Self> {
        let found = Self::FILES.into_iter().find(|(file, _)| has(file));
        found.map(|(_, form)| form)
    }
}

/// The size of a file that may not be larger.
///
/// # Errors
/// [`Error::InvalidVectors`].
fn size_of(file: &str, size: u64, most: u64) -> Result<u64> {
    match size <= most {
        true => Ok(size),
        false => Err(Error::vectors(file, format!("has {size} bytes; at most {most} are taken"))),
    }
}
