//! What a caller says: TypeScript's types of options, made of these.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use tsify::Tsify;

use crate::{
    Bm25Options, ConvertOptions, DeviceKind, LoadOptions, LongDocuments, RerankOptions, Source,
    SpelledTokens, StageKind, StageOptions, TextKind,
};

/// Where a model is to run.
#[derive(Tsify, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    Auto,
    Cpu,
    WebGpu,
}

/// Where a model runs.
#[derive(Tsify, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    Cpu,
    WebGpu,
}

impl From<Device> for DeviceKind {
    fn from(device: Device) -> Self {
        match device {
            Device::Cpu => DeviceKind::Cpu,
            Device::WebGpu => DeviceKind::WebGpu,
        }
    }
}

impl From<DeviceKind> for Device {
    fn from(kind: DeviceKind) -> Self {
        match kind {
            DeviceKind::Cpu => Device::Cpu,
            DeviceKind::WebGpu => Device::WebGpu,
        }
    }
}

/// How weights are stored.
#[derive(Tsify, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    F32,
    F16,
    Q8,
    Q4,
}

impl From<crate::Dtype> for Dtype {
    fn from(dtype: crate::Dtype) -> Self {
        match dtype {
            crate::Dtype::F32 => Dtype::F32,
            crate::Dtype::F16 => Dtype::F16,
            crate::Dtype::Q8 => Dtype::Q8,
            crate::Dtype::Q4 => Dtype::Q4,
        }
    }
}

impl From<Dtype> for crate::Dtype {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => crate::Dtype::F32,
            Dtype::F16 => crate::Dtype::F16,
            Dtype::Q8 => crate::Dtype::Q8,
            Dtype::Q4 => crate::Dtype::Q4,
        }
    }
}

/// Instructions of the CPU's kernels.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Simd {
    Simd128,
    Relaxed,
}

/// What becomes of special tokens that texts spell out.
#[derive(Tsify, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum SpecialTokens {
    #[default]
    Parse,
    Text,
}

/// A kind of text.
#[derive(Tsify, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Query,
    Document,
}

impl From<Kind> for TextKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Query => TextKind::Query,
            Kind::Document => TextKind::Document,
        }
    }
}

/// What becomes of a text's token vectors.
#[derive(Tsify, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    None,
    Mean,
    Cls,
    Checkpoint,
}

impl From<Pooling> for crate::Pooling {
    fn from(pooling: Pooling) -> Self {
        match pooling {
            Pooling::None => crate::Pooling::None,
            Pooling::Mean => crate::Pooling::Mean,
            Pooling::Cls => crate::Pooling::Cls,
            Pooling::Checkpoint => crate::Pooling::Checkpoint,
        }
    }
}

/// Settings in place of the checkpoint's own.
#[derive(Tsify, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Overrides {
    #[tsify(optional)]
    query_prefix: Option<String>,
    #[tsify(optional)]
    document_prefix: Option<String>,
    #[tsify(optional)]
    query_length: Option<usize>,
    #[tsify(optional)]
    document_length: Option<usize>,
    #[tsify(optional)]
    do_query_expansion: Option<bool>,
    #[tsify(optional)]
    expansion_length: Option<usize>,
    #[tsify(optional)]
    expansion_token: Option<String>,
    #[tsify(optional)]
    attend_to_expansion_tokens: Option<bool>,
    #[tsify(optional)]
    skiplist_words: Option<Vec<String>>,
    #[tsify(optional)]
    truncate_dim: Option<usize>,
}

impl From<Overrides> for crate::Overrides {
    fn from(overrides: Overrides) -> Self {
        let Overrides {
            query_prefix,
            document_prefix,
            query_length,
            document_length,
            do_query_expansion,
            expansion_length,
            expansion_token,
            attend_to_expansion_tokens,
            skiplist_words,
            truncate_dim,
        } = overrides;
        Self {
            query_prefix,
            document_prefix,
            query_length,
            document_length,
            do_query_expansion,
            expansion_length,
            expansion_token,
            attend_to_expansion_tokens,
            skiplist_words,
            truncate_dim,
        }
    }
}

#[derive(Tsify, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadSettings {
    device: DeviceChoice,
    /// Why WebGPU cannot be used, if that is known already.
    #[tsify(optional)]
    gpu_unavailable: Option<String>,
    /// Most bytes of a buffer that WebGPU reads.
    #[tsify(optional)]
    gpu_buffer_limit: Option<f64>,
    #[tsify(optional)]
    special_tokens: Option<SpecialTokens>,
    #[tsify(optional)]
    overrides: Option<Overrides>,
}

impl From<LoadSettings> for LoadOptions {
    fn from(settings: LoadSettings) -> Self {
        let LoadSettings { device, gpu_unavailable, gpu_buffer_limit, special_tokens, overrides } =
            settings;
        LoadOptions {
            device: match device {
                DeviceChoice::Auto => crate::DeviceChoice::Auto,
                DeviceChoice::Cpu => crate::DeviceChoice::Cpu,
                DeviceChoice::WebGpu => crate::DeviceChoice::WebGpu,
            },
            gpu_unavailable,
            gpu_buffer_limit: gpu_buffer_limit.map(|bytes| bytes as u64),
            spelled_tokens: match special_tokens.unwrap_or_default() {
                SpecialTokens::Parse => SpelledTokens::Parse,
                SpecialTokens::Text => SpelledTokens::Text,
            },
            overrides: overrides.unwrap_or_default().into(),
        }
    }
}

#[derive(Tsify, Deserialize)]
pub struct ConvertSettings {
    dtype: Dtype,
    /// Where the checkpoint came from.
    #[tsify(optional)]
    repository: Option<String>,
    #[tsify(optional)]
    revision: Option<String>,
    #[tsify(optional)]
    license: Option<String>,
}

impl From<ConvertSettings> for ConvertOptions {
    fn from(settings: ConvertSettings) -> Self {
        let ConvertSettings { dtype, repository, revision, license } = settings;
        let source = Source { repository, revision, license };
        ConvertOptions { dtype: dtype.into(), source, overrides: crate::Overrides::default() }
    }
}

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
    min_score: Option<f32>,
    #[tsify(optional)]
    fuse: Option<Fusion>,
    #[tsify(optional)]
    diversify: Option<f32>,
}

impl RerankSettings {
    /// `pooling`: of dense stages that name none.
    pub(super) fn into_options(self, pooling: crate::Pooling) -> RerankOptions {
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
            diversify,
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

#[derive(Tsify, Deserialize)]
pub struct EncodeSettings {
    pub(super) pooling: Pooling,
    #[tsify(optional)]
    pub(super) windows: Option<WindowSettings>,
}

#[derive(Tsify, Deserialize)]
pub struct ExplainSettings {
    #[tsify(optional)]
    pub(super) windows: Option<WindowSettings>,
}

/// How long documents are encoded in windows; without this they are cut.
#[derive(Tsify, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowSettings {
    /// Tokens that windows share; an eighth of a window's if it is not there.
    #[tsify(optional)]
    overlap: Option<usize>,
    #[tsify(type = "number")]
    max_windows: NonZeroUsize,
}

impl From<Option<WindowSettings>> for LongDocuments {
    fn from(settings: Option<WindowSettings>) -> Self {
        settings.map_or(LongDocuments::Cut, |WindowSettings { overlap, max_windows }| {
            LongDocuments::Windows { overlap, most: max_windows }
        })
    }
}

/// The name of an option, as JavaScript has it.
pub(super) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}
