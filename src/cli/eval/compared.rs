//! Several models that rerank the same candidates, each held against the first.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use tabrank::TokenEmbeddings;

use super::measures::Quality;
use crate::cli::CliError;

/// A model beside the first.
#[derive(Serialize)]
pub struct Compared {
    pub model: PathBuf,
    pub dtype: &'static str,
    pub reranked: Quality,
    /// Of each token's embedding, queries' and documents'.
    pub mean_cosine: f64,
    pub worst_cosine: f64,
    #[serde(flatten)]
    pub likeness: Likeness,
}

/// How like one order is to another.
#[derive(Serialize)]
pub struct Likeness {
    /// Documents that both have among their first ten, a mean over the queries.
    #[serde(rename = "overlap@10")]
    pub overlap: f64,
    /// Share of queries with the same first ten in the same order.
    #[serde(rename = "identical@10")]
    pub identical: f64,
}

impl Likeness {
    /// Of an order of each query's candidates to a reference's.
    pub fn of(order: &[Vec<usize>], reference: &[Vec<usize>]) -> Self {
        let count = order.len().max(1) as f64;
        let tops = || order.iter().zip(reference).map(|(a, b)| (top(a), top(b)));
        let shared = |(a, b): (&[usize], &[usize])| a.iter().filter(|i| b.contains(i)).count();
        Self {
            overlap: tops().map(shared).sum::<usize>() as f64 / count,
            identical: tops().filter(|(a, b)| a == b).count() as f64 / count,
        }
    }
}

impl Compared {
    /// Holds a model's order of each query's candidates against the first model's.
    pub fn new(
        (model, dtype): (PathBuf, &'static str),
        reranked: Quality,
        cosine: &Cosine,
        order: &[Vec<usize>],
        reference: &[Vec<usize>],
    ) -> Self {
        Self {
            model,
            dtype,
            reranked,
            mean_cosine: cosine.sum / cosine.count.max(1) as f64,
            worst_cosine: cosine.worst,
            likeness: Likeness::of(order, reference),
        }
    }
}

impl Compared {
    /// Two lines below the table, whose first column has a width.
    pub fn print(&self, out: &mut impl Write, width: usize) -> io::Result<()> {
        let Quality { ndcg, mrr, recall } = self.reranked;
        let Self { dtype, mean_cosine, worst_cosine, .. } = self;
        let Likeness { overlap, identical } = self.likeness;
        writeln!(out, "{dtype:<width$} {ndcg:>8.4} {mrr:>8.4} {recall:>11.4}")?;
        writeln!(
            out,
            "{:<width$} token cosine {mean_cosine:.5}, worst {worst_cosine:.3}; of the top ten {overlap:.2} shared, {:.1} % identical",
            "",
            100.0 * identical
        )
    }
}

fn top(order: &[usize]) -> &[usize] {
    &order[..order.len().min(10)]
}

/// Cosines of a model's embeddings with those of the first.
#[derive(Clone)]
pub struct Cosine {
    count: usize,
    sum: f64,
    worst: f64,
}

impl Default for Cosine {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, worst: 1.0 }
    }
}

impl Cosine {
    /// Holds every model's embeddings of the same tokens against the first's.
    ///
    /// # Errors
    /// [`CliError::NotComparable`].
    pub fn compare(cosines: &mut [Self], tokens: &[TokenEmbeddings]) -> Result<(), CliError> {
        let (reference, width) = (&tokens[0], tokens[0].dimension());
        for (cosine, found) in cosines.iter_mut().zip(tokens).skip(1) {
            if found.lengths() != reference.lengths() || found.dimension() != width {
                return Err(CliError::NotComparable);
            }
            let rows =
                found.values().chunks_exact(width).zip(reference.values().chunks_exact(width));
            for (a, b) in rows {
                let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                cosine.count += 1;
                cosine.sum += dot;
                cosine.worst = cosine.worst.min(dot);
            }
        }
        Ok(())
    }
}
