//! MaxSim over codes: documents whose rows came in fewer bytes, scored without unpacking them in memory.
//!
//! | codes | a row | stands for |
//! | --- | --- | --- |
//! | f32, f16 | a number a dimension | itself |
//! | int8 | a code a dimension, and a scale | `scale · code` |
//! | binary | a bit a dimension, the first in the top bit of a byte | `±1 / √dimension` |
//! | residual | a centroid's number, and a bucket a dimension | `centroid + weight[bucket]`, L2-normalised |
//!
//! A bucket's bits lie least significant first, from the top of a byte down, as ColBERTv2 and PLAID write them. What the rows
//! are is [`super::plain::decoded`]; a score is that of [`super::maxsim()`] over them.
//!
//! A list that is larger than a buffer or longer than a dispatch may take is cut between two documents.

use std::ops::Range;

use burn::backend::Dispatch;
use burn::tensor::{Device, Tensor};

use super::codes::{Coding, DeviceTables, PackedRows};
use super::{BatchEmbeddings, EncoderOps as _, is_cpu, ragged};

/// Rows of one document or of several under each other, as they were stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CodedRows<'a> {
    /// `[rows, dimension]`.
    F32(&'a [f32]),
    /// Bits of half floats, `[rows, dimension]`.
    F16(&'a [u16]),
    /// `[rows, dimension]` and `[rows]`.
    Int8 { codes: &'a [i8], scales: &'a [f32] },
    /// `[rows, ⌈dimension / 8⌉]`.
    Binary(&'a [u8]),
    /// `[rows]` centroids and `[rows, dimension · nbits / 8]` packed buckets.
    Residual { codes: &'a [u32], residuals: &'a [u8] },
}

/// What residual codes are read with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResidualTables<'a> {
    pub dimension: usize,
    /// Bits of a bucket: 1, 2, 4 or 8.
    pub nbits: usize,
    /// `[centroids, dimension]`.
    pub centroids: &'a [f32],
    /// `[2^nbits]`.
    pub weights: &'a [f32],
}

impl ResidualTables<'_> {
    /// The bucket of one dimension in a packed row.
    pub fn bucket(&self, residuals: &[u8], place: usize) -> usize {
        let values = 8 / self.nbits;
        let (byte, first) = (residuals[place / values], place % values * self.nbits);
        let bit = |bit: usize| usize::from(byte >> (7 - first - bit) & 1) << bit;
        (0..self.nbits).map(bit).sum()
    }
}

impl<'a> CodedRows<'a> {
    /// Some of the rows, each of `width` numbers.
    fn slice(self, rows: Range<usize>, width: usize) -> Self {
        let numbers = rows.start * width..rows.end * width;
        match self {
            Self::F32(values) => Self::F32(&values[numbers]),
            Self::F16(values) => Self::F16(&values[numbers]),
            Self::Int8 { codes, scales } => {
                Self::Int8 { codes: &codes[numbers], scales: &scales[rows] }
            }
            Self::Binary(bytes) => Self::Binary(&bytes[numbers]),
            Self::Residual { codes, residuals } => {
                Self::Residual { codes: &codes[rows], residuals: &residuals[numbers] }
            }
        }
    }

    /// Panics unless there are `rows` of `width` numbers.
    fn check(self, rows: usize, width: usize) {
        let (numbers, beside) = match self {
            Self::F32(values) => (values.len(), rows),
            Self::F16(values) => (values.len(), rows),
            Self::Int8 { codes, scales } => (codes.len(), scales.len()),
            Self::Binary(bytes) => (bytes.len(), rows),
            Self::Residual { codes, residuals } => (residuals.len(), codes.len()),
        };
        assert_eq!(
            [Some(numbers), Some(beside)],
            [rows.checked_mul(width), Some(rows)],
            "whole rows"
        );
    }
}

/// Several documents as codes, on their device.
#[derive(Clone)]
pub struct CodedBatch {
    parts: Vec<Part>,
    dimension: usize,
    device: Device,
}

/// Documents that are scored by one dispatch.
#[derive(Clone)]
struct Part {
    rows: PackedRows<Dispatch>,
    /// Rows of each document.
    lengths: Vec<usize>,
}

impl CodedBatch {
    /// `rows` of all documents under each other, and how many each has; `tables` of residual codes.
    ///
    /// # Panics
    /// If there are not as many rows as the lengths say, or a code has no centroid.
    pub fn new(
        rows: CodedRows<'_>,
        lengths: &[usize],
        dimension: usize,
        tables: Option<&DeviceTables>,
        device: &Device,
    ) -> Self {
        let coding = Coding::new(rows, tables);
        let limit = if is_cpu(device) { usize::MAX } else { coding.part_rows(dimension) };
        Self::cut(rows, lengths, dimension, tables, device, limit)
    }

    /// With parts of at most `limit` rows, unless a document has more.
    pub(super) fn cut(
        rows: CodedRows<'_>,
        lengths: &[usize],
        dimension: usize,
        tables: Option<&DeviceTables>,
        device: &Device,
        limit: usize,
    ) -> Self {
        let width = Coding::new(rows, tables).width(dimension);
        rows.check(lengths.iter().sum(), width);
        let part = |(documents, places): (Range<usize>, Range<usize>)| Part {
            rows: PackedRows::new(rows.slice(places, width), dimension, tables, device),
            lengths: lengths[documents].to_vec(),
        };
        let parts = parts(lengths, limit).into_iter().map(part).collect();
        Self { parts, dimension, device: device.clone() }
    }
}

/// The documents cut into runs of at most `limit` rows, unless one has more, with their rows.
fn parts(lengths: &[usize], limit: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let mut parts: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let mut end = 0;
    for (index, length) in lengths.iter().enumerate() {
        end += length;
        match parts.last_mut().filter(|(_, rows)| end - rows.start <= limit) {
            Some((documents, rows)) => (documents.end, rows.end) = (index + 1, end),
            None => parts.push((index..index + 1, end - length..end)),
        }
    }
    parts
}

/// As [`super::maxsim()`], over the rows that the documents' codes stand for: `[documents]`, to be read through
/// [`super::scores`].
///
/// # Panics
/// If the widths differ.
pub fn maxsim_coded(query: &BatchEmbeddings, documents: &CodedBatch) -> Tensor<1> {
    assert_eq!(query.rows.dims()[1], documents.dimension, "query and documents have one width");
    let mut scores: Vec<Tensor<1>> =
        documents.parts.iter().map(|part| part.scores(query, &documents.device)).collect();
    match scores.len() {
        0 => Tensor::zeros([0], &documents.device),
        1 => scores.remove(0),
        _ => Tensor::cat(scores, 0),
    }
}

impl Part {
    fn scores(&self, query: &BatchEmbeddings, device: &Device) -> Tensor<1> {
        let [first, kept] = query.query;
        let rows: usize = self.lengths.iter().sum();
        if rows == 0 || kept == 0 {
            return Tensor::full([self.lengths.len()], 0.0 - kept as f32, device);
        }
        let (starts, _) = ragged(&self.lengths, &[], device);
        Tensor::from_dispatch(Dispatch::maxsim_coded(
            query.rows.clone().into_dispatch(),
            query.dropped.clone().into_dispatch(),
            self.rows.clone(),
            starts.into_dispatch(),
            first,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_list_is_cut_between_documents() {
        let cut = |lengths: &[usize], limit| parts(lengths, limit);
        assert_eq!(cut(&[], 3), []);
        assert_eq!(cut(&[0, 0], 3), [(0..2, 0..0)]);
        assert_eq!(
            cut(&[2, 1, 0, 1, 5, 0, 3], 3),
            [(0..3, 0..3), (3..4, 3..4), (4..5, 4..9), (5..7, 9..12)]
        );
    }
}
