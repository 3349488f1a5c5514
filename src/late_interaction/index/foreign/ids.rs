//! What documents are called: by a pickle that PyLate has written, or by their numbers.

use super::{IndexFolder, size_of};
use crate::error::{Error, Result};
use crate::model::checkpoint::pickle::{Item, dictionary};

/// From numbers to ids.
pub(super) const IDS: &str = "plaid_ids_to_documents_ids.pkl";
/// The other way round, which is not read.
pub(super) const NUMBERS: &str = "documents_ids_to_plaid_ids.pkl";
/// What older versions have written.
const IN_SQLITE: &str = "plaid_ids_to_documents_ids.sqlite";
/// Largest pickle of ids, in bytes: of some ten million.
const MAX_IDS: u64 = 1 << 28;

/// Of each document its id.
#[derive(Debug)]
pub(super) enum Ids {
    /// Documents are called by their numbers.
    Numbers,
    /// `None`: a document that was removed.
    Texts(Vec<Option<Box<str>>>),
}

impl Ids {
    /// Of `documents` documents.
    ///
    /// # Errors
    /// [`Error::InvalidVectors`]; what reading fails with.
    pub(super) fn open<F: IndexFolder>(folder: &F, documents: usize) -> Result<Self, F::Error> {
        let Some(size) = folder.size(IDS)? else {
            return match folder.size(IN_SQLITE)? {
                None => Ok(Ids::Numbers),
                Some(_) => {
                    let reason = "is what older versions of PyLate have written, which is not read: save its content as a \
                                  pickle, as PyLate 1.6 does";
                    Err(Error::vectors(IN_SQLITE, reason).into())
                }
            };
        };
        let pickle = folder.read_at(IDS, 0..size_of(IDS, size, MAX_IDS)?)?;
        let wrong = |reason: String| Error::vectors(IDS, reason);
        let pairs = dictionary(&pickle)
            .map_err(|reason| wrong(format!("is no pickle of ids alone: {reason}")))?;
        Ok(Ids::Texts(texts(pairs, documents).map_err(wrong)?))
    }

    /// `None`: it was removed.
    pub(super) fn get(&self, document: usize) -> Option<String> {
        match self {
            Ids::Numbers => Some(document.to_string()),
            Ids::Texts(ids) => ids[document].as_deref().map(str::to_owned),
        }
    }

    pub(super) fn has(&self, document: usize) -> bool {
        match self {
            Ids::Numbers => true,
            Ids::Texts(ids) => ids[document].is_some(),
        }
    }
}

/// Of each of so many documents its id.
fn texts(
    pairs: Vec<(Item<'_>, Item<'_>)>,
    documents: usize,
) -> Result<Vec<Option<Box<str>>>, String> {
    let mut ids: Vec<Option<Box<str>>> = vec![None; documents];
    for (key, id) in pairs {
        let Item::Number(number) = key else {
            return Err("has a key that is no number".to_owned());
        };
        let place = usize::try_from(number).ok().and_then(|place| ids.get_mut(place));
        let place = place
            .ok_or_else(|| format!("has the number {number}; there are {documents} documents"))?;
        let id = match id {
            Item::Number(id) => id.to_string().into(),
            Item::Text(id) => id.into(),
        };
        if place.replace(id).is_some() {
            return Err(format!("has the number {number} twice"));
        }
    }
    Ok(ids)
}

/// Pickles of ids, as they grow: [`IDS`] and [`NUMBERS`].
pub(super) struct IdsWriter {
    /// Items since those that were set last.
    pending: usize,
}

/// Items that are on the stack together.
const BATCH: usize = 1000;

impl IdsWriter {
    /// Nothing yet, and how both pickles begin: protocol 2, an empty dictionary.
    pub(super) fn new() -> (Self, &'static [u8]) {
        (Self { pending: 0 }, b"\x80\x02}")
    }

    /// The next document's bytes in both.
    pub(super) fn push(&mut self, number: u32, id: &str) -> [Vec<u8>; 2] {
        let text = [b"X", &(id.len() as u32).to_le_bytes()[..], id.as_bytes()].concat();
        // As a number of 64 bits: those of 32 have a sign.
        let number = [&b"\x8a\x08"[..], &u64::from(number).to_le_bytes()].concat();
        let before: &[u8] = if self.pending == 0 { b"(" } else { b"" };
        self.pending = (self.pending + 1) % BATCH;
        let behind: &[u8] = if self.pending == 0 { b"u" } else { b"" };
        let item = |key: &[u8], value: &[u8]| [before, key, value, behind].concat();
        [item(&number, &text), item(&text, &number)]
    }

    /// How both end.
    pub(super) fn close(self) -> &'static [u8] {
        match self.pending {
            0 => b".",
            _ => b"u.",
        }
    }
}
