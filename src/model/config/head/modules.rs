//! The head of a module stack: Pooling, then Dense and LayerNorm modules on a pair's one vector, as sentence-transformers' own
//! rerankers have it.

use super::{HeadStep, NormConfig};
use crate::error::{Error, Result};
use crate::model::checkpoint::{Fields, MODULES, Module, ModuleKind};
use crate::model::config::projection::{self, SENTENCE};
use crate::model::config::{Layout, MAX_HIDDEN, PoolingMode, Reading, vector};

/// What the last module writes.
const SCORES: &str = "scores";
/// Of torch's `LayerNorm`: the module has no field for it.
const EPSILON: f64 = 1e-5;

/// What is pooled, and the steps behind it.
pub(super) fn read(
    reading: &mut Reading<'_>,
    hidden_size: usize,
    prompt: bool,
) -> Result<(PoolingMode, Vec<HeadStep>)> {
    let modules = reading.files.modules()?;
    let [_, pooling, rest @ ..] = modules.as_slice() else {
        return Err(unsupported(modules.len() - 1, "Transformer"));
    };
    if pooling.kind != ModuleKind::Pooling {
        return Err(unsupported(1, &format!("{:?}", pooling.kind)));
    }
    let pooling = vector::mode(reading, pooling, prompt)??;
    let (mut steps, mut width, mut scored) = (Vec::new(), hidden_size, false);
    for (module, index) in rest.iter().zip(2..) {
        let step = match module.kind {
            _ if scored => return Err(unsupported(index, "behind the one that gives scores")),
            ModuleKind::LayerNorm => HeadStep::Norm(norm(reading, module, width)?),
            ModuleKind::Dense => {
                let dense =
                    projection::dense_with(reading, Layout::CrossEncoder, module, |config| {
                        scored = output(config)? == SCORES;
                        Ok(())
                    })?;
                projection::check_width(&dense, width)?;
                width = dense.out_features;
                HeadStep::Dense(dense)
            }
            kind => return Err(unsupported(index, &format!("{kind:?}"))),
        };
        steps.push(step);
    }
    match (scored, width) {
        (true, 1) => Ok((pooling, steps)),
        (true, outputs) => Err(Error::Unsupported {
            file: rest[rest.len() - 1].path_of("config.json"),
            field: "out_features".to_owned(),
            value: outputs.to_string(),
            hint: "one output, a score, is",
        }),
        (false, _) => {
            Err(unsupported(modules.len() - 1, "no Dense with module_output_name scores"))
        }
    }
}

fn unsupported(index: usize, value: &str) -> Error {
    Error::Unsupported {
        file: MODULES.to_owned(),
        field: format!("[{index}].type"),
        value: value.to_owned(),
        hint: "in a cross-encoder Pooling behind the Transformer is, then Dense and LayerNorm, and a Dense with module_output_name scores last",
    }
}

/// What a Dense module writes. It reads the pair's vector.
fn output<'f>(config: &'f Fields<'_>) -> Result<&'f str> {
    let input = config.string("module_input_name")?.unwrap_or(SENTENCE);
    if input != SENTENCE {
        return Err(config.unsupported("module_input_name", input, "sentence_embedding is"));
    }
    match config.string("module_output_name")?.unwrap_or(input) {
        output @ (SENTENCE | SCORES) => Ok(output),
        other => Err(config.unsupported(
            "module_output_name",
            other,
            "sentence_embedding and scores are",
        )),
    }
}

fn norm(reading: &mut Reading<'_>, module: &Module, width: usize) -> Result<NormConfig> {
    let name = module.path_of("config.json");
    let config = reading
        .files
        .fields(&name)?
        .ok_or_else(|| Error::MissingFile { name: name.clone(), hint: "" })?;
    config.warn_of_unknown(&["dimension"], &mut reading.warnings);
    let size = config.required("dimension", config.count("dimension", MAX_HIDDEN)?)?;
    if size != width {
        let reason = format!("is {size}; what comes in has {width} values");
        return Err(config.invalid("dimension", &reason));
    }
    let file = Some(module.path_of("model.safetensors"));
    Ok(NormConfig { file, name: "norm", size, bias: true, epsilon: EPSILON })
}
