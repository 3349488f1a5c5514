//! Relaxed SIMD's dot product of signed bytes with 7 bits. Within these ranges it is exact on every engine.
//!
//! Into 32 bits it is one instruction where the processor has VNNI or `sdot`, and three elsewhere; there the one into 16 bits, which
//! has room for several steps, is the faster form.

use core::arch::wasm32::*;

use super::wasm::block_form;
use super::{BlockTile, Code, OUTPUTS, PANEL, Panel, Range, Rows, STEP, Tile, with_rows};

pub(in super::super) const TILE_ROWS: usize = 4;
pub(in super::super) const BLOCK_ROWS: usize = 3;
/// The first is used until it is known which is faster: most processors of phones and laptops have its instruction.
pub(in super::super) const FORMS: [&str; 2] =
    ["i32x4.relaxed_dot_i8x16_i7x16_add_s", "i16x8.relaxed_dot_i8x16_i7x16_s"];
const VECTORS: usize = OUTPUTS / 4;

pub(in super::super) fn tiles() -> Tile {
    |rows, stride, panel, out| {
        // The count of steps is passed at run time: unrolled loops run at half the speed in V8.
        let steps = panel.len() / (STEP * PANEL);
        assert!(stride >= steps * STEP, "each row has all inputs");
        with_rows!(rows.len() / stride, tile, (rows, stride, panel, steps, out), 1 2 3 4)
    }
}

pub(in super::super) fn block_tiles(form: usize, range: Range) -> BlockTile {
    match (form, range) {
        (0, _) => at_once,
        (_, Range::Q8) => by_two,
        (_, Range::Q4) => by_eight,
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

block_form!(at_once, add_at_once, "relaxed-simd");
block_form!(by_two, add_by_two, "relaxed-simd");
block_form!(by_eight, add_by_eight, "relaxed-simd");

/// # Safety
/// As [`add_by_two`].
#[inline]
#[target_feature(enable = "relaxed-simd")]
unsafe fn add_at_once<const M: usize>(
    rows: *const i8,
    stride: usize,
    panel: *const i8,
    steps: usize,
    mut sums: [[v128; VECTORS]; M],
) -> [[v128; VECTORS]; M] {
    for step in 0..steps {
        // SAFETY: as the function's.
        unsafe {
            let codes = vectors(panel, step);
            for (row, sums) in sums.iter_mut().enumerate() {
                let four = v128_load32_splat(rows.add(row * stride + step * STEP).cast());
                for (sum, codes) in sums.iter_mut().zip(codes) {
                    *sum = i32x4_relaxed_dot_i8x16_i7x16_add(codes, four, *sum);
                }
            }
        }
    }
    sums
}

/// # Safety
/// `rows` must point to M rows of `stride` activations with `STEP * steps` to be read in each, `panel` to `steps` steps, an even
/// number.
#[inline]
#[target_feature(enable = "relaxed-simd")]
unsafe fn add_by_two<const M: usize>(
    rows: *const i8,
    stride: usize,
    panel: *const i8,
    steps: usize,
    mut sums: [[v128; VECTORS]; M],
) -> [[v128; VECTORS]; M] {
    let ones = i16x8_splat(1);
    for pair in 0..steps / 2 {
        // SAFETY: as the function's.
        unsafe {
            let (first, second) = (vectors(panel, 2 * pair), vectors(panel, 2 * pair + 1));
            for (row, sums) in sums.iter_mut().enumerate() {
                let fours = rows.add(row * stride + 2 * pair * STEP);
                let four = v128_load32_splat(fours.cast());
                let next = v128_load32_splat(fours.add(STEP).cast());
                for (vector, sum) in sums.iter_mut().enumerate() {
                    let two = i16x8_add(
                        i16x8_relaxed_dot_i8x16_i7x16(first[vector], four),
                        i16x8_relaxed_dot_i8x16_i7x16(second[vector], next),
                    );
                    *sum = i32x4_add(*sum, i32x4_dot_i16x8(two, ones));
                }
            }
        }
    }
    sums
}

/// # Safety
/// As [`add_by_two`]; the steps must be eight.
#[inline]
#[target_feature(enable = "relaxed-simd")]
unsafe fn add_by_eight<const M: usize>(
    rows: *const i8,
    stride: usize,
    panel: *const i8,
    steps: usize,
    mut sums: [[v128; VECTORS]; M],
) -> [[v128; VECTORS]; M] {
    let mut narrow = [[i16x8_splat(0); VECTORS]; M];
    for step in 0..steps {
        // SAFETY: as the function's.
        unsafe {
            let codes = vectors(panel, step);
            for (row, narrow) in narrow.iter_mut().enumerate() {
                let four = v128_load32_splat(rows.add(row * stride + step * STEP).cast());
                for (sum, codes) in narrow.iter_mut().zip(codes) {
                    *sum = i16x8_add(*sum, i16x8_relaxed_dot_i8x16_i7x16(codes, four));
                }
            }
        }
    }
    let ones = i16x8_splat(1);
    for (sum, narrow) in sums.iter_mut().flatten().zip(narrow.into_iter().flatten()) {
        *sum = i32x4_add(*sum, i32x4_dot_i16x8(narrow, ones));
    }
    sums
}

/// A step of a panel.
///
/// # Safety
/// `panel` must point to more than `step` steps.
#[inline(always)]
unsafe fn vectors(panel: *const i8, step: usize) -> [v128; VECTORS] {
    // SAFETY: as the function's.
    std::array::from_fn(|i| unsafe { v128_load(panel.add(step * STEP * OUTPUTS + i * 16).cast()) })
}
