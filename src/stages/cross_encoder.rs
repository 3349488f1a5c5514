//! How does a cross-encoder score a list? Each document together with the query, those that are the same once.

use super::told::Told;
use crate::cross_encoder::{CrossEncoder, PairScore};
use crate::error::Result;
use crate::observer::{InTime, Observer, pause};
use crate::text::duplicates::Duplicates;
use crate::text::texts::Texts;

/// Scores the documents at `places`, in this order, as far as there is time. With `tells` the observer is told of scores as they come.
///
/// # Errors
/// As [`CrossEncoder::score_each`].
pub(crate) async fn run<T: Texts + ?Sized>(
    model: &CrossEncoder,
    query: &str,
    documents: &T,
    places: &[usize],
    tells: bool,
    observer: &mut impl Observer,
) -> Result<Told> {
    let mut told = Told::default();
    let mut in_time = InTime::new(observer);
    let duplicates = duplicates(documents, places, &mut in_time).await;
    if let Some(duplicates) = in_time.had(duplicates)? {
        let once = duplicates.once(places.iter().copied());
        told.copies = duplicates.into_copies();
        let bound = model.bound();
        let take = |pairs: Vec<PairScore>, observer: &mut InTime<'_, _>| {
            let scores: Vec<_> = pairs.iter().map(|pair| (pair.index, pair.score)).collect();
            if tells {
                told.tell(&scores, bound, observer);
            }
            told.scores.extend(scores);
            for pair in pairs {
                told.cost = told.cost + pair.cost;
                told.read.push(pair.index);
                told.truncated.push(pair.truncated);
                told.query_truncated |= pair.query_truncated;
            }
        };
        let scored = model.score_each(query, documents, &once, &mut in_time, take).await;
        in_time.had(scored)?;
    }
    Ok(told.sorted())
}

/// Which of the documents at `places` are the same, found in the list's order.
async fn duplicates<T: Texts + ?Sized>(
    documents: &T,
    places: &[usize],
    observer: &mut impl Observer,
) -> Result<Duplicates> {
    let mut duplicates = Duplicates::default();
    let mut places = places.to_vec();
    places.sort_unstable();
    for index in places {
        pause(observer).await?;
        duplicates.take(documents, index, |_| true);
    }
    Ok(duplicates)
}
