//! What stages take, measured on the way: time, and the bytes of a document that they hold.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::approaches::{Approach, Kind};
use super::ranking::Sources;

/// Time spent on a number of things.
#[derive(Clone, Copy, Default)]
pub struct Timed {
    pub spent: Duration,
    pub count: usize,
}

impl Timed {
    /// Does something to `count` things.
    pub fn of<T>(&mut self, count: usize, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        *self += Self { spent: start.elapsed(), count };
        done
    }

    /// Milliseconds for one of them.
    pub fn each(self) -> f64 {
        self.spent.as_secs_f64() * 1e3 / self.count.max(1) as f64
    }
}

impl AddAssign for Timed {
    fn add_assign(&mut self, more: Self) {
        self.spent += more.spent;
        self.count += more.count;
    }
}

/// What stages take, of one evaluation.
#[derive(Default)]
pub struct Costs {
    /// Encoding, on all cores.
    pub queries: Timed,
    pub documents: Timed,
    /// Counting words and scoring documents, on one core.
    pub counting: Timed,
    pub words: Timed,
    pub dense: Timed,
    pub late: Timed,
    /// Pairs, by cross-encoder, on all cores.
    pub crosses: Vec<Timed>,
    /// Bytes of all documents: their texts, their vectors and their embeddings.
    pub text_bytes: usize,
    pub vector_bytes: usize,
    pub embedding_bytes: usize,
}

/// What a stage takes; null where there is no such thing.
#[derive(Default, Serialize)]
pub struct Cost {
    /// Milliseconds a query, with all at hand that can be made of documents beforehand: the query is encoded, its candidates are scored.
    pub ms: Option<f64>,
    /// The same from the candidates' texts, which are encoded too.
    pub ms_from_texts: Option<f64>,
    /// Bytes a document of what is at hand: its text, its vector or its token embeddings, in f32.
    pub bytes: Option<f64>,
}

impl Costs {
    /// Takes what was measured beside the encoders.
    pub fn add(&mut self, sources: &Sources<'_>) {
        (self.counting, self.words) = (sources.words.counting, sources.words.scoring);
        self.crosses.clone_from(&sources.cross_times);
        self.text_bytes = sources.data.corpus.iter().map(|text| text.as_ref().len()).sum();
    }

    /// Of an approach's last stage for its candidates. The whole corpus is never made from its texts for a query.
    pub fn of(&self, approach: &Approach, candidates: f64) -> Cost {
        let kind = approach.last();
        let (time, making, bytes) = match kind {
            Kind::Given => return Cost::default(),
            Kind::Bm25 => (self.words, self.counting, self.text_bytes),
            Kind::Dense => (self.dense, self.documents, self.vector_bytes),
            Kind::Late => (self.late, self.documents, self.embedding_bytes),
            Kind::Cross(cross) => (Timed::default(), self.crosses[cross], self.text_bytes),
        };
        let encodes = matches!(kind, Kind::Dense | Kind::Late);
        let ms = if encodes { self.queries.each() } else { 0.0 } + time.each() * candidates;
        let from_texts = ms + making.each() * candidates;
        Cost {
            ms: (!matches!(kind, Kind::Cross(_))).then_some(ms),
            // A corpus that came as embeddings has not been encoded.
            ms_from_texts: (approach.stages.len() > 1 && !making.spent.is_zero())
                .then_some(from_texts),
            bytes: Some(bytes as f64 / self.documents.count.max(1) as f64),
        }
    }
}
