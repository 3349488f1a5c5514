//! How do embeddings score that are there already, without a model?

use wasm_bindgen::prelude::*;

use super::throw;
use super::vectors::DocumentVectors;
use crate::{Similarity, TokenEmbeddings, score, token_similarities};

/// Embeddings of documents, in this memory.
#[wasm_bindgen]
pub struct ScoredDocuments {
    embeddings: TokenEmbeddings,
}

#[wasm_bindgen]
impl ScoredDocuments {
    /// Takes the embeddings of so many documents.
    #[wasm_bindgen(constructor)]
    pub fn new(vectors: DocumentVectors, documents: usize) -> Result<ScoredDocuments, JsValue> {
        Ok(Self { embeddings: vectors.decompressed(documents)? })
    }

    /// MaxSim of each document with a query's rows; with `mean` over their number.
    pub fn maxsim(&self, query: &[f32], mean: bool) -> Result<Vec<f32>, JsValue> {
        let by = if mean { Similarity::MeanMaxSim } else { Similarity::MaxSim };
        score(query, &self.embeddings, by).map_err(throw)
    }

    /// Every row of a query with every one of the first document.
    pub fn similarities(&self, query: &[f32]) -> Result<Vec<f32>, JsValue> {
        let document = self.embeddings.texts().next().unwrap_or_default();
        token_similarities(query, document, self.embeddings.dimension()).map_err(throw)
    }
}
