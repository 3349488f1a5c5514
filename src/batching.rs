//! Which texts are computed together? Those that follow each other, so that the top of a list is done first. To count and sort texts
//! beforehand would fill batches that are nine tenths full, and would keep the first result waiting; `make batches` prints what a
//! batch's size is worth.

use std::iter::Sum;
use std::ops::Add;

/// What computing some texts takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Memory grows with them, and the time of products.
    pub tokens: usize,
    /// Tokens that attend to each other, which is what attention's time grows with.
    pub pairs: u64,
}

impl Cost {
    /// Of a text with as many tokens.
    pub(crate) fn of(tokens: usize) -> Self {
        Self { tokens, pairs: (tokens as u64).pow(2) }
    }

    /// What a batch of at most as many tokens takes. Of attention it does half of what one text of as many tokens does: a text
    /// that is most of a batch goes alone, and others do not make its layers longer still.
    pub(crate) fn limits(tokens: usize) -> Self {
        Self { tokens, pairs: Self::of(tokens).pairs / 2 }
    }

    fn fits(self, limits: Self) -> bool {
        self.tokens <= limits.tokens && self.pairs <= limits.pairs
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { tokens: self.tokens + other.tokens, pairs: self.pairs + other.pairs }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// Gathers what follows each other into batches within limits, unless a single item goes beyond them.
pub(crate) struct Batching<T> {
    limits: Cost,
    batch: Vec<T>,
    cost: Cost,
}

impl<T> Batching<T> {
    pub(crate) fn new(limits: Cost) -> Self {
        Self { limits, batch: Vec::new(), cost: Cost::default() }
    }

    /// Takes the next item; answers the batch before it if it does not fit in.
    pub(crate) fn push(&mut self, item: T, cost: Cost) -> Option<Vec<T>> {
        let full = !self.batch.is_empty() && !(self.cost + cost).fits(self.limits);
        let done = full.then(|| self.finish());
        self.batch.push(item);
        self.cost = self.cost + cost;
        done
    }

    /// What is left; empty when all of it went.
    pub(crate) fn finish(&mut self) -> Vec<T> {
        self.cost = Cost::default();
        std::mem::take(&mut self.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::{Batching, Cost};
    use crate::random::SplitMix64;

    fn batches(lengths: &[usize], limits: Cost) -> Vec<Vec<usize>> {
        let mut batching = Batching::new(limits);
        let mut found: Vec<Vec<usize>> =
            lengths.iter().filter_map(|&length| batching.push(length, Cost::of(length))).collect();
        found.push(batching.finish());
        found
    }

    fn tokens(tokens: usize) -> Cost {
        Cost { tokens, pairs: u64::MAX }
    }

    #[test]
    fn neighbours_stay_together() {
        let expected = [vec![3, 5], vec![1], vec![9], vec![0, 8]];
        assert_eq!(batches(&[3, 5, 1, 9, 0, 8], tokens(8)), expected);
        assert_eq!(batches(&[], tokens(8)), [vec![0usize; 0]]);
        assert_eq!(batches(&[9], tokens(8)), [vec![9]]);
    }

    #[test]
    fn texts_that_attend_to_much_are_fewer() {
        let limits = Cost { tokens: 100, pairs: 5 * 5 + 3 * 3 };
        let expected = [vec![5, 3], vec![1; 5], vec![9], vec![2, 2, 5]];
        assert_eq!(batches(&[5, 3, 1, 1, 1, 1, 1, 9, 2, 2, 5], limits), expected);
    }

    #[test]
    fn no_batch_of_several_is_beyond_a_limit_and_nothing_is_lost() {
        let mut random = SplitMix64(1);
        for _ in 0..1000 {
            let mut below = |limit| (random.next() % limit) as usize;
            let limits = Cost { tokens: 1 + below(1024), pairs: 1 + below(1024 * 1024) as u64 };
            let lengths: Vec<usize> = (0..below(50)).map(|_| below(600)).collect();
            let batches = batches(&lengths, limits);
            for batch in &batches {
                let cost: Cost = batch.iter().map(|&length| Cost::of(length)).sum();
                assert!(batch.len() <= 1 || cost.fits(limits), "{batch:?} {limits:?}");
            }
            assert_eq!(batches.concat(), lengths);
        }
    }
}
