//! Which layout does the folder have?

use super::text::PYLATE_FIELDS;
use crate::error::{Error, Result};
use crate::model::checkpoint::{
    ARTIFACT, CheckpointFiles, Fields, MODULES, PROCESSOR, SENTENCE_TRANSFORMERS,
};

/// Which layout the folder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// No late-interaction head: the last hidden states of all tokens, L2-normalised.
    Plain,
    PyLate,
    /// `HF_ColBERT` with `artifact.metadata`.
    Stanford,
    /// sentence-transformers 6 with a MultiVectorMask module, or with the module of ColNanoVDR that weighs tokens.
    SentenceTransformers,
    /// A model that compares queries with pages, as transformers' class for retrieval or colpali-engine saves it.
    Visual,
    /// No embeddings: a pair's hidden states make a score. sentence-transformers' `CrossEncoder`, or a class of transformers with
    /// a head for sequences.
    CrossEncoder,
}

impl Layout {
    /// By the architecture, then by the class that `model_type` of `config_sentence_transformers.json` names; where it names
    /// none, by the modules and the fields that only PyLate writes.
    pub(super) fn of(files: &CheckpointFiles) -> Result<Self> {
        if files.is_stanford()? {
            return Ok(Layout::Stanford);
        }
        if files.is_cross_encoder()? {
            return Ok(Layout::CrossEncoder);
        }
        if files.visual()?.is_some() {
            return Ok(Layout::Visual);
        }
        let config = files.fields(SENTENCE_TRANSFORMERS)?;
        let class = config.as_ref().map_or(Ok(None), |config| config.string("model_type"))?;
        let pylate_field = config.as_ref().is_some_and(has_pylate_field);
        let head = pylate_field || matches!(class, Some("ColBERT" | "MultiVectorEncoder"));
        if head && files.get(MODULES).is_none() {
            let hint = ", though config_sentence_transformers.json is that of a model with a late-interaction head";
            return Err(Error::MissingFile { name: MODULES.to_owned(), hint });
        }
        if class == Some("CrossEncoder") {
            // Where there are modules, or its class has a head, it is one.
            let hint = ", though config_sentence_transformers.json is that of a cross-encoder and config.json names no class with a head";
            return Err(Error::MissingFile { name: MODULES.to_owned(), hint });
        }
        match (class, files.is_multi_vector()?) {
            (Some("ColBERT"), false) => Ok(Layout::PyLate),
            (Some("MultiVectorEncoder"), true) => Ok(Layout::SentenceTransformers),
            (Some("SentenceTransformer") | None, false) => {
                match pylate_field || files.has_pylate_module()? {
                    true => Ok(Layout::PyLate),
                    false => Ok(Layout::Plain),
                }
            }
            (class, multi_vector) => Err(Error::Unsupported {
                file: SENTENCE_TRANSFORMERS.to_owned(),
                field: "model_type".to_owned(),
                value: class.unwrap_or("(none)").to_owned(),
                hint: match multi_vector {
                    true => "with a MultiVectorMask module, MultiVectorEncoder is",
                    false => {
                        "ColBERT, CrossEncoder and SentenceTransformer are, and MultiVectorEncoder with a MultiVectorMask module"
                    }
                },
            }),
        }
    }
}

impl Layout {
    /// The file that names the markers of queries and of documents, and the fields.
    pub(crate) fn marker_fields(self) -> (&'static str, [&'static str; 2]) {
        match self {
            Layout::Stanford => (ARTIFACT, ["query_token_id", "doc_token_id"]),
            Layout::Visual => (PROCESSOR, ["query_prefix", "visual_prompt_prefix"]),
            Layout::Plain
            | Layout::PyLate
            | Layout::SentenceTransformers
            | Layout::CrossEncoder => (SENTENCE_TRANSFORMERS, ["query_prefix", "document_prefix"]),
        }
    }
}

fn has_pylate_field(config: &Fields<'_>) -> bool {
    PYLATE_FIELDS.iter().any(|field| config.has(field))
}
