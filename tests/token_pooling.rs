//! Hierarchical token pooling against PyLate and sentence-transformers, and what becomes of documents that are encoded with it.

mod common;

use std::fs;

use common::{Fixture, difference, fixtures, load, pooled_checkpoint};
use pollster::block_on;
use serde::Deserialize;
use tabrank::late_interaction::token_pooling::{pool, pool_patches};
use tabrank::{
    EncodeOptions, Error, Pooling, RerankOptions, Reranker, Result, Similarity, TextKind,
    TokenEmbeddings, TokenPooling, Unobserved, score,
};

const TOLERANCE: f32 = 1e-6;
/// Of rows that an encoder made, whose sums the libraries add in another order.
const ENCODED: f32 = 1e-4;

#[derive(Deserialize)]
struct Expected {
    dimension: usize,
    documents: Vec<Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    factor: f64,
    protected: usize,
    normalize: bool,
    pooled: Vec<Vec<f32>>,
}

/// Takes each expected row out of those found: means stand in another order.
fn assert_same_rows(found: &[f32], expected: &[f32], dimension: usize, tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut left: Vec<&[f32]> = found.chunks_exact(dimension).collect();
    for row in expected.chunks_exact(dimension) {
        let place = left.iter().position(|other| difference(row, other) < tolerance);
        left.remove(place.unwrap_or_else(|| panic!("{what}: no row is {row:?}")));
    }
}

#[derive(Deserialize)]
struct ExpectedPatches {
    dimension: usize,
    documents: Vec<Vec<f32>>,
    cases: Vec<PatchesCase>,
}

#[derive(Deserialize)]
struct PatchesCase {
    factor: usize,
    pooled: Vec<Vec<f32>>,
}

#[test]
fn pooled_patches_are_those_of_colpali_engine() {
    let json = fs::read(fixtures().join("token_pooling/colpali-engine.json")).unwrap();
    let ExpectedPatches { dimension, documents, cases } = serde_json::from_slice(&json).unwrap();
    for PatchesCase { factor, pooled } in cases {
        for (index, (rows, expected)) in documents.iter().zip(&pooled).enumerate() {
            let what = format!("factor {factor}, page {index}");
            let found = pool_patches(rows, dimension, factor).unwrap();
            assert_same_rows(&found, expected, dimension, TOLERANCE, &what);
        }
    }
}

#[test]
fn pooled_rows_are_those_of_the_libraries() {
    for library in ["pylate", "sentence-transformers"] {
        let json = fs::read(fixtures().join(format!("token_pooling/{library}.json"))).unwrap();
        let Expected { dimension, documents, cases } = serde_json::from_slice(&json).unwrap();
        for Case { factor, protected, normalize, pooled } in cases {
            let pooling = TokenPooling { factor, protected, normalize };
            for (index, (rows, expected)) in documents.iter().zip(&pooled).enumerate() {
                let what = format!("{library}: {pooling:?}, document {index}");
                let found = pool(rows, dimension, pooling, index).unwrap();
                assert_same_rows(&found, expected, dimension, TOLERANCE, &what);
                let kept = (protected * dimension).min(expected.len());
                assert!(difference(&found[..kept], &expected[..kept]) < TOLERANCE, "{what}");
            }
        }
    }
}

fn encoded(
    model: &Reranker,
    kind: TextKind,
    texts: &[&str],
    options: EncodeOptions,
) -> Result<TokenEmbeddings> {
    let encoded = block_on(model.encode(kind, texts, options, &mut Unobserved))?;
    Ok(encoded.embeddings)
}

#[test]
fn documents_are_pooled_as_they_are_encoded_and_queries_are_not() {
    let model = Fixture::read("sentence-transformers").load();
    let texts =
        ["The oil crisis began in October of that year.", "oil", "", "water and oil and water"];
    let pooling = TokenPooling { protected: 2, ..TokenPooling::by(1.5) };
    let options = EncodeOptions { token_pooling: Some(pooling), ..EncodeOptions::default() };
    let plain = encoded(&model, TextKind::Document, &texts, EncodeOptions::default()).unwrap();
    let pooled = encoded(&model, TextKind::Document, &texts, options).unwrap();
    for (index, (rows, found)) in plain.texts().zip(pooled.texts()).enumerate() {
        assert_eq!(found, pool(rows, plain.dimension(), pooling, index).unwrap());
    }
    assert!(pooled.lengths()[0] < plain.lengths()[0]);
    let queries = &texts[..2];
    assert_eq!(
        encoded(&model, TextKind::Query, queries, options),
        encoded(&model, TextKind::Query, queries, EncodeOptions::default())
    );
}

#[derive(Deserialize)]
struct ExpectedModel {
    texts: Vec<String>,
    dimension: usize,
    document: Vec<Vec<f32>>,
    query: Vec<Vec<f32>>,
}

#[test]
fn a_model_that_pools_does_so_of_its_own() {
    let json = fs::read(fixtures().join("token_pooling/model.json")).unwrap();
    let expected: ExpectedModel = serde_json::from_slice(&json).unwrap();
    let model = load(&pooled_checkpoint());
    let texts: Vec<&str> = expected.texts.iter().map(String::as_str).collect();
    for (kind, expected_rows) in
        [(TextKind::Document, &expected.document), (TextKind::Query, &expected.query)]
    {
        let found = encoded(&model, kind, &texts, EncodeOptions::default()).unwrap();
        for (found, rows) in found.texts().zip(expected_rows) {
            assert_same_rows(found, rows, expected.dimension, ENCODED, &format!("{kind:?}"));
        }
    }
    // What a call says stands in its place.
    let plain = TokenPooling { factor: 1.0, protected: 0, normalize: false };
    let options = EncodeOptions { token_pooling: Some(plain), ..EncodeOptions::default() };
    let without = Fixture::read("sentence-transformers").load();
    assert_eq!(
        encoded(&model, TextKind::Document, &texts, options),
        encoded(&without, TextKind::Document, &texts, EncodeOptions::default())
    );
    assert_ne!(model.info().embedding_id, without.info().embedding_id);
}

#[test]
fn a_pooling_of_tokens_and_one_of_texts_do_not_go_together() {
    let model = Fixture::read("sentence-transformers").load();
    let refused = |options| encoded(&model, TextKind::Document, &["oil"], options).unwrap_err();
    let token_pooling = Some(TokenPooling::by(2.0));
    let both = EncodeOptions { pooling: Pooling::Mean, token_pooling, ..EncodeOptions::default() };
    assert_eq!(
        refused(both).to_string(),
        "token_pooling wants an embedding a token: no other pooling"
    );
    let token_pooling = Some(TokenPooling::by(0.5));
    let below = refused(EncodeOptions { token_pooling, ..EncodeOptions::default() });
    assert!(matches!(below, Error::Argument { .. }), "{below}");
}

/// Scores of a list in its order.
fn scores(
    model: &Reranker,
    query: &str,
    texts: &[&str],
    token_pooling: Option<TokenPooling>,
) -> Vec<f32> {
    let options = RerankOptions { token_pooling, ..RerankOptions::default() };
    let output = block_on(model.rerank(query, texts, &options, &mut Unobserved)).unwrap();
    let mut results = output.results;
    results.sort_by_key(|result| result.index);
    results.iter().map(|result| result.score).collect()
}

#[test]
fn a_ranking_scores_the_embeddings_that_encoding_gives() {
    let query = "Which crisis began in October?";
    let texts =
        ["The oil crisis began in October of that year.", "oil", "", "water and oil and water"];
    let pooling = Some(TokenPooling::by(1.5));
    let plain = Fixture::read("sentence-transformers").load();
    for (model, asked) in [(&plain, pooling), (&load(&pooled_checkpoint()), None)] {
        let encoded = |kind, texts: &[&str]| {
            let options = EncodeOptions { token_pooling: asked, ..EncodeOptions::default() };
            encoded(model, kind, texts, options).unwrap()
        };
        let (query_rows, documents) =
            (encoded(TextKind::Query, &[query]), encoded(TextKind::Document, &texts));
        let expected = score(query_rows.values(), &documents, Similarity::MaxSim).unwrap();
        let found = scores(model, query, &texts, asked);
        assert!(difference(&found, &expected) < 1e-5, "{found:?}, expected {expected:?}");
        assert!(difference(&found, &scores(&plain, query, &texts, None)) > 1e-3);
    }
}
