//! aarch64: `sdot` where there is one, else widening products. Codes below 128 are the same signed and unsigned.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{
    BLOCK, BlockTile, Code, NIBBLE_OFFSET, PANEL, STEP, Tile, assert_blocks, entries, with_rows,
};

pub(in super::super) const TILE_ROWS: usize = 8;

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
                rows: &[i8],
                stride: usize,
                panel: &[Code],
                row_sums: &[i32],
                scales: &[f32],
                out: &mut [[f32; PANEL]; TILE_ROWS],
            ) {
                let blocks = stride / BLOCK;
                out.iter_mut().for_each(|row| *row = [0.0; PANEL]);
                for block in 0..blocks {
                    // SAFETY: `block` is within rows and panel, by the caller's assertion.
                    let sums = unsafe {
                        let panel = panel.as_ptr().add(block * BLOCK * PANEL);
                        sums::<M>(rows.as_ptr().add(block * BLOCK), stride, panel, BLOCK / STEP)
                    };
                    for (row, sums) in sums.into_iter().enumerate() {
                        let offset = i32::from(NIBBLE_OFFSET) * row_sums[row * blocks + block];
                        for (half, sum) in sums.into_iter().enumerate() {
                            let scales = &scales[block * PANEL + half * 4..][..4];
                            let out = &mut out[row][half * 4..][..4];
                            let exact = vsubq_s32(sum, vdupq_n_s32(offset));
                            // SAFETY: four values each.
                            unsafe {
                                let scaled =
                                    vmulq_f32(vcvtq_f32_s32(exact), vld1q_f32(scales.as_ptr()));
                                let total = vaddq_f32(vld1q_f32(out.as_ptr()), scaled);
                                vst1q_f32(out.as_mut_ptr(), total);
                            }
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

pub(in super::super) fn block_tiles() -> BlockTile {
    match std::arch::is_aarch64_feature_detected!("dotprod") {
        true => dot::block_tile,
        false => widening::block_tile,
    }
}
