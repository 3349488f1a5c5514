//! Documents that bring embeddings along, beside others that bring texts: what they score, what comes back to be brought along later,
//! and what is refused.

mod common;

use std::sync::Arc;

use common::Fixture;
use pollster::block_on;
use tabrank::{
    Codec, DocumentEmbeddings, Pooling, RerankOptions, RerankOutput, Reranker, ResidualCodec,
    ResidualParts, Similarity, TextKind, TokenEmbeddings, Unobserved, score,
};

const QUERY: &str = "the price of oil in the war";
const DOCUMENTS: [&str; 8] = [
    "the oil crisis of 1973",
    "water",
    "the price of oil, and what it cost",
    "",
    "war and oil and war",
    "the price of war",
    "the price of oil in the war of the city",
    "water of the city",
];

fn rerank(model: &Reranker, documents: &[&str], options: &RerankOptions) -> RerankOutput {
    block_on(model.rerank(QUERY, documents, options, &mut Unobserved)).unwrap()
}

/// What the model makes of some of the texts, stored by a codec, and brought along by those.
fn bring(model: &Reranker, codec: &Codec, texts: &[&str], places: &[usize]) -> DocumentEmbeddings {
    let mut all = DocumentEmbeddings::new(texts.len());
    let own: Vec<&str> = places.iter().map(|&place| texts[place]).collect();
    let embeddings = codec.compress(&encode(model, TextKind::Document, &own)).unwrap();
    all.add(embeddings, places, Some(&model.info().embedding_id)).unwrap();
    all
}

fn with(embeddings: DocumentEmbeddings) -> RerankOptions {
    RerankOptions { embeddings, ..RerankOptions::default() }
}

/// A score for each document, in the list's order.
fn scores(output: &RerankOutput) -> Vec<f32> {
    let mut results: Vec<_> = output.results.iter().collect();
    results.sort_by_key(|result| result.index);
    results.into_iter().map(|result| result.score).collect()
}

fn every() -> Vec<usize> {
    (0..DOCUMENTS.len()).collect()
}

/// Centroids at some of the embeddings, and a bucket for each quarter of what is left.
fn residual(model: &Reranker, nbits: usize) -> Codec {
    let embeddings = encode(model, TextKind::Document, &DOCUMENTS);
    let dimension = embeddings.dimension();
    let centroids = embeddings.values()[..8 * dimension].to_vec();
    let buckets = 1 << nbits;
    let at = |place: usize, part: f32| (place as f32 + part) / buckets as f32 * 0.8 - 0.4;
    let codec = ResidualCodec::new(ResidualParts {
        dimension,
        nbits,
        centroids,
        cutoffs: (1..buckets).map(|place| at(place, 0.0)).collect(),
        weights: (0..buckets).map(|place| at(place, 0.5)).collect(),
        ..ResidualParts::default()
    });
    Codec::Residual(Arc::new(codec.unwrap()))
}

fn codecs(model: &Reranker) -> [Codec; 6] {
    [Codec::F32, Codec::F16, Codec::Int8, Codec::Binary, residual(model, 1), residual(model, 2)]
}

/// Of each codec: MaxSim of what the codes stand for, and the same whatever stands beside a document in its list.
#[test]
fn documents_are_scored_by_what_their_codes_stand_for() {
    for name in ["pylate", "stanford"] {
        let model = Fixture::read(name).load();
        let query = encode(&model, TextKind::Query, &[QUERY]);
        let texts = scores(&rerank(&model, &DOCUMENTS, &RerankOptions::default()));
        for codec in codecs(&model) {
            let of_codes = codec.compress(&encode(&model, TextKind::Document, &DOCUMENTS)).unwrap();
            let expected =
                score(query.values(), &of_codes.decompress(), Similarity::MaxSim).unwrap();
            let all = scores(&rerank(
                &model,
                &[""; 8],
                &with(bring(&model, &codec, &DOCUMENTS, &every())),
            ));
            let some = [1, 2, 4, 7];
            let mixed = with(bring(&model, &codec, &DOCUMENTS, &some));
            let mixed = scores(&rerank(&model, &DOCUMENTS, &mixed));
            for index in every() {
                let worst = (all[index] - expected[index]).abs() / expected[index].abs().max(1.0);
                assert!(worst < 1e-4, "{name}, {}, {index}: {worst}", codec.name());
                let alone = if some.contains(&index) { &all } else { &texts };
                assert_eq!(mixed[index], alone[index], "{name}, {}, {index}", codec.name());
            }
        }
    }
}
