//! Which vectors are kept, at which width? Tokenizer, encoder and projection together: texts →
//! [`TokenEmbeddings`].
//!
//! A text's embeddings are a function of the model and the text alone; which texts it is batched with
//! only moves them by rounding.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use crate::batching;
use crate::checkpoint::{CheckpointFiles, Weights};
use crate::config::{
    Activation, DenseConfig, Layout, ModelConfig, ProjectionStep, STANFORD_PROJECTION,
};
use crate::device::read;
use crate::embeddings::TokenEmbeddings;
use crate::encoder::{Encoder, Linear, activate};
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::token_batch::{TextKind, TokenBatch, TokenSequence};
use crate::tokenizer::Tokenizer;

/// Most tokens of a batch, padding included. More does not make the products faster, only larger.
pub(crate) const BATCH_TOKENS: usize = 1_024;

/// How batches are padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// To the longest text.
    Exact,
    /// To a multiple of 16, so that a device compiles and checks few shapes.
    Buckets,
}

/// A late-interaction model on one device.
pub struct ColBert {
    tokenizer: Arc<Tokenizer>,
    encoder: Encoder,
    projection: Vec<Projection>,
    dimension: usize,
    hidden_size: usize,
    max_length: usize,
    padding: Padding,
}

/// Every stage of one text, for tests and bug reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    pub tokens: TokenSequence,
    /// The embeddings' output, then each layer's, `[tokens, hidden]` each.
    pub hidden_states: Vec<Vec<f32>>,
    pub embeddings: TokenEmbeddings,
}

impl ColBert {
    /// Puts a checkpoint's weights on `device`.
    ///
    /// # Errors
    /// A weight that is missing, misshapen, of an unknown type or not finite.
    pub(crate) fn load(
        files: &CheckpointFiles,
        config: &ModelConfig,
        tokenizer: Arc<Tokenizer>,
        device: &Device,
        padding: Padding,
    ) -> Result<Self> {
        let backbone = Weights::open(files, &files.backbone_files()?)?;
        let projection = config
            .projection
            .iter()
            .map(|step| Projection::load(step, files, config.layout, device))
            .collect::<Result<_>>()?;
        Ok(Self {
            tokenizer,
            encoder: Encoder::load(&config.encoder, backbone, device)?,
            projection,
            dimension: config.dimension,
            hidden_size: config.encoder.hidden_size(),
            max_length: config.encoder.max_length(),
            padding,
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

    /// Tokenizes texts.
    ///
    /// # Errors
    /// See [`Tokenizer::tokenize`].
    pub fn tokenize(&self, kind: TextKind, texts: &[&str]) -> Result<Vec<TokenSequence>> {
        texts
            .iter()
            .enumerate()
            .map(|(index, text)| self.tokenizer.tokenize(kind, index, text))
            .collect()
    }

    /// L2-normalised embeddings of the tokens that yield one, text after text.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::DeviceLost`], [`Error::Aborted`].
    pub async fn encode(
        &self,
        kind: TextKind,
        sequences: &[TokenSequence],
        observer: &mut impl Observer,
    ) -> Result<TokenEmbeddings> {
        let project = |hidden| self.project(hidden);
        let rows = self.run(kind, sequences, project, observer).await?;
        let mut embeddings = TokenEmbeddings::new(self.dimension);
        for (sequence, rows) in sequences.iter().zip(rows) {
            let kept: Vec<f32> = sequence
                .embedded()
                .flat_map(|position| row(&rows, position, self.dimension))
                .copied()
                .collect();
            embeddings.push(&kept);
        }
        Ok(embeddings)
    }

    /// One vector a text: the mean of the last hidden states of the tokens that are attended to,
    /// L2-normalised, as sentence-transformers' mean pooling computes it. Every length is 1.
    ///
    /// # Errors
    /// As [`ColBert::encode`].
    pub async fn pool(
        &self,
        kind: TextKind,
        sequences: &[TokenSequence],
        observer: &mut impl Observer,
    ) -> Result<TokenEmbeddings> {
        let rows = self.run(kind, sequences, |hidden| hidden, observer).await?;
        let mut pooled = TokenEmbeddings::new(self.hidden_size);
        for (sequence, rows) in sequences.iter().zip(rows) {
            pooled.push(&mean(&rows, &sequence.attention_mask, self.hidden_size));
        }
        Ok(pooled)
    }

    /// Every stage of one text, computed alone.
    ///
    /// # Errors
    /// As [`ColBert::tokenize`] and [`ColBert::encode`].
    pub async fn inspect(&self, kind: TextKind, text: &str) -> Result<Inspection> {
        let tokens = self.tokenizer.tokenize(kind, 0, text)?;
        let batch = TokenBatch::pad(&[&tokens], tokens.len());
        let mut states = Vec::new();
        self.encoder.forward_with(&batch, &mut |hidden| states.push(hidden.clone()));
        let mut hidden_states = Vec::new();
        for state in states {
            hidden_states.push(read(state).await?);
        }
        let embeddings = self
            .encode(kind, std::slice::from_ref(&tokens), &mut crate::observer::Unobserved)
            .await?;
        Ok(Inspection { tokens, hidden_states, embeddings })
    }

    /// Encodes in batches of like length and reads back what `project` makes of the hidden states:
    /// for each text the rows of all its tokens.
    async fn run(
        &self,
        kind: TextKind,
        sequences: &[TokenSequence],
        project: impl Fn(Tensor<3>) -> Tensor<3>,
        observer: &mut impl Observer,
    ) -> Result<Vec<Vec<f32>>> {
        let lengths: Vec<usize> = sequences.iter().map(|s| self.padded(s.len())).collect();
        let mut rows = vec![Vec::new(); sequences.len()];
        let mut done = 0;
        for indices in batching::by_length(&lengths, BATCH_TOKENS) {
            let texts: Vec<&TokenSequence> = indices.iter().map(|&i| &sequences[i]).collect();
            let batch = TokenBatch::pad(&texts, lengths[indices[0]]);
            let output = project(self.encoder.forward(&batch));
            let [_, length, width] = output.dims();
            let values = read(output).await?;
            for (text, (&index, sequence)) in indices.iter().zip(&texts).enumerate() {
                let start = text * length * width;
                let own = &values[start..start + sequence.len() * width];
                check_finite(own, kind, index)?;
                rows[index] = own.to_vec();
            }
            done += indices.len();
            if observer.batch_done(done, sequences.len()).await.is_break() {
                return Err(Error::Aborted);
            }
        }
        Ok(rows)
    }

    fn padded(&self, length: usize) -> usize {
        match self.padding {
            Padding::Exact => length,
            Padding::Buckets => length.next_multiple_of(16).min(self.max_length.max(length)),
        }
    }

    fn project(&self, hidden: Tensor<3>) -> Tensor<3> {
        self.projection.iter().fold(hidden, |x, step| step.forward(x))
    }
}

/// A step of the projection with its weights.
enum Projection {
    Dense(Box<Dense>),
    Normalize,
}

struct Dense {
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
    fn load(
        step: &ProjectionStep,
        files: &CheckpointFiles,
        layout: Layout,
        device: &Device,
    ) -> Result<Self> {
        let ProjectionStep::Dense(config) = step else {
            return Ok(Projection::Normalize);
        };
        let stanford = layout == Layout::Stanford;
        let names = match stanford {
            true => files.backbone_files()?,
            false => vec![config.file.clone()],
        };
        let weights = Weights::open(files, &names)?;
        let shape = [config.out_features, config.in_features];
        let widths = [config.in_features, config.out_features];
        let weight = weights.read_full(STANFORD_PROJECTION, &shape)?;
        let bias = match config.bias {
            true => Some(weights.read_full("linear.bias", &[config.out_features])?),
            false => None,
        };
        Ok(Projection::Dense(Box::new(Dense {
            linear: Linear::new(weight, bias, widths, device),
            activation: config.activation,
            residual: Residual::load(config, &weights, device)?,
        })))
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Projection::Normalize => normalize(x),
            Projection::Dense(dense) => {
                let y = activate(dense.linear.forward(x.clone()), dense.activation);
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
                let weight = weights.read_full("residual.weight", &[output, input])?;
                Residual::Linear(Box::new(Linear::new(weight, None, [input, output], device)))
            }
        })
    }
}

/// `x / max(‖x‖₂, 1e-12)` a row, as `torch.nn.functional.normalize`.
fn normalize(x: Tensor<3>) -> Tensor<3> {
    let norm = (x.clone() * x.clone()).sum_dim(2).sqrt().clamp_min(1e-12);
    x / norm
}

/// Mean of the attended rows, L2-normalised.
fn mean(rows: &[f32], attended: &[bool], width: usize) -> Vec<f32> {
    let mut sum = vec![0.0f32; width];
    for (row, _) in rows.chunks_exact(width).zip(attended).filter(|(_, a)| **a) {
        for (total, value) in sum.iter_mut().zip(row) {
            *total += value;
        }
    }
    let count = attended.iter().filter(|attended| **attended).count();
    sum.iter_mut().for_each(|value| *value /= count.max(1) as f32);
    let norm = sum.iter().map(|value| value * value).sum::<f32>().sqrt();
    sum.iter_mut().for_each(|value| *value /= norm.max(1e-12));
    sum
}

fn row(rows: &[f32], position: usize, width: usize) -> &[f32] {
    &rows[position * width..(position + 1) * width]
}

fn check_finite(values: &[f32], kind: TextKind, index: usize) -> Result<()> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(Error::NotFinite { what: "an embedding", kind, index }),
    }
}
