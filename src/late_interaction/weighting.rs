//! Which share of the score has each of a query's tokens? Of models that have learned it: see [`WeightingConfig`].

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::WeightingConfig;
use crate::ops::tensor;
use crate::text::token_batch::TokenSequence;

/// What is added to the logit of a token that yields no embedding: its weight is 0 beside any other's.
const LEFT_OUT: f32 = -1e30;

/// What weighs tokens, on one device.
pub(crate) struct Weighting {
    /// `[1, hidden]`.
    weight: Tensor<2>,
    bias: f32,
    device: Device,
}

impl Weighting {
    /// # Errors
    /// As [`Weights::read`].
    pub(crate) fn load(
        files: &CheckpointFiles,
        config: &WeightingConfig,
        device: &Device,
    ) -> Result<Self> {
        let weights = Weights::open(files, std::slice::from_ref(&config.file))?;
        let (weight, bias) = config.read(&weights)?;
        let weight = tensor(weight, [1, config.hidden_size], device);
        Ok(Self { weight, bias, device: device.clone() })
    }

    /// Hidden states `[tokens, hidden]` of texts that lie under each other → `[tokens, 1]`, those of each text adding up to 1.
    pub(crate) fn weights<'t>(
        &self,
        hidden: Tensor<2>,
        texts: impl Iterator<Item = &'t TokenSequence>,
    ) -> Tensor<2> {
        let logits = (hidden * self.weight.clone()).sum_dim(1) + self.bias;
        let mut first = 0;
        let weights = texts.map(|text| {
            let rows = first..first + text.len();
            first = rows.end;
            let left_out =
                text.embedding_mask.iter().map(|&yields| if yields { 0.0 } else { LEFT_OUT });
            let left_out = tensor(left_out.collect(), [text.len(), 1], &self.device);
            softmax(logits.clone().slice([rows]) + left_out, 0)
        });
        Tensor::cat(weights.collect(), 0)
    }
}
