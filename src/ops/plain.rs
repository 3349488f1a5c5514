//! The definition of each operation, as a loop in f64 over plain numbers: what the fast versions are held against.
//!
//! No operation makes a finite number of an input that is infinite or NaN, nor of a value on the way that is too large
//! for f32: see `within_f32`.

mod places;

use std::ops::Range;

use half::f16;

use crate::model::activation::{Activation, GELU_TANH, LAPLACE};
use crate::model::quantize::{Dtype, Matrix, NIBBLE_ZERO, Q4_BLOCK, Q8_BLOCK, Values, nibble};
use crate::ops::{CodedRows, Gate, ResidualTables};

pub use places::{rms_norm, shared, turned_by};

/// Largest magnitude of a similarity. Unit vectors have 1 at most; what is beyond may be infinite in the next order of
/// summation, so that devices would not agree on it.
pub const LIMIT: f32 = 1e30;

/// `y = gate(x)·Wᵀ + bias`, of which `gate(x)` is `[rows, columns of W]`.
pub fn linear(x: &[f32], weight: &Matrix, bias: &[f32], gate: Gate) -> Vec<f64> {
    let values = weight.to_f32();
    let (inputs, outputs) = (weight.columns, weight.rows);
    let mut out = Vec::with_capacity(x.len() / inputs * outputs);
    for row in x.chunks_exact(inputs * gate.halves()) {
        let row = gated(gate, row);
        for (weights, bias) in values.chunks_exact(inputs).zip(bias) {
            let sum: f64 = row.iter().zip(weights).map(|(x, w)| x * f64::from(*w)).sum();
            out.push(within_f32(sum + f64::from(*bias)));
        }
    }
    out
}

/// What a gate makes of a row.
pub fn gated(gate: Gate, row: &[f32]) -> Vec<f64> {
    let (first, second) = row.split_at(row.len() / gate.halves());
    let values = first.iter().map(|&x| pointwise(gate.function, f64::from(x)));
    match gate.gated {
        true => values.zip(second).map(|(y, &factor)| within_f32(y * f64::from(factor))).collect(),
        false => values.collect(),
    }
}

/// The value, or NaN where f32 has none for it.
fn within_f32(value: f64) -> f64 {
    if (value as f32).is_finite() { value } else { f64::NAN }
}

/// The function itself; NaN beyond f32, where functions have limits.
pub fn pointwise(function: Activation, x: f64) -> f64 {
    let x = within_f32(x);
    if x.is_nan() {
        return x;
    }
    match function {
        Activation::Identity => x,
        Activation::Gelu => x * normal(x),
        Activation::GeluTanh => {
            let [scale, cube] = GELU_TANH.map(f64::from);
            0.5 * x * (1.0 + (scale * (x + cube * x * x * x)).tanh())
        }
        Activation::GeluQuick => x / (1.0 + (-1.702 * x).exp()),
        Activation::GeluClipped => (x * normal(x)).min(10.0),
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::ReluSquared => x.max(0.0).powi(2),
        Activation::LeakyRelu => x.max(0.01 * x),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Mish => x * x.exp().ln_1p().tanh(),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Laplace => {
            let [mean, deviation] = LAPLACE.map(f64::from);
            normal((x - mean) / deviation)
        }
        Activation::SqrtSoftplus => x.exp().ln_1p().sqrt(),
    }
}

/// The standard normal distribution function.
fn normal(x: f64) -> f64 {
    0.5 * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

/// The error function by its Taylor series. Beyond ±4, where the series' terms cancel badly, it is within 2e-8 of ±1.
fn erf(x: f64) -> f64 {
    if x.abs() > 4.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..100 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

/// How heads attend: their number, the base of [`crate::ops::Rope`] or none, and the farthest key that a query sees or none, and
/// whether it sees none behind it.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    pub count: usize,
    pub base: Option<f64>,
    pub window: Option<usize>,
    pub causal: bool,
}

/// `softmax(Q·Kᵀ / √d)·V` a text and head; `qkv` `[rows, 3 · hidden]`.
pub fn attention(qkv: &[f32], starts: &[i32], masked: &[i32], heads: Heads) -> Vec<f64> {
    let hidden = qkv.len() / masked.len() / 3;
    let width = hidden / heads.count;
    let values = turned(qkv, starts, width, hidden, heads.base);
    let at = |row: usize, part: usize, column: usize| values[(3 * row + part) * hidden + column];
    let mut out = vec![0.0; masked.len() * hidden];
    for range in starts.windows(2) {
        let text = range[0] as usize..range[1] as usize;
        for row in text.clone() {
            let near = |key: usize| heads.window.is_none_or(|most| key.abs_diff(row) <= most);
            let seen = |&key: &usize| near(key) && (key <= row || !heads.causal);
            let keys: Vec<usize> = text.clone().filter(|&k| masked[k] == 0).filter(seen).collect();
            for head in 0..heads.count {
                let columns = head * width..(head + 1) * width;
                let score = |&key: &usize| {
                    let dot: f64 = columns.clone().map(|c| at(row, 0, c) * at(key, 1, c)).sum();
                    within_f32(dot / (width as f64).sqrt())
                };
                let scores: Vec<f64> = keys.iter().map(score).collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
                let total: f64 = weights.iter().sum();
                for c in columns {
                    let sum: f64 = keys.iter().zip(&weights).map(|(&k, w)| w * at(k, 2, c)).sum();
                    out[row * hidden + c] = if keys.is_empty() { 0.0 } else { sum / total };
                }
            }
        }
    }
    out
}

/// `qkv` with its queries and keys turned by their places, where there is a base: see [`crate::ops::Rope`].
fn turned(qkv: &[f32], starts: &[i32], width: usize, hidden: usize, base: Option<f64>) -> Vec<f64> {
    let mut values: Vec<f64> = qkv.iter().map(|&x| f64::from(x)).collect();
    let Some(base) = base else {
        return values;
    };
    for range in starts.windows(2) {
        let text = &mut values[range[0] as usize * 3 * hidden..range[1] as usize * 3 * hidden];
        for (place, row) in text.chunks_exact_mut(3 * hidden).enumerate() {
            for head in row[..2 * hidden].chunks_exact_mut(width) {
                let (x, y) = head.split_at_mut(width / 2);
                for (i, (x, y)) in x.iter_mut().zip(y).enumerate() {
                    let angle = place as f64 * base.powf(-2.0 * i as f64 / width as f64);
                    let (sine, cosine) = angle.sin_cos();
                    (*x, *y) = (*x * cosine - *y * sine, *y * cosine + *x * sine);
                }
            }
        }
    }
    values
}

/// `Σᵢ maxⱼ qᵢ · dⱼ` over the query's and the document's rows of `dimension` values; a document without rows counts as -1 for
/// each of the query's. NaN if a similarity is NaN, or beyond [`LIMIT`].
pub fn maxsim(query: &[f32], document: &[f32], dimension: usize) -> f64 {
    let mut score = 0.0;
    for q in query.chunks_exact(dimension) {
        let mut best = if document.is_empty() { -1.0 } else { f64::NEG_INFINITY };
        for d in document.chunks_exact(dimension) {
            let dot: f64 = q.iter().zip(d).map(|(q, d)| f64::from(*q) * f64::from(*d)).sum();
            if dot.is_nan() || dot.abs() > f64::from(LIMIT) {
                return f64::NAN;
            }
            best = best.max(dot);
        }
        score += best;
    }
    score
}

/// The rows that codes stand for, `[rows, dimension]`: see [`crate::ops::CodedRows`].
///
/// # Panics
/// If residual codes have no tables.
pub fn decoded(
    rows: CodedRows<'_>,
    dimension: usize,
    tables: Option<ResidualTables<'_>>,
) -> Vec<f32> {
    match rows {
        CodedRows::F32(values) => values.to_vec(),
        CodedRows::F16(bits) => bits.iter().map(|&bits| f16::from_bits(bits).to_f32()).collect(),
        CodedRows::Int8 { codes, scales } => codes
            .chunks_exact(dimension)
            .zip(scales)
            .flat_map(|(row, scale)| row.iter().map(move |&code| scale * f32::from(code)))
            .collect(),
        CodedRows::Binary(bytes) => {
            let value = 1.0 / (dimension as f32).sqrt();
            let signed = move |bit: bool| if bit { value } else { -value };
            let row = |row: &'_ [u8]| -> Vec<f32> {
                (0..dimension)
                    .map(|place| signed(row[place / 8] << (place % 8) & 128 > 0))
                    .collect()
            };
            bytes.chunks_exact(dimension.div_ceil(8)).flat_map(row).collect()
        }
        CodedRows::Residual { codes, residuals } => {
            let tables = tables.expect("residual codes have tables");
            let rows = residuals.chunks_exact(dimension * tables.nbits / 8);
            codes
                .iter()
                .zip(rows)
                .flat_map(|(&code, row)| residual_row(code, row, tables))
                .collect()
        }
    }
}

/// `centroid + weight[bucket]`, L2-normalised.
fn residual_row(code: u32, residuals: &[u8], tables: ResidualTables<'_>) -> Vec<f32> {
    let ResidualTables { dimension, centroids, weights, .. } = tables;
    let centroid = &centroids[code as usize * dimension..][..dimension];
    let value = |place: usize| centroid[place] + weights[tables.bucket(residuals, place)];
    let row: Vec<f32> = (0..dimension).map(value).collect();
    normalize(&row, dimension).into_iter().map(|value| value as f32).collect()
}

/// LayerNorm of each row, see [`crate::ops::add_layer_norm`].
pub fn layer_norm(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f64) -> Vec<f64> {
    let width = gamma.len();
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(width) {
        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        let mean = within_f32(row.iter().sum()) / width as f64;
        let squares = within_f32(row.iter().map(|x| (x - mean) * (x - mean)).sum());
        let scale = 1.0 / (squares / width as f64 + epsilon).sqrt();
        let each = row.iter().zip(gamma.iter().zip(beta));
        out.extend(each.map(|(x, (g, b))| (x - mean) * scale * f64::from(*g) + f64::from(*b)));
    }
    out
}

/// Each row of `width` values by its length, see [`crate::ops::normalize`].
pub fn normalize(x: &[f32], width: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(width) {
        let squares = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let norm = within_f32(squares).sqrt();
        let norm = if norm < 1e-12 { 1e-12 } else { norm };
        out.extend(row.iter().map(|&x| f64::from(x) / norm));
    }
    out
}

/// The product as a device computes it that quantizes its input in 7 bits, see `cpu/quantize.rs`: equal to it bit for bit.
pub fn quantized_linear(x: &[f32], weight: &Matrix, bias: &[f32]) -> Vec<f32> {
    let ones = vec![1.0; weight.columns];
    let equalizer = weight.equalizer.as_ref().unwrap_or(&ones);
    let block = if weight.dtype() == Dtype::Q4 { Q4_BLOCK } else { Q8_BLOCK };
    let mut out = Vec::new();
    for row in x.chunks_exact(weight.columns) {
        let row: Vec<f32> = row.iter().zip(equalizer).map(|(x, e)| x * e).collect();
        for (output, bias) in bias.iter().enumerate() {
            let mut total = 0.0f32;
            for (place, values) in row.chunks(block).enumerate() {
                let (step, activations) = quantized(values);
                let (scale, codes) =
                    codes_of(weight, output, place * block..place * block + values.len());
                let exact: i32 = activations.iter().zip(codes).map(|(a, q)| a * q).sum();
                total += exact as f32 * step * scale;
            }
            out.push(total + bias);
        }
    }
    out
}

/// The step of a block and its codes, less that of zero.
fn quantized(values: &[f32]) -> (f32, Vec<i32>) {
    let low = values.iter().copied().fold(0.0, f32::min);
    let high = values.iter().copied().fold(0.0, f32::max);
    let nothing: f32 = values.iter().map(|u| u * 0.0).sum();
    let step = ((high - low) / 126.0).max(1e-30) + nothing;
    let inverse = 1.0 / step;
    let zero = (-low * inverse).round_ties_even();
    let code = |u: &f32| (f64::from(u * inverse) + f64::from(zero)).round_ties_even() as i32;
    (step, values.iter().map(|u| code(u) - zero as i32).collect())
}

/// The scale and the codes of an output, over the inputs of a block.
fn codes_of(weight: &Matrix, output: usize, inputs: Range<usize>) -> (f32, Vec<i32>) {
    let columns = weight.columns;
    match &weight.values {
        Values::Q8 { codes, scales } => {
            let row = &codes[output * columns..];
            let blocks = scales.len() / weight.rows;
            let scale = scales[output * blocks + (inputs.start / Q8_BLOCK).min(blocks - 1)];
            (scale, row[inputs].iter().map(|&code| code.into()).collect())
        }
        Values::Q4 { nibbles, scales } => {
            let nibbles = &nibbles[output * columns.div_ceil(2)..];
            let scale = scales[output * columns.div_ceil(Q4_BLOCK) + inputs.start / Q4_BLOCK];
            let code = |column| i32::from(nibble(nibbles, column)) - i32::from(NIBBLE_ZERO);
            (scale.to_f32(), inputs.map(code).collect())
        }
        Values::F32(_) | Values::F16(_) => unreachable!("only quantized matrices come here"),
    }
}
