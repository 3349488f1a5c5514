//! What a model that has read some documents tells of them.

use std::collections::{HashMap, HashSet};

use crate::batching::Cost;
use crate::error::Result;
use crate::late_interaction::codec::CompressedEmbeddings;
use crate::late_interaction::explain::Explanation;
use crate::observer::Observer;

/// What was told of the documents, in the order of their places.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Of what was encoded.
    pub(super) cost: Cost,
    /// Places in the caller's list of those that the encoder has read.
    pub(super) read: Vec<usize>,
    /// Of texts that had come before, each with the place where it came first.
    pub(super) copies: Vec<(usize, usize)>,
    /// Of those that were read.
    pub(super) truncated: Vec<bool>,
    /// Of those that were read, by pooling, in the order of what was wanted.
    pub(super) dense: Vec<Vec<f32>>,
    /// The model's own: MaxSim, or a cross-encoder's, each with its document's place.
    pub(super) scores: Vec<(usize, f32)>,
    /// At length 1, each with its document's place.
    pub(super) means: Vec<(usize, Vec<f32>)>,
    /// Documents whose embeddings came along with rows that were longer than 1.
    pub(super) rescaled: Vec<usize>,
    /// Places of documents with their embeddings.
    pub(super) kept: Option<(Vec<usize>, CompressedEmbeddings)>,
    pub(super) explanations: HashMap<usize, Explanation>,
    pub(super) query_truncated: bool,
}

impl Told {
    /// Where the text at `index` came first, if it had come before.
    pub(crate) fn first(&self, index: usize) -> Option<usize> {
        let place = self.copies.binary_search_by_key(&index, |(copy, _)| *copy).ok()?;
        Some(self.copies[place].1)
    }

    /// Nothing of one that there was no time for, as of the other numbers.
    pub(crate) fn score(&self, index: usize) -> Option<f32> {
        self.of(&self.scores, index).copied()
    }

    pub(crate) fn dense(&self, pooling: usize, index: usize) -> Option<f32> {
        let first = self.first(index).unwrap_or(index);
        let place = self.read.binary_search(&first).ok()?;
        Some(self.dense[pooling][place])
    }

    pub(crate) fn mean(&self, index: usize) -> Option<&[f32]> {
        self.of(&self.means, index).map(Vec::as_slice)
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

    /// Tells scores of some documents, those that read the same among them.
    pub(super) fn tell(
        &self,
        scores: &[(usize, f32)],
        bound: Option<f32>,
        observer: &mut impl Observer,
    ) {
        let own: HashMap<usize, f32> = scores.iter().copied().collect();
        let copies =
            self.copies.iter().filter_map(|&(copy, first)| Some((copy, *own.get(&first)?)));
        let all: Vec<(usize, f32)> = scores.iter().copied().chain(copies).collect();
        observer.scored(&all, bound);
    }

    /// Puts what does not come in the list's order into it.
    pub(super) fn sorted(mut self) -> Self {
        let mut order: Vec<usize> = (0..self.read.len()).collect();
        order.sort_unstable_by_key(|&place| self.read[place]);
        self.read = permuted(&self.read, &order);
        self.truncated = permuted(&self.truncated, &order);
        self.dense.iter_mut().for_each(|column| *column = permuted(column, &order));
        self.scores.sort_unstable_by_key(|(index, _)| *index);
        self.means.sort_unstable_by_key(|(index, _)| *index);
        self
    }

    /// Keeps documents with their embeddings, each once.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if they are not of the codec of those before them.
    pub(super) fn keep(
        &mut self,
        indices: &[usize],
        embeddings: &CompressedEmbeddings,
    ) -> Result<()> {
        let Some((before, all)) = &mut self.kept else {
            self.kept = Some((indices.to_vec(), embeddings.clone()));
            return Ok(());
        };
        let known: HashSet<usize> = before.iter().copied().collect();
        for (place, &index) in
            indices.iter().enumerate().filter(|(_, index)| !known.contains(index))
        {
            before.push(index);
            all.push(embeddings.lengths()[place], embeddings.document(place))?;
        }
        Ok(())
    }

    /// Takes another pass's explanations; scores that this one has stay what they are.
    ///
    /// # Errors
    /// None: both passes keep by one codec.
    pub(crate) fn explain(&mut self, other: Self) -> Result<()> {
        if let Some((indices, embeddings)) = &other.kept {
            self.keep(indices, embeddings)?;
        }
        let known: HashSet<usize> = self.rescaled.iter().copied().collect();
        self.rescaled.extend(other.rescaled.iter().filter(|index| !known.contains(index)));
        let (copies, others) = (other.copies.iter(), other.explanations);
        let copied = copies.map(|&(copy, first)| (copy, others[&first].clone()));
        let copied: Vec<(usize, Explanation)> = copied.collect();
        self.query_truncated |= other.query_truncated;
        self.cost = self.cost + other.cost;
        for (index, mut explanation) in others.into_iter().chain(copied) {
            explanation.score = self.score(index).unwrap_or(explanation.score);
            self.explanations.insert(index, explanation);
        }
        Ok(())
    }

    /// A document's own, or that of the one that reads the same.
    fn of<'a, V>(&self, all: &'a [(usize, V)], index: usize) -> Option<&'a V> {
        let place = |index| all.binary_search_by_key(&index, |(index, _)| *index).ok();
        let place = place(index).or_else(|| place(self.first(index)?))?;
        Some(&all[place].1)
    }
}

fn permuted<V: Copy>(values: &[V], order: &[usize]) -> Vec<V> {
    order.iter().map(|&place| values[place]).collect()
}
