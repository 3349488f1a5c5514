//! How does a cross-encoder rank a list? Each document is scored together with the query.

use super::late::{RerankOptions, RerankOutput};
use super::top_k::{RerankResult, TopK};
use crate::cross_encoder::{CrossEncoder, PairScore};
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::text::long_documents::LongDocuments;
use crate::text::texts::Texts;

/// Ranks `documents`.
///
/// # Errors
/// [`Error::NoEmbeddings`], and as [`CrossEncoder::score_each`].
pub(crate) async fn rank<T: Texts + ?Sized>(
    model: &CrossEncoder,
    query: &str,
    documents: &T,
    options: RerankOptions,
    observer: &mut impl Observer,
) -> Result<RerankOutput> {
    refuse(options)?;
    let mut best = TopK::new(options.top_k.unwrap_or(documents.len()));
    let mut query_truncated = false;
    let take = |scores: Vec<PairScore>| {
        best.extend(scores.into_iter().map(|pair| {
            query_truncated |= pair.query_truncated;
            (RerankResult { index: pair.index, score: pair.score }, pair.truncated)
        }))
    };
    model.score_each(query, documents, observer, take).await?;
    let (results, truncated) = best.into_ranked().into_iter().unzip();
    Ok(RerankOutput {
        results,
        query_length: 1,
        query_truncated,
        truncated,
        explanations: Vec::new(),
    })
}

/// What only embeddings give.
fn refuse(options: RerankOptions) -> Result<()> {
    match options {
        RerankOptions { explain: true, .. } => Err(Error::NoEmbeddings { what: "an explanation" }),
        RerankOptions { long_documents: LongDocuments::Windows { .. }, .. } => {
            Err(Error::NoEmbeddings { what: "reading long documents in windows" })
        }
        _ => Ok(()),
    }
}
