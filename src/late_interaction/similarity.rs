//! How alike are ready-made embeddings? Without a model: queries and documents as somebody stored them.

use crate::error::{Error, Result};
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::maxsim::maxsim;
use crate::text_kind::TextKind;

/// How a query's and a document's embeddings become one number, by the names of sentence-transformers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Similarity {
    /// The sum over the query's embeddings: see [`crate::late_interaction::maxsim`].
    #[default]
    MaxSim,
    /// The mean over them, which does not grow with the query.
    MeanMaxSim,
}

impl Similarity {
    /// By the name that callers use: `maxsim` or `meanmaxsim`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "maxsim" => Some(Similarity::MaxSim),
            "meanmaxsim" => Some(Similarity::MeanMaxSim),
            _ => None,
        }
    }
}

/// Every document with one query, `[length, dimension]` row-major, in the documents' order. A query without embeddings scores 0 with
/// all, a document without embeddings the least that unit vectors can reach.
///
/// # Errors
/// [`Error::Argument`] if the query's values are not whole embeddings, [`Error::NotFinite`].
pub fn score(query: &[f32], documents: &TokenEmbeddings, by: Similarity) -> Result<Vec<f32>> {
    let dimension = documents.dimension();
    if query.len().checked_rem(dimension) != Some(0) {
        let reason = format!("are {} values, which is no multiple of {dimension}", query.len());
        return Err(Error::argument("the query's embeddings", reason));
    }
    row(query, 0, documents, by)
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
    for (values, whose) in [(query, "the query's"), (document, "the document's")] {
        if values.len().checked_rem(dimension) != Some(0) {
            let reason =
                format!("are {} values, which is no multiple of {dimension}", values.len());
            return Err(Error::argument(format!("{whose} embeddings"), reason));
        }
    }
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
    let finite = |rows: &[f32]| rows.iter().all(|value| value.is_finite());
    let refuse = |what, kind, index| Err(Error::NotFinite { what, kind, index });
    if !finite(query) {
        return refuse("an embedding", TextKind::Query, index);
    }
    let scores = maxsim(query, documents);
    if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
        let given = documents.texts().nth(index).is_some_and(finite);
        // Products of finite numbers can be beyond what is computed with.
        let what = if given { "the score" } else { "an embedding" };
        return refuse(what, TextKind::Document, index);
    }
    let length = (query.len() / documents.dimension()).max(1) as f32;
    Ok(match by {
        Similarity::MaxSim => scores,
        Similarity::MeanMaxSim => scores.into_iter().map(|score| score / length).collect(),
    })
}
