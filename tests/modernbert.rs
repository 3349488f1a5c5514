//! `config.json` of a ModernBERT: every spelling as transformers' own class reads it, and what is refused.

mod common;

use common::Fixture;
use serde_json::{Value, json};
use tabrank::model::config::{Activation, EncoderConfig, ModernBertConfig};
use tabrank::{Error, ModelConfig, Warning};

/// The configuration of a folder whose `config.json` says this, and the warnings.
fn read(fields: &Value) -> Result<(ModernBertConfig, Vec<Warning>), Error> {
    let mut files = Fixture::read("plain").files;
    let mut fields = fields.clone();
    fields["model_type"] = json!("modernbert");
    files.insert("config.json", fields.to_string().into_bytes()).unwrap();
    let config = ModelConfig::from_files(&files)?;
    match config.encoder {
        EncoderConfig::ModernBert(encoder) => Ok((encoder, config.warnings)),
        other => panic!("{} is no ModernBERT", other.name()),
    }
}

fn activation(config: &ModernBertConfig) -> &'static str {
    match config.hidden_activation {
        Activation::Gelu => "gelu",
        Activation::Silu => "silu",
        other => panic!("no case has {other:?}"),
    }
}

/// By `tests/reference/modernbert.py`.
#[test]
fn every_spelling_is_read_as_transformers_reads_it() {
    let cases = std::fs::read(common::fixtures().join("modernbert.json")).unwrap();
    let cases: Vec<(Value, Value)> = serde_json::from_slice(&cases).unwrap();
    assert_eq!(cases.len(), 18);
    for (fields, expected) in cases {
        let (config, _) = read(&fields).unwrap_or_else(|error| panic!("{fields}: {error}"));
        let layers: Vec<(f64, Option<usize>)> = (0..config.num_hidden_layers)
            .map(|layer| (config.rope_theta(layer), config.window(layer)))
            .collect();
        let bases: Vec<(f64, Option<usize>)> =
            serde_json::from_value(expected["layers"].clone()).unwrap();
        assert_eq!(layers, bases, "{fields}");
        let found = json!({
            "hidden_size": config.hidden_size,
            "num_hidden_layers": config.num_hidden_layers,
            "num_attention_heads": config.num_attention_heads,
            "intermediate_size": config.intermediate_size,
            "vocab_size": config.vocab_size,
            "max_position_embeddings": config.max_position_embeddings,
            "norm_eps": config.norm_eps,
            "hidden_activation": activation(&config),
            "norm_bias": config.norm_bias,
            "attention_bias": config.attention_bias,
            "mlp_bias": config.mlp_bias,
            "layers": expected["layers"],
        });
        assert_eq!(found, expected, "{fields}");
    }
}

/// So says `ModernBertEncoderLayer` of transformers 4.57; version 5 cannot compute such a file.
#[test]
fn a_local_base_of_null_is_the_global_one() {
    let (config, _) = read(&json!({"global_rope_theta": 7e4, "local_rope_theta": null})).unwrap();
    assert_eq!((config.rope_theta(0), config.rope_theta(1)), (7e4, 7e4));
}

#[test]
fn each_default_is_said() {
    let (_, warnings) = read(&json!({})).unwrap();
    for (field, value) in [
        ("hidden_size", "768"),
        ("num_hidden_layers", "22"),
        ("num_attention_heads", "12"),
        ("intermediate_size", "1152"),
        ("vocab_size", "50368"),
        ("max_position_embeddings", "8192"),
        ("norm_eps", "0.00001"),
        ("hidden_activation", "gelu"),
        ("norm_bias", "false"),
        ("attention_bias", "false"),
        ("mlp_bias", "false"),
        ("local_attention", "128"),
        ("global_attn_every_n_layers", "3"),
        ("global_rope_theta", "160000"),
        ("local_rope_theta", "10000"),
    ] {
        let says = format!("does not say {field}; the reference libraries take {value},");
        let said =
            warnings.iter().any(|w| w.code == "SETTING_DEFAULTED" && w.message.contains(&says));
        assert!(said, "{field}: {warnings:?}");
    }
    let all = json!({"layer_types": vec!["full_attention"; 22]});
    let warnings = read(&all).unwrap().1;
    assert!(warnings.iter().all(|w| !w.message.contains("every_n_layers")), "{warnings:?}");
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    let rope = |kind: &str| json!({kind: {"rope_type": "default", "rope_theta": 7e4}});
    for (fields, culprit) in [
        (
            json!({"global_rope_theta": 6e4, "rope_parameters": rope("full_attention")}),
            "global_rope_theta is 60000, and rope_parameters.full_attention.rope_theta 70000",
        ),
        (
            json!({"local_rope_theta": 6e4, "rope_parameters": rope("sliding_attention")}),
            "local_rope_theta is 60000, and rope_parameters.sliding_attention.rope_theta 70000",
        ),
        (
            json!({"num_hidden_layers": 2, "layer_types": ["full_attention", "full_attention"],
                   "global_attn_every_n_layers": 2}),
            "global_attn_every_n_layers is 2, and layer_types says otherwise",
        ),
        (
            json!({"num_hidden_layers": 2, "layer_types": ["full_attention"]}),
            "layer_types has 1 entries for num_hidden_layers 2",
        ),
        (json!({"sliding_window": 32}), "sliding_window is 32, not half of local_attention 128"),
        (json!({"head_dim": 32}), "head_dim is 32; hidden_size and num_attention_heads make 64"),
    ] {
        let error = read(&fields).unwrap_err();
        assert_eq!(error.code(), "CHECKPOINT_INVALID", "{error}");
        assert!(error.to_string().contains(culprit), "{error}, not {culprit}");
    }
}

#[test]
fn values_out_of_range_and_other_kinds_are_refused_by_name() {
    let full = |field: &str, value: Value| json!({"full_attention": {field: value}});
    let cases = [
        ("num_attention_heads", json!(5), "CHECKPOINT_INVALID"),
        ("num_attention_heads", json!(256), "CHECKPOINT_INVALID"),
        ("hidden_size", json!(8192), "CHECKPOINT_UNSUPPORTED"),
        ("num_hidden_layers", json!(65), "CHECKPOINT_UNSUPPORTED"),
        ("intermediate_size", json!(1e9), "CHECKPOINT_UNSUPPORTED"),
        ("vocab_size", json!(4_000_000_000u64), "CHECKPOINT_UNSUPPORTED"),
        ("max_position_embeddings", json!(0), "CHECKPOINT_INVALID"),
        ("max_position_embeddings", json!(1e12), "CHECKPOINT_UNSUPPORTED"),
        ("local_attention", json!(0), "CHECKPOINT_INVALID"),
        ("local_attention", json!(-1), "CHECKPOINT_INVALID"),
        ("local_attention", json!(1e9), "CHECKPOINT_UNSUPPORTED"),
        ("global_attn_every_n_layers", json!(0), "CHECKPOINT_INVALID"),
        ("global_attn_every_n_layers", Value::Null, "CHECKPOINT_INVALID"),
        ("global_attn_every_n_layers", json!(2.5), "CHECKPOINT_INVALID"),
        ("norm_eps", json!(0), "CHECKPOINT_INVALID"),
        ("norm_eps", Value::Null, "CHECKPOINT_INVALID"),
        ("norm_bias", Value::Null, "CHECKPOINT_INVALID"),
        ("norm_bias", json!("false"), "CHECKPOINT_INVALID"),
        ("hidden_activation", json!("prelu"), "CHECKPOINT_UNSUPPORTED"),
        ("layer_types", json!(vec!["chunked_attention"; 22]), "CHECKPOINT_UNSUPPORTED"),
        ("layer_types", json!("full_attention"), "CHECKPOINT_INVALID"),
        ("global_rope_theta", Value::Null, "CHECKPOINT_INVALID"),
        ("global_rope_theta", json!(0), "CHECKPOINT_INVALID"),
        ("local_rope_theta", json!(-1e4), "CHECKPOINT_INVALID"),
        ("local_rope_theta", json!(1e300), "CHECKPOINT_INVALID"),
        ("local_rope_theta", json!("10000"), "CHECKPOINT_INVALID"),
        ("rope_scaling", json!({"type": "yarn", "factor": 4.0}), "CHECKPOINT_UNSUPPORTED"),
        ("rope_scaling", json!({"rope_theta": 5e3}), "CHECKPOINT_UNSUPPORTED"),
        ("rope_scaling", json!("yarn"), "CHECKPOINT_INVALID"),
        ("rope_parameters", json!({"rope_theta": 1e4}), "CHECKPOINT_UNSUPPORTED"),
        ("rope_parameters", full("rope_type", json!("linear")), "CHECKPOINT_UNSUPPORTED"),
        ("rope_parameters", full("factor", json!(2.0)), "CHECKPOINT_UNSUPPORTED"),
        ("rope_parameters", full("rope_theta", Value::Null), "CHECKPOINT_INVALID"),
        ("rope_parameters", full("rope_theta", json!(0.5)), "CHECKPOINT_INVALID"),
    ];
    for (field, value, code) in cases {
        let error = read(&json!({field: value})).expect_err(&format!("{field}: {value}"));
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(&format!("config.json: {field}")), "{error}");
    }
}
