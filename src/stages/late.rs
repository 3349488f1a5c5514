//! How does late interaction score a list? Documents are scored by MaxSim as they are encoded, or by the codes that they bring along;
//! of a batch stay its scores, and the explanations of those that are among the best so far.

use burn::tensor::Tensor;

use super::in_memory::InMemory;
use super::query::Encodable;
use super::top_k::{Scored, TopK};
use crate::device::read;
use crate::error::{Error, Result};
use crate::late_interaction::batch::{EncodedBatch, PlacedText, chosen};
use crate::late_interaction::codec::CompressedEmbeddings;
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::explain::{EncodedText, Explained, Explanation, explain};
use crate::observer::{Observer, Stage, pause};
use crate::ops::{BatchEmbeddings, maxsim, maxsim_coded, scores, tensor};
use crate::text::token_batch::TokenSequence;
use crate::text_kind::TextKind;

/// Scores the texts of a pass; if the query is one of them it comes first.
pub(crate) struct Late<'a> {
    model: &'a ColBert,
    /// Known with the first batch, or before.
    query: Option<Query>,
    /// Of which explanations are kept, if any are wanted.
    best: Option<TopK<Option<Explanation>>>,
}

struct Query {
    /// Of the texts in it the query is the first.
    batch: BatchEmbeddings,
    /// Number of its embeddings.
    length: usize,
    tokens: Option<TokenSequence>,
    /// Read back for the first explanation.
    embeddings: Option<Vec<f32>>,
}

impl Query {
    fn given(values: &[f32], model: &ColBert) -> Self {
        let length = values.len() / model.dimension();
        let rows = tensor(values.to_vec(), [length, model.dimension()], model.device());
        let batch = BatchEmbeddings::new(rows, &[length], &vec![true; length]);
        Self { batch, length, tokens: None, embeddings: Some(values.to_vec()) }
    }
}

impl<'a> Late<'a> {
    /// Explains as many of the best.
    pub(crate) fn new(model: &'a ColBert, query: &Encodable<'_>, explained: Option<usize>) -> Self {
        let query = match query {
            Encodable::Tokens(_) => None,
            Encodable::Embeddings(values) => Some(Query::given(values, model)),
        };
        Self { model, query, best: explained.map(TopK::new) }
    }

    /// Takes the query out of the first batch.
    pub(crate) fn meet(&mut self, batch: &EncodedBatch<'_>) {
        self.query.get_or_insert_with(|| {
            let tokens = batch.model_and_texts().1[0].tokens();
            let (length, batch) = (tokens.embedded().count(), batch.on_device());
            Query { batch, length, tokens: Some(tokens), embeddings: None }
        });
    }

    /// A batch's embeddings, and its texts' scores where they were computed.
    pub(crate) fn begin(&mut self, batch: &EncodedBatch<'_>) -> (BatchEmbeddings, Tensor<1>) {
        self.meet(batch);
        let embeddings = batch.on_device();
        let scores = maxsim(&self.query().batch, &embeddings);
        (embeddings, scores)
    }

    /// Scores of documents by their codes, where those of a batch are computed.
    pub(crate) fn begin_coded(&self, documents: &CompressedEmbeddings) -> Tensor<1> {
        maxsim_coded(&self.query().batch, &self.model.coded(documents))
    }

    /// Scores out of what was computed where the embeddings are.
    fn scores(&self, values: Vec<f32>) -> Vec<f32> {
        let length = self.query().length;
        scores(values).into_iter().map(|sum| self.model.score(sum, length)).collect()
    }

    fn query(&self) -> &Query {
        self.query.as_ref().expect("the first batch has come")
    }

    /// A score for each of `texts` that `is_wanted`, which is never the query, of the values that were read.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::DeviceLost`] and [`Error::Aborted`].
    pub(crate) async fn finish(
        &mut self,
        texts: &[PlacedText],
        is_wanted: impl Fn(&PlacedText) -> bool,
        embeddings: &BatchEmbeddings,
        values: &[f32],
        observer: &mut impl Observer,
    ) -> Result<Vec<(usize, f32)>> {
        let values = self.scores(values.to_vec());
        // The query is scored with itself, so that a number of its own that is not finite is told from a document's.
        if let Some((text, _)) = texts.iter().zip(&values).find(|(_, score)| !score.is_finite()) {
            return Err(text.not_finite());
        }
        let documents = texts.iter().zip(values).filter(|(text, _)| is_wanted(text));
        let documents: Vec<(usize, f32)> =
            documents.map(|(text, score)| (text.index, score)).collect();
        let new = self.new_best(&documents, observer)?;
        if !new.is_empty() {
            let read = self.read(texts, &new, embeddings).await?;
            self.explain(read, observer).await?;
        }
        Ok(documents)
    }

    /// A score for each document that was scored by its codes, of the values that were read; `in_memory` of one is for its explanation.
    ///
    /// # Errors
    /// As [`Late::finish`], and those of `in_memory`.
    pub(crate) async fn finish_coded(
        &mut self,
        indices: &[usize],
        in_memory: impl Fn(usize) -> Result<InMemory>,
        values: Vec<f32>,
        observer: &mut impl Observer,
    ) -> Result<Vec<(usize, f32)>> {
        let documents: Vec<(usize, f32)> =
            indices.iter().copied().zip(self.scores(values)).collect();
        if let Some(&(index, _)) = documents.iter().find(|(_, score)| !score.is_finite()) {
            // The embeddings are finite, and products of finite numbers can be beyond what is computed with.
            let (what, kind) = ("the score", TextKind::Document);
            return Err(Error::NotFinite { what, kind, index });
        }
        let new = self.new_best(&documents, observer)?;
        let read = new.into_iter().map(in_memory).collect::<Result<_>>()?;
        self.explain(read, observer).await?;
        Ok(documents)
    }

    /// Explanations of the best documents, with their places.
    pub(crate) fn into_explanations(self) -> impl Iterator<Item = (usize, Explanation)> {
        let best = self.best.into_iter().flat_map(TopK::into_ranked);
        best.filter_map(|(result, explanation)| Some((result.index, explanation?)))
    }

    /// Places of those of a batch's documents that are among the best, in the list's order.
    fn new_best(
        &mut self,
        documents: &[(usize, f32)],
        observer: &mut impl Observer,
    ) -> Result<Vec<usize>> {
        let Some(best) = &mut self.best else {
            return Ok(Vec::new());
        };
        observer.stage(Stage::Explain);
        best.extend(documents.iter().map(|&(index, score)| (Scored { index, score }, None)))?;
        let unexplained = best.iter_mut().filter(|(_, explanation)| explanation.is_none());
        let mut new: Vec<usize> = unexplained.map(|(result, _)| result.index).collect();
        new.sort_unstable();
        Ok(new)
    }

    /// Reads the embeddings of the texts at `new`, which is in the list's order, back.
    async fn read(
        &self,
        texts: &[PlacedText],
        new: &[usize],
        embeddings: &BatchEmbeddings,
    ) -> Result<Vec<InMemory>> {
        let dimension = self.model.dimension();
        let places = places(texts, new);
        let parts: Vec<Tensor<2>> =
            places.iter().map(|place| rows(embeddings, place.rows.clone())).collect();
        let values = read(Tensor::cat(parts, 0)).await?;
        let mut values = values.as_slice();
        let in_memory = places.into_iter().map(|Place { text, rows }| {
            let (own, rest) = values.split_at(rows.len() * dimension);
            values = rest;
            let embeddings = chosen(text.embedded(), own, dimension);
            InMemory { tokens: Some(text.tokens()), truncated: text.truncated(), embeddings }
        });
        Ok(in_memory.collect())
    }

    /// Explains those of the best that have no explanation yet, in the list's order.
    async fn explain(
        &mut self,
        documents: Vec<InMemory>,
        observer: &mut impl Observer,
    ) -> Result<()> {
        if documents.is_empty() {
            return Ok(());
        }
        let dimension = self.model.dimension();
        let query = self.query.as_mut().expect("the first batch has come");
        if let (None, Some(tokens)) = (&query.embeddings, &query.tokens) {
            let rows = read(rows(&query.batch, 0..tokens.len())).await?;
            query.embeddings = Some(chosen(tokens.embedded(), &rows, dimension));
        }
        let query = EncodedText {
            tokens: query.tokens.as_ref(),
            embeddings: query.embeddings.as_deref().unwrap_or_default(),
        };
        let model = Explained {
            tokenizer: self.model.tokenizer(),
            dimension,
            normalized: self.model.is_normalized(),
        };
        let best = self.best.iter_mut().flat_map(TopK::iter_mut);
        let mut new: Vec<_> = best.filter(|(_, explanation)| explanation.is_none()).collect();
        new.sort_unstable_by_key(|(result, _)| result.index);
        assert_eq!(new.len(), documents.len(), "whoever lacks an explanation is of this batch");
        for (document, (result, explanation)) in documents.into_iter().zip(new) {
            pause(observer).await?;
            let InMemory { tokens, truncated, embeddings } = document;
            let document = EncodedText { tokens: tokens.as_ref(), embeddings: &embeddings };
            let explained = explain(result.score, query, document, model);
            *explanation = Some(Explanation { truncated, ..explained });
        }
        Ok(())
    }
}

/// A text's rows in its batch.
struct Place<'a> {
    text: &'a PlacedText,
    rows: std::ops::Range<usize>,
}

/// Where the documents of `new`, which is in the list's order, lie.
fn places<'a>(texts: &'a [PlacedText], new: &[usize]) -> Vec<Place<'a>> {
    let mut start = 0;
    let mut places = Vec::with_capacity(new.len());
    for text in texts {
        let end = start + text.rows();
        let is_document = text.kind == TextKind::Document;
        if is_document && new.binary_search(&text.index).is_ok() {
            places.push(Place { text, rows: start..end });
        }
        start = end;
    }
    places.sort_unstable_by_key(|place| place.text.index);
    places
}

fn rows(embeddings: &BatchEmbeddings, range: std::ops::Range<usize>) -> Tensor<2> {
    embeddings.rows().clone().slice([range])
}
