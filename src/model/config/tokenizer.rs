//! The tokenizer's own switches: what the files beside `tokenizer.json` say.
//!
//! Source: `BertTokenizer` in transformers 5.

use crate::error::Result;
use crate::model::checkpoint::{CheckpointFiles, Fields};

/// What `tokenizer_config.json` and `special_tokens_map.json` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizerConfig {
    /// `model_max_length`; `None` for no limit.
    pub model_max_length: Option<usize>,
    pub mask_token: Option<String>,
    pub unk_token: Option<String>,
    /// Switches of `BertTokenizer`, which outrank `tokenizer.json`'s normalizer; `None` for other classes.
    pub bert: Option<BertNormalization>,
}

/// `BertTokenizer`'s switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BertNormalization {
    pub do_lower_case: bool,
    pub strip_accents: Option<bool>,
    pub tokenize_chinese_chars: bool,
}

impl TokenizerConfig {
    pub(super) fn from_files(files: &CheckpointFiles, root: &str) -> Result<Self> {
        let config_name = format!("{root}tokenizer_config.json");
        let map_name = format!("{root}special_tokens_map.json");
        let config = files.fields(&config_name)?;
        let map = files.fields(&map_name)?;
        let token = |field: &str| -> Result<Option<String>> {
            for source in [&config, &map].into_iter().flatten() {
                if let Some(token) = special_token(source, field)? {
                    return Ok(Some(token));
                }
            }
            Ok(None)
        };
        Ok(Self {
            model_max_length: config.as_ref().map_or(Ok(None), model_max_length)?,
            mask_token: token("mask_token")?,
            unk_token: token("unk_token")?,
            bert: config.as_ref().map_or(Ok(None), bert_normalization)?,
        })
    }
}

/// A special token is a string, or an object with its `content`.
fn special_token(fields: &Fields<'_>, field: &str) -> Result<Option<String>> {
    match fields.value(field) {
        Some(value) if value.is_object() => {
            let object = fields.object(field)?;
            let object = fields.required(field, object)?;
            Ok(object.string("content")?.map(str::to_owned))
        }
        _ => Ok(fields.string(field)?.map(str::to_owned)),
    }
}

/// transformers writes "no limit" as a number far beyond any length.
fn model_max_length(config: &Fields<'_>) -> Result<Option<usize>> {
    let value = config.float("model_max_length")?;
    if value.is_none_or(|value| value > 1e6) {
        return Ok(None);
    }
    config.count("model_max_length", 1_000_000)
}

/// transformers rebuilds the normalizer of a BERT tokenizer from these switches, whatever
/// `tokenizer.json` says; only the general classes take `tokenizer.json` as it stands.
fn bert_normalization(config: &Fields<'_>) -> Result<Option<BertNormalization>> {
    for side in ["truncation_side", "padding_side"] {
        match config.string(side)? {
            None | Some("right") => {}
            Some(other) => return Err(config.unsupported(side, other, "right is")),
        }
    }
    match config.string("tokenizer_class")? {
        None | Some("BertTokenizer" | "BertTokenizerFast") => Ok(Some(BertNormalization {
            do_lower_case: config.bool("do_lower_case")?.unwrap_or(true),
            strip_accents: config.bool("strip_accents")?,
            tokenize_chinese_chars: config.bool("tokenize_chinese_chars")?.unwrap_or(true),
        })),
        Some("PreTrainedTokenizerFast" | "TokenizersBackend") => Ok(None),
        Some(other) => Err(config.unsupported(
            "tokenizer_class",
            other,
            "BertTokenizer and PreTrainedTokenizerFast are",
        )),
    }
}
