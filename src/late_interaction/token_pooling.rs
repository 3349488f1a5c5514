//! How does a document keep fewer embeddings? Those that are alike become their mean.
//!
//! ```text
//! d(u, v) = 1 − u·v, from 0 to 2                                      of single embeddings
//! d(uv, w)² = [(|u|+|w|) d(u,w)² + (|v|+|w|) d(v,w)² − |w| d(u,v)²] / (|u|+|v|+|w|)      of clusters (Ward)
//! ```
//!
//! The two nearest clusters are merged until `max(⌊n / factor⌋, 1)` of `n` embeddings are left, without the protected ones, which
//! stand in front; merges of one height go together, so that fewer can be left. This is what PyLate 1.6 (`pool_factor`) and
//! sentence-transformers 6.2 (`HierarchicalTokenPooling`) compute by SciPy's `linkage` and `fcluster` (`maxclust`). They give the
//! means in the order of cluster labels; here a mean stands where the first token of its cluster stood, which no score depends on.
//!
//! colpali-engine's `HierarchicalTokenPooler`, for the patches of a page, clusters otherwise: each embedding is a point whose coordinates are its
//! distances `1 − u·v` from all of them, and `d` is the Euclidean distance of two such points. Means are of length 1.
//!
//! The merges are found along chains of nearest neighbours (Murtagh, "A survey of recent advances in hierarchical clustering
//! algorithms", 1983): in O(n²) steps, with n(n − 1)/2 distances in memory, those of one document at a time.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::late_interaction::embeddings::TokenEmbeddings;

pub use crate::model::config::TokenPooling;

/// Most embeddings of a document that are clustered: their distances take 134 MB.
const MOST: usize = 8_192;
/// Products that are summed side by side.
const LANES: usize = 8;

/// Every document with fewer embeddings. `index` tells a document's place in its list, for errors.
///
/// # Errors
/// As [`pool`].
pub fn pool_each(
    documents: &TokenEmbeddings,
    pooling: TokenPooling,
    index: impl Fn(usize) -> usize,
) -> Result<TokenEmbeddings> {
    let mut pooled = TokenEmbeddings::new(documents.dimension());
    for (place, rows) in documents.texts().enumerate() {
        pooled.push(&pool(rows, documents.dimension(), pooling, index(place))?);
    }
    Ok(pooled)
}

/// One document's `rows`, `[length, dimension]`, unit vectors as a rule, with fewer of them. `index`: its place in its list.
///
/// # Errors
/// [`Error::Argument`] for a factor below 1, and for more than 8,192 embeddings that would be clustered.
///
/// # Panics
/// If `rows` is not a whole number of rows: the caller's arithmetic is broken.
pub fn pool(
    rows: &[f32],
    dimension: usize,
    pooling: TokenPooling,
    index: usize,
) -> Result<Vec<f32>> {
    assert_eq!(rows.len() % dimension, 0, "a text has whole rows");
    pooling.check()?;
    let length = rows.len() / dimension;
    let (protected, rest) = rows.split_at(pooling.protected.min(length) * dimension);
    let count = rest.len() / dimension;
    let clusters = pooling.clusters(count);
    let mut pooled = protected.to_vec();
    match clusters < count {
        true if count > MOST => return Err(too_long(index, count)),
        true => pooled.extend(means(
            rest,
            dimension,
            &flat_clusters(Linkage::new(rest, dimension, distance), clusters),
        )),
        false => pooled.extend_from_slice(rest),
    }
    if pooling.normalize {
        pooled.chunks_exact_mut(dimension).for_each(normalize);
    }
    Ok(pooled)
}

/// A page's patches, `[patches, dimension]`, as colpali-engine 0.3.18 pools them: `max(⌊n / factor⌋, 1)` means of length 1 or fewer.
///
/// # Errors
/// [`Error::Argument`] for more than 8,192 patches.
///
/// # Panics
/// If `rows` is not a whole number of rows: the caller's arithmetic is broken.
pub fn pool_patches(rows: &[f32], dimension: usize, factor: usize) -> Result<Vec<f32>> {
    assert_eq!(rows.len() % dimension, 0, "a page has whole rows");
    let count = rows.len() / dimension;
    let clusters = (count / factor.max(1)).max(1);
    if clusters >= count {
        return Ok(rows.to_vec());
    }
    if count > MOST {
        let reason = format!("has {count} patches; at most {MOST} are pooled");
        return Err(Error::argument("page", reason));
    }
    let points = points(rows, dimension);
    let labels = flat_clusters(Linkage::new(&points, count, euclidean), clusters);
    let mut pooled = means(rows, dimension, &labels);
    pooled.chunks_exact_mut(dimension).for_each(normalize);
    Ok(pooled)
}

/// Of each row its distances from all of them, `[rows, rows]`.
fn points(rows: &[f32], dimension: usize) -> Vec<f32> {
    let each = || rows.chunks_exact(dimension);
    each().flat_map(|row| each().map(move |other| 1.0 - dot(row, other))).collect()
}

/// Of two points, as far as they are numbers.
fn euclidean(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let square = |(a, b): (&f32, &f32)| (a - b) * (a - b);
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(square).sum();
    for pair in a.zip(b) {
        sums.iter_mut().zip(pair.0.iter().zip(pair.1)).for_each(|(sum, pair)| *sum += square(pair));
    }
    let distance = (sums.iter().sum::<f32>() + rest).sqrt();
    if distance > 0.0 { distance.min(f32::MAX) } else { 0.0 }
}

fn too_long(index: usize, count: usize) -> Error {
    let reason = format!("has {count} token embeddings; at most {MOST} are pooled");
    Error::argument(format!("documents[{index}]"), reason)
}

/// The mean of each cluster's rows, in the order of the clusters; `labels` of each row.
fn means(rows: &[f32], dimension: usize, labels: &[usize]) -> Vec<f32> {
    let clusters = labels.iter().max().map_or(0, |last| last + 1);
    let (mut sums, mut counts) = (vec![0.0; clusters * dimension], vec![0usize; clusters]);
    for (row, &label) in rows.chunks_exact(dimension).zip(labels) {
        counts[label] += 1;
        let sum = &mut sums[label * dimension..(label + 1) * dimension];
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    for (sum, count) in sums.chunks_exact_mut(dimension).zip(counts) {
        sum.iter_mut().for_each(|value| *value /= count as f32);
    }
    sums
}

fn normalize(row: &mut [f32]) {
    let norm = dot(row, row).sqrt().max(1e-12);
    row.iter_mut().for_each(|value| *value /= norm);
}

/// The cluster of each row, numbered by their first rows: at most `most` of them, fewer than there are rows.
fn flat_clusters(linkage: Linkage, most: usize) -> Vec<usize> {
    let mut merges = linkage.merges();
    merges.sort_by(|a, b| a.height.total_cmp(&b.height));
    let highest = merges[merges.len() - most].height;
    let mut roots: Vec<usize> = (0..=merges.len()).collect();
    for merge in merges.iter().take_while(|merge| merge.height <= highest) {
        let [a, b] = merge.rows.map(|row| root(&mut roots, row));
        roots[a.max(b)] = a.min(b);
    }
    numbered(roots)
}

/// The first row of the cluster that `row` is in; the way there gets shorter.
fn root(roots: &mut [usize], mut row: usize) -> usize {
    while roots[row] != row {
        roots[row] = roots[roots[row]];
        row = roots[row];
    }
    row
}

/// Cluster numbers in place of roots. What a row points to stands in front of it, unless it is a root itself.
fn numbered(mut roots: Vec<usize>) -> Vec<usize> {
    let mut next = 0;
    for row in 0..roots.len() {
        roots[row] = match roots[row] == row {
            true => {
                next += 1;
                next - 1
            }
            false => roots[roots[row]],
        };
    }
    roots
}

/// Two clusters that became one, each by a row of its own, and how far they were apart.
struct Merge {
    rows: [usize; 2],
    height: f32,
}

/// Clusters, each in the place of one of its rows, and the distances between them.
struct Linkage {
    /// Of rows `(i, j)`, `i < j`, row by row.
    distances: Vec<f32>,
    sizes: Vec<usize>,
    /// The places that clusters have, in their order.
    places: Vec<usize>,
}

impl Linkage {
    fn new(rows: &[f32], dimension: usize, distance: fn(&[f32], &[f32]) -> f32) -> Self {
        let rows: Vec<&[f32]> = rows.chunks_exact(dimension).collect();
        let mut distances = Vec::with_capacity(rows.len() * (rows.len() - 1) / 2);
        for (i, row) in rows.iter().enumerate() {
            distances.extend(rows[i + 1..].iter().map(|other| distance(row, other)));
        }
        Self { distances, sizes: vec![1; rows.len()], places: (0..rows.len()).collect() }
    }

    /// All merges, in no order of their heights.
    fn merges(mut self) -> Vec<Merge> {
        let mut merges = Vec::with_capacity(self.sizes.len() - 1);
        // Each is the nearest neighbour of the one before it.
        let mut chain: Vec<usize> = Vec::new();
        while self.places.len() > 1 {
            let last = chain.pop().unwrap_or(self.places[0]);
            let previous = chain.last().copied();
            let (nearest, height) = self.nearest(last, previous);
            if previous == Some(nearest) {
                chain.pop();
                let rows = [last.min(nearest), last.max(nearest)];
                self.merge(rows, height);
                merges.push(Merge { rows, height });
            } else {
                chain.extend([last, nearest]);
            }
        }
        merges
    }

    /// The cluster nearest to that at `place`; of several, `first`, or the one in front.
    fn nearest(&self, place: usize, first: Option<usize>) -> (usize, f32) {
        let at = |other: usize| (other, self.distances[self.between(place, other)]);
        let others = self.places.iter().copied().filter(|&other| other != place);
        let nearer =
            |best: (usize, f32), next: (usize, f32)| if next.1 < best.1 { next } else { best };
        first.into_iter().chain(others).map(at).reduce(nearer).expect("two clusters are left")
    }

    /// Puts a cluster into the place of another; which one is SciPy's choice, for distances that are equal.
    fn merge(&mut self, [from, to]: [usize; 2], height: f32) {
        let (a, b) = (self.sizes[from], self.sizes[to]);
        self.sizes[to] = a + b;
        self.places.retain(|&place| place != from);
        for &other in self.places.iter().filter(|&&other| other != to) {
            let (near, far) = (self.distances[self.between(from, other)], self.between(to, other));
            let sizes = [a, b, self.sizes[other]];
            self.distances[far] = ward([near, self.distances[far], height], sizes);
        }
    }

    /// Where the distance of two clusters stands.
    fn between(&self, a: usize, b: usize) -> usize {
        let (i, j) = match a.cmp(&b) {
            Ordering::Less => (a, b),
            _ => (b, a),
        };
        i * (2 * self.sizes.len() - i - 1) / 2 + j - i - 1
    }
}

/// How far a cluster is from two that merge, by its distances from both and theirs; `sizes` of the two and its own.
fn ward([to_a, to_b, between]: [f32; 3], [a, b, own]: [usize; 3]) -> f32 {
    let square = |distance: f32, size: usize| f64::from(distance).powi(2) * size as f64;
    let sum = square(to_a, a + own) + square(to_b, b + own) - square(between, own);
    let distance = (sum / (a + b + own) as f64).sqrt() as f32;
    // No nearer than the nearer of the two, which rounding could forget, and chains rely on.
    distance.max(to_a.min(to_b))
}

/// Of single embeddings.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let distance = 1.0 - dot(a, b);
    // What is not a number is nearest: it cannot stand between others.
    if distance > 0.0 { distance.min(2.0) } else { 0.0 }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::{
        LANES, Linkage, MOST, TokenPooling, distance, flat_clusters, numbered, pool, pool_patches,
    };
    use crate::random::SplitMix64;

    fn unit_rows(random: &mut SplitMix64, count: usize, dimension: usize) -> Vec<f32> {
        let mut value = || (random.next() >> 40) as f32 / (1 << 23) as f32 - 1.0;
        let mut rows: Vec<f32> = (0..count * dimension).map(|_| value()).collect();
        rows.chunks_exact_mut(dimension).for_each(super::normalize);
        rows
    }

    /// The nearest two of all, again and again, in f64.
    fn merged(rows: &[f32], dimension: usize, clusters: usize) -> Vec<usize> {
        let rows: Vec<&[f32]> = rows.chunks_exact(dimension).collect();
        let distance = |a: &[f32], b: &[f32]| {
            1.0 - a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>()
        };
        let mut distances: Vec<Vec<f64>> =
            rows.iter().map(|a| rows.iter().map(|b| distance(a, b)).collect()).collect();
        let (mut sizes, mut roots) = (vec![1.0; rows.len()], (0..rows.len()).collect::<Vec<_>>());
        for _ in clusters..rows.len() {
            let alive: Vec<usize> = (0..rows.len()).filter(|&row| sizes[row] > 0.0).collect();
            let pairs = alive.iter().flat_map(|&a| alive.iter().map(move |&b| (a, b)));
            let by_distance = |a: &(usize, usize), b: &(usize, usize)| {
                distances[a.0][a.1].total_cmp(&distances[b.0][b.1])
            };
            let (a, b) = pairs.filter(|(a, b)| a < b).min_by(by_distance).unwrap();
            for &w in alive.iter().filter(|&&w| w != a && w != b) {
                let (u, v, n): (f64, f64, f64) = (sizes[a], sizes[b], sizes[w]);
                let square = (u + n) * distances[a][w].powi(2) + (v + n) * distances[b][w].powi(2)
                    - n * distances[a][b].powi(2);
                distances[a][w] = (square / (u + v + n)).sqrt();
                distances[w][a] = distances[a][w];
            }
            sizes[a] += sizes[b];
            sizes[b] = 0.0;
            roots[b] = a;
        }
        numbered(roots)
    }

    #[test]
    fn chains_find_what_merging_the_nearest_finds() {
        let mut random = SplitMix64(5);
        for count in [2, 3, 7, 24] {
            let rows = unit_rows(&mut random, count, LANES + 3);
            for clusters in 1..count {
                let expected = merged(&rows, LANES + 3, clusters);
                assert_eq!(
                    flat_clusters(Linkage::new(&rows, LANES + 3, distance), clusters),
                    expected,
                    "{clusters} of {count}"
                );
            }
        }
    }

    #[test]
    fn rows_of_any_numbers_are_pooled() {
        for value in [0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -f32::MAX] {
            let mut rows = unit_rows(&mut SplitMix64(9), 12, 3);
            rows[10..25].fill(value);
            let pooled = pool(&rows, 3, TokenPooling::by(1.5), 0).unwrap();
            assert_eq!(pooled.len() % 3, 0);
            assert!((2..=8 * 3).contains(&pooled.len()), "{value}");
        }
        assert!(pool(&[], 3, TokenPooling::by(2.0), 0).unwrap().is_empty());
    }

    #[test]
    fn patches_are_pooled_by_themselves() {
        let rows = unit_rows(&mut SplitMix64(3), 20, 6);
        assert_eq!(pool_patches(&rows, 6, 1).unwrap(), rows);
        let pooled = pool_patches(&rows, 6, 3).unwrap();
        assert!((1..=6).contains(&(pooled.len() / 6)));
        for row in pooled.chunks_exact(6) {
            assert!((super::dot(row, row) - 1.0).abs() < 1e-5);
        }
        assert_eq!(pool_patches(&rows, 6, 100).unwrap().len(), 6);
        assert!(pool_patches(&[], 6, 3).unwrap().is_empty());
        let mut rows = rows;
        rows[10..25].fill(f32::NAN);
        assert_eq!(pool_patches(&rows, 6, 3).unwrap().len() % 6, 0);
        assert_eq!(
            pool_patches(&vec![1.0; MOST + 1], 1, 2).unwrap_err().to_string(),
            "page has 8193 patches; at most 8192 are pooled"
        );
    }

    #[test]
    fn what_cannot_be_pooled_is_named() {
        let error = |rows: usize, factor| {
            pool(&vec![1.0; rows], 1, TokenPooling::by(factor), 3).unwrap_err().to_string()
        };
        assert_eq!(
            error(MOST + 2, 2.0),
            "documents[3] has 8193 token embeddings; at most 8192 are pooled"
        );
        for factor in [0.99, -2.0, f64::NAN, f64::INFINITY] {
            let expected = format!("token_pooling has factor {factor}; 1 and more are taken");
            assert_eq!(error(1, factor), expected);
        }
    }
}
