//! How does JavaScript call this? The only module that knows of wasm-bindgen.
//!
//! Bulk data crosses as flat typed arrays, small objects through serde. Errors are JavaScript `Error`s
//! with the stable `code` of [`Error::code`]. The TypeScript of `pkg/` is the only caller.

mod checkpoint;
mod observer;
mod texts;

use js_sys::{Array, Float32Array, Function, Reflect, Uint8Array, Uint32Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

pub use checkpoint::Checkpoint;
use observer::JsObserver;
use texts::JsTexts;

use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::explain::{Explanation, TokenMatch, TokenSpan, Utf16Offsets};
use crate::late_interaction::maxsim::maxsim;
use crate::observer::{Observer, Stage, pause};
use crate::ops::check::{Difference, check};
use crate::ops::profile;
use crate::random::SplitMix64;
use crate::{
    DeviceChoice, Encoded, Error, LoadOptions, Overrides, Pooling, RerankOptions, Reranker,
    SpelledTokens, TextKind, Texts,
};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A file to fetch next, relative to the folder; of a bundle with its size and lower-case hexadecimal hash. */
export interface WantedFile { name: string; optional: boolean; bytes?: number; sha256?: string; }
export interface ConvertSettings {
  dtype: "f32" | "f16" | "q8" | "q4";
  /** Where the checkpoint came from. */
  repository?: string;
  revision?: string;
  license?: string;
}
export interface EngineWarning { code: string; message: string; }
export interface LoadSettings {
  device: "auto" | "cpu" | "webgpu";
  /** Why WebGPU cannot be used, if that is known already. */
  gpuUnavailable?: string;
  /** Most bytes of a buffer that WebGPU reads. */
  gpuBufferLimit?: number;
  /** What becomes of special tokens that texts spell out. */
  specialTokens?: "parse" | "text";
}
/** What a caller may watch, and stop, while a call runs. */
export interface Hooks {
  /** A stage begins; batch after batch passes through them, so that each comes again. */
  stage?(name: "load" | "check" | "tokenize" | "encode" | "score" | "explain" | "convert"): void;
  /** `done` of `total` texts are ranked or encoded, or steps of a conversion done. `false` stops the call with code ABORTED. */
  batch?(done: number, total: number): boolean | Promise<boolean>;
  /** Asked between layers, texts and blocks of a conversion: `false` stops the call. A promise is waited for, a boolean costs nothing. */
  pause?(): boolean | Promise<boolean>;
}
export interface ModelInfo {
  architecture: string;
  lateInteraction: boolean;
  dimension: number;
  normalized: boolean;
  layers: number;
  hiddenSize: number;
  vocabularySize: number;
  queryLength: number;
  documentLength: number;
  queryExpansion: boolean;
  pooling: "mean" | "cls" | null;
  weightBytes: number;
  /** The type of the weights that are multiplied. */
  dtype: "f32" | "f16" | "q8" | "q4";
}
export interface Ranked {
  indices: Uint32Array;
  scores: Float32Array;
  /** Number of the query's embeddings. */
  queryLength: number;
  queryTruncated: boolean;
  /** For each result 1 if its text was cut. */
  truncated: Uint8Array;
  explanations?: Explanation[];
  /** Milliseconds of the encoder's parts, if they were asked for. */
  parts?: EncoderParts;
}
/** Where the encoder's time went on the CPU, in milliseconds; zeros on WebGPU. */
export interface EncoderParts { products: number; attention: number; norms: number; quantize: number; }
/** How far an operation was from its definition, over the largest expected value, and how far it may be. */
export interface OperationDifference { operation: string; shape: string; relative: number; allowed: number; }
export interface Encoded {
  /** Row-major, text after text, cut where batches end. */
  parts: Float32Array[];
  lengths: Uint32Array;
  dimension: number;
  truncated: Uint8Array;
}
/** Offsets count UTF-16 units of the text; null for tokens that the text does not hold. */
export interface TokenSpan { id: number; token: string; start: number | null; end: number | null; }
export interface TokenMatch { query: TokenSpan; document: TokenSpan; similarity: number; share: number; }
export interface Explanation { score: number; queryTruncated: boolean; truncated: boolean; matches: TokenMatch[]; }
export interface Inspection {
  ids: Uint32Array;
  attentionMask: Uint8Array;
  embeddingMask: Uint8Array;
  starts: Uint32Array;
  ends: Uint32Array;
  truncated: boolean;
  hiddenStates: Float32Array[];
  embeddings: Float32Array;
  dimension: number;
}
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "WantedFile[]")]
    pub type JsWantedFiles;
    #[wasm_bindgen(typescript_type = "ConvertSettings")]
    pub type JsConvertSettings;
    #[wasm_bindgen(typescript_type = "string[]")]
    pub type JsTextList;
    #[wasm_bindgen(typescript_type = "LoadSettings")]
    pub type JsLoadSettings;
    #[wasm_bindgen(typescript_type = "{ topK?: number; explain?: boolean; profile?: boolean }")]
    pub type JsRerankOptions;
    #[wasm_bindgen(typescript_type = "Hooks")]
    pub type JsHooks;
    #[wasm_bindgen(typescript_type = "ModelInfo")]
    pub type JsModelInfo;
    #[wasm_bindgen(typescript_type = "EngineWarning[]")]
    pub type JsWarnings;
    #[wasm_bindgen(typescript_type = "Ranked")]
    pub type JsRanked;
    #[wasm_bindgen(typescript_type = "Encoded")]
    pub type JsEncoded;
    #[wasm_bindgen(typescript_type = "Explanation")]
    pub type JsExplanation;
    #[wasm_bindgen(typescript_type = "Inspection")]
    pub type JsInspection;
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Runs once, before any other call.
#[wasm_bindgen(start)]
fn start() {
    // SAFETY: the linker makes this function; it takes nothing and is meant to be called once. Left to
    // itself, the linker calls it in front of every exported function instead, and the compiler crates
    // under Burn register thousands of items in it: that made each small call cost milliseconds.
    unsafe { __wasm_call_ctors() };
    // Until a caller takes panics over, they go to the console.
    console_error_panic_hook::set_once();
}

/// Calls `callback` with the text and place of a panic, and leaves the console alone: a panic's text can
/// quote a user's. The instance is dead afterwards.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(callback: Function) {
    /// The hook wants `Send`; a wasm instance without threads has one thread.
    struct OneThread(Function);
    // SAFETY: this module is built without atomics, so that no other thread can exist in it.
    unsafe impl Send for OneThread {}
    unsafe impl Sync for OneThread {}
    impl OneThread {
        fn call(&self, text: &str) {
            // A callback that throws must not hide the panic; there is nobody else to tell.
            let _ = self.0.call1(&JsValue::NULL, &JsValue::from_str(text));
        }
    }
    let callback = OneThread(callback);
    std::panic::set_hook(Box::new(move |info| callback.call(&info.to_string())));
}

/// Every code that an error of this module can carry.
#[wasm_bindgen(js_name = errorCodes)]
pub fn error_codes() -> Vec<String> {
    Error::CODES.iter().map(|code| (*code).to_owned()).collect()
}

/// Which instructions the CPU's kernels of this module use.
#[wasm_bindgen(unchecked_return_type = "\"simd128\" | \"relaxed\"")]
pub fn simd() -> String {
    if cfg!(feature = "relaxed-simd") { "relaxed" } else { "simd128" }.to_owned()
}

/// Holds every operation of a device against its definition, over random inputs, for tests and bug reports.
#[wasm_bindgen(js_name = checkOperations, unchecked_return_type = "OperationDifference[]")]
pub async fn check_operations(
    #[wasm_bindgen(unchecked_param_type = "\"cpu\" | \"webgpu\"")] device: String,
    seed: u32,
) -> Result<Array, JsValue> {
    let device = match word("device", &device, &[("cpu", false), ("webgpu", true)])? {
        true => crate::device::webgpu().await.map_err(throw)?,
        false => crate::device::cpu(),
    };
    let differences = check(&device, u64::from(seed))
        .await
        .map_err(|reason| throw(Error::DeviceLost { reason }))?;
    let to_js = |difference: Difference| {
        let object = js_sys::Object::new();
        set(&object, "operation", difference.operation);
        set(&object, "shape", difference.shape);
        set(&object, "relative", difference.relative);
        set(&object, "allowed", difference.allowed);
        JsValue::from(object)
    };
    Ok(differences.into_iter().map(to_js).collect())
}

/// Milliseconds of MaxSim alone, on the CPU, of each repetition: a query against documents of one length, whose numbers
/// look random and are always the same.
#[wasm_bindgen(js_name = timeMaxsim)]
pub fn time_maxsim(
    query_rows: usize,
    documents: usize,
    document_rows: usize,
    dimension: usize,
    repetitions: usize,
) -> Vec<f64> {
    let mut random = SplitMix64(1);
    let mut rows = |count: usize| -> Vec<f32> {
        let one = |bits: u64| (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        (0..count * dimension).map(|_| one(random.next())).collect()
    };
    let query = rows(query_rows);
    let mut texts = TokenEmbeddings::new(dimension);
    (0..documents).for_each(|_| texts.push(&rows(document_rows)));
    let time = |_| {
        let start = now_ms();
        std::hint::black_box(maxsim(&query, &texts));
        now_ms() - start
    };
    (0..repetitions).map(time).collect()
}

/// A loaded model on one device.
#[wasm_bindgen]
pub struct Engine {
    reranker: Reranker,
}

#[wasm_bindgen]
impl Engine {
    /// Loads a complete checkpoint, and takes it.
    pub async fn load(
        checkpoint: Checkpoint,
        options: JsLoadSettings,
        hooks: JsHooks,
    ) -> Result<Engine, JsValue> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Settings {
            device: String,
            gpu_unavailable: Option<String>,
            gpu_buffer_limit: Option<f64>,
            special_tokens: Option<String>,
        }
        let settings: Settings = from_js(options.into())?;
        let devices = [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("webgpu", DeviceChoice::WebGpu),
        ];
        let ways = [("parse", SpelledTokens::Parse), ("text", SpelledTokens::Text)];
        let special_tokens = settings.special_tokens.as_deref().unwrap_or("parse");
        let options = LoadOptions {
            device: word("device", &settings.device, &devices)?,
            gpu_unavailable: settings.gpu_unavailable,
            gpu_buffer_limit: settings.gpu_buffer_limit.map(|bytes| bytes as u64),
            spelled_tokens: word("specialTokens", special_tokens, &ways)?,
            overrides: Overrides::default(),
        };
        let reranker = Reranker::load(checkpoint.files, &options, &mut JsObserver::new(hooks))
            .await
            .map_err(throw)?;
        Ok(Engine { reranker })
    }

    /// `cpu` or `webgpu`.
    #[wasm_bindgen(getter, unchecked_return_type = "\"cpu\" | \"webgpu\"")]
    pub fn device(&self) -> String {
        self.reranker.device().name().to_owned()
    }

    #[wasm_bindgen(getter)]
    pub fn warnings(&self) -> JsWarnings {
        #[derive(Serialize)]
        struct Warning<'a> {
            code: &'a str,
            message: &'a str,
        }
        let warnings: Vec<Warning<'_>> = self
            .reranker
            .warnings()
            .iter()
            .map(|warning| Warning { code: warning.code, message: &warning.message })
            .collect();
        to_js(&warnings).unchecked_into()
    }

    /// What the check at load found wrong with the GPU that `auto` gave up; nothing if it was only slow.
    #[wasm_bindgen(getter, js_name = gpuFault)]
    pub fn gpu_fault(&self) -> Option<String> {
        self.reranker.gpu_fault().map(str::to_owned)
    }

    #[wasm_bindgen(getter)]
    pub fn info(&self) -> JsModelInfo {
        let info = self.reranker.info();
        let object = js_sys::Object::new();
        set(&object, "architecture", info.architecture);
        set(&object, "lateInteraction", info.late_interaction);
        set(&object, "dimension", info.dimension as f64);
        set(&object, "normalized", info.normalized);
        set(&object, "layers", info.layers as f64);
        set(&object, "hiddenSize", info.hidden_size as f64);
        set(&object, "vocabularySize", info.vocabulary_size as f64);
        set(&object, "queryLength", info.query_length as f64);
        set(&object, "documentLength", info.document_length as f64);
        set(&object, "queryExpansion", info.query_expansion);
        set(&object, "pooling", info.pooling.map_or(JsValue::NULL, JsValue::from));
        set(&object, "weightBytes", info.weight_bytes as f64);
        set(&object, "dtype", info.dtype.name());
        object.unchecked_into()
    }

    /// Ranks `documents` against `query`.
    pub async fn rerank(
        &self,
        query: &str,
        documents: JsTextList,
        options: JsRerankOptions,
        hooks: JsHooks,
    ) -> Result<JsRanked, JsValue> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Options {
            top_k: Option<usize>,
            #[serde(default)]
            explain: bool,
            #[serde(default)]
            profile: bool,
        }
        let options: Options = from_js(options.into())?;
        if options.profile {
            profile::start(now_ms);
        }
        let with_profile = options.profile;
        let options = RerankOptions { top_k: options.top_k, explain: options.explain };
        let texts = JsTexts::new(documents);
        let mut observer = JsObserver::new(hooks);
        let output = self.reranker.rerank(query, &texts, options, &mut observer).await;
        let parts = profile::stop();
        let output = output.map_err(throw)?;
        let indices: Vec<u32> = output.results.iter().map(|r| r.index as u32).collect();
        let scores: Vec<f32> = output.results.iter().map(|r| r.score).collect();
        let object = js_sys::Object::new();
        set(&object, "queryLength", output.query_length as f64);
        set(&object, "queryTruncated", output.query_truncated);
        set(&object, "truncated", bytes(&output.truncated));
        if options.explain {
            observer.stage(Stage::Explain);
            let explanations = Array::new();
            for (explanation, &index) in output.explanations.iter().zip(&indices) {
                pause(&mut observer).await.map_err(throw)?;
                let document = texts.text(index as usize);
                explanations.push(&explanation_to_js(explanation, query, &document));
            }
            set(&object, "explanations", explanations);
        }
        if with_profile {
            let named = js_sys::Object::new();
            for (name, time) in ["products", "attention", "norms", "quantize"].iter().zip(parts) {
                set(&named, name, time);
            }
            set(&object, "parts", named);
        }
        set(&object, "indices", Uint32Array::from(indices.as_slice()));
        set(&object, "scores", Float32Array::from(scores.as_slice()));
        Ok(object.unchecked_into())
    }

    /// Embeddings of texts of one kind.
    pub async fn encode(
        &self,
        #[wasm_bindgen(unchecked_param_type = "\"query\" | \"document\"")] kind: String,
        texts: JsTextList,
        #[wasm_bindgen(
            unchecked_param_type = "{ pooling: \"none\" | \"mean\" | \"cls\" | \"checkpoint\" }"
        )]
        options: JsValue,
        hooks: JsHooks,
    ) -> Result<JsEncoded, JsValue> {
        #[derive(Deserialize)]
        struct Options {
            pooling: String,
        }
        let options: Options = from_js(options)?;
        let pooling = Pooling::from_name(&options.pooling).unwrap_or_default();
        let (parts, mut lengths, mut truncated) = (Array::new(), Vec::new(), Vec::new());
        let take = |encoded: Encoded| {
            parts.push(&Float32Array::from(encoded.embeddings.values()));
            lengths.extend(encoded.embeddings.lengths().iter().map(|&length| length as u32));
            truncated.extend(encoded.truncated);
            Ok(())
        };
        let (kind, texts) = (text_kind(&kind)?, JsTexts::new(texts));
        let mut observer = JsObserver::new(hooks);
        self.reranker
            .encode_each(kind, &texts, pooling, &mut observer, take)
            .await
            .map_err(throw)?;
        let object = js_sys::Object::new();
        set(&object, "parts", parts);
        set(&object, "lengths", Uint32Array::from(lengths.as_slice()));
        set(&object, "dimension", self.reranker.width(pooling) as f64);
        set(&object, "truncated", bytes(&truncated));
        Ok(object.unchecked_into())
    }

    /// Token matches of one document.
    pub async fn explain(
        &self,
        query: &str,
        document: &str,
        hooks: JsHooks,
    ) -> Result<JsExplanation, JsValue> {
        let explanation = self
            .reranker
            .explain(query, document, &mut JsObserver::new(hooks))
            .await
            .map_err(throw)?;
        Ok(explanation_to_js(&explanation, query, document).unchecked_into())
    }

    /// Every stage of one text, for tests and bug reports.
    pub async fn inspect(
        &self,
        #[wasm_bindgen(unchecked_param_type = "\"query\" | \"document\"")] kind: String,
        text: &str,
    ) -> Result<JsInspection, JsValue> {
        let inspection = self.reranker.inspect(text_kind(&kind)?, text).await.map_err(throw)?;
        let tokens = &inspection.tokens;
        let offsets = Utf16Offsets::new(text);
        let ends = |end: bool| -> Vec<u32> {
            let side = |range: &Option<(usize, usize)>| {
                range.map_or(0, |(from, to)| offsets.at(if end { to } else { from }))
            };
            tokens.offsets.iter().map(side).collect()
        };
        let states: Array = inspection
            .hidden_states
            .iter()
            .map(|state| JsValue::from(Float32Array::from(state.as_slice())))
            .collect();
        let object = js_sys::Object::new();
        set(&object, "ids", Uint32Array::from(tokens.ids.as_slice()));
        set(&object, "attentionMask", bytes(&tokens.attention_mask));
        set(&object, "embeddingMask", bytes(&tokens.embedding_mask));
        set(&object, "starts", Uint32Array::from(ends(false).as_slice()));
        set(&object, "ends", Uint32Array::from(ends(true).as_slice()));
        set(&object, "truncated", tokens.truncated);
        set(&object, "hiddenStates", states);
        set(&object, "embeddings", Float32Array::from(inspection.embeddings.values()));
        set(&object, "dimension", inspection.embeddings.dimension() as f64);
        Ok(object.unchecked_into())
    }
}

fn now_ms() -> f64 {
    let worker = js_sys::global().unchecked_into::<web_sys::WorkerGlobalScope>();
    worker.performance().map_or_else(js_sys::Date::now, |performance| performance.now())
}

fn text_kind(kind: &str) -> Result<TextKind, JsValue> {
    word("kind", kind, &[("query", TextKind::Query), ("document", TextKind::Document)])
}

/// What a word of those that an argument takes stands for.
fn word<T: Copy>(name: &str, given: &str, words: &[(&str, T)]) -> Result<T, JsValue> {
    let found = words.iter().find(|(word, _)| *word == given);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        invalid_input(&format!("{name} {given:?} is none of {}", words.join(", ")))
    })
}

fn explanation_to_js(explanation: &Explanation, query: &str, document: &str) -> JsValue {
    // A text can be far longer than what is kept of it.
    let offsets = |text: &str, span: fn(&TokenMatch) -> &TokenSpan| {
        let ends = explanation.matches.iter().filter_map(|found| Some(span(found).range?.1));
        Utf16Offsets::new(&text[..text.ceil_char_boundary(ends.max().unwrap_or(0))])
    };
    let query = &offsets(query, |found| &found.query);
    let document = &offsets(document, |found| &found.document);
    let matches: Array = explanation
        .matches
        .iter()
        .map(|found| {
            let object = js_sys::Object::new();
            set(&object, "query", span_to_js(&found.query, query));
            set(&object, "document", span_to_js(&found.document, document));
            set(&object, "similarity", f64::from(found.similarity));
            set(&object, "share", f64::from(found.share));
            JsValue::from(object)
        })
        .collect();
    let object = js_sys::Object::new();
    set(&object, "score", f64::from(explanation.score));
    set(&object, "queryTruncated", explanation.query_truncated);
    set(&object, "truncated", explanation.truncated);
    set(&object, "matches", matches);
    object.into()
}

fn span_to_js(span: &TokenSpan, offsets: &Utf16Offsets) -> JsValue {
    let at = |byte: Option<usize>| byte.map_or(JsValue::NULL, |byte| offsets.at(byte).into());
    let object = js_sys::Object::new();
    set(&object, "id", span.id);
    set(&object, "token", span.token.as_str());
    set(&object, "start", at(span.range.map(|range| range.0)));
    set(&object, "end", at(span.range.map(|range| range.1)));
    object.into()
}

fn bytes(flags: &[bool]) -> Uint8Array {
    let flags: Vec<u8> = flags.iter().map(|&flag| u8::from(flag)).collect();
    Uint8Array::from(flags.as_slice())
}

fn set(object: &js_sys::Object, name: &str, value: impl Into<JsValue>) {
    Reflect::set(object, &JsValue::from_str(name), &value.into())
        .expect("a fresh plain object takes any property");
}

fn to_js(value: &impl Serialize) -> JsValue {
    serde_wasm_bindgen::to_value(value).expect("plain structs serialize")
}

fn from_js<T: for<'de> Deserialize<'de>>(value: JsValue) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value).map_err(|error| invalid_input(&error.to_string()))
}

fn invalid_input(message: &str) -> JsValue {
    let object = js_sys::Error::new(message);
    set(object.as_ref(), "code", "INVALID_INPUT");
    object.into()
}

/// An error of ours as JavaScript's, with its code.
fn throw(error: Error) -> JsValue {
    let object = js_sys::Error::new(&error.to_string());
    set(object.as_ref(), "code", error.code());
    object.into()
}
