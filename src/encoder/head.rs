//! What score does a pair get? A cross-encoder's layers behind the encoder, over one vector a pair: see
//! [`crate::model::config::HeadConfig`].
//!
//! One row a pair goes through them, so that they are computed on the CPU, whatever device the encoder is on.

use burn::tensor::{Device, Tensor};

use super::layers::{Dense, LayerNorm};
use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::{
    Activation, HeadConfig, HeadStep, LinearConfig, NormConfig, PoolingMode,
};
use crate::ops::{Linear, plain};

pub(crate) struct Head {
    pooling: PoolingMode,
    steps: Vec<Step>,
    activation: Activation,
}

enum Step {
    Linear { linear: Box<Linear>, activation: Activation },
    Dense(Box<Dense>),
    Norm(Box<LayerNorm>),
}

impl Head {
    /// `weights` opens those of a step.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub(crate) fn load<'w>(
        config: &HeadConfig,
        weights: impl Fn(&HeadStep) -> Result<Weights<'w>>,
        device: &Device,
    ) -> Result<Self> {
        let steps = config.steps.iter().map(|step| Step::load(step, &weights(step)?, device));
        Ok(Self {
            pooling: config.pooling,
            steps: steps.collect::<Result<_>>()?,
            activation: config.activation,
        })
    }

    /// Which hidden states make a pair's vector.
    pub(crate) fn pooling(&self) -> PoolingMode {
        self.pooling
    }

    /// Vectors `[pairs, hidden]` → one number a pair, `[pairs, 1]`.
    pub(crate) fn logits(&self, vectors: Tensor<2>) -> Tensor<2> {
        self.steps.iter().fold(vectors, |x, step| step.forward(x))
    }

    /// What no score goes beyond, if there is such a number.
    pub(crate) fn bound(&self) -> Option<f32> {
        matches!(self.activation, Activation::Sigmoid | Activation::Tanh).then_some(1.0)
    }

    /// The score that a number stands for.
    pub(crate) fn score(&self, logit: f32) -> f32 {
        plain::pointwise(self.activation, f64::from(logit)) as f32
    }
}

impl Step {
    fn load(config: &HeadStep, weights: &Weights<'_>, device: &Device) -> Result<Self> {
        Ok(match config {
            HeadStep::Linear(config) => {
                let &LinearConfig { name, rows, columns, bias, activation, .. } = config;
                let weight = weights.matrix(&format!("{name}.weight"), [rows, columns])?;
                let bias = bias.then(|| weights.read(&format!("{name}.bias"), &[rows]));
                let linear = Box::new(Linear::new(weight, bias.transpose()?, device));
                Step::Linear { linear, activation }
            }
            HeadStep::Dense(config) => Step::Dense(Box::new(Dense::load(config, weights, device)?)),
            HeadStep::Norm(config) => {
                let &NormConfig { name, size, bias, epsilon, .. } = config;
                let norm = LayerNorm::load(weights, name, size, bias, epsilon, device)?;
                Step::Norm(Box::new(norm))
            }
        })
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Step::Linear { linear, activation } => linear.forward_then(x, *activation),
            Step::Dense(dense) => dense.forward(x),
            Step::Norm(norm) => norm.forward(x),
        }
    }
}
