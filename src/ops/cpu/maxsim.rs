//! MaxSim: a tile of products is reduced to its maxima before the next is computed.
//!
//! The query is packed as a product's weight is, and documents stream past it a block of rows at a time, so that block
//! and query stay in the first cache; no matrix of similarities is held. A similarity that is NaN or beyond [`LIMIT`]
//! would vanish in a maximum: each is brought to where the limit is infinite, multiplied by zero and added up, which
//! makes the sum NaN, and the score with it.

use std::borrow::Cow;

use super::PANEL;
use super::attention::Ragged;
use super::f32::{multiply, pack_f32};
use super::rows::for_blocks;
use crate::ops::plain::LIMIT;

/// Document rows that are compared with the whole query before the next ones are read.
const ROWS: usize = 32;

/// The embeddings of a query, laid out for [`PackedQuery::score`].
#[derive(Debug, Clone)]
pub struct PackedQuery {
    pub(super) panels: Vec<f32>,
    pub(super) rows: usize,
    pub(super) dimension: usize,
}

impl PackedQuery {
    /// `rows` `[length, dimension]`.
    ///
    /// # Panics
    /// If they are not whole rows.
    pub fn new(rows: &[f32], dimension: usize) -> Self {
        assert_eq!(rows.len() % dimension, 0, "a query has whole rows");
        Self { panels: pack_f32(rows, dimension), rows: rows.len() / dimension, dimension }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// `Σᵢ maxⱼ qᵢ · dⱼ` over the rows of `document` `[length, dimension]`; `-`[`PackedQuery::len`] if it has none, NaN
    /// if a similarity is NaN or beyond 1e30.
    ///
    /// # Panics
    /// If the document's rows are not whole.
    pub fn score(&self, document: &[f32]) -> f32 {
        assert_eq!(document.len() % self.dimension, 0, "a document has whole rows");
        if document.is_empty() {
            return 0.0 - self.rows as f32;
        }
        let panels = self.rows.div_ceil(PANEL);
        let (mut maxima, mut poison) =
            (vec![f32::NEG_INFINITY; panels * PANEL], vec![0.0; panels * PANEL]);
        for rows in document.chunks(ROWS * self.dimension) {
            let each = maxima.as_chunks_mut().0.iter_mut().zip(poison.as_chunks_mut().0);
            for (panel, sums) in self.panels.chunks_exact(self.dimension * PANEL).zip(each) {
                reduce(rows, self.dimension, panel, sums);
            }
        }
        maxima.iter().zip(&poison).take(self.rows).map(|(maximum, poison)| maximum + poison).sum()
    }

    /// [`PackedQuery::score`] of each document.
    pub fn scores(&self, documents: &[impl AsRef<[f32]> + Sync]) -> Vec<f32> {
        let mut scores = vec![0.0; documents.len()];
        for_blocks(&mut scores, 1, 1, |first, scores| {
            for (score, document) in scores.iter_mut().zip(&documents[first..]) {
                *score = self.score(document.as_ref());
            }
        });
        scores
    }
}

/// Takes the similarities of `rows` with a panel into its maxima and its sums of zeros.
fn reduce(
    rows: &[f32],
    dimension: usize,
    panel: &[f32],
    (maxima, poison): (&mut [f32; PANEL], &mut [f32; PANEL]),
) {
    multiply::<true>(rows, dimension, panel, |_, similarities| {
        for lane in 0..PANEL {
            let similarity = similarities[lane];
            maxima[lane] = if similarity > maxima[lane] { similarity } else { maxima[lane] };
            poison[lane] += similarity * (f32::MAX / LIMIT) * 0.0;
        }
    });
}

/// See [`crate::ops::maxsim`]; `query` and `query_dropped` are its first text's alone.
pub(super) fn maxsim(
    query: &[f32],
    query_dropped: &[i32],
    documents: &[f32],
    texts: Ragged<'_>,
    dimension: usize,
) -> Vec<f32> {
    let query = PackedQuery::new(&kept(query, query_dropped, dimension), dimension);
    let documents: Vec<Cow<'_, [f32]>> = texts
        .starts
        .windows(2)
        .map(|range| (range[0] as usize, range[1] as usize))
        .map(|(start, end)| {
            let rows = &documents[start * dimension..end * dimension];
            kept(rows, &texts.masked[start..end], dimension)
        })
        .collect();
    query.scores(&documents)
}

/// The rows that are not dropped; copied only where some are.
fn kept<'a>(rows: &'a [f32], dropped: &[i32], dimension: usize) -> Cow<'a, [f32]> {
    if !dropped.contains(&1) {
        return Cow::Borrowed(rows);
    }
    let rows = rows.chunks_exact(dimension).zip(dropped);
    Cow::Owned(
        rows.filter(|(_, dropped)| **dropped == 0).flat_map(|(row, _)| row).copied().collect(),
    )
}
