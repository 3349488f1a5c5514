//! Which vectors are kept, at which width? Tokenizer, encoder and projection on one device.
//!
//! A text's embeddings are a function of the model and the text alone: on the CPU they are equal, bit for
//! bit, whatever texts are computed beside it.

use std::ops::Add;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor};

use crate::batching::Cost;
use crate::device;
use crate::encoder::{Dense, Encoder, Watch};
use crate::error::{Error, Result};
use crate::late_interaction::codec::CompressedEmbeddings;
use crate::late_interaction::coded::{self, Tables};
use crate::late_interaction::weighting::Weighting;
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::{
    DenseConfig, ModelConfig, ProjectionStep, Similarity, TokenPooling, VectorConfig,
};
use crate::observer::{Observer, pause};
use crate::ops::{CodedBatch, normalize};
use crate::text::long_documents::LongDocuments;
use crate::text::texts::Texts;
use crate::text::token_batch::{TokenBatch, TokenSequence};
use crate::text::tokenizer::Tokenizer;
use crate::text_kind::TextKind;

/// A late-interaction model on one device.
pub struct ColBert {
    tokenizer: Arc<Tokenizer>,
    encoder: Encoder,
    projection: Vec<Projection>,
    weighting: Option<Weighting>,
    similarity: Similarity,
    dimension: usize,
    hidden_size: usize,
    max_length: usize,
    token_pooling: Option<TokenPooling>,
    vector: Result<VectorConfig>,
    device: Device,
    batch_limits: Cost,
    tables: Tables,
}

impl ColBert {
    /// Puts a checkpoint's weights on `device`. With `keep` a bundle's tensors stay, for a load on a second device.
    ///
    /// # Errors
    /// A weight that is missing, misshapen, of an unknown type or not finite; [`Error::Aborted`].
    pub(crate) async fn load(
        files: &CheckpointFiles,
        config: &ModelConfig,
        tokenizer: Arc<Tokenizer>,
        device: &Device,
        keep: bool,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let backbone = config.backbone_weights(files)?.keeping(keep);
        // Two Dense modules may be of one file, so that these small tensors stay.
        let dense = |dense: &DenseConfig| config.dense_weights(files, dense);
        let projection = config.projection.iter();
        let projection = projection.map(|step| Projection::load(step, dense, device));
        let projection = projection.collect::<Result<_>>()?;
        let weighting = config.weighting.as_ref();
        let weighting = weighting.map(|weighting| Weighting::load(files, weighting, device));
        Ok(Self {
            tokenizer,
            encoder: Encoder::load(&config.encoder, backbone, device, observer).await?,
            projection,
            weighting: weighting.transpose()?,
            similarity: config.similarity,
            dimension: config.dimension,
            hidden_size: config.encoder.hidden_size(),
            max_length: config.encoder.max_length(),
            token_pooling: config.token_pooling,
            vector: config.vector.clone(),
            device: device.clone(),
            batch_limits: Cost::limits(device::batch_tokens(device)),
            tables: Tables::default(),
        })
    }

    /// Width of an embedding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Whether embeddings are unit vectors, but for factors of a query's that come to 1 together.
    pub(crate) fn is_normalized(&self) -> bool {
        matches!(self.projection.last(), Some(Projection::Normalize))
    }

    /// Width of a hidden state.
    pub(crate) fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// Most tokens that the encoder reads.
    pub(crate) fn max_length(&self) -> usize {
        self.max_length
    }

    /// How many token embeddings of a document stay: as the caller asks for, else as the checkpoint says.
    pub(crate) fn token_pooling(&self, asked: Option<TokenPooling>) -> Option<TokenPooling> {
        asked.or(self.token_pooling)
    }

    /// How the checkpoint itself makes one vector of a text.
    pub(crate) fn vector_config(&self) -> &Result<VectorConfig> {
        &self.vector
    }

    /// Where the weights are.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Compressed documents, where the weights are.
    pub(crate) fn coded(&self, documents: &CompressedEmbeddings) -> CodedBatch {
        coded::on_device(documents, &self.tables, &self.device)
    }

    /// The projection's Dense modules, which a bi-encoder has for its one vector.
    pub(crate) fn dense(&self) -> impl Iterator<Item = &Projection> {
        self.projection.iter().filter(|step| matches!(step, Projection::Dense(_)))
    }

    /// What a batch takes at most.
    pub(crate) fn batch_limits(&self) -> Cost {
        self.batch_limits
    }

    /// Other limits than those of the device.
    pub(crate) fn set_batch_limits(&mut self, limits: Cost) {
        self.batch_limits = limits;
    }

    /// Tokenizes a text. `index` is its place in the caller's list, for errors.
    ///
    /// # Errors
    /// [`Error::EmptyQuery`], and see [`Tokenizer::tokenize`].
    pub(crate) fn tokenize(
        &self,
        kind: TextKind,
        index: usize,
        text: &str,
    ) -> Result<TokenSequence> {
        let tokens = self.tokenizer.tokenize(kind, index, text)?;
        // White space can be tokens.
        let nothing =
            tokens.says_nothing() || tokens.embedded().next().is_none() || text.trim().is_empty();
        match kind == TextKind::Query && nothing {
            true => Err(Error::EmptyQuery { index }),
            false => Ok(tokens),
        }
    }

    /// What it takes to encode a query and the documents at some places.
    ///
    /// # Errors
    /// Those of tokenizing; [`Error::Aborted`].
    pub(crate) async fn cost<T: Texts + ?Sized>(
        &self,
        query: &str,
        documents: &T,
        places: &[usize],
        long: LongDocuments,
        observer: &mut impl Observer,
    ) -> Result<Cost> {
        let query = self.tokenizer.tokenize(TextKind::Query, 0, query)?;
        let mut cost = Cost::of(query.len());
        for &index in places {
            pause(observer).await?;
            let windows = self.tokenizer.windows(index, &documents.text(index), long)?;
            cost = windows.iter().map(|window| Cost::of(window.tokens.len())).fold(cost, Add::add);
        }
        Ok(cost)
    }

    /// Last hidden states of texts that lie under each other, `[tokens, hidden]`.
    ///
    /// # Errors
    /// [`Error::Aborted`].
    pub(crate) async fn hidden_states(
        &self,
        batch: &TokenBatch,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        self.encoder.forward(batch, watch, observer).await
    }

    /// Embeddings of the hidden states of texts that lie under each other, `[tokens, dimension]`.
    pub(crate) fn project<'t>(
        &self,
        hidden: Tensor<2>,
        texts: impl Iterator<Item = &'t TokenSequence>,
    ) -> Tensor<2> {
        let projected = |hidden| self.projection.iter().fold(hidden, |x, step| step.forward(x));
        match &self.weighting {
            None => projected(hidden),
            Some(weighting) => projected(hidden.clone()) * weighting.weights(hidden, texts),
        }
    }

    /// A document's score, by the sum over a query of so many embeddings.
    pub(crate) fn score(&self, sum: f32, query_length: usize) -> f32 {
        // Of a document without embeddings it is what a query of unit vectors could reach.
        let sum = if self.weighting.is_some() && sum < -1.0 { -1.0 } else { sum };
        match self.similarity {
            Similarity::MaxSim => sum,
            Similarity::MeanMaxSim => sum / query_length.max(1) as f32,
        }
    }

    /// The most that a score can be, at either side of zero, where embeddings are unit vectors.
    pub(crate) fn bound(&self, query_length: usize) -> f32 {
        let sum = match &self.weighting {
            None => query_length as f32,
            Some(_) => 1.0,
        };
        self.score(sum, query_length)
    }
}

/// A step of the projection with its weights.
pub(crate) enum Projection {
    Dense(Box<Dense>),
    /// Places of the columns that are kept.
    Truncate(Box<Tensor<1, Int>>),
    Normalize,
}

impl Projection {
    /// `weights` opens those of a Dense module.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub(crate) fn load<'w>(
        step: &ProjectionStep,
        weights: impl FnOnce(&DenseConfig) -> Result<Weights<'w>>,
        device: &Device,
    ) -> Result<Self> {
        let config = match step {
            ProjectionStep::Dense(config) => config,
            &ProjectionStep::Truncate(width) => {
                let columns = Tensor::arange(0..width as i64, device);
                return Ok(Projection::Truncate(Box::new(columns)));
            }
            ProjectionStep::Normalize => return Ok(Projection::Normalize),
        };
        Ok(Projection::Dense(Box::new(Dense::load(config, &weights(config)?, device)?)))
    }

    /// `[rows, in]` → `[rows, out]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Projection::Normalize => normalize(x),
            // A selection lies in memory of its own, row after row, as the operations want it.
            Projection::Truncate(columns) => x.select(1, (**columns).clone()),
            Projection::Dense(dense) => dense.forward(x),
        }
    }
}
