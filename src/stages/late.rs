//! How does late interaction score a list? Documents are scored by MaxSim as they are encoded; of a batch stay its scores,
//! and the explanations of those that are among the best so far.

use burn::tensor::Tensor;

use super::query::Encodable;
use super::top_k::{Scored, TopK};
use crate::device::read;
use crate::error::Result;
use crate::late_interaction::batch::{EncodedBatch, PlacedText, chosen};
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::explain::{EncodedText, Explained, Explanation, explain};
use crate::observer::{Observer, Stage, pause};
use crate::ops::{BatchEmbeddings, maxsim, scores, tensor};
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
    tokens: Option<TokenSequence>,
    /// Read back for the first explanation.
    embeddings: Option<Vec<f32>>,
}

impl Query {
    fn given(values: &[f32], model: &ColBert) -> Self {
        let length = values.len() / model.dimension();
        let rows = tensor(values.to_vec(), [length, model.dimension()], model.device());
        let batch = BatchEmbeddings::new(rows, &[length], &vec![true; length]);
        Self { batch, tokens: None, embeddings: Some(values.to_vec()) }
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

    /// A batch's embeddings, and its texts' scores where they were computed.
    pub(crate) fn begin(&mut self, batch: &EncodedBatch<'_>) -> (BatchEmbeddings, Tensor<1>) {
        let embeddings = batch.on_device();
        let query = self.query.get_or_insert_with(|| Query {
            batch: embeddings.clone(),
            tokens: Some(batch.model_and_texts().1[0].tokens()),
            embeddings: None,
        });
        let scores = maxsim(&query.batch, &embeddings);
        (embeddings, scores)
    }

    /// A score for each of `texts` but the query, of the values that were read.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`], [`crate::Error::DeviceLost`] and [`crate::Error::Aborted`].
    pub(crate) async fn finish(
        &mut self,
        texts: &[PlacedText],
        embeddings: &BatchEmbeddings,
        values: &[f32],
        observer: &mut impl Observer,
    ) -> Result<Vec<f32>> {
        let values = scores(values.to_vec());
        // The query is scored with itself, so that a number of its own that is not finite is told from a document's.
        if let Some((text, _)) = texts.iter().zip(&values).find(|(_, score)| !score.is_finite()) {
            return Err(text.not_finite());
        }
        let documents = texts.iter().zip(values).filter(|(text, _)| is_document(text));
        let documents: Vec<(usize, f32)> =
            documents.map(|(text, score)| (text.index, score)).collect();
        if let Some(best) = &mut self.best {
            observer.stage(Stage::Explain);
            best.extend(documents.iter().map(|&(index, score)| (Scored { index, score }, None)))?;
            self.explain_new(texts, embeddings, observer).await?;
        }
        Ok(documents.into_iter().map(|(_, score)| score).collect())
    }

    /// Explanations of the best documents, with their places.
    pub(crate) fn into_explanations(self) -> impl Iterator<Item = (usize, Explanation)> {
        let best = self.best.into_iter().flat_map(TopK::into_ranked);
        best.filter_map(|(result, explanation)| Some((result.index, explanation?)))
    }

    /// Explains the documents of this batch that are among the best.
    async fn explain_new(
        &mut self,
        texts: &[PlacedText],
        embeddings: &BatchEmbeddings,
        observer: &mut impl Observer,
    ) -> Result<()> {
        let dimension = self.model.dimension();
        let best = self.best.iter_mut().flat_map(TopK::iter_mut);
        let mut new: Vec<New<'_>> = best.filter(|(_, explanation)| explanation.is_none()).collect();
        if new.is_empty() {
            return Ok(());
        }
        new.sort_unstable_by_key(|(result, _)| result.index);
        let query = self.query.as_mut().expect("the first batch has come");
        if let (None, Some(tokens)) = (&query.embeddings, &query.tokens) {
            let rows = read(rows(&query.batch, 0..tokens.len())).await?;
            query.embeddings = Some(chosen(tokens.embedded(), &rows, dimension));
        }
        let places = places(texts, &new);
        let parts: Vec<Tensor<2>> =
            places.iter().map(|place| rows(embeddings, place.rows.clone())).collect();
        let values = read(Tensor::cat(parts, 0)).await?;
        let query = EncodedText {
            tokens: query.tokens.as_ref(),
            embeddings: query.embeddings.as_deref().unwrap_or_default(),
        };
        let model = Explained {
            tokenizer: self.model.tokenizer(),
            dimension,
            normalized: self.model.is_normalized(),
        };
        let mut values = values.as_slice();
        for (place, (result, explanation)) in places.into_iter().zip(new) {
            pause(observer).await?;
            let (own, rest) = values.split_at(place.rows.len() * dimension);
            values = rest;
            let (tokens, embeddings) =
                (&place.text.tokens(), &chosen(place.text.embedded(), own, dimension));
            let document = EncodedText { tokens: Some(tokens), embeddings };
            *explanation = Some(explain(result.score, query, document, model));
        }
        Ok(())
    }
}

/// A document that is among the best and has no explanation yet.
type New<'a> = (Scored, &'a mut Option<Explanation>);

fn is_document(text: &PlacedText) -> bool {
    text.kind == TextKind::Document
}

/// A text's rows in its batch.
struct Place<'a> {
    text: &'a PlacedText,
    rows: std::ops::Range<usize>,
}

/// Where the documents of `new`, sorted by their index, lie.
fn places<'a>(texts: &'a [PlacedText], new: &[New<'_>]) -> Vec<Place<'a>> {
    let mut wanted = new.iter().map(|(result, _)| result.index).peekable();
    let mut start = 0;
    let mut places = Vec::with_capacity(new.len());
    for text in texts {
        let end = start + text.rows();
        if is_document(text) && wanted.next_if_eq(&text.index).is_some() {
            places.push(Place { text, rows: start..end });
        }
        start = end;
    }
    assert!(wanted.peek().is_none(), "whoever lacks an explanation is of this batch");
    places
}

fn rows(embeddings: &BatchEmbeddings, range: std::ops::Range<usize>) -> Tensor<2> {
    embeddings.rows().clone().slice([range])
}
