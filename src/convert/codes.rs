//! Which codes and scales come closest to the weights?

use half::f16;

use crate::model::quantize::{NIBBLE_ZERO, Q4_BLOCK, Values};

/// Below every scale, so that a row of zeros divides by something.
const TINY: f32 = 1e-30;
/// Codes that the largest weight of a q4 block is tried at. Beyond -8 it is cut off, and the others gain.
const LARGEST: [f32; 6] = [-9.0, -8.5, -8.0, -7.5, -7.0, -6.5];

/// A scale for each `block` of a row, from its largest magnitude, in half precision where a row has several; codes up to `limit`,
/// halves to even. `values` `[rows, columns]` are divided by `equalizer` first.
pub fn q8(
    values: &[f32],
    columns: usize,
    equalizer: Option<&[f32]>,
    limit: i8,
    block: usize,
) -> Values {
    let limit = f32::from(limit);
    let stored = |scale: f32| match columns > block {
        true => f16::from_f32(scale).max(f16::MIN_POSITIVE_SUBNORMAL).to_f32(),
        false => scale,
    };
    let mut codes = Vec::with_capacity(values.len());
    let mut scales = Vec::with_capacity(values.len().div_ceil(block));
    for row in values.chunks_exact(columns) {
        for block in divided(row, equalizer).chunks(block) {
            let largest = block.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            let scale = stored(largest.max(TINY) / limit);
            let code = |value: &f32| (value / scale).round_ties_even().clamp(-limit, limit) as i8;
            codes.extend(block.iter().map(code));
            scales.push(scale);
        }
    }
    Values::Q8 { codes, scales }
}

/// A scale a block of 32, searched for the smallest error weighted by `importance` `[columns]` (1 if absent). `values`
/// `[rows, columns]` are divided by `equalizer` first.
pub fn q4(
    values: &[f32],
    columns: usize,
    equalizer: Option<&[f32]>,
    importance: Option<&[f32]>,
) -> Values {
    let rows = values.len() / columns;
    let mut nibbles = Vec::with_capacity(rows * columns.div_ceil(2));
    let mut scales = Vec::with_capacity(rows * columns.div_ceil(Q4_BLOCK));
    let ones = vec![1.0; columns];
    let importance = importance.unwrap_or(&ones);
    for row in values.chunks_exact(columns) {
        let row = divided(row, equalizer);
        for (values, weights) in row.chunks(Q4_BLOCK).zip(importance.chunks(Q4_BLOCK)) {
            let (block, weights) = (filled(values), filled(weights));
            let scale = best_scale(&block, &weights);
            let codes = codes(&block, scale.to_f32()).map(|code| (code as i8 + 8) as u8);
            let bytes = codes.chunks_exact(2).take(values.len().div_ceil(2));
            nibbles.extend(bytes.map(|pair| pair[0] | pair[1] << 4));
            scales.push(scale);
        }
    }
    Values::Q4 { nibbles, scales }
}

/// A block with zeros behind a short one's values: they have the code zero and no error.
fn filled(values: &[f32]) -> [f32; Q4_BLOCK] {
    let mut block = [0.0; Q4_BLOCK];
    block[..values.len()].copy_from_slice(values);
    block
}

fn divided(row: &[f32], equalizer: Option<&[f32]>) -> Vec<f32> {
    match equalizer {
        Some(equalizer) => {
            row.iter().zip(equalizer).map(|(value, factor)| value / factor).collect()
        }
        None => row.to_vec(),
    }
}

/// For each code of the largest weight: round, fit the scale to the codes by least squares, round again, and keep the
/// scale with the smallest error; NaN where no error is finite.
fn best_scale(block: &[f32; Q4_BLOCK], weights: &[f32; Q4_BLOCK]) -> f16 {
    let mut largest = 0.0f32;
    for &value in block {
        if value.abs() > largest.abs() {
            largest = value;
        }
    }
    let (mut best, mut least) = (f16::NAN, f32::INFINITY);
    for code in LARGEST {
        let scale = fitted(block, weights, largest / code);
        let wide = scale.to_f32();
        let codes = codes(block, wide);
        let error = sum(|i| {
            let difference = codes[i] * wide - block[i];
            weights[i] * (difference * difference)
        });
        if error < least {
            (best, least) = (scale, error);
        }
    }
    best
}

/// The scale that fits the codes of `scale` best.
fn fitted(block: &[f32; Q4_BLOCK], weights: &[f32; Q4_BLOCK], scale: f32) -> f16 {
    let codes = codes(block, if scale == 0.0 { 1.0 } else { scale });
    let denominator = sum(|i| weights[i] * codes[i] * codes[i]);
    let numerator = sum(|i| weights[i] * codes[i] * block[i]);
    match denominator > 0.0 {
        true => f16::from_f32(numerator / denominator.max(TINY)),
        false => f16::ZERO,
    }
}

/// Codes from -8 to 7; all zero with a scale of zero.
fn codes(block: &[f32; Q4_BLOCK], scale: f32) -> [f32; Q4_BLOCK] {
    let zero = f32::from(NIBBLE_ZERO);
    match scale == 0.0 {
        true => [0.0; Q4_BLOCK],
        false => block.map(|value| (value / scale).round_ties_even().clamp(-zero, zero - 1.0)),
    }
}

/// In the order of numpy, which the reference is written in: eight sums, then those in pairs.
fn sum(term: impl Fn(usize) -> f32) -> f32 {
    let mut sums: [f32; 8] = std::array::from_fn(&term);
    for i in 8..Q4_BLOCK {
        sums[i % 8] += term(i);
    }
    ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
}
