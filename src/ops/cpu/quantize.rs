//! Activations in 7 bits.
//!
//! Each block of a row alone: with `u = x · equalizer`, the range `[low, high]` of its values and zero, and the step
//! `d = (high - low) / 126`, zero becomes the nearest whole number `z` to `-low / d`, and a value the nearest to `u / d + z`, in
//! 0..127. A block's share of a product with whole-number weights `q` then is `Σ u·q ≈ d · (Σ a·q - z · Σ q)`, all but `d` exact.
//!
//! There is no code for what is infinite or NaN, and comparisons pass it over: a block that holds such a value has the step NaN, and
//! so has all its products.

use super::dot::Activation;
use super::encode::encode;
use super::lines::Lines;
use super::pointwise;
use super::vectors::widest;
use crate::ops::Gate;

/// Quantized rows.
pub(super) struct Quantized {
    /// `[rows, blocks · block]`, `z` behind the inputs.
    pub(super) codes: Lines<Activation>,
    /// Step `d` of each block: `[rows, blocks]`.
    pub(super) steps: Vec<f32>,
    /// What zero has become, as `steps`.
    pub(super) zeros: Vec<i32>,
    pub(super) blocks: usize,
    /// Inputs of a block.
    pub(super) block: usize,
}

/// Quantizes what `gate` makes of the rows of `x`, `equalizer.len()` values each, in blocks of `block`.
pub(super) fn quantize(x: &[f32], equalizer: &[f32], gate: Gate, block: usize) -> Quantized {
    let inputs = equalizer.len();
    let width = inputs * gate.halves();
    let (rows, stride) = (x.len() / width, inputs.next_multiple_of(block));
    let blocks = stride / block;
    let mut out = Quantized {
        codes: Lines::zeros(rows * stride),
        steps: Vec::with_capacity(rows * blocks),
        zeros: Vec::with_capacity(rows * blocks),
        blocks,
        block,
    };
    // Behind the last input are zeros.
    let mut scratch = vec![0.0; stride];
    for (row, codes) in x.chunks_exact(width).zip(out.codes.chunks_exact_mut(stride)) {
        pointwise::apply(gate, row, &mut scratch[..inputs]);
        encode_row(&mut scratch, equalizer, codes, block, (&mut out.steps, &mut out.zeros));
    }
    out
}

widest! {
    /// Writes a row's codes; each block adds its step and what zero has become.
    fn encode_row(
        row: &mut [f32],
        equalizer: &[f32],
        codes: &mut [Activation],
        block: usize,
        said: (&mut Vec<f32>, &mut Vec<i32>),
    ) {
        row.iter_mut().zip(equalizer).for_each(|(u, factor)| *u *= factor);
        for (values, codes) in row.chunks_exact(block).zip(codes.chunks_exact_mut(block)) {
            let (step, zero) = encode(values, codes);
            said.0.push(step);
            said.1.push(zero);
        }
    }
}
