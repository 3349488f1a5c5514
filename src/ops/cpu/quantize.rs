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
    let mut out = Quantized::new(x.len() / (inputs * gate.halves()), inputs, block);
    out.write(0, x, equalizer, gate);
    out
}

impl Quantized {
    /// Rows of `inputs` values that are all still to be written.
    pub(super) fn new(rows: usize, inputs: usize, block: usize) -> Self {
        let blocks = inputs.div_ceil(block);
        Self {
            codes: Lines::zeros(rows * blocks * block),
            steps: vec![0.0; rows * blocks],
            zeros: vec![0; rows * blocks],
            blocks,
            block,
        }
    }

    /// Writes a row, which is whole blocks, as it is.
    pub(super) fn write_plain(&mut self, row: usize, values: &[f32]) {
        let own = row * self.blocks..(row + 1) * self.blocks;
        let codes = &mut self.codes[own.start * self.block..own.end * self.block];
        let said = (&mut self.steps[own.clone()], &mut self.zeros[own]);
        encode_plain_row(values, codes, self.block, said);
    }

    /// Writes each row's blocks from `first` on: what `gate` makes of a row of `x`, which is as long as `equalizer`.
    pub(super) fn write(&mut self, first: usize, x: &[f32], equalizer: &[f32], gate: Gate) {
        let (inputs, block) = (equalizer.len(), self.block);
        let count = inputs.div_ceil(block);
        // Behind the last input are zeros.
        let mut scratch = vec![0.0; count * block];
        for (row, x) in x.chunks_exact(inputs * gate.halves()).enumerate() {
            pointwise::apply(gate, x, &mut scratch[..inputs]);
            let own = row * self.blocks + first..row * self.blocks + first + count;
            let codes = &mut self.codes[own.start * block..own.end * block];
            let said = (&mut self.steps[own.clone()], &mut self.zeros[own]);
            encode_row(&mut scratch, equalizer, codes, block, said);
        }
    }
}

widest! {
    /// Writes a row's codes, and each block's step and what zero has become.
    fn encode_row(
        row: &mut [f32],
        equalizer: &[f32],
        codes: &mut [Activation],
        block: usize,
        said: (&mut [f32], &mut [i32]),
    ) {
        row.iter_mut().zip(equalizer).for_each(|(u, factor)| *u *= factor);
        encode_blocks(row, codes, block, said);
    }
}

widest! {
    /// As [`encode_row`], of what needs no equalizer.
    fn encode_plain_row(
        row: &[f32],
        codes: &mut [Activation],
        block: usize,
        said: (&mut [f32], &mut [i32]),
    ) {
        encode_blocks(row, codes, block, said);
    }
}

#[inline(always)]
fn encode_blocks(
    row: &[f32],
    codes: &mut [Activation],
    block: usize,
    said: (&mut [f32], &mut [i32]),
) {
    let blocks = row.chunks_exact(block).zip(codes.chunks_exact_mut(block));
    for ((values, codes), (step, zero)) in blocks.zip(said.0.iter_mut().zip(said.1)) {
        (*step, *zero) = encode(values, codes);
    }
}
