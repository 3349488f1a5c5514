//! x86-64: VNNI where there is one, else AVX2, else the plain loop.

use core::arch::x86_64::*;

use super::{
    BLOCK, BlockTile, Code, NIBBLE_OFFSET, PANEL, STEP, Tile, assert_blocks, entries, plain,
    with_rows,
};

pub(in super::super) const TILE_ROWS: usize = plain::TILE_ROWS;

/// An instruction set's way to multiply the four bytes of a step in each 32-bit lane and add them up.
macro_rules! version {
    ($name:ident, $features:literal, $dot:expr) => {
        mod $name {
            use super::*;

            entries!(1 2 3 4 5 6 7 8);

            #[target_feature(enable = $features)]
            unsafe fn fixed<const M: usize>(
                rows: &[i8],
                stride: usize,
                panel: &[Code],
                steps: usize,
                out: &mut [[i32; PANEL]; TILE_ROWS],
            ) {
                // SAFETY: the caller's.
                let sums = unsafe { sums::<M>(rows.as_ptr(), stride, panel.as_ptr(), steps) };
                for (out, sum) in out.iter_mut().zip(sums) {
                    // SAFETY: eight values are written to eight places.
                    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), sum) };
                }
            }

            #[target_feature(enable = $features)]
            unsafe fn fixed_blocks<const M: usize>(
                rows: &[i8],
                stride: usize,
                panel: &[Code],
                row_sums: &[i32],
                scales: &[f32],
                out: &mut [[f32; PANEL]; TILE_ROWS],
            ) {
                let blocks = stride / BLOCK;
                let mut totals = [_mm256_setzero_ps(); M];
                for block in 0..blocks {
                    // SAFETY: `block` is within rows, panel and scales, by the caller's assertion.
                    let (sums, scale) = unsafe {
                        let panel = panel.as_ptr().add(block * BLOCK * PANEL);
                        let rows = rows.as_ptr().add(block * BLOCK);
                        let scale = _mm256_loadu_ps(scales.as_ptr().add(block * PANEL));
                        (sums::<M>(rows, stride, panel, BLOCK / STEP), scale)
                    };
                    for (row, (total, sum)) in totals.iter_mut().zip(sums).enumerate() {
                        let offset = i32::from(NIBBLE_OFFSET) * row_sums[row * blocks + block];
                        let exact = _mm256_sub_epi32(sum, _mm256_set1_epi32(offset));
                        let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(exact), scale);
                        *total = _mm256_add_ps(*total, scaled);
                    }
                }
                for (out, total) in out.iter_mut().zip(totals) {
                    // SAFETY: eight values are written to eight places.
                    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), total) };
                }
            }

            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn sums<const M: usize>(
                rows: *const i8,
                stride: usize,
                panel: *const i8,
                steps: usize,
            ) -> [__m256i; M] {
                let mut sums = [_mm256_setzero_si256(); M];
                for step in 0..steps {
                    // SAFETY: M rows and the panel have this step, by the caller's word.
                    unsafe {
                        let codes = _mm256_loadu_si256(panel.add(step * STEP * PANEL).cast());
                        for (row, sum) in sums.iter_mut().enumerate() {
                            let four = rows.add(row * stride + step * STEP).cast::<i32>();
                            let four = _mm256_set1_epi32(four.read_unaligned());
                            *sum = $dot(*sum, codes, four);
                        }
                    }
                }
                sums
            }
        }
    };
}

version!(avx2, "avx2", |sum, codes, four| {
    let pairs = _mm256_maddubs_epi16(codes, four);
    _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
});
version!(avx_vnni, "avx2,avxvnni", |sum, codes, four| _mm256_dpbusd_avx_epi32(sum, codes, four));
version!(avx512_vnni, "avx2,avx512vl,avx512vnni", |sum, codes, four| _mm256_dpbusd_epi32(
    sum, codes, four
));

/// Whether the processor has what the versions with VNNI need, AVX's and AVX-512's, and what the plain AVX2 one needs.
fn features() -> [bool; 3] {
    let avx2 = is_x86_feature_detected!("avx2");
    let avx512 = is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl");
    [avx2 && is_x86_feature_detected!("avxvnni"), avx2 && avx512, avx2]
}

pub(in super::super) fn tiles() -> Tile {
    match features() {
        [true, ..] => avx_vnni::tile,
        [_, true, _] => avx512_vnni::tile,
        [_, _, true] => avx2::tile,
        _ => plain::tiles(),
    }
}

pub(in super::super) fn block_tiles() -> BlockTile {
    match features() {
        [true, ..] => avx_vnni::block_tile,
        [_, true, _] => avx512_vnni::block_tile,
        [_, _, true] => avx2::block_tile,
        _ => plain::block_tiles(),
    }
}
