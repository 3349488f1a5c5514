//! Dot products of bytes, exact in 32 bits, by what the platform has.
//!
//! | platform | instruction | codes |
//! | --- | --- | --- |
//! | wasm simd128 | `i32x4.dot_i16x8_s` on widened bytes | as they are |
//! | wasm relaxed SIMD | `i32x4.relaxed_dot_i8x16_i7x16_add_s` | 0..127 |
//! | x86-64 | VNNI's `vpdpbusd`, else AVX2's `vpmaddubsw` | 0..127 |
//! | aarch64 | `sdot`, else `smull` and `sadalp` | 0..127 |
//! | any other | a loop | 0..127 |
//!
//! Where codes are offset, the activations' sum times the offset is taken off afterwards, so that all agree bit
//! for bit. Signed bytes times 7 bits never leave 16 bits in pairs: no instruction saturates.

#[cfg(all(target_arch = "aarch64", not(target_arch = "wasm32")))]
mod neon;
#[cfg(not(target_arch = "wasm32"))]
mod plain;
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
mod relaxed;
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
mod simd128;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(all(target_arch = "aarch64", not(target_arch = "wasm32")))]
use neon as platform;
#[cfg(not(any(target_arch = "wasm32", target_arch = "x86_64", target_arch = "aarch64")))]
use plain as platform;
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
use relaxed as platform;
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
use simd128 as platform;
#[cfg(target_arch = "x86_64")]
use x86 as platform;

pub(super) use platform::{TILE_ROWS, block_tiles, tiles};

use super::PANEL;

/// Pairs of 16 bits, which are widened at load and at quantization.
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
mod layout {
    pub(in super::super) type Activation = i16;
    pub(in super::super) const STEP: usize = 2;
    pub(in super::super) const OFFSET: i8 = 0;
    pub(in super::super) const NIBBLE_OFFSET: i8 = 0;
    /// A q8 code as it is stored: widened at load, which is a tenth faster than in the loop.
    pub(in super::super) type Code = i16;
}
#[cfg(not(all(target_arch = "wasm32", not(feature = "relaxed-simd"))))]
mod layout {
    /// An activation's code.
    pub(in super::super) type Activation = i8;
    /// Inputs that lie side by side in a panel.
    pub(in super::super) const STEP: usize = 4;
    /// What is added to a q8 code.
    pub(in super::super) const OFFSET: i8 = 64;
    /// What is added to a q4 code.
    pub(in super::super) const NIBBLE_OFFSET: i8 = 8;
    /// A q8 code as it is stored.
    pub(in super::super) type Code = i8;
}
pub(super) use layout::{Activation, Code, NIBBLE_OFFSET, OFFSET, STEP};

/// Inputs that share a q4 scale.
pub(super) const BLOCK: usize = crate::model::quantize::BLOCK;

/// `(rows of stride activations, stride, panel, out)`: for up to [`TILE_ROWS`] rows the exact sums of
/// activation times stored code with each of a panel's outputs.
pub(super) type Tile = fn(&[Activation], usize, &[Code], &mut [[i32; PANEL]; TILE_ROWS]);

/// `(rows, stride, panel, block sums of each row, scales of each block, out)`: as [`Tile`], but each block's exact sum
/// is freed of [`NIBBLE_OFFSET`], multiplied by its scale and added up in f32, in order.
pub(super) type BlockTile =
    fn(&[Activation], usize, &[Code], &[i32], &[f32], &mut [[f32; PANEL]; TILE_ROWS]);

/// What the block tiles read: whole blocks, with a panel, a sum for each row and scales for each of them.
fn assert_blocks(rows: usize, stride: usize, panel: &[Code], sums: &[i32], scales: &[f32]) {
    assert!(stride > 0 && stride.is_multiple_of(BLOCK), "blocks are whole");
    assert!(rows.is_multiple_of(stride), "rows are whole");
    assert_eq!(panel.len(), stride * PANEL, "a panel has all inputs");
    assert_eq!(sums.len(), rows / BLOCK, "each block of a row has its sum");
    assert_eq!(scales.len(), stride / BLOCK * PANEL, "each block has its scales");
}

/// Calls `$function::<rows>` with the number of rows as a constant.
macro_rules! with_rows {
    ($rows:expr, $function:ident, $arguments:tt, $($count:literal)*) => {
        match $rows {
            $($count => $function::<$count> $arguments,)*
            other => unreachable!("a tile of {other} rows"),
        }
    };
}
pub(super) use with_rows;

/// The safe `tile` and `block_tile` of a version with the unsafe `fixed` and `fixed_blocks`, which take the number of rows
/// as a constant. Only for a version whose instructions the processor has.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! entries {
    ($($count:literal)*) => {
        pub(super) fn tile(
            rows: &[i8],
            stride: usize,
            panel: &[Code],
            out: &mut [[i32; PANEL]; TILE_ROWS],
        ) {
            let steps = panel.len() / (STEP * PANEL);
            assert!(stride >= steps * STEP, "each row has all inputs");
            // SAFETY: the features were found. As many whole rows as are passed on are there, each with the inputs of all
            // steps; the panel is as long as its steps by their definition.
            unsafe {
                with_rows!(rows.len() / stride, fixed, (rows, stride, panel, steps, out), $($count)*)
            }
        }

        pub(super) fn block_tile(
            rows: &[i8],
            stride: usize,
            panel: &[Code],
            sums: &[i32],
            scales: &[f32],
            out: &mut [[f32; PANEL]; TILE_ROWS],
        ) {
            assert_blocks(rows.len(), stride, panel, sums, scales);
            // SAFETY: the features were found, and all are as long as just asserted.
            unsafe {
                with_rows!(rows.len() / stride, fixed_blocks, (rows, stride, panel, sums, scales, out), $($count)*)
            }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use entries;
