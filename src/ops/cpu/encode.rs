//! A block of activations as codes: see [`super::quantize`].

use super::dot::Activation;
use super::pointwise::ROUND;

/// Writes the codes of values whose number is a multiple of 32; answers their step and what zero has become.
#[inline(always)]
pub(super) fn encode(values: &[f32], codes: &mut [Activation]) -> (f32, i32) {
    let (low, high, nothing) = platform::range(values);
    let step = ((high - low) / 126.0).max(1e-30) + nothing;
    let inverse = 1.0 / step;
    // The low bits of such a sum are the rounded number.
    let rounded = -low * inverse + ROUND;
    platform::write(values, inverse, rounded, codes);
    (step, rounded.to_bits() as i32 & 127)
}

/// Writes the codes of values as those of a weight, 64 more than they are; answers their scale.
#[inline(always)]
pub(super) fn encode_weight(values: &[f32], codes: &mut [Activation]) -> f32 {
    let (low, high, nothing) = platform::range(values);
    let largest = high.max(-low).max(1e-30);
    platform::write(values, 63.0 / largest, 64.0 + ROUND, codes);
    largest / 63.0 + nothing
}

/// What the compiler makes of the loops takes three times as long.
#[cfg(target_arch = "wasm32")]
mod platform {
    use core::arch::wasm32::*;

    use super::Activation;

    /// The least and the largest of the values and zero; and zero, or NaN if a value is not finite.
    pub(super) fn range(values: &[f32]) -> (f32, f32, f32) {
        let [mut low, mut high, mut nothing] = [[f32x4_splat(0.0); 2]; 3];
        for chunk in values.as_chunks::<8>().0 {
            for half in 0..2 {
                // SAFETY: four of the chunk's eight values.
                let u = unsafe { v128_load(chunk.as_ptr().add(half * 4).cast()) };
                // A comparison passes over what is no number.
                low[half] = f32x4_pmin(low[half], u);
                high[half] = f32x4_pmax(high[half], u);
                nothing[half] = f32x4_add(nothing[half], f32x4_mul(u, f32x4_splat(0.0)));
            }
        }
        let low = lanes(f32x4_pmin(low[0], low[1])).into_iter().fold(0.0, f32::min);
        let high = lanes(f32x4_pmax(high[0], high[1])).into_iter().fold(0.0, f32::max);
        (low, high, lanes(f32x4_add(nothing[0], nothing[1])).iter().sum())
    }

    fn lanes(vector: v128) -> [f32; 4] {
        [
            f32x4_extract_lane::<0>(vector),
            f32x4_extract_lane::<1>(vector),
            f32x4_extract_lane::<2>(vector),
            f32x4_extract_lane::<3>(vector),
        ]
    }

    /// The low seven bits of `value · inverse + rounded`.
    pub(super) fn write(values: &[f32], inverse: f32, rounded: f32, codes: &mut [Activation]) {
        let (inverse, rounded) = (f32x4_splat(inverse), f32x4_splat(rounded));
        let each = values.as_chunks::<16>().0.iter().zip(codes.as_chunks_mut::<16>().0);
        for (values, codes) in each {
            let four = |place: usize| {
                // SAFETY: four of the chunk's sixteen values.
                let value = unsafe { v128_load(values.as_ptr().add(place * 4).cast()) };
                v128_and(f32x4_add(f32x4_mul(value, inverse), rounded), i32x4_splat(127))
            };
            let (low, high) =
                (i16x8_narrow_i32x4(four(0), four(1)), i16x8_narrow_i32x4(four(2), four(3)));
            // SAFETY: sixteen codes, of two bytes or of one.
            unsafe {
                let codes = codes.as_mut_ptr();
                if cfg!(feature = "relaxed-simd") {
                    v128_store(codes.cast(), u8x16_narrow_i16x8(low, high));
                } else {
                    v128_store(codes.cast(), low);
                    v128_store(codes.add(8).cast(), high);
                }
            }
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod platform {
    use super::super::pointwise::LANES;
    use super::Activation;

    #[inline(always)]
    pub(super) fn range(values: &[f32]) -> (f32, f32, f32) {
        let [mut low, mut high, mut nothing] = [[0.0f32; LANES]; 3];
        let chunks = values.as_chunks::<LANES>().0;
        for chunk in chunks {
            for lane in 0..LANES {
                let u = chunk[lane];
                low[lane] = if u < low[lane] { u } else { low[lane] };
                high[lane] = if u > high[lane] { u } else { high[lane] };
            }
        }
        // In a loop of its own: with a third sum in the one above the compiler finds no vector instructions for any.
        for chunk in chunks {
            for lane in 0..LANES {
                nothing[lane] += chunk[lane] * 0.0;
            }
        }
        // Across the lanes by halves: one after the other each would wait for the one before.
        for half in [4, 2, 1] {
            for lane in 0..half {
                let [a, b] = [lane, lane + half];
                low[a] = if low[b] < low[a] { low[b] } else { low[a] };
                high[a] = if high[b] > high[a] { high[b] } else { high[a] };
                nothing[a] += nothing[b];
            }
        }
        (low[0], high[0], nothing[0])
    }

    #[inline(always)]
    pub(super) fn write(values: &[f32], inverse: f32, rounded: f32, codes: &mut [Activation]) {
        for (code, value) in codes.iter_mut().zip(values) {
            *code = (value * inverse + rounded).to_bits() as Activation & 127;
        }
    }
}
