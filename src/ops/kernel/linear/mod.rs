//! `gate(x · W + bias)` with W in its stored type: by which kernel?
//!
//! Packed weights are widened inside the product, and where a gate follows, an invocation has the columns of both halves, so that
//! what is written is half as wide. The kernels differ in what they share, and where: see [`variant`].

mod registers;
mod staged;
pub(crate) mod variant;

use burn_wgpu::{CubeBackend, CubeTensor};
use cubecl::prelude::*;

use super::activation::activate;
use super::{MAX_WORKGROUPS, matrix, output, width};
use crate::model::quantize::{Q4_BLOCK, Q8_BLOCK};
use crate::ops::{Gate, PackedMatrix, PackedWeight};
use variant::Variant;

/// How a weight's 32-bit words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stored {
    F32,
    /// Four signed bytes, input channels from the lowest byte up, by a scale for each 64 channels.
    Q8,
    /// Eight nibbles, lowest bits first, a value being its nibble less 8 by a scale for each 32 channels.
    Q4,
}

impl Stored {
    /// Input channels of a word.
    fn channels(self) -> usize {
        match self {
            Stored::F32 => 1,
            Stored::Q8 => 4,
            Stored::Q4 => 8,
        }
    }

    /// Input channels of a scale.
    fn block(self) -> usize {
        match self {
            Stored::F32 => usize::MAX,
            Stored::Q8 => Q8_BLOCK,
            Stored::Q4 => Q4_BLOCK,
        }
    }
}

/// What is multiplied, and what becomes of it.
struct Product {
    x: CubeTensor,
    stored: Stored,
    codes: CubeTensor,
    equalizer: CubeTensor,
    scales: CubeTensor,
    bias: CubeTensor,
    gate: Gate,
    tokens: usize,
    depth: usize,
    /// Of the output.
    columns: usize,
}

/// `x` `[tokens, depth]` and a weight of `[⌈depth / channels of a word⌉, outputs]` words → `[tokens, outputs]`, or half as wide
/// where `gate` has two halves.
pub(crate) fn linear(x: CubeTensor, weight: PackedWeight<CubeBackend>, gate: Gate) -> CubeTensor {
    let product = Product::new(x, weight, gate);
    let out = output(&product.x, [product.tokens, product.columns]);
    if product.tokens * product.columns > 0 {
        match variant::chosen(product.stored) {
            Variant::Staged(block) if product.fills(block.rows()) => {
                staged::launch(product, block, out.clone());
            }
            Variant::Subgroups if product.is_regular() => {
                registers::launch(product, true, out.clone());
            }
            _ => registers::launch(product, false, out.clone()),
        }
    }
    out
}

impl Product {
    fn new(x: CubeTensor, weight: PackedWeight<CubeBackend>, gate: Gate) -> Self {
        let PackedWeight { matrix: packed, bias } = weight;
        // Floats have no factors: the arguments are there and are not read.
        let (stored, codes, equalizer, scales) = match packed {
            PackedMatrix::F32(values) => (Stored::F32, values, x.clone(), bias.clone()),
            PackedMatrix::Q8(parts) => (Stored::Q8, parts.codes, parts.equalizer, parts.scales),
            PackedMatrix::Q4(parts) => (Stored::Q4, parts.codes, parts.equalizer, parts.scales),
        };
        let [tokens, depth] = matrix(&x);
        let [word_rows, outputs] = matrix(&codes);
        assert_eq!(word_rows, depth.div_ceil(stored.channels()), "a word for each input channel");
        let columns = outputs / gate.halves();
        assert_eq!(columns * gate.halves(), outputs, "halves are equal");
        Self { x, stored, codes, equalizer, scales, bias, gate, tokens, depth, columns }
    }

    /// Whether words are whole: else what is behind the last channel is zero, and channels are read one by one.
    fn is_whole(&self) -> bool {
        self.depth.is_multiple_of(self.stored.channels())
    }

    /// Whether rows and words are whole vectors of four.
    fn is_regular(&self) -> bool {
        self.is_whole() && width(self.depth) == 4 && width(self.columns) == 4
    }

    /// Whether it is regular and most rows of a workgroup have work.
    fn fills(&self, rows: usize) -> bool {
        self.is_regular() && self.tokens > rows / 2
    }
}

/// Workgroups for so many vectors of columns and rows, each with so many of them.
fn grid([vectors, tokens]: [usize; 2], [x, y]: [usize; 2]) -> CubeCount {
    let (x, y) = (vectors.div_ceil(x), tokens.div_ceil(y));
    assert!(x.max(y) <= MAX_WORKGROUPS, "a product of this size needs more than one dispatch");
    CubeCount::Static(x as u32, y as u32, 1)
}

/// Sums of an invocation's rows, each with its vectors of columns.
type Sums<E, N> = Sequence<RuntimeCell<Vector<E, N>>>;

#[cube]
fn zeros<E: Float, N: Size>(#[comptime] count: usize) -> Sums<E, N> {
    let mut sums = Sums::<E, N>::new();
    #[unroll]
    for _ in 0..count {
        let zero = Vector::<E, N>::new(E::from_int(0));
        sums.push(RuntimeCell::<Vector<E, N>>::new(zero));
    }
    sums
}

/// Adds one channel's share to a column of each row, `c` of `vectors`.
#[cube]
fn accumulate<E: Float, N: Size>(
    sums: &Sums<E, N>,
    inputs: &Sequence<Vector<E, Const<4>>>,
    weight: Vector<E, N>,
    #[comptime] part: usize,
    #[comptime] c: usize,
    #[comptime] vectors: usize,
) {
    #[unroll]
    for r in 0..inputs.len() {
        let sum = &sums[comptime!(r * vectors + c)];
        sum.store(sum.read() + Vector::<E, N>::new(inputs[r].extract(part)) * weight);
    }
}

/// Where vectors of columns are read: of the first half and then of the second; those behind the last one read the last one.
#[cube]
fn column_positions(
    columns: &Sequence<usize>,
    width: usize,
    #[comptime] gate: Gate,
) -> Sequence<usize> {
    let mut positions = Sequence::<usize>::new();
    #[unroll]
    for half in 0..comptime!(gate.halves()) {
        #[unroll]
        for c in 0..columns.len() {
            positions.push(half * width + min(columns[c], width - 1));
        }
    }
    positions
}

/// Adds the bias, applies the gate and writes what lies within the output, `width` vectors wide.
#[cube]
#[allow(clippy::too_many_arguments)]
fn finish<N: Size>(
    out: &mut [Vector<f32, N>],
    sums: &Sums<f32, N>,
    bias: &[Vector<f32, N>],
    rows: &Sequence<usize>,
    columns: &Sequence<usize>,
    tokens: usize,
    width: usize,
    #[comptime] gate: Gate,
) {
    let positions = column_positions(columns, width, gate);
    #[unroll]
    for c in 0..columns.len() {
        #[unroll]
        for r in 0..rows.len() {
            let first = comptime!(r * positions.len() + c);
            let mut y =
                activate::<N>(sums[first].read() + bias[positions[c]], comptime!(gate.function));
            if comptime!(gate.gated) {
                let second = comptime!(c + columns.len());
                y *= sums[comptime!(first + columns.len())].read() + bias[positions[second]];
            }
            if rows[r] < tokens && columns[c] < width {
                out[rows[r] * width + columns[c]] = y;
            }
        }
    }
}
