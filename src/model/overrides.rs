//! What may a caller set instead of what the checkpoint's files say?
//!
//! The names are those of PyLate's constructor. sentence-transformers has the same as `prompts`, as `query_length`,
//! `document_length` and `query_expansion` of its Transformer module and as `skiplist_words` of its MultiVectorMask.

use serde::{Deserialize, Serialize};

/// Settings in place of the checkpoint's own; `None` leaves those. A bundle's manifest may hold some, which a load's outrank.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    /// Put before a query's text. A folder of PyLate or Stanford's takes one token of the vocabulary, others any text; empty
    /// for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_prefix: Option<String>,
    /// Put before a document's text, as `query_prefix` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_prefix: Option<String>,
    /// Most tokens of a query, special tokens included; with expansion to the query's length that length too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_length: Option<usize>,
    /// Most tokens of a document, special tokens included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_length: Option<usize>,
    /// Whether queries are filled up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_query_expansion: Option<bool>,
    /// Tokens that queries are filled up to, if not to the query's length: `length` of sentence-transformers' strategy `min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expansion_length: Option<usize>,
    /// What they are filled up with, in place of the mask token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expansion_token: Option<String>,
    /// Whether the encoder attends to the filled-in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attend_to_expansion_tokens: Option<bool>,
    /// Tokens that yield no embedding, of documents where the checkpoint has no skiplist; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skiplist_words: Option<Vec<String>>,
    /// Values of an embedding that are kept, the first ones, before embeddings are made unit vectors. What that costs is the
    /// checkpoint's affair: some are trained for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate_dim: Option<usize>,
}

impl Overrides {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, and `others` where these say nothing.
    pub(crate) fn over(self, others: Self) -> Self {
        Self {
            query_prefix: self.query_prefix.or(others.query_prefix),
            document_prefix: self.document_prefix.or(others.document_prefix),
            query_length: self.query_length.or(others.query_length),
            document_length: self.document_length.or(others.document_length),
            do_query_expansion: self.do_query_expansion.or(others.do_query_expansion),
            expansion_length: self.expansion_length.or(others.expansion_length),
            expansion_token: self.expansion_token.or(others.expansion_token),
            attend_to_expansion_tokens: self
                .attend_to_expansion_tokens
                .or(others.attend_to_expansion_tokens),
            skiplist_words: self.skiplist_words.or(others.skiplist_words),
            truncate_dim: self.truncate_dim.or(others.truncate_dim),
        }
    }

    /// Whether the field of this name is set.
    pub(crate) fn sets(&self, option: &str) -> bool {
        serde_json::to_value(self).is_ok_and(|set| set.get(option).is_some())
    }
}
