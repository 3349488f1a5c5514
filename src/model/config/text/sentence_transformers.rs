//! What sentence-transformers 6 reads of its own folders, and of bi-encoders that it turns into multi-vector models.

use super::super::transformer::TransformerSettings;
use super::super::{Layout, Reading, weighting};
use super::{LowerCase, PageQueries, Strategy, TextConfig, refuse_other_scores};
use crate::error::{Error, Result};
use crate::model::checkpoint::{Fields, MODULES, Module, ModuleKind, SENTENCE_TRANSFORMERS};

/// Fields of `config_sentence_transformers.json`; PyLate writes them too.
pub(super) const FIELDS: &[&str] = &[
    "__version__",
    "default_prompt_name",
    "model_type",
    "prompts",
    "requirements",
    "similarity_fn_name",
    // Of one vector a text.
    "truncate_dim",
];
/// Fields of a MultiVectorMask module's `config.json`.
const MASK_FIELDS: &[&str] = &["keep_only_token_ids", "skiplist_tasks", "skiplist_words"];

/// `tokenizer_length`: the most tokens where no setting of sentence-transformers says how many.
pub(super) fn read(
    reading: &mut Reading<'_>,
    layout: Layout,
    settings: &TransformerSettings,
    tokenizer_length: usize,
) -> Result<TextConfig> {
    let own_length = settings.max_seq_length.unwrap_or(tokenizer_length);
    let [query_prefix, document_prefix] = prompts(reading, layout)?;
    let expands = reading.overridden.values.do_query_expansion != Some(false);
    let query_expansion = settings.query_expansion.clone().filter(|_| expands);
    let text = TextConfig {
        query_prefix,
        document_prefix,
        prefixes_are_tokens: false,
        strip: false,
        lower_case: if settings.do_lower_case { LowerCase::Normalizer } else { LowerCase::No },
        query_length: match &query_expansion {
            Some(expansion) if expansion.strategy == Strategy::Fixed => expansion.length,
            _ => settings.query_length.unwrap_or(own_length),
        },
        document_length: settings.document_length.unwrap_or(own_length),
        query_expansion,
        skiplist_words: Vec::new(),
        skiplist_queries: false,
        skiplist_documents: false,
        pages: None,
    };
    let dropped_ids = weighting::dropped_ids(reading)?;
    let pages =
        dropped_ids.map(|dropped_ids| PageQueries { dropped_ids, ..PageQueries::default() });
    with_mask(reading, TextConfig { pages, ..text })
}

/// What stands before a query and before a document.
pub(super) fn prompts(reading: &mut Reading<'_>, layout: Layout) -> Result<[String; 2]> {
    if reading.files.get(MODULES).is_none() {
        return Ok(Default::default());
    }
    let Some(config) = reading.files.fields(SENTENCE_TRANSFORMERS)? else {
        reading.defaulted_file(SENTENCE_TRANSFORMERS, "no prompts");
        return Ok(Default::default());
    };
    config.warn_of_unknown(FIELDS, &mut reading.warnings);
    refuse_other_scores(&config, layout != Layout::Plain)?;
    for field in ["attend_to_mask_tokens", "query_expansion"].iter().chain(super::PYLATE_FIELDS) {
        if let Some(value) = config.value(field) {
            return Err(config.unsupported(
                field,
                &value.to_string(),
                "with model_type ColBERT or in sentence_bert_config.json it is",
            ));
        }
    }
    let prompts = config.object("prompts")?;
    let prompt = |name| match &prompts {
        Some(prompts) => Ok(prompts.string(name)?.unwrap_or_default().to_owned()),
        None => Ok(String::new()),
    };
    check_default(&config, prompts.as_ref())?;
    Ok([prompt("query")?, prompt("document")?])
}

/// The default prompt is for calls that name no kind of text. A query and a document have their own, if only an empty one, so
/// that all there is to the default is that its name must be one of a prompt.
fn check_default(config: &Fields<'_>, prompts: Option<&Fields<'_>>) -> Result<()> {
    match config.string("default_prompt_name")? {
        None | Some("query" | "document") => Ok(()),
        Some(name) if prompts.is_some_and(|prompts| prompts.has(name)) => Ok(()),
        Some(_) => Err(config.invalid("default_prompt_name", "is the name of no prompt")),
    }
}

/// The MultiVectorMask module's skiplist.
pub(super) fn with_mask(reading: &mut Reading<'_>, mut text: TextConfig) -> Result<TextConfig> {
    let modules = reading.files.modules()?;
    let masks: Vec<&Module> =
        modules.iter().filter(|module| module.kind == ModuleKind::MultiVectorMask).collect();
    let &[module] = masks.as_slice() else {
        return match masks.is_empty() {
            true => Ok(text),
            false => Err(Error::Unsupported {
                file: MODULES.to_owned(),
                field: "type".to_owned(),
                value: "MultiVectorMask".to_owned(),
                hint: "one such module is",
            }),
        };
    };
    let name = module.path_of("config.json");
    let Some(mask) = reading.files.fields(&name)? else {
        return Ok(text);
    };
    mask.warn_of_unknown(MASK_FIELDS, &mut reading.warnings);
    if mask.value("keep_only_token_ids").is_some() {
        return Err(mask.unsupported("keep_only_token_ids", "a list", "null is"));
    }
    let tasks = mask.words("skiplist_tasks")?.unwrap_or_else(|| vec!["document".to_owned()]);
    text.skiplist_words = mask.strings("skiplist_words")?.unwrap_or_default();
    text.skiplist_queries = tasks.iter().any(|task| task == "query");
    text.skiplist_documents = tasks.iter().any(|task| task == "document");
    Ok(text)
}
