//! What vector does each token get?
//!
//! One file an architecture, named and ordered as in the reference implementation; this file is the
//! only place that tells them apart.

mod bert;
mod layers;

use burn::tensor::{Device, Tensor};

pub(crate) use layers::{Linear, activate};

use crate::checkpoint::Weights;
use crate::config::EncoderConfig;
use crate::error::Result;
use crate::token_batch::TokenBatch;

/// A backbone with its weights on one device.
pub enum Encoder {
    Bert(bert::Bert),
}

impl Encoder {
    /// Builds the backbone that `config` names from its weights.
    ///
    /// # Errors
    /// A tensor that is missing, misshapen, of an unknown type or not finite.
    pub fn load(config: &EncoderConfig, weights: Weights<'_>, device: &Device) -> Result<Self> {
        match config {
            EncoderConfig::Bert(config) => {
                Ok(Encoder::Bert(bert::Bert::load(config, weights, device)?))
            }
        }
    }

    /// Last hidden states, `[batch, length, hidden]`. Rows of padding hold numbers without meaning.
    pub fn forward(&self, batch: &TokenBatch) -> Tensor<3> {
        self.forward_with(batch, &mut |_| {})
    }

    /// As [`Encoder::forward`], and shows each hidden state on the way: the embeddings' output, then each layer's.
    pub fn forward_with(&self, batch: &TokenBatch, each: &mut dyn FnMut(&Tensor<3>)) -> Tensor<3> {
        match self {
            Encoder::Bert(bert) => bert.forward(batch, each),
        }
    }

    /// Shows the input of each product, `[tokens, in]`, with the first of its names.
    pub fn inputs(&self, batch: &TokenBatch, each: &mut dyn FnMut(&str, &Tensor<2>)) {
        match self {
            Encoder::Bert(bert) => bert.inputs(batch, each),
        }
    }
}
