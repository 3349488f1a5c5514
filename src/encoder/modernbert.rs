//! ModernBERT (Warner et al., 2024): pre-norm, rotary positions, windows, gated feed-forward layers.
//!
//! Mirrors `transformers/models/modernbert/modeling_modernbert.py`:
//!
//! ```text
//! x  = norm(table[ids])
//! x += Wo(attention(Wqkv(attn_norm(x))))          the first layer has no attn_norm
//! x += Wo(f(a) · b), a and b halves of Wi(mlp_norm(x))
//! final_norm(x)
//! ```
//!
//! Some layers attend to the whole text, the others to a window; each kind turns queries and keys by angles of its own base.
//! Heads for other tasks are not read.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::Watch;
use super::layers::{LayerNorm, product, with_tokens};
use super::steps::{FeedForward, attention_by_heads};
use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::{ModernBertConfig, TOKENS};
use crate::model::quantize::Matrix;
use crate::observer::{Observer, pause};
use crate::ops::{Attention, Bounds, Gate, Linear, Rope};
use crate::text::token_batch::TokenBatch;

pub struct ModernBert {
    embeddings: ModernBertEmbeddings,
    layers: Vec<ModernBertLayer>,
}

impl ModernBert {
    /// Names may stand alone or below `model.`, as those of models with a head do.
    pub(super) async fn load(
        config: &ModernBertConfig,
        weights: Weights<'_>,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let weights = weights.with_prefix(config.prefix(), TOKENS);
        let loading = Loading { config, weights: &weights, device };
        let embeddings = ModernBertEmbeddings::load(config, &weights, device)?;
        let mut ropes = Ropes::default();
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for layer in 0..config.num_hidden_layers {
            pause(observer).await?;
            let rope = ropes.of(config, layer, config.max_length(), device);
            let [_, following_norm] = config.layer_norms(layer);
            layers.push(ModernBertLayer::load(&loading, layer, rope, &following_norm)?);
        }
        Ok(Self { embeddings, layers })
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
        let x = self.embeddings.forward(batch);
        watch.hidden_state(&x);
        let mut stream = Stream { normed: x.clone(), x };
        for (layer, following) in self.layers.iter().zip(1..) {
            stream = layer.forward(stream, &bounds, watch, observer).await?;
            let last = following == self.layers.len();
            watch.hidden_state(if last { &stream.normed } else { &stream.x });
        }
        Ok(stream.normed)
    }
}

pub struct ModernBertEmbeddings {
    /// `[vocab, hidden]` in its stored type, off the device: only the rows that a batch needs go there.
    tokens: Matrix,
    norm: LayerNorm,
    device: Device,
}

impl ModernBertEmbeddings {
    pub(super) fn load(
        config: &ModernBertConfig,
        weights: &Weights<'_>,
        device: &Device,
    ) -> Result<Self> {
        let loading = Loading { config, weights, device };
        let mut tables =
            config.tables().map(|(name, rows)| weights.matrix(name, [rows, config.hidden_size]));
        let mut tokens = tables.next().expect("a vocabulary has a table")?;
        for table in tables {
            let names = || config.tables().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
            if !tokens.append(&table?) {
                return Err(weights.not_alike(&names()));
            }
        }
        Ok(Self { tokens, norm: loading.norm(config.embeddings_norm())?, device: device.clone() })
    }

    pub(super) fn forward(&self, batch: &TokenBatch) -> Tensor<2> {
        let rows = vec![0.0; batch.ids.len() * self.tokens.columns];
        self.norm.forward(with_tokens(&self.tokens, batch, rows, &self.device))
    }
}

/// What goes from layer to layer: hidden states, and what the next product takes of them.
struct Stream {
    x: Tensor<2>,
    normed: Tensor<2>,
}

/// Where layers come from and go to.
struct Loading<'a> {
    config: &'a ModernBertConfig,
    weights: &'a Weights<'a>,
    device: &'a Device,
}

impl Loading<'_> {
    fn norm(&self, name: &str) -> Result<LayerNorm> {
        let ModernBertConfig { hidden_size, norm_bias, norm_eps, .. } = *self.config;
        LayerNorm::load(self.weights, name, hidden_size, norm_bias, norm_eps, self.device)
    }
}

/// One table of angles a base, for all layers that have it.
#[derive(Default)]
struct Ropes(Vec<(f64, Arc<Rope>)>);

impl Ropes {
    /// For texts of at most `longest` tokens.
    fn of(
        &mut self,
        config: &ModernBertConfig,
        layer: usize,
        longest: usize,
        device: &Device,
    ) -> Arc<Rope> {
        let base = config.rope_theta(layer);
        if let Some((_, rope)) = self.0.iter().find(|(other, _)| *other == base) {
            return rope.clone();
        }
        let rope = Arc::new(Rope::new(base, config.head_width(), longest, device));
        self.0.push((base, rope.clone()));
        rope
    }
}

/// A layer by itself, for a model of which not all is in memory at a time.
pub struct LoneLayer {
    /// The first layer has none.
    norm: Option<LayerNorm>,
    layer: ModernBertLayer,
}

impl LoneLayer {
    pub(super) fn load(
        config: &ModernBertConfig,
        weights: &Weights<'_>,
        layer: usize,
        longest: usize,
        device: &Device,
    ) -> Result<Self> {
        let loading = Loading { config, weights, device };
        let norm = layer.checked_sub(1).map(|before| loading.norm(&config.layer_norms(before)[1]));
        let rope = Ropes::default().of(config, layer, longest, device);
        // The norm behind it is the next layer's, which computes it: any does here.
        let [mlp_norm, _] = config.layer_norms(layer);
        let layer = ModernBertLayer::load(&loading, layer, rope, &mlp_norm)?;
        Ok(Self { norm: norm.transpose()?, layer })
    }

    /// `[tokens, hidden]` → the same shape, no norm behind it.
    pub(super) async fn forward(
        &self,
        x: Tensor<2>,
        bounds: &Bounds,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let normed = self.norm.as_ref().map_or_else(|| x.clone(), |norm| norm.forward(x.clone()));
        let stream = Stream { x, normed };
        Ok(self.layer.forward(stream, bounds, watch, observer).await?.x)
    }
}

/// The norm behind the last layer.
pub(super) fn final_norm(
    config: &ModernBertConfig,
    weights: &Weights<'_>,
    device: &Device,
) -> Result<LayerNorm> {
    let last = config.num_hidden_layers - 1;
    Loading { config, weights, device }.norm(&config.layer_norms(last)[1])
}

struct ModernBertLayer {
    heads: usize,
    rope: Arc<Rope>,
    window: Option<usize>,
    qkv: Linear,
    attention_output: Linear,
    mlp_norm: LayerNorm,
    /// Its first product gives the half that goes through the function, then the one that it is multiplied with.
    feed_forward: FeedForward,
    /// The next layer's `attn_norm`; of the last layer, `final_norm`.
    following_norm: LayerNorm,
    /// The products' names.
    names: [String; 4],
}

impl ModernBertLayer {
    fn load(
        loading: &Loading<'_>,
        layer: usize,
        rope: Arc<Rope>,
        following_norm: &str,
    ) -> Result<Self> {
        let Loading { config, weights, device } = *loading;
        let products = config.layer_products(layer);
        let [qkv, attention_output, up, down] = &products;
        let [mlp_norm, _] = config.layer_norms(layer);
        Ok(Self {
            heads: config.num_attention_heads,
            rope,
            window: config.window(layer),
            qkv: product(weights, qkv, device)?,
            attention_output: product(weights, attention_output, device)?,
            mlp_norm: loading.norm(&mlp_norm)?,
            feed_forward: FeedForward {
                up: product(weights, up, device)?,
                gate: Gate { function: config.hidden_activation, gated: true },
                down: product(weights, down, device)?,
            },
            following_norm: loading.norm(following_norm)?,
            names: products.map(|product| product.names[0].clone()),
        })
    }

    async fn forward(
        &self,
        Stream { x, normed }: Stream,
        bounds: &Bounds,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Stream> {
        pause(observer).await?;
        let [qkv, attention_output, up, down] = &self.names;
        watch.input(qkv, &normed);
        let how = Attention {
            rope: Some(&self.rope),
            window: self.window,
            ..Attention::whole(self.heads)
        };
        let context = attention_by_heads(self.qkv.forward(normed), bounds, how, observer).await?;
        watch.input(attention_output, &context);
        let (x, normed) = self.mlp_norm.sum_forward(self.attention_output.forward(context), x);
        pause(observer).await?;
        watch.input(up, &normed);
        let narrow = self.feed_forward.forward(normed, down, watch, observer).await?;
        let (x, normed) = self.following_norm.sum_forward(narrow, x);
        Ok(Stream { x, normed })
    }
}
