//! `softmax(q · kᵀ / √d) · v` for each document and head of a ragged batch.
//!
//! An invocation owns one query or two neighbours, and one head: its queries and their outputs stay in registers while it passes over
//! the document's keys a few at a time, with a running maximum and sum (Dao et al., 2022). Scores are never stored. A maximum may
//! lose a score that is infinite or NaN, so that each is looked at: one makes the query's output NaN.
//!
//! Two queries halve what is read, of which there is as much as is computed, where a head is narrow enough for the registers.

use burn_wgpu::CubeTensor;
use cubecl::prelude::*;

use super::finite::{is_finite, or_nan};
use super::{MAX_WORKGROUPS, floats, ints, matrix, output, width};

/// Queries of a workgroup.
const GROUP: usize = 64;
/// Widest head of which an invocation takes two queries, and invocations that keep a GPU busy.
const NARROW: usize = 32;
const BUSY: usize = 4096;
/// Keys that share one update of the running maximum.
const KEYS: usize = 4;
/// Below every score: where the maximum starts.
const LOWEST: f32 = f32::MIN;

/// `qkv` `[tokens, 3 · hidden]` holds each token's query, key and value side by side; `starts` `[documents + 1]` is where
/// each document's tokens begin, and their end; `masked` `[tokens]` is 1 where a key may not be attended to.
/// A query passes over the keys of its document that are at most `window` tokens away, or over all; where it is `causal`, over none
/// behind it.
/// → `[tokens, hidden]`, zero where a query has no key.
pub(crate) fn attention(
    qkv: CubeTensor,
    starts: CubeTensor,
    masked: CubeTensor,
    heads: usize,
    window: Option<usize>,
    causal: bool,
) -> CubeTensor {
    let [tokens, triple] = matrix(&qkv);
    let hidden = triple / 3;
    assert_eq!(hidden * 3, triple, "a row holds query, key and value");
    let size = hidden / heads;
    assert_eq!(size * heads, hidden, "heads are equal");
    let documents = starts.meta.shape()[0] - 1;
    let before = window.map_or(tokens, |window| window.min(tokens));
    let behind = if causal { 0 } else { before };
    let (client, out) = (qkv.client.clone(), output(&qkv, [tokens, hidden]));
    if tokens * hidden > 0 {
        let pairs = size <= NARROW && tokens.div_ceil(2) * heads >= BUSY;
        let queries = if pairs { 2 } else { 1 };
        let groups = tokens.div_ceil(GROUP * queries);
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
                before,
                behind,
                1.0 / (size as f32).sqrt(),
                size / width(size),
                queries,
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
    before: usize,
    behind: usize,
    scale: f32,
    #[comptime] vectors: usize,
    #[comptime] queries: usize,
) {
    let token = (CUBE_POS_X * CUBE_DIM_X + UNIT_POS_X) as usize * queries;
    if token >= tokens {
        terminate!();
    }
    let head = CUBE_POS_Y as usize * vectors;
    let stride = hidden * 3;

    let mut firsts = Sequence::<usize>::new();
    let mut ends = Sequence::<usize>::new();
    let mut query = Sequence::<Vector<f32, N>>::new();
    let mut context = Sequence::<RuntimeCell<Vector<f32, N>>>::new();
    let mut state = Sequence::<RuntimeCell<f32>>::new();
    let mut whole = Sequence::<RuntimeCell<bool>>::new();
    #[unroll]
    for q in 0..queries {
        // Behind the last query there is that one again.
        let own = min(token + q, tokens - 1);
        let document = text_of(starts, documents, own);
        let begin = starts[document] as usize;
        firsts.push(select(own - begin > before, own - min(before, own), begin));
        ends.push(min(min(starts[document + 1] as usize, tokens), own + behind + 1));
        #[unroll]
        for i in 0..vectors {
            query.push(qkv[own * stride + head + i] * Vector::<f32, N>::new(scale));
            context.push(RuntimeCell::<Vector<f32, N>>::new(Vector::<f32, N>::new(0.0)));
        }
        state.push(RuntimeCell::<f32>::new(f32::new(LOWEST)));
        state.push(RuntimeCell::<f32>::new(0.0));
        whole.push(RuntimeCell::<bool>::new(true));
    }

    // Of neighbours, the later one sees neither fewer keys behind it nor more before it.
    let end = ends[comptime!(queries - 1)];
    let mut key = firsts[0];
    while key < end {
        let mut starts = Sequence::<usize>::new();
        let mut attendable = Sequence::<bool>::new();
        let mut scores = Sequence::<f32>::new();
        #[unroll]
        for j in 0..KEYS {
            // Keys behind the last one read the last one and weigh nothing.
            let position = min(key + j, end - 1);
            let start = position * stride + hidden + head;
            let products = score::<N>(qkv, &query, start, vectors, queries);
            #[unroll]
            for q in 0..queries {
                scores.push(total::<N>(products[q].read()));
            }
            starts.push(start + hidden);
            attendable.push(masked[position] == 0);
        }
        let mut weights = Sequence::<f32>::new();
        let mut shrinks = Sequence::<f32>::new();
        #[unroll]
        for q in 0..queries {
            let maximum = state[comptime!(2 * q)].read();
            let mut highest = maximum;
            let mut seen = Sequence::<bool>::new();
            #[unroll]
            for j in 0..KEYS {
                let score = scores[comptime!(j * queries + q)];
                let place = key + j;
                let attended = attendable[j] && place >= firsts[q] && place < ends[q];
                whole[q].store(whole[q].read() && (!attended || is_finite(score)));
                highest = select(attended, max(highest, score), highest);
                seen.push(attended);
            }
            let shrink = (maximum - highest).exp();
            let mut sum = state[comptime!(2 * q + 1)].read() * shrink;
            #[unroll]
            for j in 0..KEYS {
                let score = scores[comptime!(j * queries + q)];
                let weight = select(seen[j], (score - highest).exp(), 0.0);
                sum += weight;
                weights.push(weight);
            }
            state[comptime!(2 * q)].store(highest);
            state[comptime!(2 * q + 1)].store(sum);
            shrinks.push(shrink);
        }
        add_values::<N>(qkv, &context, &starts, &weights, &shrinks, vectors, queries);
        key += KEYS;
    }

    #[unroll]
    for q in 0..queries {
        // A sum of nothing is zero, and so is its context.
        let sum = state[comptime!(2 * q + 1)].read();
        let factor = or_nan(1.0 / max(sum, 1e-30), whole[q].read());
        if token + q < tokens {
            #[unroll]
            for i in 0..vectors {
                let value = context[comptime!(q * vectors + i)].read();
                let place = (token + q) * hidden + head + i;
                out[place] = value * Vector::<f32, N>::new(factor);
            }
        }
    }
}

/// Products of each query with one key, by their places in a vector.
#[cube]
fn score<N: Size>(
    qkv: &[Vector<f32, N>],
    query: &Sequence<Vector<f32, N>>,
    start: usize,
    #[comptime] vectors: usize,
    #[comptime] queries: usize,
) -> Sequence<RuntimeCell<Vector<f32, N>>> {
    let first = qkv[start];
    let mut products = Sequence::<RuntimeCell<Vector<f32, N>>>::new();
    #[unroll]
    for q in 0..queries {
        products.push(RuntimeCell::<Vector<f32, N>>::new(query[comptime!(q * vectors)] * first));
    }
    #[unroll]
    for i in 1..vectors {
        let key = qkv[start + i];
        #[unroll]
        for q in 0..queries {
            let sum = products[q].read() + query[comptime!(q * vectors + i)] * key;
            products[q].store(sum);
        }
    }
    products
}

#[cube]
fn total<N: Size>(products: Vector<f32, N>) -> f32 {
    let mut sum = products.extract(0usize);
    #[unroll]
    for i in 1..N::value() {
        sum += products.extract(i);
    }
    sum
}

/// Adds some keys' values, by their weights, to what each query has, which shrinks before.
#[cube]
fn add_values<N: Size>(
    qkv: &[Vector<f32, N>],
    context: &Sequence<RuntimeCell<Vector<f32, N>>>,
    starts: &Sequence<usize>,
    weights: &Sequence<f32>,
    shrinks: &Sequence<f32>,
    #[comptime] vectors: usize,
    #[comptime] queries: usize,
) {
    #[unroll]
    for i in 0..vectors {
        #[unroll]
        for q in 0..queries {
            let own = &context[comptime!(q * vectors + i)];
            own.store(own.read() * Vector::<f32, N>::new(shrinks[q]));
        }
        #[unroll]
        for j in 0..KEYS {
            let value = qkv[starts[j] + i];
            #[unroll]
            for q in 0..queries {
                let own = &context[comptime!(q * vectors + i)];
                let weight = Vector::<f32, N>::new(weights[comptime!(q * KEYS + j)]);
                own.store(own.read() + weight * value);
            }
        }
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
