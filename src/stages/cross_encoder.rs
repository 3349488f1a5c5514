//! How does a cross-encoder score a list? Each document together with the query, those that are the same once.

use super::told::Told;
use crate::cross_encoder::{CrossEncoder, PairScore};
use crate::error::Result;
use crate::observer::Observer;
use crate::text::duplicates::Duplicates;
use crate::text::texts::Texts;

/// Scores the documents at `places`, in the list's order.
///
/// # Errors
/// As [`CrossEncoder::score_each`].
pub(crate) async fn run<T: Texts + ?Sized>(
    model: &CrossEncoder,
    query: &str,
    documents: &T,
    places: &[usize],
    observer: &mut impl Observer,
) -> Result<Told> {
    let (mut told, mut duplicates) = (Told::default(), Duplicates::default());
    let take = |scores: Vec<PairScore>| {
        for pair in scores {
            told.read.push(pair.index);
            told.scores.push((pair.index, pair.score));
            told.truncated.push(pair.truncated);
            told.query_truncated |= pair.query_truncated;
        }
        Ok(())
    };
    model.score_each(query, documents, places, &mut duplicates, observer, take).await?;
    Ok(Told { copies: duplicates.into_copies(), ..told })
}
