//! Products with weights in codes, a panel of outputs at a time.

use std::ops::Range;

use super::dot::{self, BLOCK_ROWS, BlockTile, Code, OUTPUTS, Panel, Rows, STEP};
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

/// A weight as it is packed.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    /// What an input is multiplied by, `[inputs]`.
    pub(crate) equalizer: &'a [f32],
    /// Its panels.
    pub(crate) packed: &'a [u8],
    pub(crate) factors: Factors<'a>,
}

/// Panels of codes as they are stored.
pub(super) trait Panels<'p>: Sync {
    /// Inputs that share a scale.
    const BLOCK: usize;
    const RANGE: dot::Range;

    fn of(packed: &'p [u8]) -> Self;

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
pub(super) fn linear<'p, P: Panels<'p>>(x: &[f32], gate: Gate, product: Product<'p>) -> Vec<f32> {
    let (equalizer, outputs) = (product.equalizer, product.factors.bias.len());
    let width = equalizer.len() * gate.halves();
    let mut out = vec![0.0; x.len() / width * outputs];
    for_blocks(&mut out, outputs, ROWS, |first, out| {
        let x = &x[first * width..][..out.len() / outputs * width];
        let activations = time(Part::Quantize, || quantize(x, equalizer, gate, P::BLOCK));
        let mut columns = Columns::<P>::new(equalizer.len(), product.packed, product.factors);
        time(Part::Products, || columns.write(&activations, 0..outputs, out, outputs));
    });
    out
}

/// `down(gate(up(x)))`. Of some rows a strip of hidden values at a time is computed and becomes codes: so many stay in the cache.
pub(super) fn feed_forward<'p, P: Panels<'p>>(
    x: &[f32],
    up: Product<'p>,
    gate: Gate,
    down: Product<'p>,
) -> Vec<f32> {
    let (inputs, hidden) = (up.equalizer.len(), down.equalizer.len());
    if gate.gated && !hidden.is_multiple_of(OUTPUTS) {
        // A panel has outputs of both halves.
        return linear::<P>(&linear::<P>(x, Gate::NONE, up), gate, down);
    }
    // Panels and blocks are whole in it.
    let strip = OUTPUTS * P::BLOCK / 4;
    let outputs = down.factors.bias.len();
    let mut out = vec![0.0; x.len() / inputs * outputs];
    for_blocks(&mut out, outputs, ROWS, |first, out| {
        let rows = out.len() / outputs;
        let x = &x[first * inputs..][..rows * inputs];
        let activations = time(Part::Quantize, || quantize(x, up.equalizer, Gate::NONE, P::BLOCK));
        let mut codes = Quantized::new(rows, hidden, P::BLOCK);
        let mut columns = Columns::<P>::new(inputs, up.packed, up.factors);
        let mut values = vec![0.0; rows * strip * gate.halves()];
        for start in (0..hidden).step_by(strip) {
            let own = start..hidden.min(start + strip);
            let width = own.len() * gate.halves();
            let values = &mut values[..rows * width];
            time(Part::Products, || {
                for half in 0..gate.halves() {
                    let from = half * hidden;
                    let values = &mut values[half * own.len()..];
                    columns.write(&activations, from + own.start..from + own.end, values, width);
                }
            });
            time(Part::Quantize, || {
                codes.write(start / P::BLOCK, values, &down.equalizer[own], gate)
            });
        }
        let mut columns = Columns::<P>::new(hidden, down.packed, down.factors);
        time(Part::Products, || columns.write(&codes, 0..outputs, out, outputs));
    });
    out
}

/// What computes a product's outputs, some columns at a time.
pub(super) struct Columns<'p, P> {
    panels: P,
    factors: Factors<'p>,
    tile: BlockTile,
    /// Room for a panel.
    scratch: Lines<Code>,
    values: Values,
}

impl<'p, P: Panels<'p>> Columns<'p, P> {
    /// Of a weight of so many inputs, as it is packed.
    pub(super) fn new(inputs: usize, packed: &'p [u8], factors: Factors<'p>) -> Self {
        let size = inputs.next_multiple_of(P::BLOCK) * OUTPUTS;
        Self {
            panels: P::of(packed),
            factors,
            tile: forms::tile(P::RANGE),
            scratch: Lines::zeros(size),
            values: Values::new(),
        }
    }

    /// Some of each row's outputs, the first of them that of a panel, into rows of `out` that are `stride` apart.
    pub(super) fn write(
        &mut self,
        rows: &Quantized,
        outputs: Range<usize>,
        out: &mut [f32],
        stride: usize,
    ) {
        let Self { panels, factors, tile, scratch, values } = self;
        let (first, own) = (outputs.start / OUTPUTS, rows.blocks * OUTPUTS);
        for (place, bias) in factors.bias[outputs].chunks(OUTPUTS).enumerate() {
            let index = first + place;
            let own = index * own..(index + 1) * own;
            let panel = Panel {
                codes: panels.panel(index, scratch.len(), scratch),
                scales: &factors.scales[own.clone()],
                sums: &factors.sums[own],
            };
            multiply(rows, panel, *tile, values, |row, values| {
                add(values, bias, &mut out[row * stride + place * OUTPUTS..][..bias.len()]);
            });
        }
    }
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
