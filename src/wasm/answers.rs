//! What a call gives back: TypeScript's types of answers, made of these.
//!
//! Typed arrays cross as they are. Offsets count UTF-16 units of a text.

use js_sys::{Array, Float32Array, Uint8Array, Uint32Array};
use serde::Serialize;
use serde_wasm_bindgen::preserve;
use tsify::Tsify;
use wasm_bindgen::prelude::*;

use super::options::Dtype;
use crate::late_interaction::codec::file::planes;
use crate::ops::profile::Times;
use crate::{Integrity, ResidualCodec, Rows, TokenPair, TokenSequence, Utf16Offsets};

/// A file to fetch next, relative to the folder; of a bundle with its size and lower-case hexadecimal hash.
#[derive(Tsify, Serialize)]
pub struct WantedFile {
    name: String,
    optional: bool,
    #[tsify(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<f64>,
    #[tsify(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl From<crate::WantedFile> for WantedFile {
    fn from(file: crate::WantedFile) -> Self {
        let crate::WantedFile { name, optional, limit: _, integrity } = file;
        let integrity = integrity.map(|Integrity { bytes, sha256 }| (bytes as f64, sha256));
        let (bytes, sha256) = integrity.unzip();
        Self { name, optional, bytes, sha256 }
    }
}

#[derive(Tsify, Serialize)]
pub struct EngineWarning {
    code: &'static str,
    message: String,
}

impl From<&crate::Warning> for EngineWarning {
    fn from(warning: &crate::Warning) -> Self {
        let crate::Warning { code, message } = warning;
        Self { code, message: message.clone() }
    }
}

/// How products are computed on a GPU.
#[derive(Tsify, Serialize)]
pub struct GpuKernel {
    /// The kernel's name.
    variant: &'static str,
    /// Milliseconds of a layer's products, of 1,024 tokens, by each kernel that was timed, the fastest first; nothing where the name was known.
    trials: Vec<KernelTrial>,
}

#[derive(Tsify, Serialize)]
pub struct KernelTrial {
    variant: &'static str,
    ms: f64,
}

impl From<&crate::GpuKernel> for GpuKernel {
    fn from(kernel: &crate::GpuKernel) -> Self {
        let trial = |&crate::Trial { variant, ms }: &crate::Trial| KernelTrial { variant, ms };
        Self { variant: kernel.variant, trials: kernel.trials.iter().map(trial).collect() }
    }
}

#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct ModelInfo {
    #[tsify(type = "\"lateInteraction\" | \"crossEncoder\"")]
    kind: &'static str,
    architecture: &'static str,
    late_interaction: bool,
    dimension: usize,
    normalized: bool,
    pages_only: bool,
    #[tsify(type = "\"maxsim\" | \"meanmaxsim\"")]
    similarity: &'static str,
    layers: usize,
    hidden_size: usize,
    vocabulary_size: usize,
    query_length: usize,
    document_length: usize,
    query_expansion: bool,
    #[tsify(type = "\"mean\" | \"cls\" | null")]
    pooling: Option<&'static str>,
    activation: Option<&'static str>,
    weight_bytes: usize,
    /// The type of the weights that are multiplied.
    dtype: Dtype,
    embedding_id: String,
    /// Of a model that reads pages.
    #[tsify(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pages: Option<PageSide>,
}

/// What a model says of how it reads pages.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageSide {
    longest_edge: usize,
    tile_size: usize,
    bytes: f64,
}

impl From<crate::PageInfo> for PageSide {
    fn from(crate::PageInfo { longest_edge, tile_size, bytes }: crate::PageInfo) -> Self {
        Self { longest_edge, tile_size, bytes: bytes as f64 }
    }
}

impl From<&crate::ModelInfo> for ModelInfo {
    fn from(info: &crate::ModelInfo) -> Self {
        let crate::ModelInfo {
            kind,
            architecture,
            late_interaction,
            dimension,
            normalized,
            pages_only,
            similarity,
            layers,
            hidden_size,
            vocabulary_size,
            query_length,
            document_length,
            query_expansion,
            pooling,
            activation,
            weight_bytes,
            dtype,
            embedding_id,
        } = info.clone();
        Self {
            kind: kind.name(),
            architecture,
            late_interaction,
            dimension,
            normalized,
            pages_only,
            similarity: similarity.name(),
            layers,
            hidden_size,
            vocabulary_size,
            query_length,
            document_length,
            query_expansion,
            pooling,
            activation,
            weight_bytes,
            dtype: dtype.into(),
            embedding_id,
            pages: None,
        }
    }
}

#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ranked {
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    pub(super) indices: Uint32Array,
    /// How many of the results the last stage has scored: the first ones. There was no time for the others.
    pub(super) scored: usize,
    /// How many documents there was no time for, before any was cut.
    pub(super) unscored: usize,
    /// For each result those of all stages, in their order; NaN, and rank 0, of one that had no time for it.
    #[tsify(type = "Float32Array")]
    #[serde(with = "preserve")]
    pub(super) scores: Float32Array,
    /// As the scores.
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    pub(super) ranks: Uint32Array,
    /// If they were asked for; `undefined` else.
    #[tsify(optional, type = "Float32Array")]
    #[serde(with = "preserve", skip_serializing_if = "JsValue::is_undefined")]
    pub(super) fused: JsValue,
    /// For each result the place where its text came first; its own where it came once.
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    pub(super) same_as: Uint32Array,
    /// The most that the last stage's scores can be, at either side of zero, if that is known.
    #[tsify(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bound: Option<f32>,
    pub(super) query_truncated: bool,
    /// For each result 1 if its text was cut.
    #[tsify(type = "Uint8Array")]
    #[serde(with = "preserve")]
    pub(super) truncated: Uint8Array,
    /// Of the results that are scored, if they were asked for and there was time; `undefined` else, or none.
    #[tsify(optional, type = "Explanation[]")]
    #[serde(with = "preserve", skip_serializing_if = "JsValue::is_undefined")]
    pub(super) explanations: JsValue,
    /// Of the documents that were encoded, if that was asked for.
    #[tsify(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kept: Option<KeptVectors>,
    /// Of what came in.
    pub(super) warnings: Vec<EngineWarning>,
    /// Of all that was encoded.
    pub(super) cost: Cost,
    /// If they were asked for.
    #[tsify(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parts: Option<EncoderParts>,
}

/// What encoding takes: tokens, and pairs of those that attend to each other.
#[derive(Tsify, Serialize)]
pub struct Cost {
    tokens: f64,
    pairs: f64,
}

impl From<crate::Cost> for Cost {
    fn from(crate::Cost { tokens, pairs }: crate::Cost) -> Self {
        Self { tokens: tokens as f64, pairs: pairs as f64 }
    }
}

/// Embeddings of documents as they were scored: rows of one document after the other.
#[derive(Tsify, Serialize)]
pub struct KeptVectors {
    #[tsify(type = "\"f32\" | \"f16\" | \"int8\" | \"binary\"")]
    codec: &'static str,
    dimension: usize,
    /// Rows of each document.
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    lengths: Uint32Array,
    /// Which of the call's documents each is.
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    places: Uint32Array,
    /// Little-endian.
    #[tsify(type = "Uint8Array")]
    #[serde(with = "preserve")]
    codes: Uint8Array,
    /// Of `int8`; `undefined` else.
    #[tsify(optional, type = "Float32Array")]
    #[serde(with = "preserve", skip_serializing_if = "JsValue::is_undefined")]
    scales: JsValue,
    /// For each document 1 if its text was cut.
    #[tsify(type = "Uint8Array")]
    #[serde(with = "preserve")]
    truncated: Uint8Array,
}

impl From<&crate::Kept> for KeptVectors {
    fn from(kept: &crate::Kept) -> Self {
        let crate::Kept { indices, truncated, embeddings } = kept;
        let scales = match embeddings.rows() {
            Rows::Int8 { scales, .. } => Float32Array::from(scales.as_slice()).into(),
            _ => JsValue::UNDEFINED,
        };
        Self {
            codec: embeddings.codec().name(),
            dimension: embeddings.dimension(),
            lengths: sizes(embeddings.lengths().iter().copied()),
            places: sizes(indices.iter().copied()),
            codes: Uint8Array::from(planes(embeddings.rows().view())[0].as_slice()),
            scales,
            truncated: bytes(truncated),
        }
    }
}

/// What a residual codec's file says.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CodecInfo {
    id: String,
    dimension: usize,
    nbits: usize,
    /// The model whose embeddings it was made of.
    #[tsify(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_id: Option<String>,
}

impl From<&ResidualCodec> for CodecInfo {
    fn from(codec: &ResidualCodec) -> Self {
        Self {
            id: codec.id().to_owned(),
            dimension: codec.dimension(),
            nbits: codec.nbits(),
            embedding_id: codec.parts().embedding_id.clone(),
        }
    }
}

/// Where the encoder's time went on the CPU, in milliseconds; zeros on WebGPU.
#[derive(Tsify, Serialize)]
pub struct EncoderParts {
    products: f64,
    attention: f64,
    norms: f64,
    quantize: f64,
}

impl From<Times> for EncoderParts {
    fn from([products, attention, norms, quantize]: Times) -> Self {
        Self { products, attention, norms, quantize }
    }
}

#[derive(Tsify, Serialize)]
pub struct Encoded {
    /// Row-major, text after text, cut where batches end.
    #[tsify(type = "Float32Array[]")]
    #[serde(with = "preserve")]
    pub(super) parts: Array,
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    pub(super) lengths: Uint32Array,
    pub(super) dimension: usize,
    /// For each text 1 if it was cut.
    #[tsify(type = "Uint8Array")]
    #[serde(with = "preserve")]
    pub(super) truncated: Uint8Array,
}

/// Null for a token that the text does not hold.
#[derive(Tsify, Serialize)]
#[tsify(missing_as_null)]
pub struct TokenSpan {
    id: Option<u32>,
    token: String,
    start: Option<u32>,
    end: Option<u32>,
    /// Place of its embedding among the text's, from 0.
    row: usize,
}

impl TokenSpan {
    fn new(span: &crate::TokenSpan, offsets: &Utf16Offsets) -> Self {
        let crate::TokenSpan { id, token, range, row } = span;
        let (start, end) = range.map(|(start, end)| (offsets.at(start), offsets.at(end))).unzip();
        Self { id: *id, token: token.clone(), start, end, row: *row }
    }
}

#[derive(Tsify, Serialize)]
pub struct TokenMatch {
    query: TokenSpan,
    document: TokenSpan,
    similarity: f32,
    share: f32,
}

#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct Explanation {
    score: f32,
    query_truncated: bool,
    truncated: bool,
    matches: Vec<TokenMatch>,
}

impl Explanation {
    pub(super) fn new(explanation: &crate::Explanation, query: &str, document: &str) -> Self {
        let crate::Explanation { score, query_truncated, truncated, matches } = explanation;
        // A text can be far longer than what is kept of it.
        let offsets = |text: &str, span: fn(&crate::TokenMatch) -> &crate::TokenSpan| {
            let ends = matches.iter().filter_map(|found| Some(span(found).range?.1));
            Utf16Offsets::new(&text[..text.ceil_char_boundary(ends.max().unwrap_or(0))])
        };
        let in_query = offsets(query, |found| &found.query);
        let in_document = offsets(document, |found| &found.document);
        let to_match = |found: &crate::TokenMatch| {
            let crate::TokenMatch { query, document, similarity, share } = found;
            TokenMatch {
                query: TokenSpan::new(query, &in_query),
                document: TokenSpan::new(document, &in_document),
                similarity: *similarity,
                share: *share,
            }
        };
        Self {
            score: *score,
            query_truncated: *query_truncated,
            truncated: *truncated,
            matches: matches.iter().map(to_match).collect(),
        }
    }
}

/// Every stage of one text.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    ids: Uint32Array,
    #[tsify(type = "Uint8Array")]
    #[serde(with = "preserve")]
    attention_mask: Uint8Array,
    #[tsify(type = "Uint8Array")]
    #[serde(with = "preserve")]
    embedding_mask: Uint8Array,
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    starts: Uint32Array,
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    ends: Uint32Array,
    truncated: bool,
    /// Of each layer.
    #[tsify(type = "Float32Array[]")]
    #[serde(with = "preserve")]
    hidden_states: Array,
    #[tsify(type = "Float32Array")]
    #[serde(with = "preserve")]
    embeddings: Float32Array,
    dimension: usize,
}

impl Inspection {
    pub(super) fn new(inspection: &crate::Inspection, text: &str) -> Self {
        let crate::Inspection { tokens, hidden_states, embeddings } = inspection;
        let TokenSequence { ids, attention_mask, embedding_mask, offsets, truncated } = tokens;
        let utf16 = Utf16Offsets::new(text);
        let places = |end: bool| -> Vec<u32> {
            let place = |range: &Option<(usize, usize)>| {
                range.map_or(0, |(from, to)| utf16.at(if end { to } else { from }))
            };
            offsets.iter().map(place).collect()
        };
        Self {
            ids: Uint32Array::from(ids.as_slice()),
            attention_mask: bytes(attention_mask),
            embedding_mask: bytes(embedding_mask),
            starts: Uint32Array::from(places(false).as_slice()),
            ends: Uint32Array::from(places(true).as_slice()),
            truncated: *truncated,
            hidden_states: hidden_states.iter().map(|s| Float32Array::from(s.as_slice())).collect(),
            embeddings: Float32Array::from(embeddings.values()),
            dimension: embeddings.dimension(),
        }
    }
}

/// Every stage of a query and a document that are read as one text.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PairInspection {
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    ids: Uint32Array,
    /// Which text each token is of, as the encoder is told it.
    #[tsify(type = "Uint32Array")]
    #[serde(with = "preserve")]
    types: Uint32Array,
    query_truncated: bool,
    truncated: bool,
    /// What the head gives, of which the score is made.
    logit: f32,
    score: f32,
}

impl From<crate::PairInspection> for PairInspection {
    fn from(inspection: crate::PairInspection) -> Self {
        let crate::PairInspection { tokens, logit, score } = inspection;
        let TokenPair { ids, types, query_truncated, truncated } = tokens;
        let types: Vec<u32> = types.into_iter().map(|kind| kind as u32).collect();
        Self {
            ids: Uint32Array::from(ids.as_slice()),
            types: Uint32Array::from(types.as_slice()),
            query_truncated,
            truncated,
            logit,
            score,
        }
    }
}

/// In 32 bits, which hold the lengths and places of whatever crosses.
pub(super) fn sizes(numbers: impl IntoIterator<Item = usize>) -> Uint32Array {
    let numbers: Vec<u32> = numbers.into_iter().map(|number| number as u32).collect();
    Uint32Array::from(numbers.as_slice())
}

/// 1 for true.
pub(super) fn bytes(flags: &[bool]) -> Uint8Array {
    let flags: Vec<u8> = flags.iter().map(|&flag| u8::from(flag)).collect();
    Uint8Array::from(flags.as_slice())
}
