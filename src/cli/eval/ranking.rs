//! What does each approach make of what was found?

use std::collections::HashMap;

use pollster::block_on;
use tabrank::stages::top_k::{Scored, TopK, falling};
use tabrank::{Fusion, RerankOptions, Reranker, TextKind, Unobserved};

use super::approaches::{Approach, Kind};
use super::costs::Timed;
use super::data::Data;
use super::pass::Found;
use super::runs::Run;
use super::words::Words;
use crate::cli::progress::Progress;
use crate::cli::stages::FuseArg;
use crate::cli::{CliError, jsonl};

/// All that stages rank by.
pub struct Sources<'a> {
    pub data: &'a Data,
    /// What was given; empty where nothing was.
    pub run: Run,
    pub words: Words,
    /// The best by their words, for each query.
    pub by_words: Run,
    pub found: Vec<Found>,
    pub crosses: &'a [Reranker],
    /// Pairs that each of those has scored, on all cores.
    pub cross_times: Vec<Timed>,
}

/// What an approach has found for each query.
#[derive(Default)]
pub struct Ranked {
    pub run: Run,
    /// Documents that its last stage was given, of all queries together.
    pub candidates: usize,
}

/// Scores of a query's documents by each cross-encoder.
type Pairs = HashMap<(usize, usize), f32>;

impl<'a> Sources<'a> {
    pub fn new(
        data: &'a Data,
        run: Run,
        words: Words,
        by_words: Run,
        found: Vec<Found>,
        crosses: &'a [Reranker],
    ) -> Self {
        let cross_times = vec![Timed::default(); crosses.len()];
        Self { data, run, words, by_words, found, crosses, cross_times }
    }

    /// Ranks for all queries. No pair is given to a cross-encoder twice.
    ///
    /// # Errors
    /// Those of cross-encoders, and scores that are not finite.
    pub fn rank(&mut self, approaches: &[Approach]) -> Result<Vec<Ranked>, CliError> {
        let mut ranked: Vec<Ranked> = approaches.iter().map(|_| Ranked::default()).collect();
        let count = self.data.queries.len();
        let mut progress = Progress::new("rank candidates", count);
        for query in 0..count {
            progress.update(query, count);
            let mut pairs = Pairs::new();
            for (approach, ranked) in approaches.iter().zip(&mut ranked) {
                let (results, candidates) = self.rank_one(approach, query, &mut pairs)?;
                ranked.run.push(results);
                ranked.candidates += candidates;
            }
        }
        Ok(ranked)
    }

    /// Results of an approach, and how many its last stage was given.
    fn rank_one(
        &mut self,
        approach: &Approach,
        query: usize,
        pairs: &mut Pairs,
    ) -> Result<(Vec<Scored>, usize), CliError> {
        let (first, over) = approach.stages.split_first().expect("an approach has a stage");
        let mut list = self.first(first.kind, query).to_vec();
        list.truncate(approach.depth(first.kind));
        let mut candidates = self.data.corpus.len();
        for stage in over {
            candidates = list.len();
            let scores = self.scores(stage.kind, query, &list, pairs)?;
            list = reordered(&list, &scores, stage.keep)?;
        }
        if let Some(by) = approach.fuse {
            list = fused(&list, self.first(first.kind, query), by);
        }
        Ok((list, candidates))
    }

    /// Lists in the order of a model's late interaction, or of a form's: see [`super::pass::Scores`].
    ///
    /// # Errors
    /// Scores that are not finite.
    pub fn by_late(&self, lists: &Run, place: usize) -> Result<Run, CliError> {
        let order = |(list, found): (&Vec<Scored>, &Found)| by_late(list, found, place);
        lists.iter().zip(&self.found).map(order).collect()
    }

    /// The best of lists in the order of another form, in front of the rest.
    ///
    /// # Errors
    /// Scores that are not finite.
    pub fn then(&self, lists: Run, place: usize, keep: usize) -> Result<Run, CliError> {
        let order = |(mut list, found): (Vec<Scored>, &Found)| {
            let rest = list.split_off(keep.min(list.len()));
            let mut best = by_late(&list, found, place)?;
            best.extend(rest);
            Ok(best)
        };
        lists.into_iter().zip(&self.found).map(order).collect()
    }

    fn first(&self, kind: Kind, query: usize) -> &[Scored] {
        match kind {
            Kind::Given => &self.run[query],
            Kind::Bm25 => &self.by_words[query],
            Kind::Dense => &self.found[query].dense,
            Kind::Late => &self.found[query].late,
            Kind::Cross(_) => &[],
        }
    }

    fn scores(
        &mut self,
        kind: Kind,
        query: usize,
        list: &[Scored],
        pairs: &mut Pairs,
    ) -> Result<Vec<f32>, CliError> {
        let found = |place: usize| &self.found[query].scores[&place];
        let places = list.iter().map(|scored| scored.index);
        Ok(match kind {
            Kind::Given => list.iter().map(|scored| scored.score).collect(),
            Kind::Bm25 => places.map(|place| self.words.score(query, place)).collect(),
            Kind::Dense => places.map(|place| found(place).dense).collect(),
            Kind::Late => places.map(|place| found(place).late[0]).collect(),
            Kind::Cross(cross) => {
                let missing = places.clone().filter(|&place| !pairs.contains_key(&(cross, place)));
                self.score_pairs(cross, query, &missing.collect::<Vec<_>>(), pairs)?;
                places.map(|place| pairs[&(cross, place)]).collect()
            }
        })
    }

    fn score_pairs(
        &mut self,
        cross: usize,
        query: usize,
        places: &[usize],
        pairs: &mut Pairs,
    ) -> Result<(), CliError> {
        let Data { queries, corpus, .. } = self.data;
        let texts: Vec<_> = places.iter().map(|&place| &corpus[place]).collect();
        let model = &self.crosses[cross];
        let ranked = self.cross_times[cross].of(places.len(), || {
            block_on(model.rerank(
                queries[query].as_ref(),
                &texts,
                &RerankOptions::default(),
                &mut Unobserved,
            ))
        });
        let ranked = ranked.map_err(|error| match jsonl::text_of(&error) {
            Some((TextKind::Query, _)) => {
                jsonl::located(error, TextKind::Query, |_| &queries[query].place)
            }
            _ => jsonl::located(error, TextKind::Document, |index| &texts[index].place),
        })?;
        pairs.extend(
            ranked.results.iter().map(|result| ((cross, places[result.index]), result.score)),
        );
        Ok(())
    }
}

fn by_late(list: &[Scored], found: &Found, place: usize) -> Result<Vec<Scored>, CliError> {
    let scores = list.iter().map(|result| found.scores[&result.index].late[place]);
    reordered(list, &scores.collect::<Vec<_>>(), None)
}

/// A list in the order that is made of its own and the first stage's.
fn fused(list: &[Scored], first: &[Scored], by: FuseArg) -> Vec<Scored> {
    let given: HashMap<usize, f64> =
        first.iter().map(|result| (result.index, result.score.into())).collect();
    let given: Vec<Option<f64>> =
        list.iter().map(|result| given.get(&result.index).copied()).collect();
    let own: Vec<f64> = list.iter().map(|result| result.score.into()).collect();
    let scores = Fusion::from(by).fused(&given, &own);
    let mut order: Vec<(f64, usize)> =
        scores.into_iter().zip(list.iter().map(|result| result.index)).collect();
    order.sort_by(|(a, _), (b, _)| falling(*a, *b));
    order.into_iter().map(|(score, index)| Scored { index, score: score as f32 }).collect()
}

/// A list in the order of other scores, cut where it is to be; equal ones keep their order.
///
/// # Errors
/// Scores that are not finite.
pub fn reordered(
    list: &[Scored],
    scores: &[f32],
    keep: Option<usize>,
) -> Result<Vec<Scored>, CliError> {
    let mut ranking = TopK::new(keep.unwrap_or(list.len()));
    let each = list.iter().zip(scores).enumerate();
    ranking
        .extend(each.map(|(index, (before, &score))| (Scored { index, score }, before.index)))?;
    let ranked = ranking.into_ranked().into_iter();
    Ok(ranked.map(|(Scored { score, .. }, index)| Scored { index, score }).collect())
}
