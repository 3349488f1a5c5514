//! Which documents win? The order and its ties are defined here.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::text_kind::TextKind;

/// A document's place in the caller's list, and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    pub index: usize,
    pub score: f32,
}

impl Scored {
    /// By score descending, then by index ascending, so that equal documents keep the order they came in.
    fn order(&self, other: &Self) -> Ordering {
        falling(self.score.into(), other.score.into()).then(self.index.cmp(&other.index))
    }
}

/// More first. Minus zero is zero.
pub fn falling(a: f64, b: f64) -> Ordering {
    (b + 0.0).total_cmp(&(a + 0.0))
}

/// The best `k` of the documents that have come so far, each with what is kept of it.
pub struct TopK<T> {
    k: usize,
    entries: Vec<(Scored, T)>,
}

impl<T> TopK<T> {
    /// Keeps `k` documents.
    pub fn new(k: usize) -> Self {
        Self { k, entries: Vec::new() }
    }

    /// Takes some more documents, and lets go of what is not among the best any more.
    ///
    /// # Errors
    /// [`Error::NotFinite`]: a score that is NaN or infinite has no rank.
    pub fn extend(&mut self, documents: impl IntoIterator<Item = (Scored, T)>) -> Result<()> {
        for (result, kept) in documents {
            if !result.score.is_finite() {
                let (what, kind) = ("the score", TextKind::Document);
                return Err(Error::NotFinite { what, kind, index: result.index });
            }
            self.entries.push((result, kept));
        }
        if self.entries.len() > self.k {
            // The first k of an order are found without sorting the rest.
            if self.k > 0 {
                self.entries.select_nth_unstable_by(self.k - 1, |a, b| a.0.order(&b.0));
            }
            self.entries.truncate(self.k);
        }
        Ok(())
    }

    /// What is kept, in no order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Scored, &mut T)> {
        self.entries.iter_mut().map(|(result, kept)| (*result, kept))
    }

    /// Best first.
    pub fn into_ranked(mut self) -> Vec<(Scored, T)> {
        self.entries.sort_unstable_by(|a, b| a.0.order(&b.0));
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(scores: &[f32], k: usize, batch: usize) -> Vec<usize> {
        let mut best = TopK::new(k);
        let results = scores.iter().enumerate().map(|(index, &score)| Scored { index, score });
        let results: Vec<_> = results.map(|result| (result, ())).collect();
        results.chunks(batch).for_each(|batch| best.extend(batch.to_vec()).unwrap());
        best.into_ranked().into_iter().map(|(result, ())| result.index).collect()
    }

    #[test]
    fn ties_keep_the_order_of_the_list() {
        assert_eq!(order(&[1.0, 2.0, 1.0, 2.0, -1.0], 9, 2), [1, 3, 0, 2, 4]);
        assert_eq!(order(&[1.0, 2.0, 1.0], 2, 1), [1, 0]);
        assert_eq!(order(&[-0.0, 0.0, -0.0], 2, 1), [0, 1]);
        assert_eq!(order(&[1.0], 0, 1), [0usize; 0]);
        assert_eq!(order(&[], 3, 1), [0usize; 0]);
    }

    proptest! {
        #[test]
        fn batches_give_the_order_of_a_stable_sort(
            scores in prop::collection::vec(0u8..5, 0..60), k in 0usize..70, batch in 1usize..9,
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut expected: Vec<usize> = (0..scores.len()).collect();
            expected.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            expected.truncate(k);
            prop_assert_eq!(order(&scores, k, batch), expected);
        }
    }

    #[test]
    fn a_score_that_is_not_finite_has_no_rank() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let documents = [0.0, bad].into_iter().enumerate();
            let error = TopK::new(1)
                .extend(documents.map(|(index, score)| (Scored { index, score }, ())))
                .unwrap_err();
            assert_eq!(error.code(), "NON_FINITE");
            assert!(error.to_string().contains("documents[1]"));
        }
    }
}
