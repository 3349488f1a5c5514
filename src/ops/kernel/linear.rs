//! `gate(x · W + bias)` with W in its stored type.
//!
//! An invocation computes a tile of `rows × columns` vectors and walks down four input channels at a time: each
//! value it reads is used for the whole tile. Packed weights are widened in registers. Where a gate follows, a tile has the
//! columns of both halves, so that what is written is half as wide.

use burn_wgpu::{CubeBackend, CubeTensor};
use cubecl::prelude::*;

use super::activation::activate;
use super::four::read_four;
use super::{MAX_WORKGROUPS, floats, matrix, output, width, words};
use crate::model::quantize::{BLOCK, NIBBLE_ZERO};
use crate::ops::{Gate, PackedMatrix, PackedWeight};

/// Invocations of a workgroup along columns and along rows.
const GROUP: [usize; 2] = [8, 8];

/// What an invocation computes: rows, and vectors of columns that it writes, of one half or of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Tile {
    rows: usize,
    columns: usize,
    halves: usize,
}

impl Tile {
    /// Vectors of columns that are read.
    fn vectors(self) -> usize {
        self.columns * self.halves
    }
}

/// Invocations that keep a GPU busy.
const BUSY: usize = 4096;

/// How a weight's 32-bit words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stored {
    F32,
    /// Four signed bytes, input channels from the lowest byte up; `y = scales[n] · Σ x[k] · equalizer[k] · code[k][n]`.
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
}

/// `x` `[tokens, depth]` and a weight of `[⌈depth / channels of a word⌉, outputs]` words → `[tokens, outputs]`, or half as wide
/// where `gate` has two halves.
pub(crate) fn linear(x: CubeTensor, weight: PackedWeight<CubeBackend>, gate: Gate) -> CubeTensor {
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
    // Vectors of four only where words are whole: one by one, what is behind the last channel is zero.
    let whole = depth.is_multiple_of(stored.channels());
    let width_in = if whole { width(depth) } else { 1 };
    let (client, out) = (x.client.clone(), output(&x, [tokens, columns]));
    let vectors = columns / width(columns);
    let tile = tile(tokens, vectors, gate);
    if tokens * columns > 0 {
        // SAFETY: the kernel keeps rows and columns within the shapes checked above.
        unsafe {
            linear_kernel::launch_unchecked(
                &client,
                grid(tokens, vectors, tile),
                CubeDim::new_2d(GROUP[0] as u32, GROUP[1] as u32),
                width_in,
                width(columns),
                floats(x),
                floats(equalizer),
                words(codes),
                floats(scales),
                floats(bias),
                floats(out.clone()),
                tokens,
                depth,
                vectors,
                stored,
                tile,
                gate,
            );
        }
    }
    out
}

/// With invocations to spare, more work for each value read; else more invocations.
fn tile(tokens: usize, vectors: usize, gate: Gate) -> Tile {
    let halves = gate.halves();
    let large = Tile { rows: 8, columns: 2 / halves, halves };
    let small = Tile { rows: 4, columns: 1, halves };
    let invocations = tokens.div_ceil(large.rows) * vectors.div_ceil(large.columns);
    if invocations >= BUSY { large } else { small }
}

/// Workgroups along columns and along rows.
fn grid(tokens: usize, vectors: usize, tile: Tile) -> CubeCount {
    let x = vectors.div_ceil(GROUP[0] * tile.columns);
    let y = tokens.div_ceil(GROUP[1] * tile.rows);
    assert!(x.max(y) <= MAX_WORKGROUPS, "a product of this size needs more than one dispatch");
    CubeCount::Static(x as u32, y as u32, 1)
}

/// `columns` counts the vectors of an output row.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn linear_kernel<K: Size, N: Size>(
    x: &[Vector<f32, K>],
    equalizer: &[Vector<f32, K>],
    words: &[Vector<i32, N>],
    scales: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    tokens: usize,
    depth: usize,
    columns: usize,
    #[comptime] stored: Stored,
    #[comptime] tile: Tile,
    #[comptime] gate: Gate,
) {
    let row = ABSOLUTE_POS_Y as usize * tile.rows;
    let column = first_column(tile);
    if row >= tokens || column >= columns {
        terminate!();
    }
    let rows = row_starts::<K>(row, tokens, depth, tile);
    let positions = column_positions(column, columns, tile);
    let sums = zeros::<N>(tile);
    let stride = columns * tile.halves;
    match stored {
        Stored::F32 => add_f32::<K, N>(&sums, x, words, &rows, &positions, depth, stride, tile),
        Stored::Q8 => {
            add_q8::<K, N>(&sums, x, equalizer, words, &rows, &positions, depth, stride, tile);
            scale::<N>(&sums, scales, &positions, tile);
        }
        Stored::Q4 => add_q4::<K, N>(
            &sums, x, equalizer, words, scales, &rows, &positions, depth, stride, tile,
        ),
    }
    finish::<N>(out, &sums, bias, &positions, row, column, tokens, columns, tile, gate);
}

#[cube]
#[allow(clippy::too_many_arguments)]
fn add_f32<K: Size, N: Size>(
    sums: &Sequence<RuntimeCell<Vector<f32, N>>>,
    x: &[Vector<f32, K>],
    words: &[Vector<i32, N>],
    rows: &Sequence<usize>,
    positions: &Sequence<usize>,
    depth: usize,
    stride: usize,
    #[comptime] tile: Tile,
) {
    let packed = K::value();
    for group in 0..depth.div_ceil(4) {
        let inputs = read_inputs::<K>(x, rows, group, depth, tile);
        #[unroll]
        for part in 0..4usize {
            // Behind the last channel the input is zero.
            let channel = if comptime!(packed == 1) {
                min(group * 4 + part, depth - 1)
            } else {
                group * 4 + part
            };
            let start = channel * stride;
            #[unroll]
            for c in 0..comptime!(tile.vectors()) {
                let w = Vector::<f32, N>::reinterpret(words[start + positions[c]]);
                accumulate::<N>(sums, &inputs, w, part, c, tile);
            }
        }
    }
}

#[cube]
#[allow(clippy::too_many_arguments)]
fn add_q8<K: Size, N: Size>(
    sums: &Sequence<RuntimeCell<Vector<f32, N>>>,
    x: &[Vector<f32, K>],
    equalizer: &[Vector<f32, K>],
    words: &[Vector<i32, N>],
    rows: &Sequence<usize>,
    positions: &Sequence<usize>,
    depth: usize,
    stride: usize,
    #[comptime] tile: Tile,
) {
    for group in 0..depth.div_ceil(4) {
        let inputs = read_equalized::<K>(x, equalizer, rows, group, depth, tile);
        let start = group * stride;
        #[unroll]
        for c in 0..comptime!(tile.vectors()) {
            let word = words[start + positions[c]];
            #[unroll]
            for part in 0..4usize {
                // Up to the sign bit, then down with the sign.
                let up = Vector::<i32, N>::new(comptime!(24 - 8 * part as i32));
                let code = (word << up) >> Vector::<i32, N>::new(24);
                accumulate::<N>(sums, &inputs, Vector::<f32, N>::cast_from(code), part, c, tile);
            }
        }
    }
}

#[cube]
fn scale<N: Size>(
    sums: &Sequence<RuntimeCell<Vector<f32, N>>>,
    scales: &[Vector<f32, N>],
    positions: &Sequence<usize>,
    #[comptime] tile: Tile,
) {
    #[unroll]
    for c in 0..comptime!(tile.vectors()) {
        let scale = scales[positions[c]];
        #[unroll]
        for r in 0..tile.rows {
            let sum = &sums[comptime!(r * tile.vectors() + c)];
            sum.store(sum.read() * scale);
        }
    }
}

#[cube]
#[allow(clippy::too_many_arguments)]
fn add_q4<K: Size, N: Size>(
    sums: &Sequence<RuntimeCell<Vector<f32, N>>>,
    x: &[Vector<f32, K>],
    equalizer: &[Vector<f32, K>],
    words: &[Vector<i32, N>],
    scales: &[Vector<f32, N>],
    rows: &Sequence<usize>,
    positions: &Sequence<usize>,
    depth: usize,
    stride: usize,
    #[comptime] tile: Tile,
) {
    for word_row in 0..depth.div_ceil(8) {
        let start = word_row * stride;
        let block = word_row / comptime!(BLOCK / 8) * stride;
        let mut own = Sequence::<Vector<i32, N>>::new();
        let mut factors = Sequence::<Vector<f32, N>>::new();
        #[unroll]
        for c in 0..comptime!(tile.vectors()) {
            own.push(words[start + positions[c]]);
            factors.push(scales[block + positions[c]]);
        }
        #[unroll]
        for half in 0..2usize {
            let group = word_row * 2 + half;
            let inputs = read_equalized::<K>(x, equalizer, rows, group, depth, tile);
            #[unroll]
            for c in 0..comptime!(tile.vectors()) {
                #[unroll]
                for part in 0..4usize {
                    let down = Vector::<i32, N>::new(comptime!(4 * (4 * half + part) as i32));
                    let nibble = (own[c] >> down) & Vector::<i32, N>::new(15);
                    let code = nibble - Vector::<i32, N>::new(NIBBLE_ZERO as i32);
                    let w = Vector::<f32, N>::cast_from(code) * factors[c];
                    accumulate::<N>(sums, &inputs, w, part, c, tile);
                }
            }
        }
    }
}

/// Vectors of an invocation lie a workgroup's width apart, so that neighbours read neighbours.
#[cube]
fn first_column(#[comptime] tile: Tile) -> usize {
    (CUBE_POS_X * CUBE_DIM_X) as usize * tile.columns + UNIT_POS_X as usize
}

/// Where a tile's rows begin in `x`; rows behind the last one read the last one.
#[cube]
fn row_starts<K: Size>(
    row: usize,
    tokens: usize,
    depth: usize,
    #[comptime] tile: Tile,
) -> Sequence<usize> {
    let mut starts = Sequence::<usize>::new();
    #[unroll]
    for r in 0..tile.rows {
        starts.push(min(row + r, tokens - 1) * (depth / K::value()));
    }
    starts
}

/// A tile's columns, of the first half and then of the second; those behind the last one read the last one.
#[cube]
fn column_positions(column: usize, columns: usize, #[comptime] tile: Tile) -> Sequence<usize> {
    let mut positions = Sequence::<usize>::new();
    #[unroll]
    for half in 0..tile.halves {
        #[unroll]
        for c in 0..tile.columns {
            positions.push(half * columns + min(column + c * CUBE_DIM_X as usize, columns - 1));
        }
    }
    positions
}

#[cube]
fn zeros<N: Size>(#[comptime] tile: Tile) -> Sequence<RuntimeCell<Vector<f32, N>>> {
    let mut sums = Sequence::<RuntimeCell<Vector<f32, N>>>::new();
    #[unroll]
    for _ in 0..comptime!(tile.rows * tile.vectors()) {
        sums.push(RuntimeCell::<Vector<f32, N>>::new(Vector::<f32, N>::new(0.0)));
    }
    sums
}

/// Four channels of a tile's rows.
#[cube]
fn read_inputs<K: Size>(
    x: &[Vector<f32, K>],
    rows: &Sequence<usize>,
    group: usize,
    depth: usize,
    #[comptime] tile: Tile,
) -> Sequence<Vector<f32, Const<4>>> {
    let mut inputs = Sequence::<Vector<f32, Const<4>>>::new();
    #[unroll]
    for r in 0..tile.rows {
        inputs.push(read_four::<f32, K>(x, rows[r], group, depth));
    }
    inputs
}

/// Four channels of a tile's rows, each by its factor.
#[cube]
fn read_equalized<K: Size>(
    x: &[Vector<f32, K>],
    equalizer: &[Vector<f32, K>],
    rows: &Sequence<usize>,
    group: usize,
    depth: usize,
    #[comptime] tile: Tile,
) -> Sequence<Vector<f32, Const<4>>> {
    let factor = read_four::<f32, K>(equalizer, 0usize, group, depth);
    let mut inputs = Sequence::<Vector<f32, Const<4>>>::new();
    #[unroll]
    for r in 0..tile.rows {
        inputs.push(read_four::<f32, K>(x, rows[r], group, depth) * factor);
    }
    inputs
}

/// Adds one channel's share to a tile's column.
#[cube]
fn accumulate<N: Size>(
    sums: &Sequence<RuntimeCell<Vector<f32, N>>>,
    inputs: &Sequence<Vector<f32, Const<4>>>,
    weight: Vector<f32, N>,
    #[comptime] part: usize,
    #[comptime] c: usize,
    #[comptime] tile: Tile,
) {
    #[unroll]
    for r in 0..tile.rows {
        let sum = &sums[comptime!(r * tile.vectors() + c)];
        sum.store(sum.read() + Vector::<f32, N>::new(inputs[r].extract(part)) * weight);
    }
}

/// Adds the bias, applies the gate and writes what lies within the output.
#[cube]
#[allow(clippy::too_many_arguments)]
fn finish<N: Size>(
    out: &mut [Vector<f32, N>],
    sums: &Sequence<RuntimeCell<Vector<f32, N>>>,
    bias: &[Vector<f32, N>],
    positions: &Sequence<usize>,
    row: usize,
    column: usize,
    tokens: usize,
    columns: usize,
    #[comptime] tile: Tile,
    #[comptime] gate: Gate,
) {
    #[unroll]
    for c in 0..tile.columns {
        #[unroll]
        for r in 0..tile.rows {
            let first = comptime!(r * tile.vectors() + c);
            let mut y =
                activate::<N>(sums[first].read() + bias[positions[c]], comptime!(gate.function));
            if comptime!(gate.gated) {
                let second = comptime!(c + tile.columns);
                y *= sums[comptime!(first + tile.columns)].read() + bias[positions[second]];
            }
            if row + r < tokens && column + c * (CUBE_DIM_X as usize) < columns {
                out[(row + r) * columns + positions[c]] = y;
            }
        }
    }
}
