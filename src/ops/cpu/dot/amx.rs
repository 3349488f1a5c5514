//! x86-64: AMX, whose tiles hold sixteen rows, a panel's block and all their products.
//!
//! The compiler has no names for these instructions yet: they are written out. Tiles are shaped for a panel's products and
//! released behind them, so nothing else on the thread sees them.

use core::arch::asm;
use core::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::sync::LazyLock;

use super::{BLOCK_ROWS, OUTPUTS, Panel, Rows, STEP};

/// Rows of a tile.
const ROWS: usize = 16;
/// Most inputs that a tile's row holds.
const INPUTS: usize = 64;

/// Whether the processor has tiles of bytes, and the system lets this process use them.
pub(super) fn is_usable() -> bool {
    static USABLE: LazyLock<bool> = LazyLock::new(|| is_there() && is_allowed());
    *USABLE
}

/// Where AVX-512 has been found, the processor says so.
fn is_there() -> bool {
    const TILES_AND_BYTES: u32 = 0b11 << 24;
    !cfg!(miri) && __cpuid_count(7, 0).edx & TILES_AND_BYTES == TILES_AND_BYTES
}

/// Asks Linux for the state of tiles, which it gives a process that asks: `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`.
#[cfg(target_os = "linux")]
fn is_allowed() -> bool {
    let mut answer: i64 = 158;
    // SAFETY: the call takes two numbers and touches no memory of ours.
    unsafe {
        asm!("syscall", inout("rax") answer, in("rdi") 0x1023, in("rsi") 18, out("rcx") _, out("r11") _, options(nostack));
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn is_allowed() -> bool {
    false
}

/// Whether a panel's products with these rows are for tiles.
pub(super) fn takes(rows: Rows<'_>) -> bool {
    rows.count >= ROWS && rows.block <= INPUTS
}

/// Only where [`is_usable`], of rows that it [`takes`].
pub(super) fn block_tile(rows: Rows<'_>, panel: Panel<'_>, out: &mut [[f32; OUTPUTS]; BLOCK_ROWS]) {
    let count = rows.with(&panel);
    assert!(takes(rows), "a tile is full");
    let shapes = Shapes::new(rows.block);
    // SAFETY: tiles are usable and of these shapes, and all is as long as was just asserted.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &shapes, options(nostack, preserves_flags));
        for first in (0..count).step_by(ROWS) {
            // The last tile takes some of the rows before it again.
            tile(rows, panel, first.min(count - ROWS), out);
        }
        asm!("tilerelease", options(nostack, preserves_flags));
    }
}

/// How large tiles are: 0 of sums, 1 of rows, 2 of a panel.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

impl Shapes {
    fn new(block: usize) -> Self {
        let mut shapes =
            Self { palette: 1, start: 0, reserved: [0; 14], bytes: [0; 16], rows: [0; 16] };
        let sides = [(ROWS, 4 * OUTPUTS), (ROWS, block), (block / STEP, STEP * OUTPUTS)];
        for (place, (rows, bytes)) in sides.into_iter().enumerate() {
            (shapes.rows[place], shapes.bytes[place]) = (rows as u8, bytes as u16);
        }
        shapes
    }
}

/// The exact sums of a block.
#[repr(C, align(64))]
struct Sums([[i32; OUTPUTS]; ROWS]);

/// # Safety
/// There must be a tile of rows from the first on, a panel of as many inputs, places for all, and AVX-512 with VNNI and AMX, shaped.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn tile(
    rows: Rows<'_>,
    panel: Panel<'_>,
    first: usize,
    out: &mut [[f32; OUTPUTS]; BLOCK_ROWS],
) {
    let Rows { blocks, block, .. } = rows;
    let mut exact = [const { MaybeUninit::<Sums>::uninit() }; 2];
    let mut totals = [_mm512_setzero_ps(); ROWS];
    // SAFETY: the caller's; the sums of a block are written before they are read.
    unsafe {
        let codes = rows.codes.as_ptr().add(first * blocks * block);
        for place in 0..=blocks {
            if place < blocks {
                let codes = codes.add(place * block);
                let panel = panel.codes.as_ptr().add(place * block * OUTPUTS);
                multiply(codes, blocks * block, panel, exact[place % 2].as_mut_ptr());
            }
            // These products are under way while those of the block before are scaled.
            let Some(place) = place.checked_sub(1) else {
                continue;
            };
            let sums: *const __m512i = exact[place % 2].as_ptr().cast();
            let taken = _mm512_loadu_si512(panel.sums.as_ptr().add(place * OUTPUTS).cast());
            let scale = _mm512_loadu_ps(panel.scales.as_ptr().add(place * OUTPUTS));
            for (row, total) in totals.iter_mut().enumerate() {
                let own = (first + row) * blocks + place;
                let zero = _mm512_set1_epi32(*rows.zeros.as_ptr().add(own));
                let step = _mm512_set1_ps(*rows.steps.as_ptr().add(own));
                // Both are within 16 bits, and the upper half of a zero's code is zero.
                let sum = _mm512_dpwssd_epi32(sums.add(row).read(), taken, zero);
                let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), step);
                *total = _mm512_add_ps(*total, _mm512_mul_ps(scaled, scale));
            }
        }
        for (row, total) in totals.into_iter().enumerate() {
            _mm512_storeu_ps(out.as_mut_ptr().add(first + row).cast(), total);
        }
    }
}

/// Writes the exact sums of a block of rows, `stride` apart, with a panel's.
///
/// # Safety
/// Both must be there, and tiles shaped for them.
#[inline(always)]
unsafe fn multiply(rows: *const i8, stride: usize, panel: *const i8, sums: *mut Sums) {
    // SAFETY: the caller's. The compiler uses no tiles itself.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tileloadd tmm1, [{rows} + {stride}]",
            "tileloadd tmm2, [{panel} + {line}]",
            "tdpbusd tmm0, tmm1, tmm2",
            "tilestored [{sums} + {line}], tmm0",
            rows = in(reg) rows,
            stride = in(reg) stride,
            panel = in(reg) panel,
            line = in(reg) STEP * OUTPUTS,
            sums = in(reg) sums,
            out("tmm0") _, out("tmm1") _, out("tmm2") _,
            options(nostack, preserves_flags),
        );
    }
}
