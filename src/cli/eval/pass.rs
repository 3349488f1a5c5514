//! The pass over the corpus. What stays of a document is its place among the candidates of each query, with its scores.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;
use tabrank::late_interaction::codec::CompressedEmbeddings;
use tabrank::late_interaction::maxsim::maxsim_compressed;
use tabrank::ops::{CodedQuery, CodedRows};
use tabrank::stages::top_k::{Scored, TopK};
use tabrank::{TextKind, TokenEmbeddings};

use super::codecs::Codecs;
use super::compared::Cosine;
use super::corpus::Corpus;
use super::costs::{Costs, Timed};
use super::data::Data;
use super::stored::Stored;
use super::stream::{Batch, Encoders};
use crate::cli::CliError;

/// What is looked for.
pub struct Wanted {
    /// How many documents the dense first stage finds for a query.
    pub dense: usize,
    /// How many the late one does; 0: it does not look, and only what others have found is scored.
    pub late: usize,
    /// Documents that are scored as well, for each query in the corpus's order.
    pub known: Vec<Vec<usize>>,
    /// Whether documents are scored from codes too.
    pub coded: bool,
}

/// What a document is to a query.
#[derive(Clone)]
pub struct Scores {
    pub dense: f32,
    /// By model, then by form of the codecs.
    pub late: Vec<f32>,
}

/// What was found for a query, best first.
pub struct Found {
    pub dense: Vec<Scored>,
    pub late: Vec<Scored>,
    /// Of all that was found or known, by place in the corpus.
    pub scores: HashMap<usize, Scores>,
}

/// What has come of a pass.
pub struct Passed {
    /// By query.
    pub found: Vec<Found>,
    pub costs: Costs,
    /// By model.
    pub cosines: Vec<Cosine>,
    pub stored: Stored,
}

/// Takes queries and corpus through all models together, and the first model's embeddings of the corpus through all codecs.
///
/// # Errors
/// Those of [`Encoders::each`] and of codecs, and scores that are not finite.
pub fn run(
    encoders: &Encoders<'_>,
    (codecs, corpus): (&Codecs, Option<&Corpus>),
    data: &Data,
    mut wanted: Wanted,
) -> Result<Passed, CliError> {
    let mut stored = Stored::new(codecs);
    let (mut costs, mut cosines) =
        (Costs::default(), vec![Cosine::default(); encoders.models.len()]);
    let mut queries = Vec::with_capacity(data.queries.len());
    let mut known = std::mem::take(&mut wanted.known).into_iter();
    let time = encoders.each("encode queries", TextKind::Query, &data.queries, |batch| {
        Cosine::compare(&mut cosines, batch.tokens)?;
        stored.ask(&batch.tokens[0]);
        queries.extend((0..batch.pooled.len()).map(|place| {
            let known = known.next().unwrap_or_default();
            Query::new(place, &batch, &wanted, known)
        }));
        Ok(())
    })?;
    costs.queries = Timed { spent: time, count: data.queries.len() };
    let each = |batch: Batch<'_>| {
        Cosine::compare(&mut cosines, batch.tokens)?;
        costs.vector_bytes += size_of_val(batch.pooled.values());
        costs.embedding_bytes += size_of_val(batch.tokens[0].values());
        let coded = codecs.of(&batch.tokens[0], batch.first)?;
        stored.take(&coded)?;
        let documents = Documents::new(&batch, &coded);
        queries.par_iter_mut().try_for_each(|query| query.rank(&documents))
    };
    let time = match corpus {
        Some(corpus) => corpus.each(each)?,
        None => encoders.each("rank documents", TextKind::Document, &data.corpus, each)?,
    };
    costs.embedding_bytes = corpus.map_or(costs.embedding_bytes, Corpus::bytes);
    costs.documents = Timed { spent: time, count: data.corpus.len() };
    for query in &queries {
        costs.dense += query.dense_time;
        costs.late += query.late_time;
    }
    let found = queries.into_iter().map(Query::into_found).collect();
    Ok(Passed { found, costs, cosines, stored })
}

/// A query's vectors, and its candidates so far.
struct Query {
    pooled: Vec<f32>,
    /// The first model's embeddings, where they are held against codes.
    rows: Vec<f32>,
    /// By model.
    tokens: Vec<CodedQuery<'static>>,
    dense: TopK<Option<Scores>>,
    late: Option<TopK<Option<Scores>>>,
    known: Vec<(usize, Option<Scores>)>,
    dense_time: Timed,
    late_time: Timed,
}

impl Query {
    fn new(place: usize, batch: &Batch<'_>, wanted: &Wanted, known: Vec<usize>) -> Self {
        let packed = |embeddings: &TokenEmbeddings| {
            CodedQuery::new(text(embeddings, place), embeddings.dimension())
        };
        Self {
            pooled: text(batch.pooled, place).to_vec(),
            rows: if wanted.coded { text(&batch.tokens[0], place).to_vec() } else { Vec::new() },
            tokens: batch.tokens.iter().map(packed).collect(),
            dense: TopK::new(wanted.dense),
            late: (wanted.late > 0).then(|| TopK::new(wanted.late)),
            known: known.into_iter().map(|document| (document, None)).collect(),
            dense_time: Timed::default(),
            late_time: Timed::default(),
        }
    }

    /// Takes the best of some documents among the candidates, and keeps the scores of those.
    fn rank(&mut self, documents: &Documents<'_>) -> Result<(), CliError> {
        let Self { pooled, rows, tokens, dense, late, known, dense_time, late_time } = self;
        let cosine = |vector: &&[f32]| pooled.iter().zip(*vector).map(|(a, b)| a * b).sum();
        let cosines: Vec<f32> =
            dense_time.of(documents.len(), || documents.pooled.iter().map(cosine).collect());
        let scores: Option<Vec<f32>> = late.as_ref().map(|_| {
            let score = |document: &&[f32]| tokens[0].score(CodedRows::F32(document));
            late_time.of(documents.len(), || documents.tokens[0].iter().map(score).collect())
        });
        dense.extend(documents.results(&cosines))?;
        if let (Some(late), Some(scores)) = (&mut *late, &scores) {
            late.extend(documents.results(scores))?;
        }
        let dense = dense.iter_mut().map(|(result, scores)| (result.index, scores));
        let late = late
            .iter_mut()
            .flat_map(|late| late.iter_mut())
            .map(|(result, scores)| (result.index, scores));
        let known =
            within(known, documents.range()).iter_mut().map(|(index, scores)| (*index, scores));
        let new = dense.chain(late).chain(known).filter(|(_, kept)| kept.is_none());
        let new: Vec<(usize, &mut Option<Scores>)> =
            new.map(|(index, kept)| (index - documents.first, kept)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let places: Vec<usize> = new.iter().map(|(place, _)| *place).collect();
        let coded = documents.coded(&places, rows);
        for (at, (place, kept)) in new.into_iter().enumerate() {
            let mut late = match &scores {
                Some(scores) => vec![scores[place]],
                None => documents.late(place, tokens, late_time),
            };
            late.extend(coded.iter().map(|scores| scores[at]));
            let dense = cosines.get(place).copied().unwrap_or_default();
            *kept = Some(Scores { dense, late });
        }
        Ok(())
    }

    fn into_found(self) -> Found {
        let mut scores: HashMap<usize, Scores> = HashMap::new();
        let mut keep = |index: usize, kept: Option<Scores>| {
            scores.insert(index, kept.expect("a document is scored when it comes"));
        };
        let mut ranked = |ranking: TopK<Option<Scores>>| -> Vec<Scored> {
            let each = ranking.into_ranked().into_iter();
            each.map(|(result, kept)| {
                keep(result.index, kept);
                result
            })
            .collect()
        };
        let (dense, late) = (ranked(self.dense), self.late.map_or_else(Vec::new, &mut ranked));
        for (index, kept) in self.known {
            keep(index, kept);
        }
        Found { dense, late, scores }
    }
}

/// Those of some documents, which are sorted, that lie in a range of the corpus.
fn within(
    known: &mut [(usize, Option<Scores>)],
    range: Range<usize>,
) -> &mut [(usize, Option<Scores>)] {
    let start = known.partition_point(|(index, _)| *index < range.start);
    let end = known.partition_point(|(index, _)| *index < range.end);
    &mut known[start..end]
}

/// A batch of documents by their places in it.
struct Documents<'a> {
    /// Place of the first in the corpus.
    first: usize,
    /// None where the corpus came as embeddings.
    pooled: Vec<&'a [f32]>,
    /// By model.
    tokens: Vec<Vec<&'a [f32]>>,
    /// The first model's, by form of the codecs.
    coded: &'a [CompressedEmbeddings],
}

impl<'a> Documents<'a> {
    fn new(batch: &Batch<'a>, coded: &'a [CompressedEmbeddings]) -> Self {
        let tokens = batch.tokens.iter().map(|embeddings| embeddings.texts().collect()).collect();
        Self { first: batch.first, pooled: batch.pooled.texts().collect(), tokens, coded }
    }

    fn len(&self) -> usize {
        self.tokens[0].len()
    }

    fn range(&self) -> Range<usize> {
        self.first..self.first + self.len()
    }

    /// What each model says to a document; of the first the time is taken.
    fn late(&self, place: usize, queries: &[CodedQuery<'_>], time: &mut Timed) -> Vec<f32> {
        let mut scores = queries
            .iter()
            .zip(&self.tokens)
            .map(|(query, tokens)| query.score(CodedRows::F32(tokens[place])));
        let first = time.of(1, || scores.next());
        first.into_iter().chain(scores).collect()
    }

    /// What the first model's query says to some documents, by form.
    fn coded(&self, places: &[usize], query: &[f32]) -> Vec<Vec<f32>> {
        let score = |form: &CompressedEmbeddings| {
            maxsim_compressed(query, &form.select(places.iter().copied()))
        };
        self.coded.iter().map(score).collect()
    }

    fn results(&self, scores: &[f32]) -> impl Iterator<Item = (Scored, Option<Scores>)> {
        let each = self.range().zip(scores);
        each.map(|(index, &score)| (Scored { index, score }, None))
    }
}

fn text(embeddings: &TokenEmbeddings, place: usize) -> &[f32] {
    embeddings.texts().nth(place).expect("the batch has this text")
}
