//! The text side: markers, lengths, expansion and skiplist.
//!
//! PyLate and Stanford folders are read as PyLate reads them, the others as sentence-transformers does; what the two read
//! differently, or a library of theirs alone, is refused.
//!
//! Sources: `MultiVectorEncoder`, `CrossEncoder` and their `Transformer` and `MultiVectorMask` modules in
//! sentence-transformers 6.2, `ColBERT` in PyLate 1.6.

mod cross_encoder;
mod pylate;
mod sentence_transformers;
mod stanford;
mod visual;

use serde::Serialize;

use super::transformer::TransformerSettings;
use super::{EncoderConfig, Layout, Reading, TokenizerConfig};
use crate::error::{Error, Result};
use crate::model::checkpoint::Fields;

pub(super) use pylate::PYLATE_FIELDS;

/// Python's `string.punctuation`, the skiplist of ColBERT.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// What `do_lower_case` of `sentence_bert_config.json` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum LowerCase {
    No,
    /// The whole text, before special tokens are looked for in it (PyLate).
    Text,
    /// A normalizer in front of the tokenizer's own, unless that lower-cases already
    /// (sentence-transformers 6).
    Normalizer,
}

/// How queries and documents become tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// Of a model whose documents are pages, which reads no texts of documents.
    pub pages: Option<PageQueries>,
}

/// How queries are put to pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PageQueries {
    /// Put behind a query's text, and not cut with it; its tokens yield embeddings like all others. Empty for nothing.
    pub suffix: String,
    /// Stands for a part of a page: no query may spell it out.
    pub image_token: Option<String>,
    /// Tokens that yield no embedding, by their ids.
    pub dropped_ids: Vec<u32>,
    /// Whether what `tokenizer.json` puts round a text is left out.
    pub bare: bool,
}

/// Queries shorter than `length` are filled up with a token, whose embeddings are scored like all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueryExpansion {
    pub strategy: Strategy,
    pub length: usize,
    /// `None`: the tokenizer's mask token.
    pub token: Option<String>,
    /// Whether the encoder attends to the filled-in tokens.
    pub attend: bool,
}

/// Whether expansion also bounds a query's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Strategy {
    /// It does: all queries have `length` tokens.
    Fixed,
    /// A query may have more.
    Min,
}

pub(super) fn read(
    reading: &mut Reading<'_>,
    layout: Layout,
    encoder: &EncoderConfig,
    tokenizer: &TokenizerConfig,
) -> Result<TextConfig> {
    let settings = TransformerSettings::read(reading, layout)?;
    let positions = encoder.max_length();
    let mut text = match layout {
        Layout::PyLate => pylate::read(reading, &settings)?,
        Layout::Stanford => stanford::read(reading, encoder)?,
        Layout::Plain | Layout::SentenceTransformers | Layout::Visual | Layout::CrossEncoder => {
            let own = tokenizer.model_max_length.unwrap_or(positions).min(positions);
            settings.check_max_seq_length(reading, positions)?;
            match layout {
                Layout::CrossEncoder => cross_encoder::read(reading, &settings, own)?,
                Layout::Visual => visual::read(reading, &settings, tokenizer, own)?,
                _ => sentence_transformers::read(reading, layout, &settings, own)?,
            }
        }
    };
    reading.overridden.apply(layout, &mut text)?;
    check_lengths(reading, &text, positions)?;
    Ok(text)
}

/// Whatever file a length came from, it is a length of the table of positions.
fn check_lengths(reading: &Reading<'_>, text: &TextConfig, positions: usize) -> Result<()> {
    let expanded = text.query_expansion.as_ref().map_or(0, |expansion| expansion.length);
    // An expansion of the fixed strategy is as long as the query.
    let set = if expanded == text.query_length { "query_length" } else { "expansion_length" };
    for (field, option, length) in [
        ("query_expansion.length", set, expanded),
        ("query_length", "query_length", text.query_length),
        ("document_length", "document_length", text.document_length),
    ] {
        if length > positions {
            let found = format!("is {length}, and the model has positions for {positions} tokens");
            reading.overridden.refuse_if_set(option, &found)?;
            return Err(Error::InvalidField {
                file: format!("{}config.json", reading.root),
                field: "max_position_embeddings".to_owned(),
                reason: format!("leaves {positions} tokens, less than {field} {length}"),
            });
        }
    }
    Ok(())
}

/// Another score than the sum of the largest similarities, or where a library knows it their `mean`. Names that were meant for one vector a text say nothing here, in
/// either library.
fn refuse_other_scores(config: &Fields<'_>, mean: bool) -> Result<()> {
    match config.string("similarity_fn_name")? {
        None | Some("maxsim" | "MaxSim" | "cosine" | "dot" | "euclidean" | "manhattan") => Ok(()),
        Some("meanmaxsim") if mean => Ok(()),
        Some(other) => {
            let hint = if mean { "maxsim and meanmaxsim are" } else { "maxsim is" };
            Err(config.unsupported("similarity_fn_name", other, hint))
        }
    }
}

fn punctuation() -> Vec<String> {
    PUNCTUATION.chars().map(String::from).collect()
}
