//! A document's row by four channels at a time, of whatever its codes are.
//!
//! A row lies in whole words, little-endian; that of int8 or residual codes begins with a word for its scale or its centroid.
//! All is read as words, so that nothing needs half floats or bytes of the device.
//!
//! Tables of residual codes are vectors of four: the weights for each pattern of bits that is looked up, then the centroids'
//! rows, padded with zeros.

use cubecl::prelude::*;

use super::finite::{INFINITE, is_finite};
use super::four::read_four;
use crate::ops::Coding;
use crate::ops::maxsim::NOT_FINITE;

/// The exponent of a half float.
const HALF_EXPONENT: u32 = 0x7c00;
/// From the exponent of a half float to that of the same float.
const REBIAS: u32 = (127 - 15) << 23;
/// What a subnormal half float is a multiple of.
const LEAST_HALF: f32 = 1.0 / 16_777_216.0;

impl Coding {
    /// Bytes whose patterns are looked up for the buckets of four dimensions; 0 where it is half of one.
    fn bytes_of_four(self) -> usize {
        self.nbits() / 2
    }

    /// Whether rows are normalised after they were read.
    pub(super) fn is_normalized(self) -> bool {
        matches!(self, Self::Residual { .. })
    }
}

/// Where the centroid of a row lies in the tables; 0 of other codes.
#[cube]
pub(super) fn centroid<D: Size>(
    words: &[Vector<i32, D>],
    row: usize,
    dimension: usize,
    #[comptime] coding: Coding,
) -> usize {
    match coding {
        Coding::Residual { .. } => {
            let code = words[row].extract(0usize) as usize;
            code * dimension.div_ceil(4) + comptime!(coding.patterns())
        }
        _ => 0usize.runtime(),
    }
}

/// The channels from `4 · group` on of a row, not yet by its factor; zero behind the last one, or what a query's zero makes so.
#[cube]
pub(super) fn read_codes<N: Size, D: Size>(
    words: &[Vector<i32, D>],
    tables: &[Vector<f32, Const<4>>],
    row: usize,
    centroid: usize,
    group: usize,
    dimension: usize,
    #[comptime] coding: Coding,
) -> Vector<f32, Const<4>> {
    match coding {
        Coding::F32 => {
            let four = read_four::<i32, D>(words, row, group, dimension);
            Vector::<f32, Const<4>>::reinterpret(four)
        }
        Coding::F16 => halves::<D>(words, row + 2 * group),
        Coding::Int8 => signed_bytes(words[row + 1 + group].extract(0usize)),
        Coding::Binary => signs(nibble::<D>(words, row, group)),
        Coding::Residual { .. } => {
            let weights = weights::<D>(words, tables, row + 1, group, coding);
            let four = tables[centroid + group] + weights;
            let whole = N::value();
            if comptime!(whole == 4) { four } else { cut(four, group, dimension) }
        }
    }
}

/// A similarity, of its row's products and squares without their factor.
#[cube]
pub(super) fn by_factor<D: Size>(
    product: f32,
    squares: f32,
    words: &[Vector<i32, D>],
    row: usize,
    dimension: usize,
    #[comptime] coding: Coding,
) -> f32 {
    match coding {
        Coding::F32 | Coding::F16 => product,
        Coding::Int8 => product * f32::reinterpret(words[row].extract(0usize)),
        Coding::Binary => product / f32::cast_from(dimension).sqrt(),
        Coding::Residual { .. } => {
            let unit = product / max(squares.sqrt(), 1e-12);
            select(is_finite(squares), unit, f32::new(NOT_FINITE))
        }
    }
}

/// Four half floats of two words.
#[cube]
fn halves<D: Size>(words: &[Vector<i32, D>], place: usize) -> Vector<f32, Const<4>> {
    let mut four = Vector::<f32, Const<4>>::new(0.0);
    #[unroll]
    for part in 0..4usize {
        let word = u32::reinterpret(words[place + comptime!(part / 2)].extract(0usize));
        four.insert(part, widened((word >> comptime!(16 * (part as u32 % 2))) & 0xffff));
    }
    four
}

/// A half float's value.
#[cube]
fn widened(half: u32) -> f32 {
    let magnitude = half & 0x7fff;
    let exponent = half & HALF_EXPONENT;
    let shifted = (magnitude << 13) + REBIAS;
    let normal = select(exponent == HALF_EXPONENT, shifted | INFINITE, shifted);
    let small = u32::reinterpret(f32::cast_from(magnitude) * LEAST_HALF);
    let bits = select(exponent == 0, small, normal);
    f32::reinterpret(bits | ((half & 0x8000) << 16))
}

#[cube]
fn signed_bytes(word: i32) -> Vector<f32, Const<4>> {
    let mut four = Vector::<f32, Const<4>>::new(0.0);
    #[unroll]
    for part in 0..4usize {
        // Up to the sign bit, then down with the sign.
        four.insert(part, f32::cast_from((word << comptime!(24 - 8 * part as i32)) >> 24));
    }
    four
}

/// 1 or -1 for each of four bits, the highest first.
#[cube]
fn signs(nibble: u32) -> Vector<f32, Const<4>> {
    let mut four = Vector::<f32, Const<4>>::new(0.0);
    #[unroll]
    for part in 0..4usize {
        let bit = nibble & comptime!(8u32 >> part as u32);
        four.insert(part, select(bit == 0, f32::new(-1.0), f32::new(1.0)));
    }
    four
}

/// The half of a byte that holds four bits from `4 · group` on, the first in the top bit.
#[cube]
fn nibble<D: Size>(words: &[Vector<i32, D>], row: usize, group: usize) -> u32 {
    let pair = byte::<D>(words, row, group / 2);
    (pair >> (4 * ((group + 1) % 2) as u32)) & 15
}

#[cube]
fn byte<D: Size>(words: &[Vector<i32, D>], row: usize, place: usize) -> u32 {
    let word = u32::reinterpret(words[row + place / 4].extract(0usize));
    (word >> (8 * (place % 4) as u32)) & 255
}

/// Weights of four channels' buckets.
#[cube]
fn weights<D: Size>(
    words: &[Vector<i32, D>],
    tables: &[Vector<f32, Const<4>>],
    row: usize,
    group: usize,
    #[comptime] coding: Coding,
) -> Vector<f32, Const<4>> {
    let bytes = comptime!(coding.bytes_of_four());
    if comptime!(bytes == 0) {
        tables[nibble::<D>(words, row, group) as usize]
    } else {
        let each = comptime!(4 / bytes);
        let mut four = Vector::<f32, Const<4>>::new(0.0);
        #[unroll]
        for part in 0..bytes {
            let known = tables[byte::<D>(words, row, group * bytes + part) as usize];
            #[unroll]
            for lane in 0..each {
                four.insert(comptime!(part * each + lane), known.extract(lane));
            }
        }
        four
    }
}

/// Zero behind the last channel.
#[cube]
fn cut(four: Vector<f32, Const<4>>, group: usize, dimension: usize) -> Vector<f32, Const<4>> {
    let mut inside = Vector::<f32, Const<4>>::new(0.0);
    #[unroll]
    for part in 0..4usize {
        inside.insert(part, select(group * 4 + part < dimension, four.extract(part), 0.0));
    }
    inside
}
