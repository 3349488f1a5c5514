//! SigLIP's tower (Zhai et al., 2023): a transformer over the patches of a square, pre-norm, biases everywhere.
//!
//! Mirrors `transformers/models/siglip/modeling_siglip.py`:
//!
//! ```text
//! x  = W·patch + b + place[n]           the convolution as a product: patches do not overlap
//! x += out(attention(qkv(layer_norm1(x))))
//! x += fc2(f(fc1(layer_norm2(x))))
//! post_layernorm(x)
//! ```

use burn::tensor::{Device, Tensor};

use super::whole;
use crate::encoder::Watch;
use crate::encoder::layers::{LayerNorm, product};
use crate::encoder::steps::{FeedForward, attention_by_heads};
use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::{PATCHES, PLACES, SiglipConfig};
use crate::model::quantize::Matrix;
use crate::observer::{Observer, pause};
use crate::ops::{Attention, Bounds, Linear, tensor};

pub(super) struct Siglip {
    embeddings: SiglipEmbeddings,
    opening_norm: LayerNorm,
    layers: Vec<SiglipLayer>,
    device: Device,
}

impl Siglip {
    pub(super) async fn load(
        config: &SiglipConfig,
        weights: &Weights<'_>,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let embeddings = SiglipEmbeddings::load(config, weights, device)?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for layer in 0..config.num_hidden_layers {
            pause(observer).await?;
            let [_, following_norm] = config.layer_norms(layer);
            layers.push(SiglipLayer::load(config, weights, layer, &following_norm, device)?);
        }
        let opening_norm = norm(config, weights, &config.opening_norm(), device)?;
        Ok(Self { embeddings, opening_norm, layers, device: device.clone() })
    }

    /// Hidden states `[patches, hidden]` of one square's patches `[patches, numbers]`.
    pub(super) async fn forward(
        &self,
        patches: Tensor<2>,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let bounds = whole(patches.dims()[0], &self.device);
        let x = self.embeddings.forward(patches);
        watch.hidden_state(&x);
        let mut stream = Stream { normed: self.opening_norm.forward(x.clone()), x };
        for layer in &self.layers {
            stream = layer.forward(stream, &bounds, watch, observer).await?;
            watch.hidden_state(&stream.x);
        }
        watch.hidden_state(&stream.normed);
        Ok(stream.normed)
    }
}

pub(super) struct SiglipEmbeddings {
    patches: Linear,
    /// `[patches, hidden]`.
    places: Tensor<2>,
}

impl SiglipEmbeddings {
    pub(super) fn load(
        config: &SiglipConfig,
        weights: &Weights<'_>,
        device: &Device,
    ) -> Result<Self> {
        let hidden = config.hidden_size;
        let name = format!("{PATCHES}.weight");
        weights.expect_kernel(&name, &config.kernel())?;
        let kernel = weights.read(&name, &[hidden, config.patch_width()])?;
        let bias = weights.read(&format!("{PATCHES}.bias"), &[hidden])?;
        let places = weights.read(PLACES, &[config.patches(), hidden])?;
        let kernel = Matrix::f32(hidden, config.patch_width(), kernel);
        Ok(Self {
            patches: Linear::new(kernel, Some(bias), device),
            places: tensor(places, [config.patches(), hidden], device),
        })
    }

    pub(super) fn forward(&self, patches: Tensor<2>) -> Tensor<2> {
        let count = patches.dims()[0];
        self.patches.forward(patches) + self.places.clone().narrow(0, 0, count)
    }
}

/// What goes from layer to layer: hidden states, and what the next product takes of them.
struct Stream {
    x: Tensor<2>,
    normed: Tensor<2>,
}

pub(super) struct SiglipLayer {
    heads: usize,
    /// Query, key and value, `[3 · hidden, hidden]`.
    qkv: Linear,
    attention_output: Linear,
    mlp_norm: LayerNorm,
    feed_forward: FeedForward,
    /// The next layer's first norm; of the last layer the tower's last. Of a layer alone, its own first.
    neighbour_norm: LayerNorm,
    /// Names of its products, of several with one input the first.
    names: [String; 4],
}

impl SiglipLayer {
    fn load(
        config: &SiglipConfig,
        weights: &Weights<'_>,
        layer: usize,
        neighbour_norm: &str,
        device: &Device,
    ) -> Result<Self> {
        let products = config.layer_products(layer);
        let [qkv, attention_output, up, down] = &products;
        let [mlp_norm, _] = config.layer_norms(layer);
        Ok(Self {
            heads: config.num_attention_heads,
            qkv: product(weights, qkv, device)?,
            attention_output: product(weights, attention_output, device)?,
            mlp_norm: norm(config, weights, &mlp_norm, device)?,
            feed_forward: FeedForward {
                up: product(weights, up, device)?,
                gate: config.hidden_act.into(),
                down: product(weights, down, device)?,
            },
            neighbour_norm: norm(config, weights, neighbour_norm, device)?,
            names: products.map(|product| product.names[0].clone()),
        })
    }

    /// A layer with the norm in front of it in place of the one behind.
    pub(super) fn load_alone(
        config: &SiglipConfig,
        weights: &Weights<'_>,
        layer: usize,
        device: &Device,
    ) -> Result<Self> {
        let opening = match layer.checked_sub(1) {
            None => config.opening_norm(),
            Some(before) => config.layer_norms(before)[1].clone(),
        };
        Self::load(config, weights, layer, &opening, device)
    }

    /// `[patches, hidden]` → the same shape, of a layer that was loaded alone.
    pub(super) async fn forward_alone(
        &self,
        x: Tensor<2>,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let bounds = whole(x.dims()[0], &x.device());
        let stream = Stream { normed: self.neighbour_norm.forward(x.clone()), x };
        Ok(self.forward(stream, &bounds, watch, observer).await?.x)
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
        let coded = self.qkv.is_coded();
        let how = Attention { coded, ..Attention::whole(self.heads) };
        let context = attention_by_heads(self.qkv.forward(normed), bounds, how, observer).await?;
        watch.input(attention_output, &context);
        let (x, normed) = self.mlp_norm.sum_forward(self.attention_output.forward(context), x);
        pause(observer).await?;
        watch.input(up, &normed);
        let narrow = self.feed_forward.forward(normed, down, watch, observer).await?;
        let (x, normed) = self.neighbour_norm.sum_forward(narrow, x);
        Ok(Stream { x, normed })
    }
}

fn norm(
    config: &SiglipConfig,
    weights: &Weights<'_>,
    name: &str,
    device: &Device,
) -> Result<LayerNorm> {
    LayerNorm::load(weights, name, config.hidden_size, true, config.layer_norm_eps, device)
}
