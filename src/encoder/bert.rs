//! BERT (Devlin et al., 2018): post-norm, absolute positions, biases everywhere.
//!
//! Mirrors `transformers/models/bert/modeling_bert.py`: embeddings, then layers of self-attention and
//! feed-forward, each with its residual and LayerNorm. The pooler is not read.

use burn::tensor::{Device, Tensor};

use super::Watch;
use super::layers::{LayerNorm, linear, pointwise, stacked};
use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::BertConfig;
use crate::model::quantize::Matrix;
use crate::observer::{Observer, pause};
use crate::ops::{Attention, Bounds, Linear, Pointwise, attention, feed_forward, tensor};
use crate::text::token_batch::TokenBatch;

pub struct Bert {
    embeddings: BertEmbeddings,
    layers: Vec<BertLayer>,
    heads: usize,
}

impl Bert {
    /// Names may stand alone or below `bert.`, as in Stanford's checkpoints.
    pub(super) async fn load(
        config: &BertConfig,
        weights: Weights<'_>,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let weights = weights.with_prefix("bert.", "embeddings.word_embeddings.weight");
        let embeddings = BertEmbeddings::load(config, &weights, device)?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for layer in 0..config.num_hidden_layers {
            pause(observer).await?;
            layers.push(BertLayer::load(config, &weights, layer, device)?);
        }
        Ok(Self { embeddings, layers, heads: config.num_attention_heads })
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
        let mut hidden = self.embeddings.forward(batch);
        watch.hidden_state(&hidden);
        for layer in &self.layers {
            hidden = layer.forward(hidden, self.heads, &bounds, watch, observer).await?;
            watch.hidden_state(&hidden);
        }
        Ok(hidden)
    }
}

struct BertEmbeddings {
    /// `[vocab, hidden]` in its stored type, off the device: only the rows that a batch needs go there.
    word: Matrix,
    /// `[positions, hidden]`.
    position: Vec<f32>,
    /// Row 0 of the type table: a text is always of type 0.
    token_type: Vec<f32>,
    norm: LayerNorm,
    device: Device,
}

impl BertEmbeddings {
    fn load(config: &BertConfig, weights: &Weights<'_>, device: &Device) -> Result<Self> {
        let hidden = config.hidden_size;
        let name = |table: &str| format!("embeddings.{table}_embeddings.weight");
        let types = [config.type_vocab_size, hidden];
        let mut token_type = weights.read(&name("token_type"), &types)?;
        token_type.truncate(hidden);
        let positions = [config.max_position_embeddings, hidden];
        let norm = "embeddings.LayerNorm";
        Ok(Self {
            word: weights.matrix(&name("word"), [config.vocab_size, hidden])?,
            position: weights.read(&name("position"), &positions)?,
            token_type,
            norm: LayerNorm::load(weights, norm, hidden, config.layer_norm_eps, device)?,
            device: device.clone(),
        })
    }

    fn forward(&self, batch: &TokenBatch) -> Tensor<2> {
        let hidden = self.word.columns;
        let mut rows = Vec::with_capacity(batch.ids.len() * hidden);
        for place in batch.lengths.iter().flat_map(|&length| 0..length) {
            let position = &self.position[place * hidden..(place + 1) * hidden];
            rows.extend(position.iter().zip(&self.token_type).map(|(a, b)| a + b));
        }
        // Ids are below the table's rows: the tokenizer's vocabulary is checked against it at load.
        for (row, &id) in rows.chunks_exact_mut(hidden).zip(&batch.ids) {
            self.word.add_row(id as usize, row);
        }
        self.norm.forward(tensor(rows, [batch.ids.len(), hidden], &self.device))
    }
}

struct BertLayer {
    /// Query, key and value, `[3 · hidden, hidden]`.
    qkv: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    activation: Pointwise,
    output: Linear,
    output_norm: LayerNorm,
    /// What the layer's tensors are named after.
    name: String,
}

impl BertLayer {
    fn load(
        config: &BertConfig,
        weights: &Weights<'_>,
        layer: usize,
        device: &Device,
    ) -> Result<Self> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let name = format!("encoder.layer.{layer}");
        let product = |part: &str, shape| linear(weights, &format!("{name}.{part}"), shape, device);
        let norm = |part: &str| {
            let name = format!("{name}.{part}.LayerNorm");
            LayerNorm::load(weights, &name, hidden, config.layer_norm_eps, device)
        };
        let qkv = ["query", "key", "value"].map(|part| format!("{name}.attention.self.{part}"));
        Ok(Self {
            qkv: stacked(weights, &qkv, [hidden, hidden], device)?,
            attention_output: product("attention.output.dense", [hidden, hidden])?,
            attention_norm: norm("attention.output")?,
            intermediate: product("intermediate.dense", [hidden, wide])?,
            activation: pointwise(config.hidden_act),
            output: product("output.dense", [wide, hidden])?,
            output_norm: norm("output")?,
            name,
        })
    }

    /// `[tokens, hidden]` → the same shape.
    async fn forward(
        &self,
        x: Tensor<2>,
        heads: usize,
        bounds: &Bounds,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        pause(observer).await?;
        let mut input = |product: &str, x: &Tensor<2>| {
            if watch.wants_inputs() {
                watch.input(&format!("{}.{product}", self.name), x);
            }
        };
        input("attention.self.query", &x);
        let how = Attention { heads, rope: None, window: None };
        let context = attention(self.qkv.forward(x.clone()), bounds, how);
        input("attention.output.dense", &context);
        let x = self.attention_norm.add_forward(self.attention_output.forward(context), x);
        pause(observer).await?;
        input("intermediate.dense", &x);
        if watch.wants_inputs() {
            let wide = self.intermediate.forward_then(x.clone(), self.activation);
            watch.input(&format!("{}.output.dense", self.name), &wide);
        }
        let wide = feed_forward(x.clone(), &self.intermediate, self.activation, &self.output);
        Ok(self.output_norm.add_forward(wide, x))
    }
}
