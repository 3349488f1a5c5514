//! The documents that are left of a list, in the order that the stages so far have given them.

use super::results::StageResult;
use super::top_k::falling;

#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    /// Best first.
    pub(crate) candidates: Vec<Candidate>,
    /// Those behind them that some stage had no time for, in the order that they had.
    pub(crate) unscored: Vec<Candidate>,
    /// How many those were before any was cut.
    pub(crate) unscored_count: usize,
}

/// A document that is left.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Its place in the caller's list.
    pub(crate) index: usize,
    /// The last stage's. One that was given may be finer than a result tells.
    pub(crate) score: f64,
    pub(crate) fused: Option<f32>,
    pub(crate) stages: Vec<StageResult>,
}

impl List {
    /// So many documents in the order that they came in, on their way through so many stages.
    pub(crate) fn new(documents: usize, stages: usize) -> Self {
        let candidate = |index| {
            let stages = Vec::with_capacity(stages);
            Candidate { index, score: 0.0, fused: None, stages }
        };
        Self { candidates: (0..documents).map(candidate).collect(), ..Self::default() }
    }

    /// Places in the caller's list, best first.
    pub(crate) fn indices(&self) -> impl ExactSizeIterator<Item = usize> {
        self.candidates.iter().map(|candidate| candidate.index)
    }

    /// Takes a stage's scores, one a candidate, and keeps the best. Candidates that it had no time for have none, and follow.
    pub(crate) fn rank(&mut self, scores: &[Option<f64>], keep: Option<usize>) {
        let mut unscored = Vec::new();
        let mut scored = Vec::with_capacity(scores.len());
        for (mut candidate, score) in std::mem::take(&mut self.candidates).into_iter().zip(scores) {
            let Some(score) = *score else {
                unscored.push(candidate);
                continue;
            };
            candidate.score = score;
            candidate.stages.push(StageResult { rank: 0, score: score as f32 });
            scored.push((score, candidate));
        }
        self.unscored_count += unscored.len();
        self.unscored.splice(..0, unscored);
        self.candidates = sorted(scored);
        self.truncate(keep.unwrap_or(usize::MAX));
        for (rank, candidate) in (1..).zip(&mut self.candidates) {
            candidate.stages.last_mut().expect("each has a score of this stage").rank = rank;
        }
    }

    /// Keeps so many in all.
    pub(crate) fn truncate(&mut self, most: usize) {
        self.candidates.truncate(most);
        self.unscored.truncate(most - self.candidates.len());
    }

    /// Puts the candidates into the order of scores, more first; of equal ones the order stays.
    pub(crate) fn sort(&mut self, scores: &[f64]) {
        let candidates = std::mem::take(&mut self.candidates);
        self.candidates = sorted(scores.iter().copied().zip(candidates).collect());
    }
}

fn sorted(mut pairs: Vec<(f64, Candidate)>) -> Vec<Candidate> {
    pairs.sort_by(|(a, _), (b, _)| falling(*a, *b));
    pairs.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::List;

    proptest! {
        #[test]
        fn ties_keep_the_order_that_came_in(
            first in prop::collection::vec(-2i8..2, 0..30), seed in prop::collection::vec(-2i8..2, 30),
            keep in prop::option::of(0usize..40),
        ) {
            let mut list = List::new(first.len(), 2);
            // Zero in both signs.
            let score = |of: &[i8], index: usize| f64::from(of[index]) * [1.0, -1.0][index % 2];
            let scores = |of: &[i8], list: &List| -> Vec<Option<f64>> {
                list.indices().map(|index| Some(score(of, index))).collect()
            };
            list.rank(&scores(&first, &list), keep);
            list.rank(&scores(&seed, &list), None);
            let mut expected: Vec<usize> = (0..first.len()).collect();
            let falling = |of: &[i8], a, b| score(of, b).partial_cmp(&score(of, a)).unwrap();
            expected.sort_by(|&a, &b| falling(&first, a, b));
            expected.truncate(keep.unwrap_or(expected.len()));
            let ranks: Vec<usize> = expected.clone();
            expected.sort_by(|&a, &b| falling(&seed, a, b));
            prop_assert_eq!(list.indices().collect::<Vec<_>>(), expected);
            for (rank, candidate) in (1..).zip(&list.candidates) {
                prop_assert_eq!(candidate.stages[1].rank, rank);
                prop_assert_eq!(ranks[candidate.stages[0].rank - 1], candidate.index);
                prop_assert_eq!(candidate.score, score(&seed, candidate.index));
            }
        }
    }
}
