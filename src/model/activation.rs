//! Which functions may stand between products, and what do the libraries call them?

use serde::Serialize;

/// A pointwise function of a Dense module or of a feed-forward layer, with PyTorch's definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Activation {
    Identity,
    /// By the error function.
    Gelu,
    /// By the tanh approximation.
    GeluTanh,
    /// `x · sigmoid(1.702 · x)`.
    GeluQuick,
    /// [`Activation::Gelu`], at most 10.
    GeluClipped,
    Relu,
    /// [`Activation::Relu`], at most 6.
    Relu6,
    /// The square of [`Activation::Relu`].
    ReluSquared,
    /// A hundredth of what is negative.
    LeakyRelu,
    Silu,
    HardSwish,
    Mish,
    Tanh,
    Sigmoid,
    /// A normal distribution function, as MEGA's attention takes it.
    Laplace,
    /// `sqrt(ln(1 + eˣ))`.
    SqrtSoftplus,
}

impl Activation {
    /// All of them.
    pub const ALL: [Activation; 16] = [
        Activation::Identity,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::GeluQuick,
        Activation::GeluClipped,
        Activation::Relu,
        Activation::Relu6,
        Activation::ReluSquared,
        Activation::LeakyRelu,
        Activation::Silu,
        Activation::HardSwish,
        Activation::Mish,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Laplace,
        Activation::SqrtSoftplus,
    ];

    /// By its name in `ACT2FN` of transformers: all but those that have weights of their own.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gelu" | "gelu_python" => Activation::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_accurate" | "gelu_pytorch_tanh"
            | "gelu_python_tanh" => Activation::GeluTanh,
            "quick_gelu" => Activation::GeluQuick,
            "gelu_10" => Activation::GeluClipped,
            "relu" => Activation::Relu,
            "relu6" => Activation::Relu6,
            "relu2" => Activation::ReluSquared,
            "leaky_relu" => Activation::LeakyRelu,
            "silu" | "swish" => Activation::Silu,
            "hardswish" => Activation::HardSwish,
            "mish" => Activation::Mish,
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            "laplace" => Activation::Laplace,
            "sqrtsoftplus" => Activation::SqrtSoftplus,
            "linear" => Activation::Identity,
            _ => return None,
        })
    }

    /// By its class, written with its whole path; the libraries make it without arguments.
    pub(crate) fn of_class(path: &str) -> Option<Self> {
        let class = path.strip_prefix("torch.nn.")?.rsplit('.').next()?;
        CLASSES.iter().find(|(name, _)| *name == class).map(|(_, function)| *function)
    }

    /// Its class in `torch.nn`; `None` of functions that have none, or need arguments.
    pub fn class(self) -> Option<&'static str> {
        CLASSES.iter().find(|(_, function)| *function == self).map(|(name, _)| *name)
    }
}

/// Classes of `torch.nn`.
const CLASSES: [(&str, Activation); 10] = [
    ("Identity", Activation::Identity),
    ("GELU", Activation::Gelu),
    ("ReLU", Activation::Relu),
    ("ReLU6", Activation::Relu6),
    ("LeakyReLU", Activation::LeakyRelu),
    ("SiLU", Activation::Silu),
    ("Hardswish", Activation::HardSwish),
    ("Mish", Activation::Mish),
    ("Tanh", Activation::Tanh),
    ("Sigmoid", Activation::Sigmoid),
];

/// Mean and deviation of [`Activation::Laplace`].
#[allow(clippy::approx_constant, reason = "the figures of transformers")]
pub(crate) const LAPLACE: [f32; 2] = [0.707_107, 0.282_095];
/// `sqrt(2 / π)` and the weight of the cube in [`Activation::GeluTanh`].
pub(crate) const GELU_TANH: [f32; 2] = [0.797_884_6, 0.044_715];
