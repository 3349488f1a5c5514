//! BERT (Devlin et al., 2018) and what is built like it: post-norm, biases everywhere. The RoBERTas, DistilBERT and Jina's
//! XLM-RoBERTa differ in how positions count and in the names of their tensors.
//!
//! Mirrors `transformers/models/bert/modeling_bert.py`: embeddings, then layers of self-attention and
//! feed-forward, each with its residual and LayerNorm. The pooler is not read.

use burn::tensor::{Device, Tensor};

use super::Watch;
use super::layers::{LayerNorm, product, with_tokens};
use super::steps::{FeedForward, attention_by_heads};
use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::{BertConfig, POSITIONS, Positions, TYPES, WORDS};
use crate::model::quantize::Matrix;
use crate::observer::{Observer, pause};
use crate::ops::{Attention, Bounds, Linear, Rope};
use crate::text::token_batch::TokenBatch;

pub struct Bert {
    embeddings: BertEmbeddings,
    layers: Vec<BertLayer>,
    heads: usize,
    /// Where positions are no rows of a table.
    rope: Option<Rope>,
}

impl Bert {
    /// Names may stand alone or below the backbone's, as in Stanford's checkpoints.
    pub(super) async fn load(
        config: &BertConfig,
        weights: Weights<'_>,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let weights = weights.with_prefix(config.prefix(), WORDS);
        let embeddings = BertEmbeddings::load(config, &weights, device)?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for layer in 0..config.num_hidden_layers {
            pause(observer).await?;
            layers.push(BertLayer::load(config, &weights, layer, device)?);
        }
        let rope = rope(config, config.positions.longest(), device);
        Ok(Self { embeddings, layers, heads: config.num_attention_heads, rope })
    }

    /// Hidden states `[tokens, hidden]`.
    pub(super) async fn forward(
        &self,
        batch: &TokenBatch,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let device = &self.embeddings.device;
        let bounds = Bounds::new(&batch.lengths, &batch.attention_mask, device);
        let how = Attention { rope: self.rope.as_ref(), ..Attention::whole(self.heads) };
        let mut hidden = self.embeddings.forward(batch);
        watch.hidden_state(&hidden);
        for layer in &self.layers {
            hidden = layer.forward(hidden, &bounds, how, watch, observer).await?;
            watch.hidden_state(&hidden);
        }
        Ok(hidden)
    }
}

/// Of positions that are no rows of a table, for texts of at most `longest` tokens.
fn rope(config: &BertConfig, longest: usize, device: &Device) -> Option<Rope> {
    match config.positions {
        Positions::Rotary { base, .. } => {
            Some(Rope::new(base, config.head_width(), longest, device))
        }
        Positions::Absolute { .. } => None,
    }
}

pub struct BertEmbeddings {
    /// `[vocab, hidden]` in its stored type, off the device: only the rows that a batch needs go there.
    word: Matrix,
    position: Option<PositionTable>,
    /// The type table `[types, hidden]`; one row of zeros without one.
    token_type: Vec<f32>,
    norm: LayerNorm,
    device: Device,
}

impl BertEmbeddings {
    pub(super) fn load(
        config: &BertConfig,
        weights: &Weights<'_>,
        device: &Device,
    ) -> Result<Self> {
        let hidden = config.hidden_size;
        let token_type = match config.type_vocab_size {
            Some(types) => weights.read(TYPES, &[types, hidden])?,
            None => vec![0.0; hidden],
        };
        let norm = config.embeddings_norm();
        Ok(Self {
            word: weights.matrix(WORDS, [config.vocab_size, hidden])?,
            position: PositionTable::load(config, weights)?,
            token_type,
            norm: LayerNorm::load(weights, norm, hidden, true, config.layer_norm_eps, device)?,
            device: device.clone(),
        })
    }

    pub(super) fn forward(&self, batch: &TokenBatch) -> Tensor<2> {
        let hidden = self.word.columns;
        let of_type = |&kind: &usize| &self.token_type[kind * hidden..(kind + 1) * hidden];
        let mut rows: Vec<f32> = batch.types.iter().flat_map(of_type).copied().collect();
        if let Some(position) = &self.position {
            position.add(batch, hidden, &mut rows);
        }
        self.norm.forward(with_tokens(&self.word, batch, rows, &self.device))
    }
}

/// A layer by itself, for a model of which not all is in memory at a time.
pub struct LoneLayer {
    layer: BertLayer,
    heads: usize,
    rope: Option<Rope>,
}

impl LoneLayer {
    pub(super) fn load(
        config: &BertConfig,
        weights: &Weights<'_>,
        layer: usize,
        longest: usize,
        device: &Device,
    ) -> Result<Self> {
        let layer = BertLayer::load(config, weights, layer, device)?;
        Ok(Self { layer, heads: config.num_attention_heads, rope: rope(config, longest, device) })
    }

    /// `[tokens, hidden]` → the same shape.
    pub(super) async fn forward(
        &self,
        x: Tensor<2>,
        bounds: &Bounds,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let how = Attention { rope: self.rope.as_ref(), ..Attention::whole(self.heads) };
        self.layer.forward(x, bounds, how, watch, observer).await
    }
}

/// The table of absolute positions.
struct PositionTable {
    /// `[rows, hidden]`.
    rows: Vec<f32>,
    /// The id that is not counted, and its row; positions begin behind it.
    padding: Option<usize>,
}

impl PositionTable {
    fn load(config: &BertConfig, weights: &Weights<'_>) -> Result<Option<Self>> {
        let Positions::Absolute { rows, padding } = config.positions else {
            return Ok(None);
        };
        let rows = weights.read(POSITIONS, &[rows, config.hidden_size])?;
        Ok(Some(Self { rows, padding }))
    }

    /// Adds each token's row to `sums` `[tokens, hidden]`.
    fn add(&self, batch: &TokenBatch, hidden: usize, sums: &mut [f32]) {
        let (mut ids, mut sums) = (batch.ids.as_slice(), sums.chunks_exact_mut(hidden));
        for &length in &batch.lengths {
            let (own, rest) = ids.split_at(length);
            ids = rest;
            for (place, sum) in self.places(own).zip(&mut sums) {
                let row = &self.rows[place * hidden..(place + 1) * hidden];
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
        }
    }

    /// The row of each of a text's tokens.
    fn places(&self, ids: &[u32]) -> impl Iterator<Item = usize> {
        let mut next = self.padding.map_or(0, |row| row + 1);
        ids.iter().map(move |&id| match self.padding {
            Some(row) if id as usize == row => row,
            _ => {
                next += 1;
                next - 1
            }
        })
    }
}

struct BertLayer {
    /// Query, key and value, `[3 · hidden, hidden]`.
    qkv: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    feed_forward: FeedForward,
    output_norm: LayerNorm,
    /// Names of its products, of several with one input the first.
    names: [String; 4],
}

impl BertLayer {
    fn load(
        config: &BertConfig,
        weights: &Weights<'_>,
        layer: usize,
        device: &Device,
    ) -> Result<Self> {
        let products = config.layer_products(layer);
        let [qkv, attention_output, intermediate, output] = &products;
        let [attention_norm, output_norm] = config.layer_norms(layer);
        let (hidden, epsilon) = (config.hidden_size, config.layer_norm_eps);
        let norm = |name: &str| LayerNorm::load(weights, name, hidden, true, epsilon, device);
        Ok(Self {
            qkv: product(weights, qkv, device)?,
            attention_output: product(weights, attention_output, device)?,
            attention_norm: norm(&attention_norm)?,
            feed_forward: FeedForward {
                up: product(weights, intermediate, device)?,
                gate: config.hidden_act.into(),
                down: product(weights, output, device)?,
            },
            output_norm: norm(&output_norm)?,
            names: products.map(|product| product.names[0].clone()),
        })
    }

    /// `[tokens, hidden]` → the same shape.
    async fn forward(
        &self,
        x: Tensor<2>,
        bounds: &Bounds,
        how: Attention<'_>,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        pause(observer).await?;
        let [qkv, attention_output, intermediate, output] = &self.names;
        watch.input(qkv, &x);
        let qkv = self.qkv.forward(x.clone());
        let context = attention_by_heads(qkv, bounds, how, observer).await?;
        watch.input(attention_output, &context);
        let x = self.attention_norm.add_forward(self.attention_output.forward(context), x);
        pause(observer).await?;
        watch.input(intermediate, &x);
        let narrow = self.feed_forward.forward(x.clone(), output, watch, observer).await?;
        Ok(self.output_norm.add_forward(narrow, x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `RobertaEmbeddings.create_position_ids_from_input_ids` of transformers 5.24 gives, and `BertEmbeddings.position_ids`.
    #[test]
    fn padding_is_not_counted_wherever_it_stands() {
        let places = |padding: Option<usize>, ids: &[u32]| {
            let table = PositionTable { rows: Vec::new(), padding };
            table.places(ids).collect::<Vec<_>>()
        };
        assert_eq!(places(Some(1), &[0, 5, 1, 7, 1, 1, 2]), [2, 3, 1, 4, 1, 1, 5]);
        assert_eq!(places(Some(3), &[0, 5, 1]), [4, 5, 6]);
        assert_eq!(places(None, &[0, 5, 1, 1]), [0, 1, 2, 3]);
    }
}
