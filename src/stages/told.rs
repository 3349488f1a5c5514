//! What a model that has read some documents tells of them.

use std::collections::HashMap;

use crate::late_interaction::explain::Explanation;

/// What was told of the documents, in the order of their places.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Places in the caller's list.
    pub(super) read: Vec<usize>,
    /// Of texts that had come before, each with the place where it came first.
    pub(super) copies: Vec<(usize, usize)>,
    /// The model's own: MaxSim, or a cross-encoder's.
    pub(super) scores: Vec<f32>,
    /// By pooling, in the order of what was wanted.
    pub(super) dense: Vec<Vec<f32>>,
    /// At length 1.
    pub(super) means: Vec<Vec<f32>>,
    pub(super) truncated: Vec<bool>,
    pub(super) explanations: HashMap<usize, Explanation>,
    pub(super) query_truncated: bool,
}

impl Told {
    /// Where the text at `index` came first, if it had come before.
    pub(crate) fn first(&self, index: usize) -> Option<usize> {
        let place = self.copies.binary_search_by_key(&index, |(copy, _)| *copy).ok()?;
        Some(self.copies[place].1)
    }

    pub(crate) fn score(&self, index: usize) -> f32 {
        self.scores[self.place(index)]
    }

    pub(crate) fn dense(&self, pooling: usize, index: usize) -> f32 {
        self.dense[pooling][self.place(index)]
    }

    pub(crate) fn mean(&self, index: usize) -> &[f32] {
        &self.means[self.place(index)]
    }

    /// Whether a text was cut; not if nobody has read it.
    pub(crate) fn truncated(&self, index: usize) -> bool {
        let first = self.first(index).unwrap_or(index);
        let place = self.read.binary_search(&first).ok();
        let explained = || self.explanation(index).is_some_and(|found| found.truncated);
        place.map_or_else(explained, |place| self.truncated[place])
    }

    pub(crate) fn explanation(&self, index: usize) -> Option<&Explanation> {
        let first = self.first(index).unwrap_or(index);
        self.explanations.get(&index).or_else(|| self.explanations.get(&first))
    }

    /// Takes another pass's explanations; scores that this one has stay what they are.
    pub(crate) fn explain(&mut self, other: Self) {
        let (copies, others) = (other.copies.iter(), other.explanations);
        let copied = copies.map(|&(copy, first)| (copy, others[&first].clone()));
        let copied: Vec<(usize, Explanation)> = copied.collect();
        self.query_truncated |= other.query_truncated;
        for (index, mut explanation) in others.into_iter().chain(copied) {
            if !self.scores.is_empty() {
                explanation.score = self.score(index);
            }
            self.explanations.insert(index, explanation);
        }
    }

    fn place(&self, index: usize) -> usize {
        let first = self.first(index).unwrap_or(index);
        self.read.binary_search(&first).expect("the pass has read this document")
    }
}
