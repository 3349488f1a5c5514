//! How does a token's place in its text count?

use serde::Serialize;
use serde_json::Value;

use super::class::Class;
use super::{MAX_LENGTH, Naming};
use crate::error::{Result, Warning};
use crate::model::checkpoint::{Architecture, BertArchitecture, Fields};

/// How the encoder tells a token's place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Positions {
    /// By the rows of a table, from the first on. With `padding`, as in RoBERTa: from the row behind that one on, and a token of that
    /// very id takes that row and is not counted.
    Absolute { rows: usize, padding: Option<usize> },
    /// RoPE by halves over whole heads, of at most `limit` tokens.
    Rotary { base: f64, limit: usize },
}

/// What Jina's own code takes, and what transformers' class of it does.
const JINA_BASE: f64 = 10_000.0;
const TRANSFORMERS_BASE: f64 = 20_000.0;

impl Positions {
    /// Tokens of the longest text.
    pub fn longest(&self) -> usize {
        match *self {
            Positions::Absolute { rows, padding } => {
                rows.saturating_sub(padding.map_or(0, |row| row + 1))
            }
            Positions::Rotary { limit, .. } => limit,
        }
    }

    /// Whether there is no table.
    pub(crate) fn is_rotary(&self) -> bool {
        matches!(self, Positions::Rotary { .. })
    }

    /// `vocab_size`: rows of the vocabulary table.
    pub(super) fn read(
        config: &Fields<'_>,
        class: &Class,
        rotary: bool,
        vocab_size: usize,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        let padding = class.padding.map(|row| padding(config, row, vocab_size, warnings));
        let padding = padding.transpose()?;
        let reserved = padding.map_or(0, |row| row + 1);
        let (field, default) = class.max_position_embeddings;
        let rows = config.count(field, MAX_LENGTH + reserved)?;
        let rows = config.or_default(field, rows, default, warnings)?;
        let positions = match rotary {
            true => {
                Positions::Rotary { base: base(config, warnings)?, limit: rows.min(MAX_LENGTH) }
            }
            false => Positions::Absolute { rows, padding },
        };
        match positions.longest() {
            0 => Err(config.invalid(field, &format!("is {rows}, no more than pad_token_id"))),
            _ => Ok(positions),
        }
    }
}

/// Whether positions are rotary ones: as `position_embedding_type` says where a class has both.
pub(super) fn is_rotary(
    config: &Fields<'_>,
    architecture: BertArchitecture,
    naming: Naming,
) -> Result<bool> {
    const FIELD: &str = "position_embedding_type";
    let kind = config.string(FIELD)?;
    match (architecture, kind) {
        (BertArchitecture::JinaEmbeddingsV3, None | Some("rotary")) => Ok(true),
        (BertArchitecture::JinaEmbeddingsV3, Some(other)) => {
            Err(config.unsupported(FIELD, other, "rotary is"))
        }
        (BertArchitecture::XlmRoberta, Some("rotary")) => Ok(true),
        // Of Jina's own class there are two versions, with defaults that differ.
        (BertArchitecture::XlmRoberta, None) if naming == Naming::Jina => {
            Err(config.invalid(FIELD, "is missing"))
        }
        (_, None | Some("absolute")) => Ok(false),
        (BertArchitecture::XlmRoberta, Some(other)) => {
            Err(config.unsupported(FIELD, other, "absolute and rotary are"))
        }
        (_, Some(other)) => Err(config.unsupported(FIELD, other, "absolute is")),
    }
}

/// The id that `transformers` does not count: a row of both tables.
fn padding(
    config: &Fields<'_>,
    default: usize,
    vocab_size: usize,
    warnings: &mut Vec<Warning>,
) -> Result<usize> {
    const FIELD: &str = "pad_token_id";
    let id = match config.value(FIELD) {
        None => None,
        Some(value) => Some(
            value
                .as_u64()
                .and_then(|id| usize::try_from(id).ok())
                .filter(|&id| id < vocab_size)
                .ok_or_else(|| config.invalid(FIELD, &format!("is {value}, no id of a token")))?,
        ),
    };
    config.or_default(FIELD, id, default, warnings)
}

/// The base of the rotary frequencies, under the names of the versions.
fn base(config: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<f64> {
    refuse_scaling(config)?;
    let parameters = config.object("rope_parameters")?;
    let new = parameters.map_or(Ok(None), |parameters| parameters.float("rope_theta"))?;
    let (named, default) = match Architecture::of(config)? {
        Architecture::Bert(BertArchitecture::JinaEmbeddingsV3) => ("rope_theta", TRANSFORMERS_BASE),
        _ => ("rotary_emb_base", JINA_BASE),
    };
    let base = match (new, config.float("rope_theta")?) {
        (Some(base), _) | (None, Some(base)) => base,
        (None, None) => config.or_default(named, config.float(named)?, default, warnings)?,
    };
    match base > 0.0 {
        true => Ok(base),
        false => Err(config.invalid(named, &format!("is {base}; a base is more than 0"))),
    }
}

/// Frequencies that are stretched, or that turn a part of each head.
fn refuse_scaling(config: &Fields<'_>) -> Result<()> {
    for field in ["rope_parameters", "rope_scaling"] {
        let Some(parameters) = config.object(field)? else {
            continue;
        };
        for name in parameters.names() {
            let plain = match (name, parameters.value(name)) {
                ("rope_theta", _) | (_, None) => true,
                ("rope_type" | "type", Some(kind)) => kind == "default",
                ("partial_rotary_factor", Some(share)) => share.as_f64() == Some(1.0),
                _ => false,
            };
            if !plain {
                let value = parameters.value(name).map_or_else(String::new, said);
                return Err(parameters.unsupported(name, &value, "rope_theta alone is"));
            }
        }
    }
    Ok(())
}

/// A value as a message quotes it.
fn said(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
