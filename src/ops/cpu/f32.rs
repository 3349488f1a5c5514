//! Products with f32 weights, each summed over its inputs in order.
//!
//! | platform | instructions |
//! | --- | --- |
//! | wasm | simd128, with relaxed SIMD its multiply and add |
//! | x86-64 | AVX-512, else AVX2 with FMA |
//! | aarch64 | NEON |
//! | any other | a loop |
//!
//! With its weight a value is multiplied and added in one rounding where the platform has an instruction for that. So the embeddings of an
//! f32 model are the same bits on all processors that have it, natively, and differ in the last places from those of others and of wasm;
//! those of q8 and q4 are the same everywhere: in attention, and all else that every model needs, no two roundings are joined.

#[cfg(not(target_arch = "wasm32"))]
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(not(any(target_arch = "wasm32", target_arch = "x86_64")))]
use plain as platform;
#[cfg(target_arch = "x86_64")]
use x86 as platform;

use platform::{TILE_PANELS, TILE_ROWS, tile};

use super::pointwise;
use super::rows::for_blocks;
use super::{PANEL, ROWS};
use crate::ops::Gate;
use crate::ops::profile::{Part, time};

/// Values `[outputs, inputs]` in panels: `[outputs / PANEL, inputs, PANEL]`, zero where there is no output.
pub(crate) fn pack_f32(values: &[f32], inputs: usize) -> Vec<f32> {
    let outputs = values.len() / inputs;
    let mut packed = Vec::with_capacity(outputs.next_multiple_of(PANEL) * inputs);
    for first in (0..outputs).step_by(PANEL) {
        for input in 0..inputs {
            packed.extend((first..first + PANEL).map(|output| match output < outputs {
                true => values[output * inputs + input],
                false => 0.0,
            }));
        }
    }
    packed
}

/// `x` `[rows, inputs]` → `[rows, outputs]`: `gate(x) · Wᵀ + bias`.
pub(crate) fn linear_f32(
    x: &[f32],
    inputs: usize,
    packed: &[f32],
    bias: &[f32],
    gate: Gate,
) -> Vec<f32> {
    let outputs = bias.len();
    let width = inputs * gate.halves();
    let mut out = bias.repeat(x.len() / width);
    for_blocks(&mut out, outputs, ROWS, |first, out| {
        let rows = out.len() / outputs;
        let from = x[first * width..(first + rows) * width].chunks_exact(width);
        let mut x = vec![0.0; rows * inputs];
        time(Part::Quantize, || {
            let each = from.zip(x.chunks_exact_mut(inputs));
            each.for_each(|(from, x)| pointwise::apply(gate, from, x));
        });
        time(Part::Products, || {
            let whole = outputs / PANEL * PANEL;
            let (panels, last) = packed.split_at(whole * inputs);
            multiply_into::<true>(&x, Panels::of(panels, inputs), out, outputs);
            if whole < outputs {
                let columns = out.chunks_exact_mut(outputs).map(|row| &mut row[whole..]);
                add_last(&x, Panels::of(last, inputs), columns);
            }
        });
    });
    out
}

/// Adds the products with a panel that has fewer outputs than others.
fn add_last<'a>(x: &[f32], panel: Panels<'_>, out: impl Iterator<Item = &'a mut [f32]>) {
    let mut values = vec![0.0; x.len() / panel.inputs * PANEL];
    multiply_into::<true>(x, panel, &mut values, PANEL);
    for (out, values) in out.zip(values.chunks_exact(PANEL)) {
        out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
    }
}

/// Some panels, `apart` values each from the next.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) values: &'a [f32],
    pub(super) inputs: usize,
    pub(super) apart: usize,
}

impl<'a> Panels<'a> {
    /// That follow each other.
    pub(super) fn of(values: &'a [f32], inputs: usize) -> Self {
        Self { values, inputs, apart: inputs * PANEL }
    }

    fn count(self) -> usize {
        self.values.len().div_ceil(self.apart)
    }

    /// At most [`TILE_PANELS`] from the one at `first` on.
    fn group(self, first: usize) -> Self {
        let count = TILE_PANELS.min(self.count() - first);
        let end = (first + count - 1) * self.apart + self.inputs * PANEL;
        Self { values: &self.values[first * self.apart..end], ..self }
    }
}

/// Products of `[rows, inputs]` with one panel, handed to `write` row by row; see [`multiply_into`].
pub(super) fn multiply<const FUSED: bool>(
    x: &[f32],
    inputs: usize,
    panel: &[f32],
    mut write: impl FnMut(usize, &[f32; PANEL]),
) {
    let panel = Panels::of(&panel[..inputs * PANEL], inputs);
    let mut values = [0.0; PANEL * TILE_ROWS];
    for (group, rows) in x.chunks(inputs * TILE_ROWS).enumerate() {
        values.fill(0.0);
        tile::<FUSED>(rows, panel, &mut values, PANEL);
        let values = &values.as_chunks::<PANEL>().0[..rows.len() / inputs];
        for (offset, values) in values.iter().enumerate() {
            write(group * TILE_ROWS + offset, values);
        }
    }
}

/// Products of `[rows, inputs]` with some panels, into [`PANEL`] columns of `out` for each, whose rows are `stride` apart.
///
/// `FUSED` products may round once where the platform multiplies and adds in one, and are added to what is in `out`, which is the bias
/// of a product with weights; the others are the same everywhere, and in place of what was there.
pub(super) fn multiply_into<const FUSED: bool>(
    x: &[f32],
    panels: Panels<'_>,
    out: &mut [f32],
    stride: usize,
) {
    for first in (0..panels.count()).step_by(TILE_PANELS) {
        let group = panels.group(first);
        let rows = x.chunks(panels.inputs * TILE_ROWS);
        for (rows, out) in rows.zip(out[first * PANEL..].chunks_mut(stride * TILE_ROWS)) {
            tile::<FUSED>(rows, group, out, stride);
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod platform {
    use core::arch::wasm32::*;

    use super::{PANEL, Panels};

    pub(super) const TILE_ROWS: usize = 4;
    pub(super) const TILE_PANELS: usize = 1;

    pub(super) fn tile<const FUSED: bool>(
        rows: &[f32],
        Panels { values: panel, inputs, .. }: Panels<'_>,
        out: &mut [f32],
        stride: usize,
    ) {
        let count = rows.len() / inputs;
        assert!(count > 0, "there is a row");
        assert!(panel.len() >= inputs * PANEL, "a panel has all inputs");
        assert!(out.len() >= (count - 1) * stride + PANEL, "there is a place for each row");
        match count {
            1 => fixed::<FUSED, 1>(rows, inputs, panel, out, stride),
            2 => fixed::<FUSED, 2>(rows, inputs, panel, out, stride),
            3 => fixed::<FUSED, 3>(rows, inputs, panel, out, stride),
            4 => fixed::<FUSED, 4>(rows, inputs, panel, out, stride),
            other => unreachable!("a tile of {other} rows"),
        }
    }

    /// `sum + x · weight`, rounded once where that is allowed and the module has an instruction for it.
    #[inline]
    #[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
    fn add<const FUSED: bool>(sum: v128, x: v128, weight: v128) -> v128 {
        #[cfg(feature = "relaxed-simd")]
        if FUSED {
            return f32x4_relaxed_madd(x, weight, sum);
        }
        f32x4_add(sum, f32x4_mul(x, weight))
    }

    #[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
    fn fixed<const FUSED: bool, const M: usize>(
        rows: &[f32],
        inputs: usize,
        panel: &[f32],
        out: &mut [f32],
        stride: usize,
    ) {
        let mut sums = [[f32x4_splat(0.0); 2]; M];
        if FUSED {
            for (row, [low, high]) in sums.iter_mut().enumerate() {
                // SAFETY: there are eight places for each of the M rows, asserted by the caller.
                unsafe {
                    let out = out.as_ptr().add(row * stride);
                    (*low, *high) = (v128_load(out.cast()), v128_load(out.add(4).cast()));
                }
            }
        }
        for input in 0..inputs {
            // SAFETY: there are M rows of `inputs` values and a panel of as many, asserted by the caller.
            unsafe {
                let weights = panel.as_ptr().add(input * PANEL);
                let (low, high) = (v128_load(weights.cast()), v128_load(weights.add(4).cast()));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = v128_load32_splat(rows.as_ptr().add(row * inputs + input).cast());
                    sums[0] = add::<FUSED>(sums[0], x, low);
                    sums[1] = add::<FUSED>(sums[1], x, high);
                }
            }
        }
        for (row, [low, high]) in sums.into_iter().enumerate() {
            // SAFETY: there are eight places for each of the M rows, asserted by the caller.
            unsafe {
                let out = out.as_mut_ptr().add(row * stride);
                v128_store(out.cast(), low);
                v128_store(out.add(4).cast(), high);
            }
        }
    }
}
