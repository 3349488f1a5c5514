//! What do the saves of this family call their tensors?

use super::BertConfig;
use crate::error::Result;
use crate::model::bundle::{TensorKind, TensorSpec};
use crate::model::checkpoint::{BertArchitecture, CheckpointFiles, Weights};
use crate::model::config::products::{layer_tensors, norm_tensors, spec};
use crate::model::config::{Product, Role};

/// The vocabulary table.
pub(crate) const WORDS: &str = "embeddings.word_embeddings.weight";
/// The table of positions.
pub(crate) const POSITIONS: &str = "embeddings.position_embeddings.weight";
/// The table of the types of texts.
pub(crate) const TYPES: &str = "embeddings.token_type_embeddings.weight";

/// Whose names the tensors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// BERT's, and those of the RoBERTas.
    Bert,
    DistilBert,
    /// Those of Jina's own code.
    Jina,
    /// Those of transformers' class of the same.
    JinaEmbeddingsV3,
}

/// Names without `.weight`; those of a layer stand behind `layer` and its number.
struct Names {
    embeddings_norm: &'static str,
    layer: &'static str,
    /// Query, key and value, or all three in one.
    attention: &'static [&'static str],
    attention_output: &'static str,
    attention_norm: &'static str,
    up: &'static str,
    down: &'static str,
    output_norm: &'static str,
}

const BERT: Names = Names {
    embeddings_norm: "embeddings.LayerNorm",
    layer: "encoder.layer",
    attention: &["attention.self.query", "attention.self.key", "attention.self.value"],
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    output_norm: "output.LayerNorm",
};

const DISTILBERT: Names = Names {
    embeddings_norm: "embeddings.LayerNorm",
    layer: "transformer.layer",
    attention: &["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    output_norm: "output_layer_norm",
};

const JINA: Names = Names {
    embeddings_norm: "emb_ln",
    layer: "encoder.layers",
    attention: &["mixer.Wqkv"],
    attention_output: "mixer.out_proj",
    attention_norm: "norm1",
    up: "mlp.fc1",
    down: "mlp.fc2",
    output_norm: "norm2",
};

const JINA_EMBEDDINGS_V3: Names = Names {
    embeddings_norm: "embeddings.LayerNorm",
    layer: "layers",
    attention: &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    attention_output: "self_attn.o_proj",
    attention_norm: "post_attention_layernorm",
    up: "mlp.fc1",
    down: "mlp.fc2",
    output_norm: "post_mlp_layernorm",
};

impl Naming {
    /// By the architecture; where there are two of one, by the tensors. `rotary`: what `config.json` says of positions.
    pub(super) fn of(
        files: &CheckpointFiles,
        architecture: BertArchitecture,
        rotary: bool,
    ) -> Result<Self> {
        let jina = || has_tensor(files, &format!("{}.weight", JINA.embeddings_norm));
        Ok(match architecture {
            BertArchitecture::XlmRoberta if rotary || jina()? => Naming::Jina,
            BertArchitecture::JinaEmbeddingsV3 if jina()? => Naming::Jina,
            BertArchitecture::JinaEmbeddingsV3 => Naming::JinaEmbeddingsV3,
            BertArchitecture::DistilBert => Naming::DistilBert,
            BertArchitecture::Bert
            | BertArchitecture::Camembert
            | BertArchitecture::Roberta
            | BertArchitecture::XlmRoberta => Naming::Bert,
        })
    }

    fn names(self) -> &'static Names {
        match self {
            Naming::Bert => &BERT,
            Naming::DistilBert => &DISTILBERT,
            Naming::Jina => &JINA,
            Naming::JinaEmbeddingsV3 => &JINA_EMBEDDINGS_V3,
        }
    }
}

/// Settings can be looked at without weights.
fn has_tensor(files: &CheckpointFiles, name: &str) -> Result<bool> {
    let Ok(names) = files.backbone_files() else {
        return Ok(false);
    };
    Ok(Weights::open(files, &names)?.with_prefix("roberta.", WORDS).contains(name))
}

impl BertConfig {
    /// What saves of models with a head put before the names.
    pub(crate) fn prefix(&self) -> &'static str {
        match self.architecture {
            BertArchitecture::Bert => "bert.",
            BertArchitecture::DistilBert => "distilbert.",
            BertArchitecture::Camembert
            | BertArchitecture::JinaEmbeddingsV3
            | BertArchitecture::Roberta
            | BertArchitecture::XlmRoberta => "roberta.",
        }
    }

    /// The LayerNorm of the embeddings.
    pub(crate) fn embeddings_norm(&self) -> &'static str {
        self.naming.names().embeddings_norm
    }

    /// The products of a layer in the order of computation: query, key and value, their output, into and out of the feed-forward
    /// layer.
    pub(crate) fn layer_products(&self, layer: usize) -> [Product; 4] {
        let (hidden, wide, names) = (self.hidden_size, self.intermediate_size, self.naming.names());
        let product = |role, parts: &[&str], rows, columns| Product {
            names: parts.iter().map(|part| format!("{}.{layer}.{part}", names.layer)).collect(),
            rows,
            columns,
            bias: true,
            role,
        };
        let rows = 3 * hidden / names.attention.len();
        [
            product(Role::Attention, names.attention, rows, hidden),
            product(Role::AttentionOutput, &[names.attention_output], hidden, hidden),
            product(Role::Up, &[names.up], wide, hidden),
            product(Role::Down, &[names.down], hidden, wide),
        ]
    }

    /// The LayerNorms of a layer: behind the attention, and behind the feed-forward layer.
    pub(crate) fn layer_norms(&self, layer: usize) -> [String; 2] {
        let names = self.naming.names();
        [names.attention_norm, names.output_norm]
            .map(|part| format!("{}.{layer}.{part}", names.layer))
    }

    /// All tensors, those that belong together after each other.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let norm = |name: &str| norm_tensors(name, self.hidden_size, true);
        let mut tensors = self.tables();
        tensors.extend(norm(self.embeddings_norm()));
        for layer in 0..self.num_hidden_layers {
            let norms = self.layer_norms(layer).map(|name| norm(&name));
            tensors.extend(layer_tensors(self.layer_products(layer), norms));
        }
        tensors
    }

    fn tables(&self) -> Vec<TensorSpec> {
        let table = |name, rows, kind| spec(name, &[rows, self.hidden_size], kind);
        let mut tables = vec![table(WORDS, self.vocab_size, TensorKind::Table)];
        if let Some(rows) = self.position_rows() {
            tables.push(table(POSITIONS, rows, TensorKind::Half));
        }
        if let Some(rows) = self.type_vocab_size {
            tables.push(table(TYPES, rows, TensorKind::Plain));
        }
        tables
    }
}
