//! How near is a document to the query as a whole? The cosine of one vector a text, by the late-interaction model's own encoder.

use crate::error::{Error, Result};
use crate::late_interaction::batch::PlacedText;
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::vectors::{Pooling, vectors};
use crate::text_kind::TextKind;

/// Scores the texts of a pass, of which the query comes first.
pub(crate) struct Dense {
    pooling: Pooling,
    /// At length 1.
    query: Option<Vec<f32>>,
}

impl Dense {
    /// # Errors
    /// Why the checkpoint's own way to pool is not computed here.
    pub(crate) fn new(model: &ColBert, pooling: Pooling) -> Result<Self> {
        pooling.config(model).map(|_| Self { pooling, query: None })
    }

    /// A cosine for each of `texts` but the query, of their hidden states `rows` `[tokens, hidden]`.
    ///
    /// # Errors
    /// As [`vectors`].
    pub(crate) async fn scores(
        &mut self,
        model: &ColBert,
        texts: &[PlacedText],
        rows: &[f32],
    ) -> Result<Vec<f32>> {
        let vectors = unit_vectors(model, texts, rows, self.pooling).await?;
        let mut scores = Vec::with_capacity(texts.len());
        for (text, vector) in texts.iter().zip(vectors) {
            match text.kind {
                TextKind::Query => self.query = Some(vector),
                TextKind::Document => {
                    let query = self.query.as_ref().expect("the query comes first");
                    let score = query.iter().zip(&vector).map(|(a, b)| a * b).sum();
                    scores.push(finite(score, text)?);
                }
            }
        }
        Ok(scores)
    }
}

fn finite(score: f32, text: &PlacedText) -> Result<f32> {
    match score.is_finite() {
        true => Ok(score),
        false => Err(Error::NotFinite { what: "the score", kind: text.kind, index: text.index }),
    }
}

/// One vector a text, at length 1.
///
/// # Errors
/// As [`vectors`].
pub(crate) async fn unit_vectors(
    model: &ColBert,
    texts: &[PlacedText],
    rows: &[f32],
    pooling: Pooling,
) -> Result<Vec<Vec<f32>>> {
    let vectors = vectors(model, texts, rows, pooling).await?;
    Ok(vectors.texts().map(unit).collect())
}

/// A vector at length 1, so that products are cosines.
pub fn unit(vector: &[f32]) -> Vec<f32> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
    vector.iter().map(|value| value / norm).collect()
}
