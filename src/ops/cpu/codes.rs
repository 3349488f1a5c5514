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

    use super::super::dot::OFFSET;
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

    /// Where places have 16 bits.
    #[inline(always)]
    fn store_wide(low: v128, high: v128, places: &mut [Activation; 16]) {
        assert_eq!(size_of::<Activation>(), 2, "codes without an offset have 16 bits");
        let out = places.as_mut_ptr();
        // SAFETY: there are sixteen places, of 16 bits as just asserted.
        unsafe {
            v128_store(out.cast(), low);
            v128_store(out.add(8).cast(), high);
        }
    }

    /// Writes the codes, and answers their sum where codes are offset.
    pub(in super::super) fn encode(row: &[f32], inverse: f32, codes: &mut [Activation]) -> i32 {
        let (chunks, rest) = row.as_chunks::<16>();
        let (places, last) = codes.as_chunks_mut::<16>();
        let mut total = i32x4_splat(0);
        for (chunk, place) in chunks.iter().zip(places) {
            let rounded = |quarter: usize| {
                // SAFETY: there are sixteen values.
                let values = unsafe { v128_load(chunk.as_ptr().add(quarter * 4).cast()) };
                let scaled = f32x4_mul(values, f32x4_splat(inverse));
                i32x4_sub(
                    f32x4_add(scaled, f32x4_splat(ROUND)),
                    i32x4_splat(ROUND.to_bits() as i32),
                )
            };
            let low = i16x8_narrow_i32x4(rounded(0), rounded(1));
            let high = i16x8_narrow_i32x4(rounded(2), rounded(3));
            if OFFSET == 0 {
                store_wide(low, high, place);
            } else {
                let bytes = i8x16_narrow_i16x8(low, high);
                // SAFETY: there are sixteen places, of 8 bits.
                unsafe { v128_store(place.as_mut_ptr().cast(), bytes) };
                total = i32x4_add(total, i32x4_extadd_pairwise_i16x8(i16x8_add(low, high)));
            }
        }
        sum(total) + rest::encode(rest, inverse, last)
    }

    /// Copies codes, and answers their sum, where codes are offset, and the sum of their squares.
    pub(in super::super) fn copy(codes: &[i8], places: &mut [Activation]) -> [i32; 2] {
        let (chunks, rest) = codes.as_chunks::<16>();
        let (places, last) = places.as_chunks_mut::<16>();
        let (mut total, mut squares) = (i32x4_splat(0), [i32x4_splat(0); 2]);
        for (chunk, place) in chunks.iter().zip(places) {
            // SAFETY: there are sixteen codes.
            let codes = unsafe { v128_load(chunk.as_ptr().cast()) };
            let (low, high) = (i16x8_extend_low_i8x16(codes), i16x8_extend_high_i8x16(codes));
            squares[0] = i32x4_add(squares[0], i32x4_dot_i16x8(low, low));
            squares[1] = i32x4_add(squares[1], i32x4_dot_i16x8(high, high));
            if OFFSET == 0 {
                store_wide(low, high, place);
            } else {
                // SAFETY: there are sixteen places, of 8 bits.
                unsafe { v128_store(place.as_mut_ptr().cast(), codes) };
                total = i32x4_add(total, i32x4_extadd_pairwise_i16x8(i16x8_add(low, high)));
            }
        }
        let [last, last_squares] = rest::copy(rest, last);
        [last + sum(total), last_squares + sum(i32x4_add(squares[0], squares[1]))]
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
