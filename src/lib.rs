//! Late-interaction reranking: a query and the candidates of a first stage in, the best of them out.
//!
//! | step | question | in → out | where |
//! | --- | --- | --- | --- |
//! | see | Which pixels does a model see of a page? | [`Picture`] → tiles, patches | [`mod@image`] |
//! | tokenize | Which ids does this text become? | text → [`TokenSequence`] | [`text::tokenizer`] |
//! | encode | What vector does each token get? | [`TokenBatch`] → hidden states | [`encoder`] |
//! | project | Which vectors are kept, at which width? | hidden states → [`TokenEmbeddings`] | [`late_interaction::colbert`] |
//! | pool | How does a document keep fewer embeddings? | embeddings → fewer | [`late_interaction::token_pooling`] |
//! | compress | How is a document stored in fewer bytes? | [`TokenEmbeddings`] ↔ [`CompressedEmbeddings`] | [`late_interaction::codec`] |
//! | stream | How do texts pass through a model, batch after batch? | [`Texts`] → batches | [`late_interaction::stream`] |
//! | read together | How well does a document answer the query, read with it? | pairs → scores | [`cross_encoder`] |
//! | score | How well does a document answer the query? | query + documents → scores | [`late_interaction::maxsim`] |
//! | search | Which documents of a whole collection? | query → [`Hit`]s | [`late_interaction::index`] |
//! | rank | Which documents win, after which stages? | scores → [`RerankResult`]s | [`stages`] |
//! | explain | Which tokens matched? | embeddings → [`Explanation`] | [`late_interaction::explain`] |
//! | quantize | How is a weight stored in fewer bytes? | weights → [`model::quantize::Matrix`] | [`model::quantize`] |
//! | pack | In which files does a converted model travel? | tensors → files, and back | [`model::bundle`] |
//! | load | What do the checkpoint's files say? | bytes → [`ModelConfig`], weights | [`model::checkpoint`], [`model::config`] |
//! | convert | How does a checkpoint become smaller? | checkpoint → bundle | [`mod@convert`] |
//! | check | Does the GPU compute what the CPU does? | two devices → a verdict | `device_check` |
//! | cross | How does JavaScript call this? | classes and typed arrays | `wasm` |
//!
//! The library does no input or output and has no clock: bytes in, values out, `async` where a device
//! is read. The command line reads files, JavaScript fetches URLs, and both end in [`Reranker`].

// Raw reads in the inner loops, kernels that are launched unchecked, and what wasm-bindgen makes: nowhere else.
#![deny(unsafe_code)]

mod batching;
pub mod convert;
pub mod cross_encoder;
mod device;
mod device_check;
pub mod encoder;
pub mod error;
pub mod image;
pub mod late_interaction;
pub mod model;
pub mod observer;
pub mod ops;
mod random;
pub mod reranker;
pub mod stages;
pub mod text;
mod text_kind;
#[cfg(all(target_arch = "wasm32", not(tabrank_decoder)))]
#[allow(unsafe_code)]
mod wasm;
// A module that exports this alone holds nothing else: the linker leaves out what nobody calls.
#[cfg(all(target_arch = "wasm32", tabrank_decoder))]
#[path = "wasm/decoder.rs"]
mod wasm;

pub use crate::image::Picture;
pub use batching::Cost;
pub use convert::{ConvertOptions, convert};
pub use cross_encoder::{PairInspection, PairScore};
pub use device::{DeviceChoice, DeviceKind};
pub use device_check::kernels::GpuKernel;
pub use error::{Error, Result, Warning};
pub use late_interaction::codec::file::{EmbeddingsFile, EmbeddingsInfo, EmbeddingsWriter};
pub use late_interaction::codec::residual::ResidualParts;
pub use late_interaction::codec::{
    Codec, CompressedEmbeddings, DocumentRows, EmbeddingsFacts, ResidualCodec, Rows, TrainOptions,
    VectorFile,
};
pub use late_interaction::embeddings::TokenEmbeddings;
pub use late_interaction::encode::{EncodeOptions, Encoded, Inspection};
pub use late_interaction::explain::{Explanation, TokenMatch, TokenSpan, Utf16Offsets};
pub use late_interaction::index::foreign::{
    Archive, FolderWriter, ForeignIndex, IndexFolder, IndexForm, write_plaid,
};
pub use late_interaction::index::{
    BuildOptions, Documents, Hit, Index, IndexDocument, IndexManifest, IndexPart, IndexReader,
    IndexWriter, Joined, PartKind, Search, SearchOptions, StoredDocuments, build,
};
pub use late_interaction::page::{EncodedPage, PageInspection, PageLayout, PageOptions};
pub use late_interaction::similarity::{
    Similarity, score, score_compressed, similarity, token_similarities,
};
pub use late_interaction::token_pooling::TokenPooling;
pub use late_interaction::vectors::Pooling;
pub use model::bundle::{BundleFiles, Integrity, Source};
pub use model::checkpoint::{CheckpointFiles, WantedFile};
pub use model::config::ModelConfig;
pub use model::overrides::Overrides;
pub use model::quantize::Dtype;
pub use observer::{Observer, Stage, Unobserved};
pub use ops::variants::{Kernel, Trial};
pub use reranker::{LoadOptions, ModelInfo, ModelKind, PageInfo, Reranker};
pub use stages::bm25::Bm25Options;
pub use stages::fusion::Fusion;
pub use stages::options::{RerankOptions, StageKind, StageOptions};
pub use stages::precomputed::DocumentEmbeddings;
pub use stages::query::Query;
pub use stages::results::{Kept, RerankOutput, RerankResult, StageResult, Unscored};
pub use text::long_documents::LongDocuments;
pub use text::texts::Texts;
pub use text::token_batch::{TokenBatch, TokenPair, TokenSequence};
pub use text::tokenizer::SpelledTokens;
pub use text_kind::TextKind;
