//! MaxSim over ragged batches: the score of each text by the first text of a batch.

use burn::backend::Dispatch;
use burn::tensor::{Int, Tensor};

use super::{EncoderOps as _, ragged};

/// What [`maxsim`] writes on WebGPU where a similarity is NaN or beyond [`super::plain::LIMIT`]: shader compilers may assume that
/// there is no NaN, so that it must not leave a shader as itself.
pub(super) const NOT_FINITE: f32 = f32::MAX;

/// Embeddings of the texts of a ragged batch, on their device.
#[derive(Debug, Clone)]
pub struct BatchEmbeddings {
    /// `[tokens, dimension]`.
    pub(super) rows: Tensor<2>,
    /// Where each text begins, and the end of the last: `[texts + 1]`.
    starts: Tensor<1, Int>,
    /// 1 where a token yields no embedding: `[tokens]`.
    pub(super) dropped: Tensor<1, Int>,
    /// Tokens of the first text, and those of them that yield an embedding.
    pub(super) query: [usize; 2],
}

impl BatchEmbeddings {
    /// `rows` of all texts under each other, tokens of each text, and for each token whether it yields an embedding.
    ///
    /// # Panics
    /// If there are not as many rows as tokens.
    pub fn new(rows: Tensor<2>, lengths: &[usize], embeds: &[bool]) -> Self {
        let tokens: usize = lengths.iter().sum();
        assert_eq!([rows.dims()[0], embeds.len()], [tokens; 2], "a row for each token");
        let (starts, dropped) = ragged(lengths, embeds, &rows.device());
        let first = lengths.first().copied().unwrap_or(0);
        let kept = embeds[..first].iter().filter(|&&embeds| embeds).count();
        Self { rows, starts, dropped, query: [first, kept] }
    }

    /// `[tokens, dimension]`, the dropped tokens' rows among them.
    pub fn rows(&self) -> &Tensor<2> {
        &self.rows
    }
}

/// `Σᵢ maxⱼ qᵢ · dⱼ` for each text of `documents` over the rows `dⱼ` and those `qᵢ` of the **first** text of `query`,
/// without those of dropped tokens: `[texts]`, to be read through [`scores`].
///
/// The first batch of a rerank holds the query in front of the documents, so that both may be the same batch; its
/// first score is then the query's own. A document without rows scores `-(number of the query's rows)`, a query
/// without rows 0. A score never depends on the other texts of a batch.
///
/// # Panics
/// If the widths differ.
pub fn maxsim(query: &BatchEmbeddings, documents: &BatchEmbeddings) -> Tensor<1> {
    let ([tokens, width], [first, kept]) = (documents.rows.dims(), query.query);
    assert_eq!(query.rows.dims()[1], width, "query and documents have one width");
    if tokens == 0 || kept == 0 {
        let texts = documents.starts.dims()[0] - 1;
        return Tensor::full([texts], 0.0 - kept as f32, &documents.rows.device());
    }
    Tensor::from_dispatch(Dispatch::maxsim(
        query.rows.clone().into_dispatch(),
        query.dropped.clone().into_dispatch(),
        documents.rows.clone().into_dispatch(),
        documents.starts.clone().into_dispatch(),
        documents.dropped.clone().into_dispatch(),
        first,
    ))
}

/// Scores from the values of [`maxsim`]'s tensor, whatever device they were read from: NaN where a similarity was
/// NaN or beyond [`super::plain::LIMIT`].
pub fn scores(values: Vec<f32>) -> Vec<f32> {
    values.into_iter().map(|value| if value == NOT_FINITE { f32::NAN } else { value }).collect()
}
