//! Measures of a ranking against judgements, as trec_eval defines them.
//!
//! A document is relevant from a grade on: 1, or what was asked for, which is trec_eval's `-l` and `rel` of ir_measures. As there,
//! reciprocal rank and recall count relevant documents, and the gains of nDCG are the grades as they are, whatever counts as relevant.

use std::collections::HashMap;

use serde::Serialize;

/// How far down a ranking nDCG and the reciprocal rank look.
const TOP: usize = 10;
/// How far recall does.
pub const DEPTH: usize = 100;

/// Grades of one query's judged documents; a document that is not listed has grade 0.
pub type Judgements = HashMap<usize, u32>;

/// Means over the queries.
#[derive(Default, Serialize)]
pub struct Quality {
    #[serde(rename = "ndcg@10")]
    pub ndcg: f64,
    #[serde(rename = "mrr@10")]
    pub mrr: f64,
    #[serde(rename = "recall@100")]
    pub recall: f64,
}

impl Quality {
    /// Of a ranking for each query.
    pub fn of(orders: &[Vec<usize>], judgements: &[Judgements], relevant_from: u32) -> Self {
        let mut quality = Self::default();
        for (order, judgements) in orders.iter().zip(judgements) {
            quality.ndcg += ndcg(order, judgements, TOP);
            quality.mrr += reciprocal_rank(order, judgements, relevant_from, TOP);
            quality.recall += recall(order, judgements, relevant_from, DEPTH);
        }
        for value in [&mut quality.ndcg, &mut quality.mrr, &mut quality.recall] {
            *value /= orders.len().max(1) as f64;
        }
        quality
    }
}

/// Normalised discounted cumulative gain of the first `k`: gain is the grade, discount is
/// `log2(rank + 1)`.
fn ndcg(ranking: &[usize], judgements: &Judgements, k: usize) -> f64 {
    let grades = ranking.iter().map(|document| judgements.get(document).copied().unwrap_or(0));
    let mut ideal: Vec<u32> = judgements.values().copied().collect();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    match gain(ideal.into_iter(), k) {
        0.0 => 0.0,
        best => gain(grades, k) / best,
    }
}

fn gain(grades: impl Iterator<Item = u32>, k: usize) -> f64 {
    grades
        .take(k)
        .enumerate()
        .map(|(place, grade)| f64::from(grade) / ((place + 2) as f64).log2())
        .sum()
}

/// Reciprocal rank of the first relevant document among the first `k`; 0 if there is none.
fn reciprocal_rank(ranking: &[usize], judgements: &Judgements, from: u32, k: usize) -> f64 {
    let relevant = |document: &usize| judgements.get(document).is_some_and(|&grade| grade >= from);
    ranking.iter().take(k).position(relevant).map_or(0.0, |place| 1.0 / (place + 1) as f64)
}

/// Part of the relevant documents that are among the first `k`; 0 if there are none.
fn recall(ranking: &[usize], judgements: &Judgements, from: u32, k: usize) -> f64 {
    let relevant = judgements.values().filter(|&&grade| grade >= from).count();
    let found = ranking
        .iter()
        .take(k)
        .filter(|document| judgements.get(document).is_some_and(|&grade| grade >= from))
        .count();
    if relevant == 0 { 0.0 } else { found as f64 / relevant as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values by trec_eval 9's formulas, worked out by hand.
    #[test]
    fn measures_follow_their_definitions() {
        let judgements = Judgements::from([(7, 1), (9, 3)]);
        let ranking = [1, 9, 7];
        let dcg = 3.0 / 3f64.log2() + 1.0 / 4f64.log2();
        let ideal = 3.0 / 2f64.log2() + 1.0 / 3f64.log2();
        assert!((ndcg(&ranking, &judgements, 10) - dcg / ideal).abs() < 1e-12);
        assert!((ndcg(&ranking, &judgements, 1) - 0.0).abs() < 1e-12);
        assert_eq!(reciprocal_rank(&ranking, &judgements, 1, 10), 0.5);
        assert_eq!(reciprocal_rank(&ranking, &judgements, 1, 1), 0.0);
        assert_eq!(recall(&ranking, &judgements, 1, 2), 0.5);
        assert_eq!(recall(&ranking, &judgements, 1, 3), 1.0);
        assert_eq!(recall(&ranking, &judgements, 2, 2), 1.0);
        assert_eq!(recall(&ranking, &judgements, 4, 3), 0.0);
    }
}
