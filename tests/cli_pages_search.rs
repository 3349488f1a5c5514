//! `tabrank pages search`: the scores, places and first pass of a store, and pages in three stages.

#![cfg(all(feature = "cli", target_os = "linux"))]

mod common;

use std::collections::HashMap;
use std::fs;

use common::Fixture;
use common::command::{checkpoint, tabrank, text};
use pollster::block_on;
use serde_json::{Value, json};
use tabrank::{
    Codec, EmbeddingsFile, EmbeddingsInfo, EncodeOptions, Similarity, TextKind, TokenEmbeddings,
    Unobserved, score, score_compressed, token_similarities,
};

const QUERY: &str = "the price of oil";
const PAGES: usize = 70;
const GRID: [u32; 2] = [3, 4];

/// Pages of 3 × 4 patches and two more vectors, in a store of a text model's width: what answers a query is the same.
struct Store {
    folder: tempfile::TempDir,
    embeddings: TokenEmbeddings,
    query: Vec<f32>,
    model: String,
}

impl Store {
    fn new() -> Self {
        let model = Fixture::read("pylate").load();
        let (kind, options) = (TextKind::Query, EncodeOptions::default());
        let encoded = block_on(model.encode(kind, &[QUERY][..], options, &mut Unobserved));
        let query = encoded.unwrap().embeddings.values().to_vec();
        let embeddings = unit_rows(PAGES, 14, model.info().dimension);
        let info = EmbeddingsInfo {
            embedding_id: Some(model.info().embedding_id.clone()),
            token_pooling: None,
        };
        let compressed = Codec::F32.compress(&embeddings).unwrap();
        let mut file = EmbeddingsFile::new(compressed, info);
        file.ids = Some((0..PAGES).map(id).collect());
        file.grid = Some(vec![GRID; PAGES]);
        file.page = Some(vec![[400.0, 300.0]; PAGES]);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("store"), file.write()).unwrap();
        Self { folder, embeddings, query, model: checkpoint("pylate") }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Vec<Value> {
        let mut command = tabrank(arguments);
        let assert = command.current_dir(self.folder.path()).write_stdin(input).assert().success();
        let out = text(&assert.get_output().stdout);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn search(&self, more: &[&str]) -> Vec<Value> {
        let asked = ["pages", "search", "--model", &self.model, "--store", "store"];
        self.run(&[&asked[..], &["--query", QUERY], more].concat(), "")
    }

    /// All pages, best first, with their scores.
    fn expected(&self) -> Vec<(usize, f32)> {
        let scores = score(&self.query, &self.embeddings, Similarity::MaxSim).unwrap();
        let mut all: Vec<(usize, f32)> = scores.into_iter().enumerate().collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all
    }
}

/// Documents of so many unit vectors.
fn unit_rows(documents: usize, rows: usize, dimension: usize) -> TokenEmbeddings {
    let mut state = 1u64;
    let mut number = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut embeddings = TokenEmbeddings::new(dimension);
    for _ in 0..documents {
        let mut values: Vec<f32> = (0..rows * dimension).map(|_| number()).collect();
        for row in values.chunks_exact_mut(dimension) {
            let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            row.iter_mut().for_each(|value| *value /= norm);
        }
        embeddings.push(&values);
    }
    embeddings
}

fn id(page: usize) -> String {
    format!("a.pdf:page_{}", page + 1)
}

fn close(value: &Value, expected: f32) -> bool {
    (value.as_f64().unwrap() as f32 - expected).abs() < 1e-4
}

#[test]
fn the_best_pages_are_those_of_maxsim_over_all() {
    let store = Store::new();
    for (top_k, count) in [("10", 10), ("1", 1), ("1000", PAGES)] {
        let found = store.search(&["--top-k", top_k]);
        assert_eq!(found.len(), count);
        for (rank, (found, (page, score))) in found.iter().zip(store.expected()).enumerate() {
            assert_eq!(found["id"], id(page));
            assert_eq!(found["rank"], rank + 1);
            assert!(close(&found["score"], score), "{found} {score}");
            assert_eq!(found["grid"], json!(GRID));
            assert_eq!(found["page"], json!([400.0, 300.0]));
            assert_eq!(found["matches"], Value::Null);
        }
    }
}

/// As `EmbeddingList.write` of the npm package writes it where no ids are given.
#[test]
fn without_ids_pages_are_told_by_their_places() {
    let store = Store::new();
    let path = store.folder.path().join("store");
    let mut file = EmbeddingsFile::read("store", &fs::read(&path).unwrap(), &[]).unwrap();
    file.ids = None;
    fs::write(path, file.write()).unwrap();
    let found = store.search(&["--top-k", "3"]);
    for (found, (page, _)) in found.iter().zip(store.expected()) {
        assert_eq!(found["id"], page.to_string());
    }
}

#[test]
fn questions_come_from_stdin_too() {
    let store = Store::new();
    let asked = ["pages", "search", "--model", &store.model, "--store", "store", "--top-k", "2"];
    let found = store.run(
        &asked,
        &format!("{}\n{}\n", json!({"id": "q", "text": QUERY}), json!({"text": "war"})),
    );
    let queries: Vec<&Value> = found.iter().map(|found| &found["query"]).collect();
    assert_eq!(queries, ["q", "q", "1", "1"]);
    assert_eq!(found[0]["id"], store.search(&["--top-k", "1"])[0]["id"]);
}

/// A pass that leaves all of them changes nothing; one that leaves some leaves the best by signs.
#[test]
fn a_first_pass_leaves_the_best_by_signs() {
    let store = Store::new();
    assert_eq!(store.search(&["--first-pass", "70"]), store.search(&[]));
    let signs = Codec::Binary.compress(&store.embeddings).unwrap();
    let scores = score_compressed(&store.query, &signs, Similarity::MaxSim).unwrap();
    let mut places: Vec<usize> = (0..PAGES).collect();
    places.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let left: Vec<usize> = places[..12].to_vec();
    let expected = store.expected().into_iter().filter(|(page, _)| left.contains(page));
    let expected: Vec<String> = expected.map(|(page, _)| id(page)).take(5).collect();
    let found = store.search(&["--first-pass", "12", "--top-k", "5"]);
    let found: Vec<&Value> = found.iter().map(|found| &found["id"]).collect();
    assert_eq!(found, expected.iter().collect::<Vec<_>>());
    // At least as many as are asked for.
    assert_eq!(store.search(&["--first-pass", "1", "--top-k", "5"]).len(), 5);
}

#[test]
fn matches_tell_the_patch_of_each_token() {
    let store = Store::new();
    let (page, _) = store.expected()[0];
    let dimension = store.embeddings.dimension();
    let rows = store.embeddings.texts().nth(page).unwrap();
    let similarities = token_similarities(&store.query, rows, dimension).unwrap();
    let found = store.search(&["--top-k", "1", "--matches"]);
    let matches = found[0]["matches"].as_array().unwrap();
    assert_eq!(matches.len(), store.query.len() / dimension);
    let mut kinds = [0, 0];
    for (found, similarities) in matches.iter().zip(similarities.chunks_exact(14)) {
        let best = (0..14).max_by(|&a, &b| similarities[a].total_cmp(&similarities[b])).unwrap();
        assert!(close(&found["similarity"], similarities[best]));
        assert!(!found["token"].as_str().unwrap().is_empty());
        kinds[usize::from(best < 12)] += 1;
        if best < 12 {
            assert_eq!(found["row"], best / 4);
            assert_eq!(found["column"], best % 4);
            let (x, y) = (100.0 * (best % 4) as f32, 100.0 * (best / 4) as f32);
            assert_eq!(
                found["rectangle"],
                json!({"x": x, "y": y, "width": 100.0, "height": 100.0})
            );
        } else {
            assert_eq!(found.get("row"), None);
        }
    }
    assert!(kinds[1] > 0);
}

#[test]
fn what_is_no_store_of_the_model_is_refused() {
    let store = Store::new();
    let folder = store.folder.path();
    let asked_of = |model: &str, file: &str, more: &[&str]| {
        let asked = ["pages", "search", "--model", model, "--store", file, "--query", QUERY];
        let asked = [&asked[..], more].concat();
        let assert = tabrank(&asked).current_dir(folder).assert().failure();
        text(&assert.get_output().stderr)
    };
    let failed = |model: &str, file: &str| asked_of(model, file, &[]);
    fs::write(folder.join("other"), b"no store").unwrap();
    assert!(failed(&store.model, "other").contains("is no embeddings file"));
    assert!(failed(&store.model, "none").contains("cannot read none"));
    let whole = fs::read(folder.join("store")).unwrap();
    let place = whole.windows(8).position(|bytes| bytes == b"\"ids\":\"[").unwrap();
    let damaged = [&whole[..place + 7], b"{", &whole[place + 8..]].concat();
    fs::write(folder.join("nameless"), damaged).unwrap();
    assert!(failed(&store.model, "nameless").contains("nameless is no embeddings file"));
    for more in [&[][..], &["--first-pass", "2"]] {
        for (model, expected) in [
            ("stanford", "store: its embeddings are "),
            ("visual/colnanovdr", "store: its embeddings are 16 wide, and the model's 20"),
        ] {
            let other = asked_of(&checkpoint(model), "store", more);
            assert!(other.contains(expected), "{more:?} {other}");
        }
    }
}

/// Titles rank the pages, their pictures what is left, and a cross-encoder reads the words of the best.
#[test]
fn three_stages_meet_by_the_pages_ids() {
    let store = Store::new();
    // Behind one another in any order: a page is found by its id.
    let page = |page: usize| {
        let title = format!("the price of {}", if page.is_multiple_of(3) { "oil" } else { "war" });
        json!({"id": id(page), "text": title, "words": format!("oil {page}")})
    };
    let pages: Vec<Value> = (0..PAGES).rev().map(page).collect();
    let dense = checkpoint("bi-encoder");
    let lines =
        |objects: &[Value]| objects.iter().map(|object| format!("{object}\n")).collect::<String>();
    let asked =
        ["rerank", "--model", &dense, "--stage", "dense", "--query", QUERY, "--top-k", "30"];
    let left = store.run(&asked, &lines(&pages));
    assert_eq!(left.len(), 30);
    let read = |object: &Value| json!({"id": object["id"], "text": object["words"]});
    let left: Vec<Value> = left.iter().map(read).collect();
    let cross = format!("cross={}:3", checkpoint("cross-encoders/bert"));
    let asked = [
        "rerank",
        "--model",
        &store.model,
        "--embeddings",
        "store",
        "--stage",
        "late:5",
        "--stage",
        &cross,
        "--query",
        QUERY,
    ];
    let best = store.run(&asked, &lines(&left));
    assert_eq!(best.len(), 3);
    let scores: HashMap<String, f32> =
        store.expected().into_iter().map(|(page, score)| (id(page), score)).collect();
    let mut among: Vec<(&str, f32)> = left
        .iter()
        .map(|object| object["id"].as_str().unwrap())
        .map(|id| (id, scores[id]))
        .collect();
    among.sort_by(|a, b| b.1.total_cmp(&a.1));
    for found in &best {
        let late = &found["stages"][0];
        assert_eq!(late["use"], "late");
        let expected = among[late["rank"].as_u64().unwrap() as usize - 1];
        assert_eq!(found["id"], expected.0);
        assert!(close(&late["score"], expected.1), "by its picture, not its words");
        assert_eq!(found["stages"][1]["use"], "cross");
    }
}
