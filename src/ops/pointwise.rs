//! The functions between products.

/// A pointwise function, with PyTorch's definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pointwise {
    Identity,
    /// By the error function.
    Gelu,
    /// By the tanh approximation.
    GeluTanh,
    /// `x · sigmoid(1.702 · x)`.
    GeluQuick,
    /// [`Pointwise::Gelu`], at most 10.
    GeluClipped,
    Relu,
    /// [`Pointwise::Relu`], at most 6.
    Relu6,
    /// The square of [`Pointwise::Relu`].
    ReluSquared,
    /// A hundredth of what is negative.
    LeakyRelu,
    Silu,
    HardSwish,
    Mish,
    Tanh,
    Sigmoid,
    /// A normal distribution function, of transformers' mean and deviation.
    Laplace,
    /// `sqrt(ln(1 + eˣ))`.
    SqrtSoftplus,
}

impl Pointwise {
    /// All of them.
    pub const ALL: [Pointwise; 16] = [
        Pointwise::Identity,
        Pointwise::Gelu,
        Pointwise::GeluTanh,
        Pointwise::GeluQuick,
        Pointwise::GeluClipped,
        Pointwise::Relu,
        Pointwise::Relu6,
        Pointwise::ReluSquared,
        Pointwise::LeakyRelu,
        Pointwise::Silu,
        Pointwise::HardSwish,
        Pointwise::Mish,
        Pointwise::Tanh,
        Pointwise::Sigmoid,
        Pointwise::Laplace,
        Pointwise::SqrtSoftplus,
    ];
}

/// Mean and deviation of [`Pointwise::Laplace`].
#[allow(clippy::approx_constant, reason = "the figures of transformers")]
pub(crate) const LAPLACE: [f32; 2] = [0.707_107, 0.282_095];
/// `sqrt(2 / π)` and the weight of the cube in [`Pointwise::GeluTanh`].
pub(crate) const GELU_TANH: [f32; 2] = [0.797_884_6, 0.044_715];

/// What stands between two products: a function, or [GLU](https://arxiv.org/abs/2002.05202) with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gate {
    pub function: Pointwise,
    /// Whether a row is `function(first half) · second half` of what it was.
    pub gated: bool,
}

impl Gate {
    pub(crate) const NONE: Self = Self { function: Pointwise::Identity, gated: false };

    /// Values that each value is computed of.
    pub(crate) fn halves(self) -> usize {
        if self.gated { 2 } else { 1 }
    }
}

impl From<Pointwise> for Gate {
    fn from(function: Pointwise) -> Self {
        Self { function, gated: false }
    }
}
