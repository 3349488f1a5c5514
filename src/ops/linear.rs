//! `x·Wᵀ + b`, and two of them with a function or a gate between them.

use burn::backend::Dispatch;
use burn::tensor::{Device, Tensor};

use super::{EncoderOps as _, Gate, PackedMatrix, PackedWeight};
use crate::model::quantize::Matrix;

/// `x·Wᵀ + b` with a weight `[out, in]` of any stored type.
pub struct Linear {
    weight: PackedWeight<Dispatch>,
}

impl Linear {
    /// Packs a weight and its bias `[out]`, zero where there is none.
    ///
    /// # Panics
    /// If the bias is not as long as the weight has rows.
    pub fn new(matrix: Matrix, bias: Option<Vec<f32>>, device: &Device) -> Self {
        let bias = bias.unwrap_or_else(|| vec![0.0; matrix.rows]);
        assert_eq!(bias.len(), matrix.rows, "a bias for each output");
        Self { weight: PackedWeight::new(matrix, bias, device) }
    }

    /// Whether its weight is held in codes.
    pub fn is_coded(&self) -> bool {
        !matches!(self.weight.matrix, PackedMatrix::F32(_))
    }

    /// `[tokens, in]` → `[tokens, out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward_then(x, Gate::NONE)
    }

    /// As [`Linear::forward`], and the function or the gate of it, which leaves half as many values.
    pub fn forward_then(&self, x: Tensor<2>, then: impl Into<Gate>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::linear(x.into_dispatch(), self.weight.clone(), then.into()))
    }
}

/// `down(between(up(x)))`.
pub fn feed_forward(
    x: Tensor<2>,
    up: &Linear,
    between: impl Into<Gate>,
    down: &Linear,
) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::feed_forward(
        x.into_dispatch(),
        up.weight.clone(),
        between.into(),
        down.weight.clone(),
    ))
}
