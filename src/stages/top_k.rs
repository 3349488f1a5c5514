//! Which documents win? The order and its ties are defined here.

use crate::error::{Error, Result};
use crate::text_kind::TextKind;

/// A document's place in the caller's list, and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RerankResult {
    pub index: usize,
    pub score: f32,
}

/// The best `k` of `scores`, best first: by score descending, then by index ascending, so that equal
/// documents keep the order they came in.
///
/// # Errors
/// [`Error::NotFinite`]: a score that is NaN or infinite has no rank.
pub fn top_k(scores: &[f32], k: usize) -> Result<Vec<RerankResult>> {
    if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
        return Err(Error::NotFinite { what: "the score", kind: TextKind::Document, index });
    }
    let mut results: Vec<RerankResult> =
        scores.iter().enumerate().map(|(index, &score)| RerankResult { index, score }).collect();
    results.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)));
    results.truncate(k);
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(scores: &[f32], k: usize) -> Vec<usize> {
        let results = top_k(scores, k).unwrap();
        results.iter().map(|result| result.index).collect()
    }

    #[test]
    fn ties_keep_the_order_of_the_list() {
        assert_eq!(order(&[1.0, 2.0, 1.0, 2.0, -1.0], 9), [1, 3, 0, 2, 4]);
        assert_eq!(order(&[1.0, 2.0, 1.0], 2), [1, 0]);
        assert_eq!(order(&[1.0], 0), [0usize; 0]);
        assert_eq!(order(&[], 3), [0usize; 0]);
    }

    #[test]
    fn a_score_that_is_not_finite_has_no_rank() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = top_k(&[0.0, bad], 1).unwrap_err();
            assert_eq!(error.code(), "NON_FINITE");
            assert!(error.to_string().contains("document[1]"));
        }
    }
}
