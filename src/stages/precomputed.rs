//! Which documents bring embeddings along, and are those what the model would make of them?

use crate::batching::{Batching, Cost};
use crate::error::{Error, Result};
use crate::late_interaction::codec::{Codec, CompressedEmbeddings, DocumentRows};
use crate::ops::LONGEST_DOCUMENT;
use crate::text_kind::TextKind;

/// The longest row that is taken as it came: what codecs round up of a unit vector is less.
pub(crate) const LONGEST: f32 = 1.01;

/// Embeddings that documents of a list bring along: such a document is not encoded, and needs no text where no stage reads texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DocumentEmbeddings {
    lists: Vec<List>,
    /// For each document where its embeddings are, `None` for one that is encoded; empty if all are.
    of: Vec<Option<Place>>,
}

/// Embeddings of one codec.
#[derive(Debug, Clone, PartialEq)]
struct List {
    embeddings: CompressedEmbeddings,
    embedding_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    list: usize,
    position: usize,
}

impl DocumentEmbeddings {
    /// None yet, for a list of so many documents.
    pub fn new(documents: usize) -> Self {
        Self { lists: Vec::new(), of: vec![None; documents] }
    }

    /// Takes embeddings of some documents, which stand at `places` in the list, in this order. `embedding_id` is that of the model that
    /// made them, if it is known.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are not as many places, if one is beyond the list, or has embeddings already.
    pub fn add(
        &mut self,
        embeddings: CompressedEmbeddings,
        places: &[usize],
        embedding_id: Option<&str>,
    ) -> Result<()> {
        if embeddings.len() != places.len() {
            let reason = format!("are {} for {} documents", embeddings.len(), places.len());
            return Err(Error::argument("embeddings", reason));
        }
        let list = self.lists.len();
        for (position, &index) in places.iter().enumerate() {
            let documents = self.of.len();
            let place = self.of.get_mut(index).ok_or_else(|| {
                let reason = format!("has embeddings, and there are {documents} documents");
                Error::argument(TextKind::Document.place(index), reason)
            })?;
            if place.replace(Place { list, position }).is_some() {
                return Err(Error::argument(
                    TextKind::Document.place(index),
                    "has embeddings twice",
                ));
            }
        }
        let embedding_id = embedding_id.map(str::to_owned);
        self.lists.push(List { embeddings, embedding_id });
        Ok(())
    }

    /// Whether no document brings any.
    pub fn is_empty(&self) -> bool {
        self.lists.iter().all(|list| list.embeddings.is_empty())
    }

    /// What they are stored by.
    pub(crate) fn codecs(&self) -> impl Iterator<Item = &Codec> {
        self.lists.iter().map(|list| list.embeddings.codec())
    }

    /// Whether the document at `index` does.
    pub fn has(&self, index: usize) -> bool {
        self.place(index).is_some()
    }

    /// What the document at `index` brings, with its codec.
    pub(crate) fn rows(&self, index: usize) -> Option<(&Codec, DocumentRows<'_>)> {
        let Place { list, position } = self.place(index)?;
        let embeddings = &self.lists[list].embeddings;
        Some((embeddings.codec(), embeddings.document(position)))
    }

    fn place(&self, index: usize) -> Option<Place> {
        self.of.get(index).copied().flatten()
    }

    /// The documents of `indices`, all of which bring embeddings, by the list that those are in: in batches of at most so many numbers,
    /// unless one document has more.
    pub(crate) fn batches(&self, indices: &[usize], values: usize) -> Vec<Vec<usize>> {
        let limits = Cost { tokens: values, pairs: u64::MAX };
        let mut gathering: Vec<Batching<usize>> =
            self.lists.iter().map(|_| Batching::new(limits)).collect();
        let mut batches = Vec::new();
        for &index in indices {
            let Place { list, position } = self.place(index).expect("it brings embeddings");
            let embeddings = &self.lists[list].embeddings;
            let tokens = embeddings.lengths()[position] * embeddings.dimension();
            batches.extend(gathering[list].push(index, Cost { tokens, pairs: 0 }));
        }
        batches.extend(gathering.iter_mut().map(Batching::finish));
        batches.retain(|batch| !batch.is_empty());
        batches
    }

    /// What a batch's documents bring along.
    ///
    /// # Errors
    /// None: they are of one codec.
    pub(crate) fn gather(&self, batch: &[usize]) -> Result<Coded> {
        let list = &self.lists[self.place(batch[0]).expect("it brings embeddings").list];
        let (codec, dimension) = (list.embeddings.codec().clone(), list.embeddings.dimension());
        let mut embeddings = CompressedEmbeddings::new(codec, dimension)?;
        for &index in batch {
            let position = self.place(index).expect("it brings embeddings").position;
            let rows = list.embeddings.document(position);
            embeddings.push(list.embeddings.lengths()[position], rows)?;
        }
        Ok(Coded { indices: batch.to_vec(), embeddings })
    }

    /// Holds them against a list of so many documents and the model.
    ///
    /// # Errors
    /// [`Error::Argument`] for another list's, [`Error::ModelMismatch`] for another model's.
    pub(crate) fn check(
        &self,
        documents: usize,
        dimension: usize,
        embedding_id: &str,
    ) -> Result<()> {
        if !self.of.is_empty() && self.of.len() != documents {
            let reason = format!("are for {} documents, not for {documents}", self.of.len());
            return Err(Error::argument("embeddings", reason));
        }
        let places = self.of.iter().enumerate();
        for (index, place) in places.filter_map(|(index, place)| Some((index, place.as_ref()?))) {
            let List { embeddings, embedding_id: made_by } = &self.lists[place.list];
            let width = embeddings.dimension();
            if width != dimension {
                let reason = format!("are {width} wide, and the model's {dimension}");
                return Err(Error::ModelMismatch { index, reason });
            }
            if let Some(made_by) = made_by.as_deref().filter(|id| *id != embedding_id) {
                let reason = format!("are of {made_by:?}, and this model's of {embedding_id:?}");
                return Err(Error::ModelMismatch { index, reason });
            }
            let length = embeddings.lengths()[place.position];
            if length > LONGEST_DOCUMENT / width {
                let most = LONGEST_DOCUMENT / width;
                let reason = format!("has {length} embeddings, and {most} are scored at most");
                return Err(Error::argument(TextKind::Document.place(index), reason));
            }
        }
        Ok(())
    }
}

/// Documents of one codec, in the order of the caller's list.
#[derive(Debug)]
pub(crate) struct Coded {
    /// Places in the caller's list.
    pub(crate) indices: Vec<usize>,
    pub(crate) embeddings: CompressedEmbeddings,
}

impl Coded {
    /// Scales rows that are longer than those of unit vectors to length 1; answers of which documents those were, that `brought` them.
    pub(crate) fn rescale(&mut self, brought: &DocumentEmbeddings) -> Vec<usize> {
        if self.embeddings.normalize_long(LONGEST) == 0 {
            return Vec::new();
        }
        let differs = |(&index, rows): (&usize, DocumentRows<'_>)| {
            let came = brought.rows(index).map(|(_, rows)| rows);
            (came != Some(rows)).then_some(index)
        };
        self.indices.iter().zip(self.embeddings.documents()).filter_map(differs).collect()
    }
}
