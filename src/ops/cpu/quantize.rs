//! Activations in 7 bits.
//!
//! Each block of a row alone: with `u = x · equalizer`, the range `[low, high]` of its values and zero, and the step
//! `d = (high - low) / 126`, zero becomes the nearest whole number `z` to `-low / d`, and a value the nearest to `u / d + z`, in
//! 0..127. A block's share of a product with whole-number weights `q` then is `Σ u·q ≈ d · (Σ a·q - z · Σ q)`, all but `d` exact.
//!
//! There is no code for what is infinite or NaN, and comparisons pass it over: a block that holds such a value has the step NaN, and
//! so has all its products.

use super::dot::Activation;
use super::pointwise::{self, LANES, ROUND};
use crate::ops::Gate;

/// Quantized rows.
pub(super) struct Quantized {
    /// `[rows, stride]`, `z` behind the inputs.
    pub(super) codes: Vec<Activation>,
    pub(super) stride: usize,
    /// Step `d` of each block: `[rows, blocks]`.
    pub(super) steps: Vec<f32>,
    /// What zero has become, as `steps`.
    pub(super) zeros: Vec<i32>,
    pub(super) blocks: usize,
}

/// Quantizes what `gate` makes of the rows of `x`, `equalizer.len()` values each, in blocks of `block`.
pub(super) fn quantize(x: &[f32], equalizer: &[f32], gate: Gate, block: usize) -> Quantized {
    let inputs = equalizer.len();
    let width = inputs * gate.halves();
    let (rows, stride) = (x.len() / width, inputs.next_multiple_of(block));
    let blocks = stride / block;
    let mut out = Quantized {
        codes: vec![0; rows * stride],
        stride,
        steps: Vec::with_capacity(rows * blocks),
        zeros: Vec::with_capacity(rows * blocks),
        blocks,
    };
    // Behind the last input are zeros.
    let mut scratch = vec![0.0; stride];
    for (row, codes) in x.chunks_exact(width).zip(out.codes.chunks_exact_mut(stride)) {
        pointwise::apply(gate, row, &mut scratch[..inputs]);
        scratch.iter_mut().zip(equalizer).for_each(|(u, factor)| *u *= factor);
        for (values, codes) in scratch.chunks_exact(block).zip(codes.chunks_exact_mut(block)) {
            let (step, zero) = encode(values, codes);
            out.steps.push(step);
            out.zeros.push(zero);
        }
    }
    out
}

/// Writes a block's codes; answers its step and what zero has become.
fn encode(values: &[f32], codes: &mut [Activation]) -> (f32, i32) {
    let (low, high, nothing) = range(values);
    let step = ((high - low) / 126.0).max(1e-30) + nothing;
    let inverse = 1.0 / step;
    // The low bits of such a sum are the rounded number.
    let rounded = -low * inverse + ROUND;
    for (code, value) in codes.iter_mut().zip(values) {
        *code = (value * inverse + rounded).to_bits() as Activation & 127;
    }
    (step, rounded.to_bits() as i32 & 127)
}

/// The least and the largest of the values and zero; and zero, or NaN if a value is not finite.
fn range(values: &[f32]) -> (f32, f32, f32) {
    let [mut low, mut high, mut nothing] = [[0.0f32; LANES]; 3];
    let chunks = values.as_chunks::<LANES>().0;
    for chunk in chunks {
        for lane in 0..LANES {
            let u = chunk[lane];
            low[lane] = if u < low[lane] { u } else { low[lane] };
            high[lane] = if u > high[lane] { u } else { high[lane] };
        }
    }
    // In a loop of its own: with a third sum in the one above the compiler finds no vector instructions for any.
    for chunk in chunks {
        for lane in 0..LANES {
            nothing[lane] += chunk[lane] * 0.0;
        }
    }
    let low = low.iter().fold(0.0f32, |a, &b| a.min(b));
    let high = high.iter().fold(0.0f32, |a, &b| a.max(b));
    (low, high, nothing.iter().sum())
}
