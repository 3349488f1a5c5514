//! Attention over ragged texts: `softmax(Q·Kᵀ / √d) · V` a head and text.
//!
//! A score that is infinite or no number would vanish in the maximum, and its weight be as good as any: each is
//! multiplied by zero and added up, which makes the sum of weights NaN, and the query's row with it.

use super::PANEL;
use super::f32::{multiply, multiply_into};
use super::pointwise::{LANES, exp2};
use super::rows::for_blocks;

/// Queries whose scores are held at once.
const QUERIES: usize = 32;

/// Texts under each other in one batch.
#[derive(Clone, Copy)]
pub(crate) struct Ragged<'a> {
    /// First row of each text, and behind the last one's end.
    pub(crate) starts: &'a [i32],
    /// For each row 1 if it takes no part: no query attends to it, no query is compared with it.
    pub(crate) masked: &'a [i32],
}

/// `qkv` `[rows, 3 · hidden]` → `[rows, hidden]`, in `heads` heads. A text of which every row is masked
/// gives zeros.
pub(crate) fn attention(qkv: &[f32], texts: Ragged<'_>, heads: usize) -> Vec<f32> {
    let rows = texts.masked.len();
    let hidden = qkv.len() / rows.max(1) / 3;
    let mut out = vec![0.0; rows * hidden];
    let mut rest = out.as_mut_slice();
    let mut parts = Vec::new();
    for range in texts.starts.windows(2) {
        let (start, end) = (range[0] as usize, range[1] as usize);
        let (own, tail) = rest.split_at_mut((end - start) * hidden);
        rest = tail;
        parts.push((start, own));
    }
    for_blocks(&mut parts, 1, 1, |_, parts| {
        for (start, out) in parts {
            let length = out.len() / hidden;
            let own = &qkv[*start * 3 * hidden..(*start + length) * 3 * hidden];
            let masked = &texts.masked[*start..*start + length];
            for head in 0..heads {
                Head::new(own, masked, hidden, head, hidden / heads).attend(out);
            }
        }
    });
    out
}

/// One head of one text.
struct Head<'a> {
    qkv: &'a [f32],
    masked: &'a [i32],
    /// Keys that are masked.
    masks: usize,
    hidden: usize,
    /// First column of the head.
    column: usize,
    width: usize,
}

impl<'a> Head<'a> {
    fn new(qkv: &'a [f32], masked: &'a [i32], hidden: usize, head: usize, width: usize) -> Self {
        let masks = masked.iter().filter(|&&masked| masked != 0).count();
        Self { qkv, masked, masks, hidden, column: head * width, width }
    }

    fn attend(&self, out: &mut [f32]) {
        let length = self.masked.len();
        let keys = self.keys();
        let values = self.values();
        let padded = length.next_multiple_of(PANEL);
        // Scores are to base 2, which saves each exponential a multiplication.
        let scale = std::f32::consts::LOG2_E / (self.width as f32).sqrt();
        let mut scores = vec![0.0; QUERIES.min(length) * padded];
        for first in (0..length).step_by(QUERIES) {
            let count = QUERIES.min(length - first);
            let queries = self.queries(first, count, scale);
            let scores = &mut scores[..count * padded];
            for (panel, keys) in keys.chunks_exact(self.width * PANEL).enumerate() {
                let out = &mut scores[panel * PANEL..];
                multiply_into::<false>(&queries, self.width, keys, out, padded);
            }
            let totals: Vec<f32> =
                scores.chunks_exact_mut(padded).map(|row| self.softmax(row)).collect();
            for (panel, values) in values.chunks_exact(padded * PANEL).enumerate() {
                let columns = panel * PANEL..self.width.min((panel + 1) * PANEL);
                multiply::<false>(scores, padded, values, |row, sums| {
                    let place = (first + row) * self.hidden + self.column + columns.start;
                    for (out, sum) in out[place..][..columns.len()].iter_mut().zip(sums) {
                        *out = sum * totals[row];
                    }
                });
            }
        }
    }

    fn row(&self, row: usize, part: usize) -> &[f32] {
        let start = (3 * row + part) * self.hidden + self.column;
        &self.qkv[start..start + self.width]
    }

    fn queries(&self, first: usize, count: usize, scale: f32) -> Vec<f32> {
        (first..first + count).flat_map(|row| self.row(row, 0)).map(|q| q * scale).collect()
    }

    /// `[length / PANEL, width, PANEL]`.
    fn keys(&self) -> Vec<f32> {
        let length = self.masked.len();
        let mut packed = vec![0.0; length.next_multiple_of(PANEL) * self.width];
        for row in 0..length {
            let panel = &mut packed[row / PANEL * PANEL * self.width..];
            for (input, key) in self.row(row, 1).iter().enumerate() {
                panel[input * PANEL + row % PANEL] = *key;
            }
        }
        packed
    }

    /// `[width / PANEL, padded length, PANEL]`.
    fn values(&self) -> Vec<f32> {
        let length = self.masked.len();
        let padded = length.next_multiple_of(PANEL);
        let mut packed = vec![0.0; padded * self.width.next_multiple_of(PANEL)];
        for row in 0..length {
            for (panel, values) in self.row(row, 2).chunks(PANEL).enumerate() {
                let start = (panel * padded + row) * PANEL;
                packed[start..start + values.len()].copy_from_slice(values);
            }
        }
        packed
    }

    /// Turns scores into weights that still lack the division by their sum, and answers one over it.
    fn softmax(&self, scores: &mut [f32]) -> f32 {
        if self.masks == self.masked.len() {
            scores.fill(0.0);
            return 0.0;
        }
        if self.masks > 0 {
            for (score, &masked) in scores.iter_mut().zip(self.masked) {
                *score = if masked == 0 { *score } else { f32::MIN };
            }
        }
        scores[self.masked.len()..].fill(f32::MIN);
        let (chunks, _) = scores.as_chunks_mut::<LANES>();
        // The sums of zeros become the totals.
        let (mut largest, mut totals) = ([f32::MIN; LANES], [0.0; LANES]);
        for chunk in &*chunks {
            for lane in 0..LANES {
                let score = chunk[lane];
                largest[lane] = if score > largest[lane] { score } else { largest[lane] };
                totals[lane] += score * 0.0;
            }
        }
        let largest = largest.iter().fold(f32::MIN, |a, &b| a.max(b));
        for chunk in chunks {
            // A masked key's weight is 1e-38 instead of 0, which no sum of at least 1 can tell.
            *chunk = chunk.map(|score| exp2(score - largest));
            for (total, weight) in totals.iter_mut().zip(chunk) {
                *total += *weight;
            }
        }
        1.0 / totals.iter().sum::<f32>()
    }
}
