//! Which embeddings can be held against each other? Those of models with one id.
//!
//! ```text
//! v1-  and the first 16 bytes, in lower-case hexadecimal, of SHA-256 over JSON: keys sorted, no `null`, no white space
//! ```
//!
//! It covers all that changes numbers: the weights as they are stored, by a hash of each file that holds some, whatever its
//! name (SHA-256 of a bundle's, which its manifest has, XXH3 of 128 bits of a checkpoint's); `tokenizer.json`, byte for byte;
//! every field of [`ModelConfig`] as it is in force, overrides included; what becomes of special tokens that texts spell
//! out; and, of q8 and q4, how activations are quantized. The device, batches and names of the model are no part of it, nor what the files say without effect.
//!
//! A bundle's weights are its codes. So a conversion gives another id than its checkpoint, and so may the same conversion on
//! another kind of machine, where sums are rounded in another way.
//!
//! Of a cross-encoder, which makes no embeddings, it says whose scores are the same.
//!
//! An id tells models apart and proves nothing: who wants to can make two checkpoints of one id.
//!
//! `v1` changes with the numbers that this crate computes of the same model, and with what is covered here. A field that is added
//! to what is covered changes no id where it is `None`: so it is an `Option`, and `None` wherever a model computes what it computed
//! before there was such a field.

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::bundle::sha256;
use crate::model::checkpoint::CheckpointFiles;
use crate::model::config::{
    EncoderConfig, HeadConfig, ModelConfig, ProjectionStep, TextConfig, TokenPooling,
    TokenizerConfig, VectorConfig, WeightingConfig,
};
use crate::model::quantize::Dtype;

/// Hexadecimal digits that are kept.
const DIGITS: usize = 32;

/// The id of a model's embeddings; `parses_special_tokens` says whether special tokens that a text spells out are those tokens.
///
/// # Errors
/// [`Error::MissingFile`] where the tokenizer or the weights are not there.
pub fn embedding_id(
    files: &CheckpointFiles,
    config: &ModelConfig,
    parses_special_tokens: bool,
) -> Result<String> {
    let name = format!("{}tokenizer.json", files.transformer_path()?);
    let tokenizer_json = files.sha256(&name).ok_or(Error::MissingFile { name, hint: "" })?;
    let weights = files.weight_hashes()?;
    let dtype = files.manifest().map_or(Dtype::F32, |manifest| manifest.dtype);
    Ok(Covered::new(config, parses_special_tokens, tokenizer_json, weights, dtype).id())
}

/// A field that is not here cannot be forgotten: [`ModelConfig`] is taken apart to the last, and what lies in it writes itself.
#[derive(Serialize)]
pub(crate) struct Covered<'a> {
    encoder: &'a EncoderConfig,
    tokenizer: &'a TokenizerConfig,
    text: &'a TextConfig,
    projection: &'a [ProjectionStep],
    dimension: usize,
    weighting: Option<&'a WeightingConfig>,
    token_pooling: Option<TokenPooling>,
    vector: Option<&'a VectorConfig>,
    head: Option<&'a HeadConfig>,
    parses_special_tokens: bool,
    tokenizer_json: String,
    weights: Vec<String>,
    activations: Option<&'static str>,
}

impl<'a> Covered<'a> {
    pub(crate) fn new(
        config: &'a ModelConfig,
        parses_special_tokens: bool,
        tokenizer_json: String,
        mut weights: Vec<String>,
        dtype: Dtype,
    ) -> Self {
        // What the layout and the overrides do is in the other fields; a score is made of embeddings.
        let ModelConfig {
            layout: _,
            encoder,
            tokenizer,
            text,
            projection,
            dimension,
            weighting,
            similarity: _,
            token_pooling,
            vector,
            head,
            // A text's embeddings are the same whatever reads pages.
            page: _,
            whole_page: _,
            overridden: _,
            warnings: _,
        } = config;
        weights.sort_unstable();
        Self {
            encoder,
            tokenizer,
            text,
            projection,
            dimension: *dimension,
            weighting: weighting.as_ref(),
            token_pooling: *token_pooling,
            vector: vector.as_ref().ok(),
            head: head.as_ref(),
            parses_special_tokens,
            tokenizer_json,
            weights,
            activations: match dtype {
                Dtype::F32 | Dtype::F16 => None,
                Dtype::Q8 | Dtype::Q4 => Some("7 bits in blocks"),
            },
        }
    }

    pub(crate) fn id(&self) -> String {
        id(self)
    }
}

fn id(covered: &impl Serialize) -> String {
    let mut covered = serde_json::to_value(covered).unwrap_or_else(|error| {
        unreachable!("plain structs have no values that JSON lacks: {error}")
    });
    leave_out_nulls(&mut covered);
    Value::sort_all_objects(&mut covered);
    format!("v1-{}", &sha256(covered.to_string().as_bytes())[..DIGITS])
}

/// Of objects: in a list the others would change their places.
fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Before {
        width: usize,
        layers: Vec<Option<usize>>,
    }

    #[derive(Serialize)]
    struct After {
        width: usize,
        layers: Vec<Option<usize>>,
        later: Option<bool>,
    }

    #[test]
    fn a_field_that_is_added_changes_no_id_where_it_is_none() {
        let layers = || vec![Some(1), None, Some(2)];
        let before = id(&Before { width: 3, layers: layers() });
        let after = |later| id(&After { width: 3, layers: layers(), later });
        assert_eq!(after(None), before);
        assert_ne!(after(Some(false)), before);
        let other = Before { width: 3, layers: vec![Some(1), Some(2), None] };
        assert_ne!(id(&other), before);
    }
}
