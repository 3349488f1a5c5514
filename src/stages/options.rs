//! What is asked of a ranking: its stages in their order, and what is done with the list that the last of them leaves.

use super::bm25::Bm25Options;
use super::fusion::Fusion;
use super::precomputed::DocumentEmbeddings;
use crate::error::{Error, Result};
use crate::late_interaction::codec::Codec;
use crate::late_interaction::token_pooling::TokenPooling;
use crate::late_interaction::vectors::Pooling;
use crate::text::long_documents::LongDocuments;

/// How to rerank. What the last stage leaves is cut by `min_score`, put in order by `fuse`, then by `diversify`, and cut by
/// `top_k`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RerankOptions {
    /// How many documents come out; `None` for all.
    pub top_k: Option<usize>,
    /// Whether each comes with its token matches, which are late interaction's whatever the stages are.
    pub explain: bool,
    /// What becomes of documents that have more tokens than the model takes.
    pub long_documents: LongDocuments,
    /// Each ranks what the one before it has kept. Empty for the one that the model is made for: [`StageKind::Late`], or
    /// [`StageKind::CrossEncoder`].
    pub stages: Vec<StageOptions>,
    /// What somebody else has scored the documents by, in their order, more is better; empty if there is nothing. `None` where a
    /// document has no score: it counts as just below the least of the list.
    pub given: Vec<Option<f64>>,
    /// How the order is made of the last stage's and that of `given`; `None`: the last stage's is the order.
    pub fuse: Option<Fusion>,
    /// Documents that the last stage scores below it are left out.
    pub min_score: Option<f64>,
    /// Those that documents bring along, which are not encoded then.
    pub embeddings: DocumentEmbeddings,
    /// Documents that are encoded are scored by what this codec makes of their embeddings, and come out with it in
    /// [`super::results::RerankOutput::kept`]: brought along in a later call, they have the same scores, to the bit on the same
    /// device. Embeddings are read back from a GPU for it.
    pub keep: Option<Codec>,
    /// How many token embeddings stay of a document that is encoded; `None`: as many as the checkpoint says, by default all.
    pub token_pooling: Option<TokenPooling>,
    /// Maximal marginal relevance: from 1, relevance alone, to 0, difference alone; `None`: off. See [`mod@super::diversify`].
    pub diversify: Option<f32>,
}

/// A stage of a ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct StageOptions {
    pub kind: StageKind,
    /// How many documents it keeps, best first; `None` for all.
    pub keep: Option<usize>,
}

/// A way to rank a list. Equal scores keep the order that the list had.
#[derive(Debug, Clone, PartialEq)]
pub enum StageKind {
    /// By [`RerankOptions::given`].
    Given,
    /// By words that query and document share.
    Bm25(Bm25Options),
    /// By the cosine of one vector a text, by any pooling but [`Pooling::None`].
    Dense(Pooling),
    /// By MaxSim.
    Late,
    /// By a cross-encoder's score of query and document.
    CrossEncoder,
    /// By what a model has scored the documents in another call, in their order; NaN of one that there was no time for, or that no stage before has left.
    Scored(Vec<f32>),
}

impl StageKind {
    /// As callers name it.
    pub fn name(&self) -> &'static str {
        match self {
            StageKind::Given => "given",
            StageKind::Bm25(_) => "bm25",
            StageKind::Dense(_) => "dense",
            StageKind::Late => "late",
            StageKind::CrossEncoder => "crossEncoder",
            StageKind::Scored(_) => "scored",
        }
    }

    /// Keeps some of the documents.
    pub fn keeping(self, keep: usize) -> StageOptions {
        StageOptions { kind: self, keep: Some(keep) }
    }
}

impl From<StageKind> for StageOptions {
    fn from(kind: StageKind) -> Self {
        Self { kind, keep: None }
    }
}

impl RerankOptions {
    /// Refuses what does not go together, for a list of so many documents.
    ///
    /// # Errors
    /// [`Error::Argument`].
    pub(crate) fn check(&self, documents: usize) -> Result<()> {
        self.check_given(documents)?;
        for (place, stage) in self.stages.iter().enumerate() {
            self.check_stage(&stage.kind, documents).map_err(|reason| {
                Error::argument(format!("stages[{place}] ({})", stage.kind.name()), reason)
            })?;
        }
        if let Some(fusion) = self.fuse {
            fusion.check(self.given.is_empty() && documents > 0)?;
        }
        if let Some(pooling) = self.token_pooling {
            pooling.check()?;
        }
        if self.min_score.is_some_and(f64::is_nan) {
            return Err(Error::argument("min_score", "is not a number"));
        }
        match self.diversify {
            Some(share) if !(0.0..=1.0).contains(&share) => {
                Err(Error::argument("diversify", format!("is {share}; it goes from 0 to 1")))
            }
            _ => Ok(()),
        }
    }

    fn check_given(&self, documents: usize) -> Result<()> {
        let count = self.given.len();
        if count != 0 && count != documents {
            let reason = format!("has {count} scores for {documents} documents");
            return Err(Error::argument("given", reason));
        }
        // Scores leave as f32.
        let beyond = |score: f64| !(score as f32).is_finite();
        match self.given.iter().position(|score| score.is_some_and(beyond)) {
            Some(index) => Err(Error::argument(format!("given[{index}]"), "is not finite")),
            None => Ok(()),
        }
    }

    fn check_stage(&self, kind: &StageKind, documents: usize) -> Result<(), String> {
        match kind {
            StageKind::Given if self.given.is_empty() && documents > 0 => {
                Err("has no given scores".to_owned())
            }
            StageKind::Bm25(options) => options.check(),
            StageKind::Dense(Pooling::None) => Err("wants one vector a text".to_owned()),
            StageKind::Scored(scores) if scores.len() != documents => {
                Err(format!("has {} scores for {documents} documents", scores.len()))
            }
            StageKind::Given
            | StageKind::Dense(_)
            | StageKind::Late
            | StageKind::CrossEncoder
            | StageKind::Scored(_) => Ok(()),
        }
    }
}
