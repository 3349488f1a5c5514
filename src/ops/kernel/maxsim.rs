//! `Σᵢ maxⱼ qᵢ · dⱼ` for each document of a ragged batch.
//!
//! A workgroup owns one document. Its invocations are lanes of query rows by lanes of document rows; each computes the
//! similarities of a small tile in registers, so that a value it reads is used for several of them, and keeps its query
//! rows' maxima while it walks down the document. Neighbours share query rows or document rows, and so cache lines;
//! nothing is stored but a maximum for each query row and lane at the end, where two barriers sum them up. Codes are
//! widened in registers, four channels at a time, each for all query rows of the tile.
//!
//! Longer queries take several passes. Their number is a constant of the kernel, because barriers must not stand in a
//! loop whose bound is read from memory; a query of one length, as with query expansion, compiles one kernel.

use burn_wgpu::CubeTensor;
use cubecl::prelude::*;

use super::codes::{by_factor, centroid, read_codes};
use super::finite::MAGNITUDE;
use super::four::read_four;
use super::{floats, grid, ints, matrix, output, width};
use crate::ops::Coding;
use crate::ops::maxsim::NOT_FINITE;
use crate::ops::plain::LIMIT;

/// Invocations of a workgroup along query rows and along document rows.
const LANES: [usize; 2] = [8, 8];
/// Query rows and document rows of an invocation's tile.
const TILE: [usize; 2] = [4, 4];
/// Query rows of a pass.
const QUERIES: usize = LANES[0] * TILE[0];

/// Where maxima start; what is left there belongs to a document without rows.
const LOWEST: f32 = f32::MIN;

/// Texts' rows as they lie on the device.
pub(crate) struct Documents {
    /// `[rows, words of a row]`.
    pub(crate) words: CubeTensor,
    pub(crate) coding: Coding,
    /// Of residual codes; of others it is not read.
    pub(crate) tables: CubeTensor,
    /// Where each text's rows begin, and the end of the last: `[texts + 1]`.
    pub(crate) starts: CubeTensor,
    /// 1 where a row takes no part, if any does not: `[rows]`.
    pub(crate) dropped: Option<CubeTensor>,
}

/// How a kernel reads documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Reads {
    coding: Coding,
    dropped: bool,
}

/// The first `query_length` rows of `query` `[tokens, dimension]` against each text of `documents` → `[texts]`.
/// `query_dropped` `[tokens]` is 1 where a row takes no part. [`NOT_FINITE`] where a similarity is NaN or beyond [`LIMIT`].
pub(crate) fn maxsim(
    query: CubeTensor,
    query_dropped: CubeTensor,
    documents: Documents,
    query_length: usize,
) -> CubeTensor {
    let [_, dimension] = matrix(&query);
    let Documents { words, coding, tables, starts, dropped } = documents;
    let [_, row] = matrix(&words);
    assert_eq!(row, coding.words(dimension), "query and documents have one width");
    let texts = starts.meta.shape()[0] - 1;
    let (client, out) = (query.client.clone(), output(&query, [texts]));
    let reads = Reads { coding, dropped: dropped.is_some() };
    let vectors = if coding == Coding::F32 { width(dimension) } else { 1 };
    if texts > 0 {
        // SAFETY: the kernel keeps texts and rows within the shapes, and rows within their text; a code has its centroid.
        unsafe {
            maxsim_kernel::launch_unchecked(
                &client,
                grid(texts),
                CubeDim::new_2d(LANES[0] as u32, LANES[1] as u32),
                width(dimension),
                vectors,
                floats(query),
                ints(query_dropped),
                super::words(words),
                floats(tables),
                ints(starts.clone()),
                // The argument is there and is not read.
                ints(dropped.unwrap_or(starts)),
                floats(out.clone()),
                query_length,
                texts,
                dimension,
                row / vectors,
                reads,
                query_length.div_ceil(QUERIES),
            );
        }
    }
    out
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn maxsim_kernel<N: Size, D: Size>(
    query: &[Vector<f32, N>],
    query_dropped: &[i32],
    words: &[Vector<i32, D>],
    tables: &[Vector<f32, Const<4>>],
    starts: &[i32],
    dropped: &[i32],
    scores: &mut [f32],
    query_length: usize,
    texts: usize,
    dimension: usize,
    stride: usize,
    #[comptime] reads: Reads,
    #[comptime] passes: usize,
) {
    let mut maxima = Shared::<[f32]>::new_slice(comptime!(LANES[1] * QUERIES));
    let mut sums = Shared::<[f32]>::new_slice(QUERIES);
    let text = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) as usize;
    // Every invocation must reach the barriers.
    let own = min(text, texts - 1);
    let (first, end) = (starts[own] as usize, starts[own + 1] as usize);
    let invocation = (UNIT_POS_Y * CUBE_DIM_X + UNIT_POS_X) as usize;
    let mut sum = 0.0f32;
    for pass in 0..passes {
        let start = pass * QUERIES;
        let lane = start + UNIT_POS_X as usize;
        let best = tile_maxima::<N, D>(
            query,
            words,
            tables,
            dropped,
            lane,
            query_length,
            first,
            end,
            dimension,
            stride,
            reads,
        );
        #[unroll]
        for r in 0..comptime!(TILE[0]) {
            let column = r * comptime!(LANES[0]) + UNIT_POS_X as usize;
            maxima[UNIT_POS_Y as usize * QUERIES + column] = best[r].read();
        }
        sync_cube();
        if invocation < QUERIES {
            let mut maximum = f32::new(LOWEST);
            #[unroll]
            for lane in 0..comptime!(LANES[1]) {
                maximum = max(maximum, maxima[lane * QUERIES + invocation]);
            }
            maximum = select(maximum == f32::new(LOWEST), -1.0, maximum);
            let row = start + invocation;
            let counts = row < query_length && query_dropped[min(row, query_length - 1)] == 0;
            sum = select(counts, add(sum, maximum), sum);
            sums[invocation] = sum;
        }
        sync_cube();
    }
    if invocation == 0 && text < texts {
        let mut score = 0.0f32;
        #[unroll]
        for i in 0..QUERIES {
            score = add(score, sums[i]);
        }
        scores[text] = score;
    }
}

/// The maxima of this invocation's query rows over its lane's rows of the document.
#[cube]
#[allow(clippy::too_many_arguments)]
fn tile_maxima<N: Size, D: Size>(
    query: &[Vector<f32, N>],
    words: &[Vector<i32, D>],
    tables: &[Vector<f32, Const<4>>],
    dropped: &[i32],
    lane: usize,
    query_length: usize,
    first: usize,
    end: usize,
    dimension: usize,
    stride: usize,
    #[comptime] reads: Reads,
) -> Sequence<RuntimeCell<f32>> {
    let vectors = dimension / N::value();
    let mut queries = Sequence::<usize>::new();
    let mut best = Sequence::<RuntimeCell<f32>>::new();
    #[unroll]
    for r in 0..comptime!(TILE[0]) {
        // Rows behind the last one read the last one and do not count.
        queries.push(min(lane + r * comptime!(LANES[0]), query_length - 1) * vectors);
        best.push(RuntimeCell::<f32>::new(f32::new(LOWEST)));
    }
    let mut row = first + UNIT_POS_Y as usize;
    while row < end {
        let mut rows = Sequence::<usize>::new();
        let mut kept = Sequence::<bool>::new();
        #[unroll]
        for c in 0..comptime!(TILE[1]) {
            let place = row + c * comptime!(LANES[1]);
            let inside = min(place, end - 1);
            rows.push(inside * stride);
            if comptime!(reads.dropped) {
                kept.push(place < end && dropped[inside] == 0);
            } else {
                kept.push(place < end);
            }
        }
        let similarities =
            similarities::<N, D>(query, words, tables, &queries, &rows, dimension, reads);
        #[unroll]
        for r in 0..comptime!(TILE[0]) {
            #[unroll]
            for c in 0..comptime!(TILE[1]) {
                let similarity = finite(similarities[r * TILE[1] + c].read());
                let highest = best[r].read();
                best[r].store(select(kept[c], max(highest, similarity), highest));
            }
        }
        row += comptime!(LANES[1] * TILE[1]);
    }
    best
}

/// The similarities of a tile's query rows with its document rows.
#[cube]
fn similarities<N: Size, D: Size>(
    query: &[Vector<f32, N>],
    words: &[Vector<i32, D>],
    tables: &[Vector<f32, Const<4>>],
    queries: &Sequence<usize>,
    rows: &Sequence<usize>,
    dimension: usize,
    #[comptime] reads: Reads,
) -> Sequence<RuntimeCell<f32>> {
    let coding = comptime!(reads.coding);
    let mut sums = Sequence::<RuntimeCell<f32>>::new();
    let mut squares = Sequence::<RuntimeCell<f32>>::new();
    let mut centroids = Sequence::<usize>::new();
    #[unroll]
    for _ in 0..comptime!(TILE[0] * TILE[1]) {
        sums.push(RuntimeCell::<f32>::new(0.0));
    }
    #[unroll]
    for c in 0..comptime!(TILE[1]) {
        squares.push(RuntimeCell::<f32>::new(0.0));
        centroids.push(centroid::<D>(words, rows[c], dimension, coding));
    }
    for i in 0..dimension.div_ceil(4) {
        let mut left = Sequence::<Vector<f32, Const<4>>>::new();
        #[unroll]
        for r in 0..comptime!(TILE[0]) {
            left.push(read_four::<f32, N>(query, queries[r], i, dimension));
        }
        #[unroll]
        for c in 0..comptime!(TILE[1]) {
            let right =
                read_codes::<N, D>(words, tables, rows[c], centroids[c], i, dimension, coding);
            if comptime!(coding.is_normalized()) {
                squares[c].store(squares[c].read() + right.dot(right));
            }
            #[unroll]
            for r in 0..comptime!(TILE[0]) {
                let sum = &sums[r * TILE[1] + c];
                sum.store(sum.read() + left[r].dot(right));
            }
        }
    }
    #[unroll]
    for c in 0..comptime!(TILE[1]) {
        #[unroll]
        for r in 0..comptime!(TILE[0]) {
            let sum = &sums[r * TILE[1] + c];
            let squares = squares[c].read();
            sum.store(by_factor::<D>(sum.read(), squares, words, rows[c], dimension, coding));
        }
    }
    sums
}

/// A similarity, or [`NOT_FINITE`], which no maximum loses. Told by its bits: see [`NOT_FINITE`].
#[cube]
fn finite(similarity: f32) -> f32 {
    let magnitude = u32::reinterpret(similarity) & MAGNITUDE;
    select(magnitude > comptime!(LIMIT.to_bits()), f32::new(NOT_FINITE), similarity)
}

/// `a + b`, but [`NOT_FINITE`] if one of them is.
#[cube]
fn add(a: f32, b: f32) -> f32 {
    let not_finite = f32::new(NOT_FINITE);
    select(max(a, b) == not_finite, not_finite, a + b)
}
