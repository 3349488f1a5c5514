//! Products of 16 bits.

use core::arch::wasm32::*;

use super::wasm::block_form;
use super::{BlockTile, Code, OUTPUTS, PANEL, Panel, Range, Rows, STEP, Tile, with_rows};

pub(in super::super) const TILE_ROWS: usize = 4;
pub(in super::super) const BLOCK_ROWS: usize = 3;
pub(in super::super) const FORMS: [&str; 1] = ["i32x4.dot_i16x8_s"];
const VECTORS: usize = OUTPUTS / 4;

pub(in super::super) fn tiles() -> Tile {
    |rows, stride, panel, out| {
        // The count of steps is passed at run time: unrolled loops run at half the speed in V8.
        let steps = panel.len() / (STEP * PANEL);
        assert!(stride >= steps * STEP, "each row has all inputs");
        with_rows!(rows.len() / stride, tile, (rows, stride, panel, steps, out), 1 2 3 4)
    }
}

pub(in super::super) fn block_tiles(_: usize, _: Range) -> BlockTile {
    block_tile
}

block_form!(block_tile, add_block);

/// # Safety
/// `rows` must point to M rows of `stride` activations with `STEP * steps` to be read in each, `panel` to `steps` steps.
#[inline(always)]
unsafe fn add_block<const M: usize>(
    rows: *const i16,
    stride: usize,
    panel: *const i16,
    steps: usize,
    mut sums: [[v128; VECTORS]; M],
) -> [[v128; VECTORS]; M] {
    for step in 0..steps {
        // SAFETY: as the function's.
        unsafe {
            let codes = panel.add(step * STEP * OUTPUTS);
            let codes: [v128; VECTORS] =
                std::array::from_fn(|i| v128_load(codes.add(i * 8).cast()));
            for (row, sums) in sums.iter_mut().enumerate() {
                let pair = v128_load32_splat(rows.add(row * stride + step * STEP).cast());
                for (sum, codes) in sums.iter_mut().zip(codes) {
                    *sum = i32x4_add(*sum, i32x4_dot_i16x8(pair, codes));
                }
            }
        }
    }
    sums
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
