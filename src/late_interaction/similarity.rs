//! How alike are ready-made embeddings? Without a model: queries and documents as somebody stored them.

use crate::error::{Error, Result};
use crate::late_interaction::codec::CompressedEmbeddings;
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::maxsim::{maxsim, maxsim_compressed};
use crate::text_kind::TextKind;

pub use crate::model::config::Similarity;

impl Similarity {
    /// MaxSim with a query of so many embeddings as this number.
    fn of(self, mut scores: Vec<f32>, length: usize) -> Vec<f32> {
        if self == Similarity::MeanMaxSim {
            scores.iter_mut().for_each(|score| *score /= length.max(1) as f32);
        }
        scores
    }
}

/// Every document with one query, `[length, dimension]` row-major, in the documents' order. A query without embeddings scores 0 with
/// all, a document without embeddings the least that unit vectors can reach.
///
/// # Errors
/// [`Error::Argument`] if the query's values are not whole embeddings, [`Error::NotFinite`].
pub fn score(query: &[f32], documents: &TokenEmbeddings, by: Similarity) -> Result<Vec<f32>> {
    check_whole(query, "the query's", documents.dimension())?;
    row(query, 0, documents, by)
}

/// As [`score`], of embeddings as a codec stored them.
///
/// # Errors
/// As [`score`].
pub fn score_compressed(
    query: &[f32],
    documents: &CompressedEmbeddings,
    by: Similarity,
) -> Result<Vec<f32>> {
    let dimension = documents.dimension();
    check_whole(query, "the query's", dimension)?;
    check_query(query, 0)?;
    let scores = maxsim_compressed(query, documents);
    match scores.iter().position(|score| !score.is_finite()) {
        Some(index) => Err(Error::NotFinite { what: "the score", kind: TextKind::Document, index }),
        None => Ok(by.of(scores, query.len() / dimension)),
    }
}

/// Every query with every document: a row a query, in the lists' orders; see [`score`].
///
/// # Errors
/// [`Error::Argument`] if the widths differ, [`Error::NotFinite`].
pub fn similarity(
    queries: &TokenEmbeddings,
    documents: &TokenEmbeddings,
    by: Similarity,
) -> Result<Vec<Vec<f32>>> {
    let (width, expected) = (queries.dimension(), documents.dimension());
    if width != expected {
        let reason = format!("are {width} wide, and the documents' {expected}");
        return Err(Error::argument("the queries' embeddings", reason));
    }
    let each = queries.texts().enumerate();
    each.map(|(index, query)| row(query, index, documents, by)).collect()
}

/// Every embedding of a query with every one of a document, both `[length, dimension]`: a row of the document's for each of the query's.
/// MaxSim sums up the greatest of each row.
///
/// # Errors
/// [`Error::Argument`] if values are not whole embeddings, [`Error::NotFinite`].
pub fn token_similarities(query: &[f32], document: &[f32], dimension: usize) -> Result<Vec<f32>> {
    check_whole(query, "the query's", dimension)?;
    check_whole(document, "the document's", dimension)?;
    let rows = query.chunks_exact(dimension);
    let products =
        rows.flat_map(|row| document.chunks_exact(dimension).map(|other| dot(row, other)));
    let similarities: Vec<f32> = products.collect();
    match similarities.iter().all(|value| value.is_finite()) {
        true => Ok(similarities),
        false => Err(Error::NotFinite { what: "a similarity", kind: TextKind::Document, index: 0 }),
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The query at `index` with every document.
fn row(
    query: &[f32],
    index: usize,
    documents: &TokenEmbeddings,
    by: Similarity,
) -> Result<Vec<f32>> {
    check_query(query, index)?;
    let scores = maxsim(query, documents);
    if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
        let given = documents.texts().nth(index).is_some_and(is_finite);
        // Products of finite numbers can be beyond what is computed with.
        let what = if given { "the score" } else { "an embedding" };
        return Err(Error::NotFinite { what, kind: TextKind::Document, index });
    }
    Ok(by.of(scores, query.len() / documents.dimension()))
}

fn check_whole(values: &[f32], whose: &str, dimension: usize) -> Result<()> {
    if values.len().checked_rem(dimension) == Some(0) {
        return Ok(());
    }
    let reason = format!("are {} values, which is no multiple of {dimension}", values.len());
    Err(Error::argument(format!("{whose} embeddings"), reason))
}

fn check_query(query: &[f32], index: usize) -> Result<()> {
    match is_finite(query) {
        true => Ok(()),
        false => Err(Error::NotFinite { what: "an embedding", kind: TextKind::Query, index }),
    }
}

fn is_finite(rows: &[f32]) -> bool {
    rows.iter().all(|value| value.is_finite())
}
