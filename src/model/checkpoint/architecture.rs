//! Which architecture does a `config.json` name?

use serde::Serialize;

use super::Fields;
use crate::error::Result;

/// The architectures that are computed, by their `model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Bert(BertArchitecture),
    /// Also Ettin, mmBERT and Granite R2.
    ModernBert,
    /// A language model that reads pages.
    Decoder(DecoderArchitecture),
}

/// BERT and what is built like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum BertArchitecture {
    Bert,
    Camembert,
    DistilBert,
    /// Also Jina's own class of XLM-RoBERTa with RoPE, in transformers' words.
    JinaEmbeddingsV3,
    Roberta,
    /// Also Jina's own class of it, which says so by `position_embedding_type`.
    XlmRoberta,
}

/// The language models that read pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DecoderArchitecture {
    /// PaliGemma's.
    Gemma,
    Qwen2Vl,
}

impl Architecture {
    /// # Errors
    /// A `model_type` that is missing or none of these.
    pub(crate) fn of(config: &Fields<'_>) -> Result<Self> {
        let model_type = config.string("model_type")?;
        Ok(Self::Bert(match config.required("model_type", model_type)? {
            "bert" => BertArchitecture::Bert,
            "camembert" => BertArchitecture::Camembert,
            "distilbert" => BertArchitecture::DistilBert,
            "jina_embeddings_v3" => BertArchitecture::JinaEmbeddingsV3,
            "modernbert" => return Ok(Self::ModernBert),
            "gemma" => return Ok(Self::Decoder(DecoderArchitecture::Gemma)),
            "qwen2_vl" | "qwen2_vl_text" => {
                return Ok(Self::Decoder(DecoderArchitecture::Qwen2Vl));
            }
            "roberta" => BertArchitecture::Roberta,
            "xlm-roberta" => BertArchitecture::XlmRoberta,
            other => {
                return Err(config.unsupported(
                    "model_type",
                    other,
                    "bert, camembert, distilbert, jina_embeddings_v3, modernbert, roberta and xlm-roberta are",
                ));
            }
        }))
    }

    /// Its `model_type`.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Bert(architecture) => architecture.name(),
            Architecture::ModernBert => "modernbert",
            Architecture::Decoder(architecture) => architecture.name(),
        }
    }
}

impl DecoderArchitecture {
    /// Its `model_type`.
    pub fn name(self) -> &'static str {
        match self {
            DecoderArchitecture::Gemma => "gemma",
            DecoderArchitecture::Qwen2Vl => "qwen2_vl_text",
        }
    }
}

impl BertArchitecture {
    /// Its `model_type`.
    pub fn name(self) -> &'static str {
        match self {
            BertArchitecture::Bert => "bert",
            BertArchitecture::Camembert => "camembert",
            BertArchitecture::DistilBert => "distilbert",
            BertArchitecture::JinaEmbeddingsV3 => "jina_embeddings_v3",
            BertArchitecture::Roberta => "roberta",
            BertArchitecture::XlmRoberta => "xlm-roberta",
        }
    }
}
