//! Does this GPU compute what the CPU computes, and is it faster?
//!
//! In a browser a shader that fails is only logged, and its output buffer keeps plausible stale
//! numbers; some drivers are right once and wrong ever after. So before a WebGPU device is used, the
//! whole model runs on it and on the CPU over batches of the shapes in use, twice each, and the
//! embeddings and scores are compared, or a cross-encoder's hidden states, its head being on the CPU. Batches grow from one short text to a full batch. A device that
//! is slow (a GPU emulated in software takes seconds for a few tokens) is not put through the large
//! ones: the check would cost more than it protects.
//!
//! What a GPU cannot hold is found out before anything is put on it: see [`largest_buffer`].
//!
//! Codes are scored by shaders of their own, which few loads need: those of a codec are held against their definition before they
//! are used first.
//!
//! Nor is a GPU that was right once right for ever: what it answered for small batches is kept, and asked for again now and
//! then while it is in use.

pub(crate) mod kernels;
pub(crate) mod pages;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cross_encoder::CrossEncoder;
use crate::device::{Device, GPU_BATCH_TOKENS, read};
use crate::error::{Error, Result};
use crate::late_interaction::batch::{EncodedBatch, Held, PlacedText};
use crate::late_interaction::codec::Codec;
use crate::late_interaction::colbert::ColBert;
use crate::model::config::{ModelConfig, PageConfig, Product};
use crate::model::quantize::Dtype;
use crate::observer::{Observer, Stage};
use crate::ops::check::{Difference, check_coding};
use crate::ops::{Coding, maxsim, normalize, scores};
use crate::text::token_batch::{TokenBatch, TokenSequence};
use crate::text_kind::TextKind;

/// What an outcome is held against, and how far it may be from it.
struct Tolerance {
    whose: &'static str,
    /// Largest difference of one value of a unit vector.
    embedding: f32,
    /// Largest relative difference of a score.
    score: f32,
}

const F32: Tolerance = Tolerance { whose: "the CPU's", embedding: 2e-3, score: 2e-3 };
/// On the CPU a quantized model rounds its activations to 7 bits too; on WebGPU it does not. A fault of a GPU moves
/// whole vectors, by far more.
const QUANTIZED: Tolerance = Tolerance { whose: "the CPU's", embedding: 0.15, score: 0.05 };
/// The same kernels on the same numbers give the same bits, whatever the weights' type.
const AGAIN: Tolerance = Tolerance { whose: "its own at the load", embedding: 1e-4, score: 1e-4 };
/// A device that needs longer for a batch is not given the next larger one, in milliseconds.
const PATIENCE: f64 = 1_500.0;

/// Tokens of the largest batch whose answer is kept.
const KEPT_TOKENS: usize = 64;
/// Calls after which a GPU in use is asked again.
const CALLS: u32 = 256;
/// Milliseconds after which it is asked again: the machine may have slept.
const AGE: f64 = 600_000.0;

/// How the last and largest batch went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CheckReport {
    /// Milliseconds of the second run on the GPU.
    pub(crate) gpu_ms: f64,
    pub(crate) cpu_ms: f64,
    /// Tokens of that batch.
    pub(crate) tokens: usize,
}

impl CheckReport {
    /// In words, where the GPU is the slower one.
    pub(crate) fn slowness(&self) -> Option<String> {
        let Self { gpu_ms, cpu_ms, tokens } = self;
        let words = || {
            format!(
                "the WebGPU device is slower than the CPU: {gpu_ms:.0} ms against {cpu_ms:.0} ms for {tokens} tokens"
            )
        };
        (gpu_ms > cpu_ms).then(words)
    }
}

/// The largest buffer that a model whose matrices are stored in `dtype` needs on a GPU, in words, and its bytes: a weight, or what
/// a product makes of the longest text or the fullest batch.
pub(crate) fn largest_buffer(config: &ModelConfig, dtype: Dtype, longest: usize) -> (String, u64) {
    let products = config.encoder.products();
    let weights = products.iter().map(|product| {
        let bytes = weight_bytes(outputs(product), product.columns, dtype);
        (format!("the weight of {}", product.names.join(" + ")), bytes)
    });
    let wide = if dtype == Dtype::Q4 { Dtype::Q8 } else { dtype };
    let projections = config.dense().map(|dense| {
        let name = format!("the weight of {}linear", dense.tensor_path(config.layout));
        (name, weight_bytes(dense.out_features, dense.in_features, wide))
    });
    let (tokens, widest) = (GPU_BATCH_TOKENS.max(longest), products.iter().map(outputs).max());
    let batch = 4 * tokens as u64 * widest.unwrap_or(0) as u64;
    let batch = std::iter::once((format!("a batch of {tokens} tokens"), batch));
    let all = weights.chain(projections).chain(batch);
    all.max_by_key(|(_, bytes)| *bytes).expect("there is a batch")
}

/// As [`largest_buffer`], of what only pages need: a weight, or what a product makes of a tile.
pub(crate) fn largest_page_buffer(config: &PageConfig, dtype: Dtype) -> (String, u64) {
    let products = config.products();
    let weights = products.iter().map(|product| {
        let bytes = weight_bytes(outputs(product), product.columns, dtype);
        (format!("the weight of {}", product.names.join(" + ")), bytes)
    });
    let widest = products.iter().map(outputs).max().unwrap_or(0);
    let tile = 4 * (config.vision.patches() * widest) as u64;
    let all = weights.chain(std::iter::once(("a tile of a page".to_owned(), tile)));
    all.max_by_key(|(_, bytes)| *bytes).expect("there is a tile")
}

fn weight_bytes(rows: usize, columns: usize, dtype: Dtype) -> u64 {
    let row = match dtype {
        Dtype::F32 | Dtype::F16 => 4 * columns,
        Dtype::Q8 => columns.next_multiple_of(4),
        Dtype::Q4 => columns.div_ceil(2).next_multiple_of(4),
    };
    rows as u64 * row as u64
}

fn outputs(product: &Product) -> usize {
    product.rows * product.names.len()
}

/// What a GPU answered when it was found right.
pub(crate) struct Canary {
    vocabulary: usize,
    /// Lengths of the texts, and what was made of them.
    answers: Vec<(Vec<usize>, Outcome)>,
    /// Calls since it was last asked.
    calls: AtomicU32,
    /// When that was, in milliseconds: the bits of an f64.
    asked: AtomicU64,
    /// What it was found to read rightly.
    codings: Mutex<Vec<Coding>>,
}

impl Canary {
    /// To be called before each use of the GPU; asks it for the known answers when it is time.
    ///
    /// # Errors
    /// [`Error::DeviceRejected`] with the first difference, or what the device itself reports; [`Error::Aborted`].
    pub(crate) async fn before_use(
        &self,
        gpu: &impl Checked,
        observer: &mut impl Observer,
    ) -> Result<()> {
        let now = observer.now_ms();
        let calls = self.calls.fetch_add(1, Relaxed);
        if calls < CALLS && now - f64::from_bits(self.asked.load(Relaxed)) < AGE {
            return Ok(());
        }
        observer.stage(Stage::Check);
        for (lengths, expected) in &self.answers {
            let texts = texts(lengths, self.vocabulary);
            let found = run_on_gpu(gpu, texts, lengths, "in use", observer).await?;
            compare(expected, &found, &AGAIN, lengths, "in use")?;
        }
        self.calls.store(0, Relaxed);
        self.asked.store(observer.now_ms().to_bits(), Relaxed);
        Ok(())
    }
}

impl Canary {
    /// To be called before documents are scored by their codes, `width` wide.
    ///
    /// # Errors
    /// [`Error::DeviceRejected`] if scores of codes are not those of the rows that they stand for, or what the device itself reports.
    pub(crate) async fn before_codes(
        &self,
        device: &Device,
        codecs: impl Iterator<Item = &Codec>,
        width: usize,
    ) -> Result<()> {
        for coding in codecs.map(Coding::from) {
            if self.codings().contains(&coding) {
                continue;
            }
            let difference = check_coding(device, coding, width)
                .await
                .map_err(|reason| Error::DeviceLost { reason })?;
            let Difference { shape, relative, .. } = difference;
            if relative.is_nan() || relative > f64::from(F32.score) {
                let reason = format!("its scores of codes are off by {relative:.1e}, of {shape}");
                return Err(Error::DeviceRejected { reason });
            }
            self.codings().push(coding);
        }
        Ok(())
    }

    fn codings(&self) -> MutexGuard<'_, Vec<Coding>> {
        self.codings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A model on both devices.
pub(crate) struct Checking<'a, M> {
    pub(crate) gpu: &'a M,
    pub(crate) cpu: &'a M,
    pub(crate) quantized: bool,
    pub(crate) vocabulary: usize,
    /// Tokens of the longest text.
    pub(crate) longest: usize,
}

impl<M: Checked> Checking<'_, M> {
    /// Compares the GPU with the CPU.
    ///
    /// # Errors
    /// [`Error::DeviceRejected`] with the first difference, or what the device itself reports.
    pub(crate) async fn run(&self, observer: &mut impl Observer) -> Result<(CheckReport, Canary)> {
        let &Self { gpu, cpu, quantized, vocabulary, longest } = self;
        let tolerance = if quantized { QUANTIZED } else { F32 };
        let mut report = CheckReport { gpu_ms: 0.0, cpu_ms: 0.0, tokens: 0 };
        let mut answers = Vec::new();
        for lengths in batches(longest) {
            let texts = || texts(&lengths, vocabulary);
            let start = observer.now_ms();
            let expected = cpu.run(texts(), observer).await?;
            let middle = observer.now_ms();
            let found = run_on_gpu(gpu, texts(), &lengths, "in run 1", observer).await?;
            compare(&expected, &found, &tolerance, &lengths, "in run 1")?;
            let second = observer.now_ms();
            let found = run_on_gpu(gpu, texts(), &lengths, "in run 2", observer).await?;
            compare(&expected, &found, &tolerance, &lengths, "in run 2")?;
            report = CheckReport {
                gpu_ms: observer.now_ms() - second,
                cpu_ms: middle - start,
                tokens: lengths.iter().sum(),
            };
            if report.tokens <= KEPT_TOKENS {
                answers.push((lengths, found));
            }
            if report.gpu_ms > PATIENCE {
                break;
            }
        }
        let asked = AtomicU64::new(observer.now_ms().to_bits());
        let (calls, codings) = (AtomicU32::new(0), Mutex::default());
        Ok((report, Canary { vocabulary, answers, calls, asked, codings }))
    }
}

/// Lengths of the texts of each batch: odd and even, alone and together, one token, short and at the limit. A text that is longer
/// than a batch goes through the same kernels, and would keep the CPU busy for minutes.
fn batches(longest: usize) -> Vec<Vec<usize>> {
    let longest = longest.min(GPU_BATCH_TOKENS);
    let full = GPU_BATCH_TOKENS / longest.max(1);
    let full = vec![longest; full.clamp(1, 8)];
    [vec![7], vec![1], vec![32, 19], vec![100, 100, 64], vec![128; 8], full]
        .into_iter()
        .map(|lengths| lengths.into_iter().map(|n| n.min(longest)).collect())
        .collect()
}

/// Texts of these lengths over the whole vocabulary; every third position of the first is not
/// attended to, as expansion tokens are not, and every fifth of every other yields no embedding.
fn texts(lengths: &[usize], vocabulary: usize) -> Vec<TokenSequence> {
    lengths
        .iter()
        .enumerate()
        .map(|(text, &length)| TokenSequence {
            ids: (0..length)
                .map(|position| ((text * 7_919 + position * 104_729) % vocabulary) as u32)
                .collect(),
            attention_mask: (0..length).map(|position| text > 0 || position % 3 != 2).collect(),
            embedding_mask: (0..length)
                .map(|position| text % 2 == 0 || position % 5 != 4)
                .collect(),
            offsets: vec![None; length],
            truncated: false,
        })
        .collect()
}

/// What a model makes of the texts by its device: their embeddings, and their scores against the first.
pub(crate) struct Outcome {
    /// Unit vectors, or what are compared as such.
    embeddings: Vec<f32>,
    scores: Vec<f32>,
}

/// A model that is run on two devices.
pub(crate) trait Checked {
    /// Texts that are computed together.
    async fn run(&self, texts: Vec<TokenSequence>, observer: &mut impl Observer)
    -> Result<Outcome>;
}

impl Checked for ColBert {
    async fn run(
        &self,
        texts: Vec<TokenSequence>,
        observer: &mut impl Observer,
    ) -> Result<Outcome> {
        let place = |(index, tokens)| PlacedText::whole(TextKind::Document, index, tokens);
        let texts = texts.into_iter().enumerate().map(place).collect();
        let batch = EncodedBatch::compute(self, texts, Held::Embeddings, observer).await?;
        let embeddings = batch.token_embeddings().await?.values().to_vec();
        let on_device = batch.on_device();
        let scores = scores(read(maxsim(&on_device, &on_device)).await?);
        Ok(Outcome { embeddings, scores })
    }
}

impl Checked for CrossEncoder {
    async fn run(
        &self,
        texts: Vec<TokenSequence>,
        observer: &mut impl Observer,
    ) -> Result<Outcome> {
        let hidden = self.hidden_states(&TokenBatch::new(&texts), observer).await?;
        Ok(Outcome { embeddings: read(normalize(hidden)).await?, scores: Vec::new() })
    }
}

/// A value that is not finite is the device's fault here: the CPU's of the same texts are.
async fn run_on_gpu(
    gpu: &impl Checked,
    texts: Vec<TokenSequence>,
    lengths: &[usize],
    when: &str,
    observer: &mut impl Observer,
) -> Result<Outcome> {
    gpu.run(texts, observer).await.map_err(|error| match error {
        Error::NotFinite { .. } => rejected("are not finite", lengths, when),
        other => other,
    })
}

fn compare(
    expected: &Outcome,
    found: &Outcome,
    tolerance: &Tolerance,
    lengths: &[usize],
    when: &str,
) -> Result<()> {
    let embeddings = expected.embeddings.iter().zip(&found.embeddings);
    let difference = largest(embeddings.map(|(a, b)| (a - b).abs()));
    let scores = expected.scores.iter().zip(&found.scores);
    let relative = largest(scores.map(|(a, b)| (a - b).abs() / a.abs().max(1.0)));
    let whose = tolerance.whose;
    if difference > tolerance.embedding {
        let fault = format!("differ from {whose} by {difference:.1e}");
        return Err(rejected(&fault, lengths, when));
    }
    if relative > tolerance.score {
        let fault = format!("give scores that differ from {whose} by {relative:.1e}");
        return Err(rejected(&fault, lengths, when));
    }
    Ok(())
}

/// The largest of some differences; one that is not a number counts as infinite.
fn largest(differences: impl Iterator<Item = f32>) -> f32 {
    differences.map(|d| if d.is_nan() { f32::INFINITY } else { d }).fold(0.0, f32::max)
}

fn rejected(fault: &str, lengths: &[usize], when: &str) -> Error {
    Error::DeviceRejected {
        reason: format!("its embeddings {fault}, {when}, over texts of {lengths:?} tokens"),
    }
}
