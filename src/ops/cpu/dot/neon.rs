//! aarch64: `sdot` where there is one, else widening products. Codes below 128 are the same signed and unsigned.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{BlockTile, Code, OUTPUTS, PANEL, Panel, Range, Rows, STEP, Tile, entries, with_rows};

pub(in super::super) const TILE_ROWS: usize = 8;
pub(in super::super) const BLOCK_ROWS: usize = 8;
/// Rows whose sums registers hold.
const SIDE_ROWS: usize = BLOCK_ROWS;
pub(in super::super) const FORMS: [&str; 1] = ["NEON"];

/// The exact sums of a row with a panel's outputs.
type Sums = [int32x4_t; 2];

macro_rules! version {
    ($name:ident, $features:literal, $dot:path) => {
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
                for (out, [low, high]) in out.iter_mut().zip(sums) {
                    // SAFETY: eight values are written to eight places.
                    unsafe {
                        vst1q_s32(out.as_mut_ptr(), low);
                        vst1q_s32(out.as_mut_ptr().add(4), high);
                    }
                }
            }

            #[target_feature(enable = $features)]
            unsafe fn fixed_blocks<const M: usize>(
                rows: Rows<'_>,
                panel: Panel<'_>,
                out: &mut [[f32; OUTPUTS]],
            ) {
                let Rows { blocks, block, .. } = rows;
                let mut totals = [[vdupq_n_f32(0.0); 2]; M];
                for place in 0..blocks {
                    // SAFETY: `place` is within rows and panel, by the caller's assertion.
                    let sums = unsafe {
                        let panel = panel.codes.as_ptr().add(place * block * OUTPUTS);
                        let codes = rows.codes.as_ptr().add(place * block);
                        sums::<M>(codes, blocks * block, panel, block / STEP)
                    };
                    for (row, (totals, sums)) in totals.iter_mut().zip(sums).enumerate() {
                        let own = row * blocks + place;
                        let (zero, step) = (rows.zeros[own], rows.steps[own]);
                        for (half, (total, sum)) in totals.iter_mut().zip(sums).enumerate() {
                            let factors = place * OUTPUTS + half * 4..place * OUTPUTS + half * 4 + 4;
                            let (taken, scales) =
                                (&panel.sums[factors.clone()], &panel.scales[factors]);
                            // SAFETY: four values each.
                            unsafe {
                                let exact = vmlaq_n_s32(sum, vld1q_s32(taken.as_ptr()), zero);
                                let scaled = vmulq_n_f32(vcvtq_f32_s32(exact), step);
                                let scaled = vmulq_f32(scaled, vld1q_f32(scales.as_ptr()));
                                *total = vaddq_f32(*total, scaled);
                            }
                        }
                    }
                }
                for (out, [low, high]) in out.iter_mut().zip(totals) {
                    // SAFETY: eight values are written to eight places.
                    unsafe {
                        vst1q_f32(out.as_mut_ptr(), low);
                        vst1q_f32(out.as_mut_ptr().add(4), high);
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
            ) -> [Sums; M] {
                let mut sums = [[vdupq_n_s32(0); 2]; M];
                for step in 0..steps {
                    // SAFETY: M rows and the panel have this step, by the caller's word.
                    unsafe {
                        let codes = panel.add(step * STEP * PANEL);
                        let (low, high) = (vld1q_s8(codes), vld1q_s8(codes.add(16)));
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let four = rows.add(row * stride + step * STEP).cast::<i32>();
                            let four = vreinterpretq_s8_s32(vdupq_n_s32(four.read_unaligned()));
                            sums[0] = $dot(sums[0], low, four);
                            sums[1] = $dot(sums[1], high, four);
                        }
                    }
                }
                sums
            }
        }
    };
}

version!(dot, "neon,dotprod", sdot);
version!(widening, "neon", smull);

/// # Safety
/// The processor must have `dotprod`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn sdot(mut sum: int32x4_t, codes: int8x16_t, four: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction touches no memory. Its intrinsic is not stable.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum, a = in(vreg) codes, b = in(vreg) four,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// # Safety
/// None: NEON is there on every aarch64.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn smull(sum: int32x4_t, codes: int8x16_t, four: int8x16_t) -> int32x4_t {
    let low = vpaddlq_s16(vmull_s8(vget_low_s8(codes), vget_low_s8(four)));
    let high = vpaddlq_s16(vmull_high_s8(codes, four));
    vaddq_s32(sum, vpaddq_s32(low, high))
}

pub(in super::super) fn tiles() -> Tile {
    if std::arch::is_aarch64_feature_detected!("dotprod") { dot::tile } else { widening::tile }
}

pub(in super::super) fn block_tiles(_: usize, _: Range) -> BlockTile {
    match std::arch::is_aarch64_feature_detected!("dotprod") {
        true => dot::block_tile,
        false => widening::block_tile,
    }
}
