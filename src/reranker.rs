//! The façade: a checkpoint's files in, ranked documents out. The command line and the browser use
//! this and nothing below it.

use std::sync::Arc;

use crate::device::{self, DeviceChoice, DeviceKind};
use crate::device_check;
use crate::error::{Error, Result, Warning};
use crate::late_interaction::colbert::{ColBert, Inspection, Keep};
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::explain::{EncodedText, Explanation, explain};
use crate::late_interaction::maxsim::maxsim;
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::{Layout, ModelConfig};
use crate::model::quantize::Dtype;
use crate::observer::{Observer, Stage};
use crate::stages::top_k::{RerankResult, top_k};
use crate::text::token_batch::TokenSequence;
use crate::text::tokenizer::Tokenizer;
use crate::text_kind::TextKind;

/// How to load a checkpoint.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    pub device: DeviceChoice,
    /// Why WebGPU cannot be used, if the caller has found out already.
    pub gpu_unavailable: Option<String>,
}

/// What a loaded model is.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// `model_type` of `config.json`, e.g. `bert`.
    pub architecture: &'static str,
    /// Whether the checkpoint was trained for late interaction.
    pub late_interaction: bool,
    /// Width of an embedding.
    pub dimension: usize,
    pub layers: usize,
    pub hidden_size: usize,
    pub vocabulary_size: usize,
    /// Most tokens of a query.
    pub query_length: usize,
    /// Most tokens of a document.
    pub document_length: usize,
    /// Whether short queries are filled up.
    pub query_expansion: bool,
    /// Bytes of the weights as stored.
    pub weight_bytes: usize,
    /// Type of the weights that are multiplied: a bundle's own; a checkpoint's are widened to `f32`.
    pub dtype: Dtype,
}

/// How to rerank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RerankOptions {
    /// How many documents come out; `None` for all.
    pub top_k: Option<usize>,
    /// Whether each comes with its token matches.
    pub explain: bool,
}

/// The ranked documents.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankOutput {
    /// Best first.
    pub results: Vec<RerankResult>,
    /// Number of the query's embeddings: score divided by it lies in [-1, 1].
    pub query_length: usize,
    /// For each result, whether its text had more tokens than the model takes.
    pub truncated: Vec<bool>,
    /// For each result; empty unless asked for.
    pub explanations: Vec<Explanation>,
}

/// Embeddings of several texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    pub embeddings: TokenEmbeddings,
    /// For each text, whether it had more tokens than the model takes.
    pub truncated: Vec<bool>,
}

/// What to make of a text's hidden states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// One embedding a token: late interaction.
    #[default]
    None,
    /// One vector a text, the mean of the last hidden states: a dense first stage with the same encoder.
    Mean,
}

/// A loaded model.
pub struct Reranker {
    model: ColBert,
    kind: DeviceKind,
    info: ModelInfo,
    warnings: Vec<Warning>,
}

impl Reranker {
    /// Loads a complete checkpoint or bundle onto a device. Its bytes are freed as the model is built.
    ///
    /// # Errors
    /// What the files say wrongly; with [`DeviceChoice::WebGpu`] also that the device cannot be had or
    /// computes something else than the CPU.
    pub async fn load(
        files: CheckpointFiles,
        options: &LoadOptions,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        observer.stage(Stage::Load);
        let config = ModelConfig::from_files(&files)?;
        let mut warnings = config.warnings.clone();
        let tokenizer = Arc::new(Tokenizer::load(&files, &config, &mut warnings)?);
        let info = info(&files, &config)?;
        // A bundle's tensors leave it as they are packed, unless a second device needs them.
        let again = options.device != DeviceChoice::Cpu && options.gpu_unavailable.is_none();
        let keep = if again { Keep::Tensors } else { Keep::Nothing };
        let model = ColBert::load(&files, &config, tokenizer.clone(), &device::cpu(), keep)?;
        let on_cpu = Self { model, kind: DeviceKind::Cpu, info, warnings };
        if options.device == DeviceChoice::Cpu {
            return Ok(on_cpu);
        }
        match on_cpu.on_webgpu(&files, &config, tokenizer, options, observer).await {
            Ok(model) => Ok(Self { model, kind: DeviceKind::WebGpu, ..on_cpu }),
            Err(error) if options.device == DeviceChoice::Auto => Ok(on_cpu.fallen_back(&error)),
            Err(error) => Err(error),
        }
    }

    /// The device that runs.
    pub fn device(&self) -> DeviceKind {
        self.kind
    }

    /// What the model is.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// What the user should know about model and device.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Encodes query and documents, scores every document and keeps the best.
    ///
    /// # Errors
    /// [`Error::EmptyQuery`], and those of tokenizing, encoding and scoring.
    pub async fn rerank(
        &self,
        query: &str,
        documents: &[&str],
        options: RerankOptions,
        observer: &mut impl Observer,
    ) -> Result<RerankOutput> {
        observer.stage(Stage::Tokenize);
        let query_tokens = self.tokenize_query(query)?;
        let document_tokens = self.model.tokenize(TextKind::Document, documents)?;
        observer.stage(Stage::Encode);
        let (query_embeddings, document_embeddings) =
            self.model.encode_together(&query_tokens, &document_tokens, observer).await?;
        observer.stage(Stage::Score);
        let scores = self.score(query_embeddings.values(), &document_embeddings).await?;
        let results = top_k(&scores, options.top_k.unwrap_or(documents.len()))?;
        let mut explanations = Vec::new();
        if options.explain {
            observer.stage(Stage::Explain);
            let query =
                EncodedText { tokens: &query_tokens, embeddings: query_embeddings.values() };
            explanations =
                self.explain_results(query, &document_tokens, &document_embeddings, &results);
        }
        Ok(RerankOutput {
            truncated: results.iter().map(|r| document_tokens[r.index].truncated).collect(),
            results,
            query_length: query_embeddings.lengths()[0],
            explanations,
        })
    }

    /// MaxSim of one query's embeddings (`[length, dimension]`) and each document's, in f32.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub async fn score(&self, query: &[f32], documents: &TokenEmbeddings) -> Result<Vec<f32>> {
        Ok(maxsim(query, documents))
    }

    /// Embeddings of texts of one kind.
    ///
    /// # Errors
    /// [`Error::EmptyQuery`], and those of tokenizing and encoding.
    pub async fn encode(
        &self,
        kind: TextKind,
        texts: &[&str],
        pooling: Pooling,
        observer: &mut impl Observer,
    ) -> Result<Encoded> {
        observer.stage(Stage::Tokenize);
        let tokens = match kind {
            TextKind::Document => self.model.tokenize(kind, texts)?,
            TextKind::Query => {
                texts.iter().map(|text| self.tokenize_query(text)).collect::<Result<_>>()?
            }
        };
        observer.stage(Stage::Encode);
        let embeddings = match pooling {
            Pooling::None => self.model.encode(kind, &tokens, observer).await?,
            Pooling::Mean => self.model.pool(kind, &tokens, observer).await?,
        };
        Ok(Encoded {
            embeddings,
            truncated: tokens.iter().map(|sequence| sequence.truncated).collect(),
        })
    }

    /// Token matches of one document.
    ///
    /// # Errors
    /// As [`Reranker::rerank`].
    pub async fn explain(
        &self,
        query: &str,
        document: &str,
        observer: &mut impl Observer,
    ) -> Result<Explanation> {
        let options = RerankOptions { top_k: None, explain: true };
        let mut output = self.rerank(query, &[document], options, observer).await?;
        Ok(output.explanations.remove(0))
    }

    /// Every stage of one text.
    ///
    /// # Errors
    /// Those of tokenizing and encoding.
    pub async fn inspect(&self, kind: TextKind, text: &str) -> Result<Inspection> {
        self.model.inspect(kind, text).await
    }

    fn tokenize_query(&self, query: &str) -> Result<TokenSequence> {
        if query.trim().is_empty() {
            return Err(Error::EmptyQuery);
        }
        self.model.tokenizer().tokenize(TextKind::Query, 0, query)
    }

    fn explain_results(
        &self,
        query: EncodedText<'_>,
        tokens: &[TokenSequence],
        embeddings: &TokenEmbeddings,
        results: &[RerankResult],
    ) -> Vec<Explanation> {
        let texts: Vec<&[f32]> = embeddings.texts().collect();
        results
            .iter()
            .map(|result| {
                let document =
                    EncodedText { tokens: &tokens[result.index], embeddings: texts[result.index] };
                explain(query, document, embeddings.dimension(), self.model.tokenizer())
            })
            .collect()
    }

    /// Puts the model on WebGPU too and holds it against this one, which is on the CPU.
    async fn on_webgpu(
        &self,
        files: &CheckpointFiles,
        config: &ModelConfig,
        tokenizer: Arc<Tokenizer>,
        options: &LoadOptions,
        observer: &mut impl Observer,
    ) -> Result<ColBert> {
        if let Some(reason) = &options.gpu_unavailable {
            return Err(Error::WebGpuUnavailable { reason: reason.clone() });
        }
        let device = device::webgpu().await?;
        let model = ColBert::load(files, config, tokenizer, &device, Keep::Nothing)?;
        observer.stage(Stage::Check);
        let quantized = matches!(self.info.dtype, Dtype::Q8 | Dtype::Q4);
        let longest = config.text.document_length.max(config.text.query_length);
        let vocabulary = config.encoder.vocab_size();
        let report =
            device_check::check(&model, &self.model, quantized, vocabulary, longest, observer)
                .await?;
        if options.device == DeviceChoice::Auto && report.gpu_ms > report.cpu_ms {
            return Err(Error::DeviceRejected {
                reason: format!(
                    "it is slower than the CPU: {:.0} ms against {:.0} ms for {} tokens",
                    report.gpu_ms, report.cpu_ms, report.tokens
                ),
            });
        }
        Ok(model)
    }

    fn fallen_back(mut self, error: &Error) -> Self {
        self.warnings.push(Warning { code: "WEBGPU_FALLBACK", message: error.to_string() });
        self
    }
}

fn info(files: &CheckpointFiles, config: &ModelConfig) -> Result<ModelInfo> {
    let weights = Weights::open(files, &files.backbone_files()?)?;
    Ok(ModelInfo {
        architecture: config.encoder.name(),
        late_interaction: config.layout != Layout::Plain,
        dimension: config.dimension,
        layers: config.encoder.layers(),
        hidden_size: config.encoder.hidden_size(),
        vocabulary_size: config.encoder.vocab_size(),
        query_length: config.text.query_length,
        document_length: config.text.document_length,
        query_expansion: config.text.query_expansion.is_some(),
        weight_bytes: weights.byte_len(),
        dtype: files.manifest().map_or(Dtype::F32, |manifest| manifest.dtype),
    })
}
