//! Attention over ragged texts: `softmax(Q·Kᵀ / √d) · V` a head and text.
//!
//! A piece of a text at a time, whose keys are packed once, and of it a tile of queries: what is held grows with the keys that
//! they see, never with a text's square.
//!
//! A score that is infinite or no number makes the sum of weights NaN, and the query's row with it: by its own weight, or, since
//! the weight of -∞ is zero, by the least score.

mod coded;

use std::ops::Range;

use super::PANEL;
use super::f32::{Panels, multiply_into};
use super::pointwise::{EXP2, LANES, exp2, variables};
use super::rows::for_blocks;
use super::vectors::widest;

/// Queries whose scores are held at once.
const QUERIES: usize = 32;
/// Queries whose keys are packed once: few enough that one text keeps all threads busy.
const PIECE: usize = 512;

/// Texts under each other in one batch.
#[derive(Clone, Copy)]
pub(crate) struct Ragged<'a> {
    /// First row of each text, and behind the last one's end.
    pub(crate) starts: &'a [i32],
    /// For each row 1 if it takes no part: no query attends to it, no query is compared with it.
    pub(crate) masked: &'a [i32],
}

/// How heads attend.
#[derive(Clone, Copy)]
pub(crate) struct Heads<'a> {
    pub(crate) count: usize,
    /// `[positions, width]`, see [`crate::ops::Rope`].
    pub(crate) rotation: Option<&'a [f32]>,
    /// Farthest key that a query sees.
    pub(crate) window: Option<usize>,
    /// Whether a query sees no key behind it.
    pub(crate) causal: bool,
    /// Whether products may be of codes: see [`coded`].
    pub(crate) coded: bool,
}

impl Heads<'_> {
    /// Keys of a text of `length` that one of its `queries` sees.
    fn seen(&self, queries: Range<usize>, length: usize) -> Range<usize> {
        let window = self.window.unwrap_or(length);
        let behind = if self.causal { 0 } else { window };
        queries.start.saturating_sub(window)..queries.end.saturating_add(behind).min(length)
    }
}

/// `qkv` `[rows, 3 · hidden]` → `[rows, hidden]`. A query of which every key is masked gets zeros.
pub(crate) fn attention(qkv: &[f32], texts: Ragged<'_>, heads: Heads<'_>) -> Vec<f32> {
    let rows = texts.masked.len();
    let hidden = qkv.len() / rows.max(1) / 3;
    let mut out = vec![0.0; rows * hidden];
    let mut pieces = pieces(&mut out, texts.starts, hidden);
    for_blocks(&mut pieces, 1, 1, |_, pieces| {
        for piece in pieces {
            let own = &qkv[piece.text.start * 3 * hidden..piece.text.end * 3 * hidden];
            let masked = &texts.masked[piece.text.clone()];
            for head in 0..heads.count {
                let head = Head::new(own, masked, piece.queries.clone(), heads, head);
                match head.is_coded() {
                    true => head.attend_coded(piece.out),
                    false => head.attend(piece.out),
                }
            }
        }
    });
    out
}

/// Queries of one text that are computed together.
struct Piece<'a> {
    /// Rows of the whole text.
    text: Range<usize>,
    /// Places in the text.
    queries: Range<usize>,
    out: &'a mut [f32],
}

fn pieces<'a>(out: &'a mut [f32], starts: &[i32], hidden: usize) -> Vec<Piece<'a>> {
    let mut rest = out;
    let mut pieces = Vec::new();
    for range in starts.windows(2) {
        let text = range[0] as usize..range[1] as usize;
        for first in (0..text.len()).step_by(PIECE) {
            let queries = first..text.len().min(first + PIECE);
            let (out, tail) = rest.split_at_mut(queries.len() * hidden);
            rest = tail;
            pieces.push(Piece { text: text.clone(), queries, out });
        }
    }
    pieces
}

/// One head of one piece.
struct Head<'a> {
    /// Of the whole text, as `masked`.
    qkv: &'a [f32],
    masked: &'a [i32],
    /// Whether a row of the text takes no part.
    some_masked: bool,
    queries: Range<usize>,
    /// Keys that one of the queries sees.
    keys: Range<usize>,
    heads: Heads<'a>,
    hidden: usize,
    /// First column of the head.
    column: usize,
    width: usize,
}

impl<'a> Head<'a> {
    fn new(
        qkv: &'a [f32],
        masked: &'a [i32],
        queries: Range<usize>,
        heads: Heads<'a>,
        head: usize,
    ) -> Self {
        let hidden = qkv.len() / masked.len() / 3;
        let width = hidden / heads.count;
        let keys = heads.seen(queries.clone(), masked.len());
        let some_masked = masked.iter().any(|&masked| masked != 0);
        Self { qkv, masked, some_masked, queries, keys, heads, hidden, column: head * width, width }
    }

    /// `out` `[queries, hidden]`, of which the head's columns are written.
    fn attend(&self, out: &mut [f32]) {
        let (keys, values) = (self.keys(), self.values());
        let padded = self.keys.len().next_multiple_of(PANEL);
        let mut scores = Vec::new();
        let mut sums = vec![0.0; QUERIES * self.width.next_multiple_of(PANEL)];
        for first in self.queries.clone().step_by(QUERIES) {
            let rows = first..self.queries.end.min(first + QUERIES);
            let columns = self.columns(rows.clone());
            scores.resize(rows.len() * columns.len(), 0.0);
            let queries = self.queries(rows.clone(), self.scale());
            let keys = &keys[columns.start * self.width..columns.end * self.width];
            let panels = Panels::of(keys, self.width);
            multiply_into::<false>(&queries, panels, &mut scores, columns.len());
            let totals: Vec<f32> = scores
                .chunks_exact_mut(columns.len())
                .zip(rows)
                .map(|(scores, row)| self.softmax(row, columns.start, scores))
                .collect();
            let end = values.len() - (padded - columns.end) * PANEL;
            let values = &values[columns.start * PANEL..end];
            let panels = Panels { values, inputs: columns.len(), apart: padded * PANEL };
            let stride = self.width.next_multiple_of(PANEL);
            multiply_into::<false>(&scores, panels, &mut sums, stride);
            self.write(first, &sums, stride, &totals, out);
        }
    }

    /// The output of the queries from `first` on: their sums over what their weights add up to.
    fn write(&self, first: usize, sums: &[f32], stride: usize, shares: &[f32], out: &mut [f32]) {
        let rows = out[(first - self.queries.start) * self.hidden..].chunks_mut(self.hidden);
        for ((out, sums), share) in rows.zip(sums.chunks_exact(stride)).zip(shares) {
            let out = &mut out[self.column..][..self.width];
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum * share);
        }
    }

    /// What queries are multiplied by. Scores are to base 2, which saves each exponential a multiplication.
    fn scale(&self) -> f32 {
        std::f32::consts::LOG2_E / (self.width as f32).sqrt()
    }

    /// The packed keys that one of some queries sees, in whole panels.
    fn columns(&self, queries: Range<usize>) -> Range<usize> {
        let seen = self.heads.seen(queries, self.masked.len());
        let (start, end) = (seen.start - self.keys.start, seen.end - self.keys.start);
        start / PANEL * PANEL..end.next_multiple_of(PANEL)
    }

    fn row(&self, row: usize, part: usize) -> &[f32] {
        let start = (3 * row + part) * self.hidden + self.column;
        &self.qkv[start..start + self.width]
    }

    /// A query or key, turned by its place, times `scale`.
    fn turned(&self, row: usize, part: usize, scale: f32, out: &mut [f32]) {
        let values = self.row(row, part);
        match self.heads.rotation {
            // A loop: copies of so few values are calls in wasm.
            None => out.iter_mut().zip(values).for_each(|(out, value)| *out = value * scale),
            Some(table) => turn(values, &table[row * self.width..][..self.width], scale, out),
        }
    }

    fn queries(&self, rows: Range<usize>, scale: f32) -> Vec<f32> {
        let mut queries = vec![0.0; rows.len() * self.width];
        for (row, query) in rows.zip(queries.chunks_exact_mut(self.width)) {
            self.turned(row, 0, scale, query);
        }
        queries
    }

    /// `[keys / PANEL, width, PANEL]`. Behind the last key are numbers of no meaning.
    fn keys(&self) -> Vec<f32> {
        let mut packed = vec![0.0; self.keys.len().next_multiple_of(PANEL) * self.width];
        let mut keys = vec![0.0; PANEL * self.width];
        let firsts = self.keys.clone().step_by(PANEL);
        for (panel, first) in packed.chunks_exact_mut(PANEL * self.width).zip(firsts) {
            let rows = first..self.keys.end.min(first + PANEL);
            for (row, key) in rows.zip(keys.chunks_exact_mut(self.width)) {
                self.turned(row, 1, 1.0, key);
            }
            for (input, values) in panel.as_chunks_mut::<PANEL>().0.iter_mut().enumerate() {
                *values = std::array::from_fn(|place| keys[place * self.width + input]);
            }
        }
        packed
    }

    /// `[width / PANEL, padded keys, PANEL]`.
    fn values(&self) -> Vec<f32> {
        let padded = self.keys.len().next_multiple_of(PANEL);
        let mut packed = vec![0.0; padded * self.width.next_multiple_of(PANEL)];
        for (panel, packed) in packed.chunks_exact_mut(padded * PANEL).enumerate() {
            let columns = panel * PANEL..self.width.min((panel + 1) * PANEL);
            for (row, packed) in self.keys.clone().zip(packed.as_chunks_mut::<PANEL>().0) {
                let values = &self.row(row, 2)[columns.clone()];
                match values.as_array() {
                    Some(values) => *packed = *values,
                    None => packed[..values.len()].copy_from_slice(values),
                }
            }
        }
        packed
    }

    /// Turns a query's scores, whose first is that of the packed key `first`, into weights that still lack the division by their
    /// sum, and answers one over it.
    fn softmax(&self, query: usize, first: usize, scores: &mut [f32]) -> f32 {
        let first = self.keys.start + first;
        let seen = self.heads.seen(query..query + 1, self.masked.len());
        let (before, rest) = scores.split_at_mut(seen.start - first);
        let (own, behind) = rest.split_at_mut(seen.len());
        before.fill(f32::MIN);
        behind.fill(f32::MIN);
        if self.some_masked {
            let masked = &self.masked[seen];
            if masked.iter().all(|&masked| masked != 0) {
                scores.fill(0.0);
                return 0.0;
            }
            for (score, &masked) in own.iter_mut().zip(masked) {
                *score = if masked == 0 { *score } else { f32::MIN };
            }
        }
        soften(scores)
    }
}

widest! {
    /// Turns scores into weights that still lack the division by their sum, and answers one over it.
    fn soften(scores: &mut [f32]) -> f32 {
        // Loop by loop: of two in one the compiler makes shuffles, or no vector instructions at all.
        let least = by_lanes(scores, f32::MAX, |a, b| if b < a { b } else { a });
        let largest = by_lanes(scores, f32::MIN, |a, b| if b > a { b } else { a });
        let least = least.into_iter().fold(f32::MAX, f32::min);
        let largest = largest.into_iter().fold(f32::MIN, f32::max);
        let numbers = variables(EXP2);
        scores.iter_mut().for_each(|score| *score = exp2(numbers, *score - largest));
        let total = by_lanes(scores, 0.0, |a, b| a + b).iter().sum::<f32>();
        1.0 / if least == f32::NEG_INFINITY { f32::NAN } else { total }
    }
}

#[inline(always)]
fn by_lanes(values: &[f32], first: f32, join: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut lanes = [first; LANES];
    for chunk in values.as_chunks::<LANES>().0 {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane = join(*lane, *value));
    }
    lanes
}

/// Turns the points of a row by angles of which there are cosines, then sines, and writes them to `out`, times `scale`.
fn turn(row: &[f32], angles: &[f32], scale: f32, out: &mut [f32]) {
    let half = angles.len() / 2;
    let (x, y) = (&row[..half], &row[half..2 * half]);
    let (cosines, sines) = (&angles[..half], &angles[half..2 * half]);
    let (out_x, out_y) = out[..2 * half].split_at_mut(half);
    for place in 0..half {
        let (x, y, cosine, sine) = (x[place], y[place], cosines[place], sines[place]);
        out_x[place] = (x * cosine - y * sine) * scale;
        out_y[place] = (y * cosine + x * sine) * scale;
    }
}
