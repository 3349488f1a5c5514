//! Which documents say something that those in front of them do not?
//!
//! ```text
//! next = argmax  λ · relevance(d) − (1 − λ) · max cosine(d, s)        over the documents d that are left, s those that stand already
//! ```
//!
//! Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998), with the scores brought to 0…1 within the list as the relevance,
//! and the cosine of one mean vector a document. The first one is the best by its score; equal ones keep their order. The work grows
//! with the documents times those that come out.

use crate::error::Result;
use crate::observer::{Observer, Stage, pause};

/// Places of the documents in their new order, `count` of them; `vectors` are unit vectors.
///
/// # Errors
/// [`crate::Error::Aborted`].
pub(crate) async fn order(
    scores: &[f64],
    vectors: &[&[f32]],
    share: f32,
    count: usize,
    observer: &mut impl Observer,
) -> Result<Vec<usize>> {
    observer.stage(Stage::Score);
    let (share, relevance) = (f64::from(share), relevance(scores));
    let mut left: Vec<usize> = (0..scores.len()).collect();
    // Cosine with the nearest that stands; nothing stands at first.
    let mut nearest = vec![0.0f64; scores.len()];
    let mut order = Vec::new();
    while order.len() < count && !left.is_empty() {
        pause(observer).await?;
        let worth = |place: usize| share * relevance[place] - (1.0 - share) * nearest[place];
        let next = match order.is_empty() {
            true => first_best(&left, |place| relevance[place]),
            false => first_best(&left, worth),
        };
        let chosen = left.remove(next);
        for &place in &left {
            let cosine = f64::from(dot(vectors[place], vectors[chosen]));
            let before = if order.is_empty() { f64::NEG_INFINITY } else { nearest[place] };
            nearest[place] = before.max(cosine);
        }
        order.push(chosen);
    }
    Ok(order)
}

/// Scores from 0 to 1; 1 where all are the same.
fn relevance(scores: &[f64]) -> Vec<f64> {
    let (least, most) =
        scores.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), &score| {
            (least.min(score), most.max(score))
        });
    let scale = |score: f64| if most > least { (score - least) / (most - least) } else { 1.0 };
    scores.iter().map(|&score| scale(score)).collect()
}

/// Where the best of `places` stands among them.
fn first_best(places: &[usize], worth: impl Fn(usize) -> f64) -> usize {
    let mut best = 0;
    for (position, &place) in places.iter().enumerate() {
        if worth(place) > worth(places[best]) {
            best = position;
        }
    }
    best
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use pollster::block_on;

    use super::order;
    use crate::observer::Unobserved;

    fn diversified(scores: &[f64], share: f32, count: usize) -> Vec<usize> {
        // The first two say the same, the third something else.
        let vectors: [&[f32]; 4] = [&[1.0, 0.0], &[1.0, 0.0], &[0.0, 1.0], &[0.6, 0.8]];
        block_on(order(scores, &vectors[..scores.len()], share, count, &mut Unobserved)).unwrap()
    }

    #[test]
    fn a_document_that_says_the_same_falls_behind() {
        let scores = [4.0, 3.0, 2.0, 0.0];
        assert_eq!(diversified(&scores, 1.0, 4), [0, 1, 2, 3]);
        // 0.5 · 0.75 − 0.5 · 1 for the second, 0.5 · 0.5 for the third; then −0.125 and −0.4 for the last.
        assert_eq!(diversified(&scores, 0.5, 4), [0, 2, 1, 3]);
        // Difference alone: the least similar to its nearest.
        assert_eq!(diversified(&scores, 0.0, 4), [0, 2, 3, 1]);
        assert_eq!(diversified(&scores, 0.5, 2), [0, 2]);
    }

    #[test]
    fn ties_keep_their_order_and_nothing_is_no_error() {
        assert_eq!(diversified(&[1.0, 1.0, 1.0], 0.5, 9), [0, 2, 1]);
        assert_eq!(diversified(&[], 0.5, 9), [0usize; 0]);
        assert_eq!(diversified(&[1.0], 0.5, 0), [0usize; 0]);
    }
}
