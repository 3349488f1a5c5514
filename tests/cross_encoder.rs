//! Cross-encoders of every class against sentence-transformers' `CrossEncoder`: the ids and types of pairs are equal, what the head
//! gives and the scores are within 1e-4. `tests/reference/cross_encoders.py` makes the fixtures.

mod common;

use common::pairs::{CASES, Fixture};
use pollster::block_on;
use tabrank::{Error, ModelKind, RerankOptions, Reranker, Unobserved};

const TOLERANCE: f32 = 1e-4;

#[test]
fn every_pair_equals_the_reference() {
    for name in CASES {
        let fixture = Fixture::read(name);
        let model = fixture.load();
        assert_eq!(model.info().kind, ModelKind::CrossEncoder, "{name}");
        assert_eq!(model.info().document_length, fixture.length, "{name}");
        for (query, document, expected) in fixture.pairs() {
            let found = block_on(model.inspect_pair(query, document)).unwrap();
            let at = format!("{name} {query:?} {document:?}");
            assert_eq!(found.tokens.ids, expected.ids, "ids of {at}");
            assert_eq!(found.tokens.types, expected.types, "types of {at}");
            let worst = (found.logit - expected.logit).abs();
            assert!(worst < TOLERANCE * expected.logit.abs().max(1.0), "{at}: {worst}");
            let worst = (found.score - expected.score).abs();
            assert!(worst < TOLERANCE * expected.score.abs().max(1.0), "{at}: {worst}");
        }
    }
}

/// Whatever pairs are computed beside it.
#[test]
fn a_list_s_scores_are_those_of_its_pairs() {
    for name in CASES {
        let fixture = Fixture::read(name);
        let model = fixture.load();
        for query in &fixture.queries {
            let ranked =
                rerank(&model, query, &fixture.documents, &RerankOptions::default()).unwrap();
            assert_eq!(ranked.len(), fixture.documents.len());
            for (index, score) in ranked {
                let alone = block_on(model.inspect_pair(query, &fixture.documents[index])).unwrap();
                assert_eq!(score.to_bits(), alone.score.to_bits(), "{name} {query:?} {index}");
            }
        }
    }
}

fn rerank(
    model: &Reranker,
    query: &str,
    documents: &[String],
    options: &RerankOptions,
) -> Result<Vec<(usize, f32)>, Error> {
    let output = block_on(model.rerank(query, documents, options, &mut Unobserved))?;
    Ok(output.results.iter().map(|result| (result.index, result.score)).collect())
}
