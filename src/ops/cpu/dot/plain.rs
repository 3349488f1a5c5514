//! The definition, as a loop: for platforms without a version of their own, and for tests.
#![cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), allow(dead_code))]

use super::{BlockTile, Code, OUTPUTS, Range, Rows, STEP, Tile};

pub(in super::super) const TILE_ROWS: usize = 8;
pub(in super::super) const BLOCK_ROWS: usize = 8;
/// Names of the forms of the byte product.
pub(in super::super) const FORMS: [&str; 1] = ["a loop"];

pub(in super::super) fn tiles() -> Tile {
    |rows, stride, panel, out| {
        for (row, out) in rows.chunks_exact(stride).zip(out) {
            *out = sums(row, panel);
        }
    }
}

pub(in super::super) fn block_tiles(_: usize, _: Range) -> BlockTile {
    |rows, panel, out| {
        let count = rows.with(&panel);
        let Rows { blocks, block, .. } = rows;
        for (row, out) in out.iter_mut().enumerate().take(count) {
            *out = [0.0; OUTPUTS];
            for place in 0..blocks {
                let own = row * blocks + place;
                let codes = &rows.codes[own * block..][..block];
                let exact: [i32; OUTPUTS] = sums(codes, &panel.codes[place * block * OUTPUTS..]);
                for lane in 0..OUTPUTS {
                    let factor = place * OUTPUTS + lane;
                    let sum = exact[lane] + rows.zeros[own] * panel.sums[factor];
                    out[lane] += sum as f32 * rows.steps[own] * panel.scales[factor];
                }
            }
        }
    }
}

fn sums<const N: usize>(row: &[i8], panel: &[Code]) -> [i32; N] {
    let mut sums = [0; N];
    for (activations, codes) in row.chunks_exact(STEP).zip(panel.chunks_exact(STEP * N)) {
        for (sum, codes) in sums.iter_mut().zip(codes.chunks_exact(STEP)) {
            *sum += activations
                .iter()
                .zip(codes)
                .map(|(&a, &code)| i32::from(a) * i32::from(code))
                .sum::<i32>();
        }
    }
    sums
}
