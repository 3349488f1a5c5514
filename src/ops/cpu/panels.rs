//! Products with weights in codes, a panel of outputs at a time.

use super::dot::{BLOCK_ROWS, BlockTile, Code, OUTPUTS, Panel, Range, Rows, STEP};
use super::lines::Lines;
use super::quantize::{Quantized, quantize};
use super::rows::for_blocks;
use super::{ROWS, forms};
use crate::ops::Gate;
use crate::ops::profile::{Part, time};

/// What turns exact sums into outputs.
#[derive(Clone, Copy)]
pub(crate) struct Factors<'a> {
    /// As [`pack_factors`] gives them, and so `sums`.
    pub(crate) scales: &'a [f32],
    /// Less the sum of each block's codes.
    pub(crate) sums: &'a [i32],
    /// `[outputs]`.
    pub(crate) bias: &'a [f32],
}

/// Panels of codes as they are stored.
pub(super) trait Panels: Sync {
    /// Inputs that share a scale.
    const BLOCK: usize;
    const RANGE: Range;

    /// A panel of `size` codes as [`pack`] has made it; `scratch`, as large, may be used to hold it.
    fn panel<'a>(&'a self, index: usize, size: usize, scratch: &'a mut [Code]) -> &'a [Code];
}

/// Codes `[outputs, inputs]` in panels: `[outputs / OUTPUTS, inputs / STEP, OUTPUTS, STEP]`, zero where there is no output or input,
/// in whole blocks.
pub(super) fn pack(
    [outputs, inputs]: [usize; 2],
    block: usize,
    code: impl Fn(usize, usize) -> i8,
) -> Vec<i8> {
    let padded = inputs.next_multiple_of(block);
    let mut packed = Vec::with_capacity(outputs.next_multiple_of(OUTPUTS) * padded);
    for first in (0..outputs).step_by(OUTPUTS) {
        for step in (0..padded).step_by(STEP) {
            for output in first..first + OUTPUTS {
                packed.extend((step..step + STEP).map(|input| {
                    if output < outputs && input < inputs { code(output, input) } else { 0 }
                }));
            }
        }
    }
    packed
}

/// One value a block, `[outputs, blocks]` → `[outputs / OUTPUTS, blocks, OUTPUTS]`, zero where there is no output.
pub(crate) fn pack_factors<T: Copy + Default>(values: &[T], blocks: usize) -> Vec<T> {
    let outputs = values.len() / blocks;
    let mut packed = Vec::with_capacity(outputs.next_multiple_of(OUTPUTS) * blocks);
    for first in (0..outputs).step_by(OUTPUTS) {
        for block in 0..blocks {
            packed.extend((first..first + OUTPUTS).map(|output| match output < outputs {
                true => values[output * blocks + block],
                false => T::default(),
            }));
        }
    }
    packed
}

/// `x` `[rows, inputs]` after `gate` → `[rows, outputs]`: `Σ_b f32(Σ a·q - z · Σ q) · step_b · scale_b + bias`, in order.
pub(super) fn linear<P: Panels>(
    x: &[f32],
    equalizer: &[f32],
    panels: &P,
    factors: Factors<'_>,
    gate: Gate,
) -> Vec<f32> {
    let (inputs, outputs) = (equalizer.len(), factors.bias.len());
    let (size, tile) = (inputs.next_multiple_of(P::BLOCK) * OUTPUTS, forms::tile(P::RANGE));
    let width = inputs * gate.halves();
    let mut out = vec![0.0; x.len() / width * outputs];
    for_blocks(&mut out, outputs, ROWS, |first, out| {
        let rows = out.len() / outputs;
        let x = &x[first * width..(first + rows) * width];
        let quantized = time(Part::Quantize, || quantize(x, equalizer, gate, P::BLOCK));
        let (mut scratch, mut values) = (Lines::zeros(size), Values::new());
        time(Part::Products, || {
            for (index, bias) in factors.bias.chunks(OUTPUTS).enumerate() {
                let own = quantized.blocks * OUTPUTS;
                let own = index * own..(index + 1) * own;
                let panel = Panel {
                    codes: panels.panel(index, size, &mut scratch),
                    scales: &factors.scales[own.clone()],
                    sums: &factors.sums[own],
                };
                multiply(&quantized, panel, tile, &mut values, |row, values| {
                    add(values, bias, &mut out[row * outputs + index * OUTPUTS..][..bias.len()]);
                });
            }
        });
    });
    out
}

/// Writes the values, each with its bias.
fn add(values: &[f32; OUTPUTS], bias: &[f32], out: &mut [f32]) {
    match (out.as_mut_array::<OUTPUTS>(), bias.as_array::<OUTPUTS>()) {
        (Some(out), Some(bias)) => *out = std::array::from_fn(|lane| values[lane] + bias[lane]),
        _ => out.iter_mut().zip(values.iter().zip(bias)).for_each(|(out, (v, b))| *out = v + b),
    }
}

/// Room for the products of some rows with a panel, which are lines where a register is one.
#[repr(align(64))]
pub(super) struct Values([[f32; OUTPUTS]; BLOCK_ROWS]);

impl Values {
    pub(super) fn new() -> Self {
        Self([[0.0; OUTPUTS]; BLOCK_ROWS])
    }
}

/// Each row's products with a panel, handed to `write`.
pub(super) fn multiply(
    activations: &Quantized,
    panel: Panel<'_>,
    tile: BlockTile,
    Values(values): &mut Values,
    mut write: impl FnMut(usize, &[f32; OUTPUTS]),
) {
    let Quantized { codes, steps, zeros, blocks, block } = activations;
    let (blocks, block) = (*blocks, *block);
    let rows = steps.len() / blocks;
    for first in (0..rows).step_by(BLOCK_ROWS) {
        let count = BLOCK_ROWS.min(rows - first);
        let own = first * blocks..(first + count) * blocks;
        let codes = &codes[own.start * block..own.end * block];
        let (steps, zeros) = (&steps[own.clone()], &zeros[own]);
        tile(Rows { count, codes, steps, zeros, blocks, block }, panel, values);
        values[..count].iter().enumerate().for_each(|(row, values)| write(first + row, values));
    }
}
