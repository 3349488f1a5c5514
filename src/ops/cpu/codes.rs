//! Rows as 8-bit codes, and what is to be known of rows of codes.

use super::dot::Activation;
use super::pointwise::{LANES, ROUND};

pub(super) use platform::{copy, encode, extent};

/// All lanes in one.
#[inline(always)]
pub(super) fn folded<T: Copy>(lanes: [T; LANES], fold: impl Fn(T, T) -> T) -> T {
    let four: [T; 4] = std::array::from_fn(|lane| fold(lanes[lane], lanes[lane + 4]));
    fold(fold(four[0], four[2]), fold(four[1], four[3]))
}

#[inline(always)]
pub(super) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn add(a: f32, b: f32) -> f32 {
    a + b
}

/// The nearest whole number.
#[inline(always)]
pub(super) fn code(value: f32, inverse: f32) -> i32 {
    // The low bits are the rounded number.
    ((value * inverse + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32)
}

/// As the platform's for what is left of a row.
mod rest {
    use super::*;

    pub(super) fn extent(row: &[f32]) -> [f32; 2] {
        let both = |[most, squares]: [f32; 2], value: &f32| {
            [larger(most, value.abs()), squares + value * value]
        };
        row.iter().fold([0.0; 2], both)
    }

    pub(super) fn encode(row: &[f32], inverse: f32, codes: &mut [Activation]) -> i32 {
        let each = row.iter().map(|&value| code(value, inverse));
        each.zip(codes).fold(0, |sum, (code, place)| {
            *place = code as Activation;
            sum.wrapping_add(code)
        })
    }

    pub(super) fn copy(codes: &[i8], places: &mut [Activation]) -> [i32; 2] {
        codes.iter().zip(places).fold([0; 2], |[sum, squares], (&code, place)| {
            *place = Activation::from(code);
            let code = i32::from(code);
            [sum + code, squares + code * code]
        })
    }
}

#[cfg(target_arch = "wasm32")]
mod platform {
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

    fn sum(lanes: v128) -> i32 {
        let [a, b] = [i32x4_extract_lane::<0>(lanes), i32x4_extract_lane::<1>(lanes)];
        a + b + i32x4_extract_lane::<2>(lanes) + i32x4_extract_lane::<3>(lanes)
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

    /// Writes the codes, and answers their sum where codes are offset.
    #[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
    pub(in super::super) fn encode(row: &[f32], inverse: f32, codes: &mut [Activation]) -> i32 {
        let (chunks, rest) = row.as_chunks::<16>();
        let (places, last) = codes.as_chunks_mut::<16>();
        let (mut total, factor) = (i32x4_splat(0), f32x4_splat(inverse));
        for (chunk, place) in chunks.iter().zip(places) {
            let values = chunk.as_ptr().cast::<v128>();
            // SAFETY: there are sixteen values.
            let [a, b, c, d] =
                unsafe { [0, 1, 2, 3].map(|quarter| v128_load(values.add(quarter))) };
            let low = i16x8_narrow_i32x4(rounded(a, factor), rounded(b, factor));
            let high = i16x8_narrow_i32x4(rounded(c, factor), rounded(d, factor));
            total = store(low, high, place, total);
        }
        sum(total) + rest::encode(rest, inverse, last)
    }

    /// Copies codes, and answers their sum, where codes are offset, and the sum of their squares, in which -128 may count as -127.
    #[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
    pub(in super::super) fn copy(codes: &[i8], places: &mut [Activation]) -> [i32; 2] {
        let (chunks, rest) = codes.as_chunks::<16>();
        let (places, last) = places.as_chunks_mut::<16>();
        let (mut total, mut squares) = (i32x4_splat(0), i32x4_splat(0));
        for (chunk, place) in chunks.iter().zip(places) {
            // SAFETY: there are sixteen codes.
            let codes = unsafe { v128_load(chunk.as_ptr().cast()) };
            [total, squares] = store_codes(codes, place, [total, squares]);
        }
        let [last, last_squares] = rest::copy(rest, last);
        [last + sum(total), last_squares + sum(squares)]
    }

    /// Writes sixteen codes, and adds them up.
    #[cfg(feature = "relaxed-simd")]
    #[inline]
    #[target_feature(enable = "relaxed-simd")]
    fn store(low: v128, high: v128, places: &mut [i8; 16], total: v128) -> v128 {
        let codes = i8x16_narrow_i16x8(low, high);
        // SAFETY: there are sixteen places.
        unsafe { v128_store(places.as_mut_ptr().cast(), codes) };
        i32x4_relaxed_dot_i8x16_i7x16_add(codes, i8x16_splat(1), total)
    }

    #[cfg(feature = "relaxed-simd")]
    #[inline]
    #[target_feature(enable = "relaxed-simd")]
    fn store_codes(codes: v128, places: &mut [i8; 16], [total, squares]: [v128; 2]) -> [v128; 2] {
        // SAFETY: there are sixteen places.
        unsafe { v128_store(places.as_mut_ptr().cast(), codes) };
        // In 7 bits.
        let sizes = i8x16_abs(i8x16_max(codes, i8x16_splat(-127)));
        [
            i32x4_relaxed_dot_i8x16_i7x16_add(codes, i8x16_splat(1), total),
            i32x4_relaxed_dot_i8x16_i7x16_add(sizes, sizes, squares),
        ]
    }

    /// Writes sixteen codes; without an offset their sum is of no use.
    #[cfg(not(feature = "relaxed-simd"))]
    #[inline]
    fn store(low: v128, high: v128, places: &mut [i16; 16], total: v128) -> v128 {
        let out = places.as_mut_ptr().cast::<v128>();
        // SAFETY: there are sixteen places.
        unsafe {
            v128_store(out, low);
            v128_store(out.add(1), high);
        }
        total
    }

    #[cfg(not(feature = "relaxed-simd"))]
    #[inline]
    fn store_codes(codes: v128, places: &mut [i16; 16], [total, squares]: [v128; 2]) -> [v128; 2] {
        let (low, high) = (i16x8_extend_low_i8x16(codes), i16x8_extend_high_i8x16(codes));
        let more = i32x4_add(i32x4_dot_i16x8(low, low), i32x4_dot_i16x8(high, high));
        [store(low, high, places, total), i32x4_add(squares, more)]
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod platform {
    use super::*;

    /// Calls a loop with the wider instructions where there are some.
    macro_rules! widest {
        ($name:ident, ($($argument:ident: $type:ty),*) -> $result:ty, $loop:ident) => {
            pub(in super::super) fn $name($($argument: $type),*) -> $result {
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("avx2") {
                    #[target_feature(enable = "avx2")]
                    fn with_avx2($($argument: $type),*) -> $result {
                        $loop($($argument),*)
                    }
                    // SAFETY: the feature was just found.
                    return unsafe { with_avx2($($argument),*) };
                }
                $loop($($argument),*)
            }
        };
    }

    widest!(extent, (row: &[f32]) -> [f32; 2], extent_by_lanes);
    widest!(encode, (row: &[f32], inverse: f32, codes: &mut [Activation]) -> i32, encode_by_lanes);
    widest!(copy, (codes: &[i8], places: &mut [Activation]) -> [i32; 2], copy_by_lanes);

    #[inline(always)]
    fn extent_by_lanes(row: &[f32]) -> [f32; 2] {
        let (mut most, mut squares) = ([0.0; LANES], [0.0; LANES]);
        let (chunks, rest) = row.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                most[lane] = larger(chunk[lane].abs(), most[lane]);
                squares[lane] += chunk[lane] * chunk[lane];
            }
        }
        let [last, last_squares] = rest::extent(rest);
        [larger(last, folded(most, larger)), last_squares + folded(squares, add)]
    }

    #[inline(always)]
    fn encode_by_lanes(row: &[f32], inverse: f32, codes: &mut [Activation]) -> i32 {
        let (chunks, rest) = row.as_chunks::<LANES>();
        let (places, last) = codes.as_chunks_mut::<LANES>();
        let mut sums = [0i32; LANES];
        for (chunk, place) in chunks.iter().zip(places) {
            for lane in 0..LANES {
                let code = code(chunk[lane], inverse);
                place[lane] = code as Activation;
                sums[lane] = sums[lane].wrapping_add(code);
            }
        }
        folded(sums, i32::wrapping_add).wrapping_add(rest::encode(rest, inverse, last))
    }

    #[inline(always)]
    fn copy_by_lanes(codes: &[i8], places: &mut [Activation]) -> [i32; 2] {
        let (chunks, rest) = codes.as_chunks::<LANES>();
        let (places, last) = places.as_chunks_mut::<LANES>();
        let (mut total, mut squares) = ([0; LANES], [0; LANES]);
        for (chunk, place) in chunks.iter().zip(places) {
            for lane in 0..LANES {
                place[lane] = chunk[lane] as Activation;
                let code = i32::from(chunk[lane]);
                total[lane] += code;
                squares[lane] += code * code;
            }
        }
        let [last, last_squares] = rest::copy(rest, last);
        let add = |a: i32, b: i32| a + b;
        [last + folded(total, add), last_squares + folded(squares, add)]
    }
}
