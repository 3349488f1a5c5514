//! Which architecture does a `config.json` name?

use super::Fields;
use crate::error::Result;

/// The architectures that are computed, by their `model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Bert,
    Camembert,
    DistilBert,
    /// Also Jina's own class of XLM-RoBERTa with RoPE, in transformers' words.
    JinaEmbeddingsV3,
    Roberta,
    /// Also Jina's own class of it, which says so by `position_embedding_type`.
    XlmRoberta,
}

impl Architecture {
    /// # Errors
    /// A `model_type` that is missing or none of these.
    pub(crate) fn of(config: &Fields<'_>) -> Result<Self> {
        let model_type = config.string("model_type")?;
        Ok(match config.required("model_type", model_type)? {
            "bert" => Architecture::Bert,
            "camembert" => Architecture::Camembert,
            "distilbert" => Architecture::DistilBert,
            "jina_embeddings_v3" => Architecture::JinaEmbeddingsV3,
            "roberta" => Architecture::Roberta,
            "xlm-roberta" => Architecture::XlmRoberta,
            other => {
                return Err(config.unsupported(
                    "model_type",
                    other,
                    "bert, camembert, distilbert, jina_embeddings_v3, roberta and xlm-roberta are",
                ));
            }
        })
    }

    /// Its `model_type`.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Bert => "bert",
            Architecture::Camembert => "camembert",
            Architecture::DistilBert => "distilbert",
            Architecture::JinaEmbeddingsV3 => "jina_embeddings_v3",
            Architecture::Roberta => "roberta",
            Architecture::XlmRoberta => "xlm-roberta",
        }
    }
}
