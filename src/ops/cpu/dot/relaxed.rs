//! Relaxed SIMD's dot product of signed bytes with 7 bits. Within these ranges it is exact on every engine, and one
//! instruction where the processor has VNNI or `sdot`.

use core::arch::wasm32::*;

use super::{BLOCK, BlockTile, Code, NIBBLE_OFFSET, PANEL, STEP, Tile, assert_blocks, with_rows};

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
        with_rows!(rows.len() / stride, block_tile, (rows, stride, panel, sums, scales, out), 1 2 3 4)
    }
}

// Apart: within a larger function V8 has fewer registers for it.
#[inline(never)]
#[target_feature(enable = "relaxed-simd")]
fn tile<const M: usize>(
    rows: &[i8],
    stride: usize,
    panel: &[Code],
    steps: usize,
    out: &mut [[i32; PANEL]; TILE_ROWS],
) {
    let mut sums = [[i32x4_splat(0); 2]; M];
    for step in 0..steps {
        // SAFETY: there are M rows of `stride` activations and a panel of `steps` steps, asserted by the caller.
        unsafe {
            let codes = panel.as_ptr().add(step * STEP * PANEL);
            let (low, high) = (v128_load(codes.cast()), v128_load(codes.add(16).cast()));
            for (row, sums) in sums.iter_mut().enumerate() {
                let four = v128_load32_splat(rows.as_ptr().add(row * stride + step * STEP).cast());
                sums[0] = i32x4_relaxed_dot_i8x16_i7x16_add(four, low, sums[0]);
                sums[1] = i32x4_relaxed_dot_i8x16_i7x16_add(four, high, sums[1]);
            }
        }
    }
    for (out, [low, high]) in out.iter_mut().zip(sums) {
        // SAFETY: eight values are written to eight places.
        unsafe {
            v128_store(out.as_mut_ptr().cast(), low);
            v128_store(out.as_mut_ptr().add(4).cast(), high);
        }
    }
}

#[target_feature(enable = "relaxed-simd")]
fn block_tile<const M: usize>(
    rows: &[i8],
    stride: usize,
    panel: &[Code],
    row_sums: &[i32],
    scales: &[f32],
    out: &mut [[f32; PANEL]; TILE_ROWS],
) {
    let blocks = stride / BLOCK;
    // Not as a constant: an unrolled loop is slower in V8.
    let steps = panel.len() / (blocks * STEP * PANEL);
    out.iter_mut().for_each(|row| *row = [0.0; PANEL]);
    for (block, scales) in scales.chunks_exact(PANEL).take(blocks).enumerate() {
        let mut sums = [[i32x4_splat(0); 2]; M];
        for step in 0..steps {
            // SAFETY: `block` is within the rows and within the panel, asserted by the caller.
            unsafe {
                let codes = panel.as_ptr().add((block * steps + step) * STEP * PANEL);
                let (low, high) = (v128_load(codes.cast()), v128_load(codes.add(16).cast()));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let four = rows.as_ptr().add(row * stride + block * BLOCK + step * STEP);
                    let four = v128_load32_splat(four.cast());
                    sums[0] = i32x4_relaxed_dot_i8x16_i7x16_add(four, low, sums[0]);
                    sums[1] = i32x4_relaxed_dot_i8x16_i7x16_add(four, high, sums[1]);
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            let offset = i32x4_splat(i32::from(NIBBLE_OFFSET) * row_sums[row * blocks + block]);
            for (half, sum) in sums.into_iter().enumerate() {
                let exact = i32x4_sub(sum, offset);
                let (out, scales) = (&mut out[row][half * 4..], &scales[half * 4..half * 4 + 4]);
                // SAFETY: four values each.
                unsafe {
                    let scaled =
                        f32x4_mul(f32x4_convert_i32x4(exact), v128_load(scales.as_ptr().cast()));
                    let total = f32x4_add(v128_load(out.as_ptr().cast()), scaled);
                    v128_store(out.as_mut_ptr().cast(), total);
                }
            }
        }
    }
}
