//! What sentence-transformers' `CrossEncoder` reads of its own folders. Query and document are one text, of which the lengths count
//! all tokens.

use super::super::Reading;
use super::super::transformer::TransformerSettings;
use super::{LowerCase, TextConfig};
use crate::error::Result;
use crate::model::checkpoint::{MODULES, SENTENCE_TRANSFORMERS};

/// Fields of `config_sentence_transformers.json`.
const FIELDS: &[&str] = &[
    "__version__",
    "activation_fn",
    "default_prompt_name",
    // Of computing in half precision.
    "keep_in_fp32_modules",
    "model_type",
    "prompts",
    "requirements",
];

/// `tokenizer_length`: the most tokens where no setting of sentence-transformers says how many.
pub(super) fn read(
    reading: &mut Reading<'_>,
    settings: &TransformerSettings,
    tokenizer_length: usize,
) -> Result<TextConfig> {
    let length = settings.max_seq_length.unwrap_or(tokenizer_length);
    Ok(TextConfig {
        query_prefix: prompt(reading)?,
        document_prefix: String::new(),
        prefixes_are_tokens: false,
        strip: false,
        lower_case: if settings.do_lower_case { LowerCase::Normalizer } else { LowerCase::No },
        query_length: length,
        document_length: length,
        query_expansion: None,
        skiplist_words: Vec::new(),
        skiplist_queries: false,
        skiplist_documents: false,
        pages: None,
    })
}

/// The default prompt, which stands before the first text of a pair; of others only a call that names one makes use.
fn prompt(reading: &mut Reading<'_>) -> Result<String> {
    if reading.files.get(MODULES).is_none() {
        return Ok(String::new());
    }
    let Some(config) = reading.files.fields(SENTENCE_TRANSFORMERS)? else {
        return Ok(String::new());
    };
    config.warn_of_unknown(FIELDS, &mut reading.warnings);
    let Some(name) = config.string("default_prompt_name")? else {
        return Ok(String::new());
    };
    let prompts = config.object("prompts")?.filter(|prompts| prompts.has(name));
    let Some(prompts) = prompts else {
        return Err(config.invalid("default_prompt_name", "is the name of no prompt"));
    };
    Ok(prompts.string(name)?.unwrap_or_default().to_owned())
}
