//! How does a bi-encoder's folder make one vector of a text? Its modules in order, as `SentenceTransformer` runs them.

use serde::Serialize;

use super::projection::SENTENCE;
use super::{Layout, Reading, projection};
use crate::error::{Error, Result};
use crate::model::checkpoint::{Fields, MODULES, Module, ModuleKind, SENTENCE_TRANSFORMERS};

/// From last hidden states to one vector a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VectorConfig {
    pub pooling: PoolingMode,
    pub steps: Vec<VectorStep>,
    /// Values of the outcome that are kept, the first ones.
    pub width: usize,
}

impl VectorConfig {
    /// A vector of length 1, as wide as the hidden states.
    pub(crate) fn normalized(pooling: PoolingMode, width: usize) -> Self {
        Self { pooling, steps: vec![VectorStep::Normalize], width }
    }
}

/// Which hidden states make the vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PoolingMode {
    /// The first token's.
    Cls,
    /// The mean of those that are attended to.
    Mean,
}

impl PoolingMode {
    /// As a caller asks for it.
    pub fn name(self) -> &'static str {
        match self {
            PoolingMode::Cls => "cls",
            PoolingMode::Mean => "mean",
        }
    }
}

/// One step behind the pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum VectorStep {
    /// The next Dense module of the projection.
    Dense,
    /// `x / max(‖x‖₂, 1e-12)`.
    Normalize,
}

/// Fields of a Pooling module's `config.json`: today's, then those of before.
const FIELDS: &[&str] = &[
    "embedding_dimension",
    "include_prompt",
    "pooling_mode",
    "word_embedding_dimension",
    "pooling_mode_cls_token",
    "pooling_mode_max_tokens",
    "pooling_mode_mean_tokens",
    "pooling_mode_mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens",
    "pooling_mode_lasttoken",
];

/// The outer error is of a damaged file, the inner one of a checkpoint that makes no such vector here. `dimension`: width of what its
/// modules give.
pub(super) fn read(
    reading: &mut Reading<'_>,
    layout: Layout,
    prompts: bool,
    dimension: usize,
) -> Result<Result<VectorConfig>> {
    if layout != Layout::Plain {
        let hint = match layout {
            Layout::CrossEncoder => {
                "a cross-encoder reads query and document together and makes no vectors"
            }
            _ => {
                "a late-interaction checkpoint makes no single vector of a text; pooling mean and cls do"
            }
        };
        return Ok(Err(Error::Unsupported {
            file: layout.marker_fields().0.to_owned(),
            field: "pooling".to_owned(),
            value: "checkpoint".to_owned(),
            hint,
        }));
    }
    if reading.files.get(MODULES).is_none() {
        let width = width(reading, dimension)?;
        return Ok(Ok(VectorConfig { pooling: PoolingMode::Mean, steps: Vec::new(), width }));
    }
    let modules = reading.files.modules()?;
    let [_, pooling, rest @ ..] = modules.as_slice() else {
        return Ok(Err(none("(none)")));
    };
    if pooling.kind != ModuleKind::Pooling {
        return Ok(Err(none("behind another module")));
    }
    let pooling = match mode(reading, pooling, prompts)? {
        Ok(pooling) => pooling,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut steps = Vec::new();
    for module in rest {
        match step(reading, module)? {
            Some(step) => steps.push(step),
            None => return Ok(Err(none("in front of a module of tokens"))),
        }
    }
    Ok(Ok(VectorConfig { pooling, steps, width: width(reading, dimension)? }))
}

/// As `SentenceTransformer` is told, else as the folder says. It makes nothing of a number beyond the vector's width.
fn width(reading: &Reading<'_>, dimension: usize) -> Result<usize> {
    let config = match reading.files.get(MODULES) {
        Some(_) => reading.files.fields(SENTENCE_TRANSFORMERS)?,
        None => None,
    };
    let own = config.map_or(Ok(None), |config| config.count("truncate_dim", usize::MAX))?;
    let kept = reading.overridden.values.truncate_dim.or(own);
    Ok(kept.map_or(dimension, |kept| kept.min(dimension)))
}

fn none(value: &str) -> Error {
    Error::Unsupported {
        file: MODULES.to_owned(),
        field: "a Pooling module".to_owned(),
        value: value.to_owned(),
        hint: "for the checkpoint's own vector one right behind the Transformer is; pooling mean and cls need none",
    }
}

/// `None`: a step that leaves the vector as it is.
fn step(reading: &mut Reading<'_>, module: &Module) -> Result<Option<VectorStep>> {
    Ok(match module.kind {
        ModuleKind::Dense if of_sentence(reading, module)? => Some(VectorStep::Dense),
        ModuleKind::Normalize if projection::normalized(reading, module)? == SENTENCE => {
            Some(VectorStep::Normalize)
        }
        _ => None,
    })
}

fn of_sentence(reading: &Reading<'_>, module: &Module) -> Result<bool> {
    let name = module.path_of("config.json");
    let config = reading.files.fields(&name)?;
    let input = config.as_ref().map_or(Ok(None), |config| config.string("module_input_name"))?;
    Ok(input.is_none_or(|input| input == SENTENCE))
}

pub(super) fn mode(
    reading: &mut Reading<'_>,
    module: &Module,
    prompts: bool,
) -> Result<Result<PoolingMode>> {
    let name = module.path_of("config.json");
    let Some(config) = reading.files.fields(&name)? else {
        let hint = " (a bundle made without it: convert the checkpoint again)";
        return Ok(Err(Error::MissingFile {
            name,
            hint: reading.files.manifest().map_or("", |_| hint),
        }));
    };
    config.warn_of_unknown(FIELDS, &mut reading.warnings);
    if prompts && config.bool("include_prompt")? == Some(false) {
        return Ok(Err(config.unsupported("include_prompt", "false", "true is, or no prompts")));
    }
    let (field, name) = named(&config)?;
    Ok(match name.as_str() {
        "cls" => Ok(PoolingMode::Cls),
        "mean" => Ok(PoolingMode::Mean),
        other => Err(config.unsupported(field, other, "cls and mean are")),
    })
}

/// The mode's name and the field that says it; several modes, which are put side by side, with commas between them.
fn named(config: &Fields<'_>) -> Result<(&'static str, String)> {
    if let Some(mode) = config.value("pooling_mode") {
        let modes = match mode.is_string() {
            true => config.string("pooling_mode")?.map(|mode| vec![mode.to_owned()]),
            false => config.strings("pooling_mode")?,
        };
        return Ok(("pooling_mode", modes.unwrap_or_default().join(", ")));
    }
    let mut set = Vec::new();
    for field in &FIELDS[4..] {
        if config.bool(field)? == Some(true) {
            set.push(*field);
        }
    }
    let short = |field: &str| {
        field
            .trim_start_matches("pooling_mode_")
            .trim_end_matches("_token")
            .trim_end_matches("_tokens")
            .to_owned()
    };
    Ok(match set.as_slice() {
        [] => ("pooling_mode", "mean".to_owned()),
        [field] => (field, short(field)),
        several => {
            (several[0], several.iter().map(|field| short(field)).collect::<Vec<_>>().join(", "))
        }
    })
}
