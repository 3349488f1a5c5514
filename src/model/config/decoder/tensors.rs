//! The tensors of a language model, by the names of transformers behind whatever stands before the model's own.

use super::DecoderConfig;
use crate::model::bundle::{TensorKind, TensorSpec};
use crate::model::checkpoint::DecoderArchitecture;
use crate::model::config::products::{norm_tensors, spec};
use crate::model::config::{Product, Role};

/// The vocabulary table.
pub(crate) const EMBEDDINGS: &str = "embed_tokens.weight";
/// The norm behind the last layer.
const LAST_NORM: &str = "norm";

impl DecoderConfig {
    /// The norms of a layer: in front of the attention, and in front of the feed-forward layer.
    pub(crate) fn layer_norms(&self, layer: usize) -> [String; 2] {
        ["input_layernorm", "post_attention_layernorm"].map(|name| format!("layers.{layer}.{name}"))
    }

    /// The norm behind the last layer.
    pub(crate) fn last_norm(&self) -> &'static str {
        LAST_NORM
    }

    /// The products of a layer in the order of computation: query, key and value, their output, into both halves of the gate, and
    /// out of the feed-forward layer.
    pub(crate) fn layer_products(&self, layer: usize) -> [Product; 5] {
        let (hidden, wide) = (self.hidden_size, self.intermediate_size);
        let [queries, keys] =
            [self.num_attention_heads, self.num_key_value_heads].map(|heads| heads * self.head_dim);
        let product = |role, names: &[&str], rows, columns, bias| Product {
            names: names.iter().map(|name| format!("layers.{layer}.{name}")).collect(),
            rows,
            columns,
            bias,
            role,
        };
        let bias = self.architecture == DecoderArchitecture::Qwen2Vl;
        let [query, key, value, output] =
            ["q_proj", "k_proj", "v_proj", "o_proj"].map(|name| format!("self_attn.{name}"));
        [
            product(Role::Attention, &[&query], queries, hidden, bias),
            product(Role::Attention, &[&key, &value], keys, hidden, bias),
            product(Role::AttentionOutput, &[&output], hidden, queries, false),
            product(Role::Up, &["mlp.gate_proj", "mlp.up_proj"], wide, hidden, false),
            product(Role::Down, &["mlp.down_proj"], hidden, wide, false),
        ]
    }

    /// All tensors, those that belong together after each other.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let norm = |name: &str| norm_tensors(name, self.hidden_size, false);
        let table = [self.vocab_size, self.hidden_size];
        let mut tensors = vec![spec(EMBEDDINGS, &table, TensorKind::Table)];
        for layer in 0..self.num_hidden_layers {
            tensors.extend(self.layer_products(layer).iter().flat_map(Product::tensors));
            tensors.extend(self.layer_norms(layer).iter().flat_map(|name| norm(name)));
        }
        tensors.extend(norm(LAST_NORM));
        tensors
    }
}
