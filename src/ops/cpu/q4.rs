//! Products with q4 weights.

use super::dot::{BLOCK, BlockTile, Code, NIBBLE_OFFSET, STEP, TILE_ROWS, block_tiles};
use super::quantize::{Quantized, quantize};
use super::rows::for_blocks;
use super::{PANEL, ROWS};
use crate::model::quantize::{NIBBLE_ZERO, nibble};
use crate::ops::Gate;
use crate::ops::profile::{Part, time};

/// Bytes that two nibbles are told apart by: byte `i` and byte `i + 16` of a panel share one.
const PAIR: usize = 16;

/// Nibbles `[outputs, ⌈inputs / 2⌉]` (even input low) in panels like those of q8, two codes a byte, with a short block's rest
/// zero.
pub(crate) fn pack_q4(nibbles: &[u8], inputs: usize) -> Vec<u8> {
    let (bytes, padded) = (inputs.div_ceil(2), inputs.next_multiple_of(BLOCK));
    let outputs = nibbles.len() / bytes;
    let mut packed = Vec::with_capacity(outputs.next_multiple_of(PANEL) * padded / 2);
    let code = |output: usize, input: usize| match output < outputs && input < inputs {
        true => nibble(&nibbles[output * bytes..], input),
        false => NIBBLE_ZERO,
    };
    let mut panel = Vec::with_capacity(PANEL * padded);
    for first in (0..outputs).step_by(PANEL) {
        panel.clear();
        for step in 0..padded / STEP {
            for output in first..first + PANEL {
                panel.extend((step * STEP..(step + 1) * STEP).map(|input| code(output, input)));
            }
        }
        for pair in panel.chunks_exact(2 * PAIR) {
            packed.extend((0..PAIR).map(|i| pair[i] | (pair[i + PAIR] << 4)));
        }
    }
    packed
}

/// Scales `[outputs, ⌈inputs / 32⌉]` → `[outputs / PANEL, ⌈inputs / 32⌉, PANEL]`, zero where there is no output.
pub(crate) fn pack_scales(scales: &[f32], inputs: usize) -> Vec<f32> {
    let blocks = inputs.div_ceil(BLOCK);
    let outputs = scales.len() / blocks;
    let mut packed = Vec::with_capacity(outputs.next_multiple_of(PANEL) * blocks);
    for first in (0..outputs).step_by(PANEL) {
        for block in 0..blocks {
            packed.extend((first..first + PANEL).map(|output| match output < outputs {
                true => scales[output * blocks + block],
                false => 0.0,
            }));
        }
    }
    packed
}

/// Each output's sum of weights, of nibbles and scales as they are stored.
pub(crate) fn row_sums(nibbles: &[u8], scales: &[f32], inputs: usize) -> Vec<f32> {
    let zero = 2 * i32::from(NIBBLE_ZERO);
    let sum = |block: &[u8]| -> i32 {
        block.iter().map(|byte| i32::from(byte & 15) + i32::from(byte >> 4) - zero).sum()
    };
    let rows = nibbles.chunks_exact(inputs.div_ceil(2));
    rows.zip(scales.chunks_exact(inputs.div_ceil(BLOCK)))
        .map(|(codes, scales)| {
            codes
                .chunks(BLOCK / 2)
                .zip(scales)
                .map(|(block, scale)| scale * sum(block) as f32)
                .sum()
        })
        .collect()
}

/// The codes of a packed panel, [`NIBBLE_OFFSET`] too high.
fn unpack(packed: &[u8], panel: &mut [Code]) {
    let shift = 8 - NIBBLE_OFFSET;
    for (bytes, codes) in packed.chunks_exact(PAIR).zip(panel.chunks_exact_mut(2 * PAIR)) {
        for i in 0..PAIR {
            codes[i] = Code::from((bytes[i] & 15) as i8 - shift);
            codes[i + PAIR] = Code::from((bytes[i] >> 4) as i8 - shift);
        }
    }
}

/// `x` `[rows, inputs]` after `gate` → `[rows, outputs]`: `d · Σ_b scale_b · Σ a·q + c · Σ scale·q + bias`.
///
/// `scales` `[outputs / PANEL, ⌈inputs / 32⌉, PANEL]`; `sums` holds each output's `Σ scale·q`.
pub(crate) fn linear_q4(
    x: &[f32],
    equalizer: &[f32],
    packed: &[u8],
    [scales, sums, bias]: [&[f32]; 3],
    gate: Gate,
) -> Vec<f32> {
    let (inputs, outputs) = (equalizer.len(), sums.len());
    let padded = inputs.next_multiple_of(BLOCK);
    let tile = block_tiles();
    let width = inputs * gate.halves();
    let mut out = vec![0.0; x.len() / width * outputs];
    for_blocks(&mut out, outputs, ROWS, |first, out| {
        let rows = out.len() / outputs;
        let x = &x[first * width..(first + rows) * width];
        let quantized = time(Part::Quantize, || quantize(x, equalizer, gate, BLOCK));
        let mut codes: Vec<Code> = vec![0; padded * PANEL];
        let panels = packed.chunks_exact(padded * PANEL / 2);
        let scales = scales.chunks_exact(padded / BLOCK * PANEL);
        time(Part::Products, || {
            panels.zip(scales).enumerate().for_each(|(panel, (packed, scales))| {
                unpack(packed, &mut codes);
                let columns = panel * PANEL..outputs.min((panel + 1) * PANEL);
                let (sums, bias) = (&sums[columns.clone()], &bias[columns.clone()]);
                let write = |row: usize, values: &[f32; PANEL], out: &mut [f32]| {
                    let (step, middle) = (quantized.steps[row], quantized.middles[row]);
                    let out = &mut out[row * outputs + columns.start..][..sums.len()];
                    for (lane, out) in out.iter_mut().enumerate() {
                        *out = step * values[lane] + middle * sums[lane] + bias[lane];
                    }
                };
                multiply(&quantized, &codes, scales, tile, |row, values| write(row, values, out));
            })
        });
    });
    out
}

fn multiply(
    activations: &Quantized,
    panel: &[Code],
    scales: &[f32],
    tile: BlockTile,
    mut write: impl FnMut(usize, &[f32; PANEL]),
) {
    let (stride, blocks) = (activations.stride, activations.blocks);
    let mut values = [[0.0; PANEL]; TILE_ROWS];
    let groups = activations.codes.chunks(stride * TILE_ROWS);
    for (group, (rows, sums)) in groups.zip(activations.sums.chunks(blocks * TILE_ROWS)).enumerate()
    {
        tile(rows, stride, panel, sums, scales, &mut values);
        for (offset, values) in values[..rows.len() / stride].iter().enumerate() {
            write(group * TILE_ROWS + offset, values);
        }
    }
}
