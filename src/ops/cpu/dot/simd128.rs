//! Products of 16 bits: four rows and eight outputs keep V8's fifteen registers full.

use core::arch::wasm32::*;

use super::{BLOCK, BlockTile, Code, PANEL, STEP, Tile, assert_blocks, with_rows};

pub(in super::super) const TILE_ROWS: usize = 4;

pub(in super::super) fn tiles() -> Tile {
    |rows, stride, panel, out| {
        // The count of steps is passed at run time: unrolled loops run at half the speed in V8.
        let steps = panel.len() / (STEP * PANEL);
        assert!(stride >= steps * STEP, "each row has all inputs");
        with_rows!(rows.len() / stride, tile, (rows, stride, panel, steps, out), 1 2 3 4)
    }
}

pub(in super::super) fn block_tiles() -> BlockTile {
    |rows, stride, panel, sums, scales, out| {
        assert_blocks(rows.len(), stride, panel, sums, scales);
        with_rows!(rows.len() / stride, block_tile, (rows, stride, panel, scales, out), 1 2 3 4)
    }
}

// Apart: within a larger function V8 has fewer registers for it.
#[inline(never)]
fn tile<const M: usize>(
    rows: &[i16],
    stride: usize,
    panel: &[Code],
    steps: usize,
    out: &mut [[i32; PANEL]; TILE_ROWS],
) {
    // SAFETY: there are M rows of `stride` activations and a panel of `steps` steps, asserted by the caller.
    let sums = unsafe { sums::<M>(rows.as_ptr(), stride, panel.as_ptr(), steps) };
    for (out, [low, high]) in out.iter_mut().zip(sums) {
        // SAFETY: eight values are written to eight places.
        unsafe {
            v128_store(out.as_mut_ptr().cast(), low);
            v128_store(out.as_mut_ptr().add(4).cast(), high);
        }
    }
}

fn block_tile<const M: usize>(
    rows: &[i16],
    stride: usize,
    panel: &[Code],
    scales: &[f32],
    out: &mut [[f32; PANEL]; TILE_ROWS],
) {
    // Not as a constant: an unrolled loop is slower in V8.
    let steps = panel.len() / (stride / BLOCK * STEP * PANEL);
    out.iter_mut().for_each(|row| *row = [0.0; PANEL]);
    for (block, scales) in scales.chunks_exact(PANEL).take(stride / BLOCK).enumerate() {
        // SAFETY: `block` is within the rows and within the panel, asserted by the caller.
        let sums = unsafe {
            let panel = panel.as_ptr().add(block * BLOCK * PANEL);
            sums::<M>(rows.as_ptr().add(block * BLOCK), stride, panel, steps)
        };
        for (out, sums) in out.iter_mut().zip(sums) {
            for (half, sum) in sums.into_iter().enumerate() {
                let (out, scales) = (&mut out[half * 4..], &scales[half * 4..half * 4 + 4]);
                // SAFETY: four values each.
                unsafe {
                    let scaled =
                        f32x4_mul(f32x4_convert_i32x4(sum), v128_load(scales.as_ptr().cast()));
                    let total = f32x4_add(v128_load(out.as_ptr().cast()), scaled);
                    v128_store(out.as_mut_ptr().cast(), total);
                }
            }
        }
    }
}

/// # Safety
/// `rows` must point to M rows of `stride` activations with `STEP * steps` to be read in each, `panel` to `steps` steps.
#[inline(always)]
unsafe fn sums<const M: usize>(
    rows: *const i16,
    stride: usize,
    panel: *const i16,
    steps: usize,
) -> [[v128; 2]; M] {
    let mut sums = [[i32x4_splat(0); 2]; M];
    for step in 0..steps {
        // SAFETY: as the function's.
        unsafe {
            let codes = panel.add(step * STEP * PANEL);
            let (low, high) = (v128_load(codes.cast()), v128_load(codes.add(8).cast()));
            for (row, sums) in sums.iter_mut().enumerate() {
                let pair = v128_load32_splat(rows.add(row * stride + step * STEP).cast());
                sums[0] = i32x4_add(sums[0], i32x4_dot_i16x8(pair, low));
                sums[1] = i32x4_add(sums[1], i32x4_dot_i16x8(pair, high));
            }
        }
    }
    sums
}
