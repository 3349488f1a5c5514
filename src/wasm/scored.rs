//! How do embeddings score that are there already, without a model?

use wasm_bindgen::prelude::*;

use super::{invalid_input, throw};
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::maxsim::maxsim;
use crate::{Error, TextKind};

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
        let dimension = self.embeddings.dimension();
        if query.len() % dimension != 0 {
            return Err(invalid_input("the query's rows are not as wide as the documents'"));
        }
        if !query.iter().all(|value| value.is_finite()) {
            return Err(throw(not_finite(TextKind::Query, 0)));
        }
        let mut scores = maxsim(query, &self.embeddings);
        if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
            return Err(throw(not_finite(TextKind::Document, index)));
        }
        if mean {
            let rows = (query.len() / dimension).max(1) as f32;
            scores.iter_mut().for_each(|score| *score /= rows);
        }
        Ok(scores)
    }
}

fn not_finite(kind: TextKind, index: usize) -> Error {
    Error::NotFinite { what: "an embedding", kind, index }
}
