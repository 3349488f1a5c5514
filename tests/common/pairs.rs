//! Reads the fixtures that `tests/reference/cross_encoders.py` makes.

use std::fs;

use serde::Deserialize;
use tabrank::{CheckpointFiles, Reranker};

use super::{checkpoint, fixtures, load};

/// Names of the cases.
pub fn cases() -> Vec<String> {
    let json =
        fs::read(fixtures().join("cross-encoders/cases.json")).expect("the fixtures have a list");
    serde_json::from_slice(&json).unwrap()
}

/// What the reference computed for one pair.
#[derive(Deserialize)]
pub struct ExpectedPair {
    pub ids: Vec<u32>,
    pub types: Vec<usize>,
    pub logit: f32,
    pub score: f32,
}

#[derive(Deserialize)]
struct Expected {
    length: usize,
    queries: Vec<String>,
    documents: Vec<String>,
    pairs: Vec<Vec<ExpectedPair>>,
}

/// One case: the checkpoint's files and what is expected of every query with every document.
pub struct Fixture {
    pub files: CheckpointFiles,
    /// Most tokens of a pair.
    pub length: usize,
    pub queries: Vec<String>,
    pub documents: Vec<String>,
    expected: Vec<Vec<ExpectedPair>>,
}

impl Fixture {
    pub fn read(name: &str) -> Self {
        let folder = fixtures().join("cross-encoders").join(name);
        let json = fs::read(folder.join("expected.json"))
            .unwrap_or_else(|error| panic!("fixture {name}: {error}"));
        let Expected { length, queries, documents, pairs } = serde_json::from_slice(&json).unwrap();
        let files = checkpoint(&folder.join("checkpoint"));
        Self { files, length, queries, documents, expected: pairs }
    }

    pub fn load(&self) -> Reranker {
        load(&self.files)
    }

    /// Query, document and what is expected of them.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str, &ExpectedPair)> {
        self.queries.iter().zip(&self.expected).flat_map(|(query, row)| {
            let of_query = move |(document, pair)| (query.as_str(), document, pair);
            self.documents.iter().map(String::as_str).zip(row).map(of_query)
        })
    }
}
