//! `config.json` of a BERT backbone.

use super::backbone::{activation, check_heads, epsilon, refuse_variants};
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
        refuse_other_positions(config)?;
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
            layer_norm_eps: epsilon(config, "layer_norm_eps", 1e-12, warnings)?,
            hidden_act: activation(config, "hidden_act", warnings)?,
        };
        check_heads(config, bert.hidden_size, bert.num_attention_heads)?;
        Ok(bert)
    }
}

/// Positions of another kind than a table's rows.
fn refuse_other_positions(config: &Fields<'_>) -> Result<()> {
    match config.string("position_embedding_type")? {
        None | Some("absolute") => Ok(()),
        Some(other) => Err(config.unsupported("position_embedding_type", other, "absolute is")),
    }
}
