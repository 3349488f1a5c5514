//! Layers that architectures share. Weights keep PyTorch's names and shapes.

use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::{Activation, DenseConfig, Product};
use crate::model::quantize::Matrix;
use crate::ops::{self, Linear, tensor};
use crate::text::token_batch::TokenBatch;

/// A product's weights under each other, from `{name}.weight` `[rows, columns]` and, if they have one, `{name}.bias` `[rows]` of each.
pub(crate) fn product(weights: &Weights<'_>, product: &Product, device: &Device) -> Result<Linear> {
    let (mut parts, mut bias) = (Vec::new(), Vec::new());
    for name in &product.names {
        let shape = [product.rows, product.columns];
        parts.push(weights.matrix(&format!("{name}.weight"), shape)?);
        if product.bias {
            bias.extend(weights.read(&format!("{name}.bias"), &[product.rows])?);
        }
    }
    let weight = match parts.len() {
        1 => parts.remove(0),
        _ => Matrix::stack(&parts).ok_or_else(|| weights.not_alike(&product.names))?,
    };
    drop(parts);
    Ok(Linear::new(weight, product.bias.then_some(bias), device))
}

/// `[tokens, hidden]`: each token's row of a vocabulary table, or the vector that stands in its place, added to its row of `rows`.
///
/// # Panics
/// If there are not as many vectors as tokens that they are for: who makes the batch counts them.
pub(crate) fn with_tokens(
    table: &Matrix,
    batch: &TokenBatch,
    mut rows: Vec<f32>,
    device: &Device,
) -> Tensor<2> {
    let (features, replaced) = match &batch.features {
        Some(features) => (features.rows.as_slice(), Some(features.id)),
        None => (&[][..], None),
    };
    let mut features = features.chunks_exact(table.columns);
    // Ids are below the table's rows: the tokenizer's vocabulary is checked against it at load.
    for (row, &id) in rows.chunks_exact_mut(table.columns).zip(&batch.ids) {
        match replaced == Some(id) {
            true => {
                let vector = features.next().expect("there is a vector for each such token");
                row.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
            }
            false => table.add_row(id as usize, row),
        }
    }
    assert!(features.next().is_none(), "there is a token for each vector");
    tensor(rows, [batch.ids.len(), table.columns], device)
}

/// LayerNorm over the last axis.
pub(crate) struct LayerNorm {
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f32,
}

impl LayerNorm {
    /// From `{name}.weight` and, if it has one, `{name}.bias`, which old saves call gamma and beta.
    pub(crate) fn load(
        weights: &Weights<'_>,
        name: &str,
        size: usize,
        bias: bool,
        epsilon: f64,
        device: &Device,
    ) -> Result<Self> {
        let old = weights.contains(&format!("{name}.gamma"));
        let [gamma, beta] = if old { ["gamma", "beta"] } else { ["weight", "bias"] };
        let read = |part| weights.read(&format!("{name}.{part}"), &[size]);
        let beta = if bias { read(beta)? } else { vec![0.0; size] };
        Ok(Self {
            gamma: tensor(read(gamma)?, [size], device),
            beta: tensor(beta, [size], device),
            epsilon: epsilon as f32,
        })
    }

    /// `[tokens, size]` → the same shape.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        ops::layer_norm(x, &self.gamma, &self.beta, self.epsilon)
    }

    /// Of `x + residual`.
    pub(crate) fn add_forward(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        ops::add_layer_norm(x, residual, &self.gamma, &self.beta, self.epsilon)
    }

    /// `x + residual`, and the norm of it.
    pub(crate) fn sum_forward(&self, x: Tensor<2>, residual: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        ops::sum_layer_norm(x, residual, &self.gamma, &self.beta, self.epsilon)
    }
}

/// A norm without a mean over the last axis.
pub(crate) struct RmsNorm {
    gamma: Tensor<1>,
    epsilon: f32,
}

impl RmsNorm {
    /// From `{name}.weight`, to which `offset` is added.
    pub(crate) fn load(
        weights: &Weights<'_>,
        name: &str,
        size: usize,
        offset: f32,
        epsilon: f64,
        device: &Device,
    ) -> Result<Self> {
        let mut gamma = weights.read(&format!("{name}.weight"), &[size])?;
        gamma.iter_mut().for_each(|value| *value += offset);
        Ok(Self { gamma: tensor(gamma, [size], device), epsilon: epsilon as f32 })
    }

    /// `[tokens, size]` → the same shape.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        ops::rms_norm(x, &self.gamma, self.epsilon)
    }
}

/// A Dense module of sentence-transformers: `f(x·Wᵀ + b)`, to which what went in may be added.
pub(crate) struct Dense {
    linear: Linear,
    activation: Activation,
    residual: Residual,
}

enum Residual {
    None,
    /// Adds the input itself.
    Input,
    /// Adds a product of the input, where the widths differ.
    Linear(Box<Linear>),
}

impl Dense {
    /// `weights` are those of the module's own file.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub(crate) fn load(
        config: &DenseConfig,
        weights: &Weights<'_>,
        device: &Device,
    ) -> Result<Self> {
        let shape = [config.out_features, config.in_features];
        let stem = config.stem();
        let weight = weights.matrix(&format!("{stem}.weight"), shape)?;
        let bias = match config.bias {
            true => Some(weights.read(&format!("{stem}.bias"), &[config.out_features])?),
            false => None,
        };
        Ok(Self {
            linear: Linear::new(weight, bias, device),
            activation: config.activation,
            residual: Residual::load(config, weights, device)?,
        })
    }

    /// `[rows, in]` → `[rows, out]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = self.linear.forward_then(x.clone(), self.activation);
        match &self.residual {
            Residual::None => y,
            Residual::Input => y + x,
            Residual::Linear(linear) => y + linear.forward(x),
        }
    }
}

impl Residual {
    fn load(config: &DenseConfig, weights: &Weights<'_>, device: &Device) -> Result<Self> {
        let (input, output) = (config.in_features, config.out_features);
        Ok(match config.residual {
            false => Residual::None,
            true if input == output => Residual::Input,
            true => {
                let weight = weights.matrix("residual.weight", [output, input])?;
                Residual::Linear(Box::new(Linear::new(weight, None, device)))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::model::activation::Activation;
    use crate::ops::plain::pointwise;

    /// Values by `tests/reference/activations.py`. Its list is all that transformers has, so a function that a new version
    /// brings fails here.
    #[test]
    fn functions_are_those_of_transformers_and_torch() {
        let file = include_bytes!("../../tests/fixtures/activations/expected.json");
        let mut expected: BTreeMap<String, Vec<f64>> = serde_json::from_slice(file).unwrap();
        let arguments = expected.remove("arguments").unwrap();
        assert_eq!(expected.len(), 32);
        for (name, values) in expected {
            let function = Activation::of_class(&name).or(Activation::named(&name));
            let function = function.unwrap_or_else(|| panic!("{name} is not known"));
            for (&x, y) in arguments.iter().zip(values) {
                let found = pointwise(function, x);
                assert!(
                    (found - y).abs() < 2e-6 * y.abs().max(1.0),
                    "{name}({x}): {found}, not {y}"
                );
            }
        }
    }
}
