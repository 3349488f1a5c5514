//! How is an index searched whose parts come as they are wanted?

use js_sys::Float32Array;
use serde::{Deserialize, Serialize};
use serde_wasm_bindgen::preserve;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use super::{from_js, throw, to_js};
use crate::late_interaction::index::{self, Hit, Index, IndexManifest, Search};

/// What the manifest says.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexInfo {
    documents: u32,
    /// Embeddings of all documents.
    tokens: f64,
    dimension: usize,
    nbits: usize,
    centroids: u32,
    /// Of all parts.
    bytes: f64,
    #[tsify(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_id: Option<String>,
}

impl From<&IndexManifest> for IndexInfo {
    fn from(manifest: &IndexManifest) -> Self {
        Self {
            documents: manifest.documents,
            tokens: manifest.tokens as f64,
            dimension: manifest.dimension,
            nbits: manifest.nbits,
            centroids: manifest.centroids,
            bytes: manifest.bytes() as f64,
            embedding_id: manifest.info.embedding_id.clone(),
        }
    }
}

/// A file of the index, its size and its lower-case hexadecimal hash.
#[derive(Tsify, Serialize)]
pub struct IndexPart {
    file: String,
    bytes: f64,
    sha256: String,
}

impl From<&index::IndexPart> for IndexPart {
    fn from(part: &index::IndexPart) -> Self {
        let index::IndexPart { file, integrity, range: _ } = part;
        let (bytes, sha256) = (integrity.bytes as f64, integrity.sha256.clone());
        Self { file: file.clone(), bytes, sha256 }
    }
}

#[derive(Tsify, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexSettings {
    #[tsify(optional)]
    top_k: Option<usize>,
    #[tsify(optional)]
    n_ivf_probe: Option<usize>,
    #[tsify(optional)]
    n_full_scores: Option<usize>,
}

impl From<IndexSettings> for index::SearchOptions {
    fn from(settings: IndexSettings) -> Self {
        let IndexSettings { top_k, n_ivf_probe, n_full_scores } = settings;
        let plain = Self::default();
        Self {
            top_k: top_k.unwrap_or(plain.top_k),
            n_ivf_probe: n_ivf_probe.unwrap_or(plain.n_ivf_probe),
            n_full_scores: n_full_scores.unwrap_or(plain.n_full_scores),
        }
    }
}

/// What was found, best first.
#[derive(Tsify, Serialize)]
pub struct IndexHits {
    ids: Vec<String>,
    #[serde(with = "preserve")]
    scores: Float32Array,
}

impl From<Vec<Hit>> for IndexHits {
    fn from(hits: Vec<Hit>) -> Self {
        let scores: Vec<f32> = hits.iter().map(|hit| hit.score).collect();
        let ids = hits.into_iter().map(|hit| hit.id).collect();
        Self { ids, scores: Float32Array::from(scores.as_slice()) }
    }
}

/// An index: its manifest, and the codec once its parts were given.
#[wasm_bindgen]
pub struct SearchIndex {
    index: Index,
}

#[wasm_bindgen]
impl SearchIndex {
    /// Reads a manifest.
    #[wasm_bindgen(constructor)]
    pub fn new(manifest: &[u8]) -> Result<SearchIndex, JsValue> {
        Ok(Self { index: Index::open(manifest).map_err(throw)? })
    }

    #[wasm_bindgen(getter)]
    pub fn info(&self) -> Ts<IndexInfo> {
        to_js(&self.index.manifest().into())
    }

    /// All files but the manifest.
    pub fn parts(&self) -> Vec<Ts<IndexPart>> {
        self.index.manifest().all_parts().map(|part| to_js(&part.into())).collect()
    }

    /// Files that have to be given before a search.
    pub fn wanted(&self) -> Vec<String> {
        self.index.wanted()
    }

    /// Holds a file against the manifest.
    pub fn check(&self, file: &str, bytes: &[u8]) -> Result<(), JsValue> {
        self.index.manifest().verify(file, bytes).map_err(throw)
    }

    /// Checks and takes a file that is wanted.
    pub fn give(&mut self, file: &str, bytes: &[u8]) -> Result<(), JsValue> {
        self.index.give(file, bytes).map_err(throw)
    }

    /// Begins a search with a query's rows.
    pub fn search(
        &self,
        query: &[f32],
        options: Ts<IndexSettings>,
    ) -> Result<IndexSearch, JsValue> {
        let search = self.index.search(query, &from_js(options)?.into()).map_err(throw)?;
        Ok(IndexSearch { search })
    }
}

/// A search under way.
#[wasm_bindgen]
pub struct IndexSearch {
    search: Search,
}

#[wasm_bindgen]
impl IndexSearch {
    /// Files that the next step needs; none once the search is over.
    pub fn wanted(&self) -> Vec<String> {
        self.search.wanted()
    }

    /// Checks and takes a file that is wanted.
    pub fn give(&mut self, file: &str, bytes: &[u8]) -> Result<(), JsValue> {
        self.search.give(file, bytes).map_err(throw)
    }

    pub fn hits(&self) -> Ts<IndexHits> {
        to_js(&self.search.hits().to_vec().into())
    }
}
