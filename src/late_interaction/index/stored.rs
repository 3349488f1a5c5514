//! The documents of indexes that are there: to be built into another one, with some less or more.

use std::collections::{BTreeSet, HashSet};

use super::build::{Documents, IndexDocument};
use super::documents::DocumentsPart;
use super::{Index, IndexPart};
use crate::error::{Error, Result};

/// Most ids that an error names.
const NAMED: usize = 5;

/// Where parts are read.
pub trait IndexReader {
    /// What reading can fail with.
    type Error: From<Error>;

    /// The bytes of a part.
    ///
    /// # Errors
    /// What the caller's reading fails with.
    fn read(&mut self, file: &str) -> Result<Vec<u8>, Self::Error>;
}

/// The documents of an index, by number. One part of them is in memory, and four bytes a document if some were deleted.
pub struct StoredDocuments<R> {
    index: Index,
    reader: R,
    /// Numbers of those that were not deleted, where some were.
    left: Option<Vec<u32>>,
    /// The part that was read last, by its place.
    part: Option<(usize, DocumentsPart)>,
}

impl<R: IndexReader> StoredDocuments<R> {
    /// Reads the manifest's parts by `reader`.
    ///
    /// # Errors
    /// What reading the codec's parts fails with.
    pub fn open(mut index: Index, mut reader: R) -> Result<Self, R::Error> {
        for file in index.wanted() {
            index.give(&file, &reader.read(&file)?)?;
        }
        Ok(Self { index, reader, left: None, part: None })
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Leaves documents out.
    ///
    /// # Errors
    /// [`Error::Argument`] for ids that no document has, and none is left out then; what reading fails with.
    pub fn delete(&mut self, ids: &[String]) -> Result<(), R::Error> {
        let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let (mut found, mut left) = (BTreeSet::new(), Vec::new());
        for place in 0..self.count() {
            let number = self.number(place);
            let document = self.document(number)?;
            match wanted.contains(document.id.as_str()) {
                true => drop(found.insert(document.id)),
                false => left.push(number),
            }
        }
        let missing: BTreeSet<&str> =
            wanted.into_iter().filter(|id| !found.contains(*id)).collect();
        match missing.is_empty() {
            true => {
                self.left = Some(left);
                Ok(())
            }
            false => Err(not_there(&missing).into()),
        }
    }

    fn number(&self, place: usize) -> u32 {
        // Documents are numbered in 32 bits.
        self.left.as_ref().map_or(place as u32, |left| left[place])
    }

    fn document(&mut self, number: u32) -> Result<IndexDocument, R::Error> {
        let parts = &self.index.manifest().document_parts;
        let place = parts.partition_point(|part| part.bounds().1 < number);
        if self.part.as_ref().is_none_or(|(read, _)| *read != place) {
            let part = parts[place].clone();
            self.part = Some((place, self.read_part(&part)?));
        }
        let (_, part) = self.part.as_ref().expect("it was read");
        let first = self.index.manifest().document_parts[place].bounds().0;
        Ok(part.document((number - first) as usize))
    }

    /// The bytes of a part, which are those of the manifest.
    pub(super) fn part(&mut self, part: &IndexPart) -> Result<Vec<u8>, R::Error> {
        let bytes = self.reader.read(&part.file)?;
        self.index.manifest().verify(&part.file, &bytes)?;
        Ok(bytes)
    }

    fn read_part(&mut self, part: &IndexPart) -> Result<DocumentsPart, R::Error> {
        let bytes = self.part(part)?;
        let codec = self.index.codec().expect("its parts were given");
        Ok(DocumentsPart::read(part, &bytes, codec)?)
    }
}

/// Names the first ones, and tells how many there are.
fn not_there(ids: &BTreeSet<&str>) -> Error {
    let named: Vec<String> = ids.iter().take(NAMED).map(|id| format!("{id:?}")).collect();
    let named = named.join(", ");
    let (documents, reason) = match ids.len() {
        1 => (format!("document {named}"), "is not there"),
        2..=NAMED => (format!("documents {named}"), "are not there"),
        count => (format!("documents {named} and {} more", count - NAMED), "are not there"),
    };
    Error::argument(documents, reason)
}

impl<R: IndexReader> Documents for StoredDocuments<R> {
    type Error = R::Error;

    fn count(&self) -> usize {
        self.left.as_ref().map_or(self.index.manifest().documents as usize, Vec::len)
    }

    fn read(&mut self, place: usize) -> Result<IndexDocument, R::Error> {
        self.document(self.number(place))
    }
}

/// Several sources of documents, one behind the other.
pub struct Joined<'a, E>(pub Vec<Box<dyn Documents<Error = E> + 'a>>);

impl<E: From<Error>> Documents for Joined<'_, E> {
    type Error = E;

    fn count(&self) -> usize {
        self.0.iter().map(|source| source.count()).sum()
    }

    fn read(&mut self, mut place: usize) -> Result<IndexDocument, E> {
        for source in &mut self.0 {
            match place.checked_sub(source.count()) {
                Some(rest) => place = rest,
                None => return source.read(place),
            }
        }
        unreachable!("places are below the count")
    }
}
