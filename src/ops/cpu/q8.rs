//! Products with q8 weights.

use super::dot::{Code, Range};
use super::lines::begin_line;
use super::panels::{self, Factors, Panels};
use crate::model::quantize::Q8_BLOCK;
use crate::ops::Gate;

/// Codes `[outputs, inputs]` in panels.
pub(crate) fn pack_q8(codes: &[i8], inputs: usize) -> Vec<u8> {
    let code = |output: usize, input: usize| codes[output * inputs + input];
    let packed = panels::pack([codes.len() / inputs, inputs], Q8_BLOCK, code);
    packed.into_iter().flat_map(|code| Code::from(code).to_ne_bytes()).collect()
}

/// Less the sum of each block's codes, `[outputs, blocks]`.
pub(crate) fn sums_q8(codes: &[i8], inputs: usize) -> Vec<i32> {
    let sum = |block: &[i8]| -> i32 { block.iter().map(|&code| -i32::from(code)).sum() };
    codes.chunks_exact(inputs).flat_map(|row| row.chunks(Q8_BLOCK).map(sum)).collect()
}

/// See [`panels::linear`].
pub(crate) fn linear_q8(
    x: &[f32],
    equalizer: &[f32],
    packed: &[u8],
    factors: Factors<'_>,
    gate: Gate,
) -> Vec<f32> {
    panels::linear(x, equalizer, &Codes(bytemuck::cast_slice(packed)), factors, gate)
}

struct Codes<'a>(&'a [Code]);

impl Panels for Codes<'_> {
    const BLOCK: usize = Q8_BLOCK;
    const RANGE: Range = Range::Q8;

    fn panel<'a>(&'a self, index: usize, size: usize, scratch: &'a mut [Code]) -> &'a [Code] {
        let codes = &self.0[index * size..(index + 1) * size];
        // Where registers are as wide as lines, all their loads would lie in two.
        if !cfg!(target_arch = "x86_64") || begin_line(codes) {
            return codes;
        }
        scratch.copy_from_slice(codes);
        scratch
    }
}
