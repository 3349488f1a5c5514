//! How well does a document answer the query?
//!
//! ```text
//! Score(Q, D) = Σᵢ maxⱼ qᵢ · dⱼ        (Khattab & Zaharia, "ColBERT", SIGIR 2020)
//! ```
//!
//! over the query's embeddings `qᵢ` and the document's real embeddings `dⱼ`, summed in f32; padding takes no part.
//! PyLate's `rank.rerank` pads documents with zeros instead, so that its maxima never fall below zero; the two differ
//! only where all of a document's embeddings point away from a query's.
//!
//! A document without embeddings scores `-|Q|`, the least that unit vectors can reach, so that it
//! stands last. An embedding that is infinite or NaN makes the score NaN, which no ranking takes.
//!
//! Embeddings that are on a device are scored there, by [`crate::ops::maxsim()`]; those in memory by [`maxsim`], or as a
//! codec stored them by [`maxsim_compressed`].

use crate::late_interaction::codec::CompressedEmbeddings;
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::ops::{CodedQuery, CodedRows, ResidualTables};

/// Scores every document against one query (`[length, dimension]`, row-major), in the documents' order.
///
/// # Panics
/// If the query's width is not the documents': both come from one model.
pub fn maxsim(query: &[f32], documents: &TokenEmbeddings) -> Vec<f32> {
    let dimension = documents.dimension();
    assert_eq!(query.len() % dimension, 0, "query and documents have one width");
    let texts: Vec<_> = documents.texts().map(CodedRows::F32).collect();
    CodedQuery::new(query, dimension).scores(&texts)
}

/// As [`maxsim`], of the embeddings that codes stand for, without unpacking them.
///
/// # Panics
/// If the query's width is not the documents'.
pub fn maxsim_compressed(query: &[f32], documents: &CompressedEmbeddings) -> Vec<f32> {
    let dimension = documents.dimension();
    let tables = documents.codec().residual().map(|codec| {
        let parts = codec.parts();
        let (centroids, weights) = (&parts.centroids, &parts.weights);
        ResidualTables { dimension, nbits: parts.nbits, centroids, weights }
    });
    let query = match tables {
        Some(tables) => CodedQuery::new(query, dimension).with_tables(tables),
        None => CodedQuery::new(query, dimension),
    };
    let texts: Vec<_> = documents.documents().collect();
    query.scores(&texts)
}
