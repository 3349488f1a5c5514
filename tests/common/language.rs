//! The language models that read pages, as fixtures have them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::path::PathBuf;

use pollster::block_on;
use safetensors::SafeTensors;
use serde::Deserialize;
use tabrank::image::Picture;
use tabrank::{CheckpointFiles, Inspection, PageInspection, PageOptions, Reranker, TextKind};

use super::{fixtures, gather, load};

pub const MODELS: [&str; 2] = ["colpali", "colqwen2"];

#[derive(Deserialize)]
pub struct Expected {
    pub queries: Vec<Text>,
    pub engine_queries: Vec<Text>,
    pub pages: Vec<Page>,
    #[serde(default)]
    pub engine_pages: Vec<Prompt>,
    pub scores: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
pub struct Page {
    pub size: [usize; 2],
    pub ids: Vec<u32>,
    pub patches: Vec<u8>,
    /// Rows and columns of patches, before they are merged.
    pub grid: Option<[usize; 2]>,
}

#[derive(Deserialize)]
pub struct Prompt {
    pub ids: Vec<u32>,
}

#[derive(Deserialize)]
pub struct Text {
    pub text: String,
    pub ids: Vec<u32>,
}

pub struct Case {
    pub folder: PathBuf,
    pub expected: Expected,
    pub tensors: Vec<u8>,
}

impl Case {
    pub fn read(name: &str) -> Self {
        let folder = fixtures().join("visual").join(name);
        let json = fs::read(folder.join("expected.json")).unwrap();
        let expected = serde_json::from_slice(&json).unwrap();
        let tensors = fs::read(folder.join("expected.safetensors")).unwrap();
        Self { folder, expected, tensors }
    }

    pub fn picture(&self, page: usize) -> Picture {
        let tensors = SafeTensors::deserialize(&self.tensors).unwrap();
        let pixels = tensors.tensor(&format!("page.{page}.pixels")).unwrap();
        let [width, height] = self.expected.pages[page].size;
        Picture::from_rgb(width, height, pixels.data().to_vec()).unwrap()
    }

    pub fn load_pages(&self, saves: &[&str]) -> Reranker {
        let mut files = self.files(saves);
        files.take_pages();
        load(&files)
    }

    /// The files of some saves, of which an earlier one's stand in place of a later one's.
    pub fn files(&self, saves: &[&str]) -> CheckpointFiles {
        let find = |name: &str| {
            saves.iter().find_map(|save| fs::read(self.folder.join(save).join(name)).ok())
        };
        let mut files = gather(find).unwrap();
        // Nothing asks for an adapter: who looks into a folder finds it.
        let adapter = files.adapter_file().unwrap();
        if let Some(bytes) = find(&adapter) {
            files.insert(&adapter, bytes).unwrap();
            for file in files.wanted().unwrap() {
                files.insert(&file.name, find(&file.name).unwrap()).unwrap();
            }
        }
        files
    }

    pub fn tensor(&self, name: &str) -> Option<Vec<f32>> {
        let tensors = SafeTensors::deserialize(&self.tensors).unwrap();
        let view = tensors.tensor(name).ok()?;
        let values = view.data().chunks_exact(4);
        Some(values.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
    }
}

pub fn inspect_page(reranker: &Reranker, picture: &Picture) -> PageInspection {
    block_on(reranker.inspect_page(picture, PageOptions::default())).unwrap()
}

pub fn inspect(reranker: &Reranker, query: &str) -> Inspection {
    block_on(reranker.inspect(TextKind::Query, query)).unwrap()
}
