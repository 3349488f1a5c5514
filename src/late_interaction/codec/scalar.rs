//! Codecs that look at one row alone and need no tables: f16, int8 and binary.

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::rows::Rows;

/// Largest code of int8.
const LIMIT: f32 = 127.0;

/// The bits of the nearest halves, ties to even.
pub(super) fn to_f16(values: &[f32]) -> Vec<u16> {
    let mut bits = vec![0u16; values.len()];
    bits.reinterpret_cast_mut::<f16>().convert_from_f32_slice(values);
    bits
}

pub(super) fn from_f16(bits: &[u16]) -> Vec<f32> {
    let mut values = vec![0.0; bits.len()];
    bits.reinterpret_cast::<f16>().convert_to_f32_slice(&mut values);
    values
}

/// A scale a row, so that its largest number is 127.
pub(super) fn to_int8(values: &[f32], dimension: usize) -> Rows {
    let mut codes = Vec::with_capacity(values.len());
    let scales = values.chunks_exact(dimension).map(|row| {
        let scale = row.iter().fold(0.0f32, |most, value| most.max(value.abs())) / LIMIT;
        codes.extend(row.iter().map(|value| code(*value, scale)));
        scale
    });
    let scales = scales.collect();
    Rows::Int8 { codes, scales }
}

/// Halves go away from zero. A scale that is subnormal has few digits, so that a quotient may be beyond the limit.
fn code(value: f32, scale: f32) -> i8 {
    match scale == 0.0 {
        true => 0,
        false => (value / scale).round().clamp(-LIMIT, LIMIT) as i8,
    }
}

pub(super) fn from_int8(codes: &[i8], scales: &[f32], dimension: usize) -> Vec<f32> {
    let rows = codes.chunks_exact(dimension).zip(scales);
    rows.flat_map(|(row, scale)| row.iter().map(move |&code| f32::from(code) * scale)).collect()
}

/// A bit a number, 1 where it is above zero; the first is bit 7 of a row's first byte.
pub(super) fn to_binary(values: &[f32], dimension: usize) -> Vec<u8> {
    let mut bits = Vec::with_capacity(values.len().div_ceil(8));
    for row in values.chunks_exact(dimension) {
        bits.extend(row.chunks(8).map(|group| {
            group
                .iter()
                .enumerate()
                .fold(0u8, |byte, (place, &value)| byte | u8::from(value > 0.0) << (7 - place))
        }));
    }
    bits
}

pub(super) fn from_binary(bits: &[u8], dimension: usize) -> Vec<f32> {
    let one = 1.0 / (dimension as f32).sqrt();
    let sign = |row: &[u8], place: usize| match row[place / 8] >> (7 - place % 8) & 1 {
        0 => -one,
        _ => one,
    };
    let rows = bits.chunks_exact(dimension.div_ceil(8));
    rows.flat_map(|row| (0..dimension).map(move |place| sign(row, place))).collect()
}

/// Divides numbers of rows that are longer than `limit` by the length of their row; says how many rows those were.
pub(super) fn normalize_f32(values: &mut [f32], dimension: usize, limit: f32) -> usize {
    let mut scaled = 0;
    for row in values.chunks_exact_mut(dimension) {
        if let Some(length) = beyond(row.iter().map(|&value| f64::from(value)), limit) {
            row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
            scaled += 1;
        }
    }
    scaled
}

pub(super) fn normalize_f16(bits: &mut [u16], dimension: usize, limit: f32) -> usize {
    let mut scaled = 0;
    for row in bits.chunks_exact_mut(dimension) {
        let values: Vec<f64> = row.iter().map(|&bits| f16::from_bits(bits).to_f64()).collect();
        if let Some(length) = beyond(values.iter().copied(), limit) {
            let each = row.iter_mut().zip(values);
            each.for_each(|(bits, value)| *bits = f16::from_f64(value / length).to_bits());
            scaled += 1;
        }
    }
    scaled
}

pub(super) fn normalize_int8(
    codes: &[i8],
    scales: &mut [f32],
    dimension: usize,
    limit: f32,
) -> usize {
    let mut scaled = 0;
    for (row, scale) in codes.chunks_exact(dimension).zip(scales) {
        let values = row.iter().map(|&code| f64::from(code) * f64::from(*scale));
        if let Some(length) = beyond(values, limit) {
            *scale = (f64::from(*scale) / length) as f32;
            scaled += 1;
        }
    }
    scaled
}

/// The length of a row that is longer than `limit`. In 64 bits: squares of what f32 holds may be beyond it.
fn beyond(values: impl Iterator<Item = f64>, limit: f32) -> Option<f64> {
    let length = values.map(|value| value * value).sum::<f64>().sqrt();
    (length > f64::from(limit)).then_some(length)
}
