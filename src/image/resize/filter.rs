//! The curves by which neighbours are weighed.

use std::f64::consts::PI;

use serde::Serialize;

/// A curve, named as in Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Filter {
    Bilinear,
    Bicubic,
    Lanczos,
}

impl Filter {
    /// By the number that a processor's `resample` has; nothing for the others of Pillow (nearest, box, Hamming).
    pub fn from_resample(number: u64) -> Option<Self> {
        match number {
            1 => Some(Filter::Lanczos),
            2 => Some(Filter::Bilinear),
            3 => Some(Filter::Bicubic),
            _ => None,
        }
    }

    /// How many pixels the curve reaches to each side, where a picture is not made smaller.
    pub(super) fn reach(self) -> f64 {
        match self {
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    /// The curve's height at `x` pixels from the middle.
    pub(super) fn weight(self, x: f64) -> f64 {
        match self {
            Filter::Bilinear => (1.0 - x.abs()).max(0.0),
            Filter::Bicubic => bicubic(x.abs()),
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Lanczos => 0.0,
        }
    }
}

/// Keys' cubic convolution with a = −½.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x {
        _ if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        _ if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

fn sinc(x: f64) -> f64 {
    let angle = x * PI;
    if angle == 0.0 { 1.0 } else { angle.sin() / angle }
}
