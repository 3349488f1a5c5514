//! BM25 over the whole corpus, whose statistics those of the words are.

use rayon::prelude::*;
use tabrank::stages::bm25::{Bm25Options, QueryWords, Statistics, WeightedQuery, WordCounts};
use tabrank::stages::top_k::{Scored, TopK};

use super::costs::Timed;
use super::data::Data;
use super::runs::Run;
use crate::cli::CliError;

/// Each document's words that are a query's, and each query's weights.
pub struct Words {
    documents: Vec<WordCounts>,
    queries: Vec<WeightedQuery>,
    /// Documents counted and scored, on one core.
    pub counting: Timed,
    pub scoring: Timed,
}

impl Words {
    /// Reads the corpus.
    pub fn new(data: &Data, options: &Bm25Options) -> Self {
        let words = QueryWords::new(data.queries.iter().map(AsRef::as_ref), &options.stop_words);
        let (mut counting, mut statistics) = (Timed::default(), Statistics::default());
        let count = data.corpus.len();
        let documents: Vec<WordCounts> = counting
            .of(count, || data.corpus.iter().map(|text| words.count(text.as_ref())).collect());
        documents.iter().for_each(|document| statistics.add(document));
        let places = 0..data.queries.len();
        let queries = places.map(|place| words.weighted(place, &statistics, options)).collect();
        Self { documents, queries, counting, scoring: Timed::default() }
    }

    /// Of a document, both by their places.
    pub fn score(&self, query: usize, document: usize) -> f32 {
        self.queries[query].score(&self.documents[document])
    }

    /// The best of the corpus for each query.
    ///
    /// # Errors
    /// Scores that are not finite.
    pub fn best(&mut self, count: usize) -> Result<Run, CliError> {
        let best = |query| {
            let (mut time, mut best) = (Timed::default(), TopK::new(count));
            let scored = (0..self.documents.len())
                .map(|index| (Scored { index, score: self.score(query, index) }, ()));
            time.of(self.documents.len(), || best.extend(scored))?;
            Ok((best.into_ranked().into_iter().map(|(scored, ())| scored).collect(), time))
        };
        let found: Vec<(Vec<Scored>, Timed)> =
            (0..self.queries.len()).into_par_iter().map(best).collect::<Result<_, CliError>>()?;
        let (run, times): (Run, Vec<Timed>) = found.into_iter().unzip();
        times.into_iter().for_each(|time| self.scoring += time);
        Ok(run)
    }
}
