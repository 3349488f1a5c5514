//! The pointwise functions that end a product.

use cubecl::prelude::*;

use crate::ops::Pointwise;

/// A function of every element. No argument overflows, and NaN stays NaN.
#[cube]
pub(super) fn activate<N: Size>(
    x: Vector<f32, N>,
    #[comptime] function: Pointwise,
) -> Vector<f32, N> {
    match function {
        Pointwise::Identity => x,
        Pointwise::Gelu => gelu::<N>(x),
        Pointwise::Relu => {
            let zero = Vector::<f32, N>::new(0.0);
            select_many(x.less_than(&zero), zero, x)
        }
        Pointwise::Silu => x * sigmoid::<N>(x),
        Pointwise::Tanh => tanh::<N>(x),
        Pointwise::Sigmoid => sigmoid::<N>(x),
    }
}

/// By the error function, from Abramowitz and Stegun 7.1.26: off by 1.5e-7 at most.
#[cube]
fn gelu<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let one = Vector::<f32, N>::new(1.0);
    let half = Vector::<f32, N>::new(0.5);
    let z = x.abs() * Vector::<f32, N>::new(core::f32::consts::FRAC_1_SQRT_2);
    let t = one / (one + Vector::<f32, N>::new(0.327_591_1) * z);
    let mut sum = Vector::<f32, N>::new(1.061_405_4) * t - Vector::<f32, N>::new(1.453_152);
    sum = sum * t + Vector::<f32, N>::new(1.421_413_7);
    sum = sum * t - Vector::<f32, N>::new(0.284_496_74);
    sum = sum * t + Vector::<f32, N>::new(0.254_829_6);
    // 1 - erf(|x| / √2), so that the tail of a negative x keeps its digits.
    let tail = sum * t * (-(z * z)).exp();
    let zero = Vector::<f32, N>::new(0.0);
    select_many(x.less_than(&zero), half * x * tail, x - half * x * tail)
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
