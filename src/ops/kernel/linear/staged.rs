//! Products by tiles in workgroup memory: the invocations of a workgroup bring some channels of its rows and columns there, widened,
//! and each computes a tile in registers of them. A value of the inputs is read from the device's memory once a workgroup.
//!
//! In half floats what is multiplied takes half the room and, on adapters that compute two at a time, half the time. Only the products of
//! the channels that are there at a time are summed in them, of codes and inputs that are [`SMALLER`]: no sum leaves their range.

use burn_wgpu::CubeTensor;
use cubecl::prelude::*;
use half::f16;

use super::registers::{byte, nibble};
use super::{Product, Stored, Sums, accumulate, column_positions, finish, grid, zeros};
use crate::model::quantize::Q4_BLOCK;
use crate::ops::Gate;
use crate::ops::kernel::{floats, words};

/// What a workgroup computes, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Block {
    /// Invocations along columns and along rows.
    pub(crate) lanes: [usize; 2],
    /// Rows of an invocation.
    pub(crate) tall: usize,
    /// Whether products are computed in half floats.
    pub(crate) half: bool,
}

/// Vectors of columns that an invocation reads.
const VECTORS: usize = 2;
/// Half floats begin to lose digits below 2⁻¹⁴, and end at 2¹⁶.
const SMALLER: f32 = 1.0 / 64.0;

impl Block {
    /// Rows of a workgroup.
    pub(crate) fn rows(self) -> usize {
        self.lanes[1] * self.tall
    }

    /// Vectors of columns that a workgroup reads.
    pub(crate) fn vectors(self) -> usize {
        self.lanes[0] * VECTORS
    }

    /// Channels that are in workgroup memory at a time: whole words, and of one block of scales.
    fn slab(self) -> usize {
        if self.half { Q4_BLOCK } else { Q4_BLOCK / 2 }
    }

    fn invocations(self) -> usize {
        self.lanes[0] * self.lanes[1]
    }

    /// Bytes of workgroup memory.
    pub(crate) fn bytes(self) -> usize {
        let channel = self.rows() + 4 * self.vectors();
        channel * self.slab() * if self.half { size_of::<f16>() } else { size_of::<f32>() }
    }
}

/// `product` is regular.
pub(super) fn launch(product: Product, block: Block, out: CubeTensor) {
    if block.half {
        launch_in::<f16>(product, block, out);
    } else {
        launch_in::<f32>(product, block, out);
    }
}

fn launch_in<E: Float>(product: Product, block: Block, out: CubeTensor) {
    let Product { x, stored, codes, equalizer, scales, bias, gate, tokens, depth, columns } =
        product;
    let written = block.vectors() / gate.halves();
    // SAFETY: the kernel keeps rows and columns within the product's shapes.
    unsafe {
        linear_staged::launch_unchecked::<E>(
            &x.client.clone(),
            grid([columns / 4, tokens], [written, block.rows()]),
            CubeDim::new_2d(block.lanes[0] as u32, block.lanes[1] as u32),
            floats(x),
            floats(equalizer),
            words(codes),
            floats(scales),
            floats(bias),
            floats(out),
            tokens,
            depth,
            columns / 4,
            stored,
            block,
            gate,
        );
    }
}

/// `columns` counts the vectors of an output row.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn linear_staged<E: Float>(
    x: &[Vector<f32, Const<4>>],
    equalizer: &[Vector<f32, Const<4>>],
    words: &[Vector<i32, Const<4>>],
    scales: &[Vector<f32, Const<4>>],
    bias: &[Vector<f32, Const<4>>],
    out: &mut [Vector<f32, Const<4>>],
    tokens: usize,
    depth: usize,
    columns: usize,
    #[comptime] stored: Stored,
    #[comptime] block: Block,
    #[comptime] gate: Gate,
) {
    let slab = comptime!(block.slab());
    let mut inputs =
        Shared::<[Vector<E, Const<4>>]>::new_slice(comptime!(block.rows() * block.slab() / 4));
    let mut weights =
        Shared::<[Vector<E, Const<4>>]>::new_slice(comptime!(block.vectors() * block.slab()));
    let rows = own_rows(block);
    let own = own_columns(block, gate);
    let positions = column_positions(&own, columns, gate);
    let sums = zeros::<f32, Const<4>>(comptime!(block.tall * VECTORS));
    let parts = zeros::<E, Const<4>>(comptime!(block.tall * VECTORS));
    for part in 0..depth.div_ceil(slab) {
        let first = part * slab;
        stage_inputs::<E>(&mut inputs, x, equalizer, first, tokens, depth, stored, block);
        stage_weights::<E>(&mut weights, words, scales, first, depth, columns, stored, block, gate);
        sync_cube();
        add_slab::<E>(&parts, &inputs, &weights, block);
        if comptime!(block.half) {
            fold::<E>(
                &sums, &parts, scales, &positions, first, depth, columns, stored, gate, block,
            );
        }
        sync_cube();
    }
    if comptime!(!block.half) {
        fold::<E>(&sums, &parts, scales, &positions, 0, depth, columns, stored, gate, block);
    }
    finish::<Const<4>>(out, &sums, bias, &rows, &own, tokens, columns, gate);
}

/// Rows of an invocation lie a workgroup's height apart, so that neighbours read neighbours.
#[cube]
fn own_rows(#[comptime] block: Block) -> Sequence<usize> {
    let first = CUBE_POS_Y as usize * comptime!(block.rows()) + UNIT_POS_Y as usize;
    let mut rows = Sequence::<usize>::new();
    #[unroll]
    for r in 0..block.tall {
        rows.push(first + r * comptime!(block.lanes[1]));
    }
    rows
}

/// Vectors of columns that an invocation writes.
#[cube]
fn own_columns(#[comptime] block: Block, #[comptime] gate: Gate) -> Sequence<usize> {
    let first = first_column(block, gate) + UNIT_POS_X as usize;
    let mut columns = Sequence::<usize>::new();
    #[unroll]
    for c in 0..comptime!(VECTORS / gate.halves()) {
        columns.push(first + c * comptime!(block.lanes[0]));
    }
    columns
}

/// The first that a workgroup writes.
#[cube]
fn first_column(#[comptime] block: Block, #[comptime] gate: Gate) -> usize {
    CUBE_POS_X as usize * comptime!(block.vectors() / gate.halves())
}

/// Brings the workgroup's rows: four channels of a row in a vector, rows side by side. Behind the last channel there is zero; rows
/// behind the last one are that one.
#[cube]
#[allow(clippy::too_many_arguments)]
fn stage_inputs<E: Float>(
    inputs: &mut Shared<[Vector<E, Const<4>>]>,
    x: &[Vector<f32, Const<4>>],
    equalizer: &[Vector<f32, Const<4>>],
    first: usize,
    tokens: usize,
    depth: usize,
    #[comptime] stored: Stored,
    #[comptime] block: Block,
) {
    let groups = comptime!(block.slab() / 4);
    let top = CUBE_POS_Y as usize * comptime!(block.rows());
    #[unroll]
    for step in 0..comptime!(block.rows() * groups / block.invocations()) {
        let place = step * comptime!(block.invocations()) + UNIT_POS as usize;
        let row = place / groups;
        let channels = first / 4 + place % groups;
        let read = min(channels, depth / 4 - 1);
        let mut value = x[min(top + row, tokens - 1) * (depth / 4) + read];
        if comptime!(stored != Stored::F32) {
            value *= equalizer[read];
        }
        if comptime!(block.half) {
            value *= Vector::<f32, Const<4>>::new(SMALLER);
        }
        let zero = Vector::<f32, Const<4>>::new(0.0);
        let value = select(channels < depth / 4, value, zero);
        inputs[place % groups * comptime!(block.rows()) + row] = Vector::cast_from(value);
    }
}

/// Brings the workgroup's columns: a channel of four columns in a vector, columns side by side, those of a second half behind those
/// of the first. Behind the last channel there are other channels, whose inputs are zero.
#[cube]
#[allow(clippy::too_many_arguments)]
fn stage_weights<E: Float>(
    weights: &mut Shared<[Vector<E, Const<4>>]>,
    words: &[Vector<i32, Const<4>>],
    scales: &[Vector<f32, Const<4>>],
    first: usize,
    depth: usize,
    columns: usize,
    #[comptime] stored: Stored,
    #[comptime] block: Block,
    #[comptime] gate: Gate,
) {
    let vectors = comptime!(block.vectors());
    let written = comptime!(block.vectors() / gate.halves());
    let channels = comptime!(stored.channels());
    let count = comptime!(block.vectors() * block.slab() / stored.channels());
    let stride = columns * comptime!(gate.halves());
    #[unroll]
    for step in 0..comptime!(count.div_ceil(block.invocations())) {
        let place = step * comptime!(block.invocations()) + UNIT_POS as usize;
        // Words of many channels are fewer than the invocations.
        if place < count {
            let v = place % vectors;
            let column = min(first_column(block, gate) + v % written, columns - 1);
            let position = v / written * columns + column;
            let row = min(first / channels + place / vectors, depth / channels - 1);
            let word = words[row * stride + position];
            let start = place / vectors * comptime!(stored.channels() * block.vectors()) + v;
            match stored {
                Stored::F32 => {
                    weights[start] = Vector::cast_from(Vector::<f32, Const<4>>::reinterpret(word));
                }
                Stored::Q8 => {
                    let scale = block_scale(scales, first, depth, stride, position, stored, block);
                    #[unroll]
                    for part in 0..4usize {
                        let code = Vector::<f32, Const<4>>::cast_from(byte::<Const<4>>(word, part));
                        weights[start + part * vectors] = Vector::cast_from(code * scale);
                    }
                }
                Stored::Q4 => {
                    let scale = block_scale(scales, first, depth, stride, position, stored, block);
                    #[unroll]
                    for part in 0..8usize {
                        let code =
                            Vector::<f32, Const<4>>::cast_from(nibble::<Const<4>>(word, part));
                        weights[start + part * vectors] = Vector::cast_from(code * scale);
                    }
                }
            }
        }
    }
}

/// What a code is multiplied by where it is widened. Of half floats the sums are, so that codes stay whole.
#[cube]
fn block_scale(
    scales: &[Vector<f32, Const<4>>],
    first: usize,
    depth: usize,
    stride: usize,
    position: usize,
    #[comptime] stored: Stored,
    #[comptime] block: Block,
) -> Vector<f32, Const<4>> {
    if comptime!(block.half) {
        Vector::<f32, Const<4>>::new(SMALLER)
    } else {
        scales[min(first, depth - 1) / comptime!(stored.block()) * stride + position]
    }
}

/// Adds the channels that are in workgroup memory.
#[cube]
fn add_slab<E: Float>(
    parts: &Sums<E, Const<4>>,
    inputs: &Shared<[Vector<E, Const<4>>]>,
    weights: &Shared<[Vector<E, Const<4>>]>,
    #[comptime] block: Block,
) {
    for group in 0..comptime!(block.slab() / 4) {
        let mut rows = Sequence::<Vector<E, Const<4>>>::new();
        #[unroll]
        for r in 0..block.tall {
            let row = r * comptime!(block.lanes[1]) + UNIT_POS_Y as usize;
            rows.push(inputs[group * comptime!(block.rows()) + row]);
        }
        #[unroll]
        for part in 0..4usize {
            #[unroll]
            for c in 0..VECTORS {
                let column = c * comptime!(block.lanes[0]) + UNIT_POS_X as usize;
                let weight = weights[(group * 4 + part) * comptime!(block.vectors()) + column];
                accumulate::<E, Const<4>>(parts, &rows, weight, part, c, VECTORS);
            }
        }
    }
}

/// Takes over what was summed, and lets the sums begin anew.
#[cube]
#[allow(clippy::too_many_arguments)]
fn fold<E: Float>(
    sums: &Sums<f32, Const<4>>,
    parts: &Sums<E, Const<4>>,
    scales: &[Vector<f32, Const<4>>],
    positions: &Sequence<usize>,
    first: usize,
    depth: usize,
    columns: usize,
    #[comptime] stored: Stored,
    #[comptime] gate: Gate,
    #[comptime] block: Block,
) {
    #[unroll]
    for c in 0..VECTORS {
        let mut factor = Vector::<f32, Const<4>>::new(1.0);
        if comptime!(block.half) {
            factor = Vector::<f32, Const<4>>::new(comptime!(1.0 / (SMALLER * SMALLER)));
            if comptime!(stored != Stored::F32) {
                let stride = columns * comptime!(gate.halves());
                let row = min(first, depth - 1) / comptime!(stored.block()) * stride;
                factor *= scales[row + positions[c]];
            }
        }
        #[unroll]
        for r in 0..block.tall {
            let (sum, part) =
                (&sums[comptime!(r * VECTORS + c)], &parts[comptime!(r * VECTORS + c)]);
            sum.store(sum.read() + Vector::<f32, Const<4>>::cast_from(part.read()) * factor);
            part.store(Vector::<E, Const<4>>::new(E::from_int(0)));
        }
    }
}
