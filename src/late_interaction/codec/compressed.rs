//! Embeddings of several documents as a codec stores them.

use std::ops::Range;

use super::{Codec, DocumentRows, Rows, scalar};
use crate::error::{Error, Result};
use crate::late_interaction::embeddings::TokenEmbeddings;

/// Ragged rows as in [`TokenEmbeddings`], stored by a codec. Whatever they were made of, all numbers are finite and all codes
/// are those of a centroid.
#[derive(Debug, Clone, PartialEq)]
pub struct CompressedEmbeddings {
    codec: Codec,
    dimension: usize,
    lengths: Vec<usize>,
    /// Where each document ends, in rows.
    ends: Vec<usize>,
    rows: Rows,
}

impl CompressedEmbeddings {
    /// No documents.
    ///
    /// # Errors
    /// [`Error::Argument`] if rows of this width cannot be stored by `codec`.
    pub fn new(codec: Codec, dimension: usize) -> Result<Self> {
        let rows = Rows::new(&codec);
        Self::from_parts(codec, dimension, Vec::new(), rows)
    }

    /// Rows that somebody stored, document after document.
    ///
    /// # Errors
    /// [`Error::Argument`], naming what is wrong: `embeddings`, `scales`, `codes`, `residuals`, `lengths` or `dimension`.
    pub fn from_parts(
        codec: Codec,
        dimension: usize,
        lengths: Vec<usize>,
        rows: Rows,
    ) -> Result<Self> {
        codec.check_dimension(dimension)?;
        let mut ends = Vec::with_capacity(lengths.len());
        let mut end = 0usize;
        for &length in &lengths {
            let sum = end.checked_add(length);
            end =
                sum.ok_or_else(|| Error::argument("lengths", "add up to more than is counted"))?;
            ends.push(end);
        }
        rows.view().check_against(end, &codec, dimension)?;
        Ok(Self { codec, dimension, lengths, ends, rows })
    }

    /// The embeddings that the codes stand for.
    pub fn decompress(&self) -> TokenEmbeddings {
        let values = self.rows.view().decompress(&self.codec, self.dimension);
        TokenEmbeddings::from_parts(values, self.lengths.clone(), self.dimension)
            .expect("there are as many rows as the lengths say")
    }

    /// The embeddings that the codes of the document at `index` stand for, row-major.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn decompress_document(&self, index: usize) -> Vec<f32> {
        self.document(index).decompress(&self.codec, self.dimension)
    }

    /// Some of the documents, by their places, in that order.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn select(&self, places: impl IntoIterator<Item = usize>) -> Self {
        let (codec, dimension, rows) = (self.codec.clone(), self.dimension, Rows::new(&self.codec));
        let mut some = Self { codec, dimension, lengths: Vec::new(), ends: Vec::new(), rows };
        for place in places {
            some.append(self.lengths[place], self.document(place));
        }
        some
    }

    /// Appends a document.
    ///
    /// # Errors
    /// [`Error::Argument`] if its rows are not of this codec and width.
    pub fn push(&mut self, length: usize, rows: DocumentRows<'_>) -> Result<()> {
        rows.check_against(length, &self.codec, self.dimension)?;
        self.append(length, rows);
        Ok(())
    }

    /// Appends documents.
    ///
    /// # Errors
    /// [`Error::Argument`] if they are of another codec or width.
    pub fn extend(&mut self, more: &Self) -> Result<()> {
        if self.codec != more.codec || self.dimension != more.dimension {
            let of = |list: &Self| format!("{} of {}", list.codec.name(), list.dimension);
            let reason = format!("are {}, and the others {}", of(more), of(self));
            return Err(Error::argument("embeddings", reason));
        }
        let documents = more.lengths.iter().zip(more.documents());
        documents.for_each(|(&length, rows)| self.append(length, rows));
        Ok(())
    }

    fn append(&mut self, length: usize, rows: DocumentRows<'_>) {
        assert!(self.rows.append(rows), "rows are those of their codec");
        self.lengths.push(length);
        self.ends.push(self.ends.last().copied().unwrap_or(0) + length);
    }

    /// Scales rows that are longer than `limit` to length 1, so that nobody can buy a rank; says how many those were. Shorter ones
    /// stay, and so do those of `binary` and `residual`, which are 1 long.
    pub fn normalize_long(&mut self, limit: f32) -> usize {
        let dimension = self.dimension;
        match &mut self.rows {
            Rows::F32(values) => scalar::normalize_f32(values, dimension, limit),
            Rows::F16(bits) => scalar::normalize_f16(bits, dimension, limit),
            Rows::Int8 { codes, scales } => scalar::normalize_int8(codes, scales, dimension, limit),
            Rows::Binary(_) | Rows::Residual { .. } => 0,
        }
    }

    /// How the rows are stored.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Width of an embedding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of embeddings of each document.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there are no documents.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// All rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The rows of the document at `index`.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn document(&self, index: usize) -> DocumentRows<'_> {
        self.rows.view().range(self.places(index), &self.codec, self.dimension)
    }

    /// Where the rows of the document at `index` lie among all.
    pub(super) fn places(&self, index: usize) -> Range<usize> {
        let end = self.ends[index];
        end - self.lengths[index]..end
    }

    /// The embedding at a place among all rows.
    pub(super) fn row(&self, place: usize) -> Vec<f32> {
        let row = self.rows.view().range(place..place + 1, &self.codec, self.dimension);
        row.decompress(&self.codec, self.dimension)
    }

    /// The rows of each document.
    pub fn documents(&self) -> impl Iterator<Item = DocumentRows<'_>> {
        (0..self.len()).map(|index| self.document(index))
    }

    /// Bytes of all rows.
    pub fn bytes(&self) -> usize {
        self.rows.view().bytes()
    }
}
