//! An opened folder: its documents by place, and the same search as of an index of our own.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::ids::Ids;
use super::layout::{Chunk, Layout};
use super::lists::Lists;
use super::{IndexFolder, IndexForm};
use crate::error::{Error, Result};
use crate::late_interaction::codec::{Codec, CompressedEmbeddings, DocumentRows, ResidualCodec};
use crate::late_interaction::index::build::{self, IndexDocument};
use crate::late_interaction::index::query::{Candidate, Query};
use crate::late_interaction::index::{Hit, SearchOptions};

/// Documents by their numbers in the folder, those that were removed included.
#[derive(Debug)]
pub(super) struct Documents<F> {
    pub(super) folder: F,
    pub(super) codec: Arc<ResidualCodec>,
    /// Where the rows of each end, among those of all.
    pub(super) ends: Vec<u64>,
    chunks: Vec<Chunk>,
}

/// An index folder of another library.
#[derive(Debug)]
pub struct ForeignIndex<F> {
    documents: Documents<F>,
    form: IndexForm,
    ids: Ids,
    /// Numbers of those that were not removed.
    left: Vec<u32>,
    /// Once somebody has searched.
    lists: Option<Lists>,
}

impl<F: IndexFolder> ForeignIndex<F> {
    /// Opens a folder of a form other than [`IndexForm::Tabrank`].
    ///
    /// # Errors
    /// [`Error::InvalidVectors`], naming the file; [`Error::Argument`] for our own form; what reading fails with.
    pub fn open(folder: F, form: IndexForm) -> Result<Self, F::Error> {
        if form == IndexForm::Tabrank {
            return Err(Error::argument("form", "is that of an index of our own").into());
        }
        let documents = Documents::open(folder, form)?;
        let ids = match form {
            IndexForm::FastPlaid => Ids::Numbers,
            _ => Ids::open(&documents.folder, documents.ends.len())?,
        };
        let left = 0..documents.ends.len() as u32;
        let left = left.filter(|&document| ids.has(document as usize)).collect();
        Ok(Self { documents, form, ids, left, lists: None })
    }

    /// What the codes are of. It does not say which model's embeddings they are.
    pub fn codec(&self) -> &Arc<ResidualCodec> {
        &self.documents.codec
    }

    /// The documents that answer best, best first: see [`crate::late_interaction::index::search`]. Parts there are lists and documents
    /// here, and [`Hit::document`] is a document's number in the folder.
    ///
    /// # Errors
    /// [`Error::Argument`], [`Error::NotFinite`] as [`crate::Index::search`]; [`Error::InvalidVectors`], naming the file; what reading
    /// fails with.
    pub fn search(&mut self, query: &[f32], options: &SearchOptions) -> Result<Vec<Hit>, F::Error> {
        let query = Query::new(self.documents.codec.clone(), query, options)?;
        let mut lists = HashMap::new();
        for centroid in query.probed() {
            lists.insert(centroid, self.list(centroid)?);
        }
        let mut found = BTreeMap::new();
        for document in query.candidates(&lists) {
            found.insert(document, self.candidate(document)?);
        }
        Ok(query.hits(&found)?)
    }

    /// The documents of a centroid that can be hits.
    fn list(&mut self, centroid: u32) -> Result<Vec<u32>, F::Error> {
        if self.lists.is_none() {
            let layout = layout(&self.documents.folder, self.form);
            self.lists = Some(match layout.lists()? {
                Some(stored) => {
                    let centroids = self.documents.codec.centroid_count();
                    Lists::stored(&self.documents.folder, stored, centroids)?
                }
                None => Lists::made(&self.documents)?,
            });
        }
        let lists = self.lists.as_ref().expect("they are there");
        let mut list = lists.get(&self.documents, centroid)?;
        list.retain(|&document| {
            let document = document as usize;
            self.ids.has(document) && self.documents.length(document) > 0
        });
        Ok(list)
    }

    fn candidate(&self, document: u32) -> Result<Candidate, F::Error> {
        let IndexDocument { id, codes, residuals } = self.document(document)?;
        let codec = &self.documents.codec;
        let mut embeddings =
            CompressedEmbeddings::new(Codec::Residual(codec.clone()), codec.dimension())?;
        let rows = DocumentRows::Residual { codes: &codes, residuals: &residuals };
        embeddings.push(codes.len(), rows)?;
        Ok(Candidate { id, embeddings })
    }

    fn document(&self, number: u32) -> Result<IndexDocument, F::Error> {
        let number = number as usize;
        let codes = self.documents.codes(number..number + 1)?;
        let residuals = self.documents.residuals(number)?;
        let id = self.ids.get(number).expect("it was not removed");
        Ok(IndexDocument { id, codes, residuals })
    }
}

impl<F: IndexFolder> build::Documents for ForeignIndex<F> {
    type Error = F::Error;

    fn count(&self) -> usize {
        self.left.len()
    }

    fn read(&mut self, place: usize) -> Result<IndexDocument, F::Error> {
        self.document(self.left[place])
    }
}

fn layout<F>(folder: &F, form: IndexForm) -> Layout<'_, F> {
    let prefix = if form == IndexForm::PyLate { "fast_plaid_index/" } else { "" };
    Layout { folder, prefix, pickled: form == IndexForm::Stanford }
}

impl<F: IndexFolder> Documents<F> {
    fn open(folder: F, form: IndexForm) -> Result<Self, F::Error> {
        let layout = layout(&folder, form);
        let (codec, count) = layout.codec()?;
        let (mut ends, mut chunks, mut end) = (Vec::new(), Vec::new(), 0u64);
        for number in 0..count {
            let (lengths, chunk) = layout.chunk(number, end, &codec)?;
            if ends.len() + lengths.len() > u32::MAX as usize {
                return Err(chunk.codes.wrong("has more documents than 32 bits number").into());
            }
            for length in lengths {
                end += u64::from(length);
                ends.push(end);
            }
            chunks.push(chunk);
        }
        Ok(Self { folder, codec, ends, chunks })
    }

    fn start(&self, document: usize) -> u64 {
        document.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// Rows of a document.
    pub(super) fn length(&self, document: usize) -> usize {
        (self.ends[document] - self.start(document)) as usize
    }

    /// Where documents from `first` on end that have `rows` rows at most, and lie in one file; one at least.
    pub(super) fn fitting(&self, first: usize, rows: u64) -> usize {
        let (chunk, _) = self.chunk(self.start(first));
        let behind = self.chunks.get(chunk + 1).map_or(u64::MAX, |next| next.first_row);
        let most = behind.min(self.start(first) + rows);
        self.ends.partition_point(|&end| end <= most).max(first + 1)
    }

    /// The last file that begins at a row or before, and its place.
    fn chunk(&self, row: u64) -> (usize, &Chunk) {
        let place = self.chunks.partition_point(|chunk| chunk.first_row <= row) - 1;
        (place, &self.chunks[place])
    }

    /// Where the rows of some documents lie, all of them in one file.
    fn places(&self, documents: Range<usize>) -> (&Chunk, Range<u64>) {
        let rows = self.start(documents.start)..self.ends[documents.end - 1];
        let (_, chunk) = self.chunk(rows.start);
        (chunk, rows.start - chunk.first_row..rows.end - chunk.first_row)
    }

    /// The codes of some documents that lie in one file.
    ///
    /// # Errors
    /// [`Error::InvalidVectors`]: one of no centroid; what reading fails with.
    pub(super) fn codes(&self, documents: Range<usize>) -> Result<Vec<u32>, F::Error> {
        let (chunk, rows) = self.places(documents);
        let centroids = self.codec.centroid_count() as u64;
        let mut codes = Vec::new();
        for code in chunk.codes.counts(&self.folder, rows)? {
            if code >= centroids {
                let reason = format!("holds {code}, and the codec has {centroids} centroids");
                return Err(chunk.codes.wrong(reason).into());
            }
            codes.push(code as u32);
        }
        Ok(codes)
    }

    fn residuals(&self, document: usize) -> Result<Vec<u8>, F::Error> {
        let (chunk, rows) = self.places(document..document + 1);
        let width = self.codec.residual_bytes() as u64;
        chunk.residuals.bytes(&self.folder, rows.start * width..rows.end * width)
    }
}
