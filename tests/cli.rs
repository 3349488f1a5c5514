//! The command line, end to end: streams, fields, order, exit codes.

#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::command::{checkpoint, names, shell, tabrank, text};
use common::crafted::{read_tensors, write_tensors};
use common::{Fixture, fixtures, minilm};
use half::f16;
use serde_json::Value;

fn rerank(arguments: &[&str], input: &str) -> Vec<Value> {
    let model = checkpoint("pylate");
    let mut all = vec!["rerank", "--model", &model];
    all.extend(arguments);
    let output = tabrank(&all).write_stdin(input).assert().success().get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn rerank_keeps_each_object_and_adds_index_rank_and_score() {
    let fixture = Fixture::read("pylate");
    let input: String = fixture
        .expected
        .documents
        .iter()
        .enumerate()
        .map(|(id, document)| {
            serde_json::json!({"id": id, "text": document.text}).to_string() + "\n"
        })
        .collect();
    let query = &fixture.expected.queries[3];
    let ranked = rerank(&["--query", &query.text], &input);
    assert_eq!(ranked.len(), fixture.expected.documents.len());
    for (place, object) in ranked.iter().enumerate() {
        assert_eq!(object["rank"], place + 1);
        assert_eq!(object["id"], object["index"]);
        let index = object["index"].as_u64().unwrap() as usize;
        let expected = fixture.expected.scores[3][index].unwrap();
        let score = object["score"].as_f64().unwrap() as f32;
        assert!((score - expected).abs() < 1e-3, "document {index}");
    }
    let best = rerank(&["--query", &query.text, "--top-k", "3"], &input);
    assert_eq!(best, ranked[..3]);
}

#[test]
fn special_tokens_of_texts_are_text_if_asked() {
    let input = "{\"text\": \"water [MASK] [MASK]\"}\n{\"text\": \"water [ MASK ] [ MASK ]\"}\n";
    let scores = |how: &str| -> Vec<f64> {
        let ranked = rerank(&["--query", "oil", "--special-tokens", how], input);
        ranked.iter().map(|object| object["score"].as_f64().unwrap()).collect()
    };
    let (parse, text) = (scores("parse"), scores("text"));
    assert_eq!(text[0], text[1]);
    assert_ne!(parse[0], parse[1]);
    let model = checkpoint("pylate");
    let wrong = ["rerank", "--model", &model, "--query", "oil", "--special-tokens", "escape"];
    tabrank(&wrong).assert().failure();
}

#[test]
fn settings_in_place_of_the_model_s_own_are_arguments_and_stay_in_a_bundle() {
    let arguments = [
        "--query-length=9",
        "--document-length=8",
        "--query-prefix=[unused0]",
        "--document-prefix=",
        "--do-query-expansion=true",
        "--expansion-length=7",
        "--expansion-token=[unused1]",
        "--attend-to-expansion-tokens=true",
        "--skiplist-words=oil the",
        "--truncate-dim=5",
    ];
    let inspect = |arguments: &[&str]| -> serde_json::Value {
        let output =
            tabrank(&["inspect", "--json"]).args(arguments).assert().success().get_output().clone();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let model = checkpoint("pylate");
    let found = inspect(&[&[model.as_str()], arguments.as_slice()].concat());
    let overrides = serde_json::json!({
        "query_length": 9, "document_length": 8, "query_prefix": "[unused0]", "document_prefix": "", "do_query_expansion": true,
        "expansion_length": 7, "expansion_token": "[unused1]", "attend_to_expansion_tokens": true, "skiplist_words": ["oil", "the"],
        "truncate_dim": 5,
    });
    assert_eq!(found["overrides"], overrides);
    assert_eq!((&found["query_length"], &found["expansion_length"]), (&9.into(), &7.into()));
    assert_eq!(found["dimension"], 5);
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle").display().to_string();
    tabrank(&["convert", &model, "--dtype", "q8", "-o", &bundle])
        .args(arguments)
        .assert()
        .success();
    let found = inspect(&[&bundle]);
    assert_eq!((&found["overrides"], &found["version"]), (&overrides, &"3.0".into()));
    let found = inspect(&[&bundle, "--query-length=12"]);
    assert_eq!(found["overrides"]["query_length"], 12);
    let text = "{\"text\": \"oil\"}\n";
    let scores = |arguments: &[&str]| {
        let ranked = rerank(&[&["--query", "the oil"], arguments].concat(), text);
        ranked[0]["score"].as_f64().unwrap()
    };
    assert_ne!(scores(&[]), scores(&["--do-query-expansion=false"]));
    let wrong = ["inspect", &model, "--query-length=65"];
    let output = tabrank(&wrong).assert().code(65).get_output().clone();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("--query-length is 65"), "{error}");
}

#[test]
fn long_documents_are_read_in_windows_if_asked() {
    let file = fs::read(fixtures().join("windows/expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&file).unwrap();
    let (query, document) = (expected["query"].as_str().unwrap(), &expected["document"]);
    let input = serde_json::json!({"text": document}).to_string();
    let ranked = |more: &[&str]| rerank(&[&["--query", query], more].concat(), &input).remove(0);
    assert_eq!(ranked(&[])["truncated"], true);
    for (case, more) in [(0, &[][..]), (3, &["--overlap", "5", "--max-windows", "4"])] {
        let (found, case) =
            (ranked(&[&["--long-documents", "windows"], more].concat()), &expected["cases"][case]);
        let difference = found["score"].as_f64().unwrap() - case["score"].as_f64().unwrap();
        assert!(difference.abs() < 1e-3, "{found}");
        assert_eq!(found["truncated"], case["truncated"]);
    }

    let windows = ["--long-documents", "windows"];
    let model = checkpoint("pylate");
    let encode = ["encode", "--model", &model, "-o", "-"];
    let output = tabrank(&[&encode[..], &windows].concat()).write_stdin(input.clone()).assert();
    let tensors = read_tensors(&output.success().get_output().stdout);
    let kept = expected["cases"][0]["kept"].as_array().unwrap();
    let kept = kept.iter().filter(|flag| **flag == 1).count() as u32;
    assert_eq!(tensors["lengths"].2, kept.to_le_bytes());

    let refused = |more: &[&str]| {
        let asked = [&["rerank", "--model", &model, "--query", query], more].concat();
        let output = tabrank(&asked).write_stdin(input.clone()).assert().code(2);
        let output = output.get_output().clone();
        text(&output.stderr)
    };
    for flag in ["--overlap", "--max-windows"] {
        for cut in [&[][..], &["--long-documents", "cut"]] {
            let error = refused(&[cut, &[flag, "4"]].concat());
            assert!(
                error.contains(&format!("{flag} is given, but long documents are cut")),
                "{error}"
            );
        }
    }
    let queries = tabrank(&[&encode[..], &windows, &["--kind", "query"]].concat()).assert().code(2);
    assert!(text(&queries.get_output().stderr).contains("queries are always cut"));
    assert!(refused(&[&windows[..], &["--max-windows", "0"]].concat()).contains("0"));
    let halves = refused(&[&windows[..], &["--overlap", "9"]].concat());
    assert!(halves.contains("overlap is 9; a window of this model holds 17 tokens"), "{halves}");
}

#[test]
fn fields_stay_to_the_letter_and_nothing_is_lost() {
    let model = checkpoint("pylate");
    let input = "{\"n\": 12345678901234567890123.50, \"text\":\"oil\", \"score\": 0.10, \"rank\": \"a\"}\n\n{\"text\":\"war\"}";
    let output = tabrank(&["rerank", "--model", &model, "--query", "oil"])
        .write_stdin(input)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("12345678901234567890123.50"), "{text}");
    assert!(text.contains(r#""replaced":{"score":0.10,"rank":"a"}"#), "{text}");
    assert!(text.contains(r#""index":2"#), "blank lines count: {text}");
}

#[test]
fn bad_input_names_its_place_and_has_an_exit_code() {
    let model = checkpoint("pylate");
    let cases = [
        ("{\"text\": \"a\"}\n{\"text\": 1}\n", 65, "stdin:2:"),
        ("{\"text\": \"a\"}\n{\"text\": \n", 65, "stdin:2:"),
        ("{\"body\": \"a\"}\n", 65, "\"text\""),
        ("[1]\n", 65, "stdin:1:"),
    ];
    for (input, code, place) in cases {
        let assert =
            tabrank(&["rerank", "--model", &model, "--query", "oil"]).write_stdin(input).assert();
        let output = assert.code(code).get_output().clone();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(place), "{error}");
        assert!(output.stdout.is_empty());
    }
    let run = |arguments: &[&str]| tabrank(arguments).write_stdin("{\"text\":\"a\"}").assert();
    run(&["rerank", "--model", "/no/such/folder", "--query", "oil"]).code(66);
    run(&["rerank", "--model", &model, "--query", " "]).code(65);
    run(&["rerank", "--model", &model, "--query", "oil", "--top-k", "0"]).code(2);
    run(&["rerank", "--model", &model]).code(2);
    run(&["encode", "--model", &model, "-o", "/no/such/folder/file"]).code(74);
    tabrank(&["eval", "--model", &model, "--data", "/no/such/folder"]).assert().code(66);
    tabrank(&["rerank", "--model", &model, "--query", "oil"])
        .write_stdin("")
        .assert()
        .success()
        .stdout("");
}

#[test]
fn encode_writes_what_the_reference_computes() {
    let fixture = Fixture::read("bi-encoder");
    let folder = tempfile::tempdir().unwrap();
    let text = &fixture.expected.documents[3].text;
    for (pooling, tensor) in [("none", "embeddings"), ("mean", "pooled"), ("checkpoint", "vector")]
    {
        let file: PathBuf = folder.path().join(pooling);
        let path = file.display().to_string();
        let model = checkpoint("bi-encoder");
        tabrank(&["encode", "--model", &model, "--pooling", pooling, "-o", &path])
            .write_stdin(serde_json::json!({"text": text}).to_string())
            .assert()
            .success()
            .stdout("");
        let bytes = std::fs::read(&file).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let view = tensors.tensor("embeddings").unwrap();
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        let expected = fixture.tensor(&format!("document.3.{tensor}")).unwrap();
        assert!(common::difference(&values, &expected) < 1e-4);
        assert_eq!(tensors.tensor("lengths").unwrap().shape(), [1]);
    }
}

/// The first 120 paragraphs and the questions written for them: the whole set takes minutes, and
/// `make eval` holds it against PyTorch's figures in the same way. 0.1 points are 0.001.
#[test]
fn eval_agrees_with_pytorch() {
    let data = small_set(120);
    let (model, folder) = (minilm().display().to_string(), data.path().display().to_string());
    let output =
        tabrank(&["eval", "--json", "--model", &model, "--data", &folder]).assert().success();
    let report: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let bytes = std::fs::read(fixtures().join("minilm/eval-small.json")).unwrap();
    let expected: Value = serde_json::from_slice(&bytes).unwrap();
    for (ours, theirs) in [("dense", "first_stage"), ("late over dense", "reranked")] {
        let rows = report["approaches"].as_array().unwrap();
        let row = rows.iter().find(|row| row["approach"] == ours).unwrap();
        for measure in ["ndcg@10", "mrr@10", "recall@100"] {
            let found = row[measure].as_f64().unwrap();
            let reference = expected[theirs][measure].as_f64().unwrap();
            assert!((found - reference).abs() < 1e-3, "{ours} {measure}: {found}, not {reference}");
        }
    }
}

/// The retrieval set cut to its first paragraphs and the judgements on them.
fn small_set(paragraphs: usize) -> tempfile::TempDir {
    let whole = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/squad-dev-a");
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(whole.join(name)).unwrap();
    let corpus: Vec<String> =
        read("corpus.jsonl").lines().take(paragraphs).map(str::to_owned).collect();
    let ids: Vec<String> = corpus
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    let judgements: String = read("qrels.tsv")
        .lines()
        .filter(|line| ids.iter().any(|id| line.split('\t').nth(1) == Some(id)))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(folder.path().join("corpus.jsonl"), corpus.join("\n")).unwrap();
    std::fs::write(folder.path().join("queries.jsonl"), read("queries.jsonl")).unwrap();
    std::fs::write(folder.path().join("qrels.tsv"), judgements).unwrap();
    folder
}

#[test]
fn inspect_names_every_type_of_a_checkpoint() {
    let dtype = |model: &str| -> Value {
        let assert = tabrank(&["inspect", "--json", model]).assert().success();
        let report: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
        report["dtype"].clone()
    };
    assert_eq!(dtype(&checkpoint("plain")), "f32");
    assert_eq!(dtype(&checkpoint("bf16")), "bf16");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("1_Dense")).unwrap();
    for (name, bytes) in Fixture::read("f16").files.iter() {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let dense = folder.path().join("1_Dense/model.safetensors");
    let mut tensors = read_tensors(&std::fs::read(&dense).unwrap());
    for (stored, _, bytes) in tensors.values_mut() {
        let values = bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32());
        *bytes = values.flat_map(f32::to_le_bytes).collect();
        *stored = safetensors::Dtype::F32;
    }
    std::fs::write(&dense, write_tensors(&tensors)).unwrap();
    assert_eq!(dtype(&folder.path().display().to_string()), "f16, f32");
}

#[test]
fn a_cross_encoder_is_converted_inspected_verified_and_run() {
    let (model, folder) = (checkpoint("cross-encoders/bert"), tempfile::tempdir().unwrap());
    let bundle = folder.path().join("q8").display().to_string();
    let assert = tabrank(&["convert", &model, "--dtype", "q8", "-o", &bundle]).assert().success();
    let report = text(&assert.get_output().stdout);
    assert!(report.contains("over 64 pairs: correlation 0.99"), "{report}");

    for folder in [&bundle, &model] {
        let assert = tabrank(&["inspect", folder]).assert().success();
        let report = text(&assert.get_output().stdout);
        assert!(report.contains("bert (cross-encoder)"), "{report}");
        assert!(report.contains("scores out of Identity"), "{report}");
        assert!(report.contains("query and document up to 30 tokens together"), "{report}");
        let assert = tabrank(&["verify", folder]).assert().success();
        assert!(text(&assert.get_output().stdout).contains("whole"));

        let input = "{\"text\":\"oil\"}\n{\"text\":\"the war\"}\n";
        let mut run = tabrank(&["rerank", "--model", folder, "--query", "oil"]);
        let output = text(&run.write_stdin(input).unwrap().stdout);
        let ranked: Vec<Value> =
            output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(ranked.len(), 2);
        assert!(ranked[0]["score"].as_f64() >= ranked[1]["score"].as_f64(), "{output}");
    }
    let mut encode = tabrank(&["encode", "--model", &model, "--kind", "document", "-o", "-"]);
    let output = encode.write_stdin("{\"text\":\"oil\"}").output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("this model is a cross-encoder"), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
}

#[test]
fn a_converted_bundle_is_inspected_verified_and_run() {
    let (model, folder) = (checkpoint("pylate"), tempfile::tempdir().unwrap());
    let output = folder.path().join("q8");
    let bundle = output.display().to_string();
    let convert = ["convert", &model, "--dtype", "q8", "-o", &bundle, "--license", "mit"];
    let assert = tabrank(&convert).assert().success();
    let report = text(&assert.get_output().stdout);
    assert!(report.contains("I8") && report.contains("mean cosine 0.99"), "{report}");
    assert_eq!(names(folder.path()), ["q8"], "nothing else is left");

    let assert = tabrank(&["inspect", "--json", &bundle]).assert().success();
    let report: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(report["kind"], "bundle");
    assert_eq!(report["dtype"], "q8");
    assert_eq!(report["license"], "mit");
    assert_eq!(report["dimension"], 16);
    let listed = |value: &Value| value.as_array().unwrap().len();
    assert_eq!(
        listed(&report["files"]) + 2,
        names(&output).len() + names(&output.join("1_Dense")).len()
    );
    assert!(listed(&report["tensors"]) > 40);
    for folder in [&bundle, &model] {
        let assert = tabrank(&["inspect", folder]).assert().success();
        assert!(text(&assert.get_output().stdout).contains("embeddings.word_embeddings.weight"));
        let assert = tabrank(&["verify", folder]).assert().success();
        assert!(text(&assert.get_output().stdout).contains("whole"));
    }

    let input = "{\"text\":\"oil\"}\n{\"text\":\"the war\"}\n";
    let run =
        tabrank(&["rerank", "--model", &bundle, "--query", "oil"]).write_stdin(input).assert();
    let output = run.success().get_output().clone();
    assert!(text(&output.stderr).contains("q8"), "it says what runs");
    let plain = rerank(&["--query", "oil"], input);
    let best: Value = serde_json::from_str(text(&output.stdout).lines().next().unwrap()).unwrap();
    assert_eq!(best["index"], plain[0]["index"]);
}

#[test]
fn a_damaged_bundle_is_named_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle").display().to_string();
    tabrank(&["convert", &checkpoint("plain"), "--dtype", "q4", "-o", &bundle]).assert().success();
    let shard = folder.path().join("bundle/weights-00001-of-00001.safetensors");
    let mut bytes = std::fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    for verb in ["verify", "inspect"] {
        let assert = tabrank(&[verb, &bundle]).assert().code(65);
        let error = text(&assert.get_output().stderr);
        assert!(error.contains("weights-00001-of-00001.safetensors"), "{error}");
    }
    std::fs::remove_file(&shard).unwrap();
    tabrank(&["verify", &bundle]).assert().code(65);
    tabrank(&["verify", "/no/such/folder"]).assert().code(66);
}

#[test]
fn convert_never_overwrites_and_leaves_nothing_behind() {
    let (model, folder) = (checkpoint("plain"), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let convert = |model: &str, output: &str, more: &[&str]| {
        let arguments = [&["convert", model, "--dtype", "q4", "-o", output], more].concat();
        tabrank(&arguments).assert()
    };
    convert(&model, &path("strict"), &["--max-error", "0.000001"]).code(65);
    assert!(names(folder.path()).is_empty(), "a conversion that loses too much is not written");
    std::fs::create_dir(path("empty")).unwrap();
    convert(&model, &path("empty"), &[]).success();
    let before = names(&folder.path().join("empty"));
    convert(&model, &path("empty"), &[]).code(74);
    assert_eq!(names(&folder.path().join("empty")), before);
    convert(&path("empty"), &path("again"), &[]).code(65);
    convert(&model, &model, &[]).code(74);
    convert(&model, &path("no/such/parent"), &[]).code(74);
    std::fs::write(path("file"), "mine").unwrap();
    convert(&model, &path("file"), &[]).code(74);
    assert_eq!(names(folder.path()), ["empty", "file"]);
}

#[test]
fn convert_takes_the_license_of_the_model_card() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    for (name, bytes) in Fixture::read("stanford").files.iter() {
        std::fs::write(model.join(name), bytes).unwrap();
    }
    let card = "---\nlanguage: en\nlicense: \"cc-by-4.0\"\ntags: []\n---\nlicense: none\n";
    std::fs::write(model.join("README.md"), card).unwrap();
    let (model, bundle) = (model.display().to_string(), folder.path().join("bundle"));
    let output = bundle.display().to_string();
    tabrank(&["convert", &model, "--dtype", "f32", "-o", &output]).assert().success();
    let manifest = std::fs::read(bundle.join("tabrank.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["source"]["license"], "cc-by-4.0");
}

/// What lies in place of the weights, and what it says of them.
#[test]
fn a_folder_with_weights_of_another_form_is_told_what_it_has() {
    let others = [
        ("pytorch_model.bin", "pickled"),
        ("onnx/model.onnx", "ONNX"),
        ("adapter_config.json", "merge_and_unload"),
        ("onnx_config.json", "exported ONNX graphs"),
        ("tf_model.h5", "TensorFlow"),
    ];
    let lacking = others.map(|other| ("model.safetensors", other));
    let export = [("config.json", others[2]), ("config.json", others[3])];
    for (missing, (name, word)) in lacking.into_iter().chain(export) {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(Path::new(&checkpoint("plain")), folder.path());
        std::fs::remove_file(folder.path().join(missing)).unwrap();
        let other = folder.path().join(name);
        std::fs::create_dir_all(other.parent().unwrap()).unwrap();
        std::fs::write(&other, "{}").unwrap();
        let output = tabrank(&["inspect", &folder.path().display().to_string()]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(65), "{said}");
        assert!(said.contains(missing) && said.contains(word), "{said}");
    }
}

#[test]
fn an_adapter_beside_the_weights_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(Path::new(&checkpoint("plain")), folder.path());
    std::fs::write(folder.path().join("adapter_config.json"), "{}").unwrap();
    let output = tabrank(&["inspect", &folder.path().display().to_string()]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("adapter_config.json"), "{said}");
}

/// No more is read of a file than is taken; what may have no end, or never answer, is not read.
#[test]
#[cfg(unix)]
fn every_file_has_a_limit_before_it_is_read() {
    let irregular = "it is not a regular file";
    // Of weights it is only the header that is read, however long the file is.
    let cases = [
        ("ln -s /dev/zero", [irregular, irregular]),
        ("mkfifo", [irregular, irregular]),
        ("mkdir", [irregular, irregular]),
        ("truncate -s 5G", ["8388608", "is not a valid safetensors file"]),
    ];
    let names = ["config.json", "model.safetensors"];
    for (kind, expected) in cases {
        for (name, expected) in names.into_iter().zip(expected) {
            let folder = tempfile::tempdir().unwrap();
            copy_folder(Path::new(&checkpoint("plain")), folder.path());
            std::fs::remove_file(folder.path().join(name)).unwrap();
            shell(folder.path(), &format!("{kind} {name}")).assert().success();
            let mut inspect = tabrank(&["inspect", &folder.path().display().to_string()]);
            let output = inspect.timeout(std::time::Duration::from_secs(20)).output().unwrap();
            let said = text(&output.stderr);
            assert!(said.contains(name) && said.contains(expected), "{kind}: {said}");
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// A load asks for the settings where the tokenizer shows PyLate's own markers; a folder can be looked into.
#[test]
fn a_late_interaction_model_whose_modules_are_missing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in Fixture::read("pylate-no-expansion").files.iter() {
        if !name.contains('/') && name != "modules.json" {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
    }
    let model = folder.path().display().to_string();
    let output = tabrank(&["verify", &model]).assert().code(65).get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the checkpoint has no modules.json"), "{said}");
    std::fs::remove_file(folder.path().join("config_sentence_transformers.json")).unwrap();
    tabrank(&["verify", &model]).assert().success();
}
