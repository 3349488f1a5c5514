//! Which factor does each of a query's embeddings get? ColNanoVDR's last module.
//!
//! ```text
//! embedding i = softmax(w · h + b)ᵢ · embedding i
//! ```
//!
//! over the hidden states `h` of the tokens that yield an embedding. So a query's embeddings are as long together as one unit vector, and
//! must not be normalised again. Source: `ColNanoVDRWeighting` of NanoVDR's packages, which sentence-transformers runs as code out
//! of the model's folder. Here it is computed, and that code is not looked at.

use serde::Serialize;

use super::products::{folder, spec};
use super::projection::TOKENS;
use super::{MAX_HIDDEN, MAX_VOCABULARY, Reading};
use crate::error::{Error, Result};
use crate::model::bundle::{TensorKind, TensorSpec};
use crate::model::checkpoint::{Fields, MODULES, Module, ModuleKind, Weights};

/// The module's fields.
const FIELDS: &[&str] =
    &["hidden_dim", "hidden_name", "mv_name", "learn_weights", "special_token_ids"];
/// What it calls its weights.
const HEAD: &str = "weight_head";

/// Where a query's factors come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeightingConfig {
    /// File that holds its weights.
    pub file: String,
    pub hidden_size: usize,
}

impl WeightingConfig {
    /// What only a bundle puts before the names of its tensors: the module's folder, with a closing `/`.
    pub(crate) fn tensor_path(&self) -> &str {
        folder(&self.file)
    }

    /// Its tensors under their names in a bundle. They are few.
    pub(crate) fn tensors(&self) -> Vec<TensorSpec> {
        let named = |part: &str| format!("{}{HEAD}.{part}", self.tensor_path());
        vec![
            spec(&named("weight"), &[1, self.hidden_size], TensorKind::Plain),
            spec(&named("bias"), &[1], TensorKind::Plain),
        ]
    }

    /// The factors' weights, and what is added to a product with them.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub(crate) fn read(&self, weights: &Weights<'_>) -> Result<(Vec<f32>, f32)> {
        let weight = weights.read(&format!("{HEAD}.weight"), &[1, self.hidden_size])?;
        let bias = weights.read(&format!("{HEAD}.bias"), &[1])?;
        Ok((weight, bias[0]))
    }
}

/// The module that weighs; `None` in a folder without.
fn module(reading: &Reading<'_>) -> Result<Option<Module>> {
    let modules = reading.files.modules()?;
    let kinds: Vec<ModuleKind> = modules.iter().map(|module| module.kind).collect();
    let known = [
        ModuleKind::Transformer,
        ModuleKind::Dense,
        ModuleKind::Normalize,
        ModuleKind::TokenWeighting,
    ];
    match kinds.contains(&ModuleKind::TokenWeighting) {
        false => Ok(None),
        true if kinds == known => Ok(modules.into_iter().next_back()),
        true => Err(Error::Unsupported {
            file: MODULES.to_owned(),
            field: "type".to_owned(),
            value: "ColNanoVDRWeighting".to_owned(),
            hint: "behind Transformer, Dense and Normalize, and nothing else, it is",
        }),
    }
}

fn settings<'n>(reading: &Reading<'_>, name: &'n str) -> Result<Fields<'n>> {
    let missing = || Error::MissingFile { name: name.to_owned(), hint: "" };
    reading.files.fields(name)?.ok_or_else(missing)
}

pub(super) fn read(
    reading: &mut Reading<'_>,
    hidden_size: usize,
) -> Result<Option<WeightingConfig>> {
    let Some(module) = module(reading)? else {
        return Ok(None);
    };
    let name = module.path_of("config.json");
    let config = settings(reading, &name)?;
    config.warn_of_unknown(FIELDS, &mut reading.warnings);
    if config.bool("learn_weights")? == Some(false) {
        return Err(config.unsupported("learn_weights", "false", "true is"));
    }
    let hidden = config.required("hidden_dim", config.count("hidden_dim", MAX_HIDDEN)?)?;
    let file = module.path_of("model.safetensors");
    match hidden == hidden_size {
        true => Ok(Some(WeightingConfig { file, hidden_size })),
        false => {
            let reason = format!("is {hidden}, and hidden_size {hidden_size}");
            Err(config.invalid("hidden_dim", &reason))
        }
    }
}

/// What the embeddings are called on their way to the weights, where there are such: beside the hidden states, which stay.
pub(super) fn embeddings_name(reading: &Reading<'_>) -> Result<Option<String>> {
    let Some(module) = module(reading)? else {
        return Ok(None);
    };
    let name = module.path_of("config.json");
    let config = settings(reading, &name)?;
    match config.string("hidden_name")? {
        None | Some(TOKENS) => {}
        Some(other) => {
            return Err(config.unsupported("hidden_name", other, "token_embeddings is"));
        }
    }
    match config.string("mv_name")?.unwrap_or("mv_embeddings") {
        TOKENS => Err(config.unsupported("mv_name", TOKENS, "another name than theirs is")),
        embeddings => Ok(Some(embeddings.to_owned())),
    }
}

/// Ids of tokens that yield no embedding, where there are weights.
pub(super) fn dropped_ids(reading: &Reading<'_>) -> Result<Option<Vec<u32>>> {
    let Some(module) = module(reading)? else {
        return Ok(None);
    };
    let name = module.path_of("config.json");
    let ids = settings(reading, &name)?.numbers("special_token_ids", MAX_VOCABULARY)?;
    Ok(Some(ids.unwrap_or_default()))
}
