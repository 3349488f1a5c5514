//! Stage by stage the same as the reference libraries, on tiny checkpoints of every layout: ids and
//! masks equal, hidden states within 1e-4 of their largest value, embeddings within 1e-4, scores within 1e-4 relative.

mod common;

use common::stages::code_points;
use common::{CASES, Fixture, difference};
use pollster::block_on;
use tabrank::{Inspection, Pooling, RerankOptions, Reranker, TextKind, Unobserved};

const TOLERANCE: f32 = 1e-4;

#[test]
fn tokens_equal_the_reference() {
    for name in CASES.iter() {
        let fixture = Fixture::read(name);
        let reranker = fixture.load();
        for (kind, index, expected) in fixture.expected.texts() {
            let tokens = inspect(&reranker, kind, &expected.text).tokens;
            let at = format!("{name} {kind} {index} {:?}", expected.text);
            assert_eq!(tokens.ids, expected.ids, "ids of {at}");
            assert_eq!(bits(&tokens.attention_mask), expected.attention_mask, "attention of {at}");
            assert_eq!(bits(&tokens.embedding_mask), expected.embedding_mask, "embeddings of {at}");
            assert_eq!(tokens.truncated, expected.truncated, "truncation of {at}");
            let offsets: Vec<(usize, usize)> =
                tokens.offsets.iter().map(|range| code_points(&expected.text, *range)).collect();
            assert_eq!(offsets, expected.offsets, "offsets of {at}");
        }
    }
}

#[test]
fn every_hidden_state_equals_the_reference() {
    for name in CASES.iter() {
        let fixture = Fixture::read(name);
        let reranker = fixture.load();
        let mut compared = 0;
        for (kind, index, expected) in fixture.expected.texts() {
            let inspection = inspect(&reranker, kind, &expected.text);
            for (layer, state) in inspection.hidden_states.iter().enumerate() {
                let Some(reference) = fixture.tensor(&format!("{kind}.{index}.hidden.{layer}"))
                else {
                    continue;
                };
                // States that only grow by what is added to them are rounded as coarsely as they are large.
                let largest =
                    reference.iter().fold(1.0, |largest: f32, value| largest.max(value.abs()));
                let worst = difference(state, &reference) / largest;
                assert!(worst < TOLERANCE, "{name} {kind} {index} layer {layer}: {worst}");
                compared += 1;
            }
        }
        assert!(compared >= 4, "{name}: the fixture holds hidden states of only {compared} layers");
    }
}

#[test]
fn embeddings_and_pooled_vectors_equal_the_reference() {
    for name in CASES.iter() {
        let fixture = Fixture::read(name);
        let reranker = fixture.load();
        for (kind, index, expected) in fixture.expected.texts() {
            if kind == TextKind::Query && expected.text.trim().is_empty() {
                continue;
            }
            for (pooling, tensor) in [(Pooling::None, "embeddings"), (Pooling::Mean, "pooled")] {
                let encoded = encode(&reranker, kind, &expected.text, pooling);
                let tensor = format!("{kind}.{index}.{tensor}");
                let reference =
                    fixture.tensor(&tensor).unwrap_or_else(|| panic!("{name} {tensor}"));
                let worst = difference(&encoded, &reference);
                assert!(worst < TOLERANCE, "{name} {tensor}: {worst}");
            }
        }
    }
}

/// `SentenceTransformer` on the same folders: the mean, normalised, of `plain`; of `bi-encoder` the first token through a Dense
/// module.
#[test]
fn the_checkpoint_s_own_vector_equals_the_reference() {
    for (name, tensor, pooling) in [("plain", "pooled", "mean"), ("bi-encoder", "vector", "cls")] {
        let fixture = Fixture::read(name);
        let reranker = fixture.load();
        assert_eq!(reranker.info().pooling, Some(pooling));
        for (kind, index, expected) in fixture.expected.texts() {
            if kind == TextKind::Query && expected.text.trim().is_empty() {
                continue;
            }
            let vector = encode(&reranker, kind, &expected.text, Pooling::Checkpoint);
            let reference = fixture.tensor(&format!("{kind}.{index}.{tensor}")).unwrap();
            let worst = difference(&vector, &reference);
            assert!(worst < TOLERANCE, "{name} {kind} {index}: {worst}");
        }
    }
}

#[test]
fn the_first_token_s_vector_is_its_last_hidden_state() {
    let reranker = Fixture::read("bi-encoder").load();
    let inspection = inspect(&reranker, TextKind::Document, "the oil crisis");
    let state = &inspection.hidden_states.last().unwrap()[..32];
    let norm = state.iter().map(|value| value * value).sum::<f32>().sqrt();
    let unit: Vec<f32> = state.iter().map(|value| value / norm).collect();
    let vector = encode(&reranker, TextKind::Document, "the oil crisis", Pooling::Cls);
    assert!(difference(&vector, &unit) < TOLERANCE);
}

#[test]
fn scores_equal_the_reference() {
    for name in CASES.iter() {
        let fixture = Fixture::read(name);
        let reranker = fixture.load();
        let documents: Vec<&str> =
            fixture.expected.documents.iter().map(|document| document.text.as_str()).collect();
        for (query, row) in fixture.expected.queries.iter().zip(&fixture.expected.scores) {
            if query.text.trim().is_empty() {
                continue;
            }
            let options = RerankOptions::default();
            let mut observer = Unobserved;
            let output = reranker.rerank(&query.text, &documents, &options, &mut observer);
            let output = block_on(output).unwrap();
            assert_eq!(output.results.len(), documents.len());
            for result in &output.results {
                let Some(expected) = row[result.index] else { continue };
                let relative = (result.score - expected).abs() / expected.abs().max(1.0);
                let text = &query.text;
                assert!(relative < TOLERANCE, "{name} {text:?} × {}: {relative}", result.index);
            }
        }
    }
}

fn encode(reranker: &Reranker, kind: TextKind, text: &str, pooling: Pooling) -> Vec<f32> {
    let mut observer = Unobserved;
    let texts = [text];
    let encoded = reranker.encode(kind, &texts, pooling, &mut observer);
    block_on(encoded).unwrap().embeddings.values().to_vec()
}

fn inspect(reranker: &Reranker, kind: TextKind, text: &str) -> Inspection {
    block_on(reranker.inspect(kind, text)).unwrap()
}

fn bits(mask: &[bool]) -> Vec<u8> {
    mask.iter().map(|&set| u8::from(set)).collect()
}
