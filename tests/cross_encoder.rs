//! Cross-encoders of every class against sentence-transformers' `CrossEncoder`: the ids and types of pairs are equal, what the head
//! gives and the scores are within 1e-4. `tests/reference/cross_encoders.py` makes the fixtures.

mod common;

use common::load_with;
use common::pairs::{Fixture, cases};
use pollster::block_on;
use serde_json::{Value, json};
use tabrank::{
    CheckpointFiles, ConvertOptions, DeviceChoice, Dtype, Error, LoadOptions, LongDocuments,
    ModelKind, Overrides, Pooling, RerankOptions, RerankOutput, Reranker, Source, SpelledTokens,
    TextKind, Unobserved, convert,
};

const TOLERANCE: f32 = 1e-4;

#[test]
fn every_pair_equals_the_reference() {
    for name in cases() {
        let fixture = Fixture::read(&name);
        let model = fixture.load();
        assert_eq!(model.info().kind, ModelKind::CrossEncoder, "{name}");
        assert_eq!(model.info().document_length, fixture.length, "{name}");
        for (query, document, expected) in fixture.pairs() {
            let found = block_on(model.inspect_pair(query, document)).unwrap();
            let at = format!("{name} {query:?} {document:?}");
            assert_eq!(found.tokens.ids, expected.ids, "ids of {at}");
            assert_eq!(found.tokens.types, expected.types, "types of {at}");
            let worst = (found.logit - expected.logit).abs();
            assert!(worst < TOLERANCE * expected.logit.abs().max(1.0), "{at}: {worst}");
            let worst = (found.score - expected.score).abs();
            assert!(worst < TOLERANCE * expected.score.abs().max(1.0), "{at}: {worst}");
        }
    }
}

/// Whatever pairs are computed beside it.
#[test]
fn a_list_s_scores_are_those_of_its_pairs() {
    for name in cases() {
        let fixture = Fixture::read(&name);
        let model = fixture.load();
        for query in &fixture.queries {
            let output = rerank(&model, query, &fixture.documents);
            assert_eq!(output.results.len(), fixture.documents.len());
            for (result, &truncated) in output.results.iter().zip(&output.truncated) {
                let document = &fixture.documents[result.index];
                let alone = block_on(model.inspect_pair(query, document)).unwrap();
                assert_eq!(result.score.to_bits(), alone.score.to_bits(), "{name} {document:?}");
                assert_eq!(truncated, alone.tokens.truncated, "{name} {document:?}");
            }
            let descending = output.results.windows(2).all(|pair| pair[0].score >= pair[1].score);
            assert!(descending, "{name} {query:?}");
        }
    }
}

#[test]
fn bundles_score_as_their_checkpoints_do() {
    for name in cases() {
        let fixture = Fixture::read(&name);
        let reference = logits(&fixture.load(), &fixture);
        for (dtype, least) in
            [(Dtype::F32, 1.0 - 1e-12), (Dtype::F16, 0.9999), (Dtype::Q8, 0.98), (Dtype::Q4, 0.4)]
        {
            let files = bundle(&fixture.files, dtype);
            let model = load_with(&files, Overrides::default()).unwrap();
            assert_eq!((model.info().kind, model.info().dtype), (ModelKind::CrossEncoder, dtype));
            let found = logits(&model, &fixture);
            let correlation = correlation(&reference, &found);
            assert!(correlation >= least, "{name} {}: {correlation}", dtype.name());
            assert_eq!(dtype == Dtype::F32, found == reference, "{name} {}", dtype.name());
        }
    }
}

/// A head's numbers are few, and all that they lose ends in the score.
#[test]
fn a_bundle_keeps_the_head_in_half_precision() {
    for (name, tensor) in [("bert", "pooler.dense.weight"), ("modules", "2_Dense/linear.weight")] {
        let files = bundle(&Fixture::read(name).files, Dtype::Q4);
        let tensors = files.tensors().unwrap();
        let found = tensors.iter().find(|info| info.name == tensor).unwrap();
        assert_eq!(found.dtype, "F16", "{name}");
    }
}

#[test]
fn what_needs_embeddings_is_refused() {
    let model = Fixture::read("bert").load();
    let refused = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::NoEmbeddings { .. }), "{error}");
        assert_eq!(error.code(), "INVALID_INPUT");
        error.to_string()
    };
    let mut observer = Unobserved;
    let texts = ["oil"];
    let encoded = model.encode(TextKind::Document, &texts, Pooling::None, &mut observer);
    assert!(refused(block_on(encoded).map(drop)).contains("encoding needs embeddings"));
    let batches = model.batches(TextKind::Document, &texts, LongDocuments::Cut);
    refused(batches.map(drop));
    let explained = model.explain("oil", "war", LongDocuments::Cut, &mut observer);
    assert!(refused(block_on(explained).map(drop)).contains("an explanation"));
    refused(block_on(model.inspect(TextKind::Query, "oil")).map(drop));
    let long_documents =
        LongDocuments::Windows { overlap: None, most: LongDocuments::MOST_WINDOWS };
    let options = RerankOptions { long_documents, ..RerankOptions::default() };
    let windows = model.rerank("oil", &texts, &options, &mut observer);
    assert!(refused(block_on(windows).map(drop)).contains("windows"));

    let late = common::Fixture::read("plain").load();
    let error = block_on(late.inspect_pair("oil", "war")).unwrap_err();
    assert!(matches!(error, Error::NotCrossEncoder { .. }), "{error}");
}

#[test]
fn a_query_without_a_word_is_refused_and_a_document_is_not() {
    // One of them puts a prompt before the query.
    for name in ["bert", "xlm-roberta"] {
        let model = Fixture::read(name).load();
        for query in ["", " \n\t "] {
            let (options, mut observer) = (RerankOptions::default(), Unobserved);
            let result = block_on(model.rerank(query, &["oil"], &options, &mut observer));
            assert_eq!(result.unwrap_err(), Error::EmptyQuery { index: 0 }, "{name} {query:?}");
        }
        assert_eq!(rerank(&model, "oil", &[String::new()]).results.len(), 1);
        assert!(rerank(&model, "oil", &[]).results.is_empty());
    }
}

/// The files that may name the score's function, in order.
#[test]
fn the_first_file_that_names_a_function_has_the_word() {
    let config = |value: Value| ("config.json", value);
    let own = |value: Value| ("config_sentence_transformers.json", value);
    let newer = |class: Value| config(json!({"sentence_transformers": {"activation_fn": class}}));
    let older = |class: Value| config(json!({"sbert_ce_default_activation_function": class}));
    let [identity, tanh] = ["Identity", "Tanh"].map(|name| json!(format!("torch.nn.{name}")));
    let cases = [
        ("Sigmoid", vec![]),
        ("Identity", vec![older(identity.clone())]),
        ("Tanh", vec![newer(tanh.clone()), older(identity.clone())]),
        // There and null, which ends the library's search.
        ("Sigmoid", vec![newer(Value::Null), older(identity.clone())]),
        ("Identity", vec![config(json!({"sentence_transformers": {}})), older(identity.clone())]),
        ("Identity", vec![own(json!({"activation_fn": identity.clone()})), newer(tanh.clone())]),
        ("Tanh", vec![own(json!({"activation_fn": null})), newer(tanh.clone())]),
    ];
    for (expected, changes) in cases {
        let mut files = Fixture::read("xlm-roberta").files;
        for (file, change) in changes {
            edit(&mut files, file, |value| merge(value, change.clone()));
        }
        let model = load_with(&files, Overrides::default()).unwrap();
        assert_eq!(model.info().activation, Some(expected));
        let defaulted = model
            .warnings()
            .iter()
            .any(|w| w.message.contains("takes Sigmoid") || w.message.contains("take Sigmoid"));
        assert_eq!(defaulted, expected == "Sigmoid");
    }
}

#[test]
fn what_is_not_computed_is_refused_by_its_name() {
    let classes = json!({"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}});
    let unknown = json!({"sbert_ce_default_activation_function": "mine.Sigmoid"});
    let softmax = json!({"sbert_ce_default_activation_function": "torch.nn.Softmax"});
    let electra =
        json!({"model_type": "electra", "architectures": ["ElectraForSequenceClassification"]});
    let pooling = |mode| json!({"pooling_mode": mode});
    let cases = [
        ("bert", "config.json", classes, "id2label \"2 labels\""),
        ("bert", "config.json", json!({"id2label": null}), "num_labels \"2 labels\""),
        ("bert", "config.json", unknown, "sbert_ce_default_activation_function \"mine.Sigmoid\""),
        ("bert", "config.json", softmax, "torch.nn.Softmax"),
        ("bert", "config.json", electra, "model_type \"electra\""),
        ("bert", "config.json", json!({"type_vocab_size": 1}), "token_type_embeddings"),
        (
            "modernbert",
            "config.json",
            json!({"classifier_pooling": "max"}),
            "classifier_pooling \"max\"",
        ),
        (
            "modernbert",
            "config.json",
            json!({"classifier_activation": "prelu"}),
            "classifier_activation \"prelu\"",
        ),
        ("modules", "1_Pooling/config.json", pooling("lasttoken"), "pooling_mode \"lasttoken\""),
        (
            "modules",
            "2_Dense/config.json",
            json!({"module_input_name": "token_embeddings"}),
            "module_input_name \"token_embeddings\"",
        ),
        ("modules", "2_Dense/config.json", json!({"module_output_name": "scores"}), "[3].type"),
        (
            "modules",
            "4_Dense/config.json",
            json!({"module_output_name": "other"}),
            "module_output_name \"other\"",
        ),
        (
            "modules",
            "4_Dense/config.json",
            json!({"module_output_name": "sentence_embedding"}),
            "no Dense with module_output_name scores",
        ),
        ("modules", "3_LayerNorm/config.json", json!({"dimension": 23}), "dimension is 23"),
        (
            "modules",
            "sentence_bert_config.json",
            json!({"transformer_task": "text-generation"}),
            "transformer_task \"text-generation\"",
        ),
        (
            "xlm-roberta",
            "sentence_bert_config.json",
            json!({"module_output_name": "token_embeddings"}),
            "module_output_name",
        ),
        (
            "xlm-roberta",
            "config_sentence_transformers.json",
            json!({"default_prompt_name": "none"}),
            "default_prompt_name is the name of no prompt",
        ),
        (
            "bert",
            "tokenizer_config.json",
            json!({"tokenizer_class": "PreTrainedTokenizerFast"}),
            "model_input_names is missing",
        ),
        (
            "bert",
            "tokenizer_config.json",
            json!({"model_max_length": 4}),
            "leaves no room beside 3 special tokens",
        ),
    ];
    for (name, file, change, reason) in cases {
        let mut files = Fixture::read(name).files;
        edit(&mut files, file, |value| merge(value, change.clone()));
        let error = load_with(&files, Overrides::default()).err();
        let error = error.unwrap_or_else(|| panic!("{name} {file} {change} was taken")).to_string();
        assert!(error.contains(reason), "{name} {file} {change}: {error}");
    }
}

/// Three outputs of the last module, each with its weights.
#[test]
fn modules_with_several_outputs_are_refused() {
    let mut files = Fixture::read("modules").files;
    edit(&mut files, "4_Dense/config.json", |value| merge(value, json!({"out_features": 3})));
    let error = load_with(&files, Overrides::default()).err().unwrap().to_string();
    assert!(error.contains("4_Dense/config.json: out_features \"3\""), "{error}");
}

/// Who can look into a folder finds the settings of a stack whose list is not there.
#[test]
fn modules_that_are_not_listed_are_missed() {
    let whole = Fixture::read("modules").files;
    let found = common::gather(|name| match name {
        "modules.json" => None,
        name => whole.get(name).map(<[u8]>::to_vec),
    });
    let (mut files, name) = (found.unwrap(), "config_sentence_transformers.json");
    files.insert(name, whole.get(name).unwrap().to_vec()).unwrap();
    let error = load_with(&files, Overrides::default()).err().unwrap().to_string();
    assert!(error.contains("no modules.json") && error.contains("a cross-encoder"), "{error}");
}

#[test]
fn a_layer_norm_is_no_module_of_other_models() {
    let mut files = Fixture::read("modules").files;
    let class = |value: &mut Value| merge(value, json!({"model_type": "SentenceTransformer"}));
    edit(&mut files, "config_sentence_transformers.json", class);
    let error = load_with(&files, Overrides::default()).err().unwrap().to_string();
    assert!(error.contains("LayerNorm"), "{error}");
}

#[test]
fn special_tokens_that_texts_spell_out_are_text_if_that_is_asked_for() {
    // The vocabulary of the others' Unigram has them as words, too.
    let unigram = ["xlm-roberta", "camembert"];
    for name in cases().into_iter().filter(|name| !unigram.contains(&name.as_str())) {
        let fixture = Fixture::read(&name);
        let parsed = fixture.load();
        let options = LoadOptions {
            device: DeviceChoice::Cpu,
            spelled_tokens: SpelledTokens::Text,
            ..LoadOptions::default()
        };
        let mut observer = Unobserved;
        let load = Reranker::load(fixture.files.clone(), &options, &mut observer);
        let text = block_on(load).unwrap();
        let ids = |model: &Reranker, query: &str, document: &str| {
            block_on(model.inspect_pair(query, document)).unwrap().tokens.ids
        };
        let plain = ids(&parsed, "oil", "war");
        assert_eq!(ids(&text, "oil", "war"), plain, "{name}");
        let (cls, sep) = (plain[0], *plain.last().unwrap());
        let frame = |ids: &[u32]| ids.iter().filter(|id| [cls, sep].contains(id)).count();
        for spelled in ["[SEP]", "</s>"] {
            let document = format!("{spelled} war {spelled}");
            assert_eq!(frame(&ids(&text, spelled, &document)), frame(&plain), "{name} {spelled}");
        }
        assert_ne!(text.info().embedding_id, parsed.info().embedding_id);
    }
}

#[test]
fn a_prompt_and_a_length_can_be_set_and_nothing_else() {
    let files = Fixture::read("bert").files;
    let set = |overrides: Value| {
        load_with(&files, serde_json::from_value(overrides).unwrap()).map(|model| {
            let tokens = block_on(model.inspect_pair("oil", "the war began")).unwrap().tokens;
            (tokens.ids, tokens.truncated, model.info().embedding_id.clone())
        })
    };
    let (own, cut, id) = set(json!({})).unwrap();
    assert!(!cut);
    let (shorter, cut, other) = set(json!({"document_length": own.len() - 1})).unwrap();
    assert!(cut && shorter.len() == own.len() - 1 && other != id);
    let (prompted, cut, other) = set(json!({"query_prefix": "the "})).unwrap();
    assert!(!cut && prompted.len() == own.len() + 1 && other != id);
    for (option, value) in [
        ("document_prefix", json!("the ")),
        ("query_length", json!(9)),
        ("do_query_expansion", json!(true)),
        ("expansion_length", json!(9)),
        ("expansion_token", json!("[MASK]")),
        ("attend_to_expansion_tokens", json!(true)),
        ("skiplist_words", json!(["the"])),
        ("truncate_dim", json!(4)),
    ] {
        let error = set(json!({option: value})).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{option} is not for a cross-encoder")), "{error}");
    }
}

#[test]
fn cuts_are_told_of_both_texts() {
    let fixture = Fixture::read("bert");
    let model = fixture.load();
    let [short, long] = ["oil", &"war ".repeat(60)];
    let told = |query: &str, document: &str| {
        let output = rerank(&model, query, &[document.to_owned()]);
        (output.query_truncated, output.truncated[0])
    };
    assert_eq!(told(short, short), (false, false));
    assert_eq!(told(short, long), (false, true));
    assert_eq!(told(long, short), (true, false));
    assert_eq!(told(long, long), (true, true));
}

/// Words without an end, of which a start is read; marks that normalizers remove; nothing.
#[test]
fn texts_that_tokenizers_go_wrong_at_make_pairs() {
    let texts = [
        "a".repeat(100_000),
        "oil ".repeat(20_000),
        "\u{301}".repeat(50_000),
        " ".repeat(50_000),
        "\u{200b}\0\u{fffd}".to_owned(),
        "👩\u{200d}👩\u{200d}👧".repeat(3_000),
        String::new(),
    ];
    for name in cases() {
        let fixture = Fixture::read(&name);
        let model = fixture.load();
        for (query, document) in
            texts.iter().flat_map(|query| texts.iter().map(move |d| (query, d)))
        {
            let found = block_on(model.inspect_pair(query, document)).unwrap();
            let tokens = &found.tokens;
            assert!(tokens.ids.len() <= fixture.length, "{name}");
            assert_eq!(tokens.ids.len(), tokens.types.len(), "{name}");
            assert!(found.score.is_finite(), "{name}");
        }
        let cut = |document: &str| {
            block_on(model.inspect_pair("oil", document)).unwrap().tokens.truncated
        };
        assert!(cut(&texts[0]) && cut(&texts[1]) && !cut("oil"), "{name}");
    }
}

fn rerank(model: &Reranker, query: &str, documents: &[String]) -> RerankOutput {
    let options = RerankOptions::default();
    block_on(model.rerank(query, documents, &options, &mut Unobserved)).unwrap()
}

fn bundle(files: &CheckpointFiles, dtype: Dtype) -> CheckpointFiles {
    let options =
        ConvertOptions { dtype, source: Source::default(), overrides: Overrides::default() };
    let bundle = block_on(convert(files.clone(), &options, &mut Unobserved)).unwrap();
    CheckpointFiles::from_bundle(&bundle).unwrap()
}

/// Of the pairs of two queries.
fn logits(model: &Reranker, fixture: &Fixture) -> Vec<f32> {
    let pairs = fixture.pairs().take(2 * fixture.documents.len());
    let logit = |(query, document, _)| block_on(model.inspect_pair(query, document)).unwrap().logit;
    pairs.map(logit).collect()
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let centred = |values: &[f32]| -> Vec<f64> {
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
        values.iter().map(|&x| f64::from(x) - mean).collect()
    };
    let (a, b) = (centred(a), centred(b));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
}

fn edit(files: &mut CheckpointFiles, name: &str, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(files.get(name).unwrap()).unwrap();
    change(&mut value);
    files.insert(name, value.to_string().into_bytes()).unwrap();
}

/// Sets some fields of an object.
fn merge(value: &mut Value, fields: Value) {
    let (Value::Object(value), Value::Object(fields)) = (value, fields) else {
        panic!("both are objects");
    };
    value.extend(fields);
}
