//! `Σᵢ maxⱼ qᵢ · dⱼ` for each document of a ragged batch.
//!
//! A workgroup owns one document. Its invocations are lanes of query rows by lanes of document rows; each computes the
//! similarities of a small tile in registers, so that a value it reads is used for several of them, and keeps its query
//! rows' maxima while it walks down the document. Neighbours share query rows or document rows, and so cache lines;
//! nothing is stored but a maximum for each query row and lane at the end, where two barriers sum them up.
//!
//! Longer queries take several passes. Their number is a constant of the kernel, because barriers must not stand in a
//! loop whose bound is read from memory; a query of one length, as with query expansion, compiles one kernel.

use burn_wgpu::CubeTensor;
use cubecl::prelude::*;

use super::finite::MAGNITUDE;
use super::{floats, grid, ints, matrix, output, width};
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

/// The first `query_length` rows of `query` `[tokens, dimension]` against each text of `documents` → `[texts]`. `starts`
/// `[texts + 1]` is where each text's rows begin, and their end; `query_dropped` and `dropped` `[tokens]` are 1 where a
/// row takes no part. [`NOT_FINITE`] where a similarity is NaN or beyond [`LIMIT`].
pub(crate) fn maxsim(
    query: CubeTensor,
    query_dropped: CubeTensor,
    documents: CubeTensor,
    starts: CubeTensor,
    dropped: CubeTensor,
    query_length: usize,
) -> CubeTensor {
    let [_, dimension] = matrix(&documents);
    assert_eq!(matrix(&query)[1], dimension, "query and documents have one width");
    let texts = starts.meta.shape()[0] - 1;
    let (client, out) = (documents.client.clone(), output(&documents, [texts]));
    if texts > 0 {
        // SAFETY: the kernel keeps texts and rows within the shapes, and rows within their text.
        unsafe {
            maxsim_kernel::launch_unchecked(
                &client,
                grid(texts),
                CubeDim::new_2d(LANES[0] as u32, LANES[1] as u32),
                width(dimension),
                floats(query),
                ints(query_dropped),
                floats(documents),
                ints(starts),
                ints(dropped),
                floats(out.clone()),
                query_length,
                texts,
                dimension / width(dimension),
                query_length.div_ceil(QUERIES),
            );
        }
    }
    out
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn maxsim_kernel<N: Size>(
    query: &[Vector<f32, N>],
    query_dropped: &[i32],
    documents: &[Vector<f32, N>],
    starts: &[i32],
    dropped: &[i32],
    scores: &mut [f32],
    query_length: usize,
    texts: usize,
    vectors: usize,
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
        let best =
            tile_maxima::<N>(query, documents, dropped, lane, query_length, first, end, vectors);
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
fn tile_maxima<N: Size>(
    query: &[Vector<f32, N>],
    documents: &[Vector<f32, N>],
    dropped: &[i32],
    lane: usize,
    query_length: usize,
    first: usize,
    end: usize,
    vectors: usize,
) -> Sequence<RuntimeCell<f32>> {
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
            rows.push(inside * vectors);
            kept.push(place < end && dropped[inside] == 0);
        }
        let similarities = products::<N>(query, documents, &queries, &rows, vectors);
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

/// The dot products of a tile's query rows with its document rows.
#[cube]
fn products<N: Size>(
    query: &[Vector<f32, N>],
    documents: &[Vector<f32, N>],
    queries: &Sequence<usize>,
    rows: &Sequence<usize>,
    vectors: usize,
) -> Sequence<RuntimeCell<f32>> {
    let mut sums = Sequence::<RuntimeCell<f32>>::new();
    #[unroll]
    for _ in 0..comptime!(TILE[0] * TILE[1]) {
        sums.push(RuntimeCell::<f32>::new(0.0));
    }
    for i in 0..vectors {
        let mut left = Sequence::<Vector<f32, N>>::new();
        #[unroll]
        for r in 0..comptime!(TILE[0]) {
            left.push(query[queries[r] + i]);
        }
        #[unroll]
        for c in 0..comptime!(TILE[1]) {
            let right = documents[rows[c] + i];
            #[unroll]
            for r in 0..comptime!(TILE[0]) {
                let sum = &sums[r * TILE[1] + c];
                sum.store(sum.read() + left[r].dot(right));
            }
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
