//! How do stages rank a list one after the other?
//!
//! Each stage scores the documents that are left, puts the best first and keeps as many as it is told. The first of those that want
//! the encoder sends the documents through it once, and takes what the later ones want as well.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::bm25::{self, Bm25Options};
use super::checks::{check_query, check_texts};
use super::diversify;
use super::fusion::{self, Fusion};
use super::list::{Candidate, List};
use super::options::{RerankOptions, StageKind, StageOptions};
use super::pass::{Tells, Wanted};
use super::query::Query;
use super::reader::{Ranker, Reader};
use super::results::{Kept, RerankOutput, RerankResult, Unscored};
use super::told::Told;
use crate::error::{Error, Result, Warning};
use crate::late_interaction::explain::Explanation;
use crate::late_interaction::vectors::Pooling;
use crate::observer::{InTime, Observer, Stage};
use crate::text::texts::Texts;
use crate::text_kind::TextKind;

/// Ranks `documents`.
///
/// # Errors
/// Options that do not go together or with the model, and those of tokenizing and encoding.
pub(crate) async fn rank<T: Texts + ?Sized>(
    ranker: Ranker<'_>,
    query: Query<'_>,
    documents: &T,
    options: &RerankOptions,
    observer: &mut impl Observer,
) -> Result<RerankOutput> {
    options.check(documents.len())?;
    ranker.check(options)?;
    let stages = match options.stages.is_empty() {
        true => Cow::Owned(vec![ranker.own_stage().into()]),
        false => Cow::Borrowed(options.stages.as_slice()),
    };
    check_query(query, &stages)?;
    check_texts(documents, options, &stages)?;
    let reader = Reader::new(ranker, query)?;
    let list = List::new(documents.len(), stages.len());
    let pipeline = Pipeline { reader, query, documents, options, list, told: None };
    pipeline.run(&stages, observer).await
}

/// A score for each document that there was time for, and what such scores do not go beyond.
type Scores = (Vec<Option<f64>>, Option<f32>);

struct Pipeline<'a, T: ?Sized> {
    reader: Reader<'a>,
    query: Query<'a>,
    documents: &'a T,
    options: &'a RerankOptions,
    list: List,
    /// By the model, once a stage has wanted it.
    told: Option<Told>,
}

impl<T: Texts + ?Sized> Pipeline<'_, T> {
    async fn run(
        mut self,
        stages: &[StageOptions],
        observer: &mut impl Observer,
    ) -> Result<RerankOutput> {
        let mut bound = None;
        for (place, StageOptions { keep, .. }) in stages.iter().enumerate() {
            let left: Vec<usize> = self.list.indices().collect();
            observer.ranking(place, &left);
            let was_read = self.told.is_some();
            let scores;
            (scores, bound) = self.scores(stages, place, observer).await?;
            if place + 1 == stages.len() && (was_read || self.told.is_none()) {
                let scored = left.into_iter().zip(&scores);
                let scored = scored.filter_map(|(index, score)| Some((index, (*score)? as f32)));
                observer.scored(&scored.collect::<Vec<_>>(), bound);
            }
            self.list.rank(&scores, *keep);
        }
        if let Some(least) = self.options.min_score {
            // As fine as the scores are: those of a model are of 32 bits.
            let is_given = stages.last().is_some_and(|stage| stage.kind == StageKind::Given);
            let least = if is_given { least } else { f64::from(least as f32) };
            self.list.candidates.retain(|candidate| candidate.score >= least);
        }
        if let Some(fusion) = self.options.fuse {
            self.fuse(fusion);
        }
        if let Some(share) = self.options.diversify {
            self.diversify(share, observer).await?;
        }
        self.list.truncate(self.options.top_k.unwrap_or(usize::MAX));
        let explanations = match self.options.explain {
            true => self.explanations(observer).await?,
            false => Vec::new(),
        };
        Ok(self.output(stages.len(), bound, explanations))
    }

    /// A score for each document that is left and that there was time for, and what such scores do not go beyond.
    async fn scores(
        &mut self,
        stages: &[StageOptions],
        place: usize,
        observer: &mut impl Observer,
    ) -> Result<Scores> {
        let is_last = place + 1 == stages.len();
        match &stages[place].kind {
            StageKind::Given => Ok((self.given().into_iter().map(Some).collect(), None)),
            StageKind::Bm25(options) => self.bm25(options, observer).await,
            StageKind::Dense(pooling) => {
                let column = poolings(stages).iter().position(|other| other == pooling);
                let column = column.expect("the stage is one of these");
                let bound = Some(1.0);
                let tells = is_last.then_some(Tells { dense: Some(column), bound });
                self.read(&Wanted { tells, ..self.wanted(stages) }, observer).await?;
                Ok((self.each(|told, index| told.dense(column, index)), bound))
            }
            StageKind::Scored(scores) => Ok((self.scored(scores)?, None)),
            StageKind::Late | StageKind::CrossEncoder => {
                let bound = self.reader.bound();
                let tells = is_last.then_some(Tells { dense: None, bound });
                self.read(&Wanted { tells, ..self.wanted(stages) }, observer).await?;
                Ok((self.each(Told::score), bound))
            }
        }
    }

    /// What the model told of each document that is left.
    fn each(&self, score: impl Fn(&Told, usize) -> Option<f32>) -> Vec<Option<f64>> {
        let told = self.told.as_ref().expect("the model has read the documents");
        self.list.indices().map(|index| score(told, index).map(f64::from)).collect()
    }

    /// What all stages, and what comes behind them, want of the model.
    fn wanted(&self, stages: &[StageOptions]) -> Wanted {
        let keeps = stages.iter().map(|stage| stage.keep).chain([self.options.top_k]);
        let most = keeps.flatten().min().unwrap_or(usize::MAX);
        Wanted {
            scores: stages.iter().any(|stage| stage.kind == StageKind::Late),
            explained: self.options.explain.then_some(most),
            dense: poolings(stages),
            means: self.options.diversify.is_some(),
            tells: None,
        }
    }

    /// Sends the documents that are left through the model, if none have been yet.
    async fn read(&mut self, wanted: &Wanted, observer: &mut impl Observer) -> Result<()> {
        if self.told.is_none() {
            let places: Vec<usize> = self.list.indices().collect();
            self.told = Some(self.pass(&places, wanted, observer).await?);
        }
        Ok(())
    }

    async fn pass(
        &self,
        places: &[usize],
        wanted: &Wanted,
        observer: &mut impl Observer,
    ) -> Result<Told> {
        self.reader.read(self.documents, places, self.options, wanted, observer).await
    }

    /// Scores as they were given; what has none is just below the least.
    fn given(&self) -> Vec<f64> {
        let given = self.list.indices().map(|index| self.options.given.get(index).copied());
        fusion::filled(&given.map(Option::flatten).collect::<Vec<_>>())
    }

    /// Scores that are known.
    fn scored(&self, scores: &[f32]) -> Result<Vec<Option<f64>>> {
        let (what, kind) = ("the score", TextKind::Document);
        let finite = |index: usize| match scores[index] {
            score if score.is_nan() => Ok(None),
            score if score.is_finite() => Ok(Some(score.into())),
            _ => Err(Error::NotFinite { what, kind, index }),
        };
        self.list.indices().map(finite).collect()
    }

    async fn bm25(&self, options: &Bm25Options, observer: &mut impl Observer) -> Result<Scores> {
        let Query::Text(query) = self.query else {
            unreachable!("refused before the first stage");
        };
        let mut in_time = InTime::new(observer);
        let indices = self.list.indices();
        let scored = bm25::scores(query, self.documents, indices, options, &mut in_time).await;
        let Some((scores, bound)) = in_time.had(scored)? else {
            return Ok((vec![None; self.list.candidates.len()], None));
        };
        Ok((scores.into_iter().map(|score| Some(score.into())).collect(), Some(bound)))
    }

    /// Puts the list into the order of its own and the given one.
    fn fuse(&mut self, fusion: Fusion) {
        let own: Vec<f64> = self.list.candidates.iter().map(|candidate| candidate.score).collect();
        let fused = fusion.fused(&self.given_or_order(), &own);
        for (candidate, &score) in self.list.candidates.iter_mut().zip(&fused) {
            candidate.fused = Some(score as f32);
        }
        self.list.sort(&fused);
    }

    /// The given scores; without any, the order that the documents came in stands for them.
    fn given_or_order(&self) -> Vec<Option<f64>> {
        let given = &self.options.given;
        let score = |index: usize| given.get(index).copied().unwrap_or(Some(-(index as f64)));
        self.list.indices().map(score).collect()
    }

    /// Puts the list into an order in which each document says something new, if there was time to read all.
    async fn diversify(&mut self, share: f32, observer: &mut impl Observer) -> Result<()> {
        self.read(&Wanted { means: true, ..Wanted::default() }, observer).await?;
        let told = self.told.as_ref().expect("the model has read the documents");
        let vectors: Option<Vec<&[f32]>> =
            self.list.indices().map(|index| told.mean(index)).collect();
        let Some(vectors) = vectors else { return Ok(()) };
        let candidates = &self.list.candidates;
        let scores: Vec<f64> = candidates
            .iter()
            .map(|candidate| candidate.fused.map_or(candidate.score, f64::from))
            .collect();
        let count = self.options.top_k.unwrap_or(usize::MAX);
        let order = diversify::order(&scores, &vectors, share, count, observer).await?;
        self.list.candidates = order.into_iter().map(|place| candidates[place].clone()).collect();
        Ok(())
    }

    /// Late interaction's, of the documents that are left: those that the pass kept, and the others by another pass. None if there was
    /// no time for that.
    async fn explanations(&mut self, observer: &mut impl Observer) -> Result<Vec<Explanation>> {
        let told = self.told.get_or_insert_default();
        let mut missing: Vec<usize> = self.list.indices().collect();
        missing.retain(|&index| told.explanation(index).is_none());
        if !missing.is_empty() {
            let explained = Some(missing.len());
            let wanted = Wanted { scores: true, explained, ..Wanted::default() };
            let more = self.pass(&missing, &wanted, &mut Again(observer)).await?;
            self.told.get_or_insert_default().explain(more)?;
        }
        let told = self.told.get_or_insert_default();
        let explanations: Option<Vec<Explanation>> =
            self.list.indices().map(|index| told.explanation(index).cloned()).collect();
        Ok(explanations.unwrap_or_default())
    }

    fn output(
        self,
        stages: usize,
        bound: Option<f32>,
        explanations: Vec<Explanation>,
    ) -> RerankOutput {
        let mut told = self.told.unwrap_or_default();
        let truncated = self.list.indices().map(|index| told.truncated(index)).collect();
        let kept = told.kept.take().map(|(indices, embeddings)| {
            let truncated = indices.iter().map(|&index| told.truncated(index)).collect();
            Kept { indices, truncated, embeddings }
        });
        let result = |candidate: Candidate| RerankResult {
            index: candidate.index,
            score: candidate.score as f32,
            fused: candidate.fused,
            same_as: told.first(candidate.index),
            stages: candidate.stages,
        };
        let unscored = |Candidate { index, stages, .. }| Unscored { index, stages };
        RerankOutput {
            stages,
            query_length: self.reader.query_length(),
            results: self.list.candidates.into_iter().map(result).collect(),
            unscored: self.list.unscored.into_iter().map(unscored).collect(),
            unscored_count: self.list.unscored_count,
            bound,
            query_truncated: told.query_truncated,
            truncated,
            explanations,
            kept,
            warnings: rescaled(&told.rescaled).into_iter().collect(),
            cost: told.cost,
        }
    }
}

/// What is to be known of documents whose embeddings were too long.
fn rescaled(documents: &[usize]) -> Option<Warning> {
    let first = documents.iter().min()?;
    let message = format!(
        "{} of the documents bring embeddings that are longer than 1, which those of this model are not; they were scaled to length 1: \
         documents[{first}] is the first of them",
        documents.len()
    );
    Some(Warning { code: "EMBEDDINGS_RESCALED", message })
}

/// The vectors that the stages want, each once.
fn poolings(stages: &[StageOptions]) -> Vec<Pooling> {
    let mut poolings = Vec::new();
    for stage in stages {
        match stage.kind {
            StageKind::Dense(pooling) if !poolings.contains(&pooling) => poolings.push(pooling),
            _ => {}
        }
    }
    poolings
}

/// Watches a pass over documents that have been counted as done.
struct Again<'o, O>(&'o mut O);

impl<O: Observer> Observer for Again<'_, O> {
    fn stage(&mut self, stage: Stage) {
        self.0.stage(stage);
    }

    async fn batch_done(&mut self, _: usize, _: usize) -> ControlFlow<()> {
        self.0.pause().await
    }

    async fn pause(&mut self) -> ControlFlow<()> {
        self.0.pause().await
    }

    fn is_over(&self) -> bool {
        self.0.is_over()
    }

    fn now_ms(&self) -> f64 {
        self.0.now_ms()
    }
}
