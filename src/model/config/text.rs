//! The text side: markers, lengths, expansion and skiplist.
//!
//! PyLate and Stanford folders are read as PyLate reads them, the others as sentence-transformers does.
//!
//! Sources: `MultiVectorEncoder` and its `Transformer` and `MultiVectorMask` modules in
//! sentence-transformers 6.2, `ColBERT` in PyLate 1.6.

use super::{EncoderConfig, Layout, MAX_LENGTH, TokenizerConfig};
use crate::error::{Error, Result, Warning};
use crate::model::checkpoint::{
    ARTIFACT, CheckpointFiles, Fields, ModuleKind, SENTENCE_TRANSFORMERS,
};

/// Fields by which a `config_sentence_transformers.json` shows that PyLate wrote it.
pub(super) const PYLATE_FIELDS: &[&str] = &[
    "query_prefix",
    "document_prefix",
    "query_length",
    "document_length",
    "do_query_expansion",
    "attend_to_expansion_tokens",
    "skiplist_words",
];

/// Python's `string.punctuation`, the skiplist of ColBERT.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// What `do_lower_case` of `sentence_bert_config.json` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LowerCase {
    No,
    /// The whole text, before special tokens are looked for in it (PyLate).
    Text,
    /// A normalizer in front of the tokenizer's own, unless that lower-cases already
    /// (sentence-transformers 6).
    Normalizer,
}

/// How queries and documents become tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct TextConfig {
    /// Put before a query's text, e.g. `[unused0] `; empty for none.
    pub query_prefix: String,
    pub document_prefix: String,
    /// Whether the prefixes name one token each, which must be in the vocabulary.
    pub prefixes_are_tokens: bool,
    /// Whether white space round a text is taken off before anything else, as PyLate does.
    pub strip: bool,
    pub lower_case: LowerCase,
    /// Most tokens of a query, special tokens included. With expansion: see [`QueryExpansion`].
    pub query_length: usize,
    /// Most tokens of a document, special tokens included.
    pub document_length: usize,
    pub query_expansion: Option<QueryExpansion>,
    /// Tokens (not pieces of text) that yield no embedding.
    pub skiplist_words: Vec<String>,
    pub skiplist_queries: bool,
    pub skiplist_documents: bool,
}

/// Queries shorter than `length` are filled up with a token, whose embeddings are scored like all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryExpansion {
    pub length: usize,
    /// `None`: the tokenizer's mask token.
    pub token: Option<String>,
    /// Whether the encoder attends to the filled-in tokens.
    pub attend: bool,
}

pub(super) fn read(
    files: &CheckpointFiles,
    layout: Layout,
    root: &str,
    encoder: &EncoderConfig,
    tokenizer: &TokenizerConfig,
    warnings: &mut Vec<Warning>,
) -> Result<TextConfig> {
    let own_length = own_length(files, root, encoder, tokenizer)?;
    let mut text = match layout {
        Layout::Plain => plain(own_length),
        Layout::PyLate => pylate(files, warnings)?,
        Layout::Stanford => stanford(files, warnings)?,
        Layout::SentenceTransformers => sentence_transformers(files, root, own_length)?,
    };
    if lower_cases(files, root)? {
        text.lower_case = match layout {
            Layout::PyLate | Layout::Stanford => LowerCase::Text,
            Layout::Plain | Layout::SentenceTransformers => LowerCase::Normalizer,
        };
    }
    for (field, length) in
        [("query_length", text.query_length), ("document_length", text.document_length)]
    {
        if length > encoder.max_length() {
            return Err(Error::InvalidField {
                file: format!("{root}config.json"),
                field: "max_position_embeddings".to_owned(),
                reason: format!("is {}, less than {field} {length}", encoder.max_length()),
            });
        }
    }
    Ok(text)
}

/// The length that the checkpoint's Transformer has without regard to kinds of text:
/// `max_seq_length` outranks the tokenizer's limit, which the table of positions bounds.
fn own_length(
    files: &CheckpointFiles,
    root: &str,
    encoder: &EncoderConfig,
    tokenizer: &TokenizerConfig,
) -> Result<usize> {
    let name = format!("{root}sentence_bert_config.json");
    if let Some(config) = files.fields(&name)?
        && let Some(length) = config.count("max_seq_length", MAX_LENGTH)?
    {
        return Ok(length);
    }
    let positions = encoder.max_length();
    Ok(tokenizer.model_max_length.unwrap_or(positions).min(positions))
}

fn lower_cases(files: &CheckpointFiles, root: &str) -> Result<bool> {
    let name = format!("{root}sentence_bert_config.json");
    let Some(config) = files.fields(&name)? else {
        return Ok(false);
    };
    Ok(config.bool("do_lower_case")?.unwrap_or(false))
}

fn plain(length: usize) -> TextConfig {
    TextConfig {
        query_prefix: String::new(),
        document_prefix: String::new(),
        prefixes_are_tokens: false,
        strip: false,
        lower_case: LowerCase::No,
        query_length: length,
        document_length: length,
        query_expansion: None,
        skiplist_words: Vec::new(),
        skiplist_queries: false,
        skiplist_documents: false,
    }
}

fn pylate(files: &CheckpointFiles, warnings: &mut Vec<Warning>) -> Result<TextConfig> {
    let config = files
        .fields(SENTENCE_TRANSFORMERS)?
        .ok_or_else(|| Error::MissingFile { name: SENTENCE_TRANSFORMERS.to_owned(), hint: "" })?;
    refuse_prompts(&config)?;
    let prefix = |field| config.required(field, config.string(field)?).map(str::to_owned);
    let expand = match config.bool("do_query_expansion")? {
        Some(expand) => expand,
        None => {
            warnings.push(defaulted(SENTENCE_TRANSFORMERS, "do_query_expansion", "true"));
            true
        }
    };
    let skiplist_words = match config.strings("skiplist_words")? {
        Some(words) => words,
        None => {
            warnings.push(defaulted(SENTENCE_TRANSFORMERS, "skiplist_words", "punctuation"));
            punctuation()
        }
    };
    let query_length = match config.count("query_length", MAX_LENGTH)? {
        None if expand => {
            warnings.push(defaulted(SENTENCE_TRANSFORMERS, "query_length", "32"));
            32
        }
        length => config.required("query_length", length)?,
    };
    Ok(TextConfig {
        query_prefix: prefix("query_prefix")?,
        document_prefix: prefix("document_prefix")?,
        prefixes_are_tokens: true,
        strip: true,
        lower_case: LowerCase::No,
        query_length,
        document_length: config
            .required("document_length", config.count("document_length", MAX_LENGTH)?)?,
        query_expansion: expand
            .then(|| -> Result<_> {
                Ok(QueryExpansion {
                    length: query_length,
                    token: None,
                    attend: config.bool("attend_to_expansion_tokens")?.unwrap_or(false),
                })
            })
            .transpose()?,
        skiplist_words,
        skiplist_queries: false,
        skiplist_documents: true,
    })
}

/// PyLate and sentence-transformers apply the prompts of a PyLate folder differently.
fn refuse_prompts(config: &Fields<'_>) -> Result<()> {
    let Some(prompts) = config.object("prompts")? else {
        return Ok(());
    };
    let (query, document) = (prompts.string("query")?, prompts.string("document")?);
    for prompt in [query, document].into_iter().flatten() {
        if !prompt.is_empty() {
            return Err(config.unsupported(
                "prompts",
                prompt,
                "query_prefix and document_prefix are",
            ));
        }
    }
    Ok(())
}

fn stanford(files: &CheckpointFiles, warnings: &mut Vec<Warning>) -> Result<TextConfig> {
    let config = files
        .fields(ARTIFACT)?
        .ok_or_else(|| Error::MissingFile { name: ARTIFACT.to_owned(), hint: "" })?;
    let length = |field| config.required(field, config.count(field, MAX_LENGTH)?);
    // The fields are called ids but hold the tokens' names.
    let marker = |field| -> Result<String> {
        Ok(format!("{} ", config.required(field, config.string(field)?)?))
    };
    let skip = match config.bool("mask_punctuation")? {
        Some(skip) => skip,
        None => {
            warnings.push(defaulted(ARTIFACT, "mask_punctuation", "true"));
            true
        }
    };
    let query_length = length("query_maxlen")?;
    Ok(TextConfig {
        query_prefix: marker("query_token_id")?,
        document_prefix: marker("doc_token_id")?,
        prefixes_are_tokens: true,
        strip: true,
        lower_case: LowerCase::No,
        query_length,
        document_length: length("doc_maxlen")?,
        query_expansion: Some(QueryExpansion {
            length: query_length,
            token: None,
            attend: config.bool("attend_to_mask_tokens")?.unwrap_or(false),
        }),
        skiplist_words: if skip { punctuation() } else { Vec::new() },
        skiplist_queries: false,
        skiplist_documents: true,
    })
}

fn sentence_transformers(
    files: &CheckpointFiles,
    root: &str,
    own_length: usize,
) -> Result<TextConfig> {
    let name = format!("{root}sentence_bert_config.json");
    let config =
        files.fields(&name)?.ok_or_else(|| Error::MissingFile { name: name.clone(), hint: "" })?;
    if let Some(overrides) = config.object("processing_kwargs")?
        && let Some(field) = overrides.names().next()
    {
        return Err(config.unsupported("processing_kwargs", field, "an empty object is"));
    }
    let length = |field| config.count(field, MAX_LENGTH);
    let query_expansion = query_expansion(&config)?;
    let query_length = length("query_length")?;
    let text = TextConfig {
        query_prefix: prompt(files, "query")?,
        document_prefix: prompt(files, "document")?,
        prefixes_are_tokens: false,
        strip: false,
        lower_case: LowerCase::No,
        query_length: match (&query_expansion, query_length) {
            (Some((Strategy::Fixed, expansion)), _) => expansion.length,
            (Some((Strategy::Min, expansion)), Some(length)) => length.max(expansion.length),
            (_, length) => length.unwrap_or(own_length),
        },
        document_length: length("document_length")?.unwrap_or(own_length),
        query_expansion: query_expansion.map(|(_, expansion)| expansion),
        skiplist_words: Vec::new(),
        skiplist_queries: false,
        skiplist_documents: false,
    };
    with_mask(files, text)
}

/// Whether expansion also bounds a query's length.
enum Strategy {
    Fixed,
    Min,
}

fn query_expansion(config: &Fields<'_>) -> Result<Option<(Strategy, QueryExpansion)>> {
    let Some(expansion) = config.object("query_expansion")? else {
        return Ok(None);
    };
    let strategy = match expansion.required("strategy", expansion.string("strategy")?)? {
        "fixed" => Strategy::Fixed,
        "min" => Strategy::Min,
        other => return Err(expansion.unsupported("strategy", other, "fixed and min are")),
    };
    let length = expansion.count("length", MAX_LENGTH)?;
    Ok(Some((
        strategy,
        QueryExpansion {
            length: expansion.required("length", length)?,
            token: expansion.string("token")?.map(str::to_owned),
            attend: expansion.bool("attend")?.unwrap_or(false),
        },
    )))
}

/// The MultiVectorMask module's skiplist.
fn with_mask(files: &CheckpointFiles, mut text: TextConfig) -> Result<TextConfig> {
    for module in files.modules()? {
        if module.kind != ModuleKind::MultiVectorMask {
            continue;
        }
        let name = module.path_of("config.json");
        let Some(mask) = files.fields(&name)? else {
            continue;
        };
        if mask.value("keep_only_token_ids").is_some() {
            return Err(mask.unsupported("keep_only_token_ids", "a list", "null is"));
        }
        let tasks = match mask.value("skiplist_tasks") {
            Some(value) if value.is_string() => {
                mask.string("skiplist_tasks")?.map(|task| vec![task.to_owned()])
            }
            _ => mask.strings("skiplist_tasks")?,
        }
        .unwrap_or_else(|| vec!["document".to_owned()]);
        text.skiplist_words = mask.strings("skiplist_words")?.unwrap_or_default();
        text.skiplist_queries = tasks.iter().any(|task| task == "query");
        text.skiplist_documents = tasks.iter().any(|task| task == "document");
    }
    Ok(text)
}

/// A prompt of `config_sentence_transformers.json`; also refuses another score than the MaxSim sum.
fn prompt(files: &CheckpointFiles, kind: &str) -> Result<String> {
    let Some(config) = files.fields(SENTENCE_TRANSFORMERS)? else {
        return Ok(String::new());
    };
    match config.string("similarity_fn_name")? {
        None | Some("maxsim") => {}
        Some(other) => return Err(config.unsupported("similarity_fn_name", other, "maxsim is")),
    }
    let Some(prompts) = config.object("prompts")? else {
        return Ok(String::new());
    };
    Ok(prompts.string(kind)?.unwrap_or_default().to_owned())
}

fn punctuation() -> Vec<String> {
    PUNCTUATION.chars().map(String::from).collect()
}

fn defaulted(file: &str, field: &str, value: &str) -> Warning {
    Warning {
        code: "SETTING_DEFAULTED",
        message: format!(
            "{file} does not say {field}; the reference libraries take {value}, and so does this"
        ),
    }
}
