//! What do a checkpoint's own files say about the numbers it computes?
//!
//! One parser for every layout, used by every surface. A field that changes numbers is used or
//! refused; where the reference libraries fall back to a default that they agree on, the default is
//! taken with a warning, and where they disagree the field is required. Field names are those of
//! Hugging Face and PyLate.

mod activation;
mod bert;
mod products;
mod text;
mod tokenizer;

use crate::error::{Error, Result, Warning};
use crate::model::checkpoint::{CheckpointFiles, Fields, Module, ModuleKind};

pub use activation::Activation;
pub use bert::BertConfig;
pub use products::{Product, Role};
pub use text::{LowerCase, QueryExpansion, TextConfig};
pub use tokenizer::{BertNormalization, TokenizerConfig};

/// Largest model that is taken; a file that asks for more is damaged or hostile.
pub(crate) const MAX_LAYERS: usize = 64;
pub(crate) const MAX_HIDDEN: usize = 4_096;
pub(crate) const MAX_VOCABULARY: usize = 300_000;
pub(crate) const MAX_LENGTH: usize = 8_192;

/// The architectures that `encoder/` computes.
#[derive(Debug, Clone, PartialEq)]
pub enum EncoderConfig {
    Bert(BertConfig),
}

impl EncoderConfig {
    /// Width of the hidden states.
    pub fn hidden_size(&self) -> usize {
        match self {
            EncoderConfig::Bert(config) => config.hidden_size,
        }
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        match self {
            EncoderConfig::Bert(config) => config.num_hidden_layers,
        }
    }

    /// Rows of the vocabulary table.
    pub fn vocab_size(&self) -> usize {
        match self {
            EncoderConfig::Bert(config) => config.vocab_size,
        }
    }

    /// Longest sequence that has positions.
    pub fn max_length(&self) -> usize {
        match self {
            EncoderConfig::Bert(config) => config.max_position_embeddings,
        }
    }

    /// `model_type` of `config.json`.
    pub fn name(&self) -> &'static str {
        match self {
            EncoderConfig::Bert(_) => "bert",
        }
    }
}

/// One step from hidden states to embeddings, in the order of `modules.json`.
#[derive(Debug, Clone, PartialEq)]
pub enum ProjectionStep {
    /// `activation(x·Wᵀ + b)`, plus `x` or `x·Rᵀ` with `residual`.
    Dense(DenseConfig),
    /// `x / max(‖x‖₂, 1e-12)` a row.
    Normalize,
}

/// A Dense module.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseConfig {
    /// File that holds its weights.
    pub file: String,
    pub in_features: usize,
    pub out_features: usize,
    pub bias: bool,
    pub activation: Activation,
    pub residual: bool,
}

/// Which layout the folder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// No late-interaction head: the last hidden states of all tokens, L2-normalised.
    Plain,
    PyLate,
    /// `HF_ColBERT` with `artifact.metadata`.
    Stanford,
    /// sentence-transformers 6 with a MultiVectorMask module.
    SentenceTransformers,
}

/// Everything that a checkpoint says about its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    pub layout: Layout,
    pub encoder: EncoderConfig,
    pub tokenizer: TokenizerConfig,
    pub text: TextConfig,
    pub projection: Vec<ProjectionStep>,
    /// Width of an embedding.
    pub dimension: usize,
    /// What the user should know about this checkpoint.
    pub warnings: Vec<Warning>,
}

impl ModelConfig {
    /// Reads the configuration of a complete checkpoint.
    ///
    /// # Errors
    /// `CHECKPOINT_INVALID` or `CHECKPOINT_UNSUPPORTED`, naming file and field.
    pub fn from_files(files: &CheckpointFiles) -> Result<Self> {
        let root = files.transformer_path()?;
        let name = format!("{root}config.json");
        let config = files
            .fields(&name)?
            .ok_or_else(|| Error::MissingFile { name: name.clone(), hint: "" })?;
        let encoder = encoder(&config)?;
        let layout = layout(files)?;
        let mut warnings = Vec::new();
        let tokenizer = TokenizerConfig::from_files(files, &root)?;
        let text = text::read(files, layout, &root, &encoder, &tokenizer, &mut warnings)?;
        let projection = projection(files, layout, encoder.hidden_size())?;
        let dimension = dimension(&projection, encoder.hidden_size())?;
        if layout == Layout::Plain {
            warnings.push(no_head());
        }
        let model = Self { layout, encoder, tokenizer, text, projection, dimension, warnings };
        files.check_tensors(&model.tensors())?;
        Ok(model)
    }
}

fn no_head() -> Warning {
    Warning {
        code: "NO_LATE_INTERACTION_HEAD",
        message: "this checkpoint was not trained for late interaction: the hidden states of all its tokens are \
                  compared, without marker, expansion, skiplist or projection. A ColBERT checkpoint ranks better."
            .to_owned(),
    }
}

fn encoder(config: &Fields<'_>) -> Result<EncoderConfig> {
    let model_type = config.string("model_type")?;
    match config.required("model_type", model_type)? {
        "bert" => Ok(EncoderConfig::Bert(BertConfig::read(config)?)),
        other => Err(config.unsupported("model_type", other, "bert is")),
    }
}

fn layout(files: &CheckpointFiles) -> Result<Layout> {
    if files.is_stanford()? {
        return Ok(Layout::Stanford);
    }
    if files.is_multi_vector()? {
        return Ok(Layout::SentenceTransformers);
    }
    let pylate = match files.fields(crate::model::checkpoint::SENTENCE_TRANSFORMERS)? {
        None => false,
        Some(config) => {
            config.string("model_type")? == Some("ColBERT")
                || text::PYLATE_FIELDS.iter().any(|field| config.has(field))
        }
    };
    Ok(if pylate { Layout::PyLate } else { Layout::Plain })
}

fn projection(
    files: &CheckpointFiles,
    layout: Layout,
    hidden_size: usize,
) -> Result<Vec<ProjectionStep>> {
    if layout == Layout::Stanford {
        let names = files.backbone_files()?;
        let weights = crate::model::checkpoint::Weights::open(files, &names)?;
        let shape = weights.shape_full(STANFORD_PROJECTION)?;
        let dense = DenseConfig {
            file: names[0].clone(),
            in_features: hidden_size,
            out_features: shape.first().copied().unwrap_or(0),
            bias: false,
            activation: Activation::Identity,
            residual: false,
        };
        return Ok(vec![ProjectionStep::Dense(dense), ProjectionStep::Normalize]);
    }
    let mut steps = Vec::new();
    for module in files.modules()? {
        match module.kind {
            ModuleKind::Dense => steps.push(ProjectionStep::Dense(dense(files, &module)?)),
            ModuleKind::Normalize if normalizes_tokens(files, layout, &module)? => {
                steps.push(ProjectionStep::Normalize)
            }
            _ => {}
        }
    }
    // PyLate and bi-encoder folders leave the normalisation of tokens to the code that reads them.
    if layout != Layout::SentenceTransformers {
        steps.push(ProjectionStep::Normalize);
    }
    Ok(steps)
}

/// Name of the projection among the weights of a Stanford checkpoint.
pub(crate) const STANFORD_PROJECTION: &str = "linear.weight";

/// A Normalize module works on one vector a text unless it says otherwise.
fn normalizes_tokens(files: &CheckpointFiles, layout: Layout, module: &Module) -> Result<bool> {
    if layout != Layout::SentenceTransformers {
        return Ok(false);
    }
    let name = module.path_of("config.json");
    let Some(config) = files.fields(&name)? else {
        return Ok(false);
    };
    let input = config.string("module_input_name")?;
    let output = config.string("module_output_name")?.or(input);
    match (input, output) {
        (Some("token_embeddings"), Some("token_embeddings")) => Ok(true),
        (None | Some("sentence_embedding"), None | Some("sentence_embedding")) => Ok(false),
        (input, output) => Err(config.unsupported(
            "module_output_name",
            output.or(input).unwrap_or_default(),
            "token_embeddings is",
        )),
    }
}

fn dense(files: &CheckpointFiles, module: &Module) -> Result<DenseConfig> {
    let name = module.path_of("config.json");
    let config =
        files.fields(&name)?.ok_or_else(|| Error::MissingFile { name: name.clone(), hint: "" })?;
    for field in ["module_input_name", "module_output_name"] {
        match config.string(field)? {
            None | Some("token_embeddings") | Some("sentence_embedding") => {}
            Some(other) => return Err(config.unsupported(field, other, "token_embeddings is")),
        }
    }
    let class = config.required("activation_function", config.string("activation_function")?)?;
    let count = |field| config.required(field, config.count(field, MAX_HIDDEN)?);
    Ok(DenseConfig {
        file: module.path_of("model.safetensors"),
        in_features: count("in_features")?,
        out_features: count("out_features")?,
        bias: config.required("bias", config.bool("bias")?)?,
        activation: dense_activation(&config, class)?,
        residual: config.bool("use_residual")?.unwrap_or(false),
    })
}

fn dense_activation(config: &Fields<'_>, class: &str) -> Result<Activation> {
    Activation::of_class(class).ok_or_else(|| {
        config.unsupported(
            "activation_function",
            class,
            "Identity, GELU, ReLU, ReLU6, LeakyReLU, SiLU, Hardswish, Mish, Tanh and Sigmoid of torch.nn are",
        )
    })
}

/// Width after all steps; each Dense must take what the one before gives.
fn dimension(steps: &[ProjectionStep], hidden_size: usize) -> Result<usize> {
    let mut width = hidden_size;
    for step in steps {
        if let ProjectionStep::Dense(dense) = step {
            if dense.in_features != width {
                return Err(Error::TensorShape {
                    name: format!("{}: linear.weight", dense.file),
                    expected: vec![dense.out_features, width],
                    found: vec![dense.out_features, dense.in_features],
                });
            }
            width = dense.out_features;
        }
    }
    Ok(width)
}
