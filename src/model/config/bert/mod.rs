//! `config.json` of BERT and of what is built like it: embeddings, then layers of self-attention and feed-forward, each with its
//! residual and a LayerNorm behind it.
//!
//! | | places of tokens | types of texts | names |
//! | --- | --- | --- | --- |
//! | BERT | a table's rows, from the first on | a table | its own |
//! | RoBERTa, XLM-RoBERTa, CamemBERT | a table's rows, from behind that of `pad_token_id` on | a table | BERT's |
//! | DistilBERT | a table's rows, from the first on | none | its own, of fields too |
//! | Jina's XLM-RoBERTa | RoPE, or as in XLM-RoBERTa | a table | Jina's, or those of transformers |
//!
//! Sources: the classes of transformers 5.24, and `XLMRobertaFlashConfig` of Jina's own code.

mod class;
mod positions;
mod tensors;

use serde::Serialize;

use super::backbone::{activation, check_heads, epsilon, refuse_variants};
use super::{Activation, MAX_HIDDEN, MAX_LAYERS, MAX_LENGTH, MAX_VOCABULARY};
use crate::error::{Result, Warning};
use crate::model::checkpoint::{BertArchitecture, CheckpointFiles, Fields};
use class::Class;
pub use positions::Positions;
pub use tensors::Naming;
pub(crate) use tensors::{POSITIONS, TYPES, WORDS};

/// LayerNorms of classes whose files do not say it.
const EPSILON: f64 = 1e-12;

/// What changes the numbers of such a backbone. Names are those of `transformers`' `BertConfig`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BertConfig {
    pub architecture: BertArchitecture,
    /// Whose names the tensors have: no number depends on it.
    #[serde(skip)]
    pub naming: Naming,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub vocab_size: usize,
    pub positions: Positions,
    /// `None`: a text's type is not embedded.
    pub type_vocab_size: Option<usize>,
    pub layer_norm_eps: f64,
    pub hidden_act: Activation,
}

impl BertConfig {
    /// Where the file is silent, as old ones are, the defaults of the class.
    ///
    /// # Errors
    /// A field that is null, out of range or asks for another architecture.
    pub(crate) fn read(
        files: &CheckpointFiles,
        config: &Fields<'_>,
        architecture: BertArchitecture,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        refuse_variants(config)?;
        refuse_adapters(config)?;
        let said = config.string("position_embedding_type")? == Some("rotary");
        let naming = Naming::of(files, architecture, said)?;
        let rotary = positions::is_rotary(config, architecture, naming)?;
        let class = Class::of(architecture, rotary);
        refuse_aliases(config, class)?;
        let mut count = |(field, default), limit| {
            config.or_default(field, config.count(field, limit)?, default, warnings)
        };
        let hidden_size = count(class.hidden_size, MAX_HIDDEN)?;
        let num_hidden_layers = count(class.num_hidden_layers, MAX_LAYERS)?;
        let num_attention_heads = count(class.num_attention_heads, MAX_HIDDEN)?;
        let intermediate_size = count(class.intermediate_size, 4 * MAX_HIDDEN)?;
        let vocab_size = count(class.vocab_size, MAX_VOCABULARY)?;
        let type_vocab_size = class.type_vocab_size.map(|field| count(field, 16)).transpose()?;
        let bert = Self {
            architecture,
            naming,
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            intermediate_size,
            vocab_size,
            positions: Positions::read(config, class, rotary, vocab_size, warnings)?,
            type_vocab_size,
            layer_norm_eps: match class.layer_norm_eps {
                Some(default) => epsilon(config, "layer_norm_eps", default, warnings)?,
                None => EPSILON,
            },
            hidden_act: activation(config, class.hidden_act, warnings)?,
        };
        bert.check_widths(config, class)?;
        Ok(bert)
    }

    /// Width of a head.
    pub(crate) fn head_width(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Rows of the table of positions, if there is one.
    pub(crate) fn position_rows(&self) -> Option<usize> {
        match self.positions {
            Positions::Absolute { rows, .. } => Some(rows),
            Positions::Rotary { .. } => None,
        }
    }

    /// Heads share the hidden states' columns; RoPE turns pairs of them.
    fn check_widths(&self, config: &Fields<'_>, class: &Class) -> Result<()> {
        let (field, _) = class.num_attention_heads;
        let (width, _) = class.hidden_size;
        let heads = self.num_attention_heads;
        check_heads(config, (width, self.hidden_size), (field, heads))?;
        match self.positions.is_rotary() && !self.head_width().is_multiple_of(2) {
            true => Err(config.invalid(field, &format!("is {heads}: heads have an odd width"))),
            false => Ok(()),
        }
    }
}

/// Jina's class keeps adapters among the weights, and takes the one that a call names.
fn refuse_adapters(config: &Fields<'_>) -> Result<()> {
    let adapters = config.strings("lora_adaptations")?.unwrap_or_default();
    match adapters.first() {
        None => Ok(()),
        Some(first) => Err(config.unsupported(
            "lora_adaptations",
            first,
            "a model without adapters is, such as jina-colbert-v2",
        )),
    }
}

/// A class takes them for its own names, as whichever comes last says.
fn refuse_aliases(config: &Fields<'_>, class: &Class) -> Result<()> {
    match class.aliases.iter().find(|alias| config.has(alias)) {
        Some(alias) => Err(config.unsupported(alias, "a value", "dim, n_layers and n_heads are")),
        None => Ok(()),
    }
}
