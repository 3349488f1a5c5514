//! What does an adapter beside the weights make of them? LoRA (Hu et al., 2021), as peft saves it:
//!
//! ```text
//! W + scale · B·A            scale: lora_alpha / r, or lora_alpha / √r with use_rslora
//! base_model.model.{module}.lora_A.weight     A [r, in]
//! base_model.model.{module}.lora_B.weight     B [out, r]
//! base_model.model.{module}.weight            in place of the module's own, of modules_to_save
//! ```
//!
//! The sum is computed in f32 when a tensor is read. Libraries that add the two in the weights' own half precision, or compute both
//! products, round otherwise.
//!
//! Versions of transformers put different names before those of a module's parts, and an adapter may be of another than the
//! weights: names are compared without them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::places::Place;
use super::{CheckpointFiles, Fields};
use crate::error::{Error, Result};

/// The weights of an adapter.
pub(super) const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
const MAX_RANK: usize = 4_096;
/// Parts of names that versions put, leave out or exchange.
const PASSED: [&str; 6] =
    ["base_model", "model", "vlm", "language_model", "vision_model", "modules_to_save"];
/// What peft saves whole besides, where the vocabulary has grown.
const EMBEDDINGS: [&str; 2] = ["embed_tokens", "lm_head"];
/// Fields that leave the numbers as they are.
const HARMLESS: &[&str] = &[
    "alpha_pattern",
    "arrow_config",
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
];
/// Ways to begin that leave the base model as it is.
const BEGINNINGS: [&str; 3] = ["gaussian", "eva", "orthogonal"];

/// What is added to a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LowRank {
    /// `[r, in]` and `[out, r]`.
    a: Place,
    b: Place,
    scale: f32,
}

impl LowRank {
    /// Adds `scale · B·A` to the values of some rows.
    pub(super) fn add(
        &self,
        files: &CheckpointFiles,
        rows: Range<usize>,
        values: &mut [f32],
    ) -> Result<()> {
        let read = |place: &Place| {
            let bytes = files.bytes(&place.file, place.bytes.clone())?;
            place.values(ADAPTER_WEIGHTS, &bytes)
        };
        let (a, b) = (read(&self.a)?, read(&self.b)?);
        let (rank, columns) = (self.a.shape[0], self.a.shape[1]);
        let b = b[rows.start * rank..rows.end * rank].chunks_exact(rank);
        for (row, factors) in values.chunks_exact_mut(columns).zip(b) {
            for (a, factor) in a.chunks_exact(columns).zip(factors) {
                let factor = self.scale * factor;
                row.iter_mut().zip(a).for_each(|(value, a)| *value += factor * a);
            }
        }
        Ok(())
    }
}

/// The settings that scale what is added.
struct Settings<'a> {
    config: Fields<'a>,
    r: usize,
    alpha: f64,
    rooted: bool,
    saved: Vec<String>,
}

/// Has the tensors at `places` be those that an adapter makes of them, if there is one.
///
/// # Errors
/// What the adapter's files say wrongly, or that is not computed; a tensor of it that belongs to none of the weights.
pub(super) fn apply(files: &CheckpointFiles, places: &mut BTreeMap<String, Place>) -> Result<()> {
    let (config, weights) = (files.adapter_file()?, files.adapter_weights()?);
    let Some(fields) = files.fields(&config)? else {
        return Ok(());
    };
    let settings = Settings::read(fields)?;
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    places.keys().for_each(|name| names.entry(plain(name)).or_default().push(name.clone()));
    let mut lows: BTreeMap<String, [Option<Place>; 2]> = BTreeMap::new();
    for (name, place) in files.places(&weights)? {
        let low = [".lora_A.weight", ".lora_B.weight"].map(|end| name.strip_suffix(end));
        match low {
            [Some(module), _] => lows.entry(module.to_owned()).or_default()[0] = Some(place),
            [_, Some(module)] => lows.entry(module.to_owned()).or_default()[1] = Some(place),
            _ => settings.replace(&name, place, &names, places)?,
        }
    }
    for (module, parts) in lows {
        let [Some(a), Some(b)] = parts else {
            return Err(Error::MissingTensor {
                file: weights,
                name: format!("{module}.lora_A.weight or lora_B"),
            });
        };
        let target = one_of(&format!("{module}.weight"), &names, &weights)?;
        let place = places.get_mut(&target).expect("its name is among them");
        place.low = Some(Arc::new(settings.low(&module, a, b, &place.shape)?));
    }
    Ok(())
}

impl<'a> Settings<'a> {
    fn read(config: Fields<'a>) -> Result<Self> {
        refuse_others(&config)?;
        let r = config.required("r", config.count("r", MAX_RANK)?)?;
        let alpha = config.required("lora_alpha", config.float("lora_alpha")?)?;
        Ok(Self {
            r,
            alpha,
            rooted: config.bool("use_rslora")?.unwrap_or(false),
            saved: config.words("modules_to_save")?.unwrap_or_default(),
            config,
        })
    }

    /// A module's pair of matrices.
    fn low(&self, module: &str, a: Place, b: Place, shape: &[usize]) -> Result<LowRank> {
        let name = module.strip_prefix("base_model.model.").unwrap_or(module);
        let rank = self.pattern("rank_pattern", name)?.unwrap_or(self.r as f64);
        let alpha = self.pattern("alpha_pattern", name)?.unwrap_or(self.alpha);
        let rows = shape.first().copied().unwrap_or(0);
        let columns = shape.get(1).copied().unwrap_or(0);
        let expected =
            [(&a, "lora_A", [rank as usize, columns]), (&b, "lora_B", [rows, rank as usize])];
        for (place, part, expected) in expected {
            if place.shape != expected || shape.len() != 2 {
                return Err(Error::TensorShape {
                    name: format!("{module}.{part}.weight"),
                    expected: expected.to_vec(),
                    found: place.shape.clone(),
                });
            }
        }
        let scale = alpha / if self.rooted { rank.sqrt() } else { rank };
        Ok(LowRank { a, b, scale: scale as f32 })
    }

    /// What a pattern says of a module: by its name, or the end of it.
    fn pattern(&self, field: &str, module: &str) -> Result<Option<f64>> {
        let Some(patterns) = self.config.object(field)? else {
            return Ok(None);
        };
        let mut found = None;
        for pattern in patterns.names() {
            let literal = pattern.strip_prefix('^').unwrap_or(pattern);
            if !literal.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c)) {
                return Err(patterns.unsupported(pattern, "a pattern", "a module's name is"));
            }
            let whole = module == literal;
            let end = module.strip_suffix(literal).is_some_and(|before| before.ends_with('.'));
            if !whole && (!end || literal != pattern) {
                continue;
            }
            let value = patterns.required(pattern, patterns.float(pattern)?)?;
            match found.replace(value) {
                Some(other) if other != value => {
                    let reason = format!("says {value} of {module}, and another pattern {other}");
                    return Err(patterns.invalid(pattern, &reason));
                }
                _ => {}
            }
        }
        let fine = |value: &f64| field != "rank_pattern" || (1.0..=MAX_RANK as f64).contains(value);
        match found.filter(|value| !fine(value)) {
            Some(rank) => Err(self
                .config
                .invalid(field, &format!("says {rank}, no rank from 1 to {MAX_RANK}"))),
            None => Ok(found),
        }
    }

    /// Takes a tensor in place of the weights' own.
    fn replace(
        &self,
        name: &str,
        place: Place,
        names: &BTreeMap<String, Vec<String>>,
        places: &mut BTreeMap<String, Place>,
    ) -> Result<()> {
        let module = name.rsplit_once('.').map_or(name, |(module, _)| module);
        let module = module.rsplit('.').find(|part| *part != "modules_to_save").unwrap_or(module);
        let known = EMBEDDINGS.contains(&module)
            || self.saved.iter().any(|saved| saved.rsplit('.').next() == Some(module));
        if !known || name.contains("lora_") {
            return Err(Error::Unsupported {
                file: place.file,
                field: "the tensor".to_owned(),
                value: name.to_owned(),
                hint: "lora_A and lora_B of a module are, and the modules of modules_to_save",
            });
        }
        match names.get(&plain(name)).map(Vec::as_slice) {
            Some([own]) => {
                places.insert(own.clone(), place);
            }
            // What the base model does not have, such as the projection.
            None => {
                let own = name.strip_prefix("base_model.model.").unwrap_or(name);
                places.insert(own.replace("modules_to_save.", ""), place);
            }
            Some(several) => return Err(ambiguous(name, several, &place.file)),
        }
        Ok(())
    }
}

/// Settings under which the numbers are others.
fn refuse_others(config: &Fields<'_>) -> Result<()> {
    let kind = config.required("peft_type", config.string("peft_type")?)?;
    if kind != "LORA" {
        return Err(config.unsupported("peft_type", kind, "LORA is"));
    }
    match config.string("bias")? {
        None | Some("none") => {}
        Some(other) => return Err(config.unsupported("bias", other, "none is")),
    }
    let hint = "true, false, gaussian, eva and orthogonal are, which leave the base model as it is";
    match config.value("init_lora_weights") {
        None | Some(Value::Bool(_)) => {}
        Some(Value::String(name)) if BEGINNINGS.contains(&name.as_str()) => {}
        Some(other) => {
            return Err(config.unsupported("init_lora_weights", &other.to_string(), hint));
        }
    }
    let says_nothing = |value: &Value| match value {
        Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    let other = config.names().filter(|name| !HARMLESS.contains(name)).find(|name| {
        let is_version = name.starts_with("megatron_core");
        !is_version && config.value(name).is_some_and(|value| !says_nothing(value))
    });
    match other {
        Some(other) => Err(config.unsupported(other, "a value", "an adapter without it is")),
        None => Ok(()),
    }
}

/// A name without what versions change.
fn plain(name: &str) -> String {
    let parts = name.split('.').filter(|part| !PASSED.contains(part));
    parts.collect::<Vec<_>>().join(".")
}

/// The only tensor of the weights that a name of the adapter means.
fn one_of(name: &str, names: &BTreeMap<String, Vec<String>>, file: &str) -> Result<String> {
    match names.get(&plain(name)).map(Vec::as_slice) {
        Some([own]) => Ok(own.clone()),
        None => Err(Error::InvalidField {
            file: file.to_owned(),
            field: format!("tensor {name}"),
            reason: "belongs to no tensor of the base model".to_owned(),
        }),
        Some(several) => Err(ambiguous(name, several, file)),
    }
}

fn ambiguous(name: &str, several: &[String], file: &str) -> Error {
    Error::InvalidField {
        file: file.to_owned(),
        field: format!("tensor {name}"),
        reason: format!("may belong to each of {}", several.join(", ")),
    }
}
