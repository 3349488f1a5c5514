//! How a caller says that a list is to be ranked: TypeScript's types, made of these.

use serde::Deserialize;
use tsify::Tsify;

use super::options::{Pooling, TokenPoolingSettings, WindowSettings};
use crate::{
    Bm25Options, Codec, DocumentEmbeddings, RerankOptions, StageKind, StageOptions, TokenPooling,
};

#[derive(Tsify, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RerankSettings {
    #[tsify(optional)]
    pub(super) top_k: Option<usize>,
    /// Adds an explanation to each result.
    #[serde(default)]
    pub(super) explain: bool,
    /// Adds the times of the encoder's parts.
    #[serde(default)]
    pub(super) profile: bool,
    #[tsify(optional)]
    windows: Option<WindowSettings>,
    /// In their order; by default the one that the model is made for.
    #[serde(default)]
    pub(super) stages: Vec<StageSettings>,
    /// A score for each document; NaN for one that has none.
    #[tsify(optional, type = "Float64Array")]
    given: Option<Vec<f64>>,
    /// Of the last stage.
    #[tsify(optional)]
    min_score: Option<f64>,
    #[tsify(optional)]
    fuse: Option<Fusion>,
    #[tsify(optional)]
    diversify: Option<f32>,
    /// Adds the embeddings of documents that were encoded, by which they are scored then.
    #[tsify(optional)]
    keep: Option<KeptCodec>,
    /// By default as the checkpoint says.
    #[tsify(optional)]
    token_pooling: Option<TokenPoolingSettings>,
}

impl RerankSettings {
    /// `pooling`: of dense stages that name none.
    pub(super) fn into_options(
        self,
        pooling: crate::Pooling,
        embeddings: DocumentEmbeddings,
    ) -> RerankOptions {
        let RerankSettings {
            top_k,
            explain,
            profile: _,
            windows,
            stages,
            given,
            min_score,
            fuse,
            diversify,
            keep,
            token_pooling,
        } = self;
        let given = given.unwrap_or_default().into_iter();
        RerankOptions {
            top_k,
            explain,
            long_documents: windows.into(),
            stages: stages.into_iter().map(|stage| stage.into_options(pooling)).collect(),
            given: given.map(|score| (!score.is_nan()).then_some(score)).collect(),
            fuse: fuse.map(crate::Fusion::from),
            min_score,
            embeddings,
            keep: keep.map(Codec::from),
            token_pooling: token_pooling.map(TokenPooling::from),
            diversify,
        }
    }
}

/// How embeddings are kept.
#[derive(Tsify, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptCodec {
    F32,
    F16,
    Int8,
    Binary,
}

impl From<KeptCodec> for Codec {
    fn from(codec: KeptCodec) -> Self {
        match codec {
            KeptCodec::F32 => Codec::F32,
            KeptCodec::F16 => Codec::F16,
            KeptCodec::Int8 => Codec::Int8,
            KeptCodec::Binary => Codec::Binary,
        }
    }
}

/// A stage, and how many documents it keeps.
#[derive(Tsify, Deserialize)]
#[serde(tag = "use", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum StageSettings {
    Given {
        #[tsify(optional)]
        keep: Option<usize>,
    },
    Bm25 {
        #[tsify(optional)]
        keep: Option<usize>,
        #[tsify(optional)]
        k1: Option<f32>,
        #[tsify(optional)]
        b: Option<f32>,
        #[tsify(optional)]
        stop_words: Option<Vec<String>>,
    },
    Dense {
        #[tsify(optional)]
        keep: Option<usize>,
        /// By default as the checkpoint says, or the mean.
        #[tsify(optional)]
        pooling: Option<Pooling>,
    },
    Late {
        #[tsify(optional)]
        keep: Option<usize>,
    },
    CrossEncoder {
        #[tsify(optional)]
        keep: Option<usize>,
    },
    Scored {
        #[tsify(optional)]
        keep: Option<usize>,
        /// Of all documents. A tagged stage takes no typed array.
        scores: Vec<f32>,
    },
}

impl StageSettings {
    fn into_options(self, default: crate::Pooling) -> StageOptions {
        let (kind, keep) = match self {
            StageSettings::Given { keep } => (StageKind::Given, keep),
            StageSettings::Bm25 { keep, k1, b, stop_words } => {
                let plain = Bm25Options::default();
                let options = Bm25Options {
                    k1: k1.unwrap_or(plain.k1),
                    b: b.unwrap_or(plain.b),
                    stop_words: stop_words.unwrap_or(plain.stop_words),
                };
                (StageKind::Bm25(options), keep)
            }
            StageSettings::Dense { keep, pooling } => {
                (StageKind::Dense(pooling.map_or(default, crate::Pooling::from)), keep)
            }
            StageSettings::Late { keep } => (StageKind::Late, keep),
            StageSettings::CrossEncoder { keep } => (StageKind::CrossEncoder, keep),
            StageSettings::Scored { keep, scores } => (StageKind::Scored(scores), keep),
        };
        StageOptions { kind, keep }
    }
}

/// How two orders become one.
#[derive(Tsify, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum Fusion {
    ReciprocalRanks {
        #[tsify(optional)]
        k: Option<f32>,
    },
    StandardScores,
}

impl From<Fusion> for crate::Fusion {
    fn from(fusion: Fusion) -> Self {
        match fusion {
            Fusion::ReciprocalRanks { k: None } => crate::Fusion::RECIPROCAL_RANKS,
            Fusion::ReciprocalRanks { k: Some(k) } => crate::Fusion::ReciprocalRanks { k },
            Fusion::StandardScores => crate::Fusion::StandardScores,
        }
    }
}
