//! XLM-RoBERTa with rotary positions, whose two classes call its fields and tensors by different names.

mod common;

use std::collections::BTreeMap;

use burn::tensor::Device;
use common::Fixture;
use common::crafted::{Raw, read_tensors, write_tensors};
use pollster::block_on;
use serde_json::{Value, json};
use tabrank::encoder::{Encoder, Unwatched};
use tabrank::model::checkpoint::Weights;
use tabrank::model::config::{EncoderConfig, Naming, Positions};
use tabrank::{CheckpointFiles, ModelConfig, TokenBatch, Unobserved};

const WEIGHTS: &str = "model.safetensors";

/// As `modeling_jina_embeddings_v3.py` names them, in the fixture's order of Jina's.
const NATIVE: &[(&str, &str)] = &[
    ("emb_ln", "embeddings.LayerNorm"),
    ("encoder.layers", "layers"),
    ("mixer.out_proj", "self_attn.o_proj"),
    ("norm1", "post_attention_layernorm"),
    ("norm2", "post_mlp_layernorm"),
];

/// Fields to set, or `gone`.
type Fields<'a> = &'a [(&'a str, Value)];

#[test]
fn names_are_those_of_jina_s_code_or_of_transformers() {
    let jina = Fixture::read("jina").files;
    // transformers writes the names of Jina's code under its own `model_type`.
    let saved = changed(jina.clone(), "config.json", native_config);
    let mut native = saved.clone();
    let tensors = read_tensors(native.get(WEIGHTS).unwrap());
    native.insert(WEIGHTS, write_tensors(&native_names(tensors))).unwrap();
    let expected = last_hidden_states(&jina, Naming::Jina);
    assert_eq!(last_hidden_states(&saved, Naming::Jina), expected);
    assert_eq!(last_hidden_states(&native, Naming::JinaEmbeddingsV3), expected);
}

/// Readers take `rope_theta` first; the defaults are those of the classes.
#[test]
fn the_base_is_the_file_s_and_a_default_is_warned_of() {
    let rope = |theta: f64| json!({"rope_type": "default", "rope_theta": theta});
    let cases: [(Fields, bool, f64); 7] = [
        (&[], false, 500.0),
        (&[("rope_theta", json!(700.0))], false, 700.0),
        (&[("rotary_emb_base", Value::Null), ("rope_theta", json!(700.0))], false, 700.0),
        (&[("rope_theta", json!(700.0)), ("rope_parameters", rope(900.0))], false, 900.0),
        (&[("rotary_emb_base", json!("gone"))], false, 10_000.0),
        (&[("rope_theta", json!("gone"))], true, 20_000.0),
        (&[("rope_parameters", rope(900.0))], true, 900.0),
    ];
    for (fields, native, expected) in cases {
        let files = changed(Fixture::read("jina").files, "config.json", |config| {
            if native {
                native_config(config);
                config.as_object_mut().unwrap().remove("rope_parameters");
            }
            for (name, value) in fields {
                match value == "gone" {
                    true => drop(config.as_object_mut().unwrap().remove(*name)),
                    false => config[*name] = value.clone(),
                }
            }
        });
        let config = ModelConfig::from_files(&files).unwrap();
        let EncoderConfig::Bert(bert) = &config.encoder else {
            panic!("{:?}", config.encoder);
        };
        let Positions::Rotary { base, .. } = bert.positions else {
            panic!("{fields:?}: {:?}", bert.positions);
        };
        assert_eq!(base, expected, "{fields:?}");
        let warned = config.warnings.iter().any(|w| w.message.contains(&expected.to_string()));
        assert_eq!(warned, [10_000.0, 20_000.0].contains(&expected), "{:?}", config.warnings);
    }
}

/// Stanford's own code would not attend; all who run these models have them attend.
#[test]
fn queries_are_attended_to_in_full_where_the_file_is_silent() {
    let attend = |value: Option<bool>| {
        let files = changed(Fixture::read("jina").files, "artifact.metadata", |metadata| {
            let metadata = metadata.as_object_mut().unwrap();
            metadata.remove("attend_to_mask_tokens");
            metadata.extend(value.map(|value| ("attend_to_mask_tokens".to_owned(), json!(value))));
        });
        let config = ModelConfig::from_files(&files).unwrap();
        let says = |w: &tabrank::Warning| w.message.contains("attend_to_mask_tokens");
        let warned = config.warnings.iter().any(says);
        (config.text.query_expansion.unwrap().attend, warned)
    };
    assert_eq!(attend(None), (true, true));
    assert_eq!(attend(Some(true)), (true, false));
    assert_eq!(attend(Some(false)), (false, false));
}

fn native_config(config: &mut Value) {
    let fields = config.as_object_mut().unwrap();
    fields.remove("position_embedding_type");
    let base = fields.remove("rotary_emb_base").unwrap();
    fields.insert("model_type".to_owned(), json!("jina_embeddings_v3"));
    fields
        .insert("rope_parameters".to_owned(), json!({"rope_type": "default", "rope_theta": base}));
}

fn native_names(tensors: BTreeMap<String, Raw>) -> BTreeMap<String, Raw> {
    let mut named = BTreeMap::new();
    for (name, (dtype, shape, bytes)) in tensors {
        let name = NATIVE.iter().fold(name, |name, (jina, native)| name.replace(jina, native));
        if !name.contains("mixer.Wqkv") {
            named.insert(name, (dtype, shape, bytes));
            continue;
        }
        let rows = shape[0] / 3;
        for (part, bytes) in ["q", "k", "v"].iter().zip(bytes.chunks_exact(bytes.len() / 3)) {
            let name = name.replace("mixer.Wqkv", &format!("self_attn.{part}_proj"));
            let shape = std::iter::once(rows).chain(shape[1..].iter().copied()).collect();
            named.insert(name, (dtype, shape, bytes.to_vec()));
        }
    }
    named
}

fn last_hidden_states(files: &CheckpointFiles, naming: Naming) -> Vec<f32> {
    let config = ModelConfig::from_files(files).unwrap().encoder;
    let EncoderConfig::Bert(bert) = &config else {
        panic!("{config:?}");
    };
    assert_eq!(bert.naming, naming);
    let weights = Weights::open(files, &[WEIGHTS.to_owned()]).unwrap();
    let device = Device::flex();
    let encoder = block_on(Encoder::load(&config, weights, &device, &mut Unobserved)).unwrap();
    let ids: Vec<u32> = (4..24).collect();
    let (attention_mask, lengths) = (vec![true; ids.len()], vec![ids.len()]);
    let types = vec![0; ids.len()];
    let batch = TokenBatch { ids, attention_mask, types, lengths, ..TokenBatch::default() };
    let states = block_on(encoder.forward(&batch, &mut Unwatched, &mut Unobserved)).unwrap();
    states.into_data().try_to_vec().unwrap()
}

fn changed(
    mut files: CheckpointFiles,
    name: &str,
    change: impl FnOnce(&mut Value),
) -> CheckpointFiles {
    let mut value: Value = serde_json::from_slice(files.get(name).unwrap()).unwrap();
    change(&mut value);
    files.insert(name, value.to_string().into_bytes()).unwrap();
    files
}
