//! The tokenizer that a checkpoint's files describe, built from fields that were checked one by one.
//!
//! The tokenizers crate panics, runs out of memory or takes minutes on some crafted files (a template that names an absent
//! special token, fixed padding of a hundred million tokens, an added token that normalizes to nothing), so it is never given
//! a part of a file: each component is read into a value of ours and made anew. Truncation and padding are ours to do.

mod added;
mod components;
mod file;
mod model;
mod template;

use template::Template;
use tokenizers::Tokenizer;

use super::offsets::Trim;
use super::pairs::PairTemplate;
use crate::error::{Error, Result};
use crate::model::checkpoint::Fields;
use crate::model::config::ModelConfig;

const FILE: &str = "tokenizer.json";

/// A tokenizer, and what it does not do itself.
pub(super) struct Definition {
    pub tokenizer: Tokenizer,
    pub trim: Option<Trim>,
    /// What goes round the texts of a pair, if the model reads any.
    pub pair: Option<PairTemplate>,
}

/// Builds the tokenizer that `tokenizer.json` and the checkpoint's other files describe.
pub(super) fn build(bytes: &[u8], config: &ModelConfig) -> Result<Definition> {
    let rows = config.encoder.vocab_size();
    let (file, vocabulary) = model::read(bytes, rows)?;
    let parts = Fields::of(FILE, file.parts);
    check_version(&parts)?;
    check_sides(&parts, config)?;
    let model = parts.required("model", file.model.map(|model| Fields::of(FILE, model)))?;
    let mut tokenizer = Tokenizer::new(model::build(&model, vocabulary, config)?);
    let (normalizer, pre_tokenizer) = components::read(&parts, config)?;
    tokenizer.with_normalizer(normalizer).map_err(|error| invalid(error.to_string()))?;
    tokenizer.with_pre_tokenizer(pre_tokenizer);
    added::add(&mut tokenizer, &parts, config)?;
    let Template { processor, trim, pair } = Template::read(&parts, &tokenizer, config)?;
    tokenizer.with_post_processor(processor);
    tokenizer.set_encode_special_tokens(config.tokenizer.splits_special_tokens);
    Ok(Definition { tokenizer, trim, pair })
}

fn check_version(parts: &Fields<'_>) -> Result<()> {
    match parts.string("version")? {
        None | Some("1.0") => Ok(()),
        Some(other) => Err(parts.unsupported("version", other, "1.0 is")),
    }
}

/// Texts are cut, and filled up, on the right: as `tokenizer_config.json` says, else as `tokenizer.json` does. Nothing else of
/// these two parts has an effect: the libraries that read a checkpoint set it themselves for each call.
fn check_sides(parts: &Fields<'_>, config: &ModelConfig) -> Result<()> {
    let sides =
        [("truncation", config.tokenizer.cuts_right), ("padding", config.tokenizer.fills_right)];
    for (name, said) in sides {
        let Some(part) = parts.object(name)?.filter(|_| !said) else {
            continue;
        };
        match part.string("direction")? {
            None | Some("Right") => {}
            Some(other) => {
                return Err(part.unsupported("direction", other, "Right is"));
            }
        }
    }
    Ok(())
}

fn invalid(reason: String) -> Error {
    Error::InvalidTokenizer { reason }
}

/// A limit of ours that the file goes beyond, or something of it that is not read.
fn unsupported(field: &str, found: String, hint: &'static str) -> Error {
    Error::Unsupported { file: FILE.to_owned(), field: field.to_owned(), value: found, hint }
}
