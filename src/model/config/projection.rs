//! How do hidden states become embeddings? The Dense and Normalize modules, in the order of `modules.json`.

use serde::Serialize;

use super::{Activation, Layout, MAX_HIDDEN, Reading, weighting};
use crate::error::{Error, Result, Warning};
use crate::model::checkpoint::{ARTIFACT, Fields, MODULES, Module, ModuleKind, Weights};

/// One step from hidden states to embeddings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ProjectionStep {
    /// `activation(x·Wᵀ + b)`, plus `x` or `x·Rᵀ` with `residual`.
    Dense(DenseConfig),
    /// The first values of each row.
    Truncate(usize),
    /// `x / max(‖x‖₂, 1e-12)` a row.
    Normalize,
}

/// A Dense module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DenseConfig {
    /// File that holds its weights.
    pub file: String,
    pub in_features: usize,
    pub out_features: usize,
    pub bias: bool,
    pub activation: Activation,
    pub residual: bool,
    /// What its weight and bias are called, where that is not `linear`.
    #[serde(skip)]
    pub stem: Option<&'static str>,
}

/// Name of the projection among the weights of a Stanford checkpoint.
pub(super) const STANFORD_PROJECTION: &str = "linear.weight";

/// What a module works on, by its name in sentence-transformers.
pub(super) const TOKENS: &str = "token_embeddings";
pub(super) const SENTENCE: &str = "sentence_embedding";

/// Fields of a Dense module's `config.json`.
const DENSE_FIELDS: &[&str] = &[
    "in_features",
    "out_features",
    "bias",
    "activation_function",
    "module_input_name",
    "module_output_name",
    "use_residual",
];
const NORMALIZE_FIELDS: &[&str] = &["module_input_name", "module_output_name"];

pub(super) fn read(
    reading: &mut Reading<'_>,
    layout: Layout,
    hidden_size: usize,
) -> Result<Vec<ProjectionStep>> {
    if layout == Layout::Stanford {
        let dense = stanford_dense(reading, hidden_size)?;
        return Ok(vec![ProjectionStep::Dense(dense), ProjectionStep::Normalize]);
    }
    if layout == Layout::Visual {
        let dense = visual_dense(reading, hidden_size)?;
        return Ok(vec![ProjectionStep::Dense(dense), ProjectionStep::Normalize]);
    }
    let modules = reading.files.modules()?;
    if let Some(embeddings) = weighting::embeddings_name(reading)? {
        return before_weighting(reading, &modules, &embeddings);
    }
    if layout == Layout::PyLate {
        check_pylate(&modules)?;
    }
    let mut steps = Vec::new();
    for module in modules {
        match module.kind {
            ModuleKind::Dense => {
                steps.push(ProjectionStep::Dense(dense(reading, layout, &module)?))
            }
            ModuleKind::Normalize if normalized(reading, &module)? == TOKENS => {
                steps.push(ProjectionStep::Normalize)
            }
            ModuleKind::LayerNorm => {
                return Err(Error::Unsupported {
                    file: MODULES.to_owned(),
                    field: "type".to_owned(),
                    value: "LayerNorm".to_owned(),
                    hint: "in a cross-encoder it is",
                });
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

/// The projection of a model of pages lies among the backbone's weights, which have the word, as the libraries do with what they
/// save; `embedding_dim` must say the same.
fn visual_dense(reading: &mut Reading<'_>, hidden_size: usize) -> Result<DenseConfig> {
    let class = reading.files.visual()?.expect("the layout is that of such a model");
    let name = format!("{}config.json", reading.root);
    let config = reading.files.fields(&name)?.expect("its class stands there");
    let width = config.count("embedding_dim", MAX_HIDDEN)?;
    let names = reading.files.backbone_files()?;
    let tensor = format!("{}.weight", class.projection());
    let weights = Weights::open(reading.files, &names)?.behind("", &tensor)?;
    let file = format!("{}model.safetensors", reading.root);
    let out_features = projection_width(&weights, &names[0], (&tensor, hidden_size), width)?;
    let stem = Some(class.projection());
    Ok(DenseConfig { in_features: hidden_size, bias: true, stem, ..linear(file, out_features) })
}

/// A Dense and a Normalize module that leave the hidden states where they are, for the module behind them.
fn before_weighting(
    reading: &mut Reading<'_>,
    modules: &[Module],
    embeddings: &str,
) -> Result<Vec<ProjectionStep>> {
    let [_, dense, normalize, _] = modules else {
        unreachable!("a module that weighs has three before it");
    };
    let dense = dense_with(reading, Layout::SentenceTransformers, dense, |config| {
        reads_and_writes(config, [TOKENS, embeddings])
    })?;
    let name = normalize.path_of("config.json");
    let missing = || Error::MissingFile { name: name.clone(), hint: "" };
    let config = reading.files.fields(&name)?.ok_or_else(missing)?;
    config.warn_of_unknown(NORMALIZE_FIELDS, &mut reading.warnings);
    reads_and_writes(&config, [embeddings, embeddings])?;
    Ok(vec![ProjectionStep::Dense(dense), ProjectionStep::Normalize])
}

fn reads_and_writes(config: &Fields<'_>, [input, output]: [&str; 2]) -> Result<()> {
    for (field, taken) in [("module_input_name", input), ("module_output_name", output)] {
        match config.string(field)? {
            Some(name) if name == taken => {}
            other => {
                let hint =
                    "what the module that weighs tokens says, its hidden_name and mv_name, is";
                return Err(config.unsupported(field, other.unwrap_or("(none)"), hint));
            }
        }
    }
    Ok(())
}

/// Behind the Transformer PyLate takes Dense modules only; where there is none it puts one with random numbers.
fn check_pylate(modules: &[Module]) -> Result<()> {
    let other = modules.iter().enumerate().skip(1).find(|(_, m)| m.kind != ModuleKind::Dense);
    match (other, modules.len()) {
        (Some((index, module)), _) => Err(Error::Unsupported {
            file: MODULES.to_owned(),
            field: format!("[{index}].type"),
            value: format!("{:?}", module.kind),
            hint: "in a folder of PyLate, Dense is",
        }),
        (None, 1) => Err(Error::InvalidField {
            file: MODULES.to_owned(),
            field: "the list".to_owned(),
            reason: "needs a Dense module: PyLate would make one of random numbers".to_owned(),
        }),
        (None, _) => Ok(()),
    }
}

/// PyLate and sentence-transformers go by the weights; Stanford's own code by `dim`, which must say the same.
fn stanford_dense(reading: &mut Reading<'_>, hidden_size: usize) -> Result<DenseConfig> {
    let names = reading.files.backbone_files()?;
    let weights = Weights::open(reading.files, &names)?;
    let artifact = reading.files.fields(ARTIFACT)?;
    let dimension = artifact.map_or(Ok(None), |artifact| artifact.count("dim", MAX_HIDDEN))?;
    let tensor = (STANFORD_PROJECTION, hidden_size);
    let width = projection_width(&weights, &names[0], tensor, dimension)?;
    let file = format!("{}model.safetensors", reading.root);
    Ok(DenseConfig { in_features: hidden_size, ..linear(file, width) })
}

/// Rows of a projection that lies among the backbone's weights; `said` is what the settings say of them.
fn projection_width(
    weights: &Weights<'_>,
    file: &str,
    (tensor, hidden_size): (&str, usize),
    said: Option<usize>,
) -> Result<usize> {
    let shape = weights.shape_of(tensor)?;
    let width = shape.first().copied().unwrap_or(0);
    if width == 0 || shape != [said.unwrap_or(width), hidden_size] {
        return Err(Error::TensorShape {
            name: tensor.to_owned(),
            expected: vec![said.unwrap_or(width.max(1)), hidden_size],
            found: shape,
        });
    }
    match width > MAX_HIDDEN {
        true => Err(Error::Limit {
            file: file.to_owned(),
            field: format!("the width of {tensor}"),
            value: width.to_string(),
            limit: MAX_HIDDEN,
        }),
        false => Ok(width),
    }
}

/// A product and nothing else.
fn linear(file: String, out_features: usize) -> DenseConfig {
    DenseConfig {
        file,
        in_features: 0,
        out_features,
        bias: false,
        activation: Activation::Identity,
        residual: false,
        stem: None,
    }
}

/// What a Normalize module works on: one vector a text unless it says otherwise.
pub(super) fn normalized(reading: &mut Reading<'_>, module: &Module) -> Result<&'static str> {
    let name = module.path_of("config.json");
    let Some(config) = reading.files.fields(&name)? else {
        if module.has_settings {
            reading.defaulted_file(&name, SENTENCE);
        }
        return Ok(SENTENCE);
    };
    config.warn_of_unknown(NORMALIZE_FIELDS, &mut reading.warnings);
    in_place(&config, SENTENCE)
}

/// The feature that a module reads and writes; one that it reads here and writes there is refused.
fn in_place(config: &Fields<'_>, default: &'static str) -> Result<&'static str> {
    let input = config.string("module_input_name")?.unwrap_or(default);
    let output = config.string("module_output_name")?.unwrap_or(input);
    match input {
        _ if ![TOKENS, SENTENCE].contains(&input) => Err(config.unsupported(
            "module_input_name",
            input,
            "token_embeddings and sentence_embedding are",
        )),
        TOKENS if output == TOKENS => Ok(TOKENS),
        SENTENCE if output == SENTENCE => Ok(SENTENCE),
        _ => Err(config.unsupported(
            "module_output_name",
            output,
            "only what the module reads, its module_input_name, is",
        )),
    }
}

fn dense(reading: &mut Reading<'_>, layout: Layout, module: &Module) -> Result<DenseConfig> {
    dense_with(reading, layout, module, |config| {
        // What a bi-encoder does to a text's one vector is done to each token's, as sentence-transformers converts it.
        match in_place(config, TOKENS)? == SENTENCE && layout == Layout::SentenceTransformers {
            true => Err(config.unsupported("module_input_name", SENTENCE, "token_embeddings is")),
            false => Ok(()),
        }
    })
}

/// A Dense module; `check` looks at what it reads and writes.
pub(super) fn dense_with(
    reading: &mut Reading<'_>,
    layout: Layout,
    module: &Module,
    check: impl FnOnce(&Fields<'_>) -> Result<()>,
) -> Result<DenseConfig> {
    let name = module.path_of("config.json");
    let config = reading
        .files
        .fields(&name)?
        .ok_or_else(|| Error::MissingFile { name: name.clone(), hint: "" })?;
    config.warn_of_unknown(DENSE_FIELDS, &mut reading.warnings);
    check(&config)?;
    let count = |field| config.required(field, config.count(field, MAX_HIDDEN)?);
    let dense = DenseConfig {
        file: module.path_of("model.safetensors"),
        in_features: count("in_features")?,
        out_features: count("out_features")?,
        bias: config.or_default("bias", config.bool("bias")?, true, &mut reading.warnings)?,
        activation: activation(reading, layout, &config)?,
        residual: config.bool("use_residual")?.unwrap_or(false),
        stem: None,
    };
    check_weights(reading, &dense)?;
    Ok(dense)
}

/// A Dense module holds what its configuration calls for and nothing else, as in both libraries.
fn check_weights(reading: &Reading<'_>, dense: &DenseConfig) -> Result<()> {
    if reading.files.manifest().is_some() {
        return Ok(());
    }
    let weights = Weights::open(reading.files, std::slice::from_ref(&dense.file))?;
    let expected = dense.tensor_names();
    let extra = weights.tensors().into_iter().find(|info| !expected.contains(&info.name.as_str()));
    match extra {
        None => Ok(()),
        Some(info) => Err(Error::InvalidSafetensors {
            file: dense.file.clone(),
            reason: format!("its config.json calls for no tensor {}", info.name),
        }),
    }
}

/// sentence-transformers has a default, PyLate none.
fn activation(
    reading: &mut Reading<'_>,
    layout: Layout,
    config: &Fields<'_>,
) -> Result<Activation> {
    const FIELD: &str = "activation_function";
    let class = match (config.string(FIELD)?, layout) {
        (class, Layout::PyLate) => config.required(FIELD, class)?,
        (class, _) => config.or_default(FIELD, class, "torch.nn.Tanh", &mut reading.warnings)?,
    };
    Activation::of_class(class).ok_or_else(|| config.unsupported(FIELD, class, FUNCTIONS))
}

/// Those that [`Activation::of_class`] knows.
pub(super) const FUNCTIONS: &str = "Identity, GELU, ReLU, ReLU6, LeakyReLU, SiLU, Hardswish, Mish, Tanh and Sigmoid of torch.nn are";

/// Width after all steps; each Dense must take what the one before gives.
pub(super) fn dimension(steps: &[ProjectionStep], hidden_size: usize) -> Result<usize> {
    let mut width = hidden_size;
    for step in steps {
        if let ProjectionStep::Dense(dense) = step {
            check_width(dense, width)?;
            width = dense.out_features;
        }
    }
    Ok(width)
}

/// A Dense module takes what the step before it gives.
pub(super) fn check_width(dense: &DenseConfig, width: usize) -> Result<()> {
    match dense.in_features == width {
        true => Ok(()),
        false => Err(Error::TensorShape {
            name: format!("{}: linear.weight", dense.file),
            expected: vec![dense.out_features, width],
            found: vec![dense.out_features, dense.in_features],
        }),
    }
}

/// Keeps the first values of an embedding, if the caller wants no more: in front of the normalisation, as what comes of it is to be
/// a unit vector. Gives the width that is left.
pub(super) fn truncate(
    reading: &mut Reading<'_>,
    steps: &mut Vec<ProjectionStep>,
    dimension: usize,
) -> Result<usize> {
    let Some(width) = reading.overridden.values.truncate_dim else {
        return Ok(dimension);
    };
    if !(1..=dimension).contains(&width) {
        let reason = format!(
            "is {width}; embeddings have {dimension} values, and 1 to all of them can be kept"
        );
        return Err(reading.overridden.refused("truncate_dim", &reason));
    }
    if width < dimension {
        let at = steps.iter().rposition(|step| *step != ProjectionStep::Normalize);
        steps.insert(at.map_or(0, |last| last + 1), ProjectionStep::Truncate(width));
        reading.warnings.push(truncated(width, dimension));
    }
    Ok(width)
}

fn truncated(width: usize, dimension: usize) -> Warning {
    Warning {
        code: "EMBEDDINGS_TRUNCATED",
        message: format!(
            "the first {width} of an embedding's {dimension} values are kept; how well they rank is up to the checkpoint: those that \
             are trained for it (Matryoshka) name their widths"
        ),
    }
}
