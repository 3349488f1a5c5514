//! Weights that are no numbers, and weights so large that a number on the way is infinite: every surface refuses, in every weight
//! type and at conversion, wherever in the model it is.

mod common;

use std::collections::BTreeMap;

use common::crafted::{
    Crafted, Raw, SHARD, converted, f32_tensor, floats, read_tensors, write_tensors,
};
use common::{Fixture, load};
use half::{bf16, f16};
use pollster::block_on;
use safetensors::Dtype as Stored;
use tabrank::{
    CheckpointFiles, ConvertOptions, Dtype, Error, LoadOptions, Pooling, RerankOptions, Reranker,
    Source, TextKind, Unobserved, convert,
};

type Weights = BTreeMap<String, Raw>;

/// The tensors that are made larger together, without `.weight`, and by how much: the values stay finite.
type Harm = &'static [(&'static [&'static str], f32)];

const BERT: Harm = &[
    (&["encoder.layer.0.attention.self.query", "encoder.layer.0.attention.self.key"], 1e22),
    (&["encoder.layer.1.attention.self.query", "encoder.layer.1.attention.self.key"], 1e22),
    (&["encoder.layer.1.attention.self.value", "encoder.layer.1.attention.output.dense"], 1e22),
    (&["encoder.layer.1.attention.output.dense"], 1e25),
    (&["encoder.layer.0.intermediate.dense"], 1e37),
    (&["encoder.layer.1.output.dense"], 1e25),
    (&["embeddings.LayerNorm"], 1e25),
    (&["encoder.layer.0.attention.output.LayerNorm"], 1e25),
    (&["encoder.layer.1.output.LayerNorm"], 1e25),
    (&["linear"], 1e25),
];

const MODERNBERT: Harm = &[
    (&["layers.0.attn.Wqkv"], 1e22),
    (&["layers.3.attn.Wqkv"], 1e22),
    (&["layers.1.attn.Wo"], 1e25),
    (&["layers.0.mlp.Wi"], 1e37),
    (&["layers.3.mlp.Wo"], 1e25),
    (&["embeddings.norm"], 1e25),
    (&["layers.1.attn_norm"], 1e25),
    (&["layers.3.mlp_norm"], 1e25),
    (&["final_norm"], 1e25),
    (&["linear"], 1e25),
];

/// Multiplies a matrix or a LayerNorm's weight, however it is stored; half floats cannot hold it, so that the bias does there.
fn enlarge(tensors: &mut Weights, name: &str, factor: f32) {
    let own = |suffix: &str| {
        tensors.keys().find(|key| key.ends_with(&format!("{name}.{suffix}"))).cloned()
    };
    // Products of one input share their equalizer.
    let first = if name.contains(".self.") { "weight.scale" } else { "weight.equalizer" };
    let places = [first, "weight.scale", "weight", "bias"].map(own);
    let place = places.into_iter().flatten().find(|key| tensors[key].0 == Stored::F32);
    let place = place.unwrap_or_else(|| panic!("{name} has nothing that can hold {factor}"));
    let (shape, values) = (tensors[&place].1.clone(), floats(&tensors[&place]));
    let least = values.iter().map(|value| value.abs()).fold(f32::MIN_POSITIVE, f32::max);
    // A bias may be zero.
    let value = |value: f32| if value == 0.0 { least.max(1e-3) * factor } else { value * factor };
    let values: Vec<f32> = values.into_iter().map(value).collect();
    assert!(values.iter().all(|value| value.is_finite()), "{place} must be taken");
    tensors.insert(place, f32_tensor(shape, &values));
}

/// Half floats as f32, which can hold any factor.
fn widen(tensor: &mut Raw) {
    if tensor.0 == Stored::F16 {
        let halves = tensor.2.as_chunks::<2>().0;
        let values: Vec<f32> = halves.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect();
        *tensor = f32_tensor(tensor.1.clone(), &values);
    }
}

fn assert_refused(model: &Reranker, case: &str) {
    let refused = |error: Error| assert_eq!(error.code(), "NON_FINITE", "{case}: {error}");
    let options = RerankOptions { explain: true, ..RerankOptions::default() };
    refused(block_on(model.rerank("oil", &["war"], &options, &mut Unobserved)).expect_err(case));
    for kind in [TextKind::Query, TextKind::Document] {
        let mut observer = Unobserved;
        let encoded = model.encode(kind, &["the price of war"], Pooling::None, &mut observer);
        refused(block_on(encoded).expect_err(case));
    }
}

#[test]
fn a_bundle_of_any_type_is_refused_when_it_computes() {
    for (name, harm) in [("pylate", BERT), ("stanford", BERT), ("modernbert-stanford", MODERNBERT)]
    {
        let files = Fixture::read(name).files;
        for dtype in Dtype::ALL {
            let bundle = Crafted::new(converted(&files, dtype));
            for (parts, factor) in harm {
                if dtype == Dtype::F16 && *parts == ["linear"] {
                    // Neither its half floats nor a bias, which it has not, can hold the factor.
                    continue;
                }
                let harmed = bundle.clone().tensors(|tensors| {
                    parts.iter().for_each(|part| enlarge(tensors, part, *factor));
                });
                let case = format!("{name}, {}, {parts:?}", dtype.name());
                assert_refused(&load(&harmed.open().unwrap()), &case);
            }
        }
    }
}

#[test]
fn a_checkpoint_is_refused_when_it_computes_and_by_every_conversion() {
    let body = |name, harm: Harm| harm.iter().map(move |harm| (name, harm));
    let cases = body("stanford", BERT).chain(body("modernbert-stanford", MODERNBERT));
    for (name, (parts, factor)) in cases {
        let mut files = Fixture::read(name).files;
        let mut tensors = read_tensors(files.get("model.safetensors").unwrap());
        tensors.values_mut().for_each(widen);
        parts.iter().for_each(|part| enlarge(&mut tensors, part, *factor));
        files.insert("model.safetensors", write_tensors(&tensors)).unwrap();
        assert_refused(&load(&files), &format!("{name} {parts:?}"));
        for dtype in Dtype::ALL {
            let options =
                ConvertOptions { dtype, source: Source::default(), overrides: Default::default() };
            let error = block_on(convert(files.clone(), &options, &mut Unobserved)).unwrap_err();
            assert_eq!(error.code(), "NON_FINITE", "{parts:?} to {}: {error}", dtype.name());
        }
    }
}

/// Puts a value into the middle of a tensor of numbers; false if it is one of codes.
fn spoil((stored, _, bytes): &mut Raw, value: f32) -> bool {
    let half = |bits: u16| bits.to_le_bytes().to_vec();
    let value = match stored {
        Stored::F32 => value.to_le_bytes().to_vec(),
        Stored::F16 => half(f16::from_f32(value).to_bits()),
        Stored::BF16 => half(bf16::from_f32(value).to_bits()),
        _ => return false,
    };
    let place = bytes.len() / value.len() / 2 * value.len();
    bytes[place..place + value.len()].copy_from_slice(&value);
    true
}

fn assert_names(files: CheckpointFiles, name: &str, value: f32) {
    let loaded = block_on(Reranker::load(files, &LoadOptions::default(), &mut Unobserved));
    let error = loaded.err().unwrap_or_else(|| panic!("{value} in {name} was taken")).to_string();
    assert!(error.contains(&format!("tensor {name} ")), "{value} in {name}: {error}");
}

#[test]
fn a_value_that_is_no_number_is_refused_by_the_name_of_its_tensor() {
    let files = Fixture::read("pylate").files;
    for dtype in Dtype::ALL {
        let bundle = Crafted::new(converted(&files, dtype));
        for name in read_tensors(&bundle.files[SHARD]).keys() {
            let is_factor = name.ends_with("equalizer") || name.ends_with("scale");
            let mut values = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
            if is_factor && read_tensors(&bundle.files[SHARD])[name].0 == Stored::F32 {
                values.extend([0.0, -0.0, -1.0, 1e-40]);
            }
            for value in values {
                let mut number = false;
                let spoilt = bundle.clone().tensors(|tensors| {
                    number = spoil(tensors.get_mut(name).unwrap(), value);
                });
                if number {
                    match spoilt.open() {
                        Ok(files) => assert_names(files, name, value),
                        Err(error) => assert!(error.to_string().contains(name), "{error}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_checkpoint_of_any_type_is_refused_by_the_name_of_the_tensor() {
    for name in ["plain", "f16", "bf16"] {
        let files = Fixture::read(name).files;
        for file in ["model", "model-00001-of-00002", "model-00002-of-00002", "1_Dense/model"] {
            let file = format!("{file}.safetensors");
            let tensors = files.get(&file).map(read_tensors).unwrap_or_default();
            let unread = |name: &str| name.contains("pooler") || name.ends_with("position_ids");
            for tensor in tensors.keys().filter(|tensor| !unread(tensor)) {
                let mut spoilt = tensors.clone();
                assert!(spoil(spoilt.get_mut(tensor).unwrap(), f32::INFINITY), "{tensor}");
                let mut files = files.clone();
                files.insert(&file, write_tensors(&spoilt)).unwrap();
                assert_names(files, tensor, f32::INFINITY);
            }
        }
    }
}
