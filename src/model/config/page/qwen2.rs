//! `vision_config` of Qwen2-VL's tower (Wang et al., 2024), as transformers' `Qwen2VLVisionConfig` reads it, and the names of its
//! tensors.

use serde::Serialize;
use serde_json::Value;

use super::super::backbone::{check_heads, refuse_variants};
use super::super::products::{layer_tensors, norm_tensors, spec};
use super::super::{Activation, MAX_HIDDEN, MAX_LAYERS, Product, Role};
use crate::error::{Result, Warning};
use crate::image::smart::Patching;
use crate::model::bundle::{TensorKind, TensorSpec};
use crate::model::checkpoint::Fields;

/// Largest side of a patch in pixels.
const MAX_PATCH: usize = 64;
/// Most patches of a side that become one token, and most copies of a picture that make a patch.
const MAX_MERGED: usize = 8;
/// Colours of a pixel.
const CHANNELS: usize = 3;
const THETA: f64 = 1e4;

/// The patches' product, without a bias.
pub(crate) const QWEN2_PATCHES: &str = "visual.patch_embed.proj";
const MERGER_NORM: &str = "visual.merger.ln_q";

/// Fields that change numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Qwen2VisionConfig {
    pub embed_dim: usize,
    pub depth: usize,
    pub num_heads: usize,
    pub mlp_ratio: usize,
    /// Width of what the merger makes.
    pub hidden_size: usize,
    pub hidden_act: Activation,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Patches of a side that become one token.
    pub spatial_merge_size: usize,
    /// How many times a picture's pixels stand in a patch.
    pub temporal_patch_size: usize,
    pub rope_theta: f64,
}

impl Qwen2VisionConfig {
    /// What a norm adds to the variance; no file says it.
    pub(crate) const EPSILON: f64 = 1e-6;

    /// Where the file is silent, the defaults of the class.
    ///
    /// # Errors
    /// A field that is null, out of range, contradicts another or asks for another architecture.
    pub(crate) fn read(config: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<Self> {
        refuse_variants(config)?;
        match config.string("model_type")? {
            None | Some("qwen2_vl" | "qwen2_vl_vision") => {}
            Some(other) => {
                return Err(config.unsupported("model_type", other, "qwen2_vl_vision is"));
            }
        }
        let mut count = |field, default, limit| {
            config.or_default(field, config.count(field, limit)?, default, warnings)
        };
        let embed_dim = count("embed_dim", 1_280, MAX_HIDDEN)?;
        let depth = count("depth", 32, MAX_LAYERS)?;
        let num_heads = count("num_heads", 16, MAX_HIDDEN)?;
        let mlp_ratio = count("mlp_ratio", 4, 16)?;
        let hidden_size = count("hidden_size", 3_584, MAX_HIDDEN)?;
        let patch_size = count("patch_size", 14, MAX_PATCH)?;
        let spatial_merge_size = count("spatial_merge_size", 2, MAX_MERGED)?;
        let temporal_patch_size = count("temporal_patch_size", 2, MAX_MERGED)?;
        check_heads(config, ("embed_dim", embed_dim), ("num_heads", num_heads))?;
        check_channels(config)?;
        if !(embed_dim / num_heads).is_multiple_of(4) {
            let width = embed_dim / num_heads;
            let reason = format!("makes heads of {width}, of which no half has two halves");
            return Err(config.invalid("num_heads", &reason));
        }
        Ok(Self {
            embed_dim,
            depth,
            num_heads,
            mlp_ratio,
            hidden_size,
            hidden_act: activation(config)?,
            patch_size,
            spatial_merge_size,
            temporal_patch_size,
            rope_theta: theta(config)?,
        })
    }

    /// Numbers of a patch.
    pub fn patch_width(&self) -> usize {
        CHANNELS * self.temporal_patch_size * self.patch_size.pow(2)
    }

    /// Shape of the patches' product as a kernel of a convolution, which is how checkpoints have it.
    pub(crate) fn kernel(&self) -> [usize; 5] {
        let side = self.patch_size;
        [self.embed_dim, CHANNELS, self.temporal_patch_size, side, side]
    }

    /// How a page becomes patches.
    pub(crate) fn patching(&self) -> Patching {
        Patching {
            patch: self.patch_size,
            merge: self.spatial_merge_size,
            copies: self.temporal_patch_size,
        }
    }

    /// Patches that become one token.
    pub fn merged(&self) -> usize {
        self.spatial_merge_size.pow(2)
    }

    /// The LayerNorms of a layer: in front of the attention, and in front of the feed-forward layer.
    pub(crate) fn layer_norms(&self, layer: usize) -> [String; 2] {
        ["norm1", "norm2"].map(|name| format!("visual.blocks.{layer}.{name}"))
    }

    /// The LayerNorm in front of the merger.
    pub(crate) fn merger_norm(&self) -> &'static str {
        MERGER_NORM
    }

    /// The products of a layer in the order of computation.
    pub(crate) fn layer_products(&self, layer: usize) -> [Product; 4] {
        let (hidden, wide) = (self.embed_dim, self.embed_dim * self.mlp_ratio);
        let product = |role, name: &str, rows, columns| Product {
            names: vec![format!("visual.blocks.{layer}.{name}")],
            rows,
            columns,
            bias: true,
            role,
        };
        [
            product(Role::Attention, "attn.qkv", 3 * hidden, hidden),
            product(Role::AttentionOutput, "attn.proj", hidden, hidden),
            product(Role::Up, "mlp.fc1", wide, hidden),
            product(Role::Down, "mlp.fc2", hidden, wide),
        ]
    }

    /// The two products of the merger.
    pub(crate) fn merger_products(&self) -> [Product; 2] {
        let wide = self.embed_dim * self.merged();
        let product = |name: &str, rows| Product {
            names: vec![format!("visual.merger.mlp.{name}")],
            rows,
            columns: wide,
            bias: true,
            role: Role::Projection,
        };
        [product("0", wide), product("2", self.hidden_size)]
    }

    /// The tensors up to the merger, those that belong together after each other. As of SigLIP, little would be gained by fewer bytes
    /// of the patches' product.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let patches = [self.embed_dim, self.patch_width()];
        let mut tensors =
            vec![spec(&format!("{QWEN2_PATCHES}.weight"), &patches, TensorKind::Half)];
        for layer in 0..self.depth {
            let norms =
                self.layer_norms(layer).map(|name| norm_tensors(&name, self.embed_dim, true));
            tensors.extend(layer_tensors(self.layer_products(layer), norms));
        }
        tensors
    }

    /// The merger's.
    pub(crate) fn merger_tensors(&self) -> Vec<TensorSpec> {
        let norm = norm_tensors(MERGER_NORM, self.embed_dim, true);
        norm.chain(self.merger_products().iter().flat_map(Product::tensors)).collect()
    }
}

/// Older files have a shorter name for it.
fn check_channels(config: &Fields<'_>) -> Result<()> {
    for field in ["in_channels", "in_chans"] {
        match config.count(field, MAX_HIDDEN)? {
            Some(channels) if channels != CHANNELS => {
                return Err(config.unsupported(field, &channels.to_string(), "3 is"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn activation(config: &Fields<'_>) -> Result<Activation> {
    let field = "hidden_act";
    let name = config.string(field)?.unwrap_or("quick_gelu");
    Activation::named(name).ok_or_else(|| {
        let hint = "the functions of transformers that have no weights of their own are";
        config.unsupported(field, name, hint)
    })
}

/// Files of transformers 4 say nothing of it.
fn theta(config: &Fields<'_>) -> Result<f64> {
    let Some(rope) = config.object("rope_parameters")? else {
        return Ok(THETA);
    };
    match rope.string("rope_type")? {
        None | Some("axial" | "default") => {}
        Some(other) => return Err(rope.unsupported("rope_type", other, "axial is")),
    }
    let known = |name: &&str| ["rope_type", "rope_theta"].contains(name);
    let holds = |name: &&str| !rope.value(name).is_none_or(Value::is_null);
    if let Some(other) = rope.names().filter(holds).find(|name| !known(name)) {
        return Err(rope.unsupported(other, "a value", "a rope_type of axial without it is"));
    }
    let theta = rope.float("rope_theta")?.unwrap_or(THETA);
    match (1.0..=1e12).contains(&theta) {
        true => Ok(theta),
        false => Err(rope.invalid("rope_theta", &format!("is {theta}, not between 1 and 1e12"))),
    }
}
