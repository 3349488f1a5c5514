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
        apply_function(gate.function, first, y);
        if gate.gated {
            y.iter_mut().zip(second).for_each(|(y, factor)| *y *= factor);
        }
    }
}

#[inline(always)]
fn apply_function(function: Activation, x: &[f32], y: &mut [f32]) {
    let numbers = || variables(NORMAL);
    match function {
        Activation::Identity => y.copy_from_slice(x),
        Activation::Gelu => each(x, y, with(numbers(), gelu)),
        Activation::GeluTanh => each(x, y, gelu_tanh),
        Activation::GeluQuick => each(x, y, |x| x * sigmoid(1.702 * x)),
        Activation::GeluClipped => each(x, y, with(numbers(), |n, x| at_most(gelu(n, x), 10.0))),
        Activation::Relu => each(x, y, relu),
        Activation::Relu6 => each(x, y, |x| at_most(relu(x), 6.0)),
        Activation::ReluSquared => each(x, y, |x| relu(x) * relu(x)),
        Activation::LeakyRelu => each(x, y, |x| if x < 0.0 { 0.01 * x } else { x }),
        Activation::Silu => each(x, y, |x| x * sigmoid(x)),
        Activation::HardSwish => each(x, y, |x| x * at_most(relu(x + 3.0), 6.0) * (1.0 / 6.0)),
        Activation::Mish => each(x, y, mish),
        Activation::Tanh => each(x, y, |x| tanh(x) + nothing(x)),
        Activation::Sigmoid => each(x, y, |x| sigmoid(x) + nothing(x)),
        Activation::Laplace => each(x, y, with(numbers(), laplace)),
        Activation::SqrtSoftplus => each(x, y, |x| (relu(x) + exp(-x.abs()).ln_1p()).sqrt()),
    }
}

/// Zero, or NaN of what is infinite or NaN.
#[inline(always)]
fn nothing(x: f32) -> f32 {
    x * 0.0
}

#[inline(always)]
fn each(x: &[f32], y: &mut [f32], function: impl Fn(f32) -> f32) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = function(*x));
}

#[inline(always)]
fn with<const N: usize>(
    numbers: [f32; N],
    function: impl Fn([f32; N], f32) -> f32,
) -> impl Fn(f32) -> f32 {
    move |x| function(numbers, x)
}

/// Numbers that the compiler takes for variables in wasm: a vector of constants costs V8 three instructions wherever it is used, one of
/// variables at most a load.
#[inline(always)]
pub(super) fn variables<const N: usize>(numbers: [f32; N]) -> [f32; N] {
    if cfg!(target_arch = "wasm32") { std::hint::black_box(numbers) } else { numbers }
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
fn gelu(numbers: [f32; 15], x: f32) -> f32 {
    x * normal(numbers, x)
}

#[inline(always)]
fn laplace(numbers: [f32; 15], x: f32) -> f32 {
    normal(numbers, (x - LAPLACE[0]) / LAPLACE[1]) + nothing(x)
}

/// √½, where the error function is 1, and a half of Eigen's `generic_fast_erf_float`: the coefficients of a fraction, from
/// the highest powers down.
#[allow(clippy::excessive_precision)]
const NORMAL: [f32; 15] = [
    std::f32::consts::FRAC_1_SQRT_2,
    4.0,
    0.5 * -2.726_142_258_013_06e-10,
    0.5 * 2.770_681_424_959_02e-8,
    0.5 * -2.101_024_020_825_08e-6,
    0.5 * -5.692_506_394_623_46e-5,
    0.5 * -7.349_906_303_268_55e-4,
    0.5 * -2.954_599_808_540_25e-3,
    0.5 * -1.609_603_332_624_15e-2,
    -1.456_607_184_649_96e-5,
    -2.133_740_552_789_05e-4,
    -1.682_826_974_382_03e-3,
    -7.373_329_167_204_68e-3,
    -1.426_473_905_141_89e-2,
    0.5,
];

/// `½ + erf(x/√2) / 2` by [`NORMAL`]: within 2e-7.
#[inline(always)]
fn normal(numbers: [f32; 15], x: f32) -> f32 {
    let [root, limit, a, b, c, d, e, f, g, h, i, j, k, l, half] = numbers;
    let x = x * root;
    let x = if x < -limit { -limit } else { x };
    let x = if x > limit { limit } else { x };
    let s = x * x;
    let above = s * (s * (s * (s * (s * (s * a + b) + c) + d) + e) + f) + g;
    let below = s * (s * (s * (s * h + i) + j) + k) + l;
    half + x * above / below
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

/// What [`exp2`] is computed with.
pub(super) const EXP2: [f32; 9] = [
    ROUND,
    1.327_646_6e-3,
    9.675_541e-3,
    5.550_713e-2,
    2.402_221_2e-1,
    6.931_469_6e-1,
    1.0,
    -126.0,
    0.0,
];

/// `2ˣ` for `x ≤ 0`, within 3e-7 relative; below -126 it is zero, so that no sum begins with subnormal numbers, at whose steps
/// processors stop. The polynomial is the series of `2ᶠ` with its coefficients fitted to `|f| ≤ ½`.
#[inline(always)]
pub(super) fn exp2(numbers: [f32; 9], x: f32) -> f32 {
    let [round, a, b, c, d, e, one, least, zero] = numbers;
    let rounded = x + round;
    let f = x - (rounded - round);
    let p = f * (f * (f * (f * (f * a + b) + c) + d) + e) + one;
    // The rounded sum's low bits are the exponent.
    let power = p * f32::from_bits((rounded.to_bits() << 23).wrapping_add(one.to_bits()));
    if x < least { zero } else { power }
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
            let found = 2.0 * normal(NORMAL, x * std::f32::consts::SQRT_2) - 1.0;
            assert!((f64::from(found) - expected).abs() < 4e-7, "erf({x}) = {found}");
        }
        for x in [-80.0f32, -10.5, -1.0, -1e-3, 0.0, 0.4, 1.0, 20.0, 80.0] {
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) / expected - 1.0).abs();
            assert!(error < 3e-7, "exp({x}) is off by {error:e}");
        }
        for x in (0..2000).map(|i| -i as f32 * 0.061) {
            let error = (f64::from(exp2(EXP2, x)) / f64::from(x).exp2() - 1.0).abs();
            assert!(error < 4e-7, "exp2({x}) is off by {error:e}");
        }
    }

    /// Values one by one are compiled without the processor's widest registers.
    #[test]
    fn the_widest_registers_round_as_the_narrowest() {
        let x: Vec<f32> = (0..4_001).map(|i| (i as f32 - 2_000.0) * 0.007).collect();
        let function = |activation, x| match activation {
            Activation::Gelu => gelu(NORMAL, x),
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
