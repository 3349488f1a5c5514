//! How do embeddings score that are there already, without a model?

use wasm_bindgen::prelude::*;

use super::{invalid_input, throw};
use crate::{Similarity, TokenEmbeddings, score};

/// Embeddings of documents, in this memory.
#[wasm_bindgen]
pub struct ScoredDocuments {
    embeddings: TokenEmbeddings,
}

#[wasm_bindgen]
impl ScoredDocuments {
    /// Rows of `dimension` values, text after text, `lengths` of each.
    #[wasm_bindgen(constructor)]
    pub fn new(
        values: Vec<f32>,
        lengths: Vec<u32>,
        dimension: usize,
    ) -> Result<ScoredDocuments, JsValue> {
        let lengths = lengths.into_iter().map(|length| length as usize).collect();
        let embeddings = TokenEmbeddings::from_parts(values, lengths, dimension)
            .ok_or_else(|| invalid_input("the documents' lengths are not those of their rows"))?;
        Ok(Self { embeddings })
    }

    /// MaxSim of each document with a query's rows; with `mean` over their number.
    pub fn maxsim(&self, query: &[f32], mean: bool) -> Result<Vec<f32>, JsValue> {
        let by = if mean { Similarity::MeanMaxSim } else { Similarity::MaxSim };
        score(query, &self.embeddings, by).map_err(throw)
    }
}
