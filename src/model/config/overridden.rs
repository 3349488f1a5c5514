//! Settings in place of a checkpoint's own: what do they make of its text side?

use super::{Layout, QueryExpansion, Strategy, TextConfig};
use crate::error::{Error, Result};
use crate::model::checkpoint::CheckpointFiles;
use crate::model::overrides::Overrides;

/// The settings in force, and whom to blame for one that does not go with the checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overridden {
    /// The caller's, and a bundle's own where the caller says nothing.
    pub values: Overrides,
    asked: Overrides,
}

impl Overridden {
    pub(super) fn new(files: &CheckpointFiles, asked: &Overrides) -> Self {
        let own = files.manifest().map(|manifest| manifest.overrides.clone()).unwrap_or_default();
        Self { values: asked.clone().over(own), asked: asked.clone() }
    }

    /// The error for a setting that does not go with the checkpoint.
    pub(crate) fn refused(&self, option: &'static str, reason: &str) -> Error {
        match self.asked.sets(option) {
            true => Error::Override { option, reason: reason.to_owned() },
            false => Error::BundleManifest {
                field: format!("overrides.{option}"),
                reason: reason.to_owned(),
            },
        }
    }

    /// The same, where it is this setting that says so and not the checkpoint.
    pub(crate) fn refuse_if_set(&self, option: &'static str, reason: &str) -> Result<()> {
        match self.values.sets(option) {
            true => Err(self.refused(option, reason)),
            false => Ok(()),
        }
    }

    /// Puts the settings into place.
    ///
    /// # Errors
    /// [`Error::Override`], or [`Error::BundleManifest`] for a bundle's own.
    pub(super) fn apply(&self, layout: Layout, text: &mut TextConfig) -> Result<()> {
        if layout == Layout::CrossEncoder {
            return self.apply_to_pairs(text);
        }
        if text.pages.is_some() {
            self.refuse_of_documents()?;
        }
        let values = &self.values;
        let prefixes = [
            (&values.query_prefix, &mut text.query_prefix),
            (&values.document_prefix, &mut text.document_prefix),
        ];
        for (value, prefix) in prefixes {
            if let Some(value) = value {
                prefix.clone_from(value);
            }
        }
        text.query_length = self.length("query_length", values.query_length, text.query_length)?;
        text.document_length =
            self.length("document_length", values.document_length, text.document_length)?;
        self.expand(layout, text)?;
        if let Some(words) = &values.skiplist_words {
            text.skiplist_words.clone_from(words);
            // Where the checkpoint has no skiplist, that of documents, as in both libraries.
            text.skiplist_documents |= !text.skiplist_queries;
        }
        Ok(())
    }

    /// A model of pages reads no texts of documents, and puts tokens of its own behind queries.
    fn refuse_of_documents(&self) -> Result<()> {
        for option in [
            "document_prefix",
            "document_length",
            "do_query_expansion",
            "expansion_length",
            "expansion_token",
            "attend_to_expansion_tokens",
            "skiplist_words",
        ] {
            let reason = "is not for a model whose documents are pages: query_prefix, query_length and truncate_dim are";
            self.refuse_if_set(option, reason)?;
        }
        Ok(())
    }

    /// A cross-encoder takes what stands before its first text, and how long both are together.
    fn apply_to_pairs(&self, text: &mut TextConfig) -> Result<()> {
        for option in [
            "document_prefix",
            "query_length",
            "do_query_expansion",
            "expansion_length",
            "expansion_token",
            "attend_to_expansion_tokens",
            "skiplist_words",
            "truncate_dim",
        ] {
            let reason = "is not for a cross-encoder, which reads query and document as one text and makes no embeddings: query_prefix and document_length, which counts both, are";
            self.refuse_if_set(option, reason)?;
        }
        if let Some(prompt) = &self.values.query_prefix {
            text.query_prefix.clone_from(prompt);
        }
        let length = self.values.document_length;
        text.document_length = self.length("document_length", length, text.document_length)?;
        text.query_length = text.document_length;
        Ok(())
    }

    fn expand(&self, layout: Layout, text: &mut TextConfig) -> Result<()> {
        let values = &self.values;
        if values.do_query_expansion == Some(true) && text.query_expansion.is_none() {
            text.query_expansion = Some(self.new_expansion(layout, text.query_length)?);
        }
        let Some(expansion) = &mut text.query_expansion else {
            return self.refuse_without_expansion();
        };
        if let Some(length) = values.expansion_length {
            expansion.strategy = Strategy::Min;
            expansion.length = self.length("expansion_length", Some(length), length)?;
        } else if expansion.strategy == Strategy::Fixed {
            expansion.length = text.query_length;
        }
        if expansion.length > text.query_length {
            let (length, most) = (expansion.length, text.query_length);
            let reason = format!("is {length}, and a query has at most {most} tokens");
            self.refuse_if_set("expansion_length", &reason)?;
            let reason = format!("is {most}, and queries are filled up to {length} tokens");
            self.refuse_if_set("query_length", &reason)?;
        }
        if let Some(token) = &values.expansion_token {
            expansion.token = Some(token.clone());
        }
        expansion.attend = values.attend_to_expansion_tokens.unwrap_or(expansion.attend);
        Ok(())
    }

    /// PyLate fills queries up to their length; sentence-transformers, whose queries may be as long as a document, wants to
    /// be told.
    fn new_expansion(&self, layout: Layout, query_length: usize) -> Result<QueryExpansion> {
        let told = self.values.query_length.or(self.values.expansion_length);
        let of_libraries = matches!(layout, Layout::Plain | Layout::SentenceTransformers);
        if of_libraries && told.is_none() {
            let reason = "needs a length: this checkpoint says nothing of expansion, so set that of expansion or of queries too";
            return Err(self.refused("do_query_expansion", reason));
        }
        let (strategy, length) = (Strategy::Fixed, query_length);
        Ok(QueryExpansion { strategy, length, token: None, attend: false })
    }

    /// What says how to expand has no meaning where nothing is expanded.
    fn refuse_without_expansion(&self) -> Result<()> {
        let reason = "has no effect: queries are not filled up";
        self.refuse_if_set("expansion_length", reason)?;
        self.refuse_if_set("expansion_token", reason)?;
        match self.values.attend_to_expansion_tokens {
            Some(true) => Err(self.refused("attend_to_expansion_tokens", reason)),
            _ => Ok(()),
        }
    }

    fn length(&self, option: &'static str, set: Option<usize>, own: usize) -> Result<usize> {
        match set {
            Some(0) => Err(self.refused(option, "is 0; a length of at least 1 is needed")),
            set => Ok(set.unwrap_or(own)),
        }
    }
}
