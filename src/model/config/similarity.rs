//! How do a query's and a document's embeddings become one number? As the folder says, by the names of sentence-transformers.

use serde::Serialize;

use super::{Layout, Reading};
use crate::error::Result;
use crate::model::checkpoint::SENTENCE_TRANSFORMERS;

/// How a query's and a document's embeddings become one number, by the names of sentence-transformers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Similarity {
    /// The sum over the query's embeddings: see [`crate::late_interaction::maxsim`].
    #[default]
    MaxSim,
    /// The mean over them, which does not grow with the query.
    MeanMaxSim,
}

impl Similarity {
    /// By the name that callers use: `maxsim` or `meanmaxsim`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "maxsim" => Some(Similarity::MaxSim),
            "meanmaxsim" => Some(Similarity::MeanMaxSim),
            _ => None,
        }
    }

    /// As callers name it.
    pub fn name(self) -> &'static str {
        match self {
            Similarity::MaxSim => "maxsim",
            Similarity::MeanMaxSim => "meanmaxsim",
        }
    }
}

/// Names that nobody knows are refused where the text side is read, and so is a mean where a library knows none.
pub(super) fn read(reading: &Reading<'_>, layout: Layout) -> Result<Similarity> {
    match layout {
        Layout::SentenceTransformers | Layout::Visual => {}
        Layout::Plain | Layout::PyLate | Layout::Stanford | Layout::CrossEncoder => {
            return Ok(Similarity::MaxSim);
        }
    }
    let config = reading.files.fields(SENTENCE_TRANSFORMERS)?;
    let name = config.as_ref().map_or(Ok(None), |config| config.string("similarity_fn_name"))?;
    Ok(name.and_then(Similarity::from_name).unwrap_or_default())
}
