//! What vector does each token get?
//!
//! One file an architecture, named and ordered as in the reference implementation; this file is the
//! only place that tells them apart.

mod bert;
mod decoder;
mod head;
mod layers;
mod modernbert;
mod steps;
pub(crate) mod vision;

use burn::tensor::{Device, Tensor};

pub(crate) use head::Head;
pub(crate) use layers::Dense;
use layers::{LayerNorm, RmsNorm};

use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::EncoderConfig;
use crate::observer::Observer;
use crate::ops::Bounds;
use crate::text::token_batch::TokenBatch;

/// A language model's configuration is refused there, so that its code is left out.
const NO_TAB: &str = "no language model is loaded in a tab";

/// A backbone with its weights on one device.
pub enum Encoder {
    Bert(Box<bert::Bert>),
    ModernBert(Box<modernbert::ModernBert>),
    Decoder(Box<decoder::Decoder>),
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
                Ok(Encoder::Bert(Box::new(bert)))
            }
            EncoderConfig::ModernBert(config) => {
                let load = modernbert::ModernBert::load(config, weights, device, observer);
                Ok(Encoder::ModernBert(Box::new(load.await?)))
            }
            EncoderConfig::Decoder(_) if cfg!(target_arch = "wasm32") => unreachable!("{NO_TAB}"),
            EncoderConfig::Decoder(config) => {
                let decoder = decoder::Decoder::load(config, weights, device, observer).await?;
                Ok(Encoder::Decoder(Box::new(decoder)))
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
            Encoder::Decoder(_) if cfg!(target_arch = "wasm32") => unreachable!("{NO_TAB}"),
            Encoder::Decoder(decoder) => decoder.forward(batch, watch, observer).await,
        }
    }
}

/// What stands in front of a backbone's layers, alone: for a model of which not all is in memory at a time.
pub(crate) enum Embeddings {
    Bert(bert::BertEmbeddings),
    ModernBert(modernbert::ModernBertEmbeddings),
    Decoder(decoder::DecoderEmbeddings),
}

impl Embeddings {
    /// Reads the tensors that are in front of the layers.
    ///
    /// # Errors
    /// As [`Encoder::load`].
    pub(crate) fn load(
        config: &EncoderConfig,
        weights: &Weights<'_>,
        device: &Device,
    ) -> Result<Self> {
        Ok(match config {
            EncoderConfig::Bert(config) => {
                Embeddings::Bert(bert::BertEmbeddings::load(config, weights, device)?)
            }
            EncoderConfig::ModernBert(config) => Embeddings::ModernBert(
                modernbert::ModernBertEmbeddings::load(config, weights, device)?,
            ),
            EncoderConfig::Decoder(_) if cfg!(target_arch = "wasm32") => unreachable!("{NO_TAB}"),
            EncoderConfig::Decoder(config) => {
                Embeddings::Decoder(decoder::DecoderEmbeddings::load(config, weights, device)?)
            }
        })
    }

    /// The first layer's input `[tokens, hidden]`.
    pub(crate) fn forward(&self, batch: &TokenBatch) -> Tensor<2> {
        match self {
            Embeddings::Bert(embeddings) => embeddings.forward(batch),
            Embeddings::ModernBert(embeddings) => embeddings.forward(batch),
            Embeddings::Decoder(_) if cfg!(target_arch = "wasm32") => unreachable!("{NO_TAB}"),
            Embeddings::Decoder(embeddings) => embeddings.forward(batch),
        }
    }
}

/// One layer of a backbone, alone.
pub(crate) enum Layer {
    Bert(Box<bert::LoneLayer>),
    ModernBert(Box<modernbert::LoneLayer>),
    Decoder(Box<decoder::LoneLayer>),
}

impl Layer {
    /// Reads the layer's tensors, for texts of at most `longest` tokens.
    ///
    /// # Errors
    /// As [`Encoder::load`].
    pub(crate) fn load(
        config: &EncoderConfig,
        weights: &Weights<'_>,
        layer: usize,
        longest: usize,
        device: &Device,
    ) -> Result<Self> {
        Ok(match config {
            EncoderConfig::Bert(config) => {
                let layer = bert::LoneLayer::load(config, weights, layer, longest, device)?;
                Layer::Bert(Box::new(layer))
            }
            EncoderConfig::ModernBert(config) => {
                let layer = modernbert::LoneLayer::load(config, weights, layer, longest, device)?;
                Layer::ModernBert(Box::new(layer))
            }
            EncoderConfig::Decoder(_) if cfg!(target_arch = "wasm32") => unreachable!("{NO_TAB}"),
            EncoderConfig::Decoder(config) => {
                let layer = decoder::LoneLayer::load(config, weights, layer, device)?;
                Layer::Decoder(Box::new(layer))
            }
        })
    }

    /// `[tokens, hidden]` → the same shape; shows the input of each product, `[tokens, in]`, with its name: see
    /// [`Watch::input`].
    ///
    /// # Errors
    /// [`crate::Error::Aborted`].
    pub(crate) async fn inputs(
        &self,
        x: Tensor<2>,
        batch: &TokenBatch,
        each: &mut impl FnMut(&str, &Tensor<2>),
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let bounds = Bounds::new(&batch.lengths, &batch.attention_mask, &x.device());
        let watch = &mut Inputs(each);
        match self {
            Layer::Bert(layer) => layer.forward(x, &bounds, watch, observer).await,
            Layer::ModernBert(layer) => layer.forward(x, &bounds, watch, observer).await,
            Layer::Decoder(_) if cfg!(target_arch = "wasm32") => unreachable!("{NO_TAB}"),
            Layer::Decoder(layer) => layer.forward(x, batch, watch, observer).await,
        }
    }
}

/// What a backbone does behind its last layer.
pub(crate) enum LastNorm {
    Mean(Box<LayerNorm>),
    Squares(Box<RmsNorm>),
}

impl LastNorm {
    /// `[tokens, hidden]` → the same shape.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            LastNorm::Mean(norm) => norm.forward(x),
            LastNorm::Squares(norm) => norm.forward(x),
        }
    }
}

/// What a backbone does behind its last layer, with tensors that are in none.
///
/// # Errors
/// As [`Encoder::load`].
pub(crate) fn last_norm(
    config: &EncoderConfig,
    weights: &Weights<'_>,
    device: &Device,
) -> Result<Option<LastNorm>> {
    match config {
        EncoderConfig::Bert(_) => Ok(None),
        EncoderConfig::ModernBert(config) => modernbert::final_norm(config, weights, device)
            .map(|norm| Some(LastNorm::Mean(Box::new(norm)))),
        EncoderConfig::Decoder(_) if cfg!(target_arch = "wasm32") => unreachable!("{NO_TAB}"),
        EncoderConfig::Decoder(config) => decoder::last_norm(config, weights, device)
            .map(|norm| Some(LastNorm::Squares(Box::new(norm)))),
    }
}

/// Shows inputs alone.
struct Inputs<'a, F>(&'a mut F);

impl<F: FnMut(&str, &Tensor<2>)> Watch for Inputs<'_, F> {
    fn wants_inputs(&self) -> bool {
        true
    }

    fn input(&mut self, product: &str, x: &Tensor<2>) {
        (self.0)(product, x);
    }
}
