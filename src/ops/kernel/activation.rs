//! The pointwise functions that end a product.

use cubecl::prelude::*;

use super::finite::carry;
use crate::model::activation::{Activation, GELU_TANH, LAPLACE};

/// A function of every element. No argument overflows, and what is infinite or NaN stays so.
#[cube]
pub(super) fn activate<N: Size>(
    x: Vector<f32, N>,
    #[comptime] function: Activation,
) -> Vector<f32, N> {
    match function {
        Activation::Identity => x,
        _ => carry::<N>(x, of_finite::<N>(x, function)),
    }
}

#[cube]
fn of_finite<N: Size>(x: Vector<f32, N>, #[comptime] function: Activation) -> Vector<f32, N> {
    match function {
        Activation::Identity => x,
        Activation::Gelu => gelu::<N>(x),
        Activation::GeluTanh => gelu_tanh::<N>(x),
        Activation::GeluQuick => x * sigmoid::<N>(Vector::<f32, N>::new(1.702) * x),
        Activation::GeluClipped => at_most::<N>(gelu::<N>(x), 10.0),
        Activation::Relu => relu::<N>(x),
        Activation::Relu6 => at_most::<N>(relu::<N>(x), 6.0),
        Activation::ReluSquared => relu::<N>(x) * relu::<N>(x),
        Activation::LeakyRelu => {
            let zero = Vector::<f32, N>::new(0.0);
            select_many(x.less_than(&zero), Vector::<f32, N>::new(0.01) * x, x)
        }
        Activation::Silu => x * sigmoid::<N>(x),
        Activation::HardSwish => {
            let gate = at_most::<N>(relu::<N>(x + Vector::<f32, N>::new(3.0)), 6.0);
            x * gate * Vector::<f32, N>::new(1.0 / 6.0)
        }
        Activation::Mish => mish::<N>(x),
        Activation::Tanh => tanh::<N>(x),
        Activation::Sigmoid => sigmoid::<N>(x),
        Activation::Laplace => {
            let (mean, deviation) = comptime![(LAPLACE[0], LAPLACE[1])];
            normal::<N>((x - Vector::<f32, N>::new(mean)) / Vector::<f32, N>::new(deviation))
        }
        Activation::SqrtSoftplus => (relu::<N>(x) + ln_1p::<N>((-x.abs()).exp())).sqrt(),
    }
}

#[cube]
fn relu<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let zero = Vector::<f32, N>::new(0.0);
    select_many(x.less_than(&zero), zero, x)
}

#[cube]
fn at_most<N: Size>(x: Vector<f32, N>, #[comptime] limit: f32) -> Vector<f32, N> {
    let limit = Vector::<f32, N>::new(limit);
    select_many(x.greater_than(&limit), limit, x)
}

/// `x` times its distribution function, so that the tail of a negative `x` keeps its digits.
#[cube]
fn gelu<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    x * normal::<N>(x)
}

/// The standard normal distribution function, from Abramowitz and Stegun 7.1.26: off by 1e-7 at most.
#[cube]
fn normal<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let one = Vector::<f32, N>::new(1.0);
    let half = Vector::<f32, N>::new(0.5);
    let z = x.abs() * Vector::<f32, N>::new(core::f32::consts::FRAC_1_SQRT_2);
    let t = one / (one + Vector::<f32, N>::new(0.327_591_1) * z);
    let mut sum = Vector::<f32, N>::new(1.061_405_4) * t - Vector::<f32, N>::new(1.453_152);
    sum = sum * t + Vector::<f32, N>::new(1.421_413_7);
    sum = sum * t - Vector::<f32, N>::new(0.284_496_74);
    sum = sum * t + Vector::<f32, N>::new(0.254_829_6);
    let tail = half * sum * t * (-(z * z)).exp();
    let zero = Vector::<f32, N>::new(0.0);
    select_many(x.less_than(&zero), tail, one - tail)
}

/// `x/2 · (1 + tanh y)` is `x · sigmoid 2y`.
#[cube]
fn gelu_tanh<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let (scale, cube) = comptime![(2.0 * GELU_TANH[0], GELU_TANH[1])];
    let y = x + Vector::<f32, N>::new(cube) * x * x * x;
    x * sigmoid::<N>(Vector::<f32, N>::new(scale) * y)
}

/// `x · tanh(ln(1 + eˣ))`, the fraction reduced so that it does not overflow.
#[cube]
fn mish<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let one = Vector::<f32, N>::new(1.0);
    let two = Vector::<f32, N>::new(2.0);
    let zero = Vector::<f32, N>::new(0.0);
    let e = (-x.abs()).exp();
    let above = select_many(x.less_than(&zero), e * (e + two), one + two * e);
    let rest = select_many(x.less_than(&zero), two, two * e * e);
    x * above / (above + rest)
}

/// `ln(1 + e)` of `0 ≤ e ≤ 1`: a sum would lose the digits of a small `e`, whose series is used instead.
#[cube]
fn ln_1p<N: Size>(e: Vector<f32, N>) -> Vector<f32, N> {
    let mut series = Vector::<f32, N>::new(0.2) - e * Vector::<f32, N>::new(1.0 / 6.0);
    series = Vector::<f32, N>::new(0.25) - e * series;
    series = Vector::<f32, N>::new(1.0 / 3.0) - e * series;
    series = Vector::<f32, N>::new(0.5) - e * series;
    let one = Vector::<f32, N>::new(1.0);
    let small = e.less_than(&Vector::<f32, N>::new(0.0625));
    select_many(small, e * (one - e * series), (one + e).ln())
}

/// e^-|x| cannot overflow.
#[cube]
fn sigmoid<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let one = Vector::<f32, N>::new(1.0);
    let zero = Vector::<f32, N>::new(0.0);
    let e = (-x.abs()).exp();
    select_many(x.less_than(&zero), e, one) / (one + e)
}

/// WGSL's own may overflow.
#[cube]
fn tanh<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let one = Vector::<f32, N>::new(1.0);
    let zero = Vector::<f32, N>::new(0.0);
    let e = (Vector::<f32, N>::new(-2.0) * x.abs()).exp();
    let y = (one - e) / (one + e);
    select_many(x.less_than(&zero), -y, y)
}
