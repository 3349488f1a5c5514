//! The language models that read pages: Gemma (Gemma Team, 2024) in PaliGemma, Qwen2 (Yang et al., 2024) in Qwen2-VL.
//!
//! Mirrors `transformers/models/gemma/modeling_gemma.py` and the text model of `transformers/models/qwen2_vl/modeling_qwen2_vl.py`,
//! which differ as [`crate::model::config::DecoderConfig`] tells:
//!
//! ```text
//! x  = table[ids] · factor, or what stands in place of a token's row
//! x += o(attention(q, k, v of norm(x)))       q and k turned by the token's place
//! x += down(f(gate(norm(x))) · up(norm(x)))
//! norm(x)
//! ```
//!
//! The head that guesses the next token is not read.

use burn::tensor::{Device, Tensor, s};

use super::Watch;
use super::layers::{RmsNorm, product, with_tokens};
use super::steps::{FeedForward, attention_by_heads};
use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::{DecoderConfig, EMBEDDINGS};
use crate::model::quantize::Matrix;
use crate::observer::{Observer, pause};
use crate::ops::{Angles, Attention, Axis, Bounds, Gate, Linear, Place, shared, tensor, turn};
use crate::text::token_batch::TokenBatch;

pub struct Decoder {
    embeddings: DecoderEmbeddings,
    layers: Vec<DecoderLayer>,
    norm: RmsNorm,
    reading: Reading,
}

impl Decoder {
    pub(super) async fn load(
        config: &DecoderConfig,
        weights: Weights<'_>,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let embeddings = DecoderEmbeddings::load(config, &weights, device)?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for layer in 0..config.num_hidden_layers {
            pause(observer).await?;
            layers.push(DecoderLayer::load(config, &weights, layer, device)?);
        }
        let norm = last_norm(config, &weights, device)?;
        Ok(Self { embeddings, layers, norm, reading: Reading::new(config) })
    }

    /// Hidden states `[tokens, hidden]`.
    pub(super) async fn forward(
        &self,
        batch: &TokenBatch,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let batch_on_device = self.reading.on_device(batch, &self.embeddings.device);
        let mut x = self.embeddings.forward(batch);
        watch.hidden_state(&x);
        for (layer, following) in self.layers.iter().zip(1..) {
            x = layer.forward(x, &batch_on_device, watch, observer).await?;
            if following < self.layers.len() {
                watch.hidden_state(&x);
            }
        }
        let x = self.norm.forward(x);
        watch.hidden_state(&x);
        Ok(x)
    }
}

/// The norm behind the last layer.
pub(super) fn last_norm(
    config: &DecoderConfig,
    weights: &Weights<'_>,
    device: &Device,
) -> Result<RmsNorm> {
    norm(config, weights, config.last_norm(), device)
}

fn norm(
    config: &DecoderConfig,
    weights: &Weights<'_>,
    name: &str,
    device: &Device,
) -> Result<RmsNorm> {
    let (size, offset) = (config.hidden_size, config.norm_offset());
    RmsNorm::load(weights, name, size, offset, config.rms_norm_eps, device)
}

pub struct DecoderEmbeddings {
    /// `[vocab, hidden]` in its stored type, off the device: only the rows that a batch needs go there.
    tokens: Matrix,
    factor: f32,
    device: Device,
}

impl DecoderEmbeddings {
    pub(super) fn load(
        config: &DecoderConfig,
        weights: &Weights<'_>,
        device: &Device,
    ) -> Result<Self> {
        Ok(Self {
            tokens: weights.matrix(EMBEDDINGS, [config.vocab_size, config.hidden_size])?,
            factor: config.embedding_factor() as f32,
            device: device.clone(),
        })
    }

    pub(super) fn forward(&self, batch: &TokenBatch) -> Tensor<2> {
        let rows = vec![0.0; batch.ids.len() * self.tokens.columns];
        let x = with_tokens(&self.tokens, batch, rows, &self.device);
        match &batch.features {
            _ if self.factor == 1.0 => x,
            None => x * self.factor,
            // What stands in place of a row is taken as it is.
            Some(features) => {
                let of = |&id: &u32| if id == features.id { 1.0 } else { self.factor };
                let factors = batch.ids.iter().map(of).collect();
                x * tensor(factors, [batch.ids.len(), 1], &self.device)
            }
        }
    }
}

/// How a model's heads read.
struct Reading {
    heads: usize,
    key_width: usize,
    causal: bool,
    axes: Vec<Axis>,
}

/// Where a batch's texts begin, and where its tokens are.
struct OnDevice<'a> {
    reading: &'a Reading,
    bounds: Bounds,
    angles: Angles,
}

impl Reading {
    fn new(config: &DecoderConfig) -> Self {
        let (base, pairs) = (config.rope_theta, config.head_dim / 2);
        let axes = config.axes().into_iter().enumerate();
        Self {
            heads: config.num_attention_heads,
            key_width: config.num_key_value_heads * config.head_dim,
            causal: config.is_causal(),
            axes: axes.map(|(i, number)| Axis::of_pair(number, base, i, pairs)).collect(),
        }
    }

    fn on_device(&self, batch: &TokenBatch, device: &Device) -> OnDevice<'_> {
        let counted: Vec<Place>;
        let places = match &batch.places {
            Some(places) => places,
            None => {
                let each = batch.lengths.iter().flat_map(|&length| 0..length as u32);
                counted = each.map(|place| [place; 3]).collect();
                &counted
            }
        };
        OnDevice {
            reading: self,
            bounds: Bounds::new(&batch.lengths, &batch.attention_mask, device),
            angles: Angles::new(places, &self.axes, device),
        }
    }
}

/// A layer by itself, for a model of which not all is in memory at a time.
pub struct LoneLayer {
    layer: DecoderLayer,
    reading: Reading,
}

impl LoneLayer {
    pub(super) fn load(
        config: &DecoderConfig,
        weights: &Weights<'_>,
        layer: usize,
        device: &Device,
    ) -> Result<Self> {
        let layer = DecoderLayer::load(config, weights, layer, device)?;
        Ok(Self { layer, reading: Reading::new(config) })
    }

    /// `[tokens, hidden]` → the same shape, no norm behind it.
    pub(super) async fn forward(
        &self,
        x: Tensor<2>,
        batch: &TokenBatch,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let batch = self.reading.on_device(batch, &x.device());
        self.layer.forward(x, &batch, watch, observer).await
    }
}

struct DecoderLayer {
    attention_norm: RmsNorm,
    query: Linear,
    /// Key and value, of all heads that have such.
    key_value: Linear,
    attention_output: Linear,
    mlp_norm: RmsNorm,
    /// Its first product gives the half that goes through the function, then the one that it is multiplied with.
    feed_forward: FeedForward,
    /// Names of its products, of several with one input the first.
    names: [String; 5],
}

impl DecoderLayer {
    fn load(
        config: &DecoderConfig,
        weights: &Weights<'_>,
        layer: usize,
        device: &Device,
    ) -> Result<Self> {
        let products = config.layer_products(layer);
        let [query, key_value, attention_output, up, down] = &products;
        let [attention_norm, mlp_norm] = config.layer_norms(layer);
        Ok(Self {
            attention_norm: norm(config, weights, &attention_norm, device)?,
            query: product(weights, query, device)?,
            key_value: product(weights, key_value, device)?,
            attention_output: product(weights, attention_output, device)?,
            mlp_norm: norm(config, weights, &mlp_norm, device)?,
            feed_forward: FeedForward {
                up: product(weights, up, device)?,
                gate: Gate { function: config.hidden_act, gated: true },
                down: product(weights, down, device)?,
            },
            names: products.map(|product| product.names[0].clone()),
        })
    }

    /// `[tokens, hidden]` → the same shape.
    async fn forward(
        &self,
        x: Tensor<2>,
        batch: &OnDevice<'_>,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        pause(observer).await?;
        let [query, key_value, attention_output, up, down] = &self.names;
        let normed = self.attention_norm.forward(x.clone());
        watch.input(query, &normed);
        watch.input(key_value, &normed);
        let context = self.attend(normed, batch, observer).await?;
        watch.input(attention_output, &context);
        let x = x + self.attention_output.forward(context);
        pause(observer).await?;
        let normed = self.mlp_norm.forward(x.clone());
        watch.input(up, &normed);
        let narrow = self.feed_forward.forward(normed, down, watch, observer).await?;
        Ok(x + narrow)
    }

    async fn attend(
        &self,
        x: Tensor<2>,
        batch: &OnDevice<'_>,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let &Reading { heads, key_width, causal, .. } = batch.reading;
        let query = turn(self.query.forward(x.clone()), &batch.angles);
        let key_value = self.key_value.forward(x);
        let key = turn(key_value.clone().slice(s![.., ..key_width]), &batch.angles);
        let value = key_value.slice(s![.., key_width..]);
        let how = Attention { causal, ..Attention::whole(heads) };
        let qkv = shared(query, key, value, heads);
        attention_by_heads(qkv, &batch.bounds, how, observer).await
    }
}
