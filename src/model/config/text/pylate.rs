//! What PyLate writes into `config_sentence_transformers.json`.

use super::super::transformer::TransformerSettings;
use super::super::{MAX_LENGTH, Reading};
use super::{
    LowerCase, QueryExpansion, Strategy, TextConfig, punctuation, refuse_other_scores,
    sentence_transformers,
};
use crate::error::{Error, Result};
use crate::model::checkpoint::{Fields, SENTENCE_TRANSFORMERS};

/// Fields by which the file shows that PyLate wrote it.
pub(in super::super) const PYLATE_FIELDS: &[&str] = &[
    "query_prefix",
    "document_prefix",
    "query_length",
    "document_length",
    "do_query_expansion",
    "attend_to_expansion_tokens",
    "skiplist_words",
];

pub(super) fn read(
    reading: &mut Reading<'_>,
    settings: &TransformerSettings,
) -> Result<TextConfig> {
    let config = reading
        .files
        .fields(SENTENCE_TRANSFORMERS)?
        .ok_or_else(|| Error::MissingFile { name: SENTENCE_TRANSFORMERS.to_owned(), hint: "" })?;
    config.warn_of_unknown(
        &[PYLATE_FIELDS, sentence_transformers::FIELDS].concat(),
        &mut reading.warnings,
    );
    refuse_other_scores(&config, false)?;
    refuse_prompts(&config)?;
    refuse_newer_fields(&config, settings)?;
    let prefix = |field| config.required(field, config.string(field)?).map(str::to_owned);
    let length = |field| config.count(field, MAX_LENGTH);
    let warnings = &mut reading.warnings;
    let mut default = |field, value| warnings.push(config.defaulted(field, value));
    let expand = config.bool("do_query_expansion")?.unwrap_or_else(|| {
        default("do_query_expansion", "true");
        true
    });
    let query_length = match length("query_length")? {
        None if expand => {
            default("query_length", "32");
            32
        }
        length => config.required("query_length", length)?,
    };
    let attend = config.bool("attend_to_expansion_tokens")?;
    if attend.is_none() && expand {
        default("attend_to_expansion_tokens", "false");
    }
    let expand = reading.overridden.values.do_query_expansion.unwrap_or(expand);
    let expansion = QueryExpansion {
        strategy: Strategy::Fixed,
        length: query_length,
        token: None,
        attend: attend.unwrap_or(false),
    };
    Ok(TextConfig {
        query_prefix: prefix("query_prefix")?,
        document_prefix: prefix("document_prefix")?,
        prefixes_are_tokens: true,
        strip: true,
        lower_case: if settings.do_lower_case { LowerCase::Text } else { LowerCase::No },
        query_length,
        document_length: config.required("document_length", length("document_length")?)?,
        query_expansion: expand.then_some(expansion),
        skiplist_words: config.strings("skiplist_words")?.unwrap_or_else(|| {
            default("skiplist_words", "punctuation");
            punctuation()
        }),
        skiplist_queries: false,
        skiplist_documents: true,
        pages: None,
    })
}

/// sentence-transformers puts the prompts of a PyLate folder behind the prefixes, PyLate the default one before every text.
fn refuse_prompts(config: &Fields<'_>) -> Result<()> {
    let Some(prompts) = config.object("prompts")? else {
        return Ok(());
    };
    let default = config.string("default_prompt_name")?;
    for name in ["query", "document"].into_iter().chain(default) {
        match prompts.string(name)? {
            None | Some("") => {}
            Some(prompt) => {
                return Err(config.unsupported(
                    "prompts",
                    prompt,
                    "query_prefix and document_prefix are",
                ));
            }
        }
    }
    Ok(())
}

/// sentence-transformers takes these from a PyLate folder too; PyLate does not know them.
fn refuse_newer_fields(config: &Fields<'_>, settings: &TransformerSettings) -> Result<()> {
    for field in ["attend_to_mask_tokens", "query_expansion"] {
        if let Some(value) = config.value(field) {
            return Err(config.unsupported(field, &value.to_string(), "PyLate's own fields are"));
        }
    }
    match settings.length_field() {
        None => Ok(()),
        Some(field) => Err(Error::Unsupported {
            file: "sentence_bert_config.json".to_owned(),
            field: field.to_owned(),
            value: "a value".to_owned(),
            hint: "beside PyLate's own fields null is",
        }),
    }
}
