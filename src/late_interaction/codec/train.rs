//! Which centroids, cutoffs and weights store a collection's embeddings best? Made of a sample, as PLAID's indexers make them.
//!
//! ```text
//! documents   at most 1 + ⌊16 · √(120 · all)⌋ of the sample's, in random order
//! K           2^⌊log2(16 · √tokens)⌋ of all tokens of the sample, and at most those that centroids are made of
//! held out    the last 5 % of their tokens, at most 50,000: buckets are made of these, centroids of at most 256 · K of the others
//! centroids   k-means by inner products, four rounds from random tokens; unit vectors of numbers that a half can hold, alike ones
//!             side by side, so that an index has their lists in the same files
//! cutoffs     quantiles i / 2^nbits, i ≥ 1, of all numbers of the residuals that were held out, between two of them in proportion
//! weights     quantiles (i + 1/2) / 2^nbits
//! ```
//!
//! The same sample, options and seed make the same codec.
//!
//! Stanford's indexer holds out single tokens. Those of one document are so alike that the others' centroids lie nearer than those of
//! a document that was not there: buckets of whole documents lose less, of new documents and of those of the sample.

use half::f16;

use super::residual::{ResidualCodec, ResidualParts, check_centroids, check_widths};
use super::{Clusters, CompressedEmbeddings, rows};
use crate::error::{Error, Result};
use crate::observer::{Observer, batch_done, pause};
use crate::ops::Nearest;
use crate::random::SplitMix64;

/// Rounds of k-means, as in PyLate.
const ROUNDS: usize = 4;
const MAX_HELD_OUT: usize = 50_000;
const MAX_TOKENS_PER_CENTROID: usize = 256;
/// Tokens between two looks at the caller: a second or so with the most centroids that are usual.
const AT_ONCE: usize = 8_192;

/// How errors name what a codec is made of.
const SAMPLE: &str = "the sample";

/// How a codec is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainOptions {
    /// Bits of each number of a residual: 1, 2, 4 or 8.
    pub nbits: usize,
    /// `None`: as many as suit a collection of the sample's size.
    pub centroids: Option<usize>,
    pub seed: u64,
    /// The model that made the sample.
    pub embedding_id: Option<String>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self { nbits: 2, centroids: None, seed: 42, embedding_id: None }
    }
}

impl ResidualCodec {
    /// Makes a codec of a sample. The observer is told of tokens, each once a round.
    ///
    /// # Errors
    /// [`Error::InvalidVectors`] if the sample has too few tokens, or those of a width that does not go with `nbits`;
    /// [`Error::Argument`] if it has none for each of `centroids`; [`Error::Aborted`].
    pub async fn train(
        sample: &CompressedEmbeddings,
        options: &TrainOptions,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let (dimension, mut random) = (sample.dimension(), SplitMix64(options.seed));
        check_widths(dimension, options.nbits).map_err(|error| error.in_file(SAMPLE))?;
        let mut places = sampled_rows(sample, &mut random);
        if places.len() < 2 {
            return Err(Error::vectors(SAMPLE, "has fewer than two tokens"));
        }
        let held_out = places.split_off(places.len() - (places.len() / 20).clamp(1, MAX_HELD_OUT));
        shuffle(&mut places, &mut random);
        let count = centroid_count(sample, options, places.len())?;
        places.truncate(count.saturating_mul(MAX_TOKENS_PER_CENTROID));
        let tokens = gathered(sample, &places);
        let centroids = centroids(&tokens, dimension, count, &mut random, observer).await?;
        pause(observer).await?;
        Self::with_centroids(
            centroids,
            dimension,
            &gathered(sample, &held_out),
            options.nbits,
            options.embedding_id.clone(),
        )
        .map_err(|error| error.in_file(SAMPLE))
    }

    /// The codec of these centroids `[K, dimension]`, with buckets made of tokens that were held out.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are no tokens or they are not finite, and as [`ResidualCodec::new`].
    pub fn with_centroids(
        centroids: Vec<f32>,
        dimension: usize,
        held_out: &[f32],
        nbits: usize,
        embedding_id: Option<String>,
    ) -> Result<Self> {
        let mut parts =
            ResidualParts { dimension, nbits, centroids, embedding_id, ..ResidualParts::default() };
        check_centroids(&parts)?;
        if held_out.is_empty() || !held_out.len().is_multiple_of(dimension) {
            return Err(Error::argument("embeddings", "are no rows of the centroids' width"));
        }
        if held_out.iter().any(|value| !value.is_finite()) {
            return Err(Error::argument("embeddings", rows::NOT_FINITE));
        }
        let mut residuals = residuals(&parts.centroids, dimension, held_out);
        parts.avg_residual = mean_sizes(&residuals, dimension);
        residuals.sort_unstable_by(f32::total_cmp);
        let step = |place: f64| quantile(&residuals, place / f64::from(1 << nbits));
        parts.cutoffs = (1..1 << nbits).map(|bucket| step(f64::from(bucket))).collect();
        parts.weights = (0..1 << nbits).map(|bucket| step(f64::from(bucket) + 0.5)).collect();
        Self::new(parts)
    }
}

/// Places of the rows of as many documents as a sample needs, document after document.
fn sampled_rows(sample: &CompressedEmbeddings, random: &mut SplitMix64) -> Vec<usize> {
    let most = 1.0 + 16.0 * (120.0 * sample.len() as f64).sqrt();
    let mut documents: Vec<usize> = (0..sample.len()).collect();
    shuffle(&mut documents, random);
    documents.truncate(most as usize);
    documents.into_iter().flat_map(|document| sample.places(document)).collect()
}

/// Fisher and Yates.
fn shuffle(places: &mut [usize], random: &mut SplitMix64) {
    for last in (1..places.len()).rev() {
        places.swap(last, below(last + 1, random));
    }
}

/// A number below `count`, with a bias that is smaller than one in 2³².
fn below(count: usize, random: &mut SplitMix64) -> usize {
    (random.next() % count as u64) as usize
}

fn centroid_count(
    sample: &CompressedEmbeddings,
    options: &TrainOptions,
    available: usize,
) -> Result<usize> {
    let tokens: usize = sample.lengths().iter().sum();
    let usual = (16.0 * (tokens as f64).sqrt()).log2().floor();
    match options.centroids {
        None => Ok(available.min(2f64.powf(usual) as usize)),
        Some(count) if (1..=available).contains(&count) => Ok(count),
        Some(count) => {
            let reason = format!("are {count}; the sample has tokens for 1 to {available}");
            Err(Error::argument("centroids", reason))
        }
    }
}

/// The embeddings at these places.
fn gathered(sample: &CompressedEmbeddings, places: &[usize]) -> Vec<f32> {
    let mut values = Vec::with_capacity(places.len() * sample.dimension());
    places.iter().for_each(|&place| values.extend(sample.row(place)));
    values
}

/// K-means from the first `count` tokens, which are in random order.
async fn centroids(
    tokens: &[f32],
    dimension: usize,
    count: usize,
    random: &mut SplitMix64,
    observer: &mut impl Observer,
) -> Result<Vec<f32>> {
    let mut centroids = tokens[..count * dimension].to_vec();
    let rows = tokens.len() / dimension;
    for round in 0..ROUNDS {
        centroids.chunks_exact_mut(dimension).for_each(to_unit);
        let packed = Nearest::new(&centroids, dimension);
        let mut sums = vec![0.0; centroids.len()];
        let mut found = vec![false; count];
        for (block, tokens) in tokens.chunks(AT_ONCE * dimension).enumerate() {
            batch_done(observer, round * rows + block * AT_ONCE, ROUNDS * rows).await?;
            for (token, place) in tokens.chunks_exact(dimension).zip(packed.nearest(tokens)) {
                found[place as usize] = true;
                let sums = &mut sums[place as usize * dimension..][..dimension];
                sums.iter_mut().zip(token).for_each(|(sum, value)| *sum += value);
            }
        }
        for (sum, _) in sums.chunks_exact_mut(dimension).zip(found).filter(|(_, found)| !found) {
            sum.copy_from_slice(&tokens[below(rows, random) * dimension..][..dimension]);
        }
        centroids = sums;
    }
    centroids.chunks_exact_mut(dimension).for_each(to_unit);
    batch_done(observer, ROUNDS * rows, ROUNDS * rows).await?;
    let centroids: Vec<f32> =
        centroids.into_iter().map(|value| f16::from_f32(value).to_f32()).collect();
    Ok(Clusters::new(&centroids, dimension).sorted(&centroids))
}

/// In 64 bits: squares of what f32 holds may be beyond it.
pub(super) fn to_unit(row: &mut [f32]) {
    let squares = row.iter().map(|&value| f64::from(value) * f64::from(value));
    let length = squares.sum::<f64>().sqrt().max(1e-12);
    row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
}

/// What the nearest centroid leaves of each token.
fn residuals(centroids: &[f32], dimension: usize, tokens: &[f32]) -> Vec<f32> {
    let nearest = Nearest::new(centroids, dimension).nearest(tokens);
    let mut residuals = tokens.to_vec();
    for (row, place) in residuals.chunks_exact_mut(dimension).zip(nearest) {
        let centroid = &centroids[place as usize * dimension..][..dimension];
        row.iter_mut().zip(centroid).for_each(|(value, mean)| *value -= mean);
    }
    residuals
}

fn mean_sizes(residuals: &[f32], dimension: usize) -> Vec<f32> {
    let mut sums = vec![0.0; dimension];
    for row in residuals.chunks_exact(dimension) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(value.abs()));
    }
    let rows = (residuals.len() / dimension) as f64;
    sums.into_iter().map(|sum| (sum / rows) as f32).collect()
}

/// As `torch.quantile` and NumPy's, of numbers in their order.
fn quantile(sorted: &[f32], at: f64) -> f32 {
    let place = at * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    (f64::from(low) + (f64::from(high) - f64::from(low)) * place.fract()) as f32
}
