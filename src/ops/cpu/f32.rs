//! Products with f32 weights.

use super::pointwise;
use super::rows::for_blocks;
use super::{PANEL, ROWS};
use crate::ops::Gate;
use crate::ops::profile::{Part, time};

#[cfg(target_arch = "wasm32")]
const TILE_ROWS: usize = 4;
#[cfg(not(target_arch = "wasm32"))]
const TILE_ROWS: usize = 8;

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
    let mut out = vec![0.0; x.len() / width * outputs];
    for_blocks(&mut out, outputs, ROWS, |first, out| {
        let rows = out.len() / outputs;
        let from = x[first * width..(first + rows) * width].chunks_exact(width);
        let mut x = vec![0.0; rows * inputs];
        time(Part::Quantize, || {
            let each = from.zip(x.chunks_exact_mut(inputs));
            each.for_each(|(from, x)| pointwise::apply(gate, from, x));
        });
        let panels = packed.chunks_exact(inputs * PANEL).enumerate();
        time(Part::Products, || {
            panels.for_each(|(panel, weights)| {
                let columns = panel * PANEL..outputs.min((panel + 1) * PANEL);
                let bias = &bias[columns.clone()];
                multiply::<true>(&x, inputs, weights, |row, values| {
                    let out = &mut out[row * outputs + columns.start..][..bias.len()];
                    for (out, (value, bias)) in out.iter_mut().zip(values.iter().zip(bias)) {
                        *out = value + bias;
                    }
                });
            })
        });
    });
    out
}

/// Products of `[rows, inputs]` with one panel, handed to `write` row by row.
///
/// `FUSED` products may round once where the platform multiplies and adds in one; the others are the same
/// everywhere.
pub(super) fn multiply<const FUSED: bool>(
    x: &[f32],
    inputs: usize,
    panel: &[f32],
    mut write: impl FnMut(usize, &[f32; PANEL]),
) {
    let mut values = [0.0; PANEL * TILE_ROWS];
    for (group, rows) in x.chunks(inputs * TILE_ROWS).enumerate() {
        tile::<FUSED>(rows, inputs, panel, &mut values, PANEL);
        let values = &values.as_chunks::<PANEL>().0[..rows.len() / inputs];
        for (offset, values) in values.iter().enumerate() {
            write(group * TILE_ROWS + offset, values);
        }
    }
}

/// As [`multiply`], into [`PANEL`] columns of `out`, whose rows are `stride` apart.
pub(super) fn multiply_into<const FUSED: bool>(
    x: &[f32],
    inputs: usize,
    panel: &[f32],
    out: &mut [f32],
    stride: usize,
) {
    for (rows, out) in x.chunks(inputs * TILE_ROWS).zip(out.chunks_mut(stride * TILE_ROWS)) {
        tile::<FUSED>(rows, inputs, panel, out, stride);
    }
}

use platform::tile;

#[cfg(target_arch = "wasm32")]
mod platform {
    use core::arch::wasm32::*;

    use super::PANEL;

    pub(super) fn tile<const FUSED: bool>(
        rows: &[f32],
        inputs: usize,
        panel: &[f32],
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

#[cfg(not(target_arch = "wasm32"))]
mod platform {
    use super::PANEL;

    pub(super) fn tile<const FUSED: bool>(
        rows: &[f32],
        inputs: usize,
        panel: &[f32],
        out: &mut [f32],
        stride: usize,
    ) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were just found.
            return unsafe { with_avx::<FUSED>(rows, inputs, panel, out, stride) };
        }
        by_rows(rows, inputs, panel, out, stride, |a, b, sum| sum + a * b);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn with_avx<const FUSED: bool>(
        rows: &[f32],
        inputs: usize,
        panel: &[f32],
        out: &mut [f32],
        stride: usize,
    ) {
        if FUSED {
            by_rows(rows, inputs, panel, out, stride, f32::mul_add);
        } else {
            by_rows(rows, inputs, panel, out, stride, |a, b, sum| sum + a * b);
        }
    }

    #[inline(always)]
    fn by_rows(
        rows: &[f32],
        inputs: usize,
        panel: &[f32],
        out: &mut [f32],
        stride: usize,
        add: impl Fn(f32, f32, f32) -> f32,
    ) {
        match rows.len() / inputs {
            1 => fixed::<1>(rows, inputs, panel, out, stride, add),
            2 => fixed::<2>(rows, inputs, panel, out, stride, add),
            3 => fixed::<3>(rows, inputs, panel, out, stride, add),
            4 => fixed::<4>(rows, inputs, panel, out, stride, add),
            5 => fixed::<5>(rows, inputs, panel, out, stride, add),
            6 => fixed::<6>(rows, inputs, panel, out, stride, add),
            7 => fixed::<7>(rows, inputs, panel, out, stride, add),
            8 => fixed::<8>(rows, inputs, panel, out, stride, add),
            other => unreachable!("a tile of {other} rows"),
        }
    }

    #[inline(always)]
    fn fixed<const M: usize>(
        rows: &[f32],
        inputs: usize,
        panel: &[f32],
        out: &mut [f32],
        stride: usize,
        add: impl Fn(f32, f32, f32) -> f32,
    ) {
        assert!(rows.len() >= M * inputs && panel.len() >= inputs * PANEL);
        let mut sums = [[0.0f32; PANEL]; M];
        for (input, weights) in panel.as_chunks::<PANEL>().0[..inputs].iter().enumerate() {
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: M rows of `inputs` values were just asserted; a check here costs as much as the product.
                let x = unsafe { *rows.get_unchecked(row * inputs + input) };
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum = add(x, *weight, *sum);
                }
            }
        }
        for (out, sums) in out.chunks_mut(stride).zip(&sums) {
            out[..PANEL].copy_from_slice(sums);
        }
    }
}
