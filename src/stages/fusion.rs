//! One order of two: which documents do both ways to rank put in front?

use super::top_k::falling;
use crate::error::{Error, Result};

/// How two orders become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fusion {
    /// `Σ 1 / (k + rank)`, ranks from 1 (Cormack et al., SIGIR 2009). A document without a rank in one order gets nothing of it.
    ReciprocalRanks {
        /// How little the first ranks stand out; 60 in the paper.
        k: f32,
    },
    /// The sum of both scores, each less its list's mean and divided by its standard deviation.
    StandardScores,
}

impl Fusion {
    /// With the paper's `k`.
    pub const RECIPROCAL_RANKS: Self = Fusion::ReciprocalRanks { k: 60.0 };

    /// # Errors
    /// [`Error::Argument`].
    pub(crate) fn check(self, without_scores: bool) -> Result<()> {
        match self {
            Fusion::ReciprocalRanks { k } if !(k.is_finite() && k >= 0.0) => {
                Err(Error::argument("fuse", format!("has k {k}; it is 0 or more")))
            }
            Fusion::StandardScores if without_scores => {
                Err(Error::argument("fuse", "wants scores, and none are given"))
            }
            Fusion::ReciprocalRanks { .. } | Fusion::StandardScores => Ok(()),
        }
    }

    /// What the order of a list is made by that is in the order of its `own` scores, and was `given` others.
    pub fn fused(self, given: &[Option<f64>], own: &[f64]) -> Vec<f64> {
        let pairs = |given: Vec<f64>, own: Vec<f64>| {
            given.into_iter().zip(own).map(|(given, own)| given + own).collect()
        };
        match self {
            Fusion::ReciprocalRanks { k } => {
                let share = |rank: usize| 1.0 / (f64::from(k) + rank as f64);
                let given = ranks(given).into_iter().map(|rank| rank.map_or(0.0, share));
                pairs(given.collect(), (1..=own.len()).map(share).collect())
            }
            Fusion::StandardScores => pairs(standardized(&filled(given)), standardized(own)),
        }
    }
}

/// Scores, in whose gaps stands what is just below the least.
pub(crate) fn filled(scores: &[Option<f64>]) -> Vec<f64> {
    let least = scores.iter().flatten().copied().reduce(f64::min).unwrap_or(0.0);
    scores.iter().map(|score| score.unwrap_or(least.next_down())).collect()
}

/// Scores less their mean, divided by their standard deviation; zeros where all are the same.
fn standardized(scores: &[f64]) -> Vec<f64> {
    // Of any scale, so that no square overflows.
    let most = scores.iter().fold(0.0f64, |most, score| most.max(score.abs()));
    let scaled: Vec<f64> = scores.iter().map(|score| score / most.max(f64::MIN_POSITIVE)).collect();
    let count = scaled.len().max(1) as f64;
    let mean = scaled.iter().sum::<f64>() / count;
    let variance = scaled.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / count;
    let same = scores.windows(2).all(|pair| pair[0] == pair[1]);
    let divisor = if same || variance == 0.0 { f64::INFINITY } else { variance.sqrt() };
    scaled.iter().map(|score| (score - mean) / divisor).collect()
}

/// Ranks from 1 of those that have a score, more first; equal ones stand in the order of the list.
fn ranks(scores: &[Option<f64>]) -> Vec<Option<usize>> {
    let mut places: Vec<usize> =
        (0..scores.len()).filter(|&place| scores[place].is_some()).collect();
    places.sort_by(|&a, &b| {
        let score = |place: usize| scores[place].unwrap_or(f64::NEG_INFINITY);
        falling(score(a), score(b))
    });
    let mut ranks = vec![None; scores.len()];
    for (rank, place) in (1..).zip(places) {
        ranks[place] = Some(rank);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reciprocal_ranks_add_up() {
        let given = [Some(1.0), None, Some(3.0), Some(1.0)];
        let fused = Fusion::RECIPROCAL_RANKS.fused(&given, &[9.0, 8.0, 8.0, 7.0]);
        let shares = [(62.0, 61.0), (f64::INFINITY, 62.0), (61.0, 63.0), (63.0, 64.0)];
        let expected = shares.map(|(given, own)| 1.0 / given + 1.0 / own);
        assert_eq!(fused, expected);
    }

    #[test]
    fn a_constant_list_says_nothing() {
        assert_eq!(standardized(&[0.1; 7]), [0.0; 7]);
        assert_eq!(standardized(&[]), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn standard_scores_have_mean_0_and_deviation_1_at_any_scale(
            scores in prop::collection::vec(-1e3..1e3f64, 2..20), power in -200i32..200,
        ) {
            prop_assume!(scores.iter().any(|score| (score - scores[0]).abs() > 1e-3));
            let scaled: Vec<f64> = scores.iter().map(|score| score * 10f64.powi(power)).collect();
            let found = standardized(&scaled);
            let count = found.len() as f64;
            let mean = found.iter().sum::<f64>() / count;
            let deviation = found.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            prop_assert!(mean.abs() < 1e-6 && (deviation - 1.0).abs() < 1e-6, "{mean} {deviation}");
        }
    }
}
