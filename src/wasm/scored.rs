//! How do embeddings score that are there already, without a model?

use wasm_bindgen::prelude::*;

use super::throw;
use super::vectors::{DocumentVectors, Group};
use crate::{Error, Similarity, TextKind, score_compressed, token_similarities};

/// Embeddings of documents as they were stored, in this memory.
#[wasm_bindgen]
pub struct ScoredDocuments {
    groups: Vec<Group>,
    documents: usize,
}

#[wasm_bindgen]
impl ScoredDocuments {
    /// Takes the embeddings of so many documents.
    #[wasm_bindgen(constructor)]
    pub fn new(vectors: DocumentVectors, documents: usize) -> Result<ScoredDocuments, JsValue> {
        Ok(Self { groups: vectors.into_groups(documents)?, documents })
    }

    /// MaxSim of each document with a query's rows; with `mean` over their number.
    pub fn maxsim(&self, query: &[f32], mean: bool) -> Result<Vec<f32>, JsValue> {
        let by = if mean { Similarity::MeanMaxSim } else { Similarity::MaxSim };
        let mut all = vec![0.0; self.documents];
        for Group { embeddings, places } in &self.groups {
            let scores = score_compressed(query, embeddings, by)
                .map_err(|error| throw(placed(error, places)))?;
            places.iter().zip(scores).for_each(|(&place, score)| all[place] = score);
        }
        Ok(all)
    }

    /// Every row of a query with every one of the first document.
    pub fn similarities(&self, query: &[f32]) -> Result<Vec<f32>, JsValue> {
        let found = self.groups.iter().find_map(|Group { embeddings, places }| {
            let position = places.iter().position(|&place| place == 0)?;
            Some((embeddings.decompress_document(position), embeddings.dimension()))
        });
        let (document, dimension) = found.unwrap_or((Vec::new(), 1));
        token_similarities(query, &document, dimension).map_err(throw)
    }
}

/// Names a document of a group by its place in the list.
fn placed(error: Error, places: &[usize]) -> Error {
    match error {
        Error::NotFinite { what, kind: kind @ TextKind::Document, index } => {
            Error::NotFinite { what, kind, index: places[index] }
        }
        error => error,
    }
}
