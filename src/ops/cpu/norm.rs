//! LayerNorm with and without a residual, and L2 normalisation: one pass over each row.
//!
//! A row is divided by a sum over it. Where that sum is infinite, all that it divides would become zero: it counts as NaN.

use super::pointwise::LANES;
use super::rows::for_blocks;
use super::vectors::widest;

/// Rows that one thread takes at once.
const BLOCK: usize = 64;

/// `(x - mean) / sqrt(var + epsilon) · γ + β` of `x + residual`, a row of `gamma.len()` values each, with
/// the biased variance.
pub(crate) fn add_layer_norm(
    x: &[f32],
    residual: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    let width = gamma.len();
    for_blocks(&mut out, width, BLOCK, |first, rows| {
        let start = first * width;
        for (sum, (a, b)) in rows.iter_mut().zip(x[start..].iter().zip(&residual[start..])) {
            *sum = a + b;
        }
        rows.chunks_exact_mut(width).for_each(|row| normalize_row(row, gamma, beta, epsilon));
    });
    out
}

/// `x + residual`, and [`layer_norm`] of it.
pub(crate) fn sum_layer_norm(
    x: &[f32],
    residual: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) -> [Vec<f32>; 2] {
    let sum: Vec<f32> = x.iter().zip(residual).map(|(a, b)| a + b).collect();
    let norm = layer_norm(sum.clone(), gamma, beta, epsilon);
    [sum, norm]
}

/// As [`add_layer_norm`] without a residual.
pub(crate) fn layer_norm(mut x: Vec<f32>, gamma: &[f32], beta: &[f32], epsilon: f32) -> Vec<f32> {
    let width = gamma.len();
    for_blocks(&mut x, width, BLOCK, |_, rows| {
        rows.chunks_exact_mut(width).for_each(|row| normalize_row(row, gamma, beta, epsilon));
    });
    x
}

/// `x / max(‖x‖₂, 1e-12)` a row of `width` values, as `torch.nn.functional.normalize`.
pub(crate) fn normalize(mut x: Vec<f32>, width: usize) -> Vec<f32> {
    for_blocks(&mut x, width, BLOCK, |_, rows| {
        rows.chunks_exact_mut(width).for_each(shorten);
    });
    x
}

widest! {
    fn normalize_row(row: &mut [f32], gamma: &[f32], beta: &[f32], epsilon: f32) {
        let count = row.len() as f32;
        let mean = sum(row, |value| value) / count;
        let variance = finite(sum(row, |value| (value - mean) * (value - mean)) / count);
        let scale = 1.0 / (variance + epsilon).sqrt();
        for (value, (g, b)) in row.iter_mut().zip(gamma.iter().zip(beta)) {
            *value = (*value - mean) * scale * g + b;
        }
    }
}

widest! {
    fn shorten(row: &mut [f32]) {
        let norm = finite(sum(row, |value| value * value)).sqrt();
        let norm = if norm < 1e-12 { 1e-12 } else { norm };
        row.iter_mut().for_each(|value| *value /= norm);
    }
}

/// The sum, or NaN if it is infinite.
#[inline(always)]
fn finite(sum: f32) -> f32 {
    if sum.is_finite() { sum } else { f32::NAN }
}

/// Σ of `term`, in the same order on every instruction set.
#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += term(*value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += term(*value);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}
