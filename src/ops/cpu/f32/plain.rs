//! The definition, as loops that the compiler turns into vector instructions.
#![cfg_attr(target_arch = "x86_64", allow(dead_code))]

use super::{PANEL, Panels};

pub(super) const TILE_ROWS: usize = 8;
pub(super) const TILE_PANELS: usize = 1;

pub(super) fn tile<const FUSED: bool>(
    rows: &[f32],
    panels: Panels<'_>,
    out: &mut [f32],
    stride: usize,
) {
    for (place, panel) in panels.values.chunks(panels.apart).enumerate() {
        let panel = &panel[..panels.inputs * PANEL];
        let groups = rows.chunks(panels.inputs * TILE_ROWS);
        for (rows, out) in groups.zip(out[place * PANEL..].chunks_mut(stride * TILE_ROWS)) {
            by_rows::<FUSED>(rows, panels.inputs, panel, out, stride);
        }
    }
}

fn by_rows<const FUSED: bool>(
    rows: &[f32],
    inputs: usize,
    panel: &[f32],
    out: &mut [f32],
    stride: usize,
) {
    match rows.len() / inputs {
        1 => fixed::<FUSED, 1>(rows, inputs, panel, out, stride),
        2 => fixed::<FUSED, 2>(rows, inputs, panel, out, stride),
        3 => fixed::<FUSED, 3>(rows, inputs, panel, out, stride),
        4 => fixed::<FUSED, 4>(rows, inputs, panel, out, stride),
        5 => fixed::<FUSED, 5>(rows, inputs, panel, out, stride),
        6 => fixed::<FUSED, 6>(rows, inputs, panel, out, stride),
        7 => fixed::<FUSED, 7>(rows, inputs, panel, out, stride),
        8 => fixed::<FUSED, 8>(rows, inputs, panel, out, stride),
        other => unreachable!("a tile of {other} rows"),
    }
}

fn fixed<const FUSED: bool, const M: usize>(
    rows: &[f32],
    inputs: usize,
    panel: &[f32],
    out: &mut [f32],
    stride: usize,
) {
    assert!(rows.len() >= M * inputs && panel.len() >= inputs * PANEL);
    let mut sums = [[0.0f32; PANEL]; M];
    if FUSED {
        let each = sums.iter_mut().zip(out.chunks(stride));
        each.for_each(|(sums, out)| sums.copy_from_slice(&out[..PANEL]));
    }
    for (input, weights) in panel.as_chunks::<PANEL>().0[..inputs].iter().enumerate() {
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: M rows of `inputs` values were just asserted; a check here costs as much as the product.
            let x = unsafe { *rows.get_unchecked(row * inputs + input) };
            for (sum, weight) in sums.iter_mut().zip(weights) {
                // One instruction on every aarch64, a call where there is none.
                *sum = match FUSED && cfg!(target_arch = "aarch64") {
                    true => x.mul_add(*weight, *sum),
                    false => *sum + x * weight,
                };
            }
        }
    }
    for (out, sums) in out.chunks_mut(stride).zip(&sums) {
        out[..PANEL].copy_from_slice(sums);
    }
}
