//! Byte-pair encoding: pairs of tokens become one, in the order of the merges, until no pair is left that has one. What it
//! starts from are characters, which are bytes' stand-ins behind `ByteLevel`.
//!
//! Characters that are not in the vocabulary become bytes (`byte_fallback`), the unknown token, or nothing.

use tokenizers::models::bpe::{BPE, BpeBuilder};

use super::invalid;
use crate::error::Result;
use crate::model::checkpoint::Fields;
use crate::model::config::TokenizerClass;

/// The library writes the two halves of a merge into a place that is as long as the longest token.
pub(super) fn check(merges: &[(String, String)], known: impl Fn(&str) -> bool) -> Result<()> {
    for (place, (first, second)) in merges.iter().enumerate() {
        let both = [first.as_str(), second].concat();
        if let Some(other) = [first, second, &both].into_iter().find(|token| !known(token)) {
            return Err(invalid(format!(
                "model.merges: merge {place} needs {other:?}, which is not in the vocabulary"
            )));
        }
    }
    Ok(())
}

/// The model. `RobertaTokenizer` takes no more of it than vocabulary and merges.
pub(super) fn build(
    model: &Fields<'_>,
    builder: BpeBuilder,
    class: &TokenizerClass,
) -> Result<BPE> {
    // Its cache belongs to the thread, which it outlives.
    let builder = builder.cache_capacity(0);
    let builder = match class {
        TokenizerClass::Roberta(_) => builder,
        _ => switched(model, builder)?,
    };
    // Of an unknown token that the vocabulary lacks a load finds out if a text can need it.
    builder.build().map_err(|error| invalid(error.to_string()))
}

fn switched(model: &Fields<'_>, builder: BpeBuilder) -> Result<BpeBuilder> {
    if let Some(dropout) = model.float("dropout")?.filter(|&dropout| dropout != 0.0) {
        return Err(model.unsupported("dropout", &dropout.to_string(), "none is"));
    }
    for field in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if let Some(other) = model.string(field)?.filter(|text| !text.is_empty()) {
            return Err(model.unsupported(field, other, "an empty one is"));
        }
    }
    let switch = |field: &str| Ok(model.bool(field)?.unwrap_or(false));
    let builder = builder
        .fuse_unk(switch("fuse_unk")?)
        .byte_fallback(switch("byte_fallback")?)
        .ignore_merges(switch("ignore_merges")?);
    Ok(match model.string("unk_token")? {
        Some(unknown) => builder.unk_token(unknown.to_owned()),
        None => builder,
    })
}
