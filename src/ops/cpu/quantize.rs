//! Activations in 8 bits.
//!
//! Each row alone: with `u = x · equalizer`, its middle `c = (max u + min u) / 2` and step
//! `d = (max u - min u) / 254`, a value becomes the nearest whole number to `(u - c) / d`, in [-127, 127].
//! A product with whole-number weights `q` then is `Σ u·q ≈ d · Σ a·q + c · Σ q`, of which `Σ a·q` is exact.
//!
//! There is no code for what is infinite or NaN, and comparisons pass it over: a row that holds such a value has the
//! middle NaN, and so all its products.

use super::dot::Activation;
use super::pointwise::{self, LANES, ROUND};
use crate::ops::Gate;

/// Quantized rows.
pub(super) struct Quantized {
    /// `[rows, stride]`, zero behind the inputs.
    pub(super) codes: Vec<Activation>,
    pub(super) stride: usize,
    /// Step `d` of each row.
    pub(super) steps: Vec<f32>,
    /// Middle `c` of each row.
    pub(super) middles: Vec<f32>,
    /// Sums of the codes, one for each block of inputs: `[rows, blocks]`.
    pub(super) sums: Vec<i32>,
    pub(super) blocks: usize,
}

/// Quantizes what `gate` makes of the rows of `x`, `equalizer.len()` values each, in whole blocks of `block` codes, with a sum
/// over each.
pub(super) fn quantize(x: &[f32], equalizer: &[f32], gate: Gate, block: usize) -> Quantized {
    let inputs = equalizer.len();
    let width = inputs * gate.halves();
    let (rows, stride) = (x.len() / width, inputs.next_multiple_of(block));
    let blocks = stride / block;
    let mut out = Quantized {
        codes: vec![0; rows * stride],
        stride,
        steps: Vec::with_capacity(rows),
        middles: Vec::with_capacity(rows),
        sums: Vec::with_capacity(rows * blocks),
        blocks,
    };
    let mut scratch = vec![0.0; inputs];
    for (row, codes) in x.chunks_exact(width).zip(out.codes.chunks_exact_mut(stride)) {
        pointwise::apply(gate, row, &mut scratch);
        let [low, high, nothing] = equalize(&mut scratch, equalizer);
        let (step, middle) = (((high - low) / 254.0).max(1e-30), (high + low) * 0.5 + nothing);
        let blocks = codes.chunks_exact_mut(block).zip(scratch.chunks(block));
        out.sums.extend(blocks.map(|(codes, values)| encode(values, middle, 1.0 / step, codes)));
        out.steps.push(step);
        out.middles.push(middle);
    }
    out
}

/// Multiplies the row by the equalizer; answers the least and the largest product, and zero, or NaN if a product is not finite.
fn equalize(row: &mut [f32], equalizer: &[f32]) -> [f32; 3] {
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let mut nothing = [0.0; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    let (factors, last) = equalizer.as_chunks::<LANES>();
    for (chunk, factors) in chunks.iter_mut().zip(factors) {
        for lane in 0..LANES {
            let u = chunk[lane] * factors[lane];
            low[lane] = if u < low[lane] { u } else { low[lane] };
            high[lane] = if u > high[lane] { u } else { high[lane] };
            chunk[lane] = u;
        }
    }
    // In a loop of its own: with a third sum in the one above the compiler finds no vector instructions for any.
    for chunk in &*chunks {
        for lane in 0..LANES {
            nothing[lane] += chunk[lane] * 0.0;
        }
    }
    rest.iter_mut().zip(last).for_each(|(u, factor)| *u *= factor);
    let rest = &*rest;
    let low = low.iter().chain(rest).fold(f32::INFINITY, |a, &b| a.min(b));
    let high = high.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let nothing = nothing.iter().chain(rest).map(|value| value * 0.0).sum();
    [low, high, nothing]
}

/// The sum of the codes.
fn encode(row: &[f32], middle: f32, inverse: f32, codes: &mut [Activation]) -> i32 {
    let mut sum = 0i32;
    for (code, value) in codes.iter_mut().zip(row) {
        // The low bits are the rounded number.
        let bits = ((value - middle) * inverse + ROUND).to_bits() as i32;
        *code = bits as Activation;
        sum = sum.wrapping_add(bits);
    }
    sum.wrapping_sub((ROUND.to_bits() as i32).wrapping_mul(row.len() as i32))
}
