//! The definition, as a loop: for platforms without a version of their own, and for tests.
#![cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), allow(dead_code))]

use super::{BLOCK, BlockTile, Code, NIBBLE_OFFSET, PANEL, STEP, Tile, assert_blocks};

pub(in super::super) const TILE_ROWS: usize = 8;

pub(in super::super) fn tiles() -> Tile {
    |rows, stride, panel, out| {
        for (row, out) in rows.chunks_exact(stride).zip(out) {
            *out = sums(row, panel);
        }
    }
}

pub(in super::super) fn block_tiles() -> BlockTile {
    |rows, stride, panel, sums_of, scales, out| {
        assert_blocks(rows.len(), stride, panel, sums_of, scales);
        let blocks = stride / BLOCK;
        let each = rows.chunks_exact(stride).zip(sums_of.chunks_exact(blocks)).zip(out);
        for ((row, sums_of), out) in each {
            *out = [0.0; PANEL];
            let parts = row.chunks_exact(BLOCK).zip(panel.chunks_exact(BLOCK * PANEL));
            for ((part, sum_of), (scales, (row, panel))) in
                (0..blocks).zip(sums_of).zip(scales.chunks_exact(PANEL).zip(parts))
            {
                debug_assert!(part < blocks);
                let exact = sums(row, panel);
                for lane in 0..PANEL {
                    let sum = exact[lane] - i32::from(NIBBLE_OFFSET) * sum_of;
                    out[lane] += sum as f32 * scales[lane];
                }
            }
        }
    }
}

fn sums(row: &[i8], panel: &[Code]) -> [i32; PANEL] {
    let mut sums = [0; PANEL];
    for (activations, codes) in row.chunks_exact(STEP).zip(panel.chunks_exact(STEP * PANEL)) {
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
