//! Reads the fixtures that `tests/reference/make_fixtures.py` makes.

#![allow(dead_code, reason = "each test binary uses a part of it")]

#[cfg(feature = "cli")]
pub mod command;
pub mod crafted;
#[cfg(feature = "cli")]
pub mod folder;
pub mod index;
#[cfg(feature = "cli")]
pub mod index_command;
pub mod language;
pub mod list;
pub mod pairs;
#[cfg(feature = "cli")]
pub mod pdf;
pub mod stages;
pub mod stopper;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use pollster::block_on;
use safetensors::SafeTensors;
use serde::Deserialize;
use tabrank::text::tokenizer::Tokenizer;
use tabrank::{
    CheckpointFiles, DeviceChoice, LoadOptions, ModelConfig, Overrides, Reranker, Unobserved,
};

/// Every case; a missing one fails. The browser's tests read the same list.
pub static CASES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../fixtures/cases.json")).expect("a list of names")
});

/// What the reference libraries computed for one text.
#[derive(Deserialize)]
pub struct ExpectedText {
    pub text: String,
    pub ids: Vec<u32>,
    pub attention_mask: Vec<u8>,
    pub embedding_mask: Vec<u8>,
    /// In code points; (0, 0) for tokens that the text does not hold.
    pub offsets: Vec<(usize, usize)>,
    pub truncated: bool,
}

#[derive(Deserialize)]
pub struct Settings {
    pub dimension: usize,
    pub query_length: usize,
    pub document_length: usize,
}

#[derive(Deserialize)]
pub struct Expected {
    pub settings: Settings,
    pub queries: Vec<ExpectedText>,
    pub documents: Vec<ExpectedText>,
    /// Every query with every document; `None` for a document without embeddings.
    pub scores: Vec<Vec<Option<f32>>>,
    /// Scores that somebody else published: the first query with the first documents.
    #[serde(default)]
    pub published: Option<Vec<f32>>,
}

/// One case: the checkpoint's files and what is expected of it.
pub struct Fixture {
    pub name: &'static str,
    pub files: CheckpointFiles,
    pub expected: Expected,
    tensors: Vec<u8>,
}

impl Fixture {
    pub fn read(name: &'static str) -> Self {
        let folder = fixtures().join(name);
        Self::of(name, &folder, &folder.join("checkpoint"))
    }

    /// A checkpoint, and the folder with what is expected of it.
    pub fn of(name: &'static str, folder: &Path, checkpoint: &Path) -> Self {
        let json = fs::read(folder.join("expected.json"))
            .unwrap_or_else(|error| panic!("fixture {name}: {error}"));
        Self {
            name,
            files: self::checkpoint(checkpoint),
            expected: serde_json::from_slice(&json).unwrap(),
            tensors: fs::read(folder.join("expected.safetensors")).unwrap(),
        }
    }

    pub fn load(&self) -> Reranker {
        load(&self.files)
    }

    /// An expected tensor, row-major; `None` if the reference wrote none.
    pub fn tensor(&self, name: &str) -> Option<Vec<f32>> {
        let tensors = SafeTensors::deserialize(&self.tensors).unwrap();
        let view = tensors.tensor(name).ok()?;
        let values = view.data().chunks_exact(4);
        Some(values.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
    }
}

pub fn fixtures() -> PathBuf {
    root().join("tests/fixtures")
}

/// The default model; `make test` fetches it.
pub fn minilm() -> PathBuf {
    root().join("models/all-MiniLM-L6-v2")
}

/// Files of a checkpoint without weights that has one of the small tokenizers.
pub fn tokenizer_files(name: &str) -> CheckpointFiles {
    let folder = fixtures().join("tokenizers").join(name);
    let mut files = CheckpointFiles::new();
    let config = serde_json::json!({
        "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8,
        "vocab_size": 2_000, "max_position_embeddings": 512, "type_vocab_size": 1, "layer_norm_eps": 1e-12,
        "hidden_act": "gelu", "pad_token_id": 0,
    });
    files.insert("config.json", config.to_string().into_bytes()).unwrap();
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        files.insert(file, fs::read(folder.join(file)).unwrap()).unwrap();
    }
    files
}

/// One of the small tokenizers, with changes to the settings.
pub fn small_tokenizer(name: &str, change: impl FnOnce(&mut ModelConfig)) -> Tokenizer {
    let files = tokenizer_files(name);
    let mut config = ModelConfig::from_files(&files).unwrap();
    change(&mut config);
    Tokenizer::load(&files, &config, &mut Vec::new()).unwrap()
}

/// The fuzz package, which uses this module too, lies below the crate.
fn root() -> &'static Path {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.find(|folder| folder.join("tests/fixtures").is_dir()).expect("a folder with fixtures")
}

/// The files of a checkpoint folder.
pub fn checkpoint(folder: &Path) -> CheckpointFiles {
    gather(|name| fs::read(folder.join(name)).ok()).unwrap()
}

/// The case sentence-transformers with a module that pools tokens: its own files where it has some.
pub fn pooled_checkpoint() -> CheckpointFiles {
    let folders = ["token_pooling", "sentence-transformers"];
    let folders = folders.map(|case| fixtures().join(case).join("checkpoint"));
    gather(|name| folders.iter().find_map(|folder| fs::read(folder.join(name)).ok())).unwrap()
}

/// Hands over what is wanted, as every surface does; `find` gives the bytes of a file, if there is one.
pub fn gather(find: impl FnMut(&str) -> Option<Vec<u8>>) -> tabrank::Result<CheckpointFiles> {
    gather_into(CheckpointFiles::new(), find)
}

/// As [`gather`], into files that say what is wanted.
pub fn gather_into(
    mut files: CheckpointFiles,
    mut find: impl FnMut(&str) -> Option<Vec<u8>>,
) -> tabrank::Result<CheckpointFiles> {
    loop {
        let wanted = files.wanted()?;
        if wanted.is_empty() {
            return Ok(files);
        }
        for file in wanted {
            match find(&file.name) {
                Some(bytes) => files.insert(&file.name, bytes)?,
                None => files.insert_missing(&file.name)?,
            }
        }
    }
}

pub fn load(files: &CheckpointFiles) -> Reranker {
    load_with(files, Overrides::default()).unwrap()
}

/// On the CPU, with settings in place of the checkpoint's own.
pub fn load_with(files: &CheckpointFiles, overrides: Overrides) -> tabrank::Result<Reranker> {
    let options = LoadOptions { device: DeviceChoice::Cpu, overrides, ..LoadOptions::default() };
    block_on(Reranker::load(files.clone(), &options, &mut Unobserved))
}

/// Largest absolute difference.
pub fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
