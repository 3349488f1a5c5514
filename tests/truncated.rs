//! Embeddings of which only the first values are kept, held against what the reference libraries make of the whole ones.

mod common;

use common::crafted::Crafted;
use common::{Fixture, difference, load, load_with};
use pollster::block_on;
use tabrank::{
    CheckpointFiles, ConvertOptions, Dtype, Overrides, Pooling, Reranker, Source, TextKind,
    Unobserved, convert,
};

const TOLERANCE: f32 = 1e-4;

fn to(width: usize) -> Overrides {
    Overrides { truncate_dim: Some(width), ..Overrides::default() }
}

/// `normalize(truncate_embeddings(x))` of sentence-transformers: a unit vector's first values point where the vector's own do.
#[test]
fn the_first_values_are_kept_and_made_unit_vectors() {
    for name in
        ["plain", "pylate", "pylate-attended-two-dense", "stanford", "sentence-transformers"]
    {
        let fixture = Fixture::read(name);
        let dimension = fixture.expected.settings.dimension;
        for width in [1, 5, dimension] {
            let reranker = load_with(&fixture.files, to(width)).unwrap();
            assert_eq!(reranker.info().dimension, width);
            let warned = reranker.warnings().iter().any(|w| w.code == "EMBEDDINGS_TRUNCATED");
            assert_eq!(warned, width < dimension, "{name} to {width}");
            for (index, document) in fixture.expected.documents.iter().enumerate() {
                let found = encode(&reranker, &document.text, Pooling::None);
                let whole = fixture.tensor(&format!("document.{index}.embeddings")).unwrap();
                let expected: Vec<f32> =
                    whole.chunks_exact(dimension).flat_map(|row| unit(&row[..width])).collect();
                let worst = difference(&found, &expected);
                assert!(worst < TOLERANCE, "{name} to {width}, document {index}: {worst}");
            }
        }
    }
}

/// `SentenceTransformer(…, truncate_dim=7).encode`, which leaves the length as it comes out; the folder can say so too.
#[test]
fn one_vector_a_text_is_cut_as_sentence_transformers_cuts_it() {
    let fixture = Fixture::read("bi-encoder");
    let mut says = fixture.files.clone();
    let name = "config_sentence_transformers.json";
    let mut config: serde_json::Value = serde_json::from_slice(says.get(name).unwrap()).unwrap();
    config["truncate_dim"] = 7.into();
    says.insert(name, config.to_string().into_bytes()).unwrap();
    let (told, said) = (load_with(&fixture.files, to(7)).unwrap(), load(&says));
    assert_eq!(said.info().dimension, fixture.expected.settings.dimension, "of the tokens");
    for reranker in [&told, &said] {
        assert_eq!(reranker.width(Pooling::Checkpoint), 7);
        for (index, document) in fixture.expected.documents.iter().enumerate() {
            let found = encode(reranker, &document.text, Pooling::Checkpoint);
            let whole = fixture.tensor(&format!("document.{index}.vector")).unwrap();
            let worst = difference(&found, &whole[..7]);
            assert!(worst < TOLERANCE, "document {index}: {worst}");
        }
    }
}

#[test]
fn a_width_that_there_is_not_is_refused() {
    let files = Fixture::read("pylate").files;
    for width in [0, 17] {
        let error = load_with(&files, to(width)).err().unwrap();
        assert_eq!(error.code(), "INVALID_INPUT");
        let says = format!(
            "truncate_dim is {width}; embeddings have 16 values, and 1 to all of them can be kept"
        );
        assert_eq!(error.to_string(), says);
    }
}

#[test]
fn a_bundle_keeps_the_width_that_it_was_made_for() {
    let files = Fixture::read("pylate").files;
    let bundle = converted(&files, to(5));
    let own = load(&CheckpointFiles::from_bundle(&bundle).unwrap());
    let whole = load_with(&CheckpointFiles::from_bundle(&bundle).unwrap(), to(16)).unwrap();
    assert_eq!([own.info().dimension, whole.info().dimension], [5, 16]);
    let text = "the oil crisis of the year";
    let expected: Vec<f32> = encode(&whole, text, Pooling::None)
        .chunks_exact(16)
        .flat_map(|row| unit(&row[..5]))
        .collect();
    assert!(difference(&encode(&own, text, Pooling::None), &expected) < TOLERANCE);
    let wrong =
        Crafted::new(bundle).manifest(|manifest| manifest["overrides"]["truncate_dim"] = 17.into());
    let error = load_with(&wrong.open().unwrap(), Overrides::default()).err().unwrap();
    assert_eq!(error.code(), "BUNDLE_INVALID");
    assert!(error.to_string().contains("overrides.truncate_dim is 17"), "{error}");
}

fn converted(files: &CheckpointFiles, overrides: Overrides) -> tabrank::BundleFiles {
    let options = ConvertOptions { dtype: Dtype::F32, source: Source::default(), overrides };
    block_on(convert(files.clone(), &options, &mut Unobserved)).unwrap()
}

fn encode(reranker: &Reranker, text: &str, pooling: Pooling) -> Vec<f32> {
    let texts = [text];
    let mut observer = Unobserved;
    let encoded = block_on(reranker.encode(TextKind::Document, &texts, pooling, &mut observer));
    encoded.unwrap().embeddings.values().to_vec()
}

fn unit(values: &[f32]) -> Vec<f32> {
    let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.iter().map(|value| value / norm).collect()
}
