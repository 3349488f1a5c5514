//! Products in registers alone, by tiles of `rows × columns` vectors, four input channels at a time: each value that is read is used for
//! the whole tile. Neighbours share rows and columns through the cache, or rows through their subgroup.

use burn_wgpu::CubeTensor;
use cubecl::prelude::*;

use super::{Product, Stored, Sums, accumulate, column_positions, finish, grid, zeros};
use crate::model::quantize::NIBBLE_ZERO;
use crate::ops::Gate;
use crate::ops::kernel::four::read_four;
use crate::ops::kernel::{floats, width, words};

/// Invocations of a workgroup along columns and along rows.
const GROUP: [usize; 2] = [8, 8];
/// Invocations that keep a GPU busy.
const BUSY: usize = 4096;

/// What an invocation computes: rows, and vectors of columns that it writes, of one half or of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Tile {
    rows: usize,
    columns: usize,
    halves: usize,
    /// Whether invocations side by side, which have the same rows, read one row each and hand it on within their subgroup.
    shared: bool,
}

impl Tile {
    /// Vectors of columns that are read.
    fn vectors(self) -> usize {
        self.columns * self.halves
    }
}

/// With `shared`, rows are handed on within subgroups of at least eight.
pub(super) fn launch(product: Product, shared: bool, out: CubeTensor) {
    // Vectors of four only where words are whole.
    let width_in = if product.is_whole() { width(product.depth) } else { 1 };
    let tile = tile(&product, shared);
    let Product { x, stored, codes, equalizer, scales, bias, gate, tokens, depth, columns } =
        product;
    let vectors = columns / width(columns);
    // SAFETY: the kernel keeps rows and columns within the product's shapes.
    unsafe {
        linear_in_registers::launch_unchecked(
            &x.client.clone(),
            grid([vectors, tokens], [GROUP[0] * tile.columns, GROUP[1] * tile.rows]),
            // Of one dimension: only then do subgroups tell places.
            CubeDim::new_1d((GROUP[0] * GROUP[1]) as u32),
            width_in,
            width(columns),
            floats(x),
            floats(equalizer),
            words(codes),
            floats(scales),
            floats(bias),
            floats(out),
            tokens,
            depth,
            vectors,
            stored,
            tile,
            gate,
        );
    }
}

/// With invocations to spare, more work for each value read; else more invocations.
fn tile(product: &Product, shared: bool) -> Tile {
    let halves = product.gate.halves();
    let large = Tile { rows: 8, columns: 2 / halves, halves, shared };
    let small = Tile { rows: 4, columns: 1, halves, shared: false };
    let vectors = product.columns / width(product.columns);
    let invocations = product.tokens.div_ceil(large.rows) * vectors.div_ceil(large.columns);
    if shared || invocations >= BUSY { large } else { small }
}

/// `columns` counts the vectors of an output row.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn linear_in_registers<K: Size, N: Size>(
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
    let row = (CUBE_POS_Y as usize * GROUP[1] + UNIT_POS as usize / GROUP[0]) * tile.rows;
    let own = own_columns(tile);
    // A subgroup's invocations stay together to the end.
    if comptime!(!tile.shared) && (row >= tokens || own[0] >= columns) {
        terminate!();
    }
    let rows = own_rows(row, tile);
    let starts = row_starts::<K>(&rows, tokens, depth, tile);
    let positions = column_positions(&own, columns, gate);
    let sums = zeros::<f32, N>(comptime!(tile.rows * tile.vectors()));
    let stride = columns * tile.halves;
    match stored {
        Stored::F32 => add_f32::<K, N>(&sums, x, words, &starts, &positions, depth, stride, tile),
        Stored::Q8 | Stored::Q4 => add_codes::<K, N>(
            &sums, x, equalizer, words, scales, &starts, &positions, depth, stride, stored, tile,
        ),
    }
    finish::<N>(out, &sums, bias, &rows, &own, tokens, columns, gate);
}

#[cube]
#[allow(clippy::too_many_arguments)]
fn add_f32<K: Size, N: Size>(
    sums: &Sums<f32, N>,
    x: &[Vector<f32, K>],
    words: &[Vector<i32, N>],
    starts: &Sequence<usize>,
    positions: &Sequence<usize>,
    depth: usize,
    stride: usize,
    #[comptime] tile: Tile,
) {
    let packed = K::value();
    for group in 0..depth.div_ceil(4) {
        let inputs = read_inputs::<K>(x, starts, group, depth, tile);
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
                accumulate::<f32, N>(sums, &inputs, w, part, c, comptime!(tile.vectors()));
            }
        }
    }
}

/// Four channels at a time, of which a word holds one group or two.
#[cube]
#[allow(clippy::too_many_arguments)]
fn add_codes<K: Size, N: Size>(
    sums: &Sums<f32, N>,
    x: &[Vector<f32, K>],
    equalizer: &[Vector<f32, K>],
    words: &[Vector<i32, N>],
    scales: &[Vector<f32, N>],
    starts: &Sequence<usize>,
    positions: &Sequence<usize>,
    depth: usize,
    stride: usize,
    #[comptime] stored: Stored,
    #[comptime] tile: Tile,
) {
    for word_row in 0..depth.div_ceil(comptime!(stored.channels())) {
        let start = word_row * stride;
        let block = word_row / comptime!(stored.block() / stored.channels()) * stride;
        let mut own = Sequence::<Vector<i32, N>>::new();
        let mut factors = Sequence::<Vector<f32, N>>::new();
        #[unroll]
        for c in 0..comptime!(tile.vectors()) {
            own.push(words[start + positions[c]]);
            factors.push(scales[block + positions[c]]);
        }
        #[unroll]
        for part in 0..comptime!(stored.channels() / 4) {
            let group = word_row * comptime!(stored.channels() / 4) + part;
            let inputs = read_equalized::<K>(x, equalizer, starts, group, depth, tile);
            #[unroll]
            for c in 0..comptime!(tile.vectors()) {
                #[unroll]
                for channel in 0..4usize {
                    let code = code::<N>(own[c], comptime!(4 * part + channel), stored);
                    let w = Vector::<f32, N>::cast_from(code) * factors[c];
                    accumulate::<f32, N>(sums, &inputs, w, channel, c, comptime!(tile.vectors()));
                }
            }
        }
    }
}

/// One of a word's codes, from the lowest bits up.
#[cube]
fn code<N: Size>(
    word: Vector<i32, N>,
    #[comptime] channel: usize,
    #[comptime] stored: Stored,
) -> Vector<i32, N> {
    if comptime!(stored == Stored::Q8) {
        byte::<N>(word, channel)
    } else {
        nibble::<N>(word, channel)
    }
}

/// One of four signed bytes, from the lowest up: up to the sign bit, then down with the sign.
#[cube]
pub(super) fn byte<N: Size>(word: Vector<i32, N>, #[comptime] part: usize) -> Vector<i32, N> {
    let up = Vector::<i32, N>::new(comptime!(24 - 8 * part as i32));
    (word << up) >> Vector::<i32, N>::new(24)
}

/// The code of one of eight nibbles, from the lowest up.
#[cube]
pub(super) fn nibble<N: Size>(word: Vector<i32, N>, #[comptime] part: usize) -> Vector<i32, N> {
    let down = Vector::<i32, N>::new(comptime!(4 * part as i32));
    ((word >> down) & Vector::<i32, N>::new(15)) - Vector::<i32, N>::new(NIBBLE_ZERO as i32)
}

/// An invocation's place along columns.
#[cube]
fn lane() -> usize {
    UNIT_POS as usize % GROUP[0]
}

/// Vectors of an invocation lie a workgroup's width apart, so that neighbours read neighbours.
#[cube]
fn own_columns(#[comptime] tile: Tile) -> Sequence<usize> {
    let first = CUBE_POS_X as usize * comptime!(GROUP[0] * tile.columns) + lane();
    let mut columns = Sequence::<usize>::new();
    #[unroll]
    for c in 0..tile.columns {
        columns.push(first + c * GROUP[0]);
    }
    columns
}

#[cube]
fn own_rows(row: usize, #[comptime] tile: Tile) -> Sequence<usize> {
    let mut rows = Sequence::<usize>::new();
    #[unroll]
    for r in 0..tile.rows {
        rows.push(row + r);
    }
    rows
}

/// Where the rows that an invocation reads begin in `x`: all of its tile's, or the one that it hands on. Rows behind the last one read
/// the last one.
#[cube]
fn row_starts<K: Size>(
    rows: &Sequence<usize>,
    tokens: usize,
    depth: usize,
    #[comptime] tile: Tile,
) -> Sequence<usize> {
    let mut starts = Sequence::<usize>::new();
    if comptime!(tile.shared) {
        let row = rows[0] + lane();
        starts.push(min(row, tokens - 1) * (depth / K::value()));
    } else {
        #[unroll]
        for r in 0..rows.len() {
            starts.push(min(rows[r], tokens - 1) * (depth / K::value()));
        }
    }
    starts
}

/// Four channels of a tile's rows.
#[cube]
fn read_inputs<K: Size>(
    x: &[Vector<f32, K>],
    starts: &Sequence<usize>,
    group: usize,
    depth: usize,
    #[comptime] tile: Tile,
) -> Sequence<Vector<f32, Const<4>>> {
    let mut inputs = Sequence::<Vector<f32, Const<4>>>::new();
    #[unroll]
    for r in 0..starts.len() {
        inputs.push(read_four::<f32, K>(x, starts[r], group, depth));
    }
    all_inputs(inputs, tile)
}

/// Four channels of a tile's rows, each by its factor.
#[cube]
fn read_equalized<K: Size>(
    x: &[Vector<f32, K>],
    equalizer: &[Vector<f32, K>],
    starts: &Sequence<usize>,
    group: usize,
    depth: usize,
    #[comptime] tile: Tile,
) -> Sequence<Vector<f32, Const<4>>> {
    let factor = read_four::<f32, K>(equalizer, 0usize, group, depth);
    let mut inputs = Sequence::<Vector<f32, Const<4>>>::new();
    #[unroll]
    for r in 0..starts.len() {
        inputs.push(read_four::<f32, K>(x, starts[r], group, depth) * factor);
    }
    all_inputs(inputs, tile)
}

/// What an invocation has read, or that and what its neighbours have.
#[cube]
fn all_inputs(
    read: Sequence<Vector<f32, Const<4>>>,
    #[comptime] tile: Tile,
) -> Sequence<Vector<f32, Const<4>>> {
    if comptime!(tile.shared) {
        let first = UNIT_POS_PLANE - lane() as u32;
        let mut inputs = Sequence::<Vector<f32, Const<4>>>::new();
        #[unroll]
        for r in 0..tile.rows {
            inputs.push(plane_shuffle(read[0], first + r as u32));
        }
        inputs
    } else {
        read
    }
}
