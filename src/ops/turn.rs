//! Rotary positions where a token's place is no count of those before it: a patch has a row and a column.

use burn::tensor::{Device, Tensor};

use super::tensor;

/// Where a token is: of a text the same number three times, of a patch its page's time, its row and its column.
pub type Place = [u32; 3];

/// Which number of a place turns a pair of a head's values, and by how much a step does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    pub number: usize,
    pub angle: f64,
}

impl Axis {
    /// Pair `i` of `pairs` turns by `base^(-i / pairs)` a step.
    pub fn of_pair(number: usize, base: f64, i: usize, pairs: usize) -> Self {
        Self { number, angle: base.powf(-(i as f64) / pairs as f64) }
    }
}

/// By how much each token's heads are turned.
pub struct Angles {
    /// `[tokens, 1, width / 2]`.
    cosines: Tensor<3>,
    sines: Tensor<3>,
}

impl Angles {
    /// Of tokens at `places`, whose heads have a pair of values for each of `axes`. Computed in f64.
    pub fn new(places: &[Place], axes: &[Axis], device: &Device) -> Self {
        let angle = |place: &Place, axis: &Axis| f64::from(place[axis.number]) * axis.angle;
        let each = |function: fn(f64) -> f64| {
            let angles = places.iter().flat_map(|place| axes.iter().map(move |a| angle(place, a)));
            let values = angles.map(|angle| function(angle) as f32).collect();
            tensor(values, [places.len(), 1, axes.len()], device)
        };
        Self { cosines: each(f64::cos), sines: each(f64::sin) }
    }
}

/// Turns every head of `x` `[tokens, heads · width]` by halves, as [`super::Rope`] does: value `i` and value `i + width / 2` are the
/// coordinates of a point.
pub fn turn(x: Tensor<2>, angles: &Angles) -> Tensor<2> {
    let ([tokens, hidden], half) = (x.dims(), angles.cosines.dims()[2]);
    let heads = x.reshape([tokens, hidden / half / 2, 2 * half]);
    let (first, second) = (heads.clone().narrow(2, 0, half), heads.narrow(2, half, half));
    let (cosines, sines) = (angles.cosines.clone(), angles.sines.clone());
    let left = first.clone() * cosines.clone() - second.clone() * sines.clone();
    let right = second * cosines + first * sines;
    Tensor::cat(vec![left, right], 2).reshape([tokens, hidden])
}
