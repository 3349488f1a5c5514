//! Inputs of the command line as other programs write them, and what becomes of their fields.

#![cfg(feature = "cli")]

mod common;

use std::fs;

use common::command::{checkpoint, tabrank, text};
use common::{Fixture, minilm};
use safetensors::SafeTensors;
use serde_json::Value;

const TWO: [&str; 2] = [r#"{"id":1,"text":"the war"}"#, r#"{"id":2,"text":"oil"}"#];

fn rerank(input: &[u8], more: &[&str]) -> assert_cmd::assert::Assert {
    let model = checkpoint("pylate");
    let arguments = [&["rerank", "--model", &model, "--query", "oil"], more].concat();
    tabrank(&arguments).write_stdin(input).assert()
}

fn stdout(assert: assert_cmd::assert::Assert) -> String {
    text(&assert.success().get_output().stdout)
}

fn error_of(input: &[u8], more: &[&str]) -> String {
    let assert = rerank(input, more).code(65);
    assert!(assert.get_output().stdout.is_empty());
    text(&assert.get_output().stderr)
}

#[test]
fn forms_that_other_programs_write_are_read() {
    let [a, b] = TWO;
    let expected = stdout(rerank(TWO.join("\n").as_bytes(), &[]));
    assert_eq!(expected.lines().count(), 2);
    let forms = [
        format!("\u{feff}{a}\n{b}\n"),
        format!("{a}\r\n{b}\r\n"),
        // Two files with a mark each, joined.
        format!("\u{feff}{a}\n\u{feff}{b}"),
        format!("[{a},{b}]"),
        format!("\u{feff}  [\r\n {a} ,\n\t{b}\r\n]\n\n"),
    ];
    for form in forms {
        assert_eq!(stdout(rerank(form.as_bytes(), &[])), expected, "{form:?}");
    }
    // What `jq .` and Python's indent=2 write.
    let pretty = serde_json::to_string_pretty(&serde_json::json!([
        {"id": 1, "text": "the war", "tags": ["a, [b]", {"c": "\" \\"}]},
        {"id": 2, "text": "oil", "tags": []},
    ]));
    let ranked = stdout(rerank(pretty.unwrap().as_bytes(), &[]));
    assert!(ranked.contains(r#""tags":["a, [b]",{"c":"\" \\"}]"#), "{ranked}");
    assert_eq!(ranked.lines().count(), 2);
    for empty in ["", "\n \n", "\u{feff}", "[]", " [ ] "] {
        assert_eq!(stdout(rerank(empty.as_bytes(), &[])), "", "{empty:?}");
    }
}

#[test]
fn a_query_may_begin_with_a_hyphen() {
    let model = checkpoint("pylate");
    for query in ["-5 degrees", "--help", "-", "--model"] {
        let ranked = |arguments: &[&str]| {
            let all = [&["rerank", "--model", &model], arguments, &["--top-k", "1"]].concat();
            stdout(tabrank(&all).write_stdin(TWO.join("\n")).assert())
        };
        let expected = ranked(&[&format!("--query={query}")]);
        assert_eq!(ranked(&["--query", query]), expected, "{query}");
        assert_eq!(expected.lines().count(), 1);
    }
}

#[test]
fn what_is_no_jsonl_is_said() {
    let [a, b] = TWO;
    let utf16 = |line: &str| line.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let cases: [(Vec<u8>, &str); 23] = [
        (utf16(&format!("\u{feff}{a}\n")), "stdin:1:1: is UTF-16; save it as UTF-8"),
        (utf16(&format!("{a}\n")), "stdin:1:1: holds NUL bytes"),
        (b"\x1f\x8b\x08\x00rest".to_vec(), "stdin:1:1: is compressed (gzip)"),
        (b"\x28\xb5\x2f\xfdrest".to_vec(), "(zstd)"),
        (b"PK\x03\x04rest".to_vec(), "a workbook"),
        (format!("{a}{b}").into(), "stdin:1:26: a second value follows"),
        (format!("{a}\n{{\n").into(), "stdin:2:1: the object does not end in its line"),
        (
            format!("{a}\n\"oil\"").into(),
            "stdin:2:1: is a string; an object with a \"text\" is needed\n",
        ),
        (r#"["oil"]"#.into(), "stdin:1:2: is a string; an object"),
        (format!("{a}\n [1]").into(), "stdin:2:1: is an array; "),
        (format!("{a}\n-1.5").into(), "stdin:2:1: is a number; "),
        (format!("{a}\n1e999").into(), "stdin:2:5: number out of range"),
        (format!("{a}\nfalse").into(), "stdin:2:1: is a boolean; "),
        (format!("{a}\nnull").into(), "stdin:2:1: is null; "),
        ("id,text\n1,oil".into(), "stdin:1:1: "),
        (b"{\"text\":\"a\xff\"}".to_vec(), "stdin:1:11: is not UTF-8"),
        (b"{\"text\":\"a\0\"}".to_vec(), "stdin:1:10: control character"),
        (r#"{"text":"\ud800"}"#.into(), "\"text\" has an escape that is no character"),
        (format!("[{a},\n {{\"text\":1}}]").into(), "stdin:2:2: \"text\" is not a string"),
        (format!("[{a},\n {{\"text\" 1}}]").into(), "stdin:2:10: expected `:`"),
        (format!("[{a}").into(), "stdin:1:27: the array does not end"),
        (format!("[{a},]").into(), "stdin:1:28: an element is missing"),
        (format!("[{a}]\n{b}").into(), "stdin:2:1: something follows the array"),
    ];
    for (input, expected) in cases {
        let error = error_of(&input, &[]);
        assert!(error.contains(expected), "{error} {}", String::from_utf8_lossy(&input));
    }
}

/// A value in the place of an object, and others beside it, of any file that is read.
#[test]
fn what_is_said_of_an_input_holds_nothing_of_it() {
    let [object, _] = TWO;
    let (folder, model) = (tempfile::tempdir().unwrap(), checkpoint("pylate"));
    let data = folder.path().display().to_string();
    let eval = ["eval", "--model", &model, "--data", &data];
    let values = [
        "\"SECRET\"",
        "8675309",
        "[\"SECRET\", 8675309]",
        "{\"SECRET\":8675309}",
        "SECRET\t8675309",
    ];
    for value in values {
        for more in [&[][..], &["--on-error", "skip"]] {
            for input in
                [format!("{value}\n"), format!("[{value}]"), format!("{object}\n{value}\n")]
            {
                let assert = rerank(input.as_bytes(), more);
                check_secret(&text(&assert.get_output().stderr));
            }
        }
        for name in ["corpus.jsonl", "queries.jsonl", "qrels.tsv"] {
            for each in ["corpus.jsonl", "queries.jsonl"] {
                fs::write(folder.path().join(each), object).unwrap();
            }
            fs::write(folder.path().join("qrels.tsv"), "1\t1\t1\n").unwrap();
            fs::write(folder.path().join(name), format!("\n{value}\n")).unwrap();
            let assert = tabrank(&eval).assert().code(65);
            check_secret(&text(&assert.get_output().stderr));
        }
    }
}

fn check_secret(said: &str) {
    assert!(!said.contains("SECRET") && !said.contains("8675309"), "{said}");
    assert!(!said.contains("panic"), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_input_without_an_end_is_refused_at_a_limit() {
    let (folder, model) = (tempfile::tempdir().unwrap(), checkpoint("pylate"));
    for begin in ["{", "[\""] {
        let line = format!(
            "ulimit -v 2000000; (printf '{begin}'; tr '\\0' a < /dev/zero) | \
             \"$tabrank\" rerank --model {model} --query oil"
        );
        let assert = common::command::shell(folder.path(), &line).assert().code(65);
        let error = text(&assert.get_output().stderr);
        assert!(error.contains("longer than the 67108864 bytes"), "{error}");
    }
}

#[test]
fn a_bad_line_can_be_skipped() {
    let [a, b] = TWO;
    let input = format!("{a}\n{{\"text\":1}}\nnone\n{b}\n");
    assert!(error_of(input.as_bytes(), &[]).contains("stdin:2:1: "));
    assert!(error_of(input.as_bytes(), &["--on-error", "fail"]).contains("stdin:2:1: "));
    let assert = rerank(input.as_bytes(), &["--on-error", "skip"]).success();
    let indices: Vec<u64> = text(&assert.get_output().stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices.len(), 2);
    assert!([0, 3].iter().all(|index| indices.contains(index)), "{indices:?}");
    let error = text(&assert.get_output().stderr);
    assert!(error.contains("2 of 4 objects are skipped; the first: stdin:2:1: "), "{error}");
    assert!(error_of(b"none\n1\n", &["--on-error", "skip"]).contains("stdin:1:"));

    let (folder, model) = (tempfile::tempdir().unwrap(), checkpoint("pylate"));
    let path = folder.path().join("x").display().to_string();
    let encode = ["encode", "--model", &model, "--kind", "query", "-o", &path];
    let blank = format!("{a}\n{{\"text\":\" \"}}\n{b}\n");
    let assert = tabrank(&encode).write_stdin(blank.clone()).assert().code(65);
    assert!(text(&assert.get_output().stderr).contains("stdin:2:1: the query is empty"));
    let skip = [&encode[..], &["--on-error", "skip"]].concat();
    tabrank(&skip).write_stdin(blank).assert().success();
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("indices").unwrap().data(), [0, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(tensors.tensor("lengths").unwrap().shape(), [2]);
}

#[test]
fn an_object_s_own_fields_survive_any_number_of_passes() {
    let input = "{\"text\":\"Goethe wrote Faust.\",\"index\":7,\"replaced\":\"mine\"}\n\
                 {\"text\":\"Bread.\",\"rank\":3,\"score\":9,\"n\":1e400,\"n\":12345678901234567890}\n";
    let once = stdout(rerank(input.as_bytes(), &[]));
    assert!(once.contains(r#""replaced":{"index":7,"replaced":"mine"}"#), "{once}");
    assert!(once.contains(r#""n":1e400,"n":12345678901234567890,"index":"#), "{once}");
    let twice = stdout(rerank(once.as_bytes(), &[]));
    let thrice = stdout(rerank(twice.as_bytes(), &[]));
    for (line, own) in
        [("Goethe", r#"{"index":7,"replaced":"mine"}"#), ("Bread", r#"{"rank":3,"score":9}"#)]
    {
        let find = |text: &str| text.lines().find(|found| found.contains(line)).unwrap().to_owned();
        // The fields of each pass, and within them those of the one before.
        let of = |text: &str| {
            find(text)[find(text).find("\"index\":").unwrap()..].trim_end_matches('}').to_owned()
        };
        assert!(find(&thrice).contains(own), "{thrice}");
        let ranks = |text: &str| of(text).split(",\"replaced\"").next().unwrap().to_owned();
        assert!(find(&twice).contains(&format!("\"replaced\":{{{},", ranks(&once))), "{twice}");
        assert!(
            find(&thrice).contains(&format!(
                "\"replaced\":{{{},\"replaced\":{{{}",
                ranks(&twice),
                ranks(&once)
            )),
            "{thrice}"
        );
    }
}

#[test]
fn what_is_cut_is_told() {
    let long = "war ".repeat(400);
    let lines = format!("{}\n{}\n", TWO[1], serde_json::json!({"text": long}));
    let assert = rerank(lines.as_bytes(), &[]).success();
    let output = assert.get_output();
    for line in text(&output.stdout).lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["truncated"], object["index"] == 1, "{line}");
    }
    let error = text(&output.stderr);
    assert!(error.contains("1 of 2 texts are longer than the model takes"), "{error}");
    assert!(!error.contains("the query has more"), "{error}");
    let model = checkpoint("pylate");
    let assert =
        tabrank(&["rerank", "--model", &model, "--query", &long]).write_stdin(TWO[1]).assert();
    let error = text(&assert.success().get_output().stderr);
    assert!(error.contains("the query has more than") && !error.contains("texts are"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x").display().to_string();
    let assert = tabrank(&["encode", "--model", &model, "-o", &path]).write_stdin(lines).assert();
    let error = text(&assert.success().get_output().stderr);
    assert!(error.contains("1 of 2 texts are longer than the model takes"), "{error}");
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("truncated").unwrap().data(), [0, 1]);
}

#[test]
fn no_more_threads_are_started_than_are_of_use() {
    let mut command = tabrank(&["encode", "--model", &checkpoint("pylate")]);
    command.env("RAYON_NUM_THREADS", "99999999").write_stdin("{\"text\":\"oil\"}\n");
    let said = text(&command.assert().success().get_output().stderr);
    assert!(said.contains("RAYON_NUM_THREADS is 99999999; 512 threads are started"), "{said}");
}

/// Also of a model whose products are cut into parts for the cores.
#[test]
fn outputs_are_the_same_bytes_on_any_number_of_threads() {
    let fixture = Fixture::read("pylate");
    let documents = fixture.expected.documents.iter().take(4);
    let lines: String =
        documents.map(|d| serde_json::json!({"text": d.text}).to_string() + "\n").collect();
    let (folder, tiny) = (tempfile::tempdir().unwrap(), checkpoint("pylate"));
    let whole = minilm().display().to_string();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let run = |threads: &str, arguments: &[&str]| {
        let mut command = tabrank(arguments);
        let assert = command.env("RAYON_NUM_THREADS", threads).write_stdin(lines.clone()).assert();
        assert.success().get_output().stdout.clone()
    };
    let of = |threads: &str| {
        let bundle = path(&format!("bundle-{threads}"));
        run(threads, &["convert", &tiny, "--dtype", "q8", "-o", &bundle]);
        let mut outputs = Vec::new();
        for model in [&tiny, &bundle, &whole] {
            outputs
                .push(run(threads, &["rerank", "--model", model, "--query", "the price of oil"]));
            outputs.push(run(threads, &["encode", "--model", model, "-o", "-"]));
        }
        let manifest = fs::read(format!("{bundle}/tabrank.json")).unwrap();
        // It holds the hashes of all other files.
        outputs.push(manifest);
        outputs
    };
    let one = of("1");
    for threads in ["2", "5"] {
        assert!(of(threads) == one, "{threads} threads");
    }
}
