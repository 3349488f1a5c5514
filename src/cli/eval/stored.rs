//! What do documents take that are stored by a codec: how many bytes, and how long until a query's candidates are scored?

use std::hint::black_box;
use std::time::Instant;

use rayon::ThreadPoolBuilder;
use tabrank::TokenEmbeddings;
use tabrank::late_interaction::codec::CompressedEmbeddings;
use tabrank::late_interaction::maxsim::maxsim_compressed;

use super::codecs::{Codecs, Way};
use crate::cli::CliError;

/// Documents that are kept to be scored against a clock.
const MOST: usize = 1_000;
/// Queries that they are scored against.
const QUERIES: usize = 9;

/// Documents in each form.
pub struct Stored {
    /// The first [`MOST`] of the corpus; none before a document has come.
    forms: Vec<Option<CompressedEmbeddings>>,
    /// Of all of them.
    bytes: Vec<usize>,
    documents: usize,
    /// Embeddings of the first queries.
    queries: Vec<Vec<f32>>,
}

impl Stored {
    /// Nothing yet.
    pub fn new(codecs: &Codecs) -> Self {
        let count = codecs.forms.len();
        Self { forms: vec![None; count], bytes: vec![0; count], documents: 0, queries: Vec::new() }
    }

    /// Takes note of queries.
    pub fn ask(&mut self, queries: &TokenEmbeddings) {
        let wanted = if self.forms.is_empty() { 0 } else { QUERIES - self.queries.len() };
        self.queries.extend(queries.texts().take(wanted).map(<[f32]>::to_vec));
    }

    /// Takes documents, in each form.
    ///
    /// # Errors
    /// Never but for a bug: forms do not change.
    pub fn take(&mut self, coded: &[CompressedEmbeddings]) -> Result<(), CliError> {
        for ((kept, bytes), coded) in self.forms.iter_mut().zip(&mut self.bytes).zip(coded) {
            *bytes += coded.bytes();
            let kept = match kept {
                Some(kept) => kept,
                None => kept
                    .insert(CompressedEmbeddings::new(coded.codec().clone(), coded.dimension())?),
            };
            let wanted = MOST - kept.len();
            for (&length, rows) in coded.lengths().iter().zip(coded.documents()).take(wanted) {
                kept.push(length, rows)?;
            }
        }
        self.documents += coded.first().map_or(0, CompressedEmbeddings::len);
        Ok(())
    }

    /// Bytes of a document, in both forms where there are two.
    pub fn bytes(&self, way: &Way) -> f64 {
        let forms = [Some(way.first), way.then.map(|(second, _)| second)];
        let bytes: usize = forms.iter().flatten().map(|&form| self.bytes[form]).sum();
        bytes as f64 / self.documents.max(1) as f64
    }

    /// Milliseconds, a median over queries, until so many candidates are scored, on one core; `None` where there are not as many.
    pub fn milliseconds(&self, way: &Way, candidates: usize) -> Option<f64> {
        let first = self.first(way.first, candidates)?;
        let second = match way.then {
            Some((form, keep)) => Some(self.first(form, keep.min(candidates))?),
            None => None,
        };
        let time = |query: &Vec<f32>| {
            let start = Instant::now();
            for list in [Some(&first), second.as_ref()].into_iter().flatten() {
                black_box(maxsim_compressed(query, list));
            }
            start.elapsed().as_secs_f64() * 1e3
        };
        let one = ThreadPoolBuilder::new().num_threads(1).build().ok()?;
        let mut times: Vec<f64> = one.install(|| self.queries.iter().map(time).collect());
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }

    /// The first documents in a form, if there are as many.
    fn first(&self, form: usize, count: usize) -> Option<CompressedEmbeddings> {
        let all = self.forms[form].as_ref().filter(|all| all.len() >= count)?;
        Some(all.select(0..count))
    }
}
