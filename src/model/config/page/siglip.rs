//! `vision_config` of a SigLIP tower (Zhai et al., 2023), as transformers' `SiglipVisionConfig` reads it. SigLIP 2's towers of fixed
//! size are this architecture too. The head that makes one vector of an image is not read.

use serde::Serialize;

use super::super::backbone::{check_heads, epsilon, refuse_variants};
use super::super::products::{layer_tensors, norm_tensors, spec};
use super::super::{Activation, MAX_HIDDEN, MAX_LAYERS, Product, Role};
use crate::error::{Result, Warning};
use crate::image::Normalization;
use crate::model::bundle::{TensorKind, TensorSpec};
use crate::model::checkpoint::Fields;

/// Largest side of a square in pixels, and of a patch.
const MAX_SIDE: usize = 2_048;
const MAX_PATCH: usize = 64;
/// Colours of a pixel.
const CHANNELS: usize = 3;

/// Tensors in front of the layers; the first's bias has its name.
pub(crate) const PATCHES: &str = "vision_model.embeddings.patch_embedding";
pub(crate) const PLACES: &str = "vision_model.embeddings.position_embedding.weight";
const LAST_NORM: &str = "vision_model.post_layernorm";

/// Fields that change numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SiglipConfig {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    /// Side of a square in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
}

impl SiglipConfig {
    /// Where the file is silent, the defaults of the class.
    ///
    /// # Errors
    /// A field that is null, out of range, contradicts another or asks for another architecture.
    pub(crate) fn read(config: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<Self> {
        refuse_variants(config)?;
        refuse_kind(config)?;
        let mut count = |field, default, limit| {
            config.or_default(field, config.count(field, limit)?, default, warnings)
        };
        // The code that came with the first checkpoints has names of its own for some.
        let width = if config.has("embed_dim") { "embed_dim" } else { "hidden_size" };
        let hidden_size = count(width, 768, MAX_HIDDEN)?;
        let intermediate_size = count("intermediate_size", 3_072, 4 * MAX_HIDDEN)?;
        let num_hidden_layers = count("num_hidden_layers", 12, MAX_LAYERS)?;
        let num_attention_heads = count("num_attention_heads", 12, MAX_HIDDEN)?;
        let image_size = count("image_size", 224, MAX_SIDE)?;
        let patch_size = count("patch_size", 16, MAX_PATCH)?;
        let channels = count("num_channels", CHANNELS, MAX_HIDDEN)?;
        let heads = ("num_attention_heads", num_attention_heads);
        check_heads(config, ("hidden_size", hidden_size), heads)?;
        check_sides(config, image_size, patch_size)?;
        if channels != CHANNELS {
            return Err(config.unsupported("num_channels", &channels.to_string(), "3 is"));
        }
        Ok(Self {
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads,
            image_size,
            patch_size,
            hidden_act: activation(config, warnings)?,
            layer_norm_eps: epsilon(config, "layer_norm_eps", 1e-6, warnings)?,
        })
    }

    /// Patches of a square's side.
    pub fn side(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Patches of a square.
    pub fn patches(&self) -> usize {
        self.side().pow(2)
    }

    /// Numbers of a patch.
    pub fn patch_width(&self) -> usize {
        CHANNELS * self.patch_size.pow(2)
    }

    /// The numbers of a square's patches, row by row, of its pixels `[side, side, 3]`: of each patch the reds row by row, the
    /// greens, the blues.
    pub(crate) fn patches_of(&self, pixels: &Normalization, bytes: &[u8]) -> Vec<f32> {
        let tables = pixels.tables();
        let (side, patch, width) = (self.side(), self.patch_size, self.image_size);
        let mut numbers = Vec::with_capacity(bytes.len());
        for place in 0..side * side {
            let (top, left) = (place / side * patch, place % side * patch);
            for (colour, table) in tables.iter().enumerate() {
                for y in top..top + patch {
                    let row = &bytes[(y * width + left) * CHANNELS..][..patch * CHANNELS];
                    let own = row.iter().skip(colour).step_by(CHANNELS);
                    numbers.extend(own.map(|&byte| table[usize::from(byte)]));
                }
            }
        }
        numbers
    }

    /// Shape of the patches' product as a kernel of a convolution, which is how checkpoints have it.
    pub(crate) fn kernel(&self) -> [usize; 4] {
        [self.hidden_size, CHANNELS, self.patch_size, self.patch_size]
    }

    /// The LayerNorms of a layer: in front of the feed-forward layer, and behind it, which is that of the next layer's attention or of
    /// the tower's end.
    pub(crate) fn layer_norms(&self, layer: usize) -> [String; 2] {
        let following = match layer + 1 == self.num_hidden_layers {
            true => LAST_NORM.to_owned(),
            false => first_norm(layer + 1),
        };
        [format!("vision_model.encoder.layers.{layer}.layer_norm2"), following]
    }

    /// The LayerNorm in front of the first layer's attention.
    pub(crate) fn opening_norm(&self) -> String {
        first_norm(0)
    }

    /// The products of a layer in the order of computation.
    pub(crate) fn layer_products(&self, layer: usize) -> [Product; 4] {
        let (hidden, wide) = (self.hidden_size, self.intermediate_size);
        let product = |role, names: &[&str], rows, columns| Product {
            names: names
                .iter()
                .map(|name| format!("vision_model.encoder.layers.{layer}.{name}"))
                .collect(),
            rows,
            columns,
            bias: true,
            role,
        };
        let qkv = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];
        [
            product(Role::Attention, &qkv, hidden, hidden),
            product(Role::AttentionOutput, &["self_attn.out_proj"], hidden, hidden),
            product(Role::Up, &["mlp.fc1"], wide, hidden),
            product(Role::Down, &["mlp.fc2"], hidden, wide),
        ]
    }

    /// All tensors, those that belong together after each other. The patches' product takes a hundredth of a layer's time and the
    /// numbers of pixels have no large channels, so that little is gained by fewer bytes.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let hidden = self.hidden_size;
        let norm = |name: &str| norm_tensors(name, hidden, true);
        let patches = [hidden, self.patch_width()];
        let mut tensors = vec![
            spec(&format!("{PATCHES}.weight"), &patches, TensorKind::Half),
            spec(&format!("{PATCHES}.bias"), &[hidden], TensorKind::Plain),
            spec(PLACES, &[self.patches(), hidden], TensorKind::Half),
        ];
        tensors.extend(norm(&self.opening_norm()));
        for layer in 0..self.num_hidden_layers {
            let norms = self.layer_norms(layer).map(|name| norm(&name));
            tensors.extend(layer_tensors(self.layer_products(layer), norms));
        }
        tensors
    }
}

fn first_norm(layer: usize) -> String {
    format!("vision_model.encoder.layers.{layer}.layer_norm1")
}

fn refuse_kind(config: &Fields<'_>) -> Result<()> {
    const KINDS: [&str; 3] = ["siglip_vision_model", "siglip", "modernvbert_vision"];
    match config.string("model_type")? {
        Some(kind) if !KINDS.contains(&kind) => {
            Err(config.unsupported("model_type", kind, "siglip_vision_model is"))
        }
        // Patches of any number, each with its own place: computed in another way.
        _ if config.has("num_patches") => {
            Err(config.unsupported("num_patches", "a value", "a tower of squares of one size is"))
        }
        _ => Ok(()),
    }
}

fn check_sides(config: &Fields<'_>, image: usize, patch: usize) -> Result<()> {
    match image.is_multiple_of(patch) {
        true => Ok(()),
        false => {
            let reason = format!("is {patch}; it must divide image_size {image}");
            Err(config.invalid("patch_size", &reason))
        }
    }
}

fn activation(config: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<Activation> {
    let field = "hidden_act";
    let name = config.or_default(field, config.string(field)?, "gelu_pytorch_tanh", warnings)?;
    Activation::named(name).ok_or_else(|| {
        config.unsupported(
            field,
            name,
            "the functions of transformers that have no weights of their own are",
        )
    })
}
