//! Unigram: of all ways to cut a word into tokens the one whose scores have the highest sum.

use serde_json::Value;
use tokenizers::models::unigram::Unigram;

use super::{invalid, unsupported};
use crate::error::Result;
use crate::model::checkpoint::Fields;

/// Longest token, in bytes: at each place of a text all tokens that stand there are looked up and copied.
const LONGEST: usize = 128;
/// Largest score, up to its sign, so that sums of them stay exact enough. They are logarithms of probabilities.
const LARGEST: f64 = 1e9;

pub(super) fn build(model: &Fields<'_>, scored: Vec<(String, f64)>) -> Result<Unigram> {
    let number = model.value("unk_id").and_then(Value::as_u64);
    let unknown = model.required("unk_id", number)?;
    let unknown = usize::try_from(unknown).ok().filter(|&unknown| unknown < scored.len());
    let unknown = unknown.ok_or_else(|| model.invalid("unk_id", "is the place of no token"))?;
    for (place, (token, score)) in scored.iter().enumerate() {
        if token.len() > LONGEST {
            let found = format!("token {place} of {} bytes", token.len());
            return Err(unsupported(
                "model.vocab",
                found,
                "tokens of at most 128 bytes are, in Unigram",
            ));
        }
        if score.abs().partial_cmp(&LARGEST).is_none_or(|order| order.is_gt()) {
            return Err(invalid(format!("token {place} has score {score:e}")));
        }
    }
    let fallback = model.bool("byte_fallback")?.unwrap_or(false);
    Unigram::from(scored, Some(unknown), fallback).map_err(|error| invalid(error.to_string()))
}
