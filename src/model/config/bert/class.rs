//! What do the classes of this family call their fields, and what do they take where a file is silent?

use crate::model::checkpoint::BertArchitecture;

/// A field's name and its default.
type Count = (&'static str, usize);

/// A configuration class of transformers.
pub(super) struct Class {
    pub(super) hidden_size: Count,
    pub(super) num_hidden_layers: Count,
    pub(super) num_attention_heads: Count,
    pub(super) intermediate_size: Count,
    pub(super) vocab_size: Count,
    pub(super) max_position_embeddings: Count,
    /// `None`: a text's type is not embedded.
    pub(super) type_vocab_size: Option<Count>,
    /// Of each LayerNorm; `None`: 1e-12, whatever the file says.
    pub(super) layer_norm_eps: Option<f64>,
    pub(super) hidden_act: &'static str,
    /// Default of `pad_token_id`, where positions are counted from it.
    pub(super) padding: Option<usize>,
    /// Other names of fields, which the class takes as well.
    pub(super) aliases: &'static [&'static str],
}

const BERT: Class = Class {
    hidden_size: ("hidden_size", 768),
    num_hidden_layers: ("num_hidden_layers", 12),
    num_attention_heads: ("num_attention_heads", 12),
    intermediate_size: ("intermediate_size", 3_072),
    vocab_size: ("vocab_size", 30_522),
    max_position_embeddings: ("max_position_embeddings", 512),
    type_vocab_size: Some(("type_vocab_size", 2)),
    layer_norm_eps: Some(1e-12),
    hidden_act: "hidden_act",
    padding: None,
    aliases: &[],
};

const XLM_ROBERTA: Class = Class { padding: Some(1), ..BERT };

const ROBERTA: Class = Class { vocab_size: ("vocab_size", 50_265), ..XLM_ROBERTA };

const DISTILBERT: Class = Class {
    hidden_size: ("dim", 768),
    num_hidden_layers: ("n_layers", 6),
    num_attention_heads: ("n_heads", 12),
    intermediate_size: ("hidden_dim", 3_072),
    type_vocab_size: None,
    layer_norm_eps: None,
    hidden_act: "activation",
    aliases: &["hidden_size", "num_hidden_layers", "num_attention_heads"],
    ..BERT
};

/// Of Jina's own code and of transformers alike.
const JINA: Class = Class {
    hidden_size: ("hidden_size", 1_024),
    num_hidden_layers: ("num_hidden_layers", 24),
    num_attention_heads: ("num_attention_heads", 16),
    intermediate_size: ("intermediate_size", 4_096),
    vocab_size: ("vocab_size", 250_002),
    max_position_embeddings: ("max_position_embeddings", 8_194),
    type_vocab_size: Some(("type_vocab_size", 1)),
    layer_norm_eps: Some(1e-5),
    ..XLM_ROBERTA
};

impl Class {
    /// The class of an architecture; with `rotary` positions Jina's own of XLM-RoBERTa.
    pub(super) fn of(architecture: BertArchitecture, rotary: bool) -> &'static Self {
        match architecture {
            BertArchitecture::Bert => &BERT,
            BertArchitecture::DistilBert => &DISTILBERT,
            BertArchitecture::Roberta => &ROBERTA,
            BertArchitecture::JinaEmbeddingsV3 => &JINA,
            BertArchitecture::XlmRoberta if rotary => &JINA,
            BertArchitecture::Camembert | BertArchitecture::XlmRoberta => &XLM_ROBERTA,
        }
    }
}
