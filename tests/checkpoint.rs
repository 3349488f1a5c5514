//! A checkpoint folder with real weights against sentence-transformers, stage by stage: what `make parity` runs.

mod common;

use std::env;
use std::path::Path;

use common::stages::{Stage, compare};
use common::{Fixture, fixtures};

/// `PARITY_CHECKPOINT` names the folder, `PARITY_EXPECTED` what tests/reference/parity.py wrote of it.
#[test]
#[ignore = "make parity says which folder"]
fn the_folder_equals_sentence_transformers() {
    let folder = |name| env::var(name).unwrap_or_else(|_| panic!("{name} names no folder"));
    let [checkpoint, expected] = ["PARITY_CHECKPOINT", "PARITY_EXPECTED"].map(folder);
    let fixture = Fixture::of("checkpoint", Path::new(&expected), Path::new(&checkpoint));
    let reranker = fixture.load();
    for warning in reranker.warnings() {
        println!("warning: {}", warning.message);
    }
    let stages = compare(&fixture, &reranker);
    stages.iter().for_each(|stage| println!("{stage}"));
    if fixture.expected.published.is_none() {
        println!("published scores   none are known of a folder of this name");
    }
    assert_eq!(first(&stages), None, "the first stage that differs");
}

#[test]
fn a_stage_that_differs_is_named() {
    let folder = fixtures().join("pylate");
    let read = || few(Fixture::of("pylate", &folder, &folder.join("checkpoint")));
    let mut fixture = read();
    let reranker = fixture.load();
    assert_eq!(first(&compare(&fixture, &reranker)), None);
    fixture.expected.documents[3].ids[2] += 1;
    assert_eq!(first(&compare(&fixture, &reranker)), Some("ids".into()));
    fixture = read();
    fixture.expected.scores[2][3] = Some(0.0);
    assert_eq!(first(&compare(&fixture, &reranker)), Some("scores".into()));
    fixture = read();
    fixture.expected.published = Some(vec![0.0]);
    assert_eq!(first(&compare(&fixture, &reranker)), Some("published scores".into()));
    // Another checkpoint's weights under the same tokens.
    let other = few(Fixture::of("pylate", &folder, &fixtures().join("f16/checkpoint")));
    assert_eq!(first(&compare(&other, &other.load())), Some("hidden states 0".into()));
}

/// The first texts alone.
fn few(mut fixture: Fixture) -> Fixture {
    fixture.expected.queries.truncate(4);
    fixture.expected.documents.truncate(4);
    fixture.expected.scores.iter_mut().for_each(|row| row.truncate(4));
    fixture
}

fn first(stages: &[Stage]) -> Option<String> {
    stages.iter().find(|stage| stage.parts()).map(|stage| stage.name.clone())
}
