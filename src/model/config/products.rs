//! Which tensors does a model have, and which are multiplied with what?

use super::{BertConfig, DenseConfig, EncoderConfig, Layout, ModelConfig, ProjectionStep};
use crate::model::bundle::{TensorKind, TensorSpec};

/// What a product does, which decides how it is quantized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Query, key and value, which share their input.
    Attention,
    AttentionOutput,
    /// Into the feed-forward layer.
    Up,
    /// Out of the feed-forward layer.
    Down,
    /// From hidden states to embeddings.
    Projection,
}

/// Weights that are multiplied with one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Names of the weights without `.weight`.
    pub names: Vec<String>,
    /// Outputs of each.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    pub role: Role,
}

impl EncoderConfig {
    /// The backbone's products, in the order of computation.
    pub fn products(&self) -> Vec<Product> {
        match self {
            EncoderConfig::Bert(config) => {
                (0..config.num_hidden_layers).flat_map(|layer| bert_layer(config, layer)).collect()
            }
        }
    }

    /// What some saves put before the names, and a name by which it is told.
    pub(crate) fn prefix(&self) -> (&'static str, &'static str) {
        match self {
            EncoderConfig::Bert(_) => ("bert.", "embeddings.word_embeddings.weight"),
        }
    }

    /// The backbone's tensors, those that belong together after each other.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        match self {
            EncoderConfig::Bert(config) => bert_tensors(config, &self.products()),
        }
    }
}

impl ModelConfig {
    /// All tensors of the model under their names in a bundle.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut tensors = self.encoder.tensors();
        tensors.extend(self.dense().flat_map(|dense| dense.tensors(self.layout)));
        tensors
    }

    /// The Dense modules of the projection.
    pub(crate) fn dense(&self) -> impl Iterator<Item = &DenseConfig> {
        self.projection.iter().filter_map(|step| match step {
            ProjectionStep::Dense(dense) => Some(dense),
            ProjectionStep::Normalize => None,
        })
    }
}

fn bert_layer(config: &BertConfig, layer: usize) -> [Product; 4] {
    let (hidden, wide) = (config.hidden_size, config.intermediate_size);
    let product = |role, names: &[&str], rows, columns| Product {
        names: names.iter().map(|name| format!("encoder.layer.{layer}.{name}")).collect(),
        rows,
        columns,
        role,
    };
    let attention = ["attention.self.query", "attention.self.key", "attention.self.value"];
    [
        product(Role::Attention, &attention, hidden, hidden),
        product(Role::AttentionOutput, &["attention.output.dense"], hidden, hidden),
        product(Role::Up, &["intermediate.dense"], wide, hidden),
        product(Role::Down, &["output.dense"], hidden, wide),
    ]
}

fn bert_tensors(config: &BertConfig, products: &[Product]) -> Vec<TensorSpec> {
    let hidden = config.hidden_size;
    let table = |name: &str, rows, kind| {
        spec(&format!("embeddings.{name}_embeddings.weight"), &[rows, hidden], kind)
    };
    let mut tensors = vec![
        table("word", config.vocab_size, TensorKind::Table),
        table("position", config.max_position_embeddings, TensorKind::Half),
        table("token_type", config.type_vocab_size, TensorKind::Plain),
    ];
    let norm = |name: &str| {
        ["weight", "bias"]
            .map(|part| spec(&format!("{name}.LayerNorm.{part}"), &[hidden], TensorKind::Plain))
    };
    tensors.extend(norm("embeddings"));
    for product in products {
        for name in &product.names {
            let shape = [product.rows, product.columns];
            tensors.push(spec(&format!("{name}.weight"), &shape, TensorKind::Product));
            tensors.push(spec(&format!("{name}.bias"), &[product.rows], TensorKind::Plain));
        }
        // A LayerNorm follows each sum with a residual.
        if matches!(product.role, Role::AttentionOutput | Role::Down) {
            tensors.extend(norm(product.names[0].trim_end_matches(".dense")));
        }
    }
    tensors
}

impl DenseConfig {
    /// What stands before the names of its tensors in a bundle: the module's folder, with a closing `/`.
    pub(crate) fn tensor_path(&self, layout: Layout) -> &str {
        match layout {
            Layout::Stanford => "",
            _ => self.file.rfind('/').map_or("", |slash| &self.file[..=slash]),
        }
    }

    /// Names of its tensors in the module's own file.
    pub(super) fn tensor_names(&self) -> Vec<&'static str> {
        let mut names = vec!["linear.weight"];
        if self.bias {
            names.push("linear.bias");
        }
        if self.residual && self.in_features != self.out_features {
            names.push("residual.weight");
        }
        names
    }

    /// Its tensors under their names in a bundle.
    pub(crate) fn tensors(&self, layout: Layout) -> Vec<TensorSpec> {
        let path = self.tensor_path(layout);
        let (rows, columns) = (self.out_features, self.in_features);
        let matrix =
            |name: &str| spec(&format!("{path}{name}"), &[rows, columns], TensorKind::Product);
        let mut tensors = vec![matrix("linear.weight")];
        if self.bias {
            tensors.push(spec(&format!("{path}linear.bias"), &[rows], TensorKind::Plain));
        }
        if self.residual && rows != columns {
            tensors.push(matrix("residual.weight"));
        }
        tensors
    }
}

fn spec(name: &str, shape: &[usize], kind: TensorKind) -> TensorSpec {
    TensorSpec { name: name.to_owned(), shape: shape.to_vec(), kind }
}
