//! A part with documents: an embeddings file with ids.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::manifest::IndexPart;
use super::{IndexDocument, MAX_PART};
use crate::error::{Error, Result};
use crate::late_interaction::codec::file::{EmbeddingsFile, EmbeddingsInfo};
use crate::late_interaction::codec::{Codec, CompressedEmbeddings, DocumentRows, ResidualCodec};

/// The documents of a part, and their ids.
#[derive(Debug, Clone)]
pub(super) struct DocumentsPart {
    pub(super) embeddings: CompressedEmbeddings,
    pub(super) ids: Vec<String>,
}

impl DocumentsPart {
    /// Reads a part that holds so many documents.
    ///
    /// # Errors
    /// [`Error::IndexPart`].
    pub(super) fn read(part: &IndexPart, bytes: &[u8], codec: &Arc<ResidualCodec>) -> Result<Self> {
        let wrong = |reason: String| Error::IndexPart { file: part.file.clone(), reason };
        let read = EmbeddingsFile::read("the part", bytes, std::slice::from_ref(codec));
        let EmbeddingsFile { embeddings, ids, .. } =
            read.map_err(|error| wrong(format!("is not as it should be: {error}")))?;
        let (first, last) = part.bounds();
        let expected = (last - first) as usize + 1;
        if embeddings.len() != expected {
            let reason = format!("holds {} documents, not {expected}", embeddings.len());
            return Err(wrong(reason));
        }
        if embeddings.codec().residual().is_none() {
            return Err(wrong(format!("holds rows of {}", embeddings.codec().name())));
        }
        let ids = ids.ok_or_else(|| wrong("has no ids".to_owned()))?;
        Ok(Self { embeddings, ids })
    }

    /// The document at a place.
    pub(super) fn document(&self, place: usize) -> IndexDocument {
        let DocumentRows::Residual { codes, residuals } = self.embeddings.document(place) else {
            unreachable!("rows of another codec were refused")
        };
        let (codes, residuals) = (codes.to_vec(), residuals.to_vec());
        IndexDocument { id: self.ids[place].clone(), codes, residuals }
    }
}

/// Gathers documents into parts of about `most` bytes, and never more than [`MAX_PART`].
pub(super) struct DocumentsWriter {
    most: usize,
    info: EmbeddingsInfo,
    empty: CompressedEmbeddings,
    pending: DocumentsPart,
    /// Number of the first document that is pending.
    first: u32,
    size: usize,
    /// Of a part without documents.
    overhead: usize,
}

impl DocumentsWriter {
    pub(super) fn new(most: usize, codec: &Arc<ResidualCodec>, info: EmbeddingsInfo) -> Self {
        let empty = CompressedEmbeddings::new(Codec::Residual(codec.clone()), codec.dimension())
            .expect("a codec's own width");
        let pending = DocumentsPart { embeddings: empty.clone(), ids: Vec::new() };
        let mut writer = Self { most, info, empty, pending, first: 0, size: 0, overhead: 0 };
        // Places and shapes have up to six digits more in each of nine numbers.
        writer.overhead = writer.file().write().len() + 64;
        writer
    }

    /// Appends the next document; answers with the part before, if it does not fit there any more.
    ///
    /// # Errors
    /// [`Error::Argument`] if a document alone is larger than a part may be, or its rows are not those of the codec.
    pub(super) fn push(
        &mut self,
        document: IndexDocument,
    ) -> Result<Option<(Vec<u8>, RangeInclusive<u32>)>> {
        let IndexDocument { id, codes, residuals } = document;
        // The id stands in a string of JSON, within another one.
        let quoted = serde_json::json!(serde_json::json!(id).to_string()).to_string().len();
        let size = quoted + 4 + 4 * codes.len() + residuals.len();
        if self.overhead + size > MAX_PART {
            let reason = format!(
                "has {} embeddings of {size} bytes; a part of an index holds {MAX_PART}",
                codes.len()
            );
            return Err(Error::argument(format!("document {id:?}"), reason));
        }
        let full = match self.overhead + self.size + size > self.most {
            true => self.close(),
            false => None,
        };
        self.size += size;
        let rows = DocumentRows::Residual { codes: &codes, residuals: &residuals };
        self.pending.embeddings.push(codes.len(), rows)?;
        self.pending.ids.push(id);
        Ok(full)
    }

    /// What is left.
    pub(super) fn close(&mut self) -> Option<(Vec<u8>, RangeInclusive<u32>)> {
        let count = self.pending.ids.len() as u32;
        let last = (self.first + count).checked_sub(1).filter(|_| count > 0)?;
        let part = (self.file().write(), self.first..=last);
        self.pending = DocumentsPart { embeddings: self.empty.clone(), ids: Vec::new() };
        (self.first, self.size) = (last + 1, 0);
        Some(part)
    }

    fn file(&self) -> EmbeddingsFile {
        let DocumentsPart { embeddings, ids } = self.pending.clone();
        EmbeddingsFile { ids: Some(ids), ..EmbeddingsFile::new(embeddings, self.info.clone()) }
    }
}
