//! The definitions of what stands on Burn's own operations.

use super::within_f32;
use crate::ops::{Axis, Place};

/// See [`crate::ops::rms_norm()`].
pub fn rms_norm(x: &[f32], gamma: &[f32], epsilon: f64) -> Vec<f64> {
    let width = gamma.len();
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(width) {
        let squares = within_f32(row.iter().map(|&x| f64::from(x) * f64::from(x)).sum());
        let scale = 1.0 / (squares / width as f64 + epsilon).sqrt();
        out.extend(row.iter().zip(gamma).map(|(&x, &g)| f64::from(x) * scale * f64::from(g)));
    }
    out
}

/// See [`crate::ops::turn()`].
pub fn turned_by(x: &[f32], places: &[Place], axes: &[Axis]) -> Vec<f64> {
    let mut values: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    for (row, place) in values.chunks_exact_mut(x.len() / places.len()).zip(places) {
        for head in row.chunks_exact_mut(2 * axes.len()) {
            let (x, y) = head.split_at_mut(axes.len());
            for (axis, (x, y)) in axes.iter().zip(x.iter_mut().zip(y)) {
                let (sine, cosine) = (f64::from(place[axis.number]) * axis.angle).sin_cos();
                (*x, *y) = (*x * cosine - *y * sine, *y * cosine + *x * sine);
            }
        }
    }
    values
}

/// See [`crate::ops::shared()`]: `[tokens, 3 · heads · width]`.
pub fn shared([query, key, value]: [&[f32]; 3], heads: usize, width: usize) -> Vec<f32> {
    let hidden = heads * width;
    let tokens = query.len() / hidden;
    let row = key.len() / tokens;
    let group = hidden / row;
    let mut out = Vec::with_capacity(3 * query.len());
    for token in 0..tokens {
        out.extend_from_slice(&query[token * hidden..][..hidden]);
        for part in [key, value] {
            for head in 0..heads {
                out.extend_from_slice(&part[token * row + head / group * width..][..width]);
            }
        }
    }
    out
}
