//! `artifact.metadata`: the settings of Stanford's ColBERT.

use super::super::{EncoderConfig, MAX_LENGTH, Reading};
use super::{LowerCase, QueryExpansion, Strategy, TextConfig, punctuation};
use crate::error::{Error, Result, Warning};
use crate::model::checkpoint::{ARTIFACT, Fields};

/// Fields of `ColBERTConfig` that are used or refused; all others are of a run, a training or an index.
const FIELDS: &[&str] = &[
    "attend_to_mask_tokens",
    "dim",
    "doc_maxlen",
    "doc_token_id",
    "interaction",
    "mask_punctuation",
    "query_maxlen",
    "query_token_id",
    "similarity",
];
/// The others.
const WITHOUT_EFFECT: &[&str] = &[
    "accumsteps",
    "amp",
    "avoid_fork_if_possible",
    "bsize",
    "centroid_score_threshold",
    "checkpoint",
    "clustering_mode",
    "collection",
    "distillation_alpha",
    "doc_token",
    "experiment",
    "gpus",
    "ignore_scores",
    "index_bsize",
    "index_name",
    "index_path",
    "index_root",
    "kmeans_niters",
    "load_index_with_mmap",
    "lr",
    "maxsteps",
    "meta",
    "model_name",
    "name",
    "nbits",
    "ncells",
    "ndocs",
    "nranks",
    "nway",
    "overwrite",
    "pool_factor",
    "protected_tokens",
    "queries",
    "query_token",
    "rank",
    "relu",
    "reranker",
    "resume",
    "root",
    "save_every",
    "triples",
    "use_ib_negatives",
    "warmup",
    "warmup_bert",
];

pub(super) fn read(reading: &mut Reading<'_>, encoder: &EncoderConfig) -> Result<TextConfig> {
    let config = reading
        .files
        .fields(ARTIFACT)?
        .ok_or_else(|| Error::MissingFile { name: ARTIFACT.to_owned(), hint: "" })?;
    let warnings = &mut reading.warnings;
    config.warn_of_unknown(&[FIELDS, WITHOUT_EFFECT].concat(), warnings);
    refuse_other_scores(&config)?;
    // The fields are called ids but hold the tokens' names. They are put before the text's tokens: a space behind them would be
    // another token where spaces are part of tokens.
    let mut marker = |field, default| -> Result<String> {
        Ok(config.or_default(field, config.string(field)?, default, warnings)?.to_owned())
    };
    let (query_prefix, document_prefix) =
        (marker("query_token_id", "[unused0]")?, marker("doc_token_id", "[unused1]")?);
    let length = |field| config.count(field, MAX_LENGTH);
    let query_length = config.or_default("query_maxlen", length("query_maxlen")?, 32, warnings)?;
    let attend = attend(&config, encoder, warnings)?;
    let skip = config.bool("mask_punctuation")?;
    let skip = config.or_default("mask_punctuation", skip, true, warnings)?;
    let expansion =
        QueryExpansion { strategy: Strategy::Fixed, length: query_length, token: None, attend };
    Ok(TextConfig {
        query_prefix,
        document_prefix,
        prefixes_are_tokens: true,
        strip: true,
        lower_case: LowerCase::No,
        query_length,
        document_length: config.required("doc_maxlen", length("doc_maxlen")?)?,
        query_expansion: Some(expansion),
        skiplist_words: if skip { punctuation() } else { Vec::new() },
        skiplist_queries: false,
        skiplist_documents: true,
        pages: None,
    })
}

/// Where the file is silent, not, as in Stanford's code; but Jina's models are run so that they are by all who run them.
fn attend(
    config: &Fields<'_>,
    encoder: &EncoderConfig,
    warnings: &mut Vec<Warning>,
) -> Result<bool> {
    const FIELD: &str = "attend_to_mask_tokens";
    let attend = config.bool(FIELD)?;
    let jina = matches!(encoder, EncoderConfig::Bert(bert) if bert.positions.is_rotary());
    if !jina || config.has(FIELD) {
        return config.or_default(FIELD, attend, false, warnings);
    }
    warnings.push(Warning {
        code: "SETTING_DEFAULTED",
        message: format!(
            "{ARTIFACT} does not say {FIELD}; with rotary positions, as in Jina's models, the tokens that fill a query up are attended to"
        ),
    });
    Ok(true)
}

/// Stanford's own code scores by distance where `similarity` says so, and in other ways by `interaction`; and it reads the
/// settings of a file that holds `config` from there.
fn refuse_other_scores(config: &Fields<'_>) -> Result<()> {
    for (field, taken, hint) in
        [("similarity", "cosine", "cosine is"), ("interaction", "colbert", "colbert is")]
    {
        match config.string(field)? {
            Some(value) if value != taken => return Err(config.unsupported(field, value, hint)),
            _ => {}
        }
    }
    match config.has("config") {
        false => Ok(()),
        true => Err(config.unsupported("config", "an object", "fields of the file itself are")),
    }
}
