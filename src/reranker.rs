//! The façade: a checkpoint's files in, ranked documents out. The command line and the browser use
//! this and nothing below it.

mod pages;

pub use pages::PageInfo;

use std::sync::Arc;

use crate::batching::Cost;
use crate::cross_encoder::{CrossEncoder, PairInspection};
use crate::device::{self, Device, DeviceChoice, DeviceKind};
use crate::device_check::kernels::{GpuKernel, Kernel, Products, check_with};
use crate::device_check::{self, Canary, CheckReport, Checked, Checking, Outcome};
use crate::error::{Error, Result, Warning};
use crate::late_interaction::batch::Held;
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::encode::{self, EncodeOptions, Encoded, Inspection};
use crate::late_interaction::explain::Explanation;
use crate::late_interaction::page::PageSide;
use crate::late_interaction::stream::Batches;
use crate::late_interaction::token_pooling::TokenPooling;
use crate::late_interaction::vectors::Pooling;
use crate::late_interaction::whole_page::WholePage;
use crate::model::bundle::Manifest;
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::{
    Layout, ModelConfig, PageConfig, ProjectionStep, Similarity, WholePageConfig,
};
use crate::model::embedding_id::embedding_id;
use crate::model::overrides::Overrides;
use crate::model::quantize::Dtype;
use crate::model::room;
use crate::observer::{Observer, Stage, pause};
use crate::stages::options::RerankOptions;
use crate::stages::pipeline;
use crate::stages::query::Query;
use crate::stages::reader::Ranker;
use crate::stages::results::RerankOutput;
use crate::text::duplicates::Duplicates;
use crate::text::long_documents::LongDocuments;
use crate::text::texts::Texts;
use crate::text::token_batch::TokenSequence;
use crate::text::tokenizer::{SpelledTokens, Tokenizer};
use crate::text_kind::TextKind;

/// How to load a checkpoint.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    pub device: DeviceChoice,
    /// Why WebGPU cannot be used, if the caller has found out already.
    pub gpu_unavailable: Option<String>,
    /// Most bytes of a buffer that WebGPU reads, if the caller knows them.
    pub gpu_buffer_limit: Option<u64>,
    /// Which kernel multiplies on WebGPU.
    pub gpu_kernel: Kernel,
    /// What becomes of special tokens that queries and documents spell out.
    pub spelled_tokens: SpelledTokens,
    /// Settings in place of the checkpoint's own.
    pub overrides: Overrides,
    /// Most tokens of several texts that the CPU computes together, if not as many as were found to be fastest.
    pub cpu_batch_tokens: Option<usize>,
}

/// How a model ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// By embeddings, which queries and documents have each by itself.
    LateInteraction,
    /// By a score for each query and document that are read together.
    CrossEncoder,
}

impl ModelKind {
    /// The name that callers know: `lateInteraction` or `crossEncoder`.
    pub fn name(self) -> &'static str {
        match self {
            ModelKind::LateInteraction => "lateInteraction",
            ModelKind::CrossEncoder => "crossEncoder",
        }
    }
}

/// What a loaded model is.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    pub kind: ModelKind,
    /// `model_type` of `config.json`, e.g. `bert`.
    pub architecture: &'static str,
    /// Whether the checkpoint was trained for late interaction.
    pub late_interaction: bool,
    /// Width of an embedding; 0 of a cross-encoder.
    pub dimension: usize,
    /// Whether embeddings are unit vectors, but for a query's that are weighed, so that similarities lie in [-1, 1].
    pub normalized: bool,
    /// Whether documents are pages: it reads texts of queries alone, and documents bring their embeddings along.
    pub pages_only: bool,
    /// What a score is: the sum of the similarities, or their mean.
    pub similarity: Similarity,
    pub layers: usize,
    pub hidden_size: usize,
    pub vocabulary_size: usize,
    /// Most tokens of a query; of a cross-encoder those of query and document together, special ones included.
    pub query_length: usize,
    /// Most tokens of a document; of a cross-encoder as `query_length`.
    pub document_length: usize,
    /// Whether short queries are filled up.
    pub query_expansion: bool,
    /// How the checkpoint's own modules pool a text, `mean` or `cls`; `None`: not at all, or in another way.
    pub pooling: Option<&'static str>,
    /// The function that a cross-encoder's scores come out of, by its class in `torch.nn`: `Sigmoid` gives scores from 0 to 1,
    /// `Identity` any; `None` where scores are sums of similarities.
    pub activation: Option<&'static str>,
    /// Bytes of the weights as stored.
    pub weight_bytes: usize,
    /// Type of the weights that are multiplied: a bundle's own; a checkpoint's are widened to `f32`.
    pub dtype: Dtype,
    /// Names all that the embeddings depend on: see [`crate::model::embedding_id`].
    pub embedding_id: String,
}

/// A loaded model.
pub struct Reranker {
    model: Model,
    kind: DeviceKind,
    info: ModelInfo,
    warnings: Vec<Warning>,
    gpu_fault: Option<String>,
    gpu_kernel: Option<GpuKernel>,
    /// Of a GPU.
    canary: Option<Canary>,
    /// What reads pages, once it was asked for.
    pages: Option<PageSide>,
    /// The same of a model that sees a page in one piece.
    whole_pages: Option<WholePage>,
    /// See [`ModelConfig::page`].
    page_config: Option<Result<PageConfig>>,
    whole_page_config: Option<Result<WholePageConfig>>,
    /// Of a bundle.
    manifest: Option<Box<Manifest>>,
}

/// A model on one device.
enum Model {
    Late(Box<ColBert>),
    Cross(CrossEncoder),
}

impl Model {
    /// Puts a checkpoint's weights on `device`. With `keep` a bundle's tensors stay, for a load on a second device.
    async fn load(
        files: &CheckpointFiles,
        config: &ModelConfig,
        tokenizer: Arc<Tokenizer>,
        device: &Device,
        keep: bool,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        Ok(match &config.head {
            None => {
                let load = ColBert::load(files, config, tokenizer, device, keep, observer);
                Self::Late(Box::new(load.await?))
            }
            Some(head) => Self::Cross(
                CrossEncoder::load(files, config, head, tokenizer, device, keep, observer).await?,
            ),
        })
    }

    fn set_batch_limits(&mut self, limits: Cost) {
        match self {
            Model::Late(model) => model.set_batch_limits(limits),
            Model::Cross(model) => model.set_batch_limits(limits),
        }
    }

    /// The model, if it reads pairs; `what` is what needs that.
    fn cross(&self, what: &'static str) -> Result<&CrossEncoder> {
        match self {
            Model::Cross(model) => Ok(model),
            Model::Late(_) => Err(Error::NotCrossEncoder { what }),
        }
    }

    /// The model, if it makes embeddings; `what` is what needs them.
    fn late(&self, what: &'static str) -> Result<&ColBert> {
        match self {
            Model::Late(model) => Ok(model),
            Model::Cross(_) => Err(Error::NoEmbeddings { what }),
        }
    }
}

impl Checked for Model {
    async fn run(
        &self,
        texts: Vec<TokenSequence>,
        observer: &mut impl Observer,
    ) -> Result<Outcome> {
        match self {
            Model::Late(model) => model.run(texts, observer).await,
            Model::Cross(model) => model.run(texts, observer).await,
        }
    }
}

impl Reranker {
    /// Loads a complete checkpoint or bundle onto a device. Its bytes are freed as the model is built.
    ///
    /// # Errors
    /// What the files say wrongly; with [`DeviceChoice::WebGpu`] also that the device cannot be had or
    /// computes something else than the CPU; [`Error::Aborted`].
    pub async fn load(
        files: CheckpointFiles,
        options: &LoadOptions,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        observer.stage(Stage::Load);
        let config = ModelConfig::overridden(&files, &options.overrides)?;
        let mut warnings = config.warnings.clone();
        let tokenizer = Tokenizer::load(&files, &config, &mut warnings)?;
        let tokenizer = Arc::new(tokenizer.with_spelled_tokens(options.spelled_tokens)?);
        let info = info(&files, &config, options.spelled_tokens)?;
        // A bundle's tensors leave it as they are packed, unless a second device needs them.
        let again = options.device != DeviceChoice::Cpu && options.gpu_unavailable.is_none();
        let device = device::cpu();
        let mut model =
            Model::load(&files, &config, tokenizer.clone(), &device, again, observer).await?;
        if let Some(tokens) = options.cpu_batch_tokens {
            model.set_batch_limits(Cost::limits(tokens));
        }
        let (kind, gpu_fault, gpu_kernel, canary) = (DeviceKind::Cpu, None, None, None);
        let manifest = files.manifest().map(|manifest| Box::new(manifest.clone()));
        let page_config = config.page.clone();
        let whole_page_config = config.whole_page.clone();
        let on_cpu = Self {
            model,
            kind,
            info,
            warnings,
            gpu_fault,
            gpu_kernel,
            canary,
            pages: None,
            whole_pages: None,
            page_config,
            whole_page_config,
            manifest,
        };
        let mut loaded = on_cpu.on_device(&files, &config, tokenizer, options, observer).await?;
        let has_pages = loaded.page_config.is_some() || loaded.whole_page_config.is_some();
        if files.takes_pages() && has_pages {
            loaded.load_pages(&files, observer).await?;
        }
        Ok(loaded)
    }

    /// The model on the device that `options` ask for.
    async fn on_device(
        self,
        files: &CheckpointFiles,
        config: &ModelConfig,
        tokenizer: Arc<Tokenizer>,
        options: &LoadOptions,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let mut on_cpu = self;
        if options.device == DeviceChoice::Cpu {
            return Ok(on_cpu);
        }
        match on_cpu.on_webgpu(files, config, tokenizer, options, observer).await {
            Ok((model, report, canary, kernel)) => {
                on_cpu.gpu_kernel = Some(kernel);
                match report.slowness() {
                    Some(slowness) if options.device == DeviceChoice::Auto => {
                        Ok(on_cpu.fallen_back(slowness))
                    }
                    _ => {
                        let canary = Some(canary);
                        Ok(Self { model, kind: DeviceKind::WebGpu, canary, ..on_cpu })
                    }
                }
            }
            Err(error) if options.device == DeviceChoice::Auto => Ok(on_cpu.without_gpu(&error)),
            Err(error) => Err(error),
        }
    }

    /// Refuses a checkpoint whose weights take more memory, in f32, than there is taken to be. Of the weight files the headers are
    /// enough.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and what the files say wrongly.
    pub fn require_room(files: &CheckpointFiles) -> Result<()> {
        room::check(&ModelConfig::from_files(files)?.wanted_tensors(files)?, Dtype::F32)
    }

    /// The device that runs.
    pub fn device(&self) -> DeviceKind {
        self.kind
    }

    /// What the model is.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The score that the model has for a MaxSim sum with a query of so many embeddings: the sum, or a mean. A cross-encoder has none
    /// for it.
    pub fn score_of(&self, sum: f32, query_length: usize) -> f32 {
        match &self.model {
            Model::Late(model) => model.score(sum, query_length),
            Model::Cross(_) => sum,
        }
    }

    /// What the user should know about model and device.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What the check at load found wrong with the GPU that [`DeviceChoice::Auto`] gave up. A GPU that is only slow, or
    /// that cannot be had, has no fault.
    pub fn gpu_fault(&self) -> Option<&str> {
        self.gpu_fault.as_deref()
    }

    /// How products are computed on the GPU, if one was found right; it may be slower than the CPU, which then runs.
    pub fn gpu_kernel(&self) -> Option<&GpuKernel> {
        self.gpu_kernel.as_ref()
    }

    /// Takes the documents through the stages of `options`, by default through late interaction alone: query and documents are encoded,
    /// batch after batch, and every document is scored. Memory does not grow with the number of documents, but for some numbers each
    /// and what `options` ask for.
    ///
    /// # Errors
    /// [`Error::EmptyQuery`], [`Error::Argument`], [`Error::NoEmbeddings`] and [`Error::NotCrossEncoder`] for what the model does not
    /// give, [`Error::ModelMismatch`] for embeddings of another one, and those of tokenizing, encoding and scoring; [`Error::DeviceRejected`] where a GPU does not compute any more what it did
    /// at the load.
    pub async fn rerank<'q, T: Texts + ?Sized>(
        &self,
        query: impl Into<Query<'q>>,
        documents: &T,
        options: &RerankOptions,
        observer: &mut impl Observer,
    ) -> Result<RerankOutput> {
        if let Model::Late(model) = &self.model {
            let (documents, embedding_id) = (documents.len(), &self.info.embedding_id);
            options.embeddings.check(documents, model.dimension(), embedding_id)?;
        }
        self.watch_gpu(observer).await?;
        self.watch_codes(options).await?;
        let ranker = match &self.model {
            Model::Late(model) => Ranker::Late(model),
            Model::Cross(model) => Ranker::Cross(model),
        };
        pipeline::rank(ranker, query.into(), documents, options, observer).await
    }

    /// What it takes to read documents and a query, with which a cross-encoder reads each of them. Documents that are the same are read once.
    ///
    /// # Errors
    /// Those of tokenizing; [`Error::Aborted`].
    pub async fn cost<T: Texts + ?Sized>(
        &self,
        query: &str,
        documents: &T,
        long_documents: LongDocuments,
        observer: &mut impl Observer,
    ) -> Result<Cost> {
        observer.stage(Stage::Tokenize);
        let mut duplicates = Duplicates::default();
        for index in 0..documents.len() {
            pause(observer).await?;
            duplicates.take(documents, index, |_| true);
        }
        let once = duplicates.once(0..documents.len());
        match &self.model {
            Model::Late(model) => {
                model.cost(query, documents, &once, long_documents, observer).await
            }
            Model::Cross(model) => model.cost(query, documents, &once, observer).await,
        }
    }

    /// Embeddings of texts of one kind, handed over batch after batch in the texts' order. A [`Pooling`] is options enough.
    ///
    /// # Errors
    /// [`Error::EmptyQuery`], [`Error::DeviceRejected`], those of tokenizing and encoding, and what `each` answers.
    pub async fn encode_each<T: Texts + ?Sized>(
        &self,
        kind: TextKind,
        texts: &T,
        options: impl Into<EncodeOptions>,
        observer: &mut impl Observer,
        each: impl FnMut(Encoded) -> Result<()>,
    ) -> Result<()> {
        let model = self.model.late("encoding")?;
        self.watch_gpu(observer).await?;
        encode::encode_each(model, kind, texts, options.into(), observer, each).await
    }

    /// Embeddings of texts of one kind, all at once.
    ///
    /// # Errors
    /// As [`Reranker::encode_each`].
    pub async fn encode<T: Texts + ?Sized>(
        &self,
        kind: TextKind,
        texts: &T,
        options: impl Into<EncodeOptions>,
        observer: &mut impl Observer,
    ) -> Result<Encoded> {
        let options = options.into();
        let mut all = Encoded {
            embeddings: TokenEmbeddings::new(self.width(options.pooling)),
            truncated: Vec::with_capacity(texts.len()),
        };
        let join = |encoded: Encoded| {
            encoded.embeddings.texts().for_each(|rows| all.embeddings.push(rows));
            all.truncated.extend(encoded.truncated);
            Ok(())
        };
        self.encode_each(kind, texts, options, observer, join).await?;
        Ok(all)
    }

    /// Texts of one kind on their way through the model, for callers that want more than one thing of each batch.
    ///
    /// # Errors
    /// [`Error::NoEmbeddings`].
    pub fn batches<'a, T: Texts + ?Sized>(
        &'a self,
        kind: TextKind,
        texts: &'a T,
        long_documents: LongDocuments,
    ) -> Result<Batches<'a, T>> {
        let model = self.model.late("encoding")?;
        Ok(Batches::new(model, kind, texts, long_documents, Held::Hidden))
    }

    /// Width of the vectors that a pooling gives; 0 of a cross-encoder.
    pub fn width(&self, pooling: Pooling) -> usize {
        match &self.model {
            Model::Late(model) => pooling.width(model),
            Model::Cross(_) => 0,
        }
    }

    /// Token matches of one document.
    ///
    /// # Errors
    /// As [`Reranker::rerank`].
    pub async fn explain<'q>(
        &self,
        query: impl Into<Query<'q>>,
        document: &str,
        long_documents: LongDocuments,
        observer: &mut impl Observer,
    ) -> Result<Explanation> {
        let options = RerankOptions { explain: true, long_documents, ..RerankOptions::default() };
        let mut output = self.rerank(query, &[document], &options, observer).await?;
        Ok(output.explanations.remove(0))
    }

    /// How a dense stage pools by default: as the checkpoint says, or by the mean where it says nothing that is computed here.
    pub fn dense_pooling(&self) -> Pooling {
        match self.info.pooling {
            Some(_) => Pooling::Checkpoint,
            None => Pooling::Mean,
        }
    }

    /// How many token embeddings of a document stay: as the caller asks for, else as the checkpoint says; `None`: all.
    pub fn token_pooling(&self, asked: Option<TokenPooling>) -> Option<TokenPooling> {
        match &self.model {
            Model::Late(model) => model.token_pooling(asked),
            Model::Cross(_) => None,
        }
    }

    /// Every stage of one text.
    ///
    /// # Errors
    /// Those of tokenizing and encoding.
    pub async fn inspect(&self, kind: TextKind, text: &str) -> Result<Inspection> {
        encode::inspect(self.model.late("inspection of a text")?, kind, text).await
    }

    /// Every stage of a query and a document that a cross-encoder reads as one text.
    ///
    /// # Errors
    /// [`Error::NotCrossEncoder`], and those of tokenizing and encoding.
    pub async fn inspect_pair(&self, query: &str, document: &str) -> Result<PairInspection> {
        self.model.cross("inspection of pairs")?.inspect(query, document).await
    }

    /// Puts the model on WebGPU too and holds it against this one, which is on the CPU.
    async fn on_webgpu(
        &self,
        files: &CheckpointFiles,
        config: &ModelConfig,
        tokenizer: Arc<Tokenizer>,
        options: &LoadOptions,
        observer: &mut impl Observer,
    ) -> Result<(Model, CheckReport, Canary, GpuKernel)> {
        if let Some(reason) = &options.gpu_unavailable {
            return Err(Error::WebGpuUnavailable { reason: reason.clone() });
        }
        let longest = config.text.document_length.max(config.text.query_length);
        let (what, bytes) = device_check::largest_buffer(config, self.info.dtype, longest);
        check_buffer((what, bytes), options.gpu_buffer_limit)?;
        if let Some(page) = config.wanted_page(files).ok().flatten() {
            let largest = device_check::largest_page_buffer(page, self.info.dtype);
            check_buffer(largest, options.gpu_buffer_limit)?;
        }
        let device = device::webgpu().await?;
        let model = Model::load(files, config, tokenizer, &device, false, observer).await?;
        let dtype = self.info.dtype;
        let checking = Checking {
            gpu: &model,
            cpu: &self.model,
            quantized: matches!(dtype, Dtype::Q8 | Dtype::Q4),
            vocabulary: config.encoder.vocab_size(),
            longest,
        };
        let products = Products::new(&device, dtype, config);
        let (report, canary, kernel) =
            check_with(&options.gpu_kernel, &products, &checking, observer).await?;
        Ok((model, report, canary, kernel))
    }

    async fn watch_gpu(&self, observer: &mut impl Observer) -> Result<()> {
        match &self.canary {
            Some(canary) => canary.before_use(&self.model, observer).await,
            None => Ok(()),
        }
    }

    async fn watch_codes(&self, options: &RerankOptions) -> Result<()> {
        let (Some(canary), Model::Late(model)) = (&self.canary, &self.model) else {
            return Ok(());
        };
        let codecs = options.embeddings.codecs().chain(&options.keep);
        canary.before_codes(model.device(), codecs, model.dimension()).await
    }

    fn without_gpu(mut self, error: &Error) -> Self {
        if let Error::DeviceRejected { .. } = error {
            self.gpu_fault = Some(error.to_string());
        }
        self.fallen_back(error.to_string())
    }

    fn fallen_back(mut self, message: String) -> Self {
        self.warnings.push(Warning { code: "WEBGPU_FALLBACK", message });
        self
    }
}

fn check_buffer((what, bytes): (String, u64), limit: Option<u64>) -> Result<()> {
    match limit.filter(|&limit| bytes > limit) {
        None => Ok(()),
        Some(limit) => Err(Error::WebGpuUnavailable {
            reason: format!(
                "{what} takes {bytes} bytes in one buffer, and the GPU reads {limit} at most"
            ),
        }),
    }
}

fn info(
    files: &CheckpointFiles,
    config: &ModelConfig,
    spelled_tokens: SpelledTokens,
) -> Result<ModelInfo> {
    let weights = Weights::open(files, &files.backbone_files()?)?;
    Ok(ModelInfo {
        kind: match config.head {
            None => ModelKind::LateInteraction,
            Some(_) => ModelKind::CrossEncoder,
        },
        architecture: config.encoder.name(),
        late_interaction: !matches!(config.layout, Layout::Plain | Layout::CrossEncoder),
        dimension: config.dimension,
        normalized: matches!(config.projection.last(), Some(ProjectionStep::Normalize)),
        pages_only: config.text.pages.is_some(),
        similarity: config.similarity,
        layers: config.encoder.layers(),
        hidden_size: config.encoder.hidden_size(),
        vocabulary_size: config.encoder.vocab_size(),
        query_length: config.text.query_length,
        document_length: config.text.document_length,
        query_expansion: config.text.query_expansion.is_some(),
        pooling: config.vector.as_ref().ok().map(|vector| vector.pooling.name()),
        activation: config.head.as_ref().and_then(|head| head.activation.class()),
        weight_bytes: weights.byte_len(),
        dtype: files.manifest().map_or(Dtype::F32, |manifest| manifest.dtype),
        embedding_id: embedding_id(files, config, spelled_tokens == SpelledTokens::Parse)?,
    })
}
