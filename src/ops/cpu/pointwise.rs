//! Pointwise functions in f32, written so that the compiler turns them into vector instructions.
//!
//! None makes a number of what is none: bounded functions add [`nothing`].

use super::vectors::widest;
use crate::model::activation::{Activation, GELU_TANH, LAPLACE};
use crate::ops::Gate;

/// Values whose sums, or least and largest, are found side by side.
pub(super) const LANES: usize = 8;
/// Adding this rounds to the nearest whole number, ties to even, for magnitudes below 2²².
pub(super) const ROUND: f32 = 12_582_912.0;

widest! {
    /// Writes to `y` what `gate` makes of a row `x`.
    pub(super) fn apply(gate: Gate, x: &[f32], y: &mut [f32]) {
        let (first, second) = x.split_at(y.len());
        y.copy_from_slice(first);
        apply_function(gate.function, y);
        if gate.gated {
            y.iter_mut().zip(second).for_each(|(y, factor)| *y *= factor);
        }
    }
}

#[inline(always)]
fn apply_function(function: Activation, values: &mut [f32]) {
    match function {
        Activation::Identity => {}
        Activation::Gelu => each(values, gelu),
        Activation::GeluTanh => each(values, gelu_tanh),
        Activation::GeluQuick => each(values, |x| x * sigmoid(1.702 * x)),
        Activation::GeluClipped => each(values, |x| at_most(gelu(x), 10.0)),
        Activation::Relu => each(values, relu),
        Activation::Relu6 => each(values, |x| at_most(relu(x), 6.0)),
        Activation::ReluSquared => each(values, |x| relu(x) * relu(x)),
        Activation::LeakyRelu => each(values, |x| if x < 0.0 { 0.01 * x } else { x }),
        Activation::Silu => each(values, |x| x * sigmoid(x)),
        Activation::HardSwish => each(values, |x| x * at_most(relu(x + 3.0), 6.0) * (1.0 / 6.0)),
        Activation::Mish => each(values, mish),
        Activation::Tanh => each(values, |x| tanh(x) + nothing(x)),
        Activation::Sigmoid => each(values, |x| sigmoid(x) + nothing(x)),
        Activation::Laplace => each(values, |x| normal((x - LAPLACE[0]) / LAPLACE[1]) + nothing(x)),
        Activation::SqrtSoftplus => each(values, |x| (relu(x) + exp(-x.abs()).ln_1p()).sqrt()),
    }
}

/// Zero, or NaN of what is infinite or NaN.
#[inline(always)]
fn nothing(x: f32) -> f32 {
    x * 0.0
}

#[inline(always)]
fn each(values: &mut [f32], function: impl Fn(f32) -> f32) {
    values.iter_mut().for_each(|value| *value = function(*value));
}

#[inline(always)]
fn relu(x: f32) -> f32 {
    if x > 0.0 { x } else { nothing(x) }
}

#[inline(always)]
fn at_most(x: f32, limit: f32) -> f32 {
    if x > limit { limit + nothing(x) } else { x }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

/// `x/2 · (1 + erf(x/√2))`.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    x * normal(x)
}

#[inline(always)]
fn normal(x: f32) -> f32 {
    0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// `x/2 · (1 + tanh y)` is `x · sigmoid 2y`.
#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    x * sigmoid(2.0 * GELU_TANH[0] * (x + GELU_TANH[1] * x * x * x))
}

/// `x · tanh(ln(1 + eˣ))`, the fraction reduced so that it does not overflow.
#[inline(always)]
fn mish(x: f32) -> f32 {
    let e = exp(-x.abs());
    let (above, rest) = if x < 0.0 { (e * (e + 2.0), 2.0) } else { (1.0 + 2.0 * e, 2.0 * e * e) };
    x * above / (above + rest)
}

/// The error function by the rational approximation of Eigen's `generic_fast_erf_float`: within 4e-7.
#[inline(always)]
#[allow(clippy::excessive_precision)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let mut above = s * -2.726_142_258_013_06e-10 + 2.770_681_424_959_02e-8;
    above = s * above + -2.101_024_020_825_08e-6;
    above = s * above + -5.692_506_394_623_46e-5;
    above = s * above + -7.349_906_303_268_55e-4;
    above = s * above + -2.954_599_808_540_25e-3;
    above = s * above + -1.609_603_332_624_15e-2;
    let mut below = s * -1.456_607_184_649_96e-5 + -2.133_740_552_789_05e-4;
    below = s * below + -1.682_826_974_382_03e-3;
    below = s * below + -7.373_329_167_204_68e-3;
    below = s * below + -1.426_473_905_141_89e-2;
    x * above / below
}

/// `eˣ`: 2ⁿ times a polynomial of the rest, as in Cephes' `expf`; within 2e-7 relative. Below -87 it is
/// 1e-38 rather than less, above 88 it stays at 2e38.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let r = x - whole * 0.693_359_4 - whole * -2.121_944_4e-4;
    let mut p = r * 1.987_569_1e-4 + 1.398_2e-3;
    p = r * p + 8.333_452e-3;
    p = r * p + 4.166_579_6e-2;
    p = r * p + 1.666_666_5e-1;
    p = r * p + 0.5;
    let fraction = p * (r * r) + r + 1.0;
    // The rounded sum's low bits are the exponent.
    let power = (rounded.to_bits() << 23).wrapping_add(0x3f80_0000);
    fraction * f32::from_bits(power)
}

/// `2ˣ` for `x ≤ 0`, within 3e-7 relative; below -126 it is zero, so that no sum begins with subnormal numbers, at whose steps
/// processors stop. The polynomial is the series of `2ᶠ` with its coefficients fitted to `|f| ≤ ½`.
#[inline(always)]
pub(super) fn exp2(x: f32) -> f32 {
    let rounded = x + ROUND;
    let f = x - (rounded - ROUND);
    let mut p = f * 1.327_646_6e-3 + 9.675_541e-3;
    p = f * p + 5.550_713e-2;
    p = f * p + 2.402_221_2e-1;
    p = f * p + 6.931_469_6e-1;
    p = f * p + 1.0;
    // The rounded sum's low bits are the exponent.
    let power = p * f32::from_bits((rounded.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x < -126.0 { 0.0 } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of scipy.special.erf and numpy.exp in f64.
    #[test]
    fn functions_agree_with_numpy() {
        let cases = [
            (-5.0, -0.999_999_999_998_462_5),
            (-1.0, -0.842_700_792_949_714_9),
            (-0.3, -0.328_626_759_459_127_4),
            (0.0, 0.0),
            (0.1, 0.112_462_916_018_284_9),
            (0.75, 0.711_155_633_653_515_1),
            (2.0, 0.995_322_265_018_952_7),
            (3.5, 0.999_999_256_901_627_7),
        ];
        for (x, expected) in cases {
            assert!((f64::from(erf(x)) - expected).abs() < 4e-7, "erf({x}) = {}", erf(x));
        }
        for x in [-80.0f32, -10.5, -1.0, -1e-3, 0.0, 0.4, 1.0, 20.0, 80.0] {
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) / expected - 1.0).abs();
            assert!(error < 3e-7, "exp({x}) is off by {error:e}");
        }
        for x in (0..2000).map(|i| -i as f32 * 0.061) {
            let error = (f64::from(exp2(x)) / f64::from(x).exp2() - 1.0).abs();
            assert!(error < 4e-7, "exp2({x}) is off by {error:e}");
        }
    }

    /// Values one by one are compiled without the processor's widest registers.
    #[test]
    fn the_widest_registers_round_as_the_narrowest() {
        let x: Vec<f32> = (0..4_001).map(|i| (i as f32 - 2_000.0) * 0.007).collect();
        let function = |activation, x| match activation {
            Activation::Gelu => gelu(x),
            Activation::GeluTanh => gelu_tanh(x),
            Activation::Mish => mish(x),
            Activation::Silu => x * sigmoid(x),
            _ => tanh(x) + nothing(x),
        };
        for activation in [
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Mish,
            Activation::Silu,
            Activation::Tanh,
        ] {
            let mut y = vec![0.0; x.len()];
            apply(Gate::from(activation), &x, &mut y);
            let expected: Vec<f32> =
                x.iter().map(|&x| function(activation, std::hint::black_box(x))).collect();
            assert_eq!(y, expected, "{activation:?}");
        }
    }
}
