//! Codecs beside NumPy, Stanford's `ResidualCodec` and fast-plaid, as `tests/reference/codecs.py` recorded them.

mod common;

use std::fs;
use std::sync::{Arc, LazyLock};

use common::fixtures;
use half::f16;
use pollster::block_on;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tabrank::late_interaction::maxsim::{maxsim, maxsim_compressed};
use tabrank::{
    Codec, CompressedEmbeddings, EmbeddingsFile, ResidualCodec, ResidualParts, Rows,
    TokenEmbeddings, TrainOptions, Unobserved,
};

const NBITS: [usize; 3] = [1, 2, 4];

static EXPECTED: LazyLock<Vec<u8>> =
    LazyLock::new(|| fs::read(fixtures().join("codecs/expected.safetensors")).unwrap());

/// Bytes of a tensor of this type, and its shape.
fn tensor(name: &str, dtype: Dtype) -> (Vec<usize>, &'static [u8]) {
    let tensors = SafeTensors::deserialize(&EXPECTED).unwrap();
    let view = tensors.tensor(name).unwrap_or_else(|_| panic!("no {name}"));
    assert_eq!(view.dtype(), dtype, "{name}");
    (view.shape().to_vec(), view.data())
}

fn numbers<const N: usize, T>(name: &str, dtype: Dtype, read: impl Fn([u8; N]) -> T) -> Vec<T> {
    tensor(name, dtype).1.as_chunks().0.iter().map(|bytes| read(*bytes)).collect()
}

fn floats(name: &str) -> Vec<f32> {
    numbers(name, Dtype::F32, f32::from_le_bytes)
}

fn bytes(name: &str) -> Vec<u8> {
    tensor(name, Dtype::U8).1.to_vec()
}

fn codes(name: &str) -> Vec<u32> {
    numbers(name, Dtype::U32, u32::from_le_bytes)
}

fn lengths() -> Vec<usize> {
    codes("lengths").into_iter().map(|length| length as usize).collect()
}

fn documents() -> TokenEmbeddings {
    let dimension = tensor("values", Dtype::F32).0[1];
    TokenEmbeddings::from_parts(floats("values"), lengths(), dimension).unwrap()
}

/// A residual codec with recorded tables.
fn recorded(name: &str, nbits: usize) -> Arc<ResidualCodec> {
    let parts = ResidualParts {
        dimension: documents().dimension(),
        nbits,
        centroids: floats("centroids"),
        cutoffs: floats(&format!("{name}.{nbits}.cutoffs")),
        weights: floats(&format!("{name}.{nbits}.weights")),
        ..ResidualParts::default()
    };
    Arc::new(ResidualCodec::new(parts).unwrap())
}

/// Recorded rows of a codec.
fn stored(name: &str, codec: &Arc<ResidualCodec>) -> CompressedEmbeddings {
    let at = |part| format!("{name}.{}.{part}", codec.nbits());
    let rows = Rows::Residual { codes: codes(&at("codes")), residuals: bytes(&at("residuals")) };
    let dimension = codec.dimension();
    CompressedEmbeddings::from_parts(Codec::Residual(codec.clone()), dimension, lengths(), rows)
        .unwrap()
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "{what}[{place}]: {a} is not {b}");
    }
}

#[test]
fn scalar_codecs_equal_numpy() {
    for (name, values, dimension) in [("", "values", 32), ("odd.", "odd.values", 11)] {
        let values = floats(values);
        let rows = values.len() / dimension;
        let embeddings = TokenEmbeddings::from_parts(values, vec![rows], dimension).unwrap();
        let at = |part: &str| format!("{name}{part}");
        let stored = |codec: Codec| codec.compress(&embeddings).unwrap();

        let f16s = numbers(&at("f16"), Dtype::F16, u16::from_le_bytes);
        assert_eq!(stored(Codec::F16).rows(), &Rows::F16(f16s));
        let expected = Rows::Int8 {
            codes: numbers(&at("int8"), Dtype::I8, i8::from_le_bytes),
            scales: floats(&at("int8.scales")),
        };
        assert_eq!(stored(Codec::Int8).rows(), &expected);
        assert_eq!(stored(Codec::Int8).decompress().values(), floats(&at("int8.values")));
        assert_eq!(stored(Codec::Binary).rows(), &Rows::Binary(bytes(&at("binary"))));
        let decoded = stored(Codec::Binary).decompress();
        assert_close(decoded.values(), &floats(&at("binary.values")), 1e-7, "binary");
    }
}

/// Halves keep what halves can hold, so that a rounding of another kind is seen only between them.
#[test]
fn halves_are_rounded_to_even() {
    let values = vec![1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0, -0.1, 1e-8, 6e-8, 65_519.0];
    let expected: Vec<u16> =
        values.iter().map(|&value| f16::from_f64(f64::from(value)).to_bits()).collect();
    assert_eq!(expected, [0x3c00, 0x3c02, 0xae66, 0, 1, 0x7bff]);
    let embeddings = TokenEmbeddings::from_parts(values, vec![1], 6).unwrap();
    assert_eq!(Codec::F16.compress(&embeddings).unwrap().rows(), &Rows::F16(expected));
}

#[test]
fn buckets_are_those_of_stanford_and_fast_plaid() {
    let (values, dimension) = (floats("values"), documents().dimension());
    let held_out = &values[values.len() - values.len() / dimension / 20 * dimension..];
    for nbits in NBITS {
        let centroids = floats("centroids");
        let codec =
            ResidualCodec::with_centroids(centroids, dimension, held_out, nbits, None).unwrap();
        let parts = codec.parts();
        // fast-plaid's residuals are rounded to halves.
        for (name, tolerance) in [("stanford", 1e-7), ("fast-plaid", 1e-4)] {
            let at = |part| format!("{name}.{nbits}.{part}");
            assert_close(&parts.cutoffs, &floats(&at("cutoffs")), tolerance, &at("cutoffs"));
            assert_close(&parts.weights, &floats(&at("weights")), tolerance, &at("weights"));
        }
        let average = floats(&format!("fast-plaid.{nbits}.avg_residual"));
        assert_close(&parts.avg_residual, &average, 1e-4, "avg_residual");
    }
}

/// Given the same tables, all bytes are the same, but those of tokens between two centroids and of numbers between two buckets, as
/// near as what the libraries compute with can tell.
#[test]
fn codes_and_bytes_are_those_of_stanford_and_fast_plaid() {
    for (name, tolerance) in [("stanford", 1e-6), ("fast-plaid", 1e-3), ("index", 1e-3)] {
        for nbits in NBITS {
            let codec = recorded(name, nbits);
            let compressed = Codec::Residual(codec.clone()).compress(&documents()).unwrap();
            let (
                Rows::Residual { codes, residuals },
                Rows::Residual { codes: theirs, residuals: bytes },
            ) = (compressed.rows(), stored(name, &codec).rows().clone())
            else {
                panic!("residual rows");
            };
            let (mut same, documents) = (0, documents());
            let width = codec.residual_bytes();
            let each =
                codes.iter().zip(&theirs).zip(residuals.chunks(width).zip(bytes.chunks(width)));
            for (place, ((code, their), (residual, bytes))) in each.enumerate() {
                let token = &documents.values()[place * codec.dimension()..][..codec.dimension()];
                if code != their {
                    let gap = product(&codec, *code, token) - product(&codec, *their, token);
                    assert!(gap.abs() < 2.0 * tolerance, "{name} {nbits}: token {place}: {gap}");
                } else if residual != bytes {
                    assert!(tolerance > 1e-6, "{name} {nbits}: token {place}");
                    let gap = cutoff_gap(&codec, *code, token);
                    assert!(gap < tolerance, "{name} {nbits}: token {place}: {gap}");
                } else {
                    same += 1;
                }
            }
            assert!(same > 100, "{name} {nbits}: {same} tokens of 120 are the same");
        }
    }
}

fn centroid(codec: &ResidualCodec, code: u32) -> &[f32] {
    &codec.parts().centroids[code as usize * codec.dimension()..][..codec.dimension()]
}

fn product(codec: &ResidualCodec, code: u32, token: &[f32]) -> f32 {
    centroid(codec, code).iter().zip(token).map(|(a, b)| a * b).sum()
}

/// How near a token's residual comes to a cutoff.
fn cutoff_gap(codec: &ResidualCodec, code: u32, token: &[f32]) -> f32 {
    let residuals = token.iter().zip(centroid(codec, code)).map(|(value, mean)| value - mean);
    let gaps = residuals.flat_map(|residual| {
        codec.parts().cutoffs.iter().map(move |cutoff| (residual - cutoff).abs())
    });
    gaps.fold(f32::INFINITY, f32::min)
}

#[test]
fn what_others_stored_is_decoded_as_they_decode_it() {
    for nbits in NBITS {
        for (name, tolerance) in [("stanford", 1e-6), ("index", 1e-3)] {
            let decoded = stored(name, &recorded(name, nbits)).decompress();
            let expected = floats(&format!("{name}.{nbits}.values"));
            assert_close(decoded.values(), &expected, tolerance, name);
        }
    }
}

/// From the codes as they are, and from what they decode to.
#[test]
fn scores_are_those_of_stanford_and_fast_plaid() {
    let query = floats("query");
    let rows = query.len() / documents().dimension();
    for nbits in NBITS {
        for (name, relative, absolute) in
            [("stanford", 1e-4, 1e-5), ("index", 1e-3, 1e-3 * rows as f32)]
        {
            let stored = stored(name, &recorded(name, nbits));
            let expected = floats(&format!("{name}.{nbits}.scores"));
            for scores in [maxsim(&query, &stored.decompress()), maxsim_compressed(&query, &stored)]
            {
                assert_scores(&scores, &expected, relative, absolute, &format!("{name} {nbits}"));
            }
        }
    }
}

#[test]
fn scores_of_scalar_codes_are_those_of_what_numpy_decodes() {
    let (query, documents) = (floats("query"), documents());
    let halves = numbers("f16", Dtype::F16, |bytes| f16::from_le_bytes(bytes).to_f32());
    for (codec, values) in [
        (Codec::F16, halves),
        (Codec::Int8, floats("int8.values")),
        (Codec::Binary, floats("binary.values")),
    ] {
        let decoded = TokenEmbeddings::from_parts(values, lengths(), documents.dimension());
        let expected = maxsim(&query, &decoded.unwrap());
        let scores = maxsim_compressed(&query, &codec.compress(&documents).unwrap());
        assert_scores(&scores, &expected, 1e-4, 1e-5, codec.name());
    }
}

fn assert_scores(scores: &[f32], expected: &[f32], relative: f32, absolute: f32, what: &str) {
    assert_eq!(scores.len(), expected.len(), "{what}");
    for (score, expected) in scores.iter().zip(expected) {
        let limit = (relative * expected.abs()).max(absolute);
        assert!((score - expected).abs() <= limit, "{what}: {score} is not {expected}");
    }
}

/// With as many centroids as fast-plaid makes of the same tokens: what comes back of other tokens is as near.
#[test]
fn a_codec_of_our_own_loses_no_more_than_theirs() {
    let of = |name: &str, lengths: Vec<usize>| {
        let values = numbers(name, Dtype::F16, |bytes| f16::from_le_bytes(bytes).to_f32());
        TokenEmbeddings::from_parts(values, lengths, 32).unwrap()
    };
    let (sample, others) = (of("sample", vec![20; 60]), of("others", vec![300]));
    let stored = Codec::F32.compress(&sample).unwrap();
    for nbits in NBITS {
        let options = TrainOptions { nbits, ..TrainOptions::default() };
        let codec = block_on(ResidualCodec::train(&stored, &options, &mut Unobserved)).unwrap();
        let count = codes(&format!("sample.{nbits}.centroids"))[0];
        assert_eq!(codec.centroid_count(), count as usize);
        let decoded = Codec::Residual(Arc::new(codec)).compress(&others).unwrap().decompress();
        let error = mean_error(others.values(), decoded.values());
        let theirs = floats(&format!("sample.{nbits}.errors"));
        let least = theirs.iter().copied().fold(f32::INFINITY, f32::min);
        println!("{nbits} bits: mean squared error {error}, theirs {theirs:?}");
        assert!(error < 1.02 * least, "{nbits} bits: {error}, and theirs {theirs:?}");
    }
}

/// Mean squared distance of tokens of 32 numbers.
fn mean_error(values: &[f32], decoded: &[f32]) -> f32 {
    let squares = values.iter().zip(decoded).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f32>() / (values.len() / 32) as f32
}

/// The lists of `examples/python/tabrank_vectors.py`: read, decoded as it decodes them, and made of the same embeddings bit by bit.
#[test]
fn lists_that_numpy_wrote_are_read_and_made() {
    let folder = fixtures().join("vectors");
    let expected: Value =
        serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let list = |value: &Value| -> TokenEmbeddings {
        let mut embeddings = TokenEmbeddings::new(20);
        for document in value.as_array().unwrap() {
            let numbers = document.as_array().unwrap().iter();
            embeddings
                .push(&numbers.map(|number| number.as_f64().unwrap() as f32).collect::<Vec<_>>());
        }
        embeddings
    };
    let bytes = fs::read(folder.join("codec.safetensors")).unwrap();
    let codec = Arc::new(ResidualCodec::read("codec", &bytes).unwrap());
    assert_eq!(codec.id(), expected["codecId"]);
    for name in Codec::NAMES {
        let bytes = fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let file = EmbeddingsFile::read(name, &bytes, std::slice::from_ref(&codec)).unwrap();
        assert_eq!(file.info.embedding_id.as_deref(), expected["embeddingId"].as_str());
        let decoded = list(&expected["lists"][name]["decompressed"]);
        assert_eq!(file.embeddings.lengths(), decoded.lengths());
        assert_close(file.embeddings.decompress().values(), decoded.values(), 1e-6, name);
        let made = file.embeddings.codec().compress(&list(&expected["values"])).unwrap();
        assert_eq!(made, file.embeddings, "{name}");
    }
}

/// The bits are sentence-transformers' `ubinary`, and a first pass over them scores as its numbers do with bits of −1 and 1, but for a factor.
#[test]
fn a_first_pass_over_signs_scores_as_the_reference() {
    let folder = common::fixtures().join("visual/binary");
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let file = fs::read(folder.join("expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let bytes = |name: String| tensors.tensor(&name).unwrap().data().to_vec();
    let floats = |name: String| -> Vec<f32> {
        let bytes = bytes(name);
        bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
    };
    for case in expected["cases"].as_array().unwrap() {
        let (dimension, page) = (case["dimension"].as_u64().unwrap() as usize, &case["page"]);
        let query = floats(format!("{dimension}.query"));
        let mut pages = TokenEmbeddings::new(dimension);
        pages.push(&floats(format!("{dimension}.page.{page}")));
        let signs = Codec::Binary.compress(&pages).unwrap();
        let Rows::Binary(bits) = signs.rows() else { panic!("they are bits") };
        assert_eq!(*bits, bytes(format!("{dimension}.page.{page}.bits")));
        let found = maxsim_compressed(&query, &signs)[0] * (dimension as f32).sqrt();
        let signed = case["signed"].as_f64().unwrap() as f32;
        assert!((found - signed).abs() < 1e-4, "{found} and {signed} of {case}");
    }
}
