//! BERT (Devlin et al., 2018): post-norm, absolute positions, biases everywhere.
//!
//! Mirrors `transformers/models/bert/modeling_bert.py`: embeddings, then layers of self-attention and
//! feed-forward, each with its residual and LayerNorm. The pooler is not read.

use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::layers::{LayerNorm, Linear, activate, attention, tensor};
use crate::checkpoint::Weights;
use crate::config::{Activation, BertConfig};
use crate::error::Result;
use crate::token_batch::TokenBatch;

pub struct Bert {
    embeddings: BertEmbeddings,
    layers: Vec<BertLayer>,
    heads: usize,
}

impl Bert {
    /// Names may stand alone or below `bert.`, as in Stanford's checkpoints.
    pub(super) fn load(config: &BertConfig, weights: Weights<'_>, device: &Device) -> Result<Self> {
        let weights = weights.with_prefix("bert.", "embeddings.word_embeddings.weight");
        let layers = (0..config.num_hidden_layers)
            .map(|layer| BertLayer::load(config, &weights, layer, device))
            .collect::<Result<_>>()?;
        Ok(Self {
            embeddings: BertEmbeddings::load(config, &weights, device)?,
            layers,
            heads: config.num_attention_heads,
        })
    }

    /// Hidden states `[batch, length, hidden]`; `each` sees every one on the way.
    pub(super) fn forward(
        &self,
        batch: &TokenBatch,
        each: &mut dyn FnMut(&Tensor<3>),
    ) -> Tensor<3> {
        let mut hidden = self.embeddings.forward(batch);
        let masked = self.masked(batch, &hidden.device());
        each(&hidden);
        for layer in &self.layers {
            hidden = layer.forward(hidden, self.heads, masked.clone());
            each(&hidden);
        }
        hidden
    }

    pub(super) fn inputs(&self, batch: &TokenBatch, each: &mut dyn FnMut(&str, &Tensor<2>)) {
        let mut hidden = self.embeddings.forward(batch);
        for (index, layer) in self.layers.iter().enumerate() {
            let mut show = |name: &str, x: &Tensor<3>| {
                let width = x.dims()[2];
                let tokens = x.dims()[0] * x.dims()[1];
                each(&format!("encoder.layer.{index}.{name}"), &x.clone().reshape([tokens, width]));
            };
            hidden = layer.inputs(hidden, self.heads, &mut show);
        }
    }

    /// True where a key is padding or an expansion token that is not attended to.
    fn masked(&self, batch: &TokenBatch, device: &Device) -> Option<Tensor<4, Bool>> {
        if batch.is_dense() {
            return None;
        }
        let masked: Vec<bool> = batch.attention_mask.iter().map(|&a| !a).collect();
        let shape = [batch.batch, 1, 1, batch.length];
        let mask = Tensor::<4, Bool>::from_data(TensorData::new(masked, shape), device);
        Some(mask.expand([batch.batch, self.heads, batch.length, batch.length]))
    }
}

struct BertEmbeddings {
    /// `[vocab, hidden]`, row-major, on the CPU: only the rows that a batch needs go to the device.
    word: Vec<f32>,
    /// `[1, positions, hidden]`.
    position: Tensor<3>,
    /// Row 0 of the type table, `[1, 1, hidden]`: a text is always of type 0.
    token_type: Tensor<3>,
    norm: LayerNorm,
    hidden_size: usize,
    device: Device,
}

impl BertEmbeddings {
    fn load(config: &BertConfig, weights: &Weights<'_>, device: &Device) -> Result<Self> {
        let hidden = config.hidden_size;
        let table = |name: &str, rows: usize| {
            weights.read(&format!("embeddings.{name}_embeddings.weight"), &[rows, hidden])
        };
        let positions = config.max_position_embeddings;
        let mut token_type = table("token_type", config.type_vocab_size)?;
        token_type.truncate(hidden);
        Ok(Self {
            word: table("word", config.vocab_size)?,
            position: tensor(table("position", positions)?, [1, positions, hidden], device),
            token_type: tensor(token_type, [1, 1, hidden], device),
            norm: LayerNorm::load(
                weights,
                "embeddings.LayerNorm",
                hidden,
                config.layer_norm_eps,
                device,
            )?,
            hidden_size: hidden,
            device: device.clone(),
        })
    }

    fn forward(&self, batch: &TokenBatch) -> Tensor<3> {
        let shape = [batch.batch, batch.length, self.hidden_size];
        let mut rows = Vec::with_capacity(shape.iter().product());
        for &id in &batch.ids {
            // Ids are below the table's rows: the tokenizer's vocabulary is checked against it at load.
            let start = id as usize * self.hidden_size;
            rows.extend_from_slice(&self.word[start..start + self.hidden_size]);
        }
        let word = tensor(rows, shape, &self.device);
        let position = self.position.clone().slice([0..1, 0..batch.length]);
        self.norm.forward(word + position + self.token_type.clone())
    }
}

struct BertLayer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    activation: Activation,
    output: Linear,
    output_norm: LayerNorm,
}

impl BertLayer {
    fn load(
        config: &BertConfig,
        weights: &Weights<'_>,
        layer: usize,
        device: &Device,
    ) -> Result<Self> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let linear = |name: &str, shape: [usize; 2]| {
            Linear::load(weights, &format!("encoder.layer.{layer}.{name}"), shape, device)
        };
        let norm = |name: &str| {
            let name = format!("encoder.layer.{layer}.{name}.LayerNorm");
            LayerNorm::load(weights, &name, hidden, config.layer_norm_eps, device)
        };
        Ok(Self {
            query: linear("attention.self.query", [hidden, hidden])?,
            key: linear("attention.self.key", [hidden, hidden])?,
            value: linear("attention.self.value", [hidden, hidden])?,
            attention_output: linear("attention.output.dense", [hidden, hidden])?,
            attention_norm: norm("attention.output")?,
            intermediate: linear("intermediate.dense", [hidden, wide])?,
            activation: config.hidden_act,
            output: linear("output.dense", [wide, hidden])?,
            output_norm: norm("output")?,
        })
    }

    /// `[batch, length, hidden]` → the same shape.
    fn forward(&self, x: Tensor<3>, heads: usize, masked: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let projected = [&self.query, &self.key, &self.value].map(|part| part.forward(x.clone()));
        let context = attention(projected, heads, masked);
        let x = self.attention_norm.forward(self.attention_output.forward(context) + x);
        let wide = activate(self.intermediate.forward(x.clone()), self.activation);
        self.output_norm.forward(self.output.forward(wide) + x)
    }

    fn inputs(
        &self,
        x: Tensor<3>,
        heads: usize,
        show: &mut dyn FnMut(&str, &Tensor<3>),
    ) -> Tensor<3> {
        show("attention.self.query", &x);
        let projected = [&self.query, &self.key, &self.value].map(|part| part.forward(x.clone()));
        let context = attention(projected, heads, None);
        show("attention.output.dense", &context);
        let x = self.attention_norm.forward(self.attention_output.forward(context) + x);
        show("intermediate.dense", &x);
        let wide = activate(self.intermediate.forward(x.clone()), self.activation);
        show("output.dense", &wide);
        self.output_norm.forward(self.output.forward(wide) + x)
    }
}
