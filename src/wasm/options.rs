//! What a caller says: TypeScript's types of options, made of these.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use tsify::Tsify;

use crate::{
    ConvertOptions, DeviceKind, Kernel, LoadOptions, LongDocuments, Source, SpelledTokens,
    TextKind, TokenPooling,
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
    /// The name of the kernel that multiplies on WebGPU; `fastest` to find out which that is; the plain one if it is not there.
    #[tsify(optional)]
    gpu_kernel: Option<String>,
    #[tsify(optional)]
    special_tokens: Option<SpecialTokens>,
    #[tsify(optional)]
    overrides: Option<Overrides>,
    /// Most tokens that the CPU computes together, of several texts; the fastest number by default.
    #[tsify(optional)]
    cpu_batch_tokens: Option<usize>,
}

impl From<LoadSettings> for LoadOptions {
    fn from(settings: LoadSettings) -> Self {
        let LoadSettings {
            device,
            gpu_unavailable,
            gpu_buffer_limit,
            gpu_kernel,
            special_tokens,
            overrides,
            cpu_batch_tokens,
        } = settings;
        LoadOptions {
            device: match device {
                DeviceChoice::Auto => crate::DeviceChoice::Auto,
                DeviceChoice::Cpu => crate::DeviceChoice::Cpu,
                DeviceChoice::WebGpu => crate::DeviceChoice::WebGpu,
            },
            gpu_unavailable,
            gpu_buffer_limit: gpu_buffer_limit.map(|bytes| bytes as u64),
            gpu_kernel: match gpu_kernel {
                None => Kernel::Plain,
                Some(name) if name == "fastest" => Kernel::Fastest,
                Some(name) => Kernel::Named(name),
            },
            spelled_tokens: match special_tokens.unwrap_or_default() {
                SpecialTokens::Parse => SpelledTokens::Parse,
                SpecialTokens::Text => SpelledTokens::Text,
            },
            overrides: overrides.unwrap_or_default().into(),
            cpu_batch_tokens,
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
pub struct EncodeSettings {
    pub(super) pooling: Pooling,
    #[tsify(optional)]
    pub(super) token_pooling: Option<TokenPoolingSettings>,
    #[tsify(optional)]
    pub(super) windows: Option<WindowSettings>,
}

/// How many token embeddings of a document stay.
#[derive(Tsify, Deserialize)]
pub struct TokenPoolingSettings {
    factor: f64,
    #[tsify(optional)]
    protected: Option<usize>,
    #[tsify(optional)]
    normalize: Option<bool>,
}

impl From<TokenPoolingSettings> for TokenPooling {
    fn from(settings: TokenPoolingSettings) -> Self {
        let TokenPoolingSettings { factor, protected, normalize } = settings;
        let plain = TokenPooling::by(factor);
        Self {
            factor,
            protected: protected.unwrap_or(plain.protected),
            normalize: normalize.unwrap_or(plain.normalize),
        }
    }
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
