//! A document's embeddings are equal, bit for bit, whatever it is encoded beside, in every weight type.

mod common;

use common::{Fixture, load};
use pollster::block_on;
use tabrank::{
    CheckpointFiles, ConvertOptions, Dtype, Pooling, Reranker, Source, TextKind, Unobserved,
    convert,
};

fn bits(reranker: &Reranker, texts: &[&str]) -> Vec<Vec<u32>> {
    let documents = TextKind::Document;
    let encoded = block_on(reranker.encode(documents, texts, Pooling::None, &mut Unobserved));
    let embeddings = encoded.unwrap().embeddings;
    embeddings.texts().map(|rows| rows.iter().map(|value| value.to_bits()).collect()).collect()
}

#[test]
fn embeddings_do_not_depend_on_neighbours_or_order() {
    for name in ["pylate", "stanford", "plain"] {
        let fixture = Fixture::read(name);
        let texts: Vec<&str> = fixture.expected.documents.iter().map(|d| d.text.as_str()).collect();
        for dtype in Dtype::ALL {
            let options = ConvertOptions { dtype, source: Source::default() };
            let bundle =
                block_on(convert(fixture.files.clone(), &options, &mut Unobserved)).unwrap();
            let reranker = load(&CheckpointFiles::from_bundle(&bundle).unwrap());
            assert_eq!(reranker.info().dtype, dtype);
            let together = bits(&reranker, &texts);
            for (alone, expected) in texts.iter().zip(&together) {
                assert_eq!(&bits(&reranker, &[alone])[0], expected, "{name} {dtype:?}: alone");
            }
            let reversed: Vec<&str> = texts.iter().rev().copied().collect();
            let backwards: Vec<_> = bits(&reranker, &reversed).into_iter().rev().collect();
            assert!(backwards == together, "{name} {dtype:?}: another order");
        }
    }
}
