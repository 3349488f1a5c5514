//! How well does a document answer the query, read together with it? Tokenizer, encoder and head: query and document are one text,
//! and its score is all that comes of it.
//!
//! A pair's score is a function of the model and the pair alone: on the CPU it is equal, bit for bit, whatever pairs are computed
//! beside it.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor};

use crate::batching::{Batching, Cost};
use crate::device::{self, read};
use crate::encoder::{Encoder, Head, Unwatched};
use crate::error::{Error, Result};
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::{HeadConfig, HeadStep, ModelConfig, PoolingMode};
use crate::observer::{Observer, Stage, Unobserved, batch_done, pause};
use crate::ops::tensor;
use crate::text::texts::Texts;
use crate::text::token_batch::{TokenBatch, TokenPair};
use crate::text::tokenizer::Tokenizer;
use crate::text_kind::TextKind;

/// A cross-encoder with its encoder on one device.
pub struct CrossEncoder {
    tokenizer: Arc<Tokenizer>,
    encoder: Encoder,
    head: Head,
    hidden_size: usize,
    device: Device,
    batch_limits: Cost,
}

/// What a document gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairScore {
    /// The document's place in its list.
    pub index: usize,
    pub score: f32,
    /// Whether tokens of the query were left out beside this document.
    pub query_truncated: bool,
    /// Whether tokens of the document were left out.
    pub truncated: bool,
    /// What it took.
    pub(crate) cost: Cost,
}

/// Every stage of one pair, for tests and bug reports.
#[derive(Debug, Clone, PartialEq)]
pub struct PairInspection {
    pub tokens: TokenPair,
    /// What the head gives.
    pub logit: f32,
    /// What the score's function makes of it.
    pub score: f32,
}

impl CrossEncoder {
    /// Puts a checkpoint's weights on `device`. With `keep` a bundle's tensors stay, for a load on a second device.
    ///
    /// # Errors
    /// A weight that is missing, misshapen, of an unknown type or not finite; [`Error::Aborted`].
    pub(crate) async fn load(
        files: &CheckpointFiles,
        config: &ModelConfig,
        head: &HeadConfig,
        tokenizer: Arc<Tokenizer>,
        device: &Device,
        keep: bool,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let backbone = Weights::open(files, &files.backbone_files()?)?.keeping(keep);
        Ok(Self {
            tokenizer,
            encoder: Encoder::load(&config.encoder, backbone, device, observer).await?,
            head: Head::load(head, |step| weights(files, config, step), &device::cpu())?,
            hidden_size: config.encoder.hidden_size(),
            device: device.clone(),
            batch_limits: Cost::limits(device::batch_tokens(device)),
        })
    }

    /// Other limits of a batch than those of the device.
    pub(crate) fn set_batch_limits(&mut self, limits: Cost) {
        self.batch_limits = limits;
    }

    /// What no score goes beyond, if there is such a number.
    pub(crate) fn bound(&self) -> Option<f32> {
        self.head.bound()
    }

    /// Refuses a query that says nothing.
    ///
    /// # Errors
    /// [`Error::EmptyQuery`], and those of tokenizing.
    pub(crate) fn check_query(&self, query: &str) -> Result<()> {
        match self.tokenizer.pair_query(query)?.says_nothing {
            true => Err(Error::EmptyQuery { index: 0 }),
            false => Ok(()),
        }
    }

    /// Scores of the documents at some places, handed over batch after batch.
    ///
    /// # Errors
    /// [`Error::NotFinite`], and those of tokenizing and of the device.
    pub(crate) async fn score_each<T: Texts + ?Sized, O: Observer>(
        &self,
        query: &str,
        documents: &T,
        places: &[usize],
        observer: &mut O,
        mut each: impl FnMut(Vec<PairScore>, &mut O),
    ) -> Result<()> {
        observer.stage(Stage::Tokenize);
        let query = self.tokenizer.pair_query(query)?;
        let mut batching = Batching::new(self.batch_limits);
        for (done, &index) in places.iter().enumerate() {
            pause(observer).await?;
            let pair = self.tokenizer.pair(&query, index, &documents.text(index))?;
            let cost = Cost::of(pair.ids.len());
            if let Some(batch) = batching.push((index, pair), cost) {
                each(self.scores(&batch, observer).await?, observer);
                batch_done(observer, done, places.len()).await?;
                observer.stage(Stage::Tokenize);
            }
        }
        let batch = batching.finish();
        if !batch.is_empty() {
            each(self.scores(&batch, observer).await?, observer);
            batch_done(observer, places.len(), places.len()).await?;
        }
        Ok(())
    }

    /// What it takes to read the documents at some places with a query.
    ///
    /// # Errors
    /// Those of tokenizing; [`Error::Aborted`].
    pub(crate) async fn cost<T: Texts + ?Sized>(
        &self,
        query: &str,
        documents: &T,
        places: &[usize],
        observer: &mut impl Observer,
    ) -> Result<Cost> {
        let query = self.tokenizer.pair_query(query)?;
        let mut cost = Cost::default();
        for &index in places {
            pause(observer).await?;
            let pair = self.tokenizer.pair(&query, index, &documents.text(index))?;
            cost = cost + Cost::of(pair.ids.len());
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
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        self.encoder.forward(batch, &mut Unwatched, observer).await
    }

    /// Every stage of one pair, computed alone.
    ///
    /// # Errors
    /// As [`CrossEncoder::score_each`], but for a query that says nothing.
    pub(crate) async fn inspect(&self, query: &str, document: &str) -> Result<PairInspection> {
        let tokens = self.tokenizer.pair(&self.tokenizer.pair_query(query)?, 0, document)?;
        let pairs = [(0, tokens.clone())];
        let logit = self.logits(&pairs, &mut Unobserved).await?[0];
        Ok(PairInspection { tokens, logit, score: self.head.score(logit) })
    }

    /// Scores of pairs that are computed together.
    async fn scores(
        &self,
        pairs: &[(usize, TokenPair)],
        observer: &mut impl Observer,
    ) -> Result<Vec<PairScore>> {
        let logits = self.logits(pairs, observer).await?;
        let score = |((index, pair), logit): (&(usize, TokenPair), f32)| PairScore {
            index: *index,
            score: self.head.score(logit),
            query_truncated: pair.query_truncated,
            truncated: pair.truncated,
            cost: Cost::of(pair.ids.len()),
        };
        Ok(pairs.iter().zip(logits).map(score).collect())
    }

    /// What the head gives of pairs that are computed together, one number a pair.
    async fn logits(
        &self,
        pairs: &[(usize, TokenPair)],
        observer: &mut impl Observer,
    ) -> Result<Vec<f32>> {
        observer.stage(Stage::Encode);
        let tokens = TokenBatch::of_pairs(pairs.iter().map(|(_, pair)| pair));
        let hidden = self.hidden_states(&tokens, observer).await?;
        observer.stage(Stage::Score);
        let vectors = self.pooled(hidden, &tokens.lengths).await?;
        let vectors = tensor(vectors, [pairs.len(), self.hidden_size], &device::cpu());
        let logits = read(self.head.logits(vectors)).await?;
        match pairs.iter().zip(&logits).find(|(_, logit)| !logit.is_finite()) {
            None => Ok(logits),
            Some(((index, _), _)) => {
                let (what, kind) = ("the score", TextKind::Document);
                Err(Error::NotFinite { what, kind, index: *index })
            }
        }
    }

    /// One vector a pair, row-major.
    async fn pooled(&self, hidden: Tensor<2>, lengths: &[usize]) -> Result<Vec<f32>> {
        match self.head.pooling() {
            PoolingMode::Cls => {
                let starts = lengths.iter().scan(0, |next, length| {
                    let start = *next;
                    *next += *length as i32;
                    Some(start)
                });
                let starts: Vec<i32> = starts.collect();
                let starts = Tensor::<1, Int>::from_data(starts.as_slice(), &self.device);
                read(hidden.select(0, starts)).await
            }
            PoolingMode::Mean => Ok(means(&read(hidden).await?, lengths, self.hidden_size)),
        }
    }
}

/// The mean of each text's rows `[tokens, width]`.
fn means(rows: &[f32], lengths: &[usize], width: usize) -> Vec<f32> {
    let mut rows = rows.chunks_exact(width);
    let mut means = Vec::with_capacity(lengths.len() * width);
    for &length in lengths {
        let mut sum = vec![0.0f32; width];
        for row in rows.by_ref().take(length) {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        means.extend(sum.into_iter().map(|sum| sum / length as f32));
    }
    means
}

/// Those of a step of the head.
fn weights<'f>(
    files: &'f CheckpointFiles,
    config: &ModelConfig,
    step: &HeadStep,
) -> Result<Weights<'f>> {
    let weights = match step.file() {
        Some(file) => Weights::open(files, &[file.to_owned()])?,
        None => Weights::open(files, &files.backbone_files()?)?,
    };
    let (prefix, probe) = config.encoder.prefix();
    Ok(if step.in_backbone() { weights.with_prefix(prefix, probe) } else { weights })
}
