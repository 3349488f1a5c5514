//! x86-64: AMX, else VNNI where there is one, AVX-512's before AVX's, else AVX2, else the plain loop.

use core::arch::x86_64::*;

use super::{
    BlockTile, Code, OUTPUTS, PANEL, Panel, Range, Rows, STEP, Tile, amx, entries, plain, with_rows,
};

pub(in super::super) const TILE_ROWS: usize = plain::TILE_ROWS;
/// So many that shaping AMX's tiles for them takes little of their time.
pub(in super::super) const BLOCK_ROWS: usize = 96;
/// Rows whose sums registers hold.
const SIDE_ROWS: usize = 12;
pub(in super::super) const FORMS: [&str; 1] = ["x86-64"];

/// An instruction set's way to multiply the four bytes of a step in each 32-bit lane of 256 bits and add them up, and to do so with two
/// steps, whose products may sum in 16 bits, in registers of its own width.
macro_rules! version {
    (
        $name:ident, $features:literal, $dot:expr, $two:expr, $vector:ty, $lanes:literal, $load:ident, $load_floats:ident,
        $store:ident, $zero:ident, $splat:ident, $splat_float:ident, $pairs:ident, $float:ident, $add:ident, $multiply:ident
    ) => {
        mod $name {
            use super::*;

            entries!(1 2 3 4 5 6 7 8 9 10 11 12);

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
                out: &mut [[f32; OUTPUTS]],
            ) {
                for first in (0..OUTPUTS).step_by($lanes) {
                    // SAFETY: the caller's, of some of the outputs.
                    unsafe { some_outputs::<M>(rows, panel, first, out) };
                }
            }

            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn some_outputs<const M: usize>(
                rows: Rows<'_>,
                panel: Panel<'_>,
                first: usize,
                out: &mut [[f32; OUTPUTS]],
            ) {
                let Rows { blocks, block, .. } = rows;
                let mut totals = [$zero(); M];
                for place in 0..blocks {
                    // SAFETY: `place` is within rows and panel, by the caller's assertion.
                    unsafe {
                        let codes = rows.codes.as_ptr().add(place * block);
                        let weights = panel.codes.as_ptr().add(place * block * OUTPUTS + first * STEP);
                        let taken = panel.sums.as_ptr().add(place * OUTPUTS + first).cast();
                        let taken = $load(taken);
                        let scale = $load_floats(panel.scales.as_ptr().add(place * OUTPUTS + first));
                        let mut sums = [taken; M];
                        for (row, sum) in sums.iter_mut().enumerate() {
                            let zero = *rows.zeros.as_ptr().add(row * blocks + place);
                            // Both are within 16 bits, and the upper half of a zero's code is zero.
                            *sum = $pairs($splat(zero), taken);
                        }
                        add_block::<M>(codes, blocks * block, weights, block / STEP, &mut sums);
                        for (row, (total, sum)) in totals.iter_mut().zip(sums).enumerate() {
                            let step = *rows.steps.as_ptr().add(row * blocks + place);
                            let scaled = $multiply($float(sum), $splat_float(step));
                            *total = $add(*total, $multiply(scaled, scale));
                        }
                    }
                }
                for (out, total) in out.iter_mut().zip(totals) {
                    // SAFETY: so many values are written to as many places.
                    unsafe { $store(out.as_mut_ptr().add(first), total) };
                }
            }

            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn add_block<const M: usize>(
                rows: *const i8,
                stride: usize,
                panel: *const i8,
                steps: usize,
                sums: &mut [$vector; M],
            ) {
                for step in (0..steps).step_by(2) {
                    // SAFETY: M rows and the panel have these two steps, by the caller's word.
                    unsafe {
                        let codes = [0, 1].map(|next| {
                            $load(panel.add((step + next) * STEP * OUTPUTS).cast())
                        });
                        for (row, sum) in sums.iter_mut().enumerate() {
                            let fours = rows.add(row * stride + step * STEP).cast::<i32>();
                            let fours = [0, 1].map(|next| $splat(fours.add(next).read_unaligned()));
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

/// [`version`] in registers of 256 bits.
macro_rules! version_256 {
    ($name:ident, $features:literal, $dot:expr, $two:expr) => {
        version!(
            $name,
            $features,
            $dot,
            $two,
            __m256i,
            8,
            _mm256_loadu_si256,
            _mm256_loadu_ps,
            _mm256_storeu_ps,
            _mm256_setzero_ps,
            _mm256_set1_epi32,
            _mm256_set1_ps,
            _mm256_madd_epi16,
            _mm256_cvtepi32_ps,
            _mm256_add_ps,
            _mm256_mul_ps
        );
    };
}

version_256!(
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
version_256!(
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
    "avx2,avx512f,avx512bw,avx512vl,avx512vnni",
    |sum, codes, four| _mm256_dpbusd_epi32(sum, codes, four),
    |sum, fours: [__m512i; 2], codes: [__m512i; 2]| {
        let first = _mm512_dpbusd_epi32(sum, fours[0], codes[0]);
        _mm512_dpbusd_epi32(first, fours[1], codes[1])
    },
    __m512i,
    16,
    _mm512_loadu_si512,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_setzero_ps,
    _mm512_set1_epi32,
    _mm512_set1_ps,
    _mm512_madd_epi16,
    _mm512_cvtepi32_ps,
    _mm512_add_ps,
    _mm512_mul_ps
);

/// The best instructions of a processor.
enum Best {
    Amx,
    Avx512,
    AvxVnni,
    Avx2,
    Plain,
}

fn best() -> Best {
    let avx512 = is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw");
    match is_x86_feature_detected!("avx2") {
        true if avx512 && amx::is_usable() => Best::Amx,
        true if avx512 => Best::Avx512,
        true if is_x86_feature_detected!("avxvnni") => Best::AvxVnni,
        true => Best::Avx2,
        false => Best::Plain,
    }
}

pub(in super::super) fn tiles() -> Tile {
    match best() {
        Best::Amx | Best::Avx512 => avx512_vnni::tile,
        Best::AvxVnni => avx_vnni::tile,
        Best::Avx2 => avx2::tile,
        Best::Plain => plain::tiles(),
    }
}

pub(in super::super) fn block_tiles(form: usize, range: Range) -> BlockTile {
    match best() {
        Best::Amx => tiles_or_vectors,
        Best::Avx512 => avx512_vnni::block_tile,
        Best::AvxVnni => avx_vnni::block_tile,
        Best::Avx2 => avx2::block_tile,
        Best::Plain => plain::block_tiles(form, range),
    }
}

/// By AMX, or by AVX-512's VNNI where rows do not fill a tile. Only where both are.
fn tiles_or_vectors(rows: Rows<'_>, panel: Panel<'_>, out: &mut [[f32; OUTPUTS]; BLOCK_ROWS]) {
    match amx::takes(rows) {
        true => amx::block_tile(rows, panel, out),
        false => avx512_vnni::block_tile(rows, panel, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::quantize::{Q4_BLOCK, Q8_BLOCK};
    use crate::random::SplitMix64;

    const BLOCKS: usize = 3;

    /// Bits of the products of some rows, the same for each form.
    fn products(tile: BlockTile, rows: usize, range: i8, block: usize) -> Vec<u32> {
        let mut random = SplitMix64(3);
        let mut below = |limit: u64| (random.next() % limit) as i32;
        let stride = BLOCKS * block;
        let codes: Vec<i8> = (0..rows * stride).map(|_| below(128) as i8).collect();
        let weights: Vec<i8> =
            (0..stride * OUTPUTS).map(|_| below(2 * range as u64 + 1) as i8 - range).collect();
        let steps: Vec<f32> = (0..rows * BLOCKS).map(|_| 0.01 * below(99) as f32).collect();
        let zeros: Vec<i32> = (0..rows * BLOCKS).map(|_| below(128)).collect();
        let scales: Vec<f32> = (0..OUTPUTS * BLOCKS).map(|_| 0.01 * below(99) as f32).collect();
        let sums: Vec<i32> = (0..OUTPUTS * BLOCKS).map(|_| below(8_001) - 4_000).collect();
        let rows_of = Rows {
            count: rows,
            codes: &codes,
            steps: &steps,
            zeros: &zeros,
            blocks: BLOCKS,
            block,
        };
        let panel = Panel { codes: &weights, scales: &scales, sums: &sums };
        let mut out = [[f32::NAN; OUTPUTS]; BLOCK_ROWS];
        tile(rows_of, panel, &mut out);
        assert!(out[rows..].as_flattened().iter().all(|value| value.is_nan()), "no other row");
        out[..rows].as_flattened().iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn every_form_gives_what_the_loop_gives() {
        let mut forms: Vec<BlockTile> = Vec::new();
        if is_x86_feature_detected!("avx2") {
            forms.push(avx2::block_tile);
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni") {
            forms.push(avx_vnni::block_tile);
        }
        if matches!(best(), Best::Amx | Best::Avx512) {
            forms.push(avx512_vnni::block_tile);
        }
        if matches!(best(), Best::Amx) {
            forms.push(tiles_or_vectors);
        }
        // Miri runs without it too.
        assert!(cfg!(miri) || !forms.is_empty(), "this test wants a processor with AVX2");
        let counts = (1..=SIDE_ROWS + 1).chain([16, 17, 40, BLOCK_ROWS - 1, BLOCK_ROWS]);
        // Miri is slow.
        let counts = counts.filter(|rows| !cfg!(miri) || [1, 2, SIDE_ROWS + 1].contains(rows));
        let kinds = [(63, Q8_BLOCK, Range::Q8), (8, Q4_BLOCK, Range::Q4)];
        let cases = counts.flat_map(|rows| kinds.map(|kind| (rows, kind)));
        for (rows, (range, block, kind)) in cases {
            let expected = products(plain::block_tiles(0, kind), rows, range, block);
            for form in &forms {
                assert_eq!(products(*form, rows, range, block), expected, "{rows} rows, {kind:?}");
            }
        }
    }
}
