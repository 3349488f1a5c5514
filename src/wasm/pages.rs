//! How does a page, a document that is an image, come in, and what becomes of it?
//!
//! Decoding is the caller's: what crosses are pixels. A page's tiles may be spread over several instances; then one of them makes the page of
//! what they have become.

use js_sys::{Float32Array, Uint8Array};
use serde::{Deserialize, Serialize};
use serde_wasm_bindgen::preserve;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use super::answers::bytes;
use super::checkpoint::Checkpoint;
use super::engine::Engine;
use super::observer::{JsHooks, JsObserver};
use super::ranking::KeptCodec;
use super::{from_js, throw, to_js};
use crate::late_interaction::codec::file::planes;
use crate::{Codec, EncodedPage, PageOptions, Rows};

/// A page's pixels.
#[wasm_bindgen]
pub struct Picture {
    picture: crate::image::Picture,
}

#[wasm_bindgen]
impl Picture {
    /// Of four bytes a pixel, row by row, the last of which plays no part.
    #[wasm_bindgen(constructor)]
    pub fn new(width: usize, height: usize, rgba: &[u8]) -> Result<Picture, JsValue> {
        let picture = crate::image::Picture::from_rgba(width, height, rgba).map_err(throw)?;
        Ok(Picture { picture })
    }
}

/// How a page is cut.
#[derive(Tsify, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageSettings {
    /// Of the page's longer side, in pixels; the model's own by default.
    #[tsify(optional)]
    longest_edge: Option<usize>,
}

impl From<PageSettings> for PageOptions {
    fn from(PageSettings { longest_edge }: PageSettings) -> Self {
        PageOptions { longest_edge, only_patches: false }
    }
}

/// What is kept of a page, and how.
#[derive(Tsify, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageEmbeddingSettings {
    #[tsify(optional)]
    longest_edge: Option<usize>,
    /// Leaves out the embeddings of the tokens round the patches.
    #[tsify(optional)]
    only_patches: Option<bool>,
    /// `f32` by default.
    #[tsify(optional)]
    keep: Option<KeptCodec>,
}

/// Rows and columns of a page's tiles, 0 where it is seen in one alone, and how many there are with that of the whole page.
#[derive(Tsify, Serialize)]
pub struct PageLayout {
    tiles: usize,
    rows: usize,
    columns: usize,
}

impl From<crate::PageLayout> for PageLayout {
    fn from(layout: crate::PageLayout) -> Self {
        Self { tiles: layout.tiles(), rows: layout.rows, columns: layout.columns }
    }
}

/// A page's embeddings, and where on it they are.
#[derive(Tsify, Serialize)]
pub struct PageEmbeddings {
    #[tsify(type = "\"f32\" | \"f16\" | \"int8\" | \"binary\"")]
    codec: &'static str,
    dimension: usize,
    rows: usize,
    /// Little-endian.
    #[tsify(type = "Uint8Array")]
    #[serde(with = "preserve")]
    codes: Uint8Array,
    /// Of `int8`; `undefined` else.
    #[tsify(optional, type = "Float32Array")]
    #[serde(with = "preserve", skip_serializing_if = "JsValue::is_undefined")]
    scales: JsValue,
    #[tsify(type = "[rows: number, columns: number]")]
    grid: [usize; 2],
    #[tsify(type = "[width: number, height: number]")]
    page: [usize; 2],
    /// Patches of a tile's side, where they come tile after tile.
    #[tsify(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tile: Option<usize>,
    /// 1 for each row that is a patch's.
    #[tsify(type = "Uint8Array")]
    #[serde(with = "preserve")]
    patches: Uint8Array,
}

impl PageEmbeddings {
    fn new(page: &EncodedPage, codec: &Codec) -> crate::Result<Self> {
        let embeddings = codec.compress(&page.embeddings)?;
        let scales = match embeddings.rows() {
            Rows::Int8 { scales, .. } => Float32Array::from(scales.as_slice()).into(),
            _ => JsValue::UNDEFINED,
        };
        Ok(Self {
            codec: embeddings.codec().name(),
            dimension: embeddings.dimension(),
            rows: page.patches.len(),
            codes: Uint8Array::from(planes(embeddings.rows().view())[0].as_slice()),
            scales,
            grid: page.grid,
            page: page.page,
            tile: page.tile,
            patches: bytes(&page.patches),
        })
    }
}

#[wasm_bindgen]
impl Engine {
    /// Whether what pages need is there.
    #[wasm_bindgen(getter, js_name = hasPages)]
    pub fn has_pages(&self) -> bool {
        self.reranker.reads_pages()
    }

    /// Loads what pages need, of the model's own files, and takes them.
    #[wasm_bindgen(js_name = addPages)]
    pub async fn add_pages(
        &mut self,
        checkpoint: Checkpoint,
        hooks: JsHooks,
    ) -> Result<(), JsValue> {
        let mut observer = JsObserver::new(hooks);
        self.reranker.load_pages(&checkpoint.files, &mut observer).await.map_err(throw)
    }

    /// How a page of this size is cut.
    #[wasm_bindgen(js_name = pageLayout)]
    pub fn page_layout(
        &self,
        width: usize,
        height: usize,
        options: Ts<PageSettings>,
    ) -> Result<Ts<PageLayout>, JsValue> {
        let options = from_js(options)?.into();
        let layout = self.reranker.page_layout([width, height], options).map_err(throw)?;
        Ok(to_js(&layout.into()))
    }

    /// What the vision tower makes of the tiles from `start` up to `end`.
    #[wasm_bindgen(js_name = tileFeatures)]
    pub async fn tile_features(
        &self,
        picture: &Picture,
        start: usize,
        end: usize,
        options: Ts<PageSettings>,
        hooks: JsHooks,
    ) -> Result<Float32Array, JsValue> {
        let options = from_js(options)?.into();
        let mut observer = JsObserver::new(hooks);
        let features =
            self.reranker.tile_features(&picture.picture, start..end, options, &mut observer);
        Ok(Float32Array::from(features.await.map_err(throw)?.as_slice()))
    }

    /// A page's embeddings by what the vision tower has made of all its tiles.
    #[wasm_bindgen(js_name = pageEmbeddings)]
    pub async fn page_embeddings(
        &self,
        features: Vec<f32>,
        width: usize,
        height: usize,
        options: Ts<PageEmbeddingSettings>,
        hooks: JsHooks,
    ) -> Result<Ts<PageEmbeddings>, JsValue> {
        let PageEmbeddingSettings { longest_edge, only_patches, keep } = from_js(options)?;
        let options = PageOptions { longest_edge, only_patches: only_patches.unwrap_or(false) };
        let layout = self.reranker.page_layout([width, height], options).map_err(throw)?;
        let mut observer = JsObserver::new(hooks);
        let page = self.reranker.page_embeddings(features, &layout, options, &mut observer).await;
        let page = page.map_err(throw)?;
        let codec = keep.map_or(Codec::F32, Codec::from);
        Ok(to_js(&PageEmbeddings::new(&page, &codec).map_err(throw)?))
    }
}
