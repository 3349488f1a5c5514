//! One name for all that embeddings depend on: the same model has the same, and whatever changes numbers another one. What the
//! files of settings say is held against it field by field in `settings.rs`.

mod common;

use std::collections::BTreeSet;

use common::{Fixture, fixtures};
use pollster::block_on;
use tabrank::{
    CheckpointFiles, ConvertOptions, DeviceChoice, Dtype, LoadOptions, Overrides, Reranker, Source,
    SpelledTokens, Unobserved, convert,
};

fn id(files: &CheckpointFiles, overrides: Overrides, spelled_tokens: SpelledTokens) -> String {
    let device = DeviceChoice::Cpu;
    let options = LoadOptions { device, overrides, spelled_tokens, ..LoadOptions::default() };
    let model = block_on(Reranker::load(files.clone(), &options, &mut Unobserved)).unwrap();
    model.info().embedding_id.clone()
}

fn own(files: &CheckpointFiles) -> String {
    id(files, Overrides::default(), SpelledTokens::Parse)
}

fn bundle(dtype: Dtype, overrides: &str) -> CheckpointFiles {
    let overrides = serde_json::from_str(overrides).unwrap();
    let options = ConvertOptions { dtype, source: Source::default(), overrides };
    let files = Fixture::read("pylate").files;
    let bundle = block_on(convert(files, &options, &mut Unobserved)).unwrap();
    CheckpointFiles::from_bundle(&bundle).unwrap()
}

/// The same on every machine and in every release with this version of ids: others have stored them beside their vectors. A field
/// that is added to what ids cover, and is not `None` of a model that there was before, changes one of these.
#[test]
fn ids_stay() {
    let bundle = common::checkpoint(&fixtures().join("bundle-1.0"));
    assert_eq!(own(&bundle), "v1-9a4bf48ac82a2f845ffbaef5338fb481");
    let ids = [
        ("bi-encoder", "v1-d9f71c5ce190cba73475abfb4cb4c2c2"),
        ("distilbert-plain", "v1-8245012448ee0abc66d2f86229f81371"),
        ("jina", "v1-b80da54fdca4194b5d59aac8ae73b92c"),
        ("modernbert-pylate", "v1-f5a4e316b82ccce8f57867a21efdd136"),
        ("roberta-stanford", "v1-cb1e3150c8bde12c3a0f065c70e3f095"),
        ("sentence-transformers", "v1-1af928daab34ed87c3348f7bb12f8b01"),
        ("xlm-roberta", "v1-b1041fdc2b920bb34950a8b7dbe0923c"),
    ];
    for (name, id) in ids {
        assert_eq!(own(&Fixture::read(name).files), id, "{name}");
    }
}

#[test]
fn whatever_changes_numbers_changes_it() {
    let files = Fixture::read("pylate").files;
    let mut ids = vec![own(&files), id(&files, Overrides::default(), SpelledTokens::Text)];
    let overrides = [
        r#"{"query_length": 9}"#,
        r#"{"document_length": 9}"#,
        r#"{"query_prefix": "[unused0]"}"#,
        r#"{"document_prefix": "[unused0]"}"#,
        r#"{"do_query_expansion": false}"#,
        r#"{"expansion_length": 7}"#,
        r#"{"expansion_token": "[unused0]"}"#,
        r#"{"attend_to_expansion_tokens": true}"#,
        r#"{"skiplist_words": []}"#,
        r#"{"truncate_dim": 5}"#,
    ];
    for overrides in overrides {
        let overrides: Overrides = serde_json::from_str(overrides).unwrap();
        ids.push(id(&files, overrides, SpelledTokens::Parse));
    }
    let all = serde_json::to_value(every_override()).unwrap();
    assert_eq!(all.as_object().unwrap().len(), overrides.len());
    ids.extend(Dtype::ALL.map(|dtype| own(&bundle(dtype, "{}"))));
    ids.push(own(&with_a_byte_changed("model.safetensors")));
    ids.push(own(&with_a_byte_changed("1_Dense/model.safetensors")));
    let mut other = files.clone();
    let tokenizer = String::from_utf8(files.get("tokenizer.json").unwrap().to_vec()).unwrap();
    let swapped = tokenizer.replace("\"war\":", "\"none\":").replace("\"oil\":", "\"war\":");
    other.insert("tokenizer.json", swapped.replace("\"none\":", "\"oil\":").into_bytes()).unwrap();
    ids.push(own(&other));
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}

/// A field that is added to them is missing here.
fn every_override() -> Overrides {
    Overrides {
        query_prefix: Some(String::new()),
        document_prefix: Some(String::new()),
        query_length: Some(1),
        document_length: Some(1),
        do_query_expansion: Some(true),
        expansion_length: Some(1),
        expansion_token: Some(String::new()),
        attend_to_expansion_tokens: Some(true),
        skiplist_words: Some(Vec::new()),
        truncate_dim: Some(1),
    }
}

/// The lowest bit of the last number.
fn with_a_byte_changed(name: &str) -> CheckpointFiles {
    let mut files = Fixture::read("pylate").files;
    let mut bytes = files.get(name).unwrap().to_vec();
    let end = bytes.len() - 4;
    bytes[end] ^= 1;
    files.insert(name, bytes).unwrap();
    files
}

#[test]
fn what_changes_no_numbers_leaves_it() {
    let files = Fixture::read("pylate").files;
    let same = Overrides { query_length: Some(12), ..Overrides::default() };
    assert_eq!(id(&files, same, SpelledTokens::Parse), own(&files));
    assert_eq!(own(&files), own(&files.clone()));
}

#[test]
fn a_bundle_says_what_a_load_of_it_gives() {
    for overrides in ["{}", r#"{"query_length": 9, "skiplist_words": ["oil"]}"#] {
        let files = bundle(Dtype::Q8, overrides);
        assert_eq!(files.manifest().unwrap().embedding_id, Some(own(&files)));
    }
}
