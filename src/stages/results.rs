//! What comes out of a ranking.

use crate::batching::Cost;
use crate::error::Warning;
use crate::late_interaction::codec::CompressedEmbeddings;
use crate::late_interaction::explain::Explanation;

/// The ranked documents.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankOutput {
    /// Best first.
    pub results: Vec<RerankResult>,
    /// Documents that the last stage has not scored, since [`crate::Observer::is_over`] said that the time was over: they follow the
    /// results in the order that they had, and are cut with them.
    pub unscored: Vec<Unscored>,
    /// How many those were before any was cut.
    pub unscored_count: usize,
    /// How many stages the ranking had.
    pub stages: usize,
    /// Number of the query's embeddings; 1 of a cross-encoder, whose score is one number.
    pub query_length: usize,
    /// The most that the last stage's scores can be, at either side of zero, but for rounding; `None` where they have no bounds. Of
    /// MaxSim it is the number of the query's embeddings, which holds where those are unit vectors, or what that number is divided by where
    /// a model takes the mean, and 1 in place of the number where its embeddings are weighed; of BM25 the sum of the query's
    /// words' weights; of a cosine 1, and of a cross-encoder whose scores come out of a sigmoid.
    pub bound: Option<f32>,
    /// Whether the query had more tokens than the model takes.
    pub query_truncated: bool,
    /// For each result, whether its text had more tokens than the model takes; `false` where the model has not read it.
    pub truncated: Vec<bool>,
    /// For each result; empty unless asked for, and where there was no time for all of them.
    pub explanations: Vec<Explanation>,
    /// Of the documents that were encoded, if that was asked for.
    pub kept: Option<Kept>,
    /// What the user should know of what came in.
    pub warnings: Vec<Warning>,
    /// What was encoded, the query too.
    pub cost: Cost,
}

/// A document that there was no time for.
#[derive(Debug, Clone, PartialEq)]
pub struct Unscored {
    /// Its place in the caller's list.
    pub index: usize,
    /// Of the stages that have scored it, in their order.
    pub stages: Vec<StageResult>,
}

/// Embeddings of documents as they were scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Places in the caller's list, in any order; of those that read the same the first.
    pub indices: Vec<usize>,
    /// For each of them whether its text had more tokens than the model takes.
    pub truncated: Vec<bool>,
    pub embeddings: CompressedEmbeddings,
}

/// A document that came out.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankResult {
    /// Its place in the caller's list.
    pub index: usize,
    /// The last stage's.
    pub score: f32,
    /// What the order was made by, if the last stage's was fused with another.
    pub fused: Option<f32>,
    /// Place in the caller's list of the first document that reads the same, if a model has read both: only that one was encoded.
    pub same_as: Option<usize>,
    /// Of each stage, in their order.
    pub stages: Vec<StageResult>,
}

/// What a stage said of a document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageResult {
    /// From 1, among those that the stage before had kept.
    pub rank: usize,
    pub score: f32,
}
