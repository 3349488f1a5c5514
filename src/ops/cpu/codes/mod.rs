//! Rows as 8-bit codes, and what is to be known of rows of codes.

use super::PANEL;
use super::dot::Activation;
use super::pointwise::{LANES, ROUND};

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
use native as platform;
#[cfg(target_arch = "wasm32")]
use wasm as platform;

pub(super) use platform::{encode, extent, near, widened};

/// Largest code of a row that has none of its own, and what the largest should be at least: the finer the codes, the fewer rows are
/// near. Bytes saturate one above the largest.
pub(super) const LARGEST_CODE: u32 = if size_of::<Activation>() == 1 { 126 } else { 511 };
pub(super) const FINE_CODE: u32 = LARGEST_CODE / 4;

/// Rows whose totals are taken side by side.
pub(super) const SIDE: usize = 4;

/// What is known of a row's codes; useless if the largest is beyond [`LARGEST_CODE`], as that of a number that is not finite is.
#[derive(Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) sum: i32,
    pub(super) squares: i32,
    /// Largest magnitude.
    pub(super) largest: u32,
}

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

    pub(super) fn encode(row: &[f32], inverse: f32, codes: &mut [Activation]) -> Totals {
        let each = row.iter().map(|&value| code(value, inverse)).zip(codes);
        each.fold(Totals::default(), |totals, (code, place)| {
            *place = code as Activation;
            totals.with(code)
        })
    }

    pub(super) fn totals(codes: &[i8]) -> Totals {
        codes.iter().fold(Totals::default(), |totals, &code| totals.with(code.into()))
    }
}

/// Takes the totals of rows of codes; -128 may count as -127 in squares, and their largest is not looked for.
pub(super) fn totals(codes: &[i8], inputs: usize, out: &mut [Totals]) {
    for (codes, out) in codes.chunks(SIDE * inputs).zip(out.chunks_mut(SIDE)) {
        if let Ok(out) = <&mut [Totals; SIDE]>::try_from(&mut *out) {
            *out = platform::totals(codes);
        } else {
            let each = out.iter_mut().zip(codes.chunks_exact(inputs));
            each.for_each(|(out, codes)| *out = rest::totals(codes));
        }
    }
}

impl Totals {
    fn with(self, code: i32) -> Self {
        Self {
            sum: self.sum.wrapping_add(code),
            squares: self.squares.wrapping_add(code.wrapping_mul(code)),
            largest: self.largest.max(code.unsigned_abs()),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            sum: self.sum.wrapping_add(other.sum),
            squares: self.squares.wrapping_add(other.squares),
            largest: self.largest.max(other.largest),
        }
    }
}
