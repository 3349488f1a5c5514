//! By 128 bits.

use core::arch::wasm32::*;

use super::*;

/// Largest magnitude, and the sum of squares, which is not finite if a value is not.
pub(in super::super) fn extent(row: &[f32]) -> [f32; 2] {
    let (mut most, mut squares) = ([f32x4_splat(0.0); 2], [f32x4_splat(0.0); 2]);
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for half in 0..2 {
            // SAFETY: there are eight values.
            let values = unsafe { v128_load(chunk.as_ptr().add(half * 4).cast()) };
            most[half] = f32x4_pmax(most[half], f32x4_abs(values));
            squares[half] = f32x4_add(squares[half], f32x4_mul(values, values));
        }
    }
    let [last, last_squares] = rest::extent(rest);
    let [most, squares] = [f32x4_pmax(most[0], most[1]), f32x4_add(squares[0], squares[1])];
    [larger(last, across(most, larger)), last_squares + across(squares, add)]
}

fn across(lanes: v128, fold: impl Fn(f32, f32) -> f32) -> f32 {
    let low = fold(f32x4_extract_lane::<0>(lanes), f32x4_extract_lane::<2>(lanes));
    fold(low, fold(f32x4_extract_lane::<1>(lanes), f32x4_extract_lane::<3>(lanes)))
}

/// A bit for each lane whose similarity, which may be off by `slack`, may be the least or larger.
#[inline(always)]
pub(in super::super) fn near(similarities: &[f32; PANEL], slack: f32, least: &[f32; PANEL]) -> u32 {
    let slack = f32x4_splat(slack);
    let four = |first: usize| {
        // SAFETY: there are four of each.
        let (similarities, least) = unsafe {
            let similarities = similarities.as_ptr().add(first).cast();
            (v128_load(similarities), v128_load(least.as_ptr().add(first).cast()))
        };
        u32::from(i32x4_bitmask(f32x4_ge(f32x4_add(similarities, slack), least)))
    };
    four(0) | four(4) << 4
}

/// What four values round to.
#[inline]
#[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
fn rounded(values: v128, inverse: v128) -> v128 {
    let magic = f32x4_splat(ROUND);
    #[cfg(feature = "relaxed-simd")]
    let shifted = f32x4_relaxed_madd(values, inverse, magic);
    #[cfg(not(feature = "relaxed-simd"))]
    let shifted = f32x4_add(f32x4_mul(values, inverse), magic);
    i32x4_sub(shifted, i32x4_splat(ROUND.to_bits() as i32))
}

/// Writes the codes.
#[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
pub(in super::super) fn encode(row: &[f32], inverse: f32, codes: &mut [Activation]) -> Totals {
    let (chunks, rest) = row.as_chunks::<16>();
    let (places, last) = codes.as_chunks_mut::<16>();
    let (mut totals, factor) = ([i32x4_splat(0); 3], f32x4_splat(inverse));
    for (chunk, place) in chunks.iter().zip(places) {
        let values = chunk.as_ptr().cast::<v128>();
        // SAFETY: there are sixteen values.
        let [a, b, c, d] = unsafe { [0, 1, 2, 3].map(|quarter| v128_load(values.add(quarter))) };
        let low = i16x8_narrow_i32x4(rounded(a, factor), rounded(b, factor));
        let high = i16x8_narrow_i32x4(rounded(c, factor), rounded(d, factor));
        totals = store(low, high, place, totals);
    }
    let [sum, squares, sizes] = totals;
    let [sums, squares] = both(halved(sum, squares));
    let totals = Totals { sum: sums, squares, largest: largest(sizes) };
    totals.and(rest::encode(rest, inverse, last))
}

/// The sums of [`SIDE`] rows of codes one after another, and of their squares, in which -128 may count as -127.
#[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
pub(in super::super) fn totals(rows: &[i8]) -> [Totals; SIDE] {
    let inputs = rows.len() / SIDE;
    let mut totals = [[i32x4_splat(0); 2]; SIDE];
    for first in (0..inputs / 16 * 16).step_by(16) {
        for (row, totals) in totals.iter_mut().enumerate() {
            // SAFETY: sixteen of a row's inputs.
            let codes = unsafe { v128_load(rows.as_ptr().add(row * inputs + first).cast()) };
            *totals = added(codes, *totals);
        }
    }
    let four = |of: usize| {
        let [a, b, c, d] = totals.map(|totals| totals[of]);
        let (a, c) = (halved(a, b), halved(c, d));
        i32x4_add(i32x4_shuffle::<0, 1, 4, 5>(a, c), i32x4_shuffle::<2, 3, 6, 7>(a, c))
    };
    let [sums, squares] = [four(0), four(1)].map(lanes);
    std::array::from_fn(|row| {
        let totals = Totals { sum: sums[row], squares: squares[row], largest: 0 };
        totals.and(rest::totals(&rows[row * inputs..][inputs / 16 * 16..inputs]))
    })
}

/// Two sums of halves of each: `[a0 + a2, b0 + b2, a1 + a3, b1 + b3]`.
#[inline(always)]
fn halved(a: v128, b: v128) -> v128 {
    i32x4_add(i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b))
}

/// The sums of what [`halved`] made.
#[inline(always)]
fn both(halves: v128) -> [i32; 2] {
    let sums = i32x4_add(halves, i64x2_shuffle::<1, 0>(halves, halves));
    [i32x4_extract_lane::<0>(sums), i32x4_extract_lane::<1>(sums)]
}

fn lanes(lanes: v128) -> [i32; 4] {
    let mut out = [0; 4];
    // SAFETY: there are four places.
    unsafe { v128_store(out.as_mut_ptr().cast(), lanes) };
    out
}

#[cfg(feature = "relaxed-simd")]
mod bytes {
    use super::*;

    /// Writes sixteen codes, and takes them into sums, sums of squares and magnitudes.
    #[inline]
    #[target_feature(enable = "relaxed-simd")]
    pub(super) fn store(
        low: v128,
        high: v128,
        places: &mut [i8; 16],
        [sums, squares, largest]: [v128; 3],
    ) -> [v128; 3] {
        let codes = i8x16_narrow_i16x8(low, high);
        // SAFETY: there are sixteen places.
        unsafe { v128_store(places.as_mut_ptr().cast(), codes) };
        let [sums, squares] = added(codes, [sums, squares]);
        [sums, squares, u8x16_max(largest, i8x16_abs(codes))]
    }

    #[inline]
    #[target_feature(enable = "relaxed-simd")]
    pub(super) fn added(codes: v128, [sums, squares]: [v128; 2]) -> [v128; 2] {
        // In 7 bits.
        let sizes = i8x16_abs(i8x16_max(codes, i8x16_splat(-127)));
        [
            i32x4_relaxed_dot_i8x16_i7x16_add(codes, i8x16_splat(1), sums),
            i32x4_relaxed_dot_i8x16_i7x16_add(sizes, sizes, squares),
        ]
    }

    /// Of bytes.
    pub(super) fn largest(sizes: v128) -> u32 {
        let sizes = u16x8_max(u16x8_extend_low_u8x16(sizes), u16x8_extend_high_u8x16(sizes));
        let sizes = u32x4_max(u32x4_extend_low_u16x8(sizes), u32x4_extend_high_u16x8(sizes));
        lanes(sizes).into_iter().fold(0, |most, size| most.max(size as u32))
    }

    /// Codes as the products take them.
    pub(in super::super::super) fn widened<'c>(
        codes: &'c [i8],
        _: &'c mut [Activation],
    ) -> &'c [Activation] {
        codes
    }
}
#[cfg(feature = "relaxed-simd")]
pub(in super::super) use bytes::widened;
#[cfg(feature = "relaxed-simd")]
use bytes::{added, largest, store};

#[cfg(not(feature = "relaxed-simd"))]
mod pairs {
    use super::*;

    /// Writes sixteen codes, and takes them into sums of squares and magnitudes; without an offset their sum is of no use.
    #[inline]
    pub(super) fn store(
        low: v128,
        high: v128,
        places: &mut [i16; 16],
        [sums, squares, largest]: [v128; 3],
    ) -> [v128; 3] {
        let out = places.as_mut_ptr().cast::<v128>();
        // SAFETY: there are sixteen places.
        unsafe {
            v128_store(out, low);
            v128_store(out.add(1), high);
        }
        let more = u16x8_max(i16x8_abs(low), i16x8_abs(high));
        [sums, square(low, high, squares), u16x8_max(largest, more)]
    }

    #[inline]
    pub(super) fn added(codes: v128, [sums, squares]: [v128; 2]) -> [v128; 2] {
        let (low, high) = (i16x8_extend_low_i8x16(codes), i16x8_extend_high_i8x16(codes));
        [sums, square(low, high, squares)]
    }

    #[inline(always)]
    fn square(low: v128, high: v128, squares: v128) -> v128 {
        let more = i32x4_add(i32x4_dot_i16x8(low, low), i32x4_dot_i16x8(high, high));
        i32x4_add(squares, more)
    }

    /// Of 16 bits.
    pub(super) fn largest(sizes: v128) -> u32 {
        let sizes = u32x4_max(u32x4_extend_low_u16x8(sizes), u32x4_extend_high_u16x8(sizes));
        lanes(sizes).into_iter().fold(0, |most, size| most.max(size as u32))
    }

    /// Codes as the products take them, in `out`.
    pub(in super::super::super) fn widened<'c>(
        codes: &'c [i8],
        out: &'c mut [Activation],
    ) -> &'c [Activation] {
        let (chunks, rest) = codes.as_chunks::<16>();
        let (places, last) = out.as_chunks_mut::<16>();
        for (chunk, place) in chunks.iter().zip(places) {
            let out = place.as_mut_ptr().cast::<v128>();
            // SAFETY: there are sixteen codes and as many places.
            unsafe {
                let codes = v128_load(chunk.as_ptr().cast());
                v128_store(out, i16x8_extend_low_i8x16(codes));
                v128_store(out.add(1), i16x8_extend_high_i8x16(codes));
            }
        }
        last.iter_mut().zip(rest).for_each(|(place, &code)| *place = code.into());
        out
    }
}
#[cfg(not(feature = "relaxed-simd"))]
pub(in super::super) use pairs::widened;
#[cfg(not(feature = "relaxed-simd"))]
use pairs::{added, largest, store};
