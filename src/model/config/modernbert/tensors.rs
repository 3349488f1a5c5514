//! The tensors of a ModernBERT, by the names of transformers.

use super::ModernBertConfig;
use crate::model::bundle::{TensorKind, TensorSpec};
use crate::model::config::products::{layer_tensors, norm_tensors, spec};
use crate::model::config::{Product, Role};

/// The vocabulary table.
pub(crate) const TOKENS: &str = "embeddings.tok_embeddings.weight";

/// The table of tokens that were added to it.
const ADDED_TOKENS: &str = "embeddings.tok_embeddings.additional_embedding.weight";

impl ModernBertConfig {
    /// The vocabulary's tables with their rows, one under the other.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let added = self.additional_vocab_size;
        let tokens = (TOKENS, self.vocab_size - added.unwrap_or(0));
        [tokens].into_iter().chain(added.map(|rows| (ADDED_TOKENS, rows)))
    }

    /// What saves of models with a head put before the names.
    pub(crate) fn prefix(&self) -> &'static str {
        "model."
    }

    /// The LayerNorm of the embeddings.
    pub(crate) fn embeddings_norm(&self) -> &'static str {
        "embeddings.norm"
    }

    /// The LayerNorms of a layer: in front of the feed-forward layer, and behind it, which is that of the next layer's attention or
    /// of the encoder's end. Nothing but the embeddings' own stands in front of the first layer's attention.
    pub(crate) fn layer_norms(&self, layer: usize) -> [String; 2] {
        let following = match layer + 1 == self.num_hidden_layers {
            true => "final_norm".to_owned(),
            false => format!("layers.{}.attn_norm", layer + 1),
        };
        [format!("layers.{layer}.mlp_norm"), following]
    }

    /// The products of a layer in the order of computation: query, key and value, their output, into both halves of the gate, and
    /// out of the feed-forward layer.
    pub(crate) fn layer_products(&self, layer: usize) -> [Product; 4] {
        let (hidden, wide) = (self.hidden_size, self.intermediate_size);
        let product = |role, name: &str, rows, columns, bias| Product {
            names: vec![format!("layers.{layer}.{name}")],
            rows,
            columns,
            bias,
            role,
        };
        let (attention, mlp) = (self.attention_bias, self.mlp_bias);
        [
            product(Role::Attention, "attn.Wqkv", 3 * hidden, hidden, attention),
            product(Role::AttentionOutput, "attn.Wo", hidden, hidden, attention),
            product(Role::Up, "mlp.Wi", 2 * wide, hidden, mlp),
            product(Role::Down, "mlp.Wo", hidden, wide, mlp),
        ]
    }

    /// All tensors, those that belong together after each other.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let norm = |name: &str| norm_tensors(name, self.hidden_size, self.norm_bias);
        let table = |(name, rows)| spec(name, &[rows, self.hidden_size], TensorKind::Table);
        let mut tensors: Vec<TensorSpec> = self.tables().map(table).collect();
        tensors.extend(norm(self.embeddings_norm()));
        for layer in 0..self.num_hidden_layers {
            let norms = self.layer_norms(layer).map(|name| norm(&name));
            tensors.extend(layer_tensors(self.layer_products(layer), norms));
        }
        tensors
    }
}
