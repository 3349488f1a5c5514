//! Dot products of bytes, exact in 32 bits, by what the platform has.
//!
//! | platform | instruction |
//! | --- | --- |
//! | wasm simd128 | `i32x4.dot_i16x8_s` on widened bytes |
//! | wasm relaxed SIMD | `i32x4.relaxed_dot_i8x16_i7x16_add_s`, or `i16x8.relaxed_dot_i8x16_i7x16_s` with sums in 16 bits |
//! | x86-64 | AMX's `tdpbusd`, else `vpdpbusd` of AVX-512's VNNI or AVX's, else AVX2's `vpmaddubsw` with sums in 16 bits |
//! | aarch64 | `sdot`, else `smull` and `sadalp` |
//! | any other | a loop |
//!
//! A product of the encoder ([`BlockTile`]) is summed in blocks: activations of 7 bits, of which each row's block has a step and a
//! code for zero, times weights within [`Range`], of which each output's block has a scale. All agree bit for bit.
//!
//! The products of MaxSim ([`Tile`]) have signed activations and codes that are offset to 0..127 but on simd128; the activations'
//! sum times the offset is taken off afterwards. Signed bytes times 7 bits never leave 16 bits in pairs: no instruction saturates.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(all(target_arch = "aarch64", not(target_arch = "wasm32")))]
mod neon;
#[cfg(not(target_arch = "wasm32"))]
mod plain;
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
mod relaxed;
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
mod simd128;
#[cfg(target_arch = "wasm32")]
mod wasm;
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

pub(super) use platform::{BLOCK_ROWS, FORMS, TILE_ROWS, block_tiles, tiles};

use super::PANEL;

/// Pairs of 16 bits, which are widened at load and at quantization.
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
mod layout {
    pub(in super::super) type Activation = i16;
    pub(in super::super) const STEP: usize = 2;
    pub(in super::super) const OFFSET: i8 = 0;
    /// A code as it is stored: widened at load, which is a tenth faster than in the loop.
    pub(in super::super) type Code = i16;
}
#[cfg(not(all(target_arch = "wasm32", not(feature = "relaxed-simd"))))]
mod layout {
    /// An activation's code.
    pub(in super::super) type Activation = i8;
    /// Inputs that lie side by side in a panel.
    pub(in super::super) const STEP: usize = 4;
    /// What is added to a code of MaxSim.
    pub(in super::super) const OFFSET: i8 = 64;
    /// A code as it is stored.
    pub(in super::super) type Code = i8;
}
pub(super) use layout::{Activation, Code, OFFSET, STEP};

/// Outputs of the encoder's products that are computed side by side: in wasm as many as keep V8's fifteen registers full, on x86-64
/// a register of AVX-512.
pub(super) const OUTPUTS: usize = match () {
    () if cfg!(target_arch = "wasm32") => 12,
    () if cfg!(target_arch = "x86_64") => 16,
    () => 8,
};

/// `(rows of stride activations, stride, panel, out)`: for up to [`TILE_ROWS`] rows the exact sums of
/// activation times stored code with each of a panel's outputs.
pub(super) type Tile = fn(&[Activation], usize, &[Code], &mut [[i32; PANEL]; TILE_ROWS]);

/// How large weights are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// Within ±63: two steps sum in 16 bits.
    Q8,
    /// Within ±8: eight steps do.
    Q4,
}

/// Rows of activations, [`BLOCK_ROWS`] at most.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) count: usize,
    /// `[count, blocks · block]`.
    pub(super) codes: &'a [Activation],
    /// `[count, blocks]`, as `zeros`.
    pub(super) steps: &'a [f32],
    pub(super) zeros: &'a [i32],
    pub(super) blocks: usize,
    /// Inputs of a block.
    pub(super) block: usize,
}

/// Weights of [`OUTPUTS`] outputs.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    /// `[blocks · block / STEP, OUTPUTS, STEP]`.
    pub(super) codes: &'a [Code],
    /// `[blocks, OUTPUTS]`, as `sums`.
    pub(super) scales: &'a [f32],
    /// Less the sum of each block's codes.
    pub(super) sums: &'a [i32],
}

/// Each row's products with a panel: `Σ_b f32(z · sum_b + Σ a·q) · step_b · scale_b`, in order.
pub(super) type BlockTile = fn(Rows<'_>, Panel<'_>, &mut [[f32; OUTPUTS]; BLOCK_ROWS]);

impl Rows<'_> {
    /// Those from `first` on, at most `most`.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn some(self, first: usize, most: usize) -> Self {
        let count = most.min(self.count - first);
        let own = first * self.blocks..(first + count) * self.blocks;
        let codes = &self.codes[own.start * self.block..own.end * self.block];
        Self { count, codes, steps: &self.steps[own.clone()], zeros: &self.zeros[own], ..self }
    }

    /// Their number, where all is as long as it is said to be. A division here would cost as much as some of the products.
    ///
    /// # Panics
    /// If something is not.
    fn with(&self, panel: &Panel<'_>) -> usize {
        let Rows { count, codes, steps, zeros, blocks, block } = *self;
        assert!(block.is_multiple_of(8 * STEP), "steps are whole");
        assert_eq!(codes.len(), count * blocks * block, "rows have all inputs");
        assert!(steps.len() == count * blocks && zeros.len() == steps.len(), "blocks have both");
        assert_eq!(panel.codes.len(), blocks * block * OUTPUTS, "a panel has all inputs");
        assert_eq!(panel.scales.len(), blocks * OUTPUTS, "each block has its scales");
        assert_eq!(panel.sums.len(), panel.scales.len(), "each block has its sums");
        count
    }
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
            rows: Rows<'_>,
            panel: Panel<'_>,
            out: &mut [[f32; OUTPUTS]; BLOCK_ROWS],
        ) {
            let firsts = (0..rows.with(&panel)).step_by(SIDE_ROWS);
            for (first, out) in firsts.zip(out.chunks_mut(SIDE_ROWS)) {
                let rows = rows.some(first, SIDE_ROWS);
                // SAFETY: the features were found, and all are as long as was just asserted.
                unsafe { with_rows!(rows.count, fixed_blocks, (rows, panel, out), $($count)*) }
            }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use entries;
