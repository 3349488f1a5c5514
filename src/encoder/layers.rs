//! Layers that architectures share. Each has `load` and `forward`; weights keep PyTorch's names and shapes.

use burn::tensor::{
    Bool, Device, Tensor, TensorData, activation, module, ops::AttentionModuleOptions,
};

use crate::checkpoint::Weights;
use crate::config::Activation;
use crate::error::Result;

/// `x·Wᵀ + b`.
pub(crate) struct Linear {
    /// `[1, in, out]`: transposed once at load, ready for a batched product.
    weight: Tensor<3>,
    /// `[1, 1, out]`.
    bias: Option<Tensor<3>>,
}

impl Linear {
    /// From `{name}.weight` `[out, in]` and `{name}.bias` `[out]`.
    pub(crate) fn load(
        weights: &Weights<'_>,
        name: &str,
        [input, output]: [usize; 2],
        device: &Device,
    ) -> Result<Self> {
        let weight = weights.read(&format!("{name}.weight"), &[output, input])?;
        let bias = weights.read(&format!("{name}.bias"), &[output])?;
        Ok(Self::new(weight, Some(bias), [input, output], device))
    }

    /// From a weight `[out, in]` and a bias `[out]`, row-major.
    pub(crate) fn new(
        weight: Vec<f32>,
        bias: Option<Vec<f32>>,
        [input, output]: [usize; 2],
        device: &Device,
    ) -> Self {
        let transposed = transpose(&weight, output, input);
        Self {
            weight: tensor(transposed, [1, input, output], device),
            bias: bias.map(|bias| tensor(bias, [1, 1, output], device)),
        }
    }

    /// `[batch, length, in]` → `[batch, length, out]`.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, length, input] = x.dims();
        let output = self.weight.dims()[2];
        // One product over all tokens is faster than one a text.
        let y = x.reshape([1, batch * length, input]).matmul(self.weight.clone());
        let y = match &self.bias {
            Some(bias) => y + bias.clone(),
            None => y,
        };
        y.reshape([batch, length, output])
    }
}

/// `(x - mean) / sqrt(var + eps) · γ + β` over the last axis, with the biased variance.
pub(crate) struct LayerNorm {
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
}

impl LayerNorm {
    /// From `{name}.weight` and `{name}.bias`, which old saves call gamma and beta.
    pub(crate) fn load(
        weights: &Weights<'_>,
        name: &str,
        size: usize,
        epsilon: f64,
        device: &Device,
    ) -> Result<Self> {
        let old = weights.contains(&format!("{name}.gamma"));
        let [gamma, beta] = if old { ["gamma", "beta"] } else { ["weight", "bias"] };
        let read = |part| weights.read(&format!("{name}.{part}"), &[size]);
        Ok(Self {
            gamma: tensor(read(gamma)?, [size], device),
            beta: tensor(read(beta)?, [size], device),
            epsilon,
        })
    }

    /// `[batch, length, size]` → the same shape.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        module::layer_norm(x, self.gamma.clone(), Some(self.beta.clone()), self.epsilon)
    }
}

/// `softmax(Q·Kᵀ / √d)·V` in `heads` heads. `masked` `[batch, heads, length, length]` is true where a
/// key may not be attended to; each query needs one key at least.
pub(crate) fn attention(
    [query, key, value]: [Tensor<3>; 3],
    heads: usize,
    masked: Option<Tensor<4, Bool>>,
) -> Tensor<3> {
    let [batch, length, hidden] = query.dims();
    let split = |x: Tensor<3>| x.reshape([batch, length, heads, hidden / heads]).swap_dims(1, 2);
    let context = module::attention(
        split(query),
        split(key),
        split(value),
        masked,
        None,
        AttentionModuleOptions::default(),
    );
    context.swap_dims(1, 2).reshape([batch, length, hidden])
}

/// Applies a pointwise function.
pub(crate) fn activate(x: Tensor<3>, function: Activation) -> Tensor<3> {
    match function {
        Activation::Identity => x,
        Activation::Gelu => activation::gelu(x),
        Activation::Relu => activation::relu(x),
        Activation::Silu => activation::silu(x),
        Activation::Tanh => activation::tanh(x),
        Activation::Sigmoid => activation::sigmoid(x),
    }
}

/// A tensor from row-major values.
pub(crate) fn tensor<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    for (row, line) in values.chunks_exact(columns).enumerate() {
        for (column, value) in line.iter().enumerate() {
            out[column * rows + row] = *value;
        }
    }
    out
}
