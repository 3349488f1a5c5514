//! How do a text's hidden states become one vector? For a dense first stage with the same encoder.

use crate::device::read;
use crate::error::Result;
use crate::late_interaction::batch::{EncodedBatch, PlacedText, check_finite, each};
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::model::config::{PoolingMode, VectorConfig, VectorStep};
use crate::ops::tensor;

/// What to make of a text's hidden states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// One embedding a token: late interaction.
    #[default]
    None,
    /// One vector a text, the L2-normalised mean of the last hidden states.
    Mean,
    /// One vector a text, the first token's last hidden state, L2-normalised.
    Cls,
    /// One vector a text as the checkpoint's own modules make it: that of `SentenceTransformer`, which has any length where
    /// the checkpoint does not normalise.
    Checkpoint,
}

impl Pooling {
    /// By the name that callers use: `none`, `mean`, `cls`, `checkpoint`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Pooling::None,
            "mean" => Pooling::Mean,
            "cls" => Pooling::Cls,
            "checkpoint" => Pooling::Checkpoint,
            _ => return None,
        })
    }

    /// Width of the vectors.
    pub(crate) fn width(self, model: &ColBert) -> usize {
        match self {
            Pooling::None => model.dimension(),
            Pooling::Checkpoint => {
                model.vector_config().as_ref().map_or(model.dimension(), |config| config.width)
            }
            Pooling::Mean | Pooling::Cls => model.hidden_size(),
        }
    }

    /// What is pooled, and what is done with it then.
    ///
    /// # Errors
    /// Why the checkpoint's own way is not computed here.
    pub(crate) fn config(self, model: &ColBert) -> Result<VectorConfig> {
        match self {
            Pooling::Checkpoint => model.vector_config().clone(),
            Pooling::Cls => Ok(VectorConfig::normalized(PoolingMode::Cls, model.hidden_size())),
            Pooling::None | Pooling::Mean => {
                Ok(VectorConfig::normalized(PoolingMode::Mean, model.hidden_size()))
            }
        }
    }
}

impl EncodedBatch<'_> {
    /// One vector a text, by any pooling but [`Pooling::None`].
    ///
    /// # Errors
    /// As `vectors`.
    pub async fn vectors(&self, pooling: Pooling) -> Result<TokenEmbeddings> {
        let (model, texts) = self.model_and_texts();
        vectors(model, texts, &read(self.hidden().clone()).await?, pooling).await
    }
}

/// One vector a text of `rows` `[tokens, hidden]`.
///
/// # Errors
/// [`crate::Error::Unsupported`], [`crate::Error::NotFinite`], [`crate::Error::DeviceLost`].
pub(crate) async fn vectors(
    model: &ColBert,
    texts: &[PlacedText],
    rows: &[f32],
    pooling: Pooling,
) -> Result<TokenEmbeddings> {
    let config = pooling.config(model)?;
    let mut values = pooled(texts, rows, model.hidden_size(), config.pooling);
    let mut modules = model.dense();
    for step in config.steps {
        match step {
            VectorStep::Normalize => normalize(&mut values, texts.len()),
            VectorStep::Dense => {
                let width = values.len() / texts.len();
                let module = modules.next().expect("the configuration lists each Dense once");
                let vectors = tensor(values, [texts.len(), width], model.device());
                values = read(module.forward(vectors)).await?;
            }
        }
    }
    placed(texts, &values, config.width)
}

fn pooled(texts: &[PlacedText], rows: &[f32], width: usize, mode: PoolingMode) -> Vec<f32> {
    each(texts, rows, width)
        .flat_map(|(text, rows)| match mode {
            PoolingMode::Cls => rows[..width].to_vec(),
            PoolingMode::Mean => mean(rows, text, width),
        })
        .collect()
}

fn mean(rows: &[f32], text: &PlacedText, width: usize) -> Vec<f32> {
    let mut sum = vec![0.0f32; width];
    let mut count = 0;
    for row in text.attended() {
        for (total, value) in sum.iter_mut().zip(&rows[row * width..(row + 1) * width]) {
            *total += value;
        }
        count += 1;
    }
    sum.iter_mut().for_each(|value| *value /= count.max(1) as f32);
    sum
}

/// Every one of `count` vectors gets length 1.
fn normalize(values: &mut [f32], count: usize) {
    for vector in values.chunks_exact_mut((values.len() / count).max(1)) {
        let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        // Divided by an infinite norm all would be zero.
        vector.iter_mut().for_each(|value| *value = *value / norm.max(1e-12) + norm * 0.0);
    }
}

/// The first `width` values of each text's vector.
fn placed(texts: &[PlacedText], values: &[f32], width: usize) -> Result<TokenEmbeddings> {
    let mut vectors = TokenEmbeddings::new(width);
    let whole = (values.len() / texts.len().max(1)).max(width);
    for (text, vector) in texts.iter().zip(values.chunks_exact(whole)) {
        check_finite(text, vector)?;
        vectors.push(&vector[..width]);
    }
    Ok(vectors)
}
