//! Which tensors does a model have, and which are multiplied with what?

use super::{
    DenseConfig, EMBEDDINGS, EncoderConfig, HeadConfig, HeadStep, Layout, LinearConfig,
    ModelConfig, PageReader, ProjectionStep, TOKENS, WORDS, WeightingConfig,
};
use crate::error::Result;
use crate::model::bundle::{TensorKind, TensorSpec};
use crate::model::checkpoint::CheckpointFiles;

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
    /// Whether each has a bias.
    pub bias: bool,
    pub role: Role,
}

impl EncoderConfig {
    /// The backbone's products, in the order of computation.
    pub fn products(&self) -> Vec<Product> {
        match self {
            EncoderConfig::Bert(config) => (0..config.num_hidden_layers)
                .flat_map(|layer| config.layer_products(layer))
                .collect(),
            EncoderConfig::ModernBert(config) => (0..config.num_hidden_layers)
                .flat_map(|layer| config.layer_products(layer))
                .collect(),
            EncoderConfig::Decoder(config) => (0..config.num_hidden_layers)
                .flat_map(|layer| config.layer_products(layer))
                .collect(),
        }
    }

    /// What some saves put before the names, and a name by which it is told.
    pub(crate) fn prefix(&self) -> (&'static str, &'static str) {
        match self {
            EncoderConfig::Bert(config) => (config.prefix(), WORDS),
            EncoderConfig::ModernBert(config) => (config.prefix(), TOKENS),
            EncoderConfig::Decoder(_) => ("", EMBEDDINGS),
        }
    }

    /// The backbone's tensors, those that belong together after each other.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        match self {
            EncoderConfig::Bert(config) => config.tensors(),
            EncoderConfig::ModernBert(config) => config.tensors(),
            EncoderConfig::Decoder(config) => config.tensors(),
        }
    }
}

impl Product {
    /// The weights, each with its bias.
    pub(super) fn tensors(&self) -> impl Iterator<Item = TensorSpec> {
        self.names.iter().flat_map(|name| {
            let shape = [self.rows, self.columns];
            let bias = || spec(&format!("{name}.bias"), &[self.rows], TensorKind::Plain);
            let weight = spec(&format!("{name}.weight"), &shape, TensorKind::Product);
            [weight].into_iter().chain(self.bias.then(bias))
        })
    }
}

/// A layer's tensors: a LayerNorm goes with each half of the products.
pub(super) fn layer_tensors(
    products: [Product; 4],
    norms: [impl Iterator<Item = TensorSpec>; 2],
) -> impl Iterator<Item = TensorSpec> {
    let [attention, attention_output, up, down] = products;
    let halves = [[attention, attention_output], [up, down]].into_iter().zip(norms);
    halves.flat_map(|(products, norm)| {
        let mut tensors: Vec<_> = products.iter().flat_map(Product::tensors).collect();
        tensors.extend(norm);
        tensors
    })
}

/// The tensors of a LayerNorm.
pub(super) fn norm_tensors(
    name: &str,
    size: usize,
    bias: bool,
) -> impl Iterator<Item = TensorSpec> + use<> {
    let tensor = |part| spec(&format!("{name}.{part}"), &[size], TensorKind::Plain);
    [Some(tensor("weight")), bias.then(|| tensor("bias"))].into_iter().flatten()
}

/// Which layer a tensor or product belongs to, by its name; `None` for what stands in front of the layers or behind them.
pub(crate) fn layer_of(name: &str) -> Option<usize> {
    const LISTS: [&str; 3] = ["layer", "layers", "blocks"];
    let mut parts = name.split('.').skip_while(|part| !LISTS.contains(part));
    parts.nth(1)?.parse().ok()
}

impl ModelConfig {
    /// All tensors of the model under their names in a bundle.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut tensors = self.encoder.tensors();
        tensors.extend(self.dense().flat_map(|dense| dense.tensors(self.layout)));
        tensors.extend(self.weighting.iter().flat_map(WeightingConfig::tensors));
        tensors.extend(self.head.iter().flat_map(HeadConfig::tensors));
        tensors
    }

    /// The tensors that are loaded or converted: all, and those that only pages need where they are wanted.
    ///
    /// # Errors
    /// Why this folder's pages are not computed here.
    pub(crate) fn wanted_tensors(&self, files: &CheckpointFiles) -> Result<Vec<TensorSpec>> {
        let mut tensors = self.tensors();
        tensors.extend(self.wanted_reader(files)?.into_iter().flat_map(PageReader::tensors));
        Ok(tensors)
    }

    /// The Dense modules of the projection.
    pub(crate) fn dense(&self) -> impl Iterator<Item = &DenseConfig> {
        self.projection.iter().filter_map(|step| match step {
            ProjectionStep::Dense(dense) => Some(dense),
            ProjectionStep::Truncate(_) | ProjectionStep::Normalize => None,
        })
    }
}

impl HeadConfig {
    /// All tensors under their names in a bundle. Few rows go through its matrices, so that little is gained by fewer bytes.
    fn tensors(&self) -> Vec<TensorSpec> {
        self.steps.iter().flat_map(HeadStep::tensors).collect()
    }
}

impl HeadStep {
    /// Its tensors under their names in a bundle.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let mut tensors = match self {
            HeadStep::Linear(linear) => linear.tensors().collect(),
            HeadStep::Dense(dense) => dense.tensors(Layout::CrossEncoder),
            HeadStep::Norm(norm) => {
                let name = format!("{}{}", self.tensor_path(), norm.name);
                norm_tensors(&name, norm.size, norm.bias).collect()
            }
        };
        for spec in tensors.iter_mut().filter(|spec| spec.kind == TensorKind::Product) {
            spec.kind = TensorKind::Half;
        }
        tensors
    }

    /// File of a module's own weights.
    pub(crate) fn file(&self) -> Option<&str> {
        match self {
            HeadStep::Linear(_) => None,
            HeadStep::Dense(dense) => Some(&dense.file),
            HeadStep::Norm(norm) => norm.file.as_deref(),
        }
    }

    /// What only a bundle puts before the names of its tensors: a module's folder, with a closing `/`.
    pub(crate) fn tensor_path(&self) -> &str {
        self.file().map_or("", folder)
    }

    /// Whether the backbone's prefix stands before its names.
    pub(crate) fn in_backbone(&self) -> bool {
        matches!(self, HeadStep::Linear(LinearConfig { in_backbone: true, .. }))
    }
}

impl LinearConfig {
    fn tensors(&self) -> impl Iterator<Item = TensorSpec> {
        let weight = [self.rows, self.columns];
        let weight = spec(&format!("{}.weight", self.name), &weight, TensorKind::Product);
        let bias = || spec(&format!("{}.bias", self.name), &[self.rows], TensorKind::Plain);
        [weight].into_iter().chain(self.bias.then(bias))
    }
}

/// The folder of a file, with a closing `/` unless it is the root.
pub(super) fn folder(file: &str) -> &str {
    file.rfind('/').map_or("", |slash| &file[..=slash])
}

impl DenseConfig {
    /// What stands before the names of its tensors in a bundle: the module's folder, with a closing `/`.
    pub(crate) fn tensor_path(&self, layout: Layout) -> &str {
        match layout {
            Layout::Stanford | Layout::Visual => "",
            _ => folder(&self.file),
        }
    }

    /// What its weight and bias are called before the dot.
    pub(crate) fn stem(&self) -> &'static str {
        self.stem.unwrap_or("linear")
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
        let stem = self.stem();
        let mut tensors = vec![matrix(&format!("{stem}.weight"))];
        if self.bias {
            tensors.push(spec(&format!("{path}{stem}.bias"), &[rows], TensorKind::Plain));
        }
        if self.residual && rows != columns {
            tensors.push(matrix("residual.weight"));
        }
        tensors
    }
}

pub(super) fn spec(name: &str, shape: &[usize], kind: TensorKind) -> TensorSpec {
    TensorSpec { name: name.to_owned(), shape: shape.to_vec(), kind }
}
