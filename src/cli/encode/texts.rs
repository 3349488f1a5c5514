//! Which texts come next? A stretch of the input at a time, hashed as it goes, so that a later run can tell whether it reads the same.

use std::io::Read;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tabrank::TextKind;

use crate::cli::CliError;
use crate::cli::input::Place;
use crate::cli::jsonl::{Record, Records};

/// Most texts of a stretch.
const TEXTS: usize = 64;
/// Bytes of text that end a stretch.
const BYTES: usize = 1 << 20;

/// A text on its way.
pub struct Item {
    /// The line, or the place in the array, from 0.
    pub index: u32,
    pub place: Place,
    /// As it goes on with what comes of the text, if it has one.
    pub id: Option<String>,
    text: String,
}

impl Item {
    /// A document, or a query, which must have words; with its id.
    ///
    /// # Errors
    /// What is no such text.
    pub fn new(kind: TextKind, record: Record, id: Option<String>) -> Result<Self, CliError> {
        let text = record.string("text")?;
        if kind == TextKind::Query && text.trim().is_empty() {
            return Err(record.place.wrong("the query is empty"));
        }
        Ok(Self { text, ..Self::without_text(record, id)? })
    }

    /// One whose embeddings come from elsewhere.
    ///
    /// # Errors
    /// More objects than are counted.
    pub fn without_text(record: Record, id: Option<String>) -> Result<Self, CliError> {
        let index = u32::try_from(record.index);
        let index = index.map_err(|_| record.place.wrong("has no 32-bit index"))?;
        Ok(Self { index, place: record.place, id, text: String::new() })
    }

    /// A page image, by its key.
    pub fn page(index: u32, key: String) -> Self {
        let place = Place { file: key.as_str().into(), line: 1, column: 1 };
        Self { index, place, id: Some(key), text: String::new() }
    }
}

impl AsRef<str> for Item {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// Texts that follow each other.
pub struct Stretch {
    pub items: Vec<Item>,
    /// Whether the input ends with it.
    pub is_last: bool,
}

/// How far an input has been read.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    pub texts: u64,
    /// Of all texts so far, their places and ids, in hexadecimal digits.
    pub sha256: String,
}

impl Mark {
    /// In front of the first text.
    pub fn start() -> Self {
        Self::of(0, &Sha256::new())
    }

    /// Behind so many texts, which have this hash.
    pub fn of(texts: u64, hash: &Sha256) -> Self {
        let digest = hash.clone().finalize();
        Self { texts, sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect() }
    }
}

/// Makes of a record what goes on.
pub trait ToItem: Fn(Record) -> Result<Item, CliError> {}

impl<F: Fn(Record) -> Result<Item, CliError>> ToItem for F {}

/// The texts of an input.
pub struct Texts<R, F> {
    records: Records<R>,
    item: F,
    taken: u64,
    hash: Sha256,
}

impl<R: Read, F: ToItem> Texts<R, F> {
    /// From the first one on, of which `item` makes what goes on.
    pub fn new(records: Records<R>, item: F) -> Self {
        Self { records, item, taken: 0, hash: Sha256::new() }
    }

    /// The next texts: [`TEXTS`], or as many as make [`BYTES`].
    ///
    /// # Errors
    /// Those of the records.
    pub fn stretch(&mut self) -> Result<Stretch, CliError> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while items.len() < TEXTS && bytes < BYTES {
            let Some(item) = self.next()? else { return Ok(Stretch { items, is_last: true }) };
            bytes += item.text.len();
            items.push(item);
        }
        Ok(Stretch { items, is_last: false })
    }

    /// How far this has come.
    pub fn mark(&self) -> Mark {
        Mark::of(self.taken, &self.hash)
    }

    /// Passes over as many texts as a run has read that came to `mark`; answers whether they were the same.
    ///
    /// # Errors
    /// Those of the records.
    pub fn pass_over(&mut self, mark: &Mark) -> Result<bool, CliError> {
        while self.taken < mark.texts && self.next()?.is_some() {}
        Ok(self.mark() == *mark)
    }

    /// How many were taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Tells what was skipped.
    ///
    /// # Errors
    /// As [`Records::finish`].
    pub fn finish(self) -> Result<(), CliError> {
        self.records.finish()
    }

    fn next(&mut self) -> Result<Option<Item>, CliError> {
        let item = self.records.next(&self.item)?;
        if let Some(Item { index, text, id, .. }) = &item {
            self.taken += 1;
            self.hash.update(index.to_le_bytes());
            for text in [text.as_str(), id.as_deref().unwrap_or_default()] {
                self.hash.update((text.len() as u64).to_le_bytes());
                self.hash.update(text);
            }
        }
        Ok(item)
    }
}
