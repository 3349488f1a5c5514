//! Qwen2-VL's tower (Wang et al., 2024): a transformer over the patches of a page of any size, whose places turn queries and keys.
//!
//! Mirrors the vision part of `transformers/models/qwen2_vl/modeling_qwen2_vl.py`:
//!
//! ```text
//! x  = W·patch                              the convolution as a product: patches do not overlap
//! x += proj(attention(qkv(norm1(x))))       q and k turned by the patch's row and column, half of a head's pairs each
//! x += fc2(f(fc1(norm2(x))))
//! merger: mlp.2(gelu(mlp.0(the norms of the patches of a token, side by side)))
//! ```
//!
//! Patches come token by token: those of a block that becomes one token stand together, row by row.

use burn::tensor::{Device, Tensor, s};

use super::whole;
use crate::encoder::Watch;
use crate::encoder::layers::{LayerNorm, product};
use crate::encoder::steps::{FeedForward, attention_by_heads};
use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::{Activation, QWEN2_PATCHES, Qwen2VisionConfig};
use crate::model::quantize::Matrix;
use crate::observer::{Observer, pause};
use crate::ops::{Angles, Attention, Axis, Bounds, Linear, Place, turn};

pub(super) struct Qwen2Vision {
    patches: Linear,
    layers: Vec<Qwen2VisionLayer>,
    merger_norm: LayerNorm,
    merger: [Linear; 2],
    /// The merger's products' names.
    names: [String; 2],
    axes: Vec<Axis>,
    /// Patches of a side that become one token.
    side: usize,
    device: Device,
}

impl Qwen2Vision {
    pub(super) async fn load(
        config: &Qwen2VisionConfig,
        weights: &Weights<'_>,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let patches = patches(config, weights, device)?;
        let mut layers = Vec::with_capacity(config.depth);
        for layer in 0..config.depth {
            pause(observer).await?;
            layers.push(Qwen2VisionLayer::load(config, weights, layer, device)?);
        }
        let merger = config.merger_products();
        Ok(Self {
            patches,
            layers,
            merger_norm: norm(config, weights, config.merger_norm(), device)?,
            merger: [product(weights, &merger[0], device)?, product(weights, &merger[1], device)?],
            names: merger.map(|product| product.names[0].clone()),
            axes: axes(config),
            side: config.spatial_merge_size,
            device: device.clone(),
        })
    }

    /// Vectors `[tokens, hidden]` of a page's patches `[patches, numbers]`, of which there are `grid`, rows and columns.
    pub(super) async fn forward(
        &self,
        patches: Tensor<2>,
        grid: [usize; 2],
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let count = patches.dims()[0];
        let bounds = whole(count, &self.device);
        let angles = Angles::new(&places(grid, self.side), &self.axes, &self.device);
        let mut x = self.patches.forward(patches);
        watch.hidden_state(&x);
        for layer in &self.layers {
            x = layer.forward(x, &bounds, &angles, watch, observer).await?;
            watch.hidden_state(&x);
        }
        pause(observer).await?;
        let normed = self.merger_norm.forward(x);
        watch.hidden_state(&normed);
        let [count, width] = normed.dims();
        let merged = self.side.pow(2);
        let x = normed.reshape([count / merged, merged * width]);
        watch.input(&self.names[0], &x);
        let x = self.merger[0].forward_then(x, Activation::Gelu);
        watch.input(&self.names[1], &x);
        Ok(self.merger[1].forward(x))
    }
}

/// The product of the patches.
pub(super) fn patches(
    config: &Qwen2VisionConfig,
    weights: &Weights<'_>,
    device: &Device,
) -> Result<Linear> {
    let name = format!("{QWEN2_PATCHES}.weight");
    weights.expect_kernel(&name, &config.kernel())?;
    let [hidden, width] = [config.embed_dim, config.patch_width()];
    let kernel = Matrix::f32(hidden, width, weights.read(&name, &[hidden, width])?);
    Ok(Linear::new(kernel, None, device))
}

/// Of a head's pairs the first half turns by the row, the second by the column, both by the same angles.
fn axes(config: &Qwen2VisionConfig) -> Vec<Axis> {
    let half = config.embed_dim / config.num_heads / 4;
    let of = |number| (0..half).map(move |i| Axis::of_pair(number, config.rope_theta, i, half));
    of(1).chain(of(2)).collect()
}

/// Where each patch is, in the order in which patches come.
fn places([rows, columns]: [usize; 2], side: usize) -> Vec<Place> {
    let mut places = Vec::with_capacity(rows * columns);
    for row in (0..rows).step_by(side) {
        for column in (0..columns).step_by(side) {
            for patch in 0..side * side {
                let (down, across) = (patch / side, patch % side);
                places.push([0, (row + down) as u32, (column + across) as u32]);
            }
        }
    }
    places
}

pub(super) struct Qwen2VisionLayer {
    heads: usize,
    axes: Vec<Axis>,
    /// Patches of a side that become one token.
    side: usize,
    attention_norm: LayerNorm,
    /// Query, key and value, `[3 · hidden, hidden]`.
    qkv: Linear,
    attention_output: Linear,
    mlp_norm: LayerNorm,
    feed_forward: FeedForward,
    /// Names of its products.
    names: [String; 4],
}

impl Qwen2VisionLayer {
    pub(super) fn load(
        config: &Qwen2VisionConfig,
        weights: &Weights<'_>,
        layer: usize,
        device: &Device,
    ) -> Result<Self> {
        let products = config.layer_products(layer);
        let [qkv, attention_output, up, down] = &products;
        let [attention_norm, mlp_norm] = config.layer_norms(layer);
        Ok(Self {
            heads: config.num_heads,
            axes: axes(config),
            side: config.spatial_merge_size,
            attention_norm: norm(config, weights, &attention_norm, device)?,
            qkv: product(weights, qkv, device)?,
            attention_output: product(weights, attention_output, device)?,
            mlp_norm: norm(config, weights, &mlp_norm, device)?,
            feed_forward: FeedForward {
                up: product(weights, up, device)?,
                gate: config.hidden_act.into(),
                down: product(weights, down, device)?,
            },
            names: products.map(|product| product.names[0].clone()),
        })
    }

    /// `[patches, hidden]`, of a square picture, → the same shape, of a layer that was loaded alone.
    pub(super) async fn forward_alone(
        &self,
        x: Tensor<2>,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let (count, device) = (x.dims()[0], x.device());
        let places = places([count.isqrt(); 2], self.side);
        let angles = Angles::new(&places, &self.axes, &device);
        self.forward(x, &whole(count, &device), &angles, watch, observer).await
    }

    async fn forward(
        &self,
        x: Tensor<2>,
        bounds: &Bounds,
        angles: &Angles,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        pause(observer).await?;
        let [qkv, attention_output, up, down] = &self.names;
        let normed = self.attention_norm.forward(x.clone());
        watch.input(qkv, &normed);
        let turned = turned(self.qkv.forward(normed), angles);
        let how = Attention::whole(self.heads);
        let context = attention_by_heads(turned, bounds, how, observer).await?;
        watch.input(attention_output, &context);
        let x = x + self.attention_output.forward(context);
        pause(observer).await?;
        let normed = self.mlp_norm.forward(x.clone());
        watch.input(up, &normed);
        let narrow = self.feed_forward.forward(normed, down, watch, observer).await?;
        Ok(x + narrow)
    }
}

/// Queries and keys turned, values as they are.
fn turned(qkv: Tensor<2>, angles: &Angles) -> Tensor<2> {
    let hidden = qkv.dims()[1] / 3;
    let both = turn(qkv.clone().slice(s![.., ..2 * hidden]), angles);
    Tensor::cat(vec![both, qkv.slice(s![.., 2 * hidden..])], 1)
}

fn norm(
    config: &Qwen2VisionConfig,
    weights: &Weights<'_>,
    name: &str,
    device: &Device,
) -> Result<LayerNorm> {
    let epsilon = Qwen2VisionConfig::EPSILON;
    LayerNorm::load(weights, name, config.embed_dim, true, epsilon, device)
}
