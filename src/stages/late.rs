//! How does late interaction rank a list? Documents are scored by MaxSim as they are encoded; of a batch stay its scores,
//! and the explanations of those that are among the best so far.

use burn::tensor::Tensor;

use super::top_k::{RerankResult, TopK};
use crate::device::read;
use crate::error::Result;
use crate::late_interaction::batch::{EncodedBatch, Held, PlacedText, chosen};
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::explain::{EncodedText, Explained, Explanation, explain};
use crate::late_interaction::stream::{self, Batches, Consumer};
use crate::observer::{Observer, Stage, pause};
use crate::ops::{BatchEmbeddings, maxsim, scores};
use crate::text::long_documents::LongDocuments;
use crate::text::texts::Texts;
use crate::text::token_batch::TokenSequence;
use crate::text_kind::TextKind;

/// How to rerank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RerankOptions {
    /// How many documents come out; `None` for all.
    pub top_k: Option<usize>,
    /// Whether each comes with its token matches.
    pub explain: bool,
    /// What becomes of documents that have more tokens than the model takes.
    pub long_documents: LongDocuments,
}

/// The ranked documents.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankOutput {
    /// Best first.
    pub results: Vec<RerankResult>,
    /// Number of the query's embeddings: score divided by it lies in [-1, 1] where embeddings are unit vectors, but for rounding.
    /// 1 of a cross-encoder, whose score is one number.
    pub query_length: usize,
    /// Whether the query had more tokens than the model takes.
    pub query_truncated: bool,
    /// For each result, whether its text had more tokens than the model takes.
    pub truncated: Vec<bool>,
    /// For each result; empty unless asked for.
    pub explanations: Vec<Explanation>,
}

/// Ranks `documents`. Of a GPU's numbers the scores are read back, and embeddings for explanations alone.
///
/// # Errors
/// Those of tokenizing and encoding.
pub(crate) async fn rank<T: Texts + ?Sized>(
    model: &ColBert,
    query: &str,
    documents: &T,
    options: RerankOptions,
    observer: &mut impl Observer,
) -> Result<RerankOutput> {
    let tokens = model.tokenize(TextKind::Query, 0, query)?;
    let (query_length, query_truncated) = (tokens.embedded().count(), tokens.truncated);
    let (long, held) = (options.long_documents, Held::Embeddings);
    let batches = Batches::new(model, TextKind::Document, documents, long, held).behind(tokens);
    let best = TopK::new(options.top_k.unwrap_or(documents.len()));
    let mut ranking = Ranking { model, explain: options.explain, query: None, best };
    stream::run(batches, &mut ranking, observer).await?;
    let (results, kept): (Vec<_>, Vec<_>) = ranking.best.into_ranked().into_iter().unzip();
    Ok(RerankOutput {
        results,
        query_length,
        query_truncated,
        truncated: kept.iter().map(|kept| kept.truncated).collect(),
        explanations: kept.into_iter().filter_map(|kept| kept.explanation).collect(),
    })
}

struct Ranking<'a> {
    model: &'a ColBert,
    explain: bool,
    /// Known with the first batch.
    query: Option<Query>,
    best: TopK<Kept>,
}

struct Query {
    /// The first batch, whose first text is the query.
    batch: BatchEmbeddings,
    tokens: TokenSequence,
    /// Read back for the first explanation.
    embeddings: Option<Vec<f32>>,
}

/// What stays of a document.
struct Kept {
    truncated: bool,
    explanation: Option<Explanation>,
}

impl Consumer for Ranking<'_> {
    type Held = (Vec<PlacedText>, BatchEmbeddings);

    fn begin(&mut self, batch: EncodedBatch<'_>) -> (Self::Held, Tensor<1>) {
        let embeddings = batch.on_device();
        let texts = batch.into_texts();
        let query = self.query.get_or_insert_with(|| Query {
            batch: embeddings.clone(),
            tokens: texts[0].tokens(),
            embeddings: None,
        });
        let scores = maxsim(&query.batch, &embeddings);
        ((texts, embeddings), scores)
    }

    async fn finish(
        &mut self,
        (texts, embeddings): Self::Held,
        values: Vec<f32>,
        observer: &mut impl Observer,
    ) -> Result<()> {
        let values = scores(values);
        // The query is scored with itself, so that a number of its own that is not finite is told from a document's.
        if let Some((text, _)) = texts.iter().zip(&values).find(|(_, score)| !score.is_finite()) {
            return Err(text.not_finite());
        }
        let documents = texts.iter().zip(values).filter(|(text, _)| is_document(text));
        self.best.extend(documents.map(|(text, score)| {
            let kept = Kept { truncated: text.truncated(), explanation: None };
            (RerankResult { index: text.index, score }, kept)
        }))?;
        if self.explain {
            observer.stage(Stage::Explain);
            self.explain_new(&texts, &embeddings, observer).await?;
        }
        Ok(())
    }
}

impl Ranking<'_> {
    /// Explains the documents of this batch that are among the best.
    async fn explain_new(
        &mut self,
        texts: &[PlacedText],
        embeddings: &BatchEmbeddings,
        observer: &mut impl Observer,
    ) -> Result<()> {
        let dimension = self.model.dimension();
        let new = self.best.iter_mut().filter(|(_, kept)| kept.explanation.is_none());
        let mut new: Vec<(RerankResult, &mut Kept)> = new.collect();
        if new.is_empty() {
            return Ok(());
        }
        new.sort_unstable_by_key(|(result, _)| result.index);
        let query = self.query.as_mut().expect("the first batch has come");
        if query.embeddings.is_none() {
            let rows = read(rows(&query.batch, 0..query.tokens.len())).await?;
            query.embeddings = Some(chosen(query.tokens.embedded(), &rows, dimension));
        }
        let places = places(texts, &new);
        let parts: Vec<Tensor<2>> =
            places.iter().map(|place| rows(embeddings, place.rows.clone())).collect();
        let values = read(Tensor::cat(parts, 0)).await?;
        let query = EncodedText {
            tokens: &query.tokens,
            embeddings: query.embeddings.as_deref().unwrap_or_default(),
        };
        let model = Explained {
            tokenizer: self.model.tokenizer(),
            dimension,
            normalized: self.model.is_normalized(),
        };
        let mut values = values.as_slice();
        for (place, (result, kept)) in places.into_iter().zip(new) {
            pause(observer).await?;
            let (own, rest) = values.split_at(place.rows.len() * dimension);
            values = rest;
            let (tokens, embeddings) =
                (&place.text.tokens(), &chosen(place.text.embedded(), own, dimension));
            let document = EncodedText { tokens, embeddings };
            kept.explanation = Some(explain(result.score, query, document, model));
        }
        Ok(())
    }
}

fn is_document(text: &PlacedText) -> bool {
    text.kind == TextKind::Document
}

/// A text's rows in its batch.
struct Place<'a> {
    text: &'a PlacedText,
    rows: std::ops::Range<usize>,
}

/// Where the documents of `new`, sorted by their index, lie.
fn places<'a>(texts: &'a [PlacedText], new: &[(RerankResult, &mut Kept)]) -> Vec<Place<'a>> {
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
