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

use super::coded_rows::CodedRows;
use super::codes::{Coding, DeviceTables, PackedRows};
use super::{BatchEmbeddings, EncoderOps as _, is_cpu, ragged};

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
