//! Settings in place of a checkpoint's own: what they make of texts equals what the libraries make of them with the same
//! arguments, in a load and kept in a bundle; one that does not go with the checkpoint is an error with its name.

mod common;

use std::fs;

use common::{ExpectedText, Fixture, difference, fixtures};
use pollster::block_on;
use safetensors::SafeTensors;
use serde::Deserialize;
use tabrank::{
    CheckpointFiles, ConvertOptions, DeviceChoice, Dtype, Error, LoadOptions, ModelConfig,
    Overrides, RerankOptions, Reranker, Source, TextKind, Unobserved, convert,
};

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

/// What a library computed of a fixture's checkpoint with these arguments.
#[derive(Deserialize)]
struct Case {
    case: String,
    overrides: Overrides,
    queries: Vec<ExpectedText>,
    documents: Vec<ExpectedText>,
    scores: Vec<Vec<f32>>,
}

fn load(files: CheckpointFiles, overrides: &Overrides) -> Result<Reranker, Error> {
    let overrides = overrides.clone();
    let options = LoadOptions { device: DeviceChoice::Cpu, overrides, ..LoadOptions::default() };
    block_on(Reranker::load(files, &options, &mut Unobserved))
}

fn checkpoint(case: &str) -> CheckpointFiles {
    common::checkpoint(&fixtures().join(case).join("checkpoint"))
}

fn bundle(files: CheckpointFiles, overrides: &Overrides) -> CheckpointFiles {
    let (dtype, overrides) = (Dtype::F32, overrides.clone());
    let options = ConvertOptions { dtype, source: Source::default(), overrides };
    let bundle = block_on(convert(files, &options, &mut Unobserved)).unwrap();
    CheckpointFiles::from_bundle(&bundle).unwrap()
}

#[test]
fn texts_with_them_equal_the_references() {
    for (library, cases) in [("pylate", 11), ("sentence-transformers", 9)] {
        let folder = fixtures().join("overrides").join(library);
        let expected = fs::read(folder.join("expected.json")).unwrap();
        let expected: Expected = serde_json::from_slice(&expected).unwrap();
        let bytes = fs::read(folder.join("expected.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(expected.cases.len(), cases);
        for (place, case) in expected.cases.iter().enumerate() {
            let model = load(checkpoint(&case.case), &case.overrides).unwrap();
            check(&model, case, place, &tensors);
            // The bundle says so itself.
            let bundle = bundle(checkpoint(&case.case), &case.overrides);
            check(&load(bundle, &Overrides::default()).unwrap(), case, place, &tensors);
        }
    }
}

fn check(model: &Reranker, case: &Case, place: usize, tensors: &SafeTensors<'_>) {
    let kinds = [
        (TextKind::Query, "query", &case.queries),
        (TextKind::Document, "document", &case.documents),
    ];
    for (kind, name, texts) in kinds {
        for (index, text) in texts.iter().enumerate() {
            let found = block_on(model.inspect(kind, &text.text)).unwrap();
            let at = format!("{} {:?} {name} {index}", case.case, case.overrides);
            let flags = |mask: &[bool]| mask.iter().map(|&flag| u8::from(flag)).collect::<Vec<_>>();
            assert_eq!(found.tokens.ids, text.ids, "{at}");
            assert_eq!(flags(&found.tokens.attention_mask), text.attention_mask, "{at}");
            assert_eq!(flags(&found.tokens.embedding_mask), text.embedding_mask, "{at}");
            assert_eq!(found.tokens.truncated, text.truncated, "{at}");
            let tensor = tensors.tensor(&format!("{place}.{name}.{index}.embeddings")).unwrap();
            let values = tensor.data().chunks_exact(4);
            let values: Vec<f32> =
                values.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            assert!(difference(found.embeddings.values(), &values) < 1e-5, "{at}");
        }
    }
    let documents: Vec<&str> = case.documents.iter().map(|text| text.text.as_str()).collect();
    for (query, scores) in case.queries.iter().zip(&case.scores) {
        let options = RerankOptions::default();
        let ranked =
            block_on(model.rerank(&query.text, documents.as_slice(), &options, &mut Unobserved));
        for result in ranked.unwrap().results {
            assert!((result.score - scores[result.index]).abs() < 1e-4, "{}", case.case);
        }
    }
}

#[test]
fn a_bundle_with_them_is_of_a_version_that_older_readers_refuse() {
    let overrides = Overrides { query_length: Some(9), ..Overrides::default() };
    let files = bundle(checkpoint("pylate"), &overrides);
    let manifest = files.manifest().unwrap();
    assert_eq!((manifest.version.as_str(), &manifest.overrides), ("2.0", &overrides));
    let files = bundle(checkpoint("pylate"), &Overrides::default());
    assert_eq!(files.manifest().unwrap().version, "1.0");
}

#[test]
fn those_of_a_load_outrank_a_bundle_s() {
    let own = Overrides {
        query_length: Some(9),
        document_length: Some(7),
        query_prefix: Some("[unused0]".to_owned()),
        document_prefix: Some(String::new()),
        do_query_expansion: Some(true),
        expansion_length: Some(8),
        expansion_token: Some("[unused1]".to_owned()),
        attend_to_expansion_tokens: Some(true),
        skiplist_words: Some(vec!["oil".to_owned()]),
        truncate_dim: Some(5),
    };
    let asked = Overrides {
        query_length: Some(10),
        document_length: Some(8),
        query_prefix: Some("[unused2]".to_owned()),
        document_prefix: Some("[unused3]".to_owned()),
        do_query_expansion: Some(true),
        expansion_length: Some(6),
        expansion_token: Some("[unused3]".to_owned()),
        attend_to_expansion_tokens: Some(false),
        skiplist_words: Some(Vec::new()),
        truncate_dim: Some(3),
    };
    let files = bundle(checkpoint("pylate"), &own);
    let read = |asked: &Overrides| ModelConfig::overridden(&files, asked).unwrap();
    assert_eq!(read(&Overrides::default()).overridden.values, own);
    assert_eq!(read(&asked).overridden.values, asked);
    let text = ModelConfig::overridden(&checkpoint("pylate"), &asked).unwrap().text;
    assert_eq!(read(&asked).text, text);
}

#[test]
fn one_that_does_not_go_with_the_checkpoint_is_named() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "pylate",
            r#"{"query_length": 65}"#,
            "query_length is 65, and the model has positions for 64",
        ),
        (
            "pylate",
            r#"{"document_length": 65}"#,
            "document_length is 65, and the model has positions",
        ),
        ("pylate", r#"{"query_length": 0}"#, "query_length is 0"),
        ("pylate", r#"{"document_length": 0}"#, "document_length is 0"),
        ("pylate", r#"{"expansion_length": 0}"#, "expansion_length is 0"),
        (
            "pylate",
            r#"{"query_length": 3}"#,
            "query_length is 3, which leaves no room beside 2 special tokens and a marker",
        ),
        (
            "pylate",
            r#"{"document_length": 1}"#,
            "document_length is 1, which leaves no room beside 2",
        ),
        ("pylate", r#"{"query_prefix": "[absent]"}"#, r#"query_prefix "[absent]" is no token"#),
        ("pylate", r#"{"query_prefix": "query: "}"#, r#"query_prefix "query: " is no token"#),
        // Each word is one, but PyLate would add a token for both with a row of random numbers.
        ("pylate", r#"{"query_prefix": "of the"}"#, r#"query_prefix "of the" is no token"#),
        ("stanford", r#"{"document_prefix": "[D]"}"#, r#"document_prefix "[D]" is no token"#),
        ("pylate", r#"{"expansion_token": "absent"}"#, r#"expansion_token "absent" is not in"#),
        (
            "pylate",
            r#"{"expansion_length": 13}"#,
            "expansion_length is 13, and a query has at most 12",
        ),
        (
            "sentence-transformers-min",
            r#"{"query_length": 7}"#,
            "query_length is 7, and queries are filled up to 8",
        ),
        ("bf16", r#"{"do_query_expansion": true}"#, "do_query_expansion needs a length"),
        ("bf16", r#"{"expansion_length": 8}"#, "expansion_length has no effect"),
        ("bf16", r#"{"expansion_token": "oil"}"#, "expansion_token has no effect"),
        (
            "bf16",
            r#"{"attend_to_expansion_tokens": true}"#,
            "attend_to_expansion_tokens has no effect",
        ),
        (
            "pylate",
            r#"{"do_query_expansion": false, "attend_to_expansion_tokens": true}"#,
            "attend_to_expansion_tokens has no effect",
        ),
    ];
    for (case, overrides, message) in cases {
        let overrides: Overrides = serde_json::from_str(overrides).unwrap();
        let error = load(checkpoint(case), &overrides).err().expect(message);
        assert_eq!(error.code(), "INVALID_INPUT", "{error}");
        assert!(error.to_string().starts_with(message), "{error}, not {message}");
    }
}

#[test]
fn expansion_without_a_mask_token_is_an_error_of_whoever_asks_for_it() {
    let mut files = Fixture::read("pylate-no-expansion").files;
    let config = files.get("tokenizer_config.json").unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(config).unwrap();
    config.as_object_mut().unwrap().remove("mask_token");
    config["tokenizer_class"] = serde_json::json!("TokenizersBackend");
    files.insert("tokenizer_config.json", config.to_string().into_bytes()).unwrap();
    let mut overrides = Overrides { do_query_expansion: Some(true), ..Overrides::default() };
    let error = load(files.clone(), &overrides).err().unwrap();
    assert!(error.to_string().starts_with("do_query_expansion is true, and"), "{error}");
    overrides.expansion_token = Some("[PAD]".to_owned());
    assert!(load(files, &overrides).is_ok());
}
