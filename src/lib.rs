//! Late-interaction reranking: a query and the candidates of a first stage in, the best of them out.
//!
//! | step | question | in → out | where |
//! | --- | --- | --- | --- |
//! | tokenize | Which ids does this text become? | text → [`TokenSequence`] | [`tokenizer`] |
//! | encode | What vector does each token get? | [`TokenBatch`] → hidden states | [`encoder`] |
//! | project | Which vectors are kept, at which width? | hidden states → [`TokenEmbeddings`] | [`colbert`] |
//! | score | How well does a document answer the query? | query + documents → scores | [`maxsim`] |
//! | rank | Which documents win? | scores → [`RerankResult`]s | [`top_k`] |
//! | explain | Which tokens matched? | embeddings → [`Explanation`] | [`explain`] |
//! | quantize | How is a weight stored in fewer bytes? | weights → [`quantize::Matrix`] | [`quantize`] |
//! | pack | In which files does a converted model travel? | tensors → files, and back | [`bundle`] |
//! | load | What do the checkpoint's files say? | bytes → [`ModelConfig`], weights | [`checkpoint`], [`config`] |
//! | convert | How does a checkpoint become smaller? | checkpoint → bundle | [`mod@convert`] |
//! | check | Does the GPU compute what the CPU does? | two devices → a verdict | `device_check` |
//! | cross | How does JavaScript call this? | classes and typed arrays | `wasm` |
//!
//! The library does no input or output and has no clock: bytes in, values out, `async` where a device
//! is read. The command line reads files, JavaScript fetches URLs, and both end in [`Reranker`].

mod batching;
pub mod bundle;
pub mod checkpoint;
pub mod colbert;
pub mod config;
pub mod convert;
mod device;
mod device_check;
pub mod embeddings;
pub mod encoder;
pub mod error;
pub mod explain;
pub mod maxsim;
pub mod observer;
pub mod ops;
pub mod quantize;
mod random;
pub mod reranker;
pub mod token_batch;
pub mod tokenizer;
pub mod top_k;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub use bundle::{BundleFiles, Integrity, Source};
pub use checkpoint::{CheckpointFiles, WantedFile};
pub use colbert::Inspection;
pub use config::ModelConfig;
pub use convert::{ConvertOptions, convert};
pub use device::{DeviceChoice, DeviceKind};
pub use embeddings::TokenEmbeddings;
pub use error::{Error, Result, Warning};
pub use explain::{Explanation, TokenMatch, TokenSpan, Utf16Offsets};
pub use observer::{Observer, Stage, Unobserved};
pub use quantize::Dtype;
pub use reranker::{
    Encoded, LoadOptions, ModelInfo, Pooling, RerankOptions, RerankOutput, Reranker,
};
pub use token_batch::{TextKind, TokenBatch, TokenSequence};
pub use top_k::RerankResult;
