//! `tabrank codec train`, and `tabrank inspect` of the files that hold embeddings and codecs.

#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::command::{tabrank, text};
use pollster::block_on;
use serde_json::{Value, json};
use tabrank::{
    Codec, EmbeddingsFile, EmbeddingsInfo, ResidualCodec, TokenEmbeddings, TrainOptions, Unobserved,
};

/// Sixty documents of ten unit vectors of eight numbers, around a few directions.
fn documents() -> TokenEmbeddings {
    let mut state = 1u32;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut values = Vec::new();
    for place in 0..600 {
        let row: Vec<f32> =
            (0..8).map(|column| number() + f32::from(u8::from(column == place % 5))).collect();
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        values.extend(row.iter().map(|value| value / length));
    }
    TokenEmbeddings::from_parts(values, vec![10; 60], 8).unwrap()
}

fn write_sample(path: &Path, codec: &Codec) {
    let info =
        EmbeddingsInfo { embedding_id: Some("v1-model".to_owned()), ..EmbeddingsInfo::default() };
    let file = EmbeddingsFile::new(codec.compress(&documents()).unwrap(), info);
    fs::write(path, file.write()).unwrap();
}

fn inspected(path: &Path) -> Value {
    let assert = tabrank(&["inspect", "--json"]).arg(path).assert().success();
    serde_json::from_slice(&assert.get_output().stdout).unwrap()
}

#[test]
fn a_codec_is_made_of_a_file_of_embeddings() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_sample(&at("sample"), &Codec::F32);
    let train = |output: &str, arguments: &[&str]| {
        let mut command = tabrank(&["codec", "train", "-o"]);
        command.arg(at(output)).arg(at("sample")).args(arguments).assert().success();
        ResidualCodec::read(output, &fs::read(at(output)).unwrap()).unwrap()
    };
    let codec = train("codec", &[]);
    let options =
        TrainOptions { embedding_id: Some("v1-model".to_owned()), ..TrainOptions::default() };
    let stored = Codec::F32.compress(&documents()).unwrap();
    let expected = block_on(ResidualCodec::train(&stored, &options, &mut Unobserved)).unwrap();
    assert_eq!(codec.parts(), expected.parts());
    // 16 times the root of 600 is 391.
    assert_eq!((codec.nbits(), codec.centroid_count()), (2, 256));
    assert_eq!(train("again", &[]).id(), codec.id());

    let other = train("other", &["--nbits=4", "--centroids=16", "--seed=7"]);
    assert_eq!((other.nbits(), other.centroid_count()), (4, 16));
    assert_ne!(train("other", &["--nbits=4", "--centroids=16"]).id(), other.id());
    let expected = json!({
        "kind": "codec", "codec_id": codec.id(), "dimension": 8, "nbits": 2, "centroids": 256, "token_bytes": 6,
        "embedding_id": "v1-model",
    });
    assert_eq!(inspected(&at("codec")), expected);

    // Of codes that a codec made.
    write_sample(&at("sample"), &Codec::Residual(Arc::new(codec)));
    let of_codes =
        train("third", &["--codec", &at("codec").display().to_string(), "--centroids=16"]);
    assert_eq!(of_codes.centroid_count(), 16);
}

#[test]
fn inspect_tells_what_a_file_of_embeddings_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("documents");
    write_sample(&path, &Codec::Int8);
    let expected = json!({
        "kind": "embeddings", "codec": "int8", "codec_id": null, "dimension": 8, "texts": 60, "tokens": 600,
        "bytes": 7_200, "embedding_id": "v1-model", "token_pooling": null,
    });
    assert_eq!(inspected(&path), expected);
    let assert = tabrank(&["inspect"]).arg(&path).assert().success();
    let found = text(&assert.get_output().stdout);
    assert_eq!(
        found,
        "embeddings, int8, 8 wide\n60 texts, 600 tokens, 7200 bytes\nembedding id v1-model\n"
    );
}

#[test]
fn what_is_no_sample_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    write_sample(Path::new(&at("sample")), &Codec::F32);
    fs::write(at("page"), "<!doctype html><p>no").unwrap();
    let refused = |arguments: &[&str], code: i32, culprit: &str| {
        let assert = tabrank(&["codec", "train"]).args(arguments).assert().code(code);
        let said = text(&assert.get_output().stderr);
        assert!(said.contains(culprit), "{said:?} does not mention {culprit:?}");
    };
    let (sample, page, out) = (at("sample"), at("page"), at("out"));
    refused(&[&at("absent"), "-o", &out], 66, "absent");
    refused(&[&page, "-o", &out], 65, "page is a web page (HTML)");
    refused(&[&sample, "-o", &sample], 74, "is the input");
    refused(&[&sample, "-o", &out, "--nbits=3"], 2, "--nbits");
    let many = "--centroids are 571; the sample has tokens for 1 to 570";
    refused(&[&sample, "-o", &out, "--centroids=571"], 65, many);
    assert!(!Path::new(&out).exists());
}
