//! x86-64: VNNI where there is one, else AVX2, else the plain loop.

use core::arch::x86_64::*;

use super::{
    BlockTile, Code, OUTPUTS, PANEL, Panel, Range, Rows, STEP, Tile, entries, plain, with_rows,
};

pub(in super::super) const TILE_ROWS: usize = plain::TILE_ROWS;
pub(in super::super) const BLOCK_ROWS: usize = plain::BLOCK_ROWS;
pub(in super::super) const FORMS: [&str; 1] = ["x86-64"];

/// An instruction set's way to multiply the four bytes of a step in each 32-bit lane and add them up, and to do so with two steps
/// whose products sum in 16 bits.
macro_rules! version {
    ($name:ident, $features:literal, $dot:expr, $two:expr) => {
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
                rows: Rows<'_>,
                panel: Panel<'_>,
                out: &mut [[f32; OUTPUTS]; BLOCK_ROWS],
            ) {
                let Rows { blocks, block, .. } = rows;
                let stride = blocks * block;
                let mut totals = [_mm256_setzero_ps(); M];
                for place in 0..blocks {
                    // SAFETY: `place` is within rows and panel, by the caller's assertion.
                    unsafe {
                        let codes = rows.codes.as_ptr().add(place * block);
                        let weights = panel.codes.as_ptr().add(place * block * OUTPUTS);
                        let taken = panel.sums.as_ptr().add(place * OUTPUTS).cast();
                        let taken = _mm256_loadu_si256(taken);
                        let scale = _mm256_loadu_ps(panel.scales.as_ptr().add(place * OUTPUTS));
                        let mut sums = [_mm256_setzero_si256(); M];
                        for (row, sum) in sums.iter_mut().enumerate() {
                            let zero = *rows.zeros.as_ptr().add(row * blocks + place);
                            // Both are within 16 bits, and the upper half of a zero's code is zero.
                            *sum = _mm256_madd_epi16(_mm256_set1_epi32(zero), taken);
                        }
                        add_block::<M>(codes, stride, weights, block / STEP, &mut sums);
                        for (row, (total, sum)) in totals.iter_mut().zip(sums).enumerate() {
                            let step = *rows.steps.as_ptr().add(row * blocks + place);
                            let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(step));
                            *total = _mm256_add_ps(*total, _mm256_mul_ps(scaled, scale));
                        }
                    }
                }
                for (out, total) in out.iter_mut().zip(totals) {
                    // SAFETY: eight values are written to eight places.
                    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), total) };
                }
            }

            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn add_block<const M: usize>(
                rows: *const i8,
                stride: usize,
                panel: *const i8,
                steps: usize,
                sums: &mut [__m256i; M],
            ) {
                for step in (0..steps).step_by(2) {
                    // SAFETY: M rows and the panel have these two steps, by the caller's word.
                    unsafe {
                        let codes = panel.add(step * STEP * OUTPUTS).cast::<__m256i>();
                        let codes = [0, 1].map(|next| _mm256_loadu_si256(codes.add(next)));
                        for (row, sum) in sums.iter_mut().enumerate() {
                            let fours = rows.add(row * stride + step * STEP).cast::<i32>();
                            let fours = [0, 1].map(|next| {
                                _mm256_set1_epi32(fours.add(next).read_unaligned())
                            });
                            *sum = $two(*sum, fours, codes);
                        }
                    }
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

version!(
    avx2,
    "avx2",
    |sum, codes, four| {
        let pairs = _mm256_maddubs_epi16(codes, four);
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    },
    |sum, fours: [__m256i; 2], codes: [__m256i; 2]| {
        let [first, second] = [0, 1].map(|i| _mm256_maddubs_epi16(fours[i], codes[i]));
        let pairs = _mm256_add_epi16(first, second);
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
);
version!(
    avx_vnni,
    "avx2,avxvnni",
    |sum, codes, four| _mm256_dpbusd_avx_epi32(sum, codes, four),
    |sum, fours: [__m256i; 2], codes: [__m256i; 2]| {
        let first = _mm256_dpbusd_avx_epi32(sum, fours[0], codes[0]);
        _mm256_dpbusd_avx_epi32(first, fours[1], codes[1])
    }
);
version!(
    avx512_vnni,
    "avx2,avx512vl,avx512vnni",
    |sum, codes, four| _mm256_dpbusd_epi32(sum, codes, four),
    |sum, fours: [__m256i; 2], codes: [__m256i; 2]| {
        let first = _mm256_dpbusd_epi32(sum, fours[0], codes[0]);
        _mm256_dpbusd_epi32(first, fours[1], codes[1])
    }
);

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

pub(in super::super) fn block_tiles(form: usize, range: Range) -> BlockTile {
    match features() {
        [true, ..] => avx_vnni::block_tile,
        [_, true, _] => avx512_vnni::block_tile,
        [_, _, true] => avx2::block_tile,
        _ => plain::block_tiles(form, range),
    }
}
