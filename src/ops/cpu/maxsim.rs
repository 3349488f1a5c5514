//! MaxSim of rows as they were stored.
//!
//! Rows of signs are not unpacked: what each of their bytes adds to the similarities is looked up, see [`super::tables`].
//!
//! A block of other rows at a time is brought to 8-bit codes, if it does not hold such, and compared with the whole query by exact
//! products: see [`super::screen`]. No row whose similarity cannot be the largest is compared in f32; the others, two or three in a
//! hundred, are unpacked and multiplied in one order.
//!
//! So the score is the same to the bit on every engine, in whatever codes rows are screened.
//!
//! A similarity that is NaN or beyond [`LIMIT`] would vanish in a maximum. A document with values that may lead there is computed in
//! full: each similarity is brought to where the limit is infinite, multiplied by zero and added up, which makes the sum NaN, and
//! the score with it.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::ops::Range;
use std::sync::OnceLock;

use super::PANEL;
use super::codes::{folded, larger, near};
use super::dot::Activation;
use super::f32::{multiply, pack_f32};
use super::pointwise::LANES;
use super::rows::for_blocks;
use super::screen::{Block, ROWS, Screen};
use super::tables::Tables;
use super::unpack::{SIGNS, Unpacking};
use crate::ops::plain::LIMIT;
use crate::ops::{CodedRows, ResidualTables};

/// Document rows whose similarities are held at once.
const HELD: usize = 512;

/// The embeddings of a query, laid out for [`CodedQuery::score`].
#[derive(Debug, Clone)]
pub struct CodedQuery<'a> {
    /// `[length, dimension]`.
    rows: Vec<f32>,
    dimension: usize,
    /// Nothing if everything is to be computed in full.
    screen: Option<Screen>,
    unpacking: Unpacking<'a>,
    /// For rows of signs, made when the first come; nothing if they would be too large, or everything is to be computed in full.
    tables: OnceLock<Option<Tables>>,
}

impl<'a> CodedQuery<'a> {
    /// `rows` `[length, dimension]`.
    ///
    /// # Panics
    /// If they are not whole rows.
    pub fn new(rows: &[f32], dimension: usize) -> Self {
        assert_eq!(rows.len() % dimension, 0, "a query has whole rows");
        let (screen, unpacking) = (Screen::new(rows, dimension), Unpacking::new(dimension, None));
        Self { rows: rows.to_vec(), dimension, screen, unpacking, tables: OnceLock::new() }
    }

    /// The same query for documents with residual codes.
    ///
    /// # Panics
    /// If the tables are of another width, or have no weight for a bucket.
    pub fn with_tables(self, tables: ResidualTables<'a>) -> Self {
        Self { unpacking: Unpacking::new(self.dimension, Some(tables)), ..self }
    }

    /// Some of several documents' rows.
    ///
    /// # Panics
    /// If they are not there.
    pub fn slice<'r>(&self, documents: CodedRows<'r>, rows: Range<usize>) -> CodedRows<'r> {
        documents.slice(rows, self.unpacking.width(documents))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len() / self.dimension
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// `Σᵢ maxⱼ qᵢ · dⱼ` over the rows that `document` stands for; `-`[`CodedQuery::len`] if it has none, NaN if a similarity is NaN
    /// or beyond 1e30.
    ///
    /// # Panics
    /// If the document's rows are not whole, have no tables, or a code has no centroid.
    pub fn score(&self, document: CodedRows<'_>) -> f32 {
        let count = self.unpacking.count(document);
        if count == 0 || self.is_empty() {
            return 0.0 - self.len() as f32;
        }
        let looked_up = match document {
            CodedRows::Binary(bytes) => self.by_tables(bytes),
            _ => None,
        };
        let found = looked_up.or_else(|| self.screened(document, count));
        found.unwrap_or_else(|| self.in_full(document, count))
    }

    /// [`CodedQuery::score`] of each document.
    pub fn scores(&self, documents: &[CodedRows<'_>]) -> Vec<f32> {
        let mut scores = vec![0.0; documents.len()];
        for_blocks(&mut scores, 1, 1, |first, scores| {
            for (score, document) in scores.iter_mut().zip(&documents[first..]) {
                *score = self.score(*document);
            }
        });
        scores
    }

    /// The score of rows of signs by tables, if there may be some.
    fn by_tables(&self, bytes: &[u8]) -> Option<f32> {
        let tables = self.tables.get_or_init(|| {
            self.screen.as_ref()?;
            Tables::new(&self.rows, self.dimension, &SIGNS.map(|signs| signs.map(f32::from)))
        });
        let nearest = tables.as_ref()?.nearest(bytes).take(self.len());
        Some(nearest.map(|similarity| similarity * self.unpacking.length_of_signs()).sum())
    }

    /// The score by the rows that may be nearest; nothing if a value is too large or NaN.
    fn screened(&self, document: CodedRows<'_>, count: usize) -> Option<f32> {
        let mut near = Near::new(self, self.screen.as_ref()?);
        (0..count).step_by(HELD).try_for_each(|first| {
            let rows = first..count.min(first + HELD);
            near.screen(document, rows.clone())?;
            near.compare(document, rows);
            Some(())
        })?;
        Some(near.best.iter().sum())
    }

    /// The score by all products.
    fn in_full(&self, document: CodedRows<'_>, count: usize) -> f32 {
        let panels = pack_f32(&self.rows, self.dimension);
        let lanes = panels.len() / self.dimension;
        let (mut maxima, mut poison) = (vec![f32::NEG_INFINITY; lanes], vec![0.0; lanes]);
        let mut row = vec![0.0; self.dimension];
        for place in 0..count {
            let (row, factor) = self.unpacking.row(document, place, &mut row);
            let each = maxima.as_chunks_mut().0.iter_mut().zip(poison.as_chunks_mut().0);
            for (panel, sums) in panels.chunks_exact(self.dimension * PANEL).zip(each) {
                reduce(row, factor, panel, sums);
            }
        }
        maxima.iter().zip(&poison).take(self.len()).map(|(maximum, poison)| maximum + poison).sum()
    }
}

/// Takes the similarities of a row with a panel into its maxima and its sums of zeros.
fn reduce(
    row: &[f32],
    factor: f32,
    panel: &[f32],
    (maxima, poison): (&mut [f32; PANEL], &mut [f32; PANEL]),
) {
    multiply::<true>(row, row.len(), panel, |_, similarities| {
        for lane in 0..PANEL {
            let similarity = similarities[lane] * factor;
            maxima[lane] = if similarity > maxima[lane] { similarity } else { maxima[lane] };
            poison[lane] += similarity * (f32::MAX / LIMIT) * 0.0;
        }
    });
}

/// The nearest rows of a document.
struct Near<'q> {
    query: &'q CodedQuery<'q>,
    screen: &'q Screen,
    block: Block,
    /// For the codes of a block.
    room: Vec<Activation>,
    /// A row of the document.
    row: Vec<f32>,
    /// Of the rows that are held, by [`Screen::similarities`]: `[HELD, lanes]`, and how far they may be off.
    similarities: Vec<f32>,
    slacks: Vec<f32>,
    /// What the largest similarity of each lane is at least, over the query row's step.
    least: Vec<f32>,
    /// The largest similarity of each of the query's rows.
    best: Vec<f32>,
}

impl<'q> Near<'q> {
    fn new(query: &'q CodedQuery<'q>, screen: &'q Screen) -> Self {
        let mut least = vec![f32::NEG_INFINITY; query.len()];
        // Behind the last row nothing is near.
        least.resize(query.len().next_multiple_of(PANEL), f32::INFINITY);
        Self {
            query,
            screen,
            block: Block::new(),
            room: screen.room(),
            row: vec![0.0; query.dimension],
            similarities: Vec::new(),
            slacks: Vec::new(),
            least,
            best: vec![f32::NEG_INFINITY; query.len()],
        }
    }

    /// Finds what the similarities of some rows are about; nothing if a value is too large or NaN.
    fn screen(&mut self, document: CodedRows<'_>, rows: Range<usize>) -> Option<()> {
        let lanes = self.least.len();
        self.slacks.clear();
        self.similarities.resize(rows.len() * lanes, 0.0);
        for (first, out) in
            rows.clone().step_by(ROWS).zip(self.similarities.chunks_mut(ROWS * lanes))
        {
            let end = rows.end.min(first + ROWS);
            let (screen, block) = (self.screen, &mut self.block);
            let codes = match self.query.unpacking.codes(document, first..end) {
                Some((codes, factors)) => screen.take(block, &mut self.room, codes, factors)?,
                None => {
                    block.clear();
                    for row in first..end {
                        let (row, factor) = self.query.unpacking.row(document, row, &mut self.row);
                        screen.push(block, &mut self.room, row, factor)?;
                    }
                    &self.room
                }
            };
            let ahead = self.query.unpacking.memory(document, end..rows.end.min(end + ROWS));
            screen.similarities(block, codes, ahead, out, &mut self.least);
            self.slacks.extend(block.slacks());
        }
        Some(())
    }

    /// Compares those of the rows that may be nearest.
    #[inline(never)]
    fn compare(&mut self, document: CodedRows<'_>, rows: Range<usize>) {
        let dimension = self.query.dimension;
        let each = self.similarities.chunks_exact(self.least.len()).zip(&self.slacks);
        for (place, (similarities, slack)) in rows.zip(each) {
            let unpacking = &self.query.unpacking;
            let row = LazyCell::new(|| unpacking.row(document, place, &mut self.row));
            for (panel, similarities) in similarities.as_chunks().0.iter().enumerate() {
                let (first, least) = (panel * PANEL, &mut self.least.as_chunks_mut().0[panel]);
                let mut lanes = near(similarities, *slack, least);
                while lanes > 0 {
                    let lane = lanes.trailing_zeros() as usize;
                    let (row, factor) = *row;
                    let query = &self.query.rows[(first + lane) * dimension..][..dimension];
                    let best = &mut self.best[first + lane];
                    *best = larger(dot(query, row) * factor, *best);
                    least[lane] = larger(self.screen.at_least(first + lane, *best), least[lane]);
                    lanes &= lanes - 1;
                }
            }
        }
    }
}

/// The same sum everywhere: lane by lane, then across.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [[0.0; LANES]; 2];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.chunks(2).zip(b.chunks(2)) {
        for (sums, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    folded(std::array::from_fn(|lane| sums[0][lane] + sums[1][lane]), |a, b| a + b) + rest
}

/// The rows that are not dropped; copied only where some are.
pub(super) fn kept<'a>(rows: &'a [f32], dropped: &[i32], dimension: usize) -> Cow<'a, [f32]> {
    if !dropped.contains(&1) {
        return Cow::Borrowed(rows);
    }
    let rows = rows.chunks_exact(dimension).zip(dropped);
    Cow::Owned(
        rows.filter(|(_, dropped)| **dropped == 0).flat_map(|(row, _)| row).copied().collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::{CodedQuery, dot};
    use crate::ops::{CodedRows, ResidualTables, plain};
    use crate::random::SplitMix64;

    struct Random(SplitMix64);

    impl Random {
        /// Within ±1.
        fn values(&mut self, count: usize) -> Vec<f32> {
            (0..count).map(|_| (self.0.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
        }

        /// Rows of length one.
        fn units(&mut self, rows: usize, dimension: usize) -> Vec<f32> {
            let values = self.values(rows * dimension);
            plain::normalize(&values, dimension).into_iter().map(|value| value as f32).collect()
        }

        fn bytes(&mut self, count: usize) -> Vec<u8> {
            (0..count).map(|_| self.0.next() as u8).collect()
        }
    }

    /// The largest of all products, none left out.
    fn all_compared(query: &[f32], rows: &[f32], dimension: usize) -> f32 {
        let nearest = |query| {
            let products = rows.chunks_exact(dimension).map(|row| dot(query, row));
            products.fold(f32::NEG_INFINITY, f32::max)
        };
        query.chunks_exact(dimension).map(nearest).sum()
    }

    #[test]
    fn no_row_that_counts_is_left_out() {
        let mut random = Random(SplitMix64(1));
        let shapes = [(32, 300, 128), (5, 1_100, 48), (9, 33, 7), (1, 600, 1)];
        // Miri is slow.
        let small = [(2, 40, 9), (9, 33, 7), (1, 35, 1)];
        let shapes = if cfg!(miri) { &small[..] } else { &shapes };
        for &(queries, count, dimension) in shapes {
            let query = random.units(queries, dimension);
            let mut rows = random.units(count, dimension);
            let coded = CodedQuery::new(&query, dimension);
            for case in 0..4 {
                match case {
                    // Rows that are nearly the query's, and one another.
                    1 => rows
                        .chunks_exact_mut(dimension)
                        .zip(query.chunks_exact(dimension).cycle())
                        .for_each(|(row, query)| {
                            row.iter_mut().zip(query).for_each(|(x, q)| *x = q + *x * 1e-4)
                        }),
                    // Rows of all lengths.
                    2 => rows
                        .iter_mut()
                        .enumerate()
                        .for_each(|(place, x)| *x *= (place / dimension % 7) as f32 * 1e3),
                    3 => rows.iter_mut().for_each(|x| *x *= 1e-35),
                    _ => {}
                }
                let expected = all_compared(&query, &rows, dimension);
                let found = coded.score(CodedRows::F32(&rows));
                assert_eq!(
                    found.to_bits(),
                    expected.to_bits(),
                    "{count} x {dimension}, case {case}"
                );
            }
        }
    }

    #[test]
    fn codes_score_as_what_they_stand_for() {
        let mut random = Random(SplitMix64(2));
        let (queries, rows, dimension) = if cfg!(miri) { (9, 70, 24) } else { (32, 700, 128) };
        let query = random.units(queries, dimension);
        let (scales, bytes) = (random.values(rows), random.bytes(rows * dimension));
        let codes: Vec<i8> = bytes.iter().map(|&byte| byte as i8).collect();
        let halves: Vec<u16> = random
            .values(rows * dimension)
            .into_iter()
            .map(|value| half::f16::from_f32(value).to_bits())
            .collect();
        let (centroids, weights) = (random.units(9, dimension), random.values(16));
        let places: Vec<u32> = (0..rows as u32).map(|row| row % 9).collect();
        let tables = |nbits: usize| ResidualTables {
            dimension,
            nbits,
            centroids: &centroids,
            weights: &weights[..1 << nbits],
        };
        let residual = |nbits: usize| CodedRows::Residual {
            codes: &places,
            residuals: &bytes[..rows * dimension * nbits / 8],
        };
        for (coded, tables) in [
            (CodedRows::F16(&halves), None),
            (CodedRows::Int8 { codes: &codes, scales: &scales }, None),
            (CodedRows::Binary(&bytes[..rows * dimension / 8]), None),
            (residual(1), Some(tables(1))),
            (residual(2), Some(tables(2))),
            (residual(4), Some(tables(4))),
        ] {
            let expected =
                plain::maxsim(&query, &plain::decoded(coded, dimension, tables), dimension);
            let reader = CodedQuery::new(&query, dimension);
            let reader = match tables {
                Some(tables) => reader.with_tables(tables),
                None => reader,
            };
            let found = f64::from(reader.score(coded));
            assert!(
                (found - expected).abs() < 1e-6 * expected,
                "{found}, not {expected}: {tables:?}"
            );
        }
    }

    #[test]
    fn whole_numbers_of_any_width_and_size_are_taken() {
        let mut random = Random(SplitMix64(4));
        for (count, dimension) in [(1, 1), (34, 7), (31, 20), (70, 130)] {
            let query = random.units(3, dimension);
            let codes: Vec<i8> = random
                .bytes(count * dimension)
                .into_iter()
                .map(|byte| byte as i8 | 1 << 7)
                .collect();
            let scales = random.values(count);
            let rows = CodedRows::Int8 { codes: &codes, scales: &scales };
            let expected = plain::maxsim(&query, &plain::decoded(rows, dimension, None), dimension);
            let found = f64::from(CodedQuery::new(&query, dimension).score(rows));
            assert!((found - expected).abs() < 1e-6 * expected.abs(), "{found}, not {expected}");
        }
    }
}
