//! Which vectors are kept, at which width? Tokenizer, encoder and projection on one device.
//!
//! A text's embeddings are a function of the model and the text alone: on the CPU they are equal, bit for
//! bit, whatever texts are computed beside it.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor};

use crate::batching::Cost;
use crate::encoder::{Encoder, Watch};
use crate::error::{Error, Result};
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::{
    Activation, DenseConfig, Layout, ModelConfig, ProjectionStep, STANFORD_PROJECTION, VectorConfig,
};
use crate::observer::Observer;
use crate::ops::{Linear, normalize};
use crate::text::token_batch::{TokenBatch, TokenSequence};
use crate::text::tokenizer::Tokenizer;
use crate::text_kind::TextKind;

/// Most tokens of a batch on a GPU, unless one text has more: what is submitted at a time, so that no driver takes a long batch
/// for a hang (Windows resets a GPU after two seconds, a browser after ten).
pub(crate) const GPU_BATCH_TOKENS: usize = 1_024;

/// What a load leaves of a bundle's tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    /// All of them, for a load on a second device.
    Tensors,
}

/// A late-interaction model on one device.
pub struct ColBert {
    tokenizer: Arc<Tokenizer>,
    encoder: Encoder,
    projection: Vec<Projection>,
    dimension: usize,
    hidden_size: usize,
    vector: Result<VectorConfig>,
    device: Device,
}

impl ColBert {
    /// Puts a checkpoint's weights on `device`.
    ///
    /// # Errors
    /// A weight that is missing, misshapen, of an unknown type or not finite; [`Error::Aborted`].
    pub(crate) async fn load(
        files: &CheckpointFiles,
        config: &ModelConfig,
        tokenizer: Arc<Tokenizer>,
        device: &Device,
        keep: Keep,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let backbone =
            Weights::open(files, &files.backbone_files()?)?.keeping(keep == Keep::Tensors);
        let projection = config
            .projection
            .iter()
            .map(|step| Projection::load(step, |dense| dense_weights(files, config, dense), device))
            .collect::<Result<_>>()?;
        Ok(Self {
            tokenizer,
            encoder: Encoder::load(&config.encoder, backbone, device, observer).await?,
            projection,
            dimension: config.dimension,
            hidden_size: config.encoder.hidden_size(),
            vector: config.vector.clone(),
            device: device.clone(),
        })
    }

    /// Width of an embedding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Whether embeddings are unit vectors.
    pub(crate) fn is_normalized(&self) -> bool {
        matches!(self.projection.last(), Some(Projection::Normalize))
    }

    /// Width of a hidden state.
    pub(crate) fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// How the checkpoint itself makes one vector of a text.
    pub(crate) fn vector_config(&self) -> &Result<VectorConfig> {
        &self.vector
    }

    /// Where the weights are.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The projection's Dense modules, which a bi-encoder has for its one vector.
    pub(crate) fn dense(&self) -> impl Iterator<Item = &Projection> {
        self.projection.iter().filter(|step| matches!(step, Projection::Dense(_)))
    }

    /// What a batch takes at most. More tokens do not make the CPU's products faster, only larger, and each layer longer; a GPU
    /// needs as many to be busy. Of attention a batch does half of what one text of as many tokens does: a text that is most of
    /// a batch goes alone, and others do not make its layers longer still.
    pub(crate) fn batch_limits(&self) -> Cost {
        let tokens = if self.device == crate::device::cpu() { 512 } else { GPU_BATCH_TOKENS };
        Cost { tokens, pairs: Cost::of(tokens).pairs / 2 }
    }

    /// Tokenizes a text. `index` is its place in the caller's list, for errors.
    ///
    /// # Errors
    /// [`Error::EmptyQuery`], and see [`Tokenizer::tokenize`].
    pub(crate) fn tokenize(
        &self,
        kind: TextKind,
        index: usize,
        text: &str,
    ) -> Result<TokenSequence> {
        let tokens = self.tokenizer.tokenize(kind, index, text)?;
        // White space can be tokens.
        let nothing = tokens.says_nothing() || text.trim().is_empty();
        match kind == TextKind::Query && nothing {
            true => Err(Error::EmptyQuery),
            false => Ok(tokens),
        }
    }

    /// Last hidden states of texts that lie under each other, `[tokens, hidden]`.
    ///
    /// # Errors
    /// [`Error::Aborted`].
    pub(crate) async fn hidden_states(
        &self,
        batch: &TokenBatch,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        self.encoder.forward(batch, watch, observer).await
    }

    /// Embeddings of hidden states, `[tokens, dimension]`.
    pub(crate) fn project(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.projection.iter().fold(hidden, |x, step| step.forward(x))
    }
}

/// Two Dense modules may be of one file, so that these small tensors stay.
fn dense_weights<'f>(
    files: &'f CheckpointFiles,
    config: &ModelConfig,
    dense: &DenseConfig,
) -> Result<Weights<'f>> {
    let names = match config.layout {
        Layout::Stanford => files.backbone_files()?,
        _ => vec![dense.file.clone()],
    };
    Weights::open(files, &names)
}

/// A step of the projection with its weights.
pub(crate) enum Projection {
    Dense(Box<Dense>),
    /// Places of the columns that are kept.
    Truncate(Box<Tensor<1, Int>>),
    Normalize,
}

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

impl Projection {
    /// `weights` opens those of a Dense module.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub(crate) fn load<'w>(
        step: &ProjectionStep,
        weights: impl FnOnce(&DenseConfig) -> Result<Weights<'w>>,
        device: &Device,
    ) -> Result<Self> {
        let config = match step {
            ProjectionStep::Dense(config) => config,
            &ProjectionStep::Truncate(width) => {
                let columns = Tensor::arange(0..width as i64, device);
                return Ok(Projection::Truncate(Box::new(columns)));
            }
            ProjectionStep::Normalize => return Ok(Projection::Normalize),
        };
        let weights = weights(config)?;
        let shape = [config.out_features, config.in_features];
        let weight = weights.matrix_full(STANFORD_PROJECTION, shape)?;
        let bias = match config.bias {
            true => Some(weights.read_full("linear.bias", &[config.out_features])?),
            false => None,
        };
        Ok(Projection::Dense(Box::new(Dense {
            linear: Linear::new(weight, bias, device),
            activation: config.activation,
            residual: Residual::load(config, &weights, device)?,
        })))
    }

    /// `[rows, in]` → `[rows, out]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Projection::Normalize => normalize(x),
            // A selection lies in memory of its own, row after row, as the operations want it.
            Projection::Truncate(columns) => x.select(1, (**columns).clone()),
            Projection::Dense(dense) => {
                let y = dense.linear.forward_then(x.clone(), dense.activation);
                match &dense.residual {
                    Residual::None => y,
                    Residual::Input => y + x,
                    Residual::Linear(linear) => y + linear.forward(x),
                }
            }
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
                let weight = weights.matrix_full("residual.weight", [output, input])?;
                Residual::Linear(Box::new(Linear::new(weight, None, device)))
            }
        })
    }
}
