//! What vector does each token get?
//!
//! One file an architecture, named and ordered as in the reference implementation; this file is the
//! only place that tells them apart.

mod bert;
mod layers;
mod modernbert;
mod steps;

use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::EncoderConfig;
use crate::observer::Observer;
use crate::text::token_batch::TokenBatch;

/// A backbone with its weights on one device.
pub enum Encoder {
    Bert(bert::Bert),
    ModernBert(modernbert::ModernBert),
}

/// What may be seen on the way through an encoder.
pub trait Watch {
    /// A hidden state `[tokens, hidden]`: the embeddings' output, then each layer's, the last one as it leaves the encoder.
    fn hidden_state(&mut self, _: &Tensor<2>) {}

    /// Whether [`Watch::input`] is to be called: it keeps products from being computed together.
    fn wants_inputs(&self) -> bool {
        false
    }

    /// The input `[tokens, in]` of a product, which is named after its tensor without `.weight`; where several
    /// products share an input, after the first.
    fn input(&mut self, _product: &str, _: &Tensor<2>) {}
}

/// Watches nothing.
pub struct Unwatched;

impl Watch for Unwatched {}

impl Encoder {
    /// Builds the backbone that `config` names from its weights. The observer can stop it before each layer.
    ///
    /// # Errors
    /// A tensor that is missing, misshapen, of an unknown type or not finite; [`crate::Error::Aborted`].
    pub async fn load(
        config: &EncoderConfig,
        weights: Weights<'_>,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        match config {
            EncoderConfig::Bert(config) => {
                let bert = bert::Bert::load(config, weights, device, observer).await?;
                Ok(Encoder::Bert(bert))
            }
            EncoderConfig::ModernBert(config) => {
                let load = modernbert::ModernBert::load(config, weights, device, observer);
                Ok(Encoder::ModernBert(load.await?))
            }
        }
    }

    /// Last hidden states `[tokens, hidden]` of all texts, one under the other. The observer can stop it in front of each
    /// layer, and in its middle.
    ///
    /// # Errors
    /// [`crate::Error::Aborted`].
    pub async fn forward(
        &self,
        batch: &TokenBatch,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        match self {
            Encoder::Bert(bert) => bert.forward(batch, watch, observer).await,
            Encoder::ModernBert(bert) => bert.forward(batch, watch, observer).await,
        }
    }

    /// As [`Encoder::forward`]; shows the input of each product, `[tokens, in]`, with its name: see [`Watch::input`].
    ///
    /// # Errors
    /// [`crate::Error::Aborted`].
    pub async fn inputs(
        &self,
        batch: &TokenBatch,
        each: &mut impl FnMut(&str, &Tensor<2>),
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        struct Inputs<'a, F>(&'a mut F);
        impl<F: FnMut(&str, &Tensor<2>)> Watch for Inputs<'_, F> {
            fn wants_inputs(&self) -> bool {
                true
            }

            fn input(&mut self, product: &str, x: &Tensor<2>) {
                (self.0)(product, x);
            }
        }
        self.forward(batch, &mut Inputs(each), observer).await
    }
}
