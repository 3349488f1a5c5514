//! A loaded model of either kind as the stages use it: it reads documents, and tells of them.

use super::cross_encoder;
use super::options::{RerankOptions, StageKind};
use super::pass::{self, Wanted};
use super::query::{Encodable, Query};
use super::told::Told;
use crate::cross_encoder::CrossEncoder;
use crate::error::{Error, Result};
use crate::late_interaction::colbert::ColBert;
use crate::observer::Observer;
use crate::text::long_documents::LongDocuments;
use crate::text::texts::Texts;

/// A loaded model.
#[derive(Clone, Copy)]
pub(crate) enum Ranker<'a> {
    Late(&'a ColBert),
    Cross(&'a CrossEncoder),
}

impl Ranker<'_> {
    /// The stage that the model is made for.
    pub(crate) fn own_stage(self) -> StageKind {
        match self {
            Ranker::Late(_) => StageKind::Late,
            Ranker::Cross(_) => StageKind::CrossEncoder,
        }
    }

    /// Refuses what the model does not give.
    ///
    /// # Errors
    /// [`Error::NoEmbeddings`], [`Error::NotCrossEncoder`].
    pub(crate) fn check(self, options: &RerankOptions) -> Result<()> {
        let stages = || options.stages.iter().map(|stage| &stage.kind);
        let has = |kind: fn(&StageKind) -> bool| stages().any(kind);
        match self {
            Ranker::Late(_) if has(|kind| *kind == StageKind::CrossEncoder) => {
                Err(Error::NotCrossEncoder { what: "a crossEncoder stage" })
            }
            Ranker::Late(_) => Ok(()),
            Ranker::Cross(_) => {
                let windows = options.long_documents != LongDocuments::Cut;
                let asked = [
                    (has(|kind| *kind == StageKind::Late), "a late stage"),
                    (has(|kind| matches!(kind, StageKind::Dense(_))), "a dense stage"),
                    (options.explain, "an explanation"),
                    (options.diversify.is_some(), "diversify"),
                    (windows, "reading long documents in windows"),
                    (!options.embeddings.is_empty(), "a document that brings embeddings"),
                    (options.keep.is_some(), "keeping embeddings"),
                    (options.token_pooling.is_some(), "token pooling"),
                ];
                match asked.into_iter().find(|(asked, _)| *asked) {
                    Some((_, what)) => Err(Error::NoEmbeddings { what }),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A model, and the query as it reads it.
pub(crate) enum Reader<'a> {
    Encoder { model: &'a ColBert, query: Encodable<'a> },
    Cross { model: &'a CrossEncoder, query: &'a str },
}

impl<'a> Reader<'a> {
    /// # Errors
    /// Those of the query.
    pub(crate) fn new(ranker: Ranker<'a>, query: Query<'a>) -> Result<Self> {
        match (ranker, query) {
            (Ranker::Late(model), _) => {
                Ok(Reader::Encoder { model, query: query.encodable(model)? })
            }
            (Ranker::Cross(model), Query::Text(query)) => {
                model.check_query(query)?;
                Ok(Reader::Cross { model, query })
            }
            (Ranker::Cross(_), Query::Embeddings { .. }) => {
                Err(Error::NoEmbeddings { what: "a query of embeddings" })
            }
        }
    }

    /// Number of the query's embeddings; 1 of a cross-encoder.
    pub(crate) fn query_length(&self) -> usize {
        match self {
            Reader::Encoder { model, query } => query.length(model.dimension()),
            Reader::Cross { .. } => 1,
        }
    }

    /// What the model's own scores do not go beyond, if there is such a number.
    pub(crate) fn bound(&self) -> Option<f32> {
        match self {
            Reader::Encoder { model, .. } => Some(model.bound(self.query_length())),
            Reader::Cross { model, .. } => model.bound(),
        }
    }

    /// Reads the documents at `places`, in this order, as far as there is time. Of a cross-encoder its score is all that can be wanted.
    ///
    /// # Errors
    /// Those of tokenizing and encoding; a pooling that the checkpoint does not have.
    pub(crate) async fn read<T: Texts + ?Sized>(
        &self,
        documents: &T,
        places: &[usize],
        options: &RerankOptions,
        wanted: &Wanted,
        observer: &mut impl Observer,
    ) -> Result<Told> {
        match self {
            Reader::Encoder { model, query } => {
                pass::run(model, query, documents, places, options, wanted, observer).await
            }
            Reader::Cross { model, query } => {
                let tells = wanted.tells.is_some();
                cross_encoder::run(model, query, documents, places, tells, observer).await
            }
        }
    }
}
