//! Which vectors are kept, at which width? Tokenizer, encoder and projection together: texts →
//! [`TokenEmbeddings`].
//!
//! A text's embeddings are a function of the model and the text alone: on the CPU they are equal, bit for
//! bit, whatever texts are computed beside it.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use crate::batching;
use crate::device::read;
use crate::encoder::{Encoder, Unwatched, Watch, pointwise};
use crate::error::{Error, Result};
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::{DenseConfig, Layout, ModelConfig, ProjectionStep, STANFORD_PROJECTION};
use crate::observer::{Observer, Unobserved};
use crate::ops::{Linear, Pointwise, normalize};
use crate::text::token_batch::{TokenBatch, TokenSequence};
use crate::text::tokenizer::Tokenizer;
use crate::text_kind::TextKind;

/// Most tokens of a batch. More does not make the products faster, only larger.
pub(crate) const BATCH_TOKENS: usize = 1_024;

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
    on_cpu: bool,
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
        keep: Keep,
    ) -> Result<Self> {
        let backbone =
            Weights::open(files, &files.backbone_files()?)?.keeping(keep == Keep::Tensors);
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
            on_cpu: *device == crate::device::cpu(),
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
        let texts = texts(kind, sequences);
        let rows = self.run(&texts, |hidden| self.project(hidden), observer).await?;
        Ok(self.embedded(&texts, &rows))
    }

    /// Embeddings of a query and of documents, in the same batches: a GPU is asked, and read, once. What the query
    /// gets is what [`ColBert::encode`] gives it.
    ///
    /// # Errors
    /// As [`ColBert::encode`].
    pub async fn encode_together(
        &self,
        query: &TokenSequence,
        documents: &[TokenSequence],
        observer: &mut impl Observer,
    ) -> Result<(TokenEmbeddings, TokenEmbeddings)> {
        let mut all = texts(TextKind::Query, std::slice::from_ref(query));
        all.extend(texts(TextKind::Document, documents));
        let rows = self.run(&all, |hidden| self.project(hidden), observer).await?;
        Ok((self.embedded(&all[..1], &rows[..1]), self.embedded(&all[1..], &rows[1..])))
    }

    /// The rows of the tokens that yield an embedding.
    fn embedded(&self, texts: &[Text<'_>], rows: &[Vec<f32>]) -> TokenEmbeddings {
        let mut embeddings = TokenEmbeddings::new(self.dimension);
        for (text, rows) in texts.iter().zip(rows) {
            let kept: Vec<f32> = text
                .tokens
                .embedded()
                .flat_map(|position| row(rows, position, self.dimension))
                .copied()
                .collect();
            embeddings.push(&kept);
        }
        embeddings
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
        let rows = self.run(&texts(kind, sequences), |hidden| hidden, observer).await?;
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
        let mut states = States::default();
        self.encoder.forward(&TokenBatch::new([&tokens]), &mut states);
        let mut hidden_states = Vec::new();
        for state in states.0 {
            hidden_states.push(read(state).await?);
        }
        let embeddings = self.encode(kind, std::slice::from_ref(&tokens), &mut Unobserved).await?;
        Ok(Inspection { tokens, hidden_states, embeddings })
    }

    /// Encodes batch after batch and answers what `project` makes of the hidden states: for each text the rows of
    /// all its tokens. A GPU is read once, at the end.
    async fn run(
        &self,
        texts: &[Text<'_>],
        project: impl Fn(Tensor<2>) -> Tensor<2>,
        observer: &mut impl Observer,
    ) -> Result<Vec<Vec<f32>>> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.tokens.len()).collect();
        let documents = texts.iter().filter(|text| text.kind == TextKind::Document).count();
        let total = if documents > 0 { documents } else { texts.len() };
        let mut values = Vec::new();
        let mut pending = Vec::new();
        for range in batching::in_order(&lengths, BATCH_TOKENS) {
            let done = range.end - (texts.len() - total);
            let batch = TokenBatch::new(texts[range].iter().map(|text| text.tokens));
            if !batch.ids.is_empty() {
                let output = project(self.encoder.forward(&batch, &mut Unwatched));
                match self.on_cpu {
                    true => values.extend(read(output).await?),
                    false => pending.push(output),
                }
            }
            if observer.batch_done(done, total).await.is_break() {
                return Err(Error::Aborted);
            }
        }
        if !pending.is_empty() {
            let all = if pending.len() == 1 { pending.remove(0) } else { Tensor::cat(pending, 0) };
            values = read(all).await?;
        }
        let width = values.len() / lengths.iter().sum::<usize>().max(1);
        let mut rest = values.as_slice();
        let split = |(index, length): (usize, usize)| {
            let (own, tail) = rest.split_at(length * width);
            rest = tail;
            check_finite(own, &texts[index])?;
            Ok(own.to_vec())
        };
        lengths.into_iter().enumerate().map(split).collect()
    }

    fn project(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.projection.iter().fold(hidden, |x, step| step.forward(x))
    }
}

/// A tokenized text and its place among those of its kind.
struct Text<'a> {
    kind: TextKind,
    index: usize,
    tokens: &'a TokenSequence,
}

fn texts(kind: TextKind, sequences: &[TokenSequence]) -> Vec<Text<'_>> {
    let text = |(index, tokens)| Text { kind, index, tokens };
    sequences.iter().enumerate().map(text).collect()
}

/// Keeps the hidden states.
#[derive(Default)]
struct States(Vec<Tensor<2>>);

impl Watch for States {
    fn hidden_state(&mut self, state: &Tensor<2>) {
        self.0.push(state.clone());
    }
}

/// A step of the projection with its weights.
enum Projection {
    Dense(Box<Dense>),
    Normalize,
}

struct Dense {
    linear: Linear,
    activation: Pointwise,
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
        // Two Dense modules may be of one file, so that these small tensors stay.
        let weights = Weights::open(files, &names)?;
        let shape = [config.out_features, config.in_features];
        let weight = weights.matrix_full(STANFORD_PROJECTION, shape)?;
        let bias = match config.bias {
            true => Some(weights.read_full("linear.bias", &[config.out_features])?),
            false => None,
        };
        Ok(Projection::Dense(Box::new(Dense {
            linear: Linear::new(weight, bias, device),
            activation: pointwise(config.activation),
            residual: Residual::load(config, &weights, device)?,
        })))
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Projection::Normalize => normalize(x),
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

fn check_finite(values: &[f32], text: &Text<'_>) -> Result<()> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(Error::NotFinite { what: "an embedding", kind: text.kind, index: text.index }),
    }
}
