//! Index folders that other libraries wrote, and folders for them. `tests/reference/foreign_indexes.py` makes the fixtures.

#![cfg(feature = "cli")]

mod common;

use std::collections::BTreeMap;

use common::fixtures;
use common::folder::Folder;
use serde::Deserialize;
use tabrank::{
    Documents, Error, ForeignIndex, Hit, IndexDocument, IndexForm, ResidualCodec, ResidualParts,
    SearchOptions, write_plaid,
};

/// What a library said of its index.
#[derive(Deserialize)]
struct Expected {
    documents: usize,
    nbits: usize,
    /// Of each query the ten best.
    answers: Vec<Vec<(String, f32)>>,
}

/// The cases, their forms, and how far a score may be from the library's: fast-plaid computes in halves, whose numbers below 1 are up
/// to 2⁻¹¹ from the true one, and the scores of five tokens add up; the others round to five digits what they compute in 32 bits.
const CASES: [(&str, IndexForm, f32); 5] = [
    ("colbert-ai", IndexForm::Stanford, 2e-5),
    ("fast-plaid", IndexForm::FastPlaid, 5e-3),
    ("next-plaid", IndexForm::FastPlaid, 2e-5),
    ("pylate", IndexForm::PyLate, 5e-3),
    ("pylate-stanford", IndexForm::Stanford, 2e-5),
];

fn folder(case: &str) -> Folder {
    Folder::read(&fixtures().join("indexes").join(case))
}

fn open(folder: Folder) -> Result<ForeignIndex<Folder>, Error> {
    let form = folder.form().expect("it is an index");
    ForeignIndex::open(folder, form)
}

struct References {
    queries: Vec<Vec<f32>>,
    cases: BTreeMap<String, Expected>,
}

fn references() -> References {
    let bytes = std::fs::read(fixtures().join("indexes/queries.json")).unwrap();
    let mut all: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
    let queries: Vec<Vec<Vec<f32>>> =
        serde_json::from_value(all.remove("queries").unwrap()).unwrap();
    let queries = queries.into_iter().map(|rows| rows.concat()).collect();
    let case = |(name, value)| (name, serde_json::from_value(value).unwrap());
    References { queries, cases: all.into_iter().map(case).collect() }
}

/// As the libraries searched: what the codes stand for has exact scores.
fn options() -> SearchOptions {
    SearchOptions { top_k: 10, n_ivf_probe: 32, n_full_scores: 8192 }
}

#[track_caller]
fn assert_same(found: &[Hit], expected: &[(String, f32)], tolerance: f32, case: &str) {
    let ids: Vec<&str> = found.iter().map(|hit| hit.id.as_str()).collect();
    let expected_ids: Vec<&str> = expected.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, expected_ids, "{case}");
    for (hit, (id, score)) in found.iter().zip(expected) {
        assert!((hit.score - score).abs() <= tolerance, "{case}: {id} {} {score}", hit.score);
    }
}

#[test]
fn the_ten_best_are_those_of_the_library_that_wrote_the_folder() {
    let References { queries, cases } = references();
    assert_eq!(cases.len(), CASES.len());
    for (case, form, tolerance) in CASES {
        let expected = &cases[case];
        assert_eq!(folder(case).form(), Some(form), "{case}");
        let mut index = open(folder(case)).unwrap();
        assert_eq!((index.count(), index.codec().nbits()), (expected.documents, expected.nbits));
        for (query, answer) in queries.iter().zip(&expected.answers) {
            assert_eq!(answer.len(), 10);
            let found = index.search(query, &options()).unwrap();
            assert_same(&found, answer, tolerance, case);
        }
    }
}

/// The numbers of a `.npy` file.
fn data(file: &[u8]) -> &[u8] {
    &file[10 + usize::from(u16::from_le_bytes([file[8], file[9]]))..]
}

fn json(file: &[u8]) -> serde_json::Value {
    serde_json::from_slice(file).unwrap()
}

/// A folder of an index's documents.
fn written(mut index: ForeignIndex<Folder>) -> Folder {
    let (codec, mut folder) = (index.codec().clone(), Folder::default());
    write_plaid(&codec, &mut index, &mut folder).unwrap();
    folder
}

/// PyLate's index has one file with codes, as ours has, and two documents were removed.
#[test]
fn what_is_written_holds_what_fast_plaid_writes() {
    let theirs = folder("pylate");
    let ours = written(open(theirs.clone()).unwrap());
    assert_eq!(ours.0.keys().collect::<Vec<_>>(), theirs.0.keys().collect::<Vec<_>>());
    for (name, file) in &theirs.0 {
        let found = &ours.0[name];
        let of = |ending: &str| name.strip_prefix("fast_plaid_index/") == Some(ending);
        if name.ends_with(".json") && !of("metadata.json") {
            assert_eq!(json(found), json(file), "{name}");
        } else if of("ivf_lengths.npy") {
            // Of 64 bits where documents were removed, and of 32 otherwise.
            let wide = data(file).as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
            let wide: Vec<u8> = wide.flat_map(|length| (length as i32).to_le_bytes()).collect();
            assert_eq!(data(found), wide);
        } else if of("cluster_threshold.npy") {
            let [threshold, expected] =
                [found, file].map(|file| f32::from_le_bytes(data(file).try_into().unwrap()));
            // Theirs is of tokens as they were, ours of what their codes stand for.
            assert!((0.5..2.0).contains(&(threshold / expected)), "{threshold} {expected}");
        } else if name.ends_with(".npy") {
            assert_eq!(data(found), data(file), "{name}");
        }
    }
    let [mut metadata, mut expected] =
        [&ours, &theirs].map(|folder| json(&folder.0["fast_plaid_index/metadata.json"]));
    // Where documents were removed fast-plaid leaves it out.
    assert_eq!(metadata["compress_only"].take(), false);
    expected["compress_only"] = serde_json::Value::Null;
    assert_eq!(metadata, expected);
}

/// By way of other layouts, ids of numbers, and files of several chunks.
#[test]
fn what_is_written_is_read_again() {
    let queries = references().queries;
    for (case, ..) in CASES {
        let mut index = open(folder(case)).unwrap();
        let again = written(open(folder(case)).unwrap());
        assert_eq!(again.form(), Some(IndexForm::PyLate));
        let mut again = open(again).unwrap();
        assert_eq!(index.count(), again.count());
        for query in &queries {
            let expected = index.search(query, &options()).unwrap();
            let expected: Vec<(String, f32)> =
                expected.into_iter().map(|hit| (hit.id, hit.score)).collect();
            // Centroids that were of 32 bits are halves there.
            let tolerance = if case == "next-plaid" { 5e-3 } else { 0.0 };
            assert_same(&again.search(query, &options()).unwrap(), &expected, tolerance, case);
        }
    }
}

#[test]
fn an_index_without_lists_has_them_made() {
    let References { queries, cases } = references();
    for (case, _, tolerance) in CASES {
        let mut folder = folder(case);
        folder.0.retain(|file, _| !file.contains("ivf"));
        let mut index = open(folder).unwrap();
        for (query, answer) in queries.iter().zip(&cases[case].answers) {
            assert_same(&index.search(query, &options()).unwrap(), answer, tolerance, case);
        }
    }
}

/// With few centroids probed, lists decide who is a candidate.
#[test]
fn lists_that_are_made_are_those_that_were_written() {
    let queries = references().queries;
    let few = SearchOptions { top_k: 60, n_ivf_probe: 1, n_full_scores: 60 };
    for (case, ..) in CASES {
        let mut index = open(folder(case)).unwrap();
        let mut without = folder(case);
        without.0.retain(|file, _| !file.contains("ivf"));
        let mut without = open(without).unwrap();
        for query in &queries {
            let found = index.search(query, &few).unwrap();
            assert!(found.len() < index.count(), "{case}");
            assert_eq!(found, without.search(query, &few).unwrap(), "{case}");
        }
    }
}

/// One document.
struct One(Option<IndexDocument>);

impl Documents for One {
    type Error = Error;

    fn count(&self) -> usize {
        self.0.iter().count()
    }

    fn read(&mut self, _: usize) -> Result<IndexDocument, Error> {
        Ok(self.0.clone().expect("it is counted"))
    }
}

#[test]
fn what_fast_plaid_cannot_read_is_not_written() {
    let codec = open(folder("fast-plaid")).unwrap().codec().clone();
    let refusal = |codec: &ResidualCodec, mut documents: One| {
        let written = write_plaid(codec, &mut documents, &mut Folder::default());
        written.map_err(|error| error.to_string())
    };
    let document = |codes: Vec<u32>, residuals: Vec<u8>| {
        One(Some(IndexDocument { id: "a".to_owned(), codes, residuals }))
    };
    let cases = [
        (One(None), "documents are 0"),
        (document(vec![256], vec![0; 8]), "document \"a\" has the code 256"),
        (document(vec![0], vec![0; 7]), "document \"a\" has 7 bytes for 1 codes"),
    ];
    for (documents, reason) in cases {
        let found = refusal(&codec, documents).unwrap_err();
        assert!(found.contains(reason), "{found}");
    }
    assert_eq!(refusal(&codec, document(vec![0, 3], vec![0; 16])), Ok(()));
    let narrow = ResidualCodec::new(ResidualParts {
        dimension: 4,
        nbits: 2,
        centroids: vec![0.5; 4],
        cutoffs: vec![-0.1, 0.0, 0.1],
        weights: vec![-0.2, -0.1, 0.1, 0.2],
        avg_residual: Vec::new(),
        embedding_id: None,
    });
    let found = refusal(&narrow.unwrap(), document(vec![0], vec![0])).unwrap_err();
    assert!(found.contains("dimension is 4; fast-plaid takes multiples of 8"), "{found}");
}
