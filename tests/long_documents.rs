//! Long documents in windows give what PyTorch gives for each window alone, united by the rule: `tests/reference/windows.py`.

mod common;

use std::fs;
use std::num::NonZeroUsize;

use common::{checkpoint, difference, fixtures, load};
use pollster::block_on;
use safetensors::SafeTensors;
use serde::Deserialize;
use tabrank::text::tokenizer::Tokenizer;
use tabrank::{
    CheckpointFiles, EncodeOptions, Encoded, Error, LongDocuments, ModelConfig, Pooling,
    RerankOptions, Reranker, TextKind, TokenSequence, Unobserved,
};

const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Expected {
    query: String,
    document: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    overlap: Option<usize>,
    most: NonZeroUsize,
    ids: Vec<u32>,
    /// In code points; (0, 0) for tokens that the text does not hold.
    offsets: Vec<(usize, usize)>,
    kept: Vec<u8>,
    truncated: bool,
    score: f32,
}

impl Case {
    fn long(&self) -> LongDocuments {
        LongDocuments::Windows { overlap: self.overlap, most: self.most }
    }
}

fn expected() -> Expected {
    serde_json::from_slice(&fs::read(fixtures().join("windows/expected.json")).unwrap()).unwrap()
}

fn tensor(name: &str) -> Vec<f32> {
    let bytes = fs::read(fixtures().join("windows/expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let values = tensors.tensor(name).unwrap().data().to_vec();
    values.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn files() -> CheckpointFiles {
    checkpoint(&fixtures().join("pylate/checkpoint"))
}

fn encode(
    model: &Reranker,
    texts: &[&str],
    pooling: Pooling,
    long_documents: LongDocuments,
) -> Encoded {
    let options = EncodeOptions { pooling, long_documents, ..EncodeOptions::default() };
    block_on(model.encode(TextKind::Document, texts, options, &mut Unobserved)).unwrap()
}

#[test]
fn tokens_stand_once_with_their_places_in_the_whole_text() {
    let Expected { document, cases, .. } = expected();
    let files = files();
    let config = ModelConfig::from_files(&files).unwrap();
    let tokenizer = Tokenizer::load(&files, &config, &mut Vec::new()).unwrap();
    let points = |byte: usize| document[..byte].chars().count();
    for (index, case) in cases.iter().enumerate() {
        let windows = tokenizer.windows(0, &document, case.long()).unwrap();
        assert!(windows.len() <= case.most.get());
        assert!(windows.iter().all(|window| window.tokens.len() <= config.text.document_length));
        let mut tokens = TokenSequence::default();
        windows.iter().for_each(|window| tokens.extend(&window.tokens, window.kept.clone()));
        assert_eq!(tokens.ids, case.ids, "ids of case {index}");
        let kept: Vec<u8> = tokens.embedding_mask.iter().map(|&kept| u8::from(kept)).collect();
        assert_eq!(kept, case.kept, "embeddings of case {index}");
        let places = tokens
            .offsets
            .iter()
            .map(|range| range.map_or((0, 0), |(start, end)| (points(start), points(end))));
        assert_eq!(places.collect::<Vec<_>>(), case.offsets, "offsets of case {index}");
    }
}

#[test]
fn embeddings_and_means_are_those_of_the_windows() {
    let Expected { document, cases, .. } = expected();
    let model = load(&files());
    for (index, case) in cases.iter().enumerate() {
        for (pooling, name) in [(Pooling::None, "embeddings"), (Pooling::Mean, "pooled")] {
            let found = encode(&model, &[&document], pooling, case.long());
            assert_eq!(found.truncated, [case.truncated], "case {index}");
            let reference = tensor(&format!("{index}.{name}"));
            let worst = difference(found.embeddings.values(), &reference);
            assert!(worst < TOLERANCE, "case {index} {name}: {worst}");
        }
    }
}

#[test]
fn scores_and_explanations_are_of_the_whole_text() {
    let Expected { query, document, cases } = expected();
    let model = load(&files());
    for (index, case) in cases.iter().enumerate() {
        let options = RerankOptions {
            explain: true,
            long_documents: case.long(),
            ..RerankOptions::default()
        };
        let documents = ["oil", document.as_str()];
        let output = block_on(model.rerank(&query, &documents, &options, &mut Unobserved)).unwrap();
        let place = output.results.iter().position(|result| result.index == 1).unwrap();
        let (score, explanation) = (output.results[place].score, &output.explanations[place]);
        assert!((score - case.score).abs() < TOLERANCE * case.score.abs(), "case {index}: {score}");
        assert_eq!(
            (output.truncated[place], explanation.truncated),
            (case.truncated, case.truncated)
        );
        let sum: f32 = explanation.matches.iter().map(|found| found.similarity).sum();
        assert!((sum - score).abs() < 1e-4, "case {index}: matches add up to {sum}");
        for found in &explanation.matches {
            let Some((start, end)) = found.document.range else { continue };
            let spelled = document[start..end].to_lowercase();
            let token = found.document.token.trim_start_matches("##");
            assert!(spelled == token || token == "[UNK]", "{spelled:?} is no {token:?}");
        }
        let alone = block_on(model.explain(&query, &document, case.long(), &mut Unobserved));
        assert_eq!(&alone.unwrap(), explanation);
    }
    let far = cases[0].long();
    let explanation = block_on(model.explain("economy", &document, far, &mut Unobserved)).unwrap();
    let ranges = explanation.matches.iter().filter_map(|found| found.document.range);
    let length = model.info().document_length;
    assert!(ranges.map(|(_, end)| end).max().unwrap() > 8 * length, "a match in a late window");
}

#[test]
fn a_document_that_is_not_long_is_encoded_as_ever() {
    let model = load(&files());
    let texts = ["", "oil", "the price of oil, in 1973"];
    let windows = LongDocuments::Windows { overlap: None, most: LongDocuments::MOST_WINDOWS };
    for pooling in [Pooling::None, Pooling::Mean, Pooling::Cls] {
        let cut = encode(&model, &texts, pooling, LongDocuments::Cut);
        assert_eq!(encode(&model, &texts, pooling, windows), cut, "{pooling:?}");
    }
    let long = expected().document;
    let one = LongDocuments::Windows { overlap: Some(0), most: NonZeroUsize::MIN };
    let cut = encode(&model, &[&long], Pooling::None, LongDocuments::Cut);
    assert_eq!(encode(&model, &[&long], Pooling::None, one), cut);
    assert_eq!(cut.truncated, [true]);
}

#[test]
fn as_many_windows_as_can_be_counted_hold_the_whole_text() {
    let model = load(&files());
    let long = expected().document;
    let windows = |most| LongDocuments::Windows { overlap: None, most };
    let whole = windows(NonZeroUsize::new(1_000).unwrap());
    let whole = encode(&model, &[&long], Pooling::None, whole);
    assert_eq!(whole.truncated, [false]);
    for most in [usize::MAX, usize::MAX / 2, usize::MAX / 16, u32::MAX as usize] {
        let found = windows(NonZeroUsize::new(most).unwrap());
        assert_eq!(encode(&model, &[&long], Pooling::None, found), whole, "{most}");
    }
}

#[test]
fn windows_that_would_overlap_by_more_than_half_are_refused() {
    let model = load(&files());
    let most = LongDocuments::MOST_WINDOWS;
    let encode = |overlap| {
        let long_documents = LongDocuments::Windows { overlap: Some(overlap), most };
        let options = EncodeOptions { long_documents, ..EncodeOptions::default() };
        block_on(model.encode(TextKind::Document, &["oil"], options, &mut Unobserved))
    };
    assert!(encode(8).is_ok());
    let error = encode(9).unwrap_err();
    assert_eq!(error, Error::Overlap { overlap: 9, room: 17 });
    assert_eq!(error.code(), "INVALID_INPUT");
}
