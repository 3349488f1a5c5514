//! `config.json` of a ModernBERT backbone (Warner et al., 2024), in the spellings of transformers 4 and 5; Ettin, mmBERT and
//! Granite R2 are this architecture too.
//!
//! | setting | transformers 4 | transformers 5 |
//! | --- | --- | --- |
//! | which layers attend to all tokens | `global_attn_every_n_layers` | `layer_types` |
//! | base of the positions' angles there | `global_rope_theta` | `rope_parameters.full_attention.rope_theta` |
//! | base in the other layers | `local_rope_theta`, null for the other one | `rope_parameters.sliding_attention.rope_theta` |
//! | how the angles are scaled | `rope_scaling` | `rope_type` and more in `rope_parameters` |
//!
//! A file that says one thing in both, and not the same, is refused: the versions would disagree.

mod tensors;

use serde::Serialize;
use serde_json::Value;

use super::backbone::{activation, check_heads, epsilon, refuse_variants};
use super::{Activation, MAX_HIDDEN, MAX_LAYERS, MAX_LENGTH, MAX_VOCABULARY};
use crate::error::{Result, Warning};
use crate::model::checkpoint::Fields;
pub(crate) use tensors::TOKENS;

/// Most positions that a file may claim; there is no table of them, and texts end at [`MAX_LENGTH`] tokens anyway.
const MAX_POSITIONS: usize = 1 << 20;
/// Where every field is silent about a base.
const GLOBAL_THETA: f64 = 160_000.0;
const LOCAL_THETA: f64 = 10_000.0;
const MAX_THETA: f64 = 1e12;

/// Fields of `transformers`' `ModernBertConfig` that change numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModernBertConfig {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub vocab_size: usize,
    /// How many of the last rows of the vocabulary lie in a table of their own, in which ModernVBERT's first code had those of
    /// tokens for pictures.
    pub additional_vocab_size: Option<usize>,
    pub max_position_embeddings: usize,
    pub norm_eps: f64,
    pub hidden_activation: Activation,
    pub norm_bias: bool,
    pub attention_bias: bool,
    pub mlp_bias: bool,
    /// One for each layer.
    pub layer_types: Vec<LayerType>,
    /// Width of the window of the layers that have one: half of it to either side of a token.
    pub local_attention: usize,
    pub global_rope_theta: f64,
    pub local_rope_theta: f64,
}

/// Which tokens a layer's tokens attend to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum LayerType {
    /// All.
    Full,
    /// Those in a window.
    Sliding,
}

impl ModernBertConfig {
    /// Where the file is silent, the defaults of the class.
    ///
    /// # Errors
    /// A field that is null, out of range, contradicts another or asks for another architecture.
    pub(crate) fn read(config: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<Self> {
        refuse_variants(config)?;
        refuse_scaling(config)?;
        let mut count = |field, default, limit| {
            config.or_default(field, config.count(field, limit)?, default, warnings)
        };
        let num_hidden_layers = count("num_hidden_layers", 22, MAX_LAYERS)?;
        let hidden_size = count("hidden_size", 768, MAX_HIDDEN)?;
        let num_attention_heads = count("num_attention_heads", 12, MAX_HIDDEN)?;
        let intermediate_size = count("intermediate_size", 1_152, 4 * MAX_HIDDEN)?;
        let vocab_size = count("vocab_size", 50_368, MAX_VOCABULARY)?;
        let additional_vocab_size = added_rows(config)?;
        let vocab_size = vocab_size + additional_vocab_size.unwrap_or(0);
        let max_position_embeddings = count("max_position_embeddings", 8_192, MAX_POSITIONS)?;
        let local_attention = count("local_attention", 128, 2 * MAX_LENGTH)?;
        let mut flag = |field| config.or_default(field, config.bool(field)?, false, warnings);
        let [norm_bias, attention_bias, mlp_bias] =
            [flag("norm_bias")?, flag("attention_bias")?, flag("mlp_bias")?];
        let global_rope_theta = global_theta(config, warnings)?;
        let heads = ("num_attention_heads", num_attention_heads);
        check_heads(config, ("hidden_size", hidden_size), heads)?;
        check_head_width(config, hidden_size, num_attention_heads)?;
        check_window(config, local_attention)?;
        Ok(Self {
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            intermediate_size,
            vocab_size,
            additional_vocab_size,
            max_position_embeddings,
            norm_eps: epsilon(config, "norm_eps", 1e-5, warnings)?,
            hidden_activation: activation(config, "hidden_activation", warnings)?,
            norm_bias,
            attention_bias,
            mlp_bias,
            layer_types: layer_types(config, num_hidden_layers, warnings)?,
            local_attention,
            global_rope_theta,
            local_rope_theta: local_theta(config, global_rope_theta, warnings)?,
        })
    }

    /// Longest text that is computed.
    pub fn max_length(&self) -> usize {
        self.max_position_embeddings.min(MAX_LENGTH)
    }

    /// Width of a head.
    pub(crate) fn head_width(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// The base of a layer's angles.
    pub fn rope_theta(&self, layer: usize) -> f64 {
        match self.layer_types[layer] {
            LayerType::Full => self.global_rope_theta,
            LayerType::Sliding => self.local_rope_theta,
        }
    }

    /// How far from itself a token of this layer looks; `None`: at all.
    pub fn window(&self, layer: usize) -> Option<usize> {
        match self.layer_types[layer] {
            LayerType::Full => None,
            LayerType::Sliding => Some(self.local_attention / 2),
        }
    }
}

/// 0 says nothing.
fn added_rows(config: &Fields<'_>) -> Result<Option<usize>> {
    const FIELD: &str = "additional_vocab_size";
    match config.value(FIELD).and_then(Value::as_u64) {
        Some(0) => Ok(None),
        _ => config.count(FIELD, MAX_VOCABULARY),
    }
}

/// Angles that do not grow with the position alone.
fn refuse_scaling(config: &Fields<'_>) -> Result<()> {
    if let Some(scaling) = config.object("rope_scaling")? {
        refuse_rope_fields(&scaling, &[])?;
    }
    let Some(parameters) = config.object("rope_parameters")? else {
        return Ok(());
    };
    let kinds = ["full_attention", "sliding_attention"];
    if let Some(name) = parameters.names().find(|name| !kinds.contains(name)) {
        let hint = "full_attention and sliding_attention, each with its rope_theta, are";
        return Err(config.unsupported("rope_parameters", name, hint));
    }
    for kind in kinds {
        if let Some(kind) = parameters.object(kind)? {
            refuse_rope_fields(&kind, &["rope_theta"])?;
        }
    }
    Ok(())
}

/// All but a type that scales nothing, and fields that are read elsewhere.
fn refuse_rope_fields(rope: &Fields<'_>, read: &[&str]) -> Result<()> {
    for field in ["rope_type", "type"] {
        match rope.string(field)? {
            None | Some("default") => {}
            Some(other) => return Err(rope.unsupported(field, other, "default is")),
        }
    }
    let known = |name: &&str| ["rope_type", "type"].contains(name) || read.contains(name);
    match rope.names().find(|name| !known(name)) {
        Some(other) => {
            Err(rope.unsupported(other, "a value", "a rope_type of default without it is"))
        }
        None => Ok(()),
    }
}

fn global_theta(config: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<f64> {
    let field = "global_rope_theta";
    let theta = theta(config, "full_attention", field)?;
    config.or_default(field, theta, GLOBAL_THETA, warnings)
}

fn local_theta(config: &Fields<'_>, global: f64, warnings: &mut Vec<Warning>) -> Result<f64> {
    let field = "local_rope_theta";
    let theta = theta(config, "sliding_attention", field)?;
    if theta.is_none() && config.has(field) {
        return Ok(global);
    }
    config.or_default(field, theta, LOCAL_THETA, warnings)
}

/// A base in either spelling.
fn theta(config: &Fields<'_>, kind: &str, field: &str) -> Result<Option<f64>> {
    let parameters = config.object("rope_parameters")?;
    let rope = parameters.map_or(Ok(None), |parameters| parameters.object(kind))?;
    let new = match &rope {
        Some(rope) if rope.has("rope_theta") => {
            Some(rope.required("rope_theta", in_range(rope, "rope_theta")?)?)
        }
        _ => None,
    };
    match (new, in_range(config, field)?) {
        (Some(new), Some(old)) if new != old => {
            let reason = format!("is {old}, and rope_parameters.{kind}.rope_theta {new}");
            Err(config.invalid(field, &reason))
        }
        (new, old) => Ok(new.or(old)),
    }
}

fn in_range(fields: &Fields<'_>, field: &str) -> Result<Option<f64>> {
    match fields.float(field)? {
        Some(theta) if !(1.0..=MAX_THETA).contains(&theta) => {
            Err(fields.invalid(field, &format!("is {theta}, not between 1 and {MAX_THETA:e}")))
        }
        theta => Ok(theta),
    }
}

fn layer_types(
    config: &Fields<'_>,
    layers: usize,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<LayerType>> {
    let field = "global_attn_every_n_layers";
    let interval = config.count(field, MAX_LAYERS)?;
    let by_interval = |interval: usize| -> Vec<LayerType> {
        let of = |layer: usize| match layer.is_multiple_of(interval) {
            true => LayerType::Full,
            false => LayerType::Sliding,
        };
        (0..layers).map(of).collect()
    };
    let Some(listed) = listed_types(config, layers)? else {
        return Ok(by_interval(config.or_default(field, interval, 3, warnings)?));
    };
    match interval.filter(|&interval| by_interval(interval) != listed) {
        Some(interval) => {
            Err(config.invalid(field, &format!("is {interval}, and layer_types says otherwise")))
        }
        None => Ok(listed),
    }
}

fn listed_types(config: &Fields<'_>, layers: usize) -> Result<Option<Vec<LayerType>>> {
    let Some(names) = config.strings("layer_types")? else {
        return Ok(None);
    };
    if names.len() != layers {
        let reason = format!("has {} entries for num_hidden_layers {layers}", names.len());
        return Err(config.invalid("layer_types", &reason));
    }
    let of = |name: &String| match name.as_str() {
        "full_attention" => Ok(LayerType::Full),
        "sliding_attention" => Ok(LayerType::Sliding),
        other => {
            let hint = "full_attention and sliding_attention are";
            Err(config.unsupported("layer_types", other, hint))
        }
    };
    names.iter().map(of).collect::<Result<_>>().map(Some)
}

/// The two halves of a head are turned against each other.
fn check_head_width(config: &Fields<'_>, hidden: usize, heads: usize) -> Result<()> {
    let width = hidden / heads;
    if !width.is_multiple_of(2) {
        let reason = format!("is {heads}, which makes heads of an odd width, {width}");
        return Err(config.invalid("num_attention_heads", &reason));
    }
    match config.count("head_dim", MAX_HIDDEN)? {
        Some(other) if other != width => {
            let reason = format!("is {other}; hidden_size and num_attention_heads make {width}");
            Err(config.invalid("head_dim", &reason))
        }
        _ => Ok(()),
    }
}

/// transformers 5 lets this field outrank the other, which transformers 4 alone reads.
fn check_window(config: &Fields<'_>, local_attention: usize) -> Result<()> {
    match config.count("sliding_window", MAX_LENGTH)? {
        Some(window) if window != local_attention / 2 => {
            let reason = format!("is {window}, not half of local_attention {local_attention}");
            Err(config.invalid("sliding_window", &reason))
        }
        _ => Ok(()),
    }
}
