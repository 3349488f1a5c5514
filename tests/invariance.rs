//! A document's embeddings are equal, bit for bit, whatever it is encoded beside and however often, in every weight type.

mod common;

use common::{Fixture, load};
use half::f16;
use pollster::block_on;
use tabrank::ops::{CodedQuery, CodedRows};
use tabrank::{
    BundleFiles, CheckpointFiles, ConvertOptions, DeviceChoice, Dtype, EncodeOptions, Encoded,
    LoadOptions, LongDocuments, Pooling, RerankOptions, RerankOutput, Reranker, Source, TextKind,
    Unobserved, convert,
};

fn bits(reranker: &Reranker, texts: &[&str]) -> Vec<Vec<u32>> {
    let documents = TextKind::Document;
    let encoded = block_on(reranker.encode(documents, texts, Pooling::None, &mut Unobserved));
    bits_of(&encoded.unwrap())
}

fn bits_of(encoded: &Encoded) -> Vec<Vec<u32>> {
    let texts = encoded.embeddings.texts();
    texts.map(|rows| rows.iter().map(|value| value.to_bits()).collect()).collect()
}

fn load_in_batches(bundle: &BundleFiles, tokens: usize) -> Reranker {
    let files = CheckpointFiles::from_bundle(bundle).unwrap();
    let options = LoadOptions {
        device: DeviceChoice::Cpu,
        cpu_batch_tokens: Some(tokens),
        ..LoadOptions::default()
    };
    block_on(Reranker::load(files, &options, &mut Unobserved)).unwrap()
}

#[test]
fn embeddings_do_not_depend_on_neighbours_or_order() {
    for name in ["pylate", "stanford", "plain", "modernbert-pylate"] {
        let fixture = Fixture::read(name);
        let texts: Vec<&str> = fixture.expected.documents.iter().map(|d| d.text.as_str()).collect();
        for dtype in Dtype::ALL {
            let options =
                ConvertOptions { dtype, source: Source::default(), overrides: Default::default() };
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
            for tokens in [1, 50, 4096] {
                let in_batches = bits(&load_in_batches(&bundle, tokens), &texts);
                assert!(in_batches == together, "{name} {dtype:?}: batches of {tokens} tokens");
            }
        }
    }
}

#[test]
fn a_hundred_runs_give_the_same_bits() {
    let model = Fixture::read("pylate").load();
    let documents = ["the oil crisis", "war", "", "the price of war and oil"];
    let run = || {
        let options = RerankOptions { explain: true, ..RerankOptions::default() };
        block_on(model.rerank("oil", &documents, &options, &mut Unobserved)).unwrap()
    };
    let first = run();
    let bits = |output: &RerankOutput| -> Vec<(usize, u32)> {
        output.results.iter().map(|result| (result.index, result.score.to_bits())).collect()
    };
    for _ in 1..100 {
        let again = run();
        assert_eq!(bits(&again), bits(&first));
        assert_eq!(again, first);
    }
}

/// In half precision, whose numbers lie 2⁻¹⁰ apart there, these documents would tie.
#[test]
fn similarities_are_added_up_in_single_precision() {
    let query = CodedQuery::new(&[1.0, 0.0, 0.0, 1.0], 2);
    let score = |nearly: f32| query.score(CodedRows::F32(&[nearly, 0.0, 0.0, 1.0]));
    assert_eq!(f16::from_f32(2.0), f16::from_f32(score(1.0 - 1e-5)));
    assert!(score(1.0) > score(1.0 - 1e-6) && score(1.0 - 1e-6) > score(1.0 - 2e-6));
}

/// Of some thousand tokens, so that the windows of one go through the encoder in several batches.
#[test]
fn long_documents_in_windows_do_not_depend_on_neighbours() {
    let reranker = Fixture::read("pylate").load();
    let texts: Vec<String> =
        [90, 1, 40, 300].map(|times| "the price of oil, and war; ".repeat(times)).into();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let most = LongDocuments::MOST_WINDOWS.saturating_mul(LongDocuments::MOST_WINDOWS);
    let long_documents = LongDocuments::Windows { overlap: None, most };
    for pooling in [Pooling::None, Pooling::Mean] {
        let encode = |texts: &[&str]| {
            let options = EncodeOptions { pooling, long_documents, ..EncodeOptions::default() };
            let encoded =
                block_on(reranker.encode(TextKind::Document, texts, options, &mut Unobserved));
            bits_of(&encoded.unwrap())
        };
        let together = encode(&texts);
        for (alone, expected) in texts.iter().zip(&together) {
            assert_eq!(&encode(&[alone])[0], expected);
        }
        let reversed: Vec<&str> = texts.iter().rev().copied().collect();
        assert!(encode(&reversed).into_iter().rev().eq(together));
    }
}
