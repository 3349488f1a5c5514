//! The residual codec of ColBERTv2 and PLAID (Santhanam et al., NAACL 2022), in the layout that Stanford's ColBERT, fast-plaid and
//! next-plaid share.
//!
//! ```text
//! code        the centroid with the largest inner product
//! residual    v - centroid, a bucket for each number: how many of the cutoffs lie strictly below it
//! packed      bits 0 to nbits - 1 of each bucket in turn, into bytes from bit 7 down
//! decoded     centroid[code][d] + weight[bucket], then divided by the row's length, which is taken to be 1e-12 at least
//! ```
//!
//! One table of cutoffs and weights holds for all dimensions. Buckets 0, 1, 2 and 3 at 2 bits are the byte 39: a bucket's bits stand
//! lowest first.

use std::fmt;
use std::sync::OnceLock;

use super::rows::Rows;
use crate::error::{Error, Result};
use crate::model::bundle::sha256;
use crate::ops::Nearest;

/// Numbers of a table are those that a half can hold, as the libraries store them, so that no sum leaves what is computed with.
const LARGEST: f32 = 65_504.0;
/// Least length of a decoded row.
const EPSILON: f32 = 1e-12;

/// What a codec is made of, as files hold it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResidualParts {
    /// Width of an embedding.
    pub dimension: usize,
    /// Bits of each number of a residual: 1, 2, 4 or 8.
    pub nbits: usize,
    /// `[K, dimension]`, row-major.
    pub centroids: Vec<f32>,
    /// Where one bucket ends and the next begins, ascending: `[2^nbits - 1]`.
    pub cutoffs: Vec<f32>,
    /// What a bucket stands for: `[2^nbits]`.
    pub weights: Vec<f32>,
    /// Mean size of the residual in each dimension: `[dimension]`, or empty. Kept for others; nothing is computed with it.
    pub avg_residual: Vec<f32>,
    /// The model whose embeddings it was made of.
    pub embedding_id: Option<String>,
}

/// Centroids, and what buckets of residuals stand for.
pub struct ResidualCodec {
    parts: ResidualParts,
    id: String,
    /// The weights of the buckets that each byte holds: `[256, 8 / nbits]`.
    bytes: Vec<f32>,
    /// The centroids as they are multiplied.
    packed: OnceLock<Nearest>,
}

impl ResidualCodec {
    /// # Errors
    /// [`Error::Argument`], naming the table: `nbits`, `dimension`, `centroids`, `bucket_cutoffs`, `bucket_weights` or
    /// `avg_residual`.
    pub fn new(parts: ResidualParts) -> Result<Self> {
        check_centroids(&parts)?;
        check_buckets(&parts)?;
        let (id, bytes) = (id(&parts), weights_of_bytes(&parts));
        Ok(Self { parts, id, bytes, packed: OnceLock::new() })
    }

    /// `r1-` and 32 digits of a SHA-256 over `dimension`, `nbits` and `K` as little-endian 32-bit numbers and the bytes of
    /// centroids, cutoffs and weights: codes of codecs with one id mean the same.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The tables.
    pub fn parts(&self) -> &ResidualParts {
        &self.parts
    }

    /// Width of an embedding.
    pub fn dimension(&self) -> usize {
        self.parts.dimension
    }

    /// Bits of each number of a residual.
    pub fn nbits(&self) -> usize {
        self.parts.nbits
    }

    /// Number of centroids.
    pub fn centroid_count(&self) -> usize {
        self.parts.centroids.len() / self.parts.dimension
    }

    /// Bytes of a row without its code.
    pub fn residual_bytes(&self) -> usize {
        self.parts.dimension * self.parts.nbits / 8
    }

    /// Stores finite rows of the codec's width.
    pub(super) fn compress(&self, values: &[f32]) -> Rows {
        let ResidualParts { dimension, centroids, .. } = &self.parts;
        let codes = self.nearest(values);
        let mut residuals = Vec::with_capacity(codes.len() * self.residual_bytes());
        for (row, &code) in values.chunks_exact(*dimension).zip(&codes) {
            let centroid = &centroids[code as usize * dimension..][..*dimension];
            let buckets: Vec<u8> =
                row.iter().zip(centroid).map(|(value, mean)| self.bucket(value - mean)).collect();
            residuals.extend(buckets.chunks(8 / self.parts.nbits).map(|group| self.pack(group)));
        }
        Rows::Residual { codes, residuals }
    }

    /// The centroid with the largest inner product with each row, the first of several.
    fn nearest(&self, values: &[f32]) -> Vec<u32> {
        self.packed().nearest(values)
    }

    /// The `count` centroids with the largest inner products with each row, and these, largest first, ties by number.
    pub(crate) fn largest(&self, values: &[f32], count: usize) -> Vec<Vec<(u32, f32)>> {
        self.packed().largest(values, count)
    }

    fn packed(&self) -> &Nearest {
        let pack = || Nearest::new(&self.parts.centroids, self.parts.dimension);
        self.packed.get_or_init(pack)
    }

    /// How many cutoffs lie strictly below.
    fn bucket(&self, residual: f32) -> u8 {
        self.parts.cutoffs.partition_point(|&cutoff| cutoff < residual) as u8
    }

    /// Buckets that share a byte.
    fn pack(&self, buckets: &[u8]) -> u8 {
        let nbits = self.parts.nbits;
        let bits = buckets.iter().flat_map(|bucket| (0..nbits).map(move |bit| bucket >> bit & 1));
        bits.enumerate().fold(0, |byte, (place, bit)| byte | bit << (7 - place))
    }

    /// How long what a row's residual stands for is.
    pub(crate) fn residual_length(&self, row: &[u8]) -> f32 {
        let each = row.iter().flat_map(|&byte| {
            let weights = &self.bytes[byte as usize * (8 / self.parts.nbits)..];
            &weights[..8 / self.parts.nbits]
        });
        each.map(|weight| weight * weight).sum::<f32>().sqrt()
    }

    /// The embeddings of rows whose codes are those of a centroid.
    pub(super) fn decompress(&self, codes: &[u32], residuals: &[u8]) -> Vec<f32> {
        let ResidualParts { dimension, centroids, nbits, .. } = &self.parts;
        let mut values = Vec::with_capacity(codes.len() * dimension);
        let weights: Vec<&[f32]> = self.bytes.chunks_exact(8 / nbits).collect();
        for (&code, row) in codes.iter().zip(residuals.chunks_exact(self.residual_bytes())) {
            let start = values.len();
            values.extend_from_slice(&centroids[code as usize * dimension..][..*dimension]);
            let each = values[start..].chunks_exact_mut(8 / nbits).zip(row);
            each.for_each(|(values, &byte)| {
                let weights = weights[byte as usize];
                values.iter_mut().zip(weights).for_each(|(value, weight)| *value += weight);
            });
            normalize(&mut values[start..]);
        }
        values
    }
}

/// What codes mean, they mean for all codecs of one id.
impl PartialEq for ResidualCodec {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl fmt::Debug for ResidualCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResidualCodec").field("id", &self.id).finish_non_exhaustive()
    }
}

fn normalize(row: &mut [f32]) {
    let length = row.iter().map(|value| value * value).sum::<f32>().sqrt().max(EPSILON);
    row.iter_mut().for_each(|value| *value /= length);
}

fn wrong(name: &str, reason: String) -> Result<()> {
    Err(Error::argument(name, reason))
}

/// # Errors
/// [`Error::Argument`]: rows of this width are not stored in so many bits.
pub(crate) fn check_widths(dimension: usize, nbits: usize) -> Result<()> {
    if ![1, 2, 4, 8].contains(&nbits) {
        return wrong("nbits", format!("is {nbits}; 1, 2, 4 and 8 are taken"));
    }
    if dimension == 0 || !dimension.is_multiple_of(8 / nbits) {
        let reason = format!("is {dimension}, which is no whole number of bytes at {nbits} bits");
        return wrong("dimension", reason);
    }
    Ok(())
}

/// # Errors
/// [`Error::Argument`], by the name of the table.
pub(super) fn check_centroids(parts: &ResidualParts) -> Result<()> {
    let ResidualParts { dimension, nbits, centroids, .. } = parts;
    check_widths(*dimension, *nbits)?;
    if centroids.is_empty() || !centroids.len().is_multiple_of(*dimension) {
        let reason = format!("are {} numbers, which are no rows of {dimension}", centroids.len());
        return wrong("centroids", reason);
    }
    if u32::try_from(centroids.len() / dimension).is_err() {
        return wrong("centroids", "are more than 32 bits number".to_owned());
    }
    in_range("centroids", centroids)
}

fn check_buckets(parts: &ResidualParts) -> Result<()> {
    let ResidualParts { dimension, nbits, cutoffs, weights, avg_residual, .. } = parts;
    let count = 1 << nbits;
    for (name, found, expected) in
        [("bucket_cutoffs", cutoffs.len(), count - 1), ("bucket_weights", weights.len(), count)]
    {
        if found != expected {
            return wrong(name, format!("are {found}; {nbits} bits have {expected}"));
        }
    }
    if ![0, *dimension].contains(&avg_residual.len()) {
        return wrong(
            "avg_residual",
            format!("has {} numbers, not {dimension}", avg_residual.len()),
        );
    }
    in_range("bucket_cutoffs", cutoffs)?;
    in_range("bucket_weights", weights)?;
    in_range("avg_residual", avg_residual)?;
    match cutoffs.is_sorted() {
        true => Ok(()),
        false => wrong("bucket_cutoffs", "do not ascend".to_owned()),
    }
}

fn in_range(name: &str, values: &[f32]) -> Result<()> {
    match values.iter().all(|value| (-LARGEST..=LARGEST).contains(value)) {
        true => Ok(()),
        false => wrong(name, format!("hold a number that is not finite or beyond {LARGEST}")),
    }
}

fn id(parts: &ResidualParts) -> String {
    let sizes = [parts.dimension, parts.nbits, parts.centroids.len() / parts.dimension];
    let mut bytes: Vec<u8> = sizes.iter().flat_map(|&size| (size as u32).to_le_bytes()).collect();
    for values in [&parts.centroids, &parts.cutoffs, &parts.weights] {
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    format!("r1-{}", &sha256(&bytes)[..32])
}

/// A bucket's bits stand lowest first, from bit 7 of a byte down.
fn weights_of_bytes(parts: &ResidualParts) -> Vec<f32> {
    let nbits = parts.nbits;
    let bucket = |byte: u8, place: usize| -> usize {
        (0..nbits).map(|bit| usize::from(byte >> (7 - place * nbits - bit) & 1) << bit).sum()
    };
    let bytes = (0..=u8::MAX).flat_map(|byte| (0..8 / nbits).map(move |place| (byte, place)));
    bytes.map(|(byte, place)| parts.weights[bucket(byte, place)]).collect()
}
