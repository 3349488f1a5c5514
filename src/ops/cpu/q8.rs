//! Products with q8 weights.

use super::dot::{Code, Range};
use super::lines::begin_line;
use super::panels::{self, Panels, Product};
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
pub(crate) fn linear_q8(x: &[f32], gate: Gate, product: Product<'_>) -> Vec<f32> {
    panels::linear::<Codes<'_>>(x, gate, product)
}

/// See [`panels::feed_forward`].
pub(crate) fn feed_forward_q8(
    x: &[f32],
    up: Product<'_>,
    gate: Gate,
    down: Product<'_>,
) -> Vec<f32> {
    panels::feed_forward::<Codes<'_>>(x, up, gate, down)
}

/// Panels of q8 codes.
pub(super) struct Codes<'a>(&'a [Code]);

impl<'p> Panels<'p> for Codes<'p> {
    const BLOCK: usize = Q8_BLOCK;
    const RANGE: Range = Range::Q8;

    fn of(packed: &'p [u8]) -> Self {
        Self(bytemuck::cast_slice(packed))
    }

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

#[cfg(test)]
mod tests {
    use super::super::panels::{Factors, pack_factors};
    use super::*;
    use crate::model::activation::Activation;
    use crate::random::SplitMix64;

    /// What a [`Product`] borrows.
    struct Weight {
        equalizer: Vec<f32>,
        packed: Vec<u8>,
        scales: Vec<f32>,
        sums: Vec<i32>,
        bias: Vec<f32>,
    }

    impl Weight {
        fn new(random: &mut SplitMix64, inputs: usize, outputs: usize) -> Self {
            let mut below = |limit: u64| (random.next() % limit) as i8;
            let codes: Vec<i8> = (0..inputs * outputs).map(|_| below(127) - 63).collect();
            let blocks = inputs.div_ceil(Q8_BLOCK);
            let scales: Vec<f32> = (0..outputs * blocks).map(|_| f32::from(below(99))).collect();
            Self {
                equalizer: (0..inputs).map(|_| 0.5 + 0.01 * f32::from(below(99))).collect(),
                packed: pack_q8(&codes, inputs),
                scales: pack_factors(&scales, blocks),
                sums: pack_factors(&sums_q8(&codes, inputs), blocks),
                bias: (0..outputs).map(|_| f32::from(below(99))).collect(),
            }
        }

        fn product(&self) -> Product<'_> {
            let Self { equalizer, packed, scales, sums, bias } = self;
            Product { equalizer, packed, factors: Factors { scales, sums, bias } }
        }
    }

    #[test]
    fn strips_of_hidden_values_give_what_all_at_once_give() {
        let mut random = SplitMix64(5);
        let large = if cfg!(miri) { (2, 5, 208, 3) } else { (40, 70, 656, 20) };
        for (rows, inputs, hidden, outputs) in [(1, 33, 5, 7), (3, 8, 48, 17), large] {
            for gate in [false, true].map(|gated| Gate { function: Activation::Gelu, gated }) {
                let up = Weight::new(&mut random, inputs, hidden * gate.halves());
                let down = Weight::new(&mut random, hidden, outputs);
                let mut value = || (random.next() % 4_001) as f32 / 1_000.0 - 2.0;
                let x: Vec<f32> = (0..rows * inputs).map(|_| value()).collect();
                let expected =
                    linear_q8(&linear_q8(&x, Gate::NONE, up.product()), gate, down.product());
                let found = feed_forward_q8(&x, up.product(), gate, down.product());
                assert_eq!(found, expected, "{rows} x {inputs} x {hidden} x {outputs}, {gate:?}");
            }
        }
    }
}
