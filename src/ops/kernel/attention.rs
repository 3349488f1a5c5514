//! `softmax(q · kᵀ / √d) · v` for each document and head of a ragged batch.
//!
//! An invocation owns one query and one head: its query and its output stay in registers while it passes over the
//! document's keys a few at a time, with a running maximum and sum (Dao et al., 2022). Scores are never stored. A maximum may
//! lose a score that is infinite or NaN, so that each is looked at: one makes the query's output NaN.

use burn_wgpu::CubeTensor;
use cubecl::prelude::*;

use super::finite::{is_finite, or_nan};
use super::{MAX_WORKGROUPS, floats, ints, matrix, output, width};

/// Queries of a workgroup.
const GROUP: usize = 64;
/// Keys that share one update of the running maximum.
const KEYS: usize = 4;
/// Below every score: where the maximum starts.
const LOWEST: f32 = f32::MIN;

/// `qkv` `[tokens, 3 · hidden]` holds each token's query, key and value side by side; `starts` `[documents + 1]` is where
/// each document's tokens begin, and their end; `masked` `[tokens]` is 1 where a key may not be attended to.
/// A query passes over the keys of its document that are at most `window` tokens away, or over all.
/// → `[tokens, hidden]`, zero where a query has no key.
pub(crate) fn attention(
    qkv: CubeTensor,
    starts: CubeTensor,
    masked: CubeTensor,
    heads: usize,
    window: Option<usize>,
) -> CubeTensor {
    let [tokens, triple] = matrix(&qkv);
    let hidden = triple / 3;
    assert_eq!(hidden * 3, triple, "a row holds query, key and value");
    let size = hidden / heads;
    assert_eq!(size * heads, hidden, "heads are equal");
    let documents = starts.meta.shape()[0] - 1;
    let (client, out) = (qkv.client.clone(), output(&qkv, [tokens, hidden]));
    if tokens * hidden > 0 {
        let groups = tokens.div_ceil(GROUP);
        assert!(
            groups.max(heads) <= MAX_WORKGROUPS,
            "a batch of this size needs more than one dispatch"
        );
        // SAFETY: the kernel keeps tokens within the shape, and keys within their document.
        unsafe {
            attention_kernel::launch_unchecked(
                &client,
                CubeCount::Static(groups as u32, heads as u32, 1),
                CubeDim::new_1d(GROUP as u32),
                width(size),
                floats(qkv),
                ints(starts),
                ints(masked),
                floats(out.clone()),
                tokens,
                documents,
                hidden / width(size),
                window.map_or(tokens, |window| window.min(tokens)),
                1.0 / (size as f32).sqrt(),
                size / width(size),
            );
        }
    }
    out
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn attention_kernel<N: Size>(
    qkv: &[Vector<f32, N>],
    starts: &[i32],
    masked: &[i32],
    out: &mut [Vector<f32, N>],
    tokens: usize,
    documents: usize,
    hidden: usize,
    window: usize,
    scale: f32,
    #[comptime] vectors: usize,
) {
    let token = (CUBE_POS_X * CUBE_DIM_X + UNIT_POS_X) as usize;
    if token >= tokens {
        terminate!();
    }
    let head = CUBE_POS_Y as usize * vectors;
    let stride = hidden * 3;

    let document = text_of(starts, documents, token);
    let begin = starts[document] as usize;
    let first = select(token - begin > window, token - min(window, token), begin);
    let end = min(min(starts[document + 1] as usize, tokens), token + window + 1);

    let mut query = Sequence::<Vector<f32, N>>::new();
    let mut context = Sequence::<RuntimeCell<Vector<f32, N>>>::new();
    #[unroll]
    for i in 0..vectors {
        query.push(qkv[token * stride + head + i] * Vector::<f32, N>::new(scale));
        context.push(RuntimeCell::<Vector<f32, N>>::new(Vector::<f32, N>::new(0.0)));
    }
    let mut maximum = f32::new(LOWEST);
    let mut sum = 0.0f32;
    let mut whole = true;

    let mut key = first;
    while key < end {
        let mut scores = Sequence::<f32>::new();
        let mut seen = Sequence::<bool>::new();
        let mut highest = maximum;
        #[unroll]
        for j in 0..KEYS {
            // Keys behind the last one read the last one and weigh nothing.
            let position = min(key + j, end - 1);
            let start = position * stride + hidden + head;
            let mut products = query[0] * qkv[start];
            #[unroll]
            for i in 1..vectors {
                products += query[i] * qkv[start + i];
            }
            let mut score = products.extract(0usize);
            #[unroll]
            for i in 1..N::value() {
                score += products.extract(i);
            }
            let attended = key + j < end && masked[position] == 0;
            whole = whole && (!attended || is_finite(score));
            highest = select(attended, max(highest, score), highest);
            scores.push(score);
            seen.push(attended);
        }
        let shrink = (maximum - highest).exp();
        maximum = highest;
        sum *= shrink;
        let shrink = Vector::<f32, N>::new(shrink);
        let mut weights = Sequence::<f32>::new();
        #[unroll]
        for j in 0..KEYS {
            let weight = select(seen[j], (scores[j] - highest).exp(), 0.0);
            sum += weight;
            weights.push(weight);
        }
        #[unroll]
        for i in 0..vectors {
            let mut value = context[i].read() * shrink;
            #[unroll]
            for j in 0..KEYS {
                let position = min(key + j, end - 1);
                let start = position * stride + 2 * hidden + head;
                value += Vector::<f32, N>::new(weights[j]) * qkv[start + i];
            }
            context[i].store(value);
        }
        key += KEYS;
    }

    // A sum of nothing is zero, and so is its context.
    let factor = or_nan(1.0 / max(sum, 1e-30), whole);
    let factor = Vector::<f32, N>::new(factor);
    #[unroll]
    for i in 0..vectors {
        out[token * hidden + head + i] = context[i].read() * factor;
    }
}

/// The last text that begins at or before a token.
#[cube]
pub(super) fn text_of(starts: &[i32], texts: usize, token: usize) -> usize {
    let mut text = 0usize;
    let mut above = texts;
    while above - text > 1 {
        let middle = (text + above) / 2;
        if starts[middle] as usize <= token {
            text = middle;
        } else {
            above = middle;
        }
    }
    text
}
