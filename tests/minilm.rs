//! The real all-MiniLM-L6-v2 against PyTorch. `make test` fetches the weights; without them this fails.

mod common;

use std::fs;

use common::{Expected, checkpoint, difference, fixtures, load, minilm};
use pollster::block_on;
use safetensors::SafeTensors;
use tabrank::{Pooling, RerankOptions, TextKind, Unobserved};

#[test]
fn the_default_model_equals_pytorch() {
    assert!(minilm().is_dir(), "the default model is missing: run scripts/fetch-model.sh");
    let folder = fixtures().join("minilm");
    let json = fs::read(folder.join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_slice(&json).unwrap();
    let bytes = fs::read(folder.join("expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let reference = |name: &str| -> Option<Vec<f32>> {
        let view = tensors.tensor(name).ok()?;
        Some(
            view.data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
                .collect(),
        )
    };
    let reranker = load(&checkpoint(&minilm()));
    assert!(!reranker.info().late_interaction);
    assert_eq!(reranker.warnings()[0].code, "NO_LATE_INTERACTION_HEAD");
    let mut compared = 0;
    for (kind, texts) in
        [(TextKind::Query, &expected.queries), (TextKind::Document, &expected.documents)]
    {
        for (index, text) in texts.iter().enumerate() {
            let inspection = block_on(reranker.inspect(kind, &text.text)).unwrap();
            assert_eq!(inspection.tokens.ids, text.ids, "{kind} {index}");
            for (layer, state) in inspection.hidden_states.iter().enumerate() {
                if let Some(values) = reference(&format!("{kind}.{index}.hidden.{layer}")) {
                    assert!(difference(state, &values) < 1e-4, "{kind} {index} layer {layer}");
                    compared += 1;
                }
            }
            for (pooling, name) in [(Pooling::None, "embeddings"), (Pooling::Mean, "pooled")] {
                let Some(values) = reference(&format!("{kind}.{index}.{name}")) else { continue };
                let mut observer = Unobserved;
                let texts = [text.text.as_str()];
                let encoded = reranker.encode(kind, &texts, pooling, &mut observer);
                let encoded = block_on(encoded).unwrap();
                assert!(
                    difference(encoded.embeddings.values(), &values) < 1e-4,
                    "{kind} {index} {name}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 16, "only {compared} tensors were compared");
    let documents: Vec<&str> = expected.documents.iter().map(|d| d.text.as_str()).collect();
    for (query, row) in expected.queries.iter().zip(&expected.scores) {
        let (options, mut observer) = (RerankOptions::default(), Unobserved);
        let output = reranker.rerank(&query.text, &documents, &options, &mut observer);
        for result in block_on(output).unwrap().results {
            let score = row[result.index].unwrap();
            assert!((result.score - score).abs() / score.abs().max(1.0) < 1e-4, "{}", query.text);
        }
    }
}
