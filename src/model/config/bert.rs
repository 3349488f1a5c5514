//! `config.json` of a BERT backbone.

use serde_json::{Map, Value};

use super::{Activation, MAX_HIDDEN, MAX_LAYERS, MAX_LENGTH, MAX_VOCABULARY};
use crate::error::{Result, Warning};
use crate::model::checkpoint::Fields;

/// Fields of `transformers`' `BertConfig` that change numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct BertConfig {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub layer_norm_eps: f64,
    pub hidden_act: Activation,
}

impl BertConfig {
    /// Where the file is silent, as old ones are, the defaults of the class.
    ///
    /// # Errors
    /// A field that is null, out of range or asks for another architecture.
    pub(crate) fn read(config: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<Self> {
        refuse_variants(config)?;
        let mut count = |field, default, limit| {
            config.or_default(field, config.count(field, limit)?, default, warnings)
        };
        let bert = Self {
            hidden_size: count("hidden_size", 768, MAX_HIDDEN)?,
            num_hidden_layers: count("num_hidden_layers", 12, MAX_LAYERS)?,
            num_attention_heads: count("num_attention_heads", 12, MAX_HIDDEN)?,
            intermediate_size: count("intermediate_size", 3_072, 4 * MAX_HIDDEN)?,
            vocab_size: count("vocab_size", 30_522, MAX_VOCABULARY)?,
            max_position_embeddings: count("max_position_embeddings", 512, MAX_LENGTH)?,
            type_vocab_size: count("type_vocab_size", 2, 16)?,
            layer_norm_eps: layer_norm_eps(config, warnings)?,
            hidden_act: hidden_act(config, warnings)?,
        };
        if !bert.hidden_size.is_multiple_of(bert.num_attention_heads) {
            return Err(config.invalid(
                "num_attention_heads",
                &format!(
                    "is {}; it must divide hidden_size {}",
                    bert.num_attention_heads, bert.hidden_size
                ),
            ));
        }
        Ok(bert)
    }
}

/// Settings under which the same weights compute something else.
fn refuse_variants(config: &Fields<'_>) -> Result<()> {
    for field in ["is_decoder", "add_cross_attention", "is_encoder_decoder"] {
        if config.bool(field)? == Some(true) {
            return Err(config.unsupported(field, "true", "false is"));
        }
    }
    // Heads or weights of another number, layers that differ, weights of another form.
    for field in ["embedding_size", "per_layer_config", "pruned_heads", "quantization_config"] {
        let none = |value: &Value| value.as_object().is_some_and(Map::is_empty);
        if config.value(field).is_some_and(|value| !none(value)) {
            return Err(config.unsupported(field, "a value", "null is"));
        }
    }
    match config.string("position_embedding_type")? {
        None | Some("absolute") => Ok(()),
        Some(other) => Err(config.unsupported("position_embedding_type", other, "absolute is")),
    }
}

fn layer_norm_eps(config: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<f64> {
    let epsilon = config.float("layer_norm_eps")?;
    let epsilon = config.or_default("layer_norm_eps", epsilon, 1e-12, warnings)?;
    match epsilon > 0.0 && epsilon < 1.0 {
        true => Ok(epsilon),
        false => Err(config.invalid("layer_norm_eps", "is not between 0 and 1")),
    }
}

fn hidden_act(config: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<Activation> {
    let name = config.string("hidden_act")?;
    let name = config.or_default("hidden_act", name, "gelu", warnings)?;
    Activation::named(name).ok_or_else(|| {
        config.unsupported(
            "hidden_act",
            name,
            "the functions of transformers that have no weights of their own are",
        )
    })
}
