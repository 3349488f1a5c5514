//! `activation(x · W + bias)` with W in its stored type.
//!
//! An invocation computes a tile of `rows × columns` vectors and walks down four input channels at a time: each
//! value it reads is used for the whole tile. Packed weights are widened in registers.

use burn::backend::wgpu::CubeTensor;
use cubecl::prelude::*;

use super::activation::activate;
use super::{MAX_WORKGROUPS, floats, ints, matrix, output, width};
use crate::model::quantize::{BLOCK, NIBBLE_ZERO};
use crate::ops::Pointwise;

/// Invocations of a workgroup along columns and along rows.
const GROUP: [usize; 2] = [8, 8];

/// What an invocation computes: rows, and vectors of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Tile {
    rows: usize,
    columns: usize,
}

/// For products with invocations to spare: more work for each value read.
const LARGE: Tile = Tile { rows: 8, columns: 2 };
/// For the others: more invocations.
const SMALL: Tile = Tile { rows: 4, columns: 1 };
/// Invocations that keep a GPU busy.
const BUSY: usize = 4096;

/// `x` `[tokens, depth]`, `weight` `[depth, columns]`, `bias` `[columns]` → `[tokens, columns]`.
pub(crate) fn linear_f32(
    x: CubeTensor,
    weight: CubeTensor,
    bias: CubeTensor,
    activation: Pointwise,
) -> CubeTensor {
    let [tokens, depth] = matrix(&x);
    let [weight_rows, columns] = matrix(&weight);
    assert_eq!(weight_rows, depth, "the weight's rows are the input's columns");
    let (client, out) = (x.client.clone(), output(&x, [tokens, columns]));
    let tile = tile(tokens, columns);
    if tokens * columns > 0 {
        // SAFETY: the kernel keeps rows and columns within the shapes checked above.
        unsafe {
            linear_f32_kernel::launch_unchecked(
                &client,
                grid(tokens, columns, tile),
                CubeDim::new_2d(GROUP[0] as u32, GROUP[1] as u32),
                width(depth),
                width(columns),
                floats(x),
                floats(weight),
                floats(bias),
                floats(out.clone()),
                tokens,
                depth,
                vectors(columns),
                tile,
                activation,
            );
        }
    }
    out
}

/// As [`linear_f32`] for `y[t][n] = activation(scales[n] · Σ x[t][k] · equalizer[k] · code[k][n] + bias[n])`.
/// `codes` `[⌈depth / 4⌉, columns]` are words of four signed bytes, input channels from the lowest byte up, zeros
/// behind the last one.
pub(crate) fn linear_q8(
    x: CubeTensor,
    equalizer: CubeTensor,
    codes: CubeTensor,
    scales: CubeTensor,
    bias: CubeTensor,
    activation: Pointwise,
) -> CubeTensor {
    let [tokens, depth] = matrix(&x);
    let [groups, columns] = matrix(&codes);
    assert_eq!(groups, depth.div_ceil(4), "a word holds four input channels");
    let (client, out) = (x.client.clone(), output(&x, [tokens, columns]));
    let tile = tile(tokens, columns);
    if tokens * columns > 0 {
        // SAFETY: as in `linear_f32`.
        unsafe {
            linear_q8_kernel::launch_unchecked(
                &client,
                grid(tokens, columns, tile),
                CubeDim::new_2d(GROUP[0] as u32, GROUP[1] as u32),
                width(depth),
                width(columns),
                floats(x),
                floats(equalizer),
                ints(codes),
                floats(scales),
                floats(bias),
                floats(out.clone()),
                tokens,
                depth,
                vectors(columns),
                tile,
                activation,
            );
        }
    }
    out
}

/// As [`linear_q8`] with `codes` `[⌈depth / 8⌉, columns]` of eight nibbles, lowest bits first, a value being its nibble
/// less 8, and `scales` `[⌈depth / 32⌉, columns]`.
pub(crate) fn linear_q4(
    x: CubeTensor,
    equalizer: CubeTensor,
    codes: CubeTensor,
    scales: CubeTensor,
    bias: CubeTensor,
    activation: Pointwise,
) -> CubeTensor {
    let [tokens, depth] = matrix(&x);
    let [words, columns] = matrix(&codes);
    assert_eq!(words, depth.div_ceil(8), "a word holds eight input channels");
    // Vectors of four only where words are whole: one by one, what is behind the last channel is zero.
    let width_in = if depth.is_multiple_of(8) { 4 } else { 1 };
    let (client, out) = (x.client.clone(), output(&x, [tokens, columns]));
    let tile = tile(tokens, columns);
    if tokens * columns > 0 {
        // SAFETY: as in `linear_f32`.
        unsafe {
            linear_q4_kernel::launch_unchecked(
                &client,
                grid(tokens, columns, tile),
                CubeDim::new_2d(GROUP[0] as u32, GROUP[1] as u32),
                width_in,
                width(columns),
                floats(x),
                floats(equalizer),
                ints(codes),
                floats(scales),
                floats(bias),
                floats(out.clone()),
                tokens,
                depth,
                vectors(columns),
                tile,
                activation,
            );
        }
    }
    out
}

/// Vectors of columns.
fn vectors(columns: usize) -> usize {
    columns / width(columns)
}

fn tile(tokens: usize, columns: usize) -> Tile {
    let large = tokens.div_ceil(LARGE.rows) * vectors(columns).div_ceil(LARGE.columns);
    if large >= BUSY { LARGE } else { SMALL }
}

/// Workgroups along columns and along rows.
fn grid(tokens: usize, columns: usize, tile: Tile) -> CubeCount {
    let x = vectors(columns).div_ceil(GROUP[0] * tile.columns);
    let y = tokens.div_ceil(GROUP[1] * tile.rows);
    assert!(x.max(y) <= MAX_WORKGROUPS, "a product of this size needs more than one dispatch");
    CubeCount::Static(x as u32, y as u32, 1)
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn linear_f32_kernel<K: Size, N: Size>(
    x: &[Vector<f32, K>],
    weight: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    tokens: usize,
    depth: usize,
    columns: usize,
    #[comptime] tile: Tile,
    #[comptime] activation: Pointwise,
) {
    let row = ABSOLUTE_POS_Y as usize * tile.rows;
    let column = first_column(tile);
    if row >= tokens || column >= columns {
        terminate!();
    }
    let rows = row_starts::<K>(row, tokens, depth, tile);
    let positions = column_positions(column, columns, tile);
    let sums = zeros::<N>(tile);
    let packed = K::value();
    for group in 0..depth.div_ceil(4) {
        let inputs = read_inputs::<K>(x, &rows, group, depth, tile);
        #[unroll]
        for part in 0..4usize {
            // Behind the last channel the input is zero.
            let channel = if comptime!(packed == 1) {
                min(group * 4 + part, depth - 1)
            } else {
                group * 4 + part
            };
            let start = channel * columns;
            #[unroll]
            for c in 0..tile.columns {
                accumulate::<N>(&sums, &inputs, weight[start + positions[c]], part, c, tile);
            }
        }
    }
    finish::<N>(out, &sums, bias, &positions, row, column, tokens, columns, tile, activation);
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn linear_q8_kernel<K: Size, N: Size>(
    x: &[Vector<f32, K>],
    equalizer: &[Vector<f32, K>],
    codes: &[Vector<i32, N>],
    scales: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    tokens: usize,
    depth: usize,
    columns: usize,
    #[comptime] tile: Tile,
    #[comptime] activation: Pointwise,
) {
    let row = ABSOLUTE_POS_Y as usize * tile.rows;
    let column = first_column(tile);
    if row >= tokens || column >= columns {
        terminate!();
    }
    let rows = row_starts::<K>(row, tokens, depth, tile);
    let positions = column_positions(column, columns, tile);
    let sums = zeros::<N>(tile);
    for group in 0..depth.div_ceil(4) {
        let inputs = read_equalized::<K>(x, equalizer, &rows, group, depth, tile);
        let start = group * columns;
        #[unroll]
        for c in 0..tile.columns {
            let word = codes[start + positions[c]];
            #[unroll]
            for part in 0..4usize {
                // Up to the sign bit, then down with the sign.
                let up = Vector::<i32, N>::new(comptime!(24 - 8 * part as i32));
                let code = (word << up) >> Vector::<i32, N>::new(24);
                accumulate::<N>(&sums, &inputs, Vector::<f32, N>::cast_from(code), part, c, tile);
            }
        }
    }
    #[unroll]
    for c in 0..tile.columns {
        let scale = scales[positions[c]];
        #[unroll]
        for r in 0..tile.rows {
            let sum = &sums[r * tile.columns + c];
            sum.store(sum.read() * scale);
        }
    }
    finish::<N>(out, &sums, bias, &positions, row, column, tokens, columns, tile, activation);
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn linear_q4_kernel<K: Size, N: Size>(
    x: &[Vector<f32, K>],
    equalizer: &[Vector<f32, K>],
    codes: &[Vector<i32, N>],
    scales: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    tokens: usize,
    depth: usize,
    columns: usize,
    #[comptime] tile: Tile,
    #[comptime] activation: Pointwise,
) {
    let row = ABSOLUTE_POS_Y as usize * tile.rows;
    let column = first_column(tile);
    if row >= tokens || column >= columns {
        terminate!();
    }
    let rows = row_starts::<K>(row, tokens, depth, tile);
    let positions = column_positions(column, columns, tile);
    let sums = zeros::<N>(tile);
    for word_row in 0..depth.div_ceil(8) {
        let start = word_row * columns;
        let block = word_row / comptime!(BLOCK / 8) * columns;
        let mut words = Sequence::<Vector<i32, N>>::new();
        let mut factors = Sequence::<Vector<f32, N>>::new();
        #[unroll]
        for c in 0..tile.columns {
            words.push(codes[start + positions[c]]);
            factors.push(scales[block + positions[c]]);
        }
        #[unroll]
        for half in 0..2usize {
            let group = word_row * 2 + half;
            let inputs = read_equalized::<K>(x, equalizer, &rows, group, depth, tile);
            #[unroll]
            for c in 0..tile.columns {
                #[unroll]
                for part in 0..4usize {
                    let down = Vector::<i32, N>::new(comptime!(4 * (4 * half + part) as i32));
                    let nibble = (words[c] >> down) & Vector::<i32, N>::new(15);
                    let code = nibble - Vector::<i32, N>::new(NIBBLE_ZERO as i32);
                    let w = Vector::<f32, N>::cast_from(code) * factors[c];
                    accumulate::<N>(&sums, &inputs, w, part, c, tile);
                }
            }
        }
    }
    finish::<N>(out, &sums, bias, &positions, row, column, tokens, columns, tile, activation);
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

/// A tile's columns; those behind the last one read the last one.
#[cube]
fn column_positions(column: usize, columns: usize, #[comptime] tile: Tile) -> Sequence<usize> {
    let mut positions = Sequence::<usize>::new();
    #[unroll]
    for c in 0..tile.columns {
        positions.push(min(column + c * CUBE_DIM_X as usize, columns - 1));
    }
    positions
}

#[cube]
fn zeros<N: Size>(#[comptime] tile: Tile) -> Sequence<RuntimeCell<Vector<f32, N>>> {
    let mut sums = Sequence::<RuntimeCell<Vector<f32, N>>>::new();
    #[unroll]
    for _ in 0..tile.rows * tile.columns {
        sums.push(RuntimeCell::<Vector<f32, N>>::new(Vector::<f32, N>::new(0.0)));
    }
    sums
}

/// Four channels of one row, zero behind the last.
#[cube]
fn read_four<K: Size>(
    values: &[Vector<f32, K>],
    start: usize,
    group: usize,
    depth: usize,
) -> Vector<f32, Const<4>> {
    let packed = K::value();
    if comptime!(packed == 4) {
        Vector::<f32, Const<4>>::cast_from(values[start + group])
    } else {
        let mut four = Vector::<f32, Const<4>>::new(0.0);
        #[unroll]
        for part in 0..4usize {
            let channel = group * 4 + part;
            let value = values[start + min(channel, depth - 1)].extract(0usize);
            four.insert(part, select(channel < depth, value, 0.0));
        }
        four
    }
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
        inputs.push(read_four::<K>(x, rows[r], group, depth));
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
    let factor = read_four::<K>(equalizer, 0usize, group, depth);
    let mut inputs = Sequence::<Vector<f32, Const<4>>>::new();
    #[unroll]
    for r in 0..tile.rows {
        inputs.push(read_four::<K>(x, rows[r], group, depth) * factor);
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
        let sum = &sums[r * tile.columns + c];
        sum.store(sum.read() + Vector::<f32, N>::new(inputs[r].extract(part)) * weight);
    }
}

/// Adds the bias, applies the function and writes what lies within the output.
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
    #[comptime] activation: Pointwise,
) {
    #[unroll]
    for c in 0..tile.columns {
        let shift = bias[positions[c]];
        #[unroll]
        for r in 0..tile.rows {
            let y = activate::<N>(sums[r * tile.columns + c].read() + shift, activation);
            if row + r < tokens && column + c * (CUBE_DIM_X as usize) < columns {
                out[(row + r) * columns + positions[c]] = y;
            }
        }
    }
}
