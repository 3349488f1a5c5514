//! Products with q8 weights.

use super::dot::{Code, OFFSET, STEP, TILE_ROWS, Tile, tiles};
use super::quantize::{Quantized, quantize};
use super::rows::for_blocks;
use super::{PANEL, ROWS};
use crate::ops::Gate;
use crate::ops::profile::{Part, time};

/// Codes `[outputs, inputs]` in panels: `[outputs / PANEL, inputs / STEP, PANEL, STEP]` of [`Code`], zero
/// where there is no output or input, [`OFFSET`] added to each.
pub(crate) fn pack_q8(codes: &[i8], inputs: usize) -> Vec<u8> {
    let outputs = codes.len() / inputs;
    let steps = inputs.div_ceil(STEP);
    let mut packed =
        Vec::with_capacity(outputs.next_multiple_of(PANEL) * steps * STEP * size_of::<Code>());
    for first in (0..outputs).step_by(PANEL) {
        for step in 0..steps {
            for output in first..first + PANEL {
                for input in step * STEP..(step + 1) * STEP {
                    let inside = output < outputs && input < inputs;
                    let code = if inside { codes[output * inputs + input] } else { 0 };
                    packed.extend(Code::from(code.wrapping_add(OFFSET)).to_ne_bytes());
                }
            }
        }
    }
    packed
}

/// `x` `[rows, inputs]` after `gate` → `[rows, outputs]`: `scale · (d · Σ a·q + c · Σ q) + bias`.
///
/// `sums` holds each output's `Σ q`.
pub(crate) fn linear_q8(
    x: &[f32],
    equalizer: &[f32],
    packed: &[u8],
    [scales, sums, bias]: [&[f32]; 3],
    gate: Gate,
) -> Vec<f32> {
    let (inputs, outputs) = (equalizer.len(), scales.len());
    let (tiles, packed) = (tiles(), bytemuck::cast_slice::<u8, Code>(packed));
    let width = inputs * gate.halves();
    let mut out = vec![0.0; x.len() / width * outputs];
    for_blocks(&mut out, outputs, ROWS, |first, out| {
        let rows = out.len() / outputs;
        let x = &x[first * width..(first + rows) * width];
        let block = inputs.next_multiple_of(STEP);
        let quantized = time(Part::Quantize, || quantize(x, equalizer, gate, block));
        let panel_size = quantized.stride * PANEL;
        let panels = packed.chunks_exact(panel_size).enumerate();
        time(Part::Products, || {
            panels.for_each(|(panel, codes)| {
                let columns = panel * PANEL..outputs.min((panel + 1) * PANEL);
                let scales = Scales {
                    scales: &scales[columns.clone()],
                    sums: &sums[columns.clone()],
                    bias: &bias[columns.clone()],
                };
                scales.write(&quantized, codes, tiles, out, outputs, columns.start);
            })
        });
    });
    out
}

/// What turns a panel's exact sums into outputs.
struct Scales<'a> {
    scales: &'a [f32],
    sums: &'a [f32],
    bias: &'a [f32],
}

impl Scales<'_> {
    fn write(
        &self,
        activations: &Quantized,
        panel: &[Code],
        tile: Tile,
        out: &mut [f32],
        outputs: usize,
        column: usize,
    ) {
        let stride = activations.stride;
        let mut exact = [[0i32; PANEL]; TILE_ROWS];
        for (group, rows) in activations.codes.chunks(stride * TILE_ROWS).enumerate() {
            tile(rows, stride, panel, &mut exact);
            for (offset, exact) in exact[..rows.len() / stride].iter().enumerate() {
                let row = group * TILE_ROWS + offset;
                let (step, middle) = (activations.steps[row], activations.middles[row]);
                let correction = i32::from(OFFSET) * activations.sums[row];
                let out = &mut out[row * outputs + column..][..self.scales.len()];
                for (lane, out) in out.iter_mut().enumerate() {
                    let sum = (exact[lane] - correction) as f32;
                    *out = (step * sum + middle * self.sums[lane]) * self.scales[lane]
                        + self.bias[lane];
                }
            }
        }
    }
}
