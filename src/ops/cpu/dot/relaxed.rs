//! Relaxed SIMD's dot product of signed bytes with 7 bits. Within these ranges it is exact on every engine.

use core::arch::wasm32::*;

use super::{BLOCK, BlockTile, NIBBLE_OFFSET, PANEL, STEP, Tile, with_rows};

pub(in super::super) const TILE_ROWS: usize = 3;

pub(in super::super) fn tiles() -> Tile {
    |rows, stride, panel, out| {
        // The count of steps is passed at run time: unrolled loops run at half the speed in V8.
        let steps = panel.len() / (STEP * PANEL);
        assert!(stride >= steps * STEP, "each row has all inputs");
        with_rows!(rows.len() / stride, tile, (rows, stride, panel, steps, out), 1 2 3)
    }
}

pub(in super::super) fn block_tiles() -> BlockTile {
    |rows, stride, panel, sums, scales, out| {
        let blocks = stride / BLOCK;
        assert!(panel.len() >= stride * PANEL && scales.len() >= blocks * PANEL);
        assert!(sums.len() >= rows.len() / BLOCK);
        with_rows!(rows.len() / stride, block_tile, (rows, stride, panel, sums, scales, out), 1 2 3)
    }
}

#[target_feature(enable = "relaxed-simd")]
fn tile<const M: usize>(
    rows: &[i8],
    stride: usize,
    panel: &[u8],
    steps: usize,
    out: &mut [[i32; PANEL]; TILE_ROWS],
) {
    let mut sums = [[i32x4_splat(0); 2]; M];
    let ones = i16x8_splat(1);
    for step in 0..steps {
        // SAFETY: there are M rows of `stride` activations and a panel of `steps` steps, asserted by the caller.
        unsafe {
            let codes = panel.as_ptr().add(step * STEP * PANEL);
            let (low, high) = (v128_load(codes.cast()), v128_load(codes.add(16).cast()));
            for (row, sums) in sums.iter_mut().enumerate() {
                let four = v128_load32_splat(rows.as_ptr().add(row * stride + step * STEP).cast());
                let (a, b) = (
                    i16x8_relaxed_dot_i8x16_i7x16(four, low),
                    i16x8_relaxed_dot_i8x16_i7x16(four, high),
                );
                sums[0] = i32x4_add(sums[0], i32x4_dot_i16x8(a, ones));
                sums[1] = i32x4_add(sums[1], i32x4_dot_i16x8(b, ones));
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
    panel: &[u8],
    row_sums: &[i32],
    scales: &[f32],
    out: &mut [[f32; PANEL]; TILE_ROWS],
) {
    let blocks = stride / BLOCK;
    let ones = i16x8_splat(1);
    out.iter_mut().for_each(|row| *row = [0.0; PANEL]);
    for (block, scales) in scales.chunks_exact(PANEL).take(blocks).enumerate() {
        // A block's eight steps fit 16 bits: 8 · 2 · 127 · 15 = 30,480.
        let mut sums = [[i16x8_splat(0); 2]; M];
        let steps = BLOCK / STEP;
        for step in 0..steps {
            // SAFETY: `block` is within the rows and within the panel, asserted by the caller.
            unsafe {
                let codes = panel.as_ptr().add((block * steps + step) * STEP * PANEL);
                let (low, high) = (v128_load(codes.cast()), v128_load(codes.add(16).cast()));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let four = rows.as_ptr().add(row * stride + block * BLOCK + step * STEP);
                    let four = v128_load32_splat(four.cast());
                    sums[0] = i16x8_add(sums[0], i16x8_relaxed_dot_i8x16_i7x16(four, low));
                    sums[1] = i16x8_add(sums[1], i16x8_relaxed_dot_i8x16_i7x16(four, high));
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            let offset = i32x4_splat(i32::from(NIBBLE_OFFSET) * row_sums[row * blocks + block]);
            for (half, sum) in sums.into_iter().enumerate() {
                let exact = i32x4_sub(i32x4_dot_i16x8(sum, ones), offset);
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
