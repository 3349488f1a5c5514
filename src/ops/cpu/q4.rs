//! Products with q4 weights.

use super::dot::{Code, Range};
use super::panels::{self, Panels, Product};
use super::vectors::widest;
use crate::model::quantize::{NIBBLE_ZERO, Q4_BLOCK, nibble};
use crate::ops::Gate;

/// Bytes that two nibbles are told apart by: byte `i` and byte `i + 16` of a panel share one.
const PAIR: usize = 16;

/// Nibbles `[outputs, ⌈inputs / 2⌉]` (even input low) in panels, two codes a byte.
pub(crate) fn pack_q4(nibbles: &[u8], inputs: usize) -> Vec<u8> {
    let bytes = inputs.div_ceil(2);
    let code = |output: usize, input: usize| value(nibble(&nibbles[output * bytes..], input));
    let packed = panels::pack([nibbles.len() / bytes, inputs], Q4_BLOCK, code);
    let nibble = |code: i8| (code + NIBBLE_ZERO as i8) as u8;
    let pairs = packed.chunks_exact(2 * PAIR);
    pairs.flat_map(|p| (0..PAIR).map(|i| nibble(p[i]) | nibble(p[i + PAIR]) << 4)).collect()
}

/// Less the sum of each block's codes, `[outputs, blocks]`.
pub(crate) fn sums_q4(nibbles: &[u8], inputs: usize) -> Vec<i32> {
    let sum = |block: &[u8]| -> i32 {
        block.iter().map(|byte| -i32::from(value(byte & 15)) - i32::from(value(byte >> 4))).sum()
    };
    let rows = nibbles.chunks_exact(inputs.div_ceil(2));
    rows.flat_map(|row| row.chunks(Q4_BLOCK / 2).map(sum)).collect()
}

#[inline(always)]
fn value(nibble: u8) -> i8 {
    nibble as i8 - NIBBLE_ZERO as i8
}

/// See [`panels::linear`].
pub(crate) fn linear_q4(x: &[f32], gate: Gate, product: Product<'_>) -> Vec<f32> {
    panels::linear::<Nibbles<'_>>(x, gate, product)
}

/// See [`panels::feed_forward`].
pub(crate) fn feed_forward_q4(
    x: &[f32],
    up: Product<'_>,
    gate: Gate,
    down: Product<'_>,
) -> Vec<f32> {
    panels::feed_forward::<Nibbles<'_>>(x, up, gate, down)
}

struct Nibbles<'a>(&'a [u8]);

impl<'p> Panels<'p> for Nibbles<'p> {
    const BLOCK: usize = Q4_BLOCK;
    const RANGE: Range = Range::Q4;

    fn of(packed: &'p [u8]) -> Self {
        Self(packed)
    }

    fn panel<'a>(&'a self, index: usize, size: usize, scratch: &'a mut [Code]) -> &'a [Code] {
        unpack(&self.0[index * size / 2..(index + 1) * size / 2], scratch);
        scratch
    }
}

widest! {
    fn unpack(packed: &[u8], codes: &mut [Code]) {
        for (bytes, codes) in packed.chunks_exact(PAIR).zip(codes.chunks_exact_mut(2 * PAIR)) {
            for i in 0..PAIR {
                codes[i] = Code::from(value(bytes[i] & 15));
                codes[i + PAIR] = Code::from(value(bytes[i] >> 4));
            }
        }
    }
}
