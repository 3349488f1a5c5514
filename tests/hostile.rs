//! Damaged and hostile checkpoint files: each is refused with an error that names the culprit, and
//! nothing panics, whatever the bytes. `hostile_tokenizer` has those of the tokenizer.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::crafted::{Crafted, MANIFEST, Raw, converted, f32_tensor, read_tensors, write_tensors};
use common::{Fixture, fixtures, gather, load};
use pollster::block_on;
use proptest::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use tabrank::model::checkpoint::BertArchitecture;
use tabrank::model::config::{Activation, BertConfig, EncoderConfig, Naming, Positions};
use tabrank::{
    CheckpointFiles, Dtype as Stored, Error, LoadOptions, LongDocuments, ModelConfig, Pooling,
    Reranker, TextKind, Unobserved, Warning,
};

type Change = fn(&mut Value);

/// A fixture's files, one of them changed.
fn changed(case: &'static str, file: &str, change: impl FnOnce(&mut Value)) -> CheckpointFiles {
    let mut files = Fixture::read(case).files;
    let mut value: Value = serde_json::from_slice(files.get(file).unwrap()).unwrap();
    change(&mut value);
    files.insert(file, value.to_string().into_bytes()).unwrap();
    files
}

fn refusal(files: &CheckpointFiles) -> Error {
    if let Err(error) = files.wanted() {
        return error;
    }
    let loaded = block_on(Reranker::load(files.clone(), &LoadOptions::default(), &mut Unobserved));
    loaded.err().expect("the checkpoint was taken")
}

/// The error must carry `code` and mention `culprit`.
fn check(files: &CheckpointFiles, code: &str, culprit: &str) {
    let error = refusal(files);
    let text = error.to_string();
    assert_eq!(error.code(), code, "{text}");
    assert!(text.contains(culprit), "{text:?} does not mention {culprit:?}");
}

#[test]
fn config_fields_are_used_or_refused() {
    let cases: &[(&str, Value, &str)] = &[
        ("model_type", json!("gpt2"), "CHECKPOINT_UNSUPPORTED"),
        ("model_type", Value::Null, "CHECKPOINT_INVALID"),
        ("hidden_size", json!(1_000_000_000u64), "CHECKPOINT_UNSUPPORTED"),
        ("hidden_size", json!(-1), "CHECKPOINT_INVALID"),
        ("hidden_size", json!("32"), "CHECKPOINT_INVALID"),
        ("num_hidden_layers", json!(1_000_000), "CHECKPOINT_UNSUPPORTED"),
        ("num_attention_heads", json!(5), "CHECKPOINT_INVALID"),
        ("num_attention_heads", json!(0), "CHECKPOINT_INVALID"),
        ("vocab_size", json!(4_000_000_000u64), "CHECKPOINT_UNSUPPORTED"),
        ("vocab_size", json!(1e30), "CHECKPOINT_UNSUPPORTED"),
        ("vocab_size", json!(594.5), "CHECKPOINT_INVALID"),
        ("layer_norm_eps", Value::Null, "CHECKPOINT_INVALID"),
        ("layer_norm_eps", json!(-1.0), "CHECKPOINT_INVALID"),
        ("hidden_act", json!("prelu"), "CHECKPOINT_UNSUPPORTED"),
        ("position_embedding_type", json!("relative_key"), "CHECKPOINT_UNSUPPORTED"),
        ("is_decoder", json!(true), "CHECKPOINT_UNSUPPORTED"),
        ("max_position_embeddings", json!(8), "CHECKPOINT_INVALID"),
    ];
    for (field, value, code) in cases {
        let files = changed("plain", "config.json", |config| config[*field] = value.clone());
        check(&files, code, field);
    }
}

/// Before its weights are asked for, which may have gigabytes.
#[test]
fn an_architecture_that_is_not_computed_is_refused_by_name() {
    for name in ["lfm2", "qwen3", "gpt2"] {
        let folder = fixtures().join("pylate/checkpoint");
        let mut asked = Vec::new();
        let found = gather(|file| {
            asked.push(file.to_owned());
            let bytes = std::fs::read(folder.join(file)).ok()?;
            let mut config: Value = serde_json::from_slice(&bytes).unwrap();
            if file == "config.json" {
                config["model_type"] = json!(name);
            }
            Some(config.to_string().into_bytes())
        });
        let error = found.unwrap_err();
        assert_eq!(error.code(), "CHECKPOINT_UNSUPPORTED");
        assert_eq!(
            error.to_string(),
            format!(
                "config.json: model_type {name:?} is not supported; bert, camembert, distilbert, jina_embeddings_v3, modernbert, roberta \
                 and xlm-roberta are"
            )
        );
        assert!(asked.iter().all(|file| !file.ends_with(".safetensors")), "{asked:?}");
    }
}

/// A fixture's files, handed over as they are asked for, `missing` not among them.
fn without(case: &str, missing: &str) -> tabrank::Result<CheckpointFiles> {
    let folder = fixtures().join(case).join("checkpoint");
    gather(|name| std::fs::read(folder.join(name)).ok().filter(|_| name != missing))
}

#[test]
fn a_head_that_lacks_a_file_is_not_taken_for_another_model() {
    let settings = "config_sentence_transformers.json";
    let cases = [
        ("pylate", "modules.json"),
        ("pylate", settings),
        ("pylate-old", settings),
        ("pylate", "1_Dense/config.json"),
        ("sentence-transformers", settings),
        ("sentence-transformers-min", "sentence_bert_config.json"),
        ("sentence-transformers", "2_MultiVectorMask/config.json"),
        ("sentence-transformers", "3_Normalize/config.json"),
        ("stanford", "artifact.metadata"),
    ];
    for (case, missing) in cases {
        let found = without(case, missing);
        let error = found.map_or_else(|error| error, |files| refusal(&files));
        assert_eq!(error.code(), "CHECKPOINT_INVALID", "{case}, {missing}: {error}");
        let said = error.to_string();
        assert!(said.starts_with(&format!("the checkpoint has no {missing}")), "{said}");
        if missing != "modules.json" {
            let bundle = Crafted::new(converted(&Fixture::read(case).files, Stored::F32));
            let lacking = bundle.manifest(|manifest| {
                manifest["files"].as_array_mut().unwrap().retain(|file| file["name"] != missing);
            });
            check(&lacking.open().unwrap(), "CHECKPOINT_INVALID", missing);
        }
    }
    // As the command line can look for it.
    for case in ["pylate-old", "sentence-transformers"] {
        let mut files = without(case, "modules.json").unwrap();
        let bytes = Fixture::read(case).files.get(settings).unwrap().to_vec();
        files.insert(settings, bytes).unwrap();
        check(&files, "CHECKPOINT_INVALID", "the checkpoint has no modules.json, though");
    }
    // A folder of which only PyLate's class is left to tell.
    let files = changed("pylate", settings, |config| *config = json!({}));
    check(&files, "CHECKPOINT_INVALID", "query_prefix");
}

/// None of the files of a plain folder without `modules.json` is asked for in vain, but those that tell the layout.
#[test]
fn a_plain_folder_is_asked_for_no_settings_of_a_head() {
    let folder = fixtures().join("plain/checkpoint");
    let mut absent = Vec::new();
    let files = gather(|name| {
        let bytes = std::fs::read(folder.join(name)).ok().filter(|_| name != "modules.json");
        absent.extend(bytes.is_none().then(|| name.to_owned()));
        bytes
    });
    common::load(&files.unwrap());
    absent.retain(|name| name != "added_tokens.json");
    assert_eq!(absent, [MANIFEST, "modules.json"]);
}

/// The projection among the weights shows whose they are.
#[test]
fn a_stanford_checkpoint_is_not_taken_for_a_plain_encoder() {
    let architectures = [json!(["BertModel"]), json!(["ColBERT"]), json!([]), Value::Null];
    for value in architectures {
        let files = changed("stanford", "config.json", |config| config["architectures"] = value);
        check(&files, "CHECKPOINT_INVALID", "config.json: architectures");
        check(&files, "CHECKPOINT_INVALID", "linear.weight");
        check(&files, "CHECKPOINT_INVALID", "artifact.metadata");
    }
    let removed = changed("stanford", "config.json", |config| {
        config.as_object_mut().unwrap().remove("architectures");
    });
    check(&removed, "CHECKPOINT_INVALID", "linear.weight");
    let [own, stray] = ["stanford", "plain"].map(|case| fixtures().join(case).join("checkpoint"));
    let files = gather(|name| {
        std::fs::read(own.join(name)).or_else(|_| std::fs::read(stray.join(name))).ok()
    });
    check(&files.unwrap(), "CHECKPOINT_INVALID", "modules.json: the list has no module for linear");
}

/// As the libraries do, which read an absent file as an empty one.
#[test]
fn a_file_that_the_libraries_can_do_without_is_said_to_be_absent() {
    for (case, missing) in [
        ("bi-encoder", "config_sentence_transformers.json"),
        ("bi-encoder", "sentence_bert_config.json"),
        ("plain", "sentence_bert_config.json"),
        ("pylate", "sentence_bert_config.json"),
    ] {
        let mut found = ModelConfig::from_files(&without(case, missing).unwrap()).unwrap();
        let empty = changed(case, missing, |value| *value = json!({}));
        let empty = ModelConfig::from_files(&empty).unwrap();
        let says = |w: &&Warning| w.code == "SETTING_DEFAULTED" && w.message.contains(missing);
        assert_eq!(found.warnings.iter().filter(says).count(), 1, "{:?}", found.warnings);
        found.warnings.clone_from(&empty.warnings);
        assert_eq!(found, empty, "{case} without {missing}");
    }
    let files = changed("bi-encoder", "modules.json", |modules| {
        modules[3]["type"] = json!("sentence_transformers.base.modules.normalize.Normalize");
    });
    let warnings = ModelConfig::from_files(&files).unwrap().warnings;
    let says = |w: &&Warning| w.message.contains("3_Normalize/config.json is absent");
    assert_eq!(warnings.iter().filter(says).count(), 1, "{warnings:?}");
}

/// A fixture with one more tensor among its backbone's.
fn with_tensor(case: &'static str, name: &str, tensor: Raw) -> CheckpointFiles {
    let mut files = Fixture::read(case).files;
    let mut weights = read_tensors(files.get("model.safetensors").unwrap());
    weights.insert(name.to_owned(), tensor);
    files.insert("model.safetensors", write_tensors(&weights)).unwrap();
    files
}

#[test]
fn weights_of_an_adapter_among_the_model_s_are_refused_by_name() {
    for name in [
        "encoder.layer.0.attention.self.query.lora_A.default.weight",
        "encoder.layer.1.output.dense.lora_B.weight",
        "embeddings.word_embeddings.lora_embedding_A.default",
    ] {
        for case in ["plain", "pylate", "stanford"] {
            let files = with_tensor(case, name, f32_tensor(vec![1, 32], &[0.5; 32]));
            check(&files, "CHECKPOINT_UNSUPPORTED", name);
            check(&files, "CHECKPOINT_UNSUPPORTED", "merge_and_unload");
        }
    }
    // As jina-embeddings-v3 has them.
    let name = "roberta.encoder.layers.0.mixer.Wqkv.parametrizations.weight.0.lora_A";
    let files = with_tensor("jina", name, f32_tensor(vec![1, 32], &[0.5; 32]));
    check(&files, "CHECKPOINT_UNSUPPORTED", name);
    check(&files, "CHECKPOINT_UNSUPPORTED", "by task");
    // What transformers leaves out, as heads for other tasks.
    let head = with_tensor("plain", "cls.predictions.bias", f32_tensor(vec![2], &[0.5; 2]));
    common::load(&head);
}

/// Of two backbones, one of them behind the prefix of a model with a head, transformers takes either, by the architecture.
#[test]
fn weights_of_two_backbones_are_refused() {
    for (case, table) in [
        ("plain", "bert.embeddings.word_embeddings.weight"),
        ("roberta-plain", "roberta.embeddings.word_embeddings.weight"),
        ("modernbert-plain", "embeddings.tok_embeddings.weight"),
    ] {
        let files = with_tensor(case, table, f32_tensor(vec![1, 32], &[0.5; 32]));
        check(&files, "CHECKPOINT_INVALID", "the weights of two backbones");
        check(&files, "CHECKPOINT_INVALID", table);
    }
}

#[test]
fn an_index_of_no_weights_is_refused_by_its_field() {
    const INDEX: &str = "model.safetensors.index.json";
    let cases: [(Change, &str); 4] = [
        (|index| index["weight_map"] = json!({}), "weight_map names no file"),
        (|index| index["weight_map"] = Value::Null, "weight_map is missing"),
        (
            |index| index["weight_map"]["a"] = json!("pytorch_model.bin"),
            "weight_map.a is said to be in pytorch_model.bin",
        ),
        (
            |index| index["weight_map"]["a"] = json!("config.json"),
            "weight_map.a is said to be in config.json",
        ),
    ];
    for (change, culprit) in cases {
        let files = changed("f16", INDEX, change);
        check(&files, "CHECKPOINT_INVALID", &format!("{INDEX}: {culprit}"));
    }
}

#[test]
fn a_tensor_in_two_files_is_refused_with_both() {
    let mut files = Fixture::read("f16").files;
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let first = files.get(names[0]).unwrap().to_vec();
    files.insert(names[1], first).unwrap();
    check(&files, "CHECKPOINT_INVALID", &format!("{}: tensor ", names[1]));
    check(&files, "CHECKPOINT_INVALID", &format!("is in {} too", names[0]));
}

/// Behind the Transformer PyLate takes Dense modules, and makes one of random numbers where there is none.
#[test]
fn a_pylate_folder_without_its_projection_is_refused() {
    let without = changed("pylate", "modules.json", |modules| {
        modules.as_array_mut().unwrap().truncate(1);
    });
    check(&without, "CHECKPOINT_INVALID", "modules.json: the list needs a Dense module");
    for class in ["Pooling", "Normalize"] {
        let files = changed("pylate", "modules.json", |modules| {
            let class = format!("sentence_transformers.models.{class}");
            let module = json!({"name": "2", "path": "2", "type": class});
            modules.as_array_mut().unwrap().push(module);
        });
        check(&files, "CHECKPOINT_UNSUPPORTED", &format!("[2].type {class:?}"));
    }
}

/// What is wrong is said of the field that says it, by its whole name.
#[test]
fn an_error_names_who_said_it() {
    let settings = "config_sentence_transformers.json";
    let cases: &[(&'static str, &str, Change, &str)] = &[
        (
            "bi-encoder",
            settings,
            |c| c["prompts"]["query"] = json!(1),
            "config_sentence_transformers.json: prompts.query is not a string",
        ),
        (
            "pylate",
            settings,
            |c| c["prompts"] = json!({"document": 1}),
            "config_sentence_transformers.json: prompts.document is not a string",
        ),
        (
            "plain",
            "modules.json",
            |m| *m = json!({}),
            "modules.json is not valid JSON: the outermost value is not a list",
        ),
        (
            "plain",
            "modules.json",
            |m| *m = json!([]),
            "modules.json: the list needs one Transformer, as the first module",
        ),
        (
            "sentence-transformers",
            "3_Normalize/config.json",
            |c| c["module_output_name"] = json!("sentence_embedding"),
            "3_Normalize/config.json: module_output_name \"sentence_embedding\" is not supported; only what the module reads, its \
             module_input_name, is",
        ),
        (
            "plain",
            "sentence_bert_config.json",
            |c| c["max_seq_length"] = json!(100),
            "sentence_bert_config.json: max_seq_length is 100, more than the 64 tokens that max_position_embeddings of config.json leaves",
        ),
        (
            "stanford",
            "artifact.metadata",
            |c| c["doc_token_id"] = json!("[absent]"),
            "artifact.metadata: doc_token_id \"[absent]\" is not in the vocabulary of tokenizer.json",
        ),
        (
            "pylate",
            settings,
            |c| c["query_prefix"] = json!("[absent] "),
            "config_sentence_transformers.json: query_prefix \"[absent] \" is not in the vocabulary of tokenizer.json",
        ),
    ];
    for (case, file, change, said) in cases {
        assert_eq!(refusal(&changed(case, file, change)).to_string(), *said);
    }
}

#[test]
fn a_model_that_makes_no_vector_says_which_pooling_does() {
    for case in ["pylate", "stanford", "sentence-transformers"] {
        let model = Fixture::read(case).load();
        let mut observer = Unobserved;
        let encoded =
            model.encode(TextKind::Document, &["oil"], Pooling::Checkpoint, &mut observer);
        let error = block_on(encoded).unwrap_err();
        let said = "makes no single vector of a text; pooling mean and cls do";
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// At a limit a checkpoint is read, beyond it the error says the limit; the numbers are those of the README.
#[test]
fn a_limit_of_ours_is_no_fault_of_the_file() {
    let limits = [
        ("num_hidden_layers", 64),
        ("hidden_size", 4_096),
        ("num_attention_heads", 4_096),
        ("intermediate_size", 16_384),
        ("vocab_size", 1_000_000),
        ("max_position_embeddings", 8_192),
        ("type_vocab_size", 16),
    ];
    for (field, limit) in limits {
        let with =
            |value: u64| changed("plain", "config.json", |config| config[field] = json!(value));
        check(&with(limit + 1), "CHECKPOINT_UNSUPPORTED", &format!("{field} is {}", limit + 1));
        check(&with(limit + 1), "CHECKPOINT_UNSUPPORTED", &limit.to_string());
        let at_limit = ModelConfig::from_files(&with(limit));
        assert!(!matches!(at_limit, Err(Error::Limit { .. })), "{field}: {at_limit:?}");
    }
    let rows = |value: u64| {
        changed("roberta-stanford", "config.json", |config| {
            config["max_position_embeddings"] = json!(value)
        })
    };
    check(&rows(8_195), "CHECKPOINT_UNSUPPORTED", "is 8195; at most 8194");
    assert_eq!(ModelConfig::from_files(&rows(8_194)).unwrap().encoder.max_length(), 8_192);
    let modules = changed("pylate", "modules.json", |modules| {
        let entry = |name: usize| json!({"name": name.to_string(), "path": "", "type": "sentence_transformers.models.Pooling"});
        *modules = Value::Array((0..17).map(entry).collect());
    });
    check(&modules, "CHECKPOINT_UNSUPPORTED", "is 17; at most 16");
    // As many rows as LaBSE has: what is missing is the table, not the support.
    let many = changed("plain", "config.json", |config| config["vocab_size"] = json!(501_153));
    check(&many, "CHECKPOINT_INVALID", "embeddings.word_embeddings.weight");
}

/// As transformers takes an old file. The vocabulary table shows that the rest went on as it did.
#[test]
fn an_old_file_is_read_with_the_defaults_of_its_class() {
    let fields = ["layer_norm_eps", "type_vocab_size", "hidden_act"];
    let files = changed("plain", "config.json", |config| {
        fields.iter().for_each(|field| drop(config.as_object_mut().unwrap().remove(*field)));
    });
    let (old, new) = (common::load(&files), Fixture::read("plain").load());
    assert_eq!(encoded(&old), encoded(&new));
    let warnings = old.warnings();
    for (field, value) in fields.into_iter().zip(["0.000000000001", "2", "gelu"]) {
        let says = |w: &Warning| {
            w.message.contains(&format!("{field}; the reference libraries take {value},"))
        };
        assert!(warnings.iter().any(|w| w.code == "SETTING_DEFAULTED" && says(w)), "{warnings:?}");
    }
    let empty = changed("plain", "config.json", |config| *config = json!({"model_type": "bert"}));
    let encoder = ModelConfig::from_files(&empty).unwrap().encoder;
    let defaults = BertConfig {
        architecture: BertArchitecture::Bert,
        naming: Naming::Bert,
        hidden_size: 768,
        num_hidden_layers: 12,
        num_attention_heads: 12,
        intermediate_size: 3_072,
        vocab_size: 30_522,
        positions: Positions::Absolute { rows: 512, padding: None },
        type_vocab_size: Some(2),
        layer_norm_eps: 1e-12,
        hidden_act: Activation::Gelu,
    };
    assert_eq!(encoder, EncoderConfig::Bert(defaults));
}

fn encoded(model: &Reranker) -> Vec<f32> {
    let texts = ["the oil crisis of the year"];
    let mut observer = Unobserved;
    let encoded = model.encode(TextKind::Document, &texts, Pooling::None, &mut observer);
    block_on(encoded).unwrap().embeddings.values().to_vec()
}

/// Lengths and shapes come from several files, and are looked at once they are together.
#[test]
fn lengths_and_shapes_fit_each_other() {
    let sentence = "sentence_bert_config.json";
    let lengths: &[(&'static str, &str, &str, Value, &str)] = &[
        (
            "sentence-transformers-min",
            sentence,
            "query_expansion",
            json!({"strategy": "min", "length": 8192}),
            "query_expansion.length 8192",
        ),
        (
            "sentence-transformers",
            sentence,
            "query_expansion",
            json!({"strategy": "fixed", "length": 65}),
            "query_expansion.length 65",
        ),
        ("sentence-transformers", sentence, "document_length", json!(65), "document_length 65"),
        // Of its 50 rows two are not for tokens.
        (
            "roberta-pylate",
            "config_sentence_transformers.json",
            "document_length",
            json!(49),
            "max_position_embeddings leaves 48 tokens, less than document_length 49",
        ),
        ("sentence-transformers-min", sentence, "query_length", json!(7), "query_length is 7"),
        ("plain", sentence, "max_seq_length", json!(65), "max_seq_length is 65"),
        ("plain", sentence, "max_seq_length", json!(2), "query_length 2"),
        (
            "pylate",
            "config_sentence_transformers.json",
            "query_length",
            json!(65),
            "query_expansion.length 65",
        ),
        (
            "pylate",
            "config_sentence_transformers.json",
            "document_length",
            json!(65),
            "document_length 65",
        ),
        ("stanford", "artifact.metadata", "doc_maxlen", json!(65), "document_length 65"),
        ("stanford", "artifact.metadata", "dim", json!(15), "linear.weight"),
    ];
    for (case, file, field, value, culprit) in lengths {
        let files = changed(case, file, |config| {
            config.as_object_mut().unwrap().remove("query_length");
            config[*field] = value.clone();
        });
        check(&files, "CHECKPOINT_INVALID", culprit);
    }
    for shape in [json!([0, 32]), json!([16]), json!([512]), json!([]), json!([32, 16])] {
        check(&stanford_with_projection(&shape), "CHECKPOINT_INVALID", "linear.weight");
    }
}

/// Stanford's projection in another shape, without `dim` to hold it against.
fn stanford_with_projection(shape: &Value) -> CheckpointFiles {
    let mut files = changed("stanford", "artifact.metadata", |metadata| {
        metadata.as_object_mut().unwrap().remove("dim");
    });
    let values = shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product::<u64>();
    let stored = files.get("model.safetensors").unwrap();
    let tensors = safetensors::SafeTensors::deserialize(stored).unwrap();
    let bytes = vec![0u8; values as usize * 4];
    let dimensions = shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize);
    let linear = TensorView::new(Dtype::F32, dimensions.collect(), &bytes).unwrap();
    let rest = tensors.tensors().into_iter().filter(|(name, _)| name != "linear.weight");
    let all = rest.chain([("linear.weight".to_owned(), linear)]);
    let written = safetensors::serialize(all, None).unwrap();
    files.insert("model.safetensors", written).unwrap();
    files
}

#[test]
fn text_settings_are_used_or_refused() {
    let pylate = "config_sentence_transformers.json";
    let cases: &[(&'static str, &str, &str, Value, &str)] = &[
        ("pylate", pylate, "document_length", Value::Null, "CHECKPOINT_INVALID"),
        ("pylate", pylate, "query_prefix", Value::Null, "CHECKPOINT_INVALID"),
        ("pylate", pylate, "query_length", json!(1_000_000), "CHECKPOINT_UNSUPPORTED"),
        ("pylate", pylate, "query_length", json!(2), "CHECKPOINT_INVALID"),
        ("pylate", pylate, "skiplist_words", json!([1]), "CHECKPOINT_INVALID"),
        ("pylate", pylate, "prompts", json!({"query": "q: "}), "CHECKPOINT_UNSUPPORTED"),
        ("pylate", "1_Dense/config.json", "activation_function", Value::Null, "CHECKPOINT_INVALID"),
        (
            "pylate",
            "1_Dense/config.json",
            "activation_function",
            json!("os.system"),
            "CHECKPOINT_UNSUPPORTED",
        ),
        ("stanford", "artifact.metadata", "doc_maxlen", Value::Null, "CHECKPOINT_INVALID"),
        (
            "sentence-transformers",
            pylate,
            "similarity_fn_name",
            json!("xtr"),
            "CHECKPOINT_UNSUPPORTED",
        ),
        (
            "sentence-transformers",
            "2_MultiVectorMask/config.json",
            "keep_only_token_ids",
            json!([7]),
            "CHECKPOINT_UNSUPPORTED",
        ),
    ];
    for (case, file, field, value, code) in cases {
        let files = changed(case, file, |config| config[*field] = value.clone());
        let error = refusal(&files);
        assert_eq!(error.code(), *code, "{field}: {error}");
    }
    let files = changed("pylate", pylate, |config| config["query_prefix"] = json!("[Absent] "));
    check(&files, "CHECKPOINT_INVALID", "[Absent]");
    let files =
        changed("pylate", "1_Dense/config.json", |config| config["in_features"] = json!(31));
    check(&files, "CHECKPOINT_INVALID", "1_Dense");
}

/// A pooling that is not computed is no reason to refuse the checkpoint, only the call that asks for it.
#[test]
fn poolings_that_are_not_computed_are_refused_by_name() {
    let pooling = "1_Pooling/config.json";
    let cases: &[(&'static str, &str, Change, &str)] = &[
        ("plain", pooling, |c| c["pooling_mode_max_tokens"] = json!(true), "max, mean"),
        (
            "plain",
            pooling,
            |c| c["pooling_mode"] = json!("lasttoken"),
            "pooling_mode \"lasttoken\"",
        ),
        ("plain", pooling, |c| c["pooling_mode"] = json!("weightedmean"), "weightedmean"),
        ("plain", pooling, |c| c["pooling_mode"] = json!(["cls", "mean"]), "cls, mean"),
        ("bi-encoder", pooling, |c| c["include_prompt"] = json!(false), "include_prompt"),
        ("plain", "modules.json", |m| drop(m.as_array_mut().unwrap().remove(1)), "Pooling"),
    ];
    for (case, file, change, culprit) in cases {
        let model = common::load(&changed(case, file, change));
        assert_eq!(model.info().pooling, None);
        let mut observer = Unobserved;
        let encoded =
            model.encode(TextKind::Document, &["oil"], Pooling::Checkpoint, &mut observer);
        let error = block_on(encoded).unwrap_err();
        assert_eq!(error.code(), "CHECKPOINT_UNSUPPORTED");
        assert!(error.to_string().contains(culprit), "{error} does not mention {culprit}");
    }
    let taken: &[(&'static str, &str, Change, &str)] = &[
        ("plain", pooling, |c| c["pooling_mode"] = json!("cls"), "cls"),
        ("plain", pooling, |c| c["pooling_mode"] = json!(["mean"]), "mean"),
        ("plain", pooling, |c| c["pooling_mode_mean_tokens"] = json!(false), "mean"),
        ("plain", pooling, |c| c["include_prompt"] = json!(false), "mean"),
    ];
    for (case, file, change, mode) in taken {
        let model = common::load(&changed(case, file, change));
        assert_eq!(model.info().pooling, Some(*mode));
    }
}

#[test]
fn modules_are_known_and_lie_below_the_folder() {
    let modules = |change: fn(&mut Value)| changed("pylate", "modules.json", change);
    check(
        &modules(|m| m[1]["type"] = json!("evil.Module")),
        "CHECKPOINT_UNSUPPORTED",
        "evil.Module",
    );
    check(&modules(|m| m[1]["path"] = json!("../../etc")), "CHECKPOINT_INVALID", "../../etc");
    check(&modules(|m| m[1]["path"] = json!("https://evil")), "CHECKPOINT_INVALID", "evil");
    check(&modules(|m| m[0]["type"] = m[1]["type"].clone()), "CHECKPOINT_INVALID", "Transformer");
    check(&modules(|m| m[1]["name"] = json!("0")), "CHECKPOINT_INVALID", "[1].name");
    // A class of the folder's own making, by the name of a known one.
    check(&modules(|m| m[1]["type"] = json!("mine.Dense")), "CHECKPOINT_UNSUPPORTED", "mine.Dense");
    check(&modules(|m| *m = json!([])), "CHECKPOINT_INVALID", "modules.json");
}

/// What a text costs follows from the tokens that are kept: of 16 MB only the first kilobytes are read.
#[test]
fn long_texts_cost_what_their_kept_tokens_cost() {
    let reranker = Fixture::read("sentence-transformers").load();
    for piece in [
        "oil prices rose. ",
        "a",
        " ",
        "野",
        "\u{200b}",
        "\u{301}\u{316}",
        "👍🏽",
        "\0",
        "[MASK]",
        "\u{202e}",
    ] {
        let text = piece.repeat(1_000_000 / piece.chars().count());
        let texts = [text.as_str(); 16];
        let start = Instant::now();
        let mut observer = Unobserved;
        let encoded = reranker.encode(TextKind::Document, &texts, Pooling::None, &mut observer);
        let encoded = block_on(encoded).unwrap();
        println!("{piece:?}: {:?}", start.elapsed());
        assert_eq!(encoded.embeddings.len(), 16);
        assert!(start.elapsed() < Duration::from_secs(3), "{piece:?}: {:?}", start.elapsed());
    }
}

#[test]
fn weights_are_complete_well_shaped_and_finite() {
    let bytes = Fixture::read("plain").files.get("model.safetensors").unwrap().to_vec();
    let with = |bytes: Vec<u8>| {
        let mut files = Fixture::read("plain").files;
        files.insert("model.safetensors", bytes).unwrap();
        files
    };
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let rewritten = |change: &dyn Fn(&mut Value)| {
        let mut header: Value = serde_json::from_slice(&bytes[8..8 + header_len]).unwrap();
        change(&mut header);
        let header = header.to_string().into_bytes();
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend_from_slice(&header);
        out.extend_from_slice(&bytes[8 + header_len..]);
        with(out)
    };
    let norm = "embeddings.LayerNorm.weight";
    check(&with(bytes[..bytes.len() - 1].to_vec()), "CHECKPOINT_INVALID", "model.safetensors");
    check(&with(Vec::new()), "CHECKPOINT_INVALID", "model.safetensors");
    check(
        &with([&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
        "CHECKPOINT_INVALID",
        "model.safetensors",
    );
    let files = rewritten(&|h| {
        let tensor = h.as_object_mut().unwrap().remove(norm).unwrap();
        h["other"] = tensor;
    });
    check(&files, "CHECKPOINT_INVALID", norm);
    check(&rewritten(&|h| h[norm]["shape"] = json!([1, 32])), "CHECKPOINT_INVALID", norm);
    check(&rewritten(&|h| h[norm]["dtype"] = json!("I32")), "CHECKPOINT_INVALID", norm);
    let bomb = rewritten(&|h| h[norm]["shape"] = json!([1u64 << 62, 4]));
    check(&bomb, "CHECKPOINT_INVALID", "model.safetensors");
    let header: Value = serde_json::from_slice(&bytes[8..8 + header_len]).unwrap();
    let start = 8 + header_len + header[norm]["data_offsets"][0].as_u64().unwrap() as usize;
    let mut nan = bytes.clone();
    nan[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    check(&with(nan), "CHECKPOINT_INVALID", norm);
}

/// What stands in a file's place is said, whatever the file.
#[test]
fn a_file_that_is_something_else_is_named() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "empty"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 90868376\n",
            "git lfs pull",
        ),
        (b"<!doctype html><title>404</title>", "web page"),
        (b"\n <HTML><body>", "web page"),
        (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>", "object stores"),
        (b"PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl", "ZIP"),
        (b"\x80\x02}q\x00.", "pickle"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}", "pickle"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "gzip"),
        (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "ONNX"),
        (b"\x82\xa8metadata\x84\xa5float", "Burn record"),
        (b"NRUB\x01\x00\x00\x00", "Burn record"),
        (b"GGUF\x03\x00\x00\x00", "GGUF"),
        (b"\xef\xbb\xbf{\"model_type\": \"bert\"}", "byte order mark"),
        (b"\xef\xbb\xbf<!doctype html>", "web page"),
        (b"\xff\xfe{\0}\0", "UTF-16"),
    ];
    for (bytes, what) in cases {
        for file in [
            "model.safetensors",
            "config.json",
            "modules.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "1_Pooling/config.json",
        ] {
            let mut files = Fixture::read("plain").files;
            files.insert(file, bytes.to_vec()).unwrap();
            check(&files, "CHECKPOINT_INVALID", file);
            check(&files, "CHECKPOINT_INVALID", what);
        }
        let mut bundle = CheckpointFiles::new();
        let error = bundle.insert("tabrank.json", bytes.to_vec()).unwrap_err();
        assert_eq!(error.code(), "BUNDLE_INVALID");
        assert!(error.to_string().contains(what), "{error}");
    }
    // Where the header's length is the start of a pickle, the rest tells.
    let mut header = br#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#.to_vec();
    header.resize(0x280, b' ');
    let bytes = [&0x280u64.to_le_bytes()[..], &header].concat();
    let mut files = Fixture::read("plain").files;
    files.insert("model.safetensors", bytes).unwrap();
    check(&files, "CHECKPOINT_INVALID", "embeddings.token_type_embeddings.weight is missing");
}

/// No file is read beyond what one of its kind may have, and no index asks for thousands.
#[test]
fn files_have_limits_before_they_are_read() {
    let limits = [
        ("config.json", 8 << 20),
        ("1_Pooling/config.json", 8 << 20),
        ("model.safetensors.index.json", 8 << 20),
        ("tokenizer.json", 64 << 20),
        ("0_Transformer/tokenizer.json", 64 << 20),
    ];
    for (name, limit) in limits {
        let mut files = CheckpointFiles::new();
        files.insert(name, vec![b' '; limit]).unwrap();
        let error = files.insert(name, vec![b' '; limit + 1]).unwrap_err();
        assert_eq!(error.code(), "CHECKPOINT_UNSUPPORTED");
        assert!(
            error.to_string().contains(&format!("{} bytes; at most {limit}", limit + 1)),
            "{error}"
        );
    }
    let wanted = CheckpointFiles::new().wanted().unwrap();
    assert_eq!((wanted[0].name.as_str(), wanted[0].limit), ("tabrank.json", 1 << 20));
    let index = |shards: usize| {
        let shard = |i: usize| (format!("t{i}"), json!(format!("model-{i}.safetensors")));
        let map: serde_json::Map<String, Value> = (0..shards).map(shard).collect();
        let mut files = Fixture::read("f16").files;
        let bytes = json!({"weight_map": map}).to_string().into_bytes();
        files.insert("model.safetensors.index.json", bytes).unwrap();
        files
    };
    assert_eq!(index(256).wanted().unwrap().len(), 256);
    check(&index(257), "CHECKPOINT_UNSUPPORTED", "257; at most 256");
    check(&index(3_000), "CHECKPOINT_UNSUPPORTED", "3000; at most 256");
}

/// What transformers would add to the weights is not left out in silence.
#[test]
fn an_adapter_beside_the_weights_is_refused() {
    let plain = Fixture::read("plain").files;
    for folder in ["", "0_Transformer"] {
        let inside = |name: &str| Path::new(folder).join(name).to_str().unwrap().to_owned();
        let class = "sentence_transformers.models.Transformer";
        let modules = json!([{"idx": 0, "name": "0", "path": folder, "type": class}]).to_string();
        let find = |name: &str| match name {
            "modules.json" => Some(modules.clone().into_bytes()),
            _ => plain.iter().find(|(own, _)| inside(own) == name).map(|(_, own)| own.to_vec()),
        };
        let mut files = gather(find).unwrap();
        load(&files);
        let adapter = inside("adapter_config.json");
        files.insert(&adapter, Vec::new()).unwrap();
        check(&files, "CHECKPOINT_UNSUPPORTED", &adapter);
    }
}

#[test]
fn a_folder_of_pickled_weights_is_refused_with_advice() {
    let mut files = CheckpointFiles::new();
    let complete = Fixture::read("plain").files;
    let error = loop {
        let wanted = files.wanted().unwrap();
        assert!(!wanted.is_empty(), "the checkpoint was taken");
        let taken = wanted.iter().try_for_each(|file| match complete.get(&file.name) {
            Some(bytes) if !file.name.ends_with(".safetensors") => {
                files.insert(&file.name, bytes.to_vec())
            }
            _ => files.insert_missing(&file.name),
        });
        if let Err(error) = taken {
            break error;
        }
    };
    let Error::MissingFile { name, hint } = &error else { panic!("{error}") };
    assert_eq!(name, "model.safetensors");
    assert!(hint.contains("pickled"), "{hint}");
    assert!(hint.contains("tabrank.json"), "{hint}");
    assert_eq!(error.code(), "CHECKPOINT_INVALID");
}

const FILES: &[&str] = &[
    "modules.json",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "1_Dense/config.json",
    "1_Dense/model.safetensors",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic(file in 0..FILES.len(), bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let mut files = Fixture::read("pylate").files;
        files.insert(FILES[file], bytes).unwrap();
        if files.wanted().is_ok() {
            let _ = block_on(Reranker::load(files.clone(), &LoadOptions::default(), &mut Unobserved));
        }
    }

    #[test]
    fn flipped_bytes_never_panic(file in 0..FILES.len(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut files = Fixture::read("pylate").files;
        let mut bytes = files.get(FILES[file]).unwrap().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        files.insert(FILES[file], bytes).unwrap();
        if files.wanted().is_ok() {
            let _ = block_on(Reranker::load(files.clone(), &LoadOptions::default(), &mut Unobserved));
        }
    }

    #[test]
    fn arbitrary_texts_are_encoded_with_offsets_inside_them(text in any::<String>()) {
        thread_local!(static MODEL: Reranker = Fixture::read("pylate").load());
        MODEL.with(|model| {
            let explanation = block_on(model.explain("oil", &text, LongDocuments::Cut, &mut Unobserved)).unwrap();
            for found in explanation.matches {
                if let Some((start, end)) = found.document.range {
                    assert!(text.get(start..end).is_some(), "{start}..{end} of {text:?}");
                }
            }
        });
    }
}
