//! Candidates of `tabrank rerank` that bring their embeddings along, in every form, and what is said of those that are wrong.

#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;

use common::command::{checkpoint, tabrank, text};
use serde_json::{Value, json};
use tabrank::late_interaction::maxsim::maxsim;
use tabrank::{EmbeddingsFile, TokenEmbeddings};

const TEXTS: [&str; 4] = ["oil and war", "the price of oil", "a long way home", "war"];

fn input() -> String {
    let line = |(id, text): (usize, &&str)| json!({"id": id, "text": text}).to_string() + "\n";
    TEXTS.iter().enumerate().map(line).collect()
}

fn encode(more: &[&str], input: &str) -> Vec<u8> {
    let model = checkpoint("pylate");
    let mut command = tabrank(&[&["encode", "--model", &model], more].concat());
    command.write_stdin(input).assert().success().get_output().stdout.clone()
}

fn command(folder: &Path, more: &[&str], input: &str) -> assert_cmd::assert::Assert {
    let model = checkpoint("pylate");
    let all = [&["rerank", "--model", &model, "--query", "the price of war"], more].concat();
    tabrank(&all).current_dir(folder).write_stdin(input).assert()
}

/// Index and score of each, in the order of the input.
fn scores(folder: &Path, more: &[&str], input: &str) -> Vec<f64> {
    let stdout = text(&command(folder, more, input).success().get_output().stdout);
    let mut ranked: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(ranked.is_sorted_by(|a, b| a["score"].as_f64() >= b["score"].as_f64()), "{stdout}");
    ranked.sort_by_key(|object| object["index"].as_u64());
    ranked.iter().map(|object| object["score"].as_f64().unwrap()).collect()
}

fn assert_near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= 1e-4 * expected.abs(),
            "{what}: {found}, not {expected}"
        );
    }
}

fn embeddings(codec: &str) -> (Vec<u8>, EmbeddingsFile) {
    let bytes = encode(&["--codec", codec, "-o", "-"], &input());
    let file = EmbeddingsFile::read("x", &bytes, &[]).unwrap();
    (bytes, file)
}

/// The scores of what is decompressed.
fn expected(documents: &TokenEmbeddings) -> Vec<f64> {
    let query = json!({"text": "the price of war"}).to_string();
    let query = encode(&["--kind", "query", "-o", "-"], &query);
    let query = EmbeddingsFile::read("q", &query, &[]).unwrap().embeddings.decompress();
    maxsim(query.values(), documents).into_iter().map(f64::from).collect()
}

#[test]
fn records_and_files_of_encode_are_taken_in_every_codec() {
    let folder = tempfile::tempdir().unwrap();
    let of_texts = scores(folder.path(), &[], &input());
    for codec in ["f32", "f16", "int8", "binary"] {
        let (bytes, file) = embeddings(codec);
        let expected = expected(&file.embeddings.decompress());
        let records = text(&encode(&["--codec", codec], &input()));
        assert!(!records.contains("\"text\""));
        assert_near(&scores(folder.path(), &[], &records), &expected, codec);
        fs::write(folder.path().join("x"), &bytes).unwrap();
        let with_texts = scores(folder.path(), &["--embeddings", "x"], &input());
        assert_near(&with_texts, &expected, codec);
        let ids = "{\"id\":0}\n{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n";
        assert_eq!(scores(folder.path(), &["--embeddings", "x"], ids), with_texts, "{codec}");
        if codec == "f32" {
            assert_near(&of_texts, &expected, "texts");
        } else {
            assert_ne!(of_texts, with_texts, "{codec} is what is scored");
        }
    }
}

#[test]
fn residual_embeddings_need_their_codec() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("sample"), encode(&["-o", "-"], &input().repeat(8))).unwrap();
    for (nbits, name) in [("2", "two"), ("1", "one")] {
        let train = ["codec", "train", &path("sample"), "--nbits", nbits, "-o", &path(name)];
        tabrank(&train).assert().success();
    }
    let records = text(&encode(&["--codec", &path("two")], &input()));
    fs::write(path("x"), encode(&["--codec", &path("two"), "-o", "-"], &input())).unwrap();
    let of_records = scores(folder.path(), &["--codec", "one", "--codec", "two"], &records);
    let of_file = scores(folder.path(), &["--codec", "two", "--embeddings", "x"], &input());
    assert_eq!(of_records, of_file);
    for more in [&[][..], &["--codec", "one"]] {
        let error = text(&command(folder.path(), more, &records).code(65).get_output().stderr);
        assert!(error.contains("stdin:1:1: \"codecId\" is that of no --codec"), "{error}");
    }
    let unnamed = records.replace("codecId", "codec_id");
    let more = ["--codec", "one", "--codec", "two"];
    let error = text(&command(folder.path(), &more, &unnamed).code(65).get_output().stderr);
    assert!(error.contains("\"codecId\" is missing, and several --codec are given"), "{error}");
}

/// What is wrong with embeddings makes an object one that cannot be read.
#[test]
fn objects_with_damaged_embeddings_are_skipped_if_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = [
        r#"{"embeddings":"!!"}"#,
        r#"{"codec":"int8","dimension":1,"embeddings":"AA==","scales":"AADAfw=="}"#,
        r#"{"codec":"int8","dimension":1,"embeddings":"AAAA","scales":"AAAAAA=="}"#,
    ];
    let input = format!("{{\"text\":\"oil\"}}\n{}\n", damaged.join("\n"));
    let assert = command(folder.path(), &["--on-error", "skip"], &input).success();
    assert_eq!(text(&assert.get_output().stdout).lines().count(), 1);
    let error = text(&assert.get_output().stderr);
    assert!(error.contains("3 of 4 objects are skipped; the first: stdin:2:1"), "{error}");
}

/// An object that brings rows along, of which the record of `encode` is known too.
type Form = fn(&[&[f32]], &Value) -> Value;

/// As other programs have them.
#[test]
fn every_form_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = embeddings("f32");
    let records = text(&encode(&[], &input()));
    let expected = scores(folder.path(), &[], &records);
    let documents = file.embeddings.decompress();
    let width = documents.dimension();
    let forms: [Form; 8] = [
        |rows, _| json!({"embeddings": rows}),
        |rows, _| json!({"embeddings": {"embeddings": rows}}),
        |rows, _| json!({"vector": rows}),
        |rows, _| json!({"vector": {"dense": [1.0, 2.0], "colbert": rows}, "text": null}),
        |rows, record| json!({"embeddings_b64": record["embeddings"], "shape": [rows.len(), 16]}),
        |_, record| json!({"embeddings": record, "text": "another"}),
        |_, record| json!({"embeddings": {"embeddings": record["embeddings"]}}),
        |rows, record| json!({"embeddings": {"embeddings_b64": record["embeddings"], "shape": [rows.len(), 16]}}),
    ];
    for form in forms {
        let lines = documents.texts().zip(records.lines()).map(|(values, record)| {
            let rows: Vec<&[f32]> = values.chunks_exact(width).collect();
            form(&rows, &serde_json::from_str(record).unwrap()).to_string() + "\n"
        });
        let lines: String = lines.collect();
        assert_near(&scores(folder.path(), &[], &lines), &expected, &lines[..60]);
    }
    // Vespa's cells are signed, and codes may be numbers.
    let binary = encode(&["--codec", "binary"], &input());
    let expected = scores(folder.path(), &[], &text(&binary));
    let (_, file) = embeddings("binary");
    let lines = file.embeddings.documents().map(|rows| {
        let tabrank::DocumentRows::Binary(bytes) = rows else { unreachable!() };
        let rows: Vec<Vec<i8>> =
            bytes.chunks(2).map(|row| row.iter().map(|&byte| byte as i8).collect()).collect();
        json!({"codec": "binary", "dimension": 16, "embeddings": rows}).to_string() + "\n"
    });
    assert_eq!(scores(folder.path(), &[], &lines.collect::<String>()), expected);
}

#[test]
fn texts_and_embeddings_go_into_one_list() {
    let folder = tempfile::tempdir().unwrap();
    let records = text(&encode(&[], &input()));
    let (records, input) = (records.lines().collect::<Vec<_>>(), input());
    let texts: Vec<&str> = input.lines().collect();
    let mixed = [texts[0], records[1], texts[2], records[3]].join("\n");
    let expected = scores(folder.path(), &[], &input);
    assert_near(&scores(folder.path(), &[], &mixed), &expected, "mixed");
    // One vector of a search is no late interaction's.
    let vector = r#"{"text":"oil and war","vector":[1.0,2.0],"embeddings":[0.5]}"#;
    assert_near(&scores(folder.path(), &[], vector), &expected[..1], "a vector");
    let long = r#"{"embeddings":[[2,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]]}"#;
    let unit = long.replace("[2", "[1");
    assert_eq!(scores(folder.path(), &[], long), scores(folder.path(), &[], &unit));
    let said = text(&command(folder.path(), &[], long).success().get_output().stderr);
    assert!(said.contains("warning: "), "{said}");
    assert!(
        !text(&command(folder.path(), &[], &unit).success().get_output().stderr)
            .contains("warning")
    );
}

/// The first model encodes the texts of candidates that bring the second one's embeddings.
#[test]
fn embeddings_are_the_model_s_that_they_name() {
    let (folder, other) = (tempfile::tempdir().unwrap(), checkpoint("stanford"));
    let mut encode = tabrank(&["encode", "--model", &other, "--codec", "binary"]);
    let records = text(&encode.write_stdin(input()).assert().success().get_output().stdout);
    let lines = TEXTS.iter().zip(records.lines()).map(|(text, record)| {
        let record: Value = serde_json::from_str(record).unwrap();
        json!({"text": text, "embeddings": record}).to_string() + "\n"
    });
    let stages = ["--stage", "late", "--stage", &format!("late={other}")];
    let found = scores(folder.path(), &stages, &lines.collect::<String>());
    let of_texts = scores(folder.path(), &stages, &input());
    assert_eq!(found.len(), TEXTS.len());
    assert_ne!(found, of_texts, "they are what is scored");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let other = text(&encode(&["--document-length", "9"], &input()));
    let rows = |count: usize| json!(vec![vec![0.25; count]; 2]).to_string();
    let cases = [
        (other.lines().next().unwrap().to_owned(), "its embeddings are of \"v1-"),
        (
            format!("{{\"embeddings\":{}}}", rows(15)),
            "its embeddings are 15 wide, and the model's 16",
        ),
        ("{\"id\":1}".to_owned(), "the object has no \"text\""),
        ("{\"embeddings\":[[1,2],[3]]}".to_owned(), "\"embeddings\" has rows of several lengths"),
        (
            "{\"embeddings\":[[1e39]]}".to_owned(),
            "\"embeddings\" has a number that is out of range",
        ),
        ("{\"embeddings\":[[\"a\"]]}".to_owned(), "\"embeddings\" is of another kind"),
        (
            "{\"embeddings\":7}".to_owned(),
            "\"embeddings\" are neither an object, nor base64, nor rows",
        ),
        ("{\"embeddings\":\"%\"}".to_owned(), "\"embeddings\" is no base64"),
        ("{\"embeddings\":\"AAA=\"}".to_owned(), "\"embeddings\" ends within a number"),
        ("{\"embeddings\":\"AAAA\",\"codec\":\"int8\"}".to_owned(), "\"scales\" is missing"),
        ("{\"embeddings\":\"AAAA\",\"scales\":[1],\"codec\":\"int8\"}".to_owned(), "embeddings"),
        ("{\"embeddings\":[[1.5]],\"scales\":[1],\"codec\":\"int8\"}".to_owned(), "out of range"),
        ("{\"embeddings\":[[-128]],\"scales\":[1],\"codec\":\"int8\"}".to_owned(), "out of range"),
        ("{\"embeddings\":[[1]],\"codec\":\"f16\"}".to_owned(), "out of range"),
        (
            "{\"embeddings\":\"AAAA\",\"codec\":\"pq\"}".to_owned(),
            "\"codec\" is none of f32, f16, int8",
        ),
        ("{\"embeddings\":\"AADAfw==\",\"dimension\":1}".to_owned(), "not finite"),
        ("{\"embeddings\":\"AAAAAA==\",\"dimension\":0}".to_owned(), "dimension"),
        (
            "{\"embeddings\":\"AAAAAA==\",\"dimension\":-1}".to_owned(),
            "\"dimension\" is of another kind",
        ),
        (
            "{\"embeddings\":\"AAAAAA==\",\"dimension\":18446744073709551615}".to_owned(),
            "embeddings hold 1 numbers",
        ),
        ("{\"embeddings_b64\":\"AAAAAA==\"}".to_owned(), "\"shape\" is missing"),
        (
            "{\"embeddings_b64\":\"AAAAAA==\",\"shape\":[1,2]}".to_owned(),
            "\"shape\" is not that of the embeddings",
        ),
        (
            "{\"vector\":{\"a\":[[1]],\"b\":[[1]]}}".to_owned(),
            "\"vector\" has rows under several names",
        ),
        (
            "{\"codec\":\"residual\",\"codes\":[0],\"residuals\":\"AAAA\"}".to_owned(),
            "\"codecId\" is that of no --codec",
        ),
    ];
    for (line, expected) in cases {
        let input = format!("{{\"text\":\"oil\"}}\n{line}\n");
        let assert = command(folder.path(), &[], &input).code(65);
        let error = text(&assert.get_output().stderr);
        assert!(error.contains("stdin:2:") && error.contains(expected), "{line}: {error}");
        assert!(assert.get_output().stdout.is_empty());
    }
    let records = text(&encode(&[], &input()));
    for stage in ["bm25", "dense"] {
        let assert = command(folder.path(), &["--stage", stage], &records).code(65);
        let error = text(&assert.get_output().stderr);
        assert!(
            error.contains("stdin:1:1: has embeddings and no text, which stages[0]"),
            "{error}"
        );
    }
    let cross = format!("cross={}", checkpoint("cross-encoders/bert"));
    let assert = command(folder.path(), &["--stage", "late", "--stage", &cross], &records).code(65);
    let error = text(&assert.get_output().stderr);
    assert!(error.contains(": has embeddings of another model, and no \"text\""), "{error}");

    let (bytes, _) = embeddings("int8");
    fs::write(folder.path().join("x"), &bytes).unwrap();
    let both = command(folder.path(), &["--embeddings", "x"], &records).code(65);
    assert!(
        text(&both.get_output().stderr)
            .contains("stdin:1:1: has \"embeddings\", and some in the file")
    );
    let none = format!("{}{{\"id\":4}}\n", input());
    let none = command(folder.path(), &["--embeddings", "x"], &none).code(65);
    assert!(text(&none.get_output().stderr).contains("stdin:5:1: the object has no \"text\""));
    fs::write(folder.path().join("x"), &bytes[..bytes.len() - 1]).unwrap();
    let short = command(folder.path(), &["--embeddings", "x"], &input()).code(65);
    assert!(text(&short.get_output().stderr).contains("x is not a valid safetensors file"));
    command(folder.path(), &["--embeddings", "no-such-file"], &input()).code(66);
}
