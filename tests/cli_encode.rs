//! `tabrank encode`: what it writes of each codec, in a file and in records, and what becomes of a run that is killed.

#![cfg(all(feature = "cli", target_os = "linux"))]

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::command::{checkpoint, names, started, tabrank, text};
use common::crafted::read_tensors;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tabrank::TokenEmbeddings;
use tabrank::late_interaction::codec::file::EmbeddingsFile;

/// Texts between two states.
const STRETCH: usize = 64;

/// Texts that differ, one of them empty and one that is cut.
fn texts(count: usize) -> Vec<String> {
    let text = |place: usize| match place % 50 {
        7 => String::new(),
        9 => "oil and war ".repeat(20),
        _ => format!("the price of oil {place}"),
    };
    (0..count).map(text).collect()
}

fn lines(texts: &[String]) -> String {
    let line = |(id, text): (usize, &String)| json!({"id": id, "text": text}).to_string() + "\n";
    texts.iter().enumerate().map(line).collect()
}

fn encode(folder: &Path, more: &[&str], input: &str) -> assert_cmd::assert::Assert {
    let model = checkpoint("pylate");
    let mut command = tabrank(&[&["encode", "--model", &model], more].concat());
    command.current_dir(folder).write_stdin(input).assert()
}

/// The file of a run that nothing happens to.
fn encoded(more: &[&str], input: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    encode(folder.path(), &[more, &["-o", "x"]].concat(), input).success();
    assert_eq!(names(folder.path()), ["x"]);
    fs::read(folder.path().join("x")).unwrap()
}

fn failure(assert: assert_cmd::assert::Assert, code: i32) -> String {
    text(&assert.code(code).get_output().stderr)
}

/// A run that has all of its texts but the end of the input, and has written a state.
fn encoding(folder: &Path, more: &[&str], input: &str) -> (Child, ChildStdin) {
    let model = checkpoint("pylate");
    let arguments = [&["encode", "--model", &model, "-o", "x"], more].concat();
    started(folder, &arguments, input, |_| true)
}

/// What a run leaves that was killed after its first stretch.
fn killed(folder: &Path, more: &[&str], input: &str) {
    ended(folder, more, input, "-KILL");
}

fn ended(folder: &Path, more: &[&str], input: &str, signal: &str) {
    let (mut child, stdin) = encoding(folder, more, input);
    let process = child.id().to_string();
    assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    child.wait().unwrap();
    drop(stdin);
}

/// Texts of a stretch are more than three cores take at once, and differ in length.
#[test]
fn a_file_is_the_same_bytes_on_any_number_of_threads() {
    let text = |place: usize| format!("the price of oil {place} ").repeat(place % 50);
    let input = lines(&(0..150).map(text).collect::<Vec<_>>());
    let folder = tempfile::tempdir().unwrap();
    let run = |threads: &str, more: &[&str]| {
        let model = checkpoint("pylate");
        let mut command = tabrank(&[&["encode", "--model", &model], more].concat());
        command.current_dir(folder.path()).env("RAYON_NUM_THREADS", threads);
        let assert = command.write_stdin(input.as_str()).assert().success();
        (assert.get_output().stdout.clone(), fs::read(folder.path().join("x")).ok())
    };
    for more in [&["-o", "x"][..], &["-o", "x", "--codec", "int8", "--pool-factor", "2"], &[]] {
        let one = run("1", more);
        for threads in ["2", "3", "7"] {
            assert!(run(threads, more) == one, "{more:?} on {threads} threads");
        }
    }
}

#[test]
fn a_killed_run_goes_on_to_the_very_same_file() {
    let input = lines(&texts(STRETCH + 20));
    for codec in ["f32", "int8"] {
        let (folder, asked) = (tempfile::tempdir().unwrap(), ["--codec", codec]);
        killed(folder.path(), &asked, &input);
        assert!(!folder.path().join("x").exists());
        // What it had written behind its last state does not count.
        for plane in ["plane-0", "texts"] {
            let path = folder.path().join("x.partial").join(plane);
            let mut file = fs::File::options().append(true).open(path).unwrap();
            file.write_all(b"half a batch").unwrap();
        }
        let more = [&asked[..], &["-o", "x", "--resume"]].concat();
        encode(folder.path(), &more, &input).success();
        assert_eq!(names(folder.path()), ["x"]);
        assert!(fs::read(folder.path().join("x")).unwrap() == encoded(&asked, &input), "{codec}");
        // With nothing left it is a run like any other.
        fs::remove_file(folder.path().join("x")).unwrap();
        encode(folder.path(), &more, &input).success();
        assert!(fs::read(folder.path().join("x")).unwrap() == encoded(&asked, &input), "{codec}");
    }
}

/// Which leaves nothing else.
#[test]
fn an_interrupted_run_goes_on_as_well() {
    let (folder, input) = (tempfile::tempdir().unwrap(), lines(&texts(STRETCH + 20)));
    ended(folder.path(), &[], &input, "-TERM");
    assert_eq!(names(folder.path()), ["x.partial"]);
    encode(folder.path(), &["-o", "x", "--resume"], &input).success();
    assert_eq!(names(folder.path()), ["x"]);
    assert!(fs::read(folder.path().join("x")).unwrap() == encoded(&[], &input));
}

#[test]
fn what_was_made_in_another_way_is_not_gone_on_with() {
    let (folder, all) = (tempfile::tempdir().unwrap(), texts(STRETCH + 20));
    let input = lines(&all);
    killed(folder.path(), &["--codec", "int8"], &input);
    let resume = |more: &[&str], input: &str| {
        let more = [&["-o", "x", "--resume", "--codec", "int8"], more].concat();
        failure(encode(folder.path(), &more, input), 65)
    };
    let mut other = all.clone();
    other[3] = "another".to_owned();
    let cases = [
        (
            &["--pool-factor", "2"][..],
            input.clone(),
            "its pool factor is 1, and that of this run 2",
        ),
        (
            &["--kind", "query"],
            input.replace("\"\"", "\"a\""),
            "its kind is document, and that of this run query",
        ),
        (&["--document-length", "9"], input.clone(), "its model is v1-"),
        (&["--long-documents", "windows"], input.clone(), "its long documents is cut"),
        (&[], lines(&other), "the input is not the one that it was made of"),
        (&[], lines(&all[..9]), "the input is not the one"),
        (&[], format!("\n{input}"), "the input is not the one"),
    ];
    for (more, input, expected) in cases {
        let error = resume(more, &input);
        assert!(
            error.contains("cannot go on with x.partial: ") || error.contains("x.partial: its"),
            "{error}"
        );
        assert!(error.contains(expected), "{error}");
    }
    let codec = encode(folder.path(), &["-o", "x", "--resume", "--codec", "f16"], &input);
    let error = failure(codec, 65);
    assert!(error.contains("its codec is int8, and that of this run f16"), "{error}");
    // All of which leaves it as it was.
    encode(folder.path(), &["-o", "x", "--resume", "--codec", "int8"], &input).success();
    assert!(fs::read(folder.path().join("x")).unwrap() == encoded(&["--codec", "int8"], &input));
}

#[test]
fn a_damaged_state_is_refused_and_a_new_run_begins_anew() {
    let input = lines(&texts(STRETCH + 20));
    let folder = tempfile::tempdir().unwrap();
    let partial = folder.path().join("x.partial");
    killed(folder.path(), &[], &input);
    let state = fs::read_to_string(partial.join("state.json")).unwrap();
    let edited = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&state).unwrap();
        change(&mut value);
        value.to_string()
    };
    let resume = || encode(folder.path(), &["-o", "x", "--resume"], &input);
    let states = [
        (String::new(), "its state cannot be read"),
        ("{".repeat(100_000), "its state cannot be read"),
        (edited(&|state| state["version"] = 2.into()), "its state cannot be read"),
        (edited(&|state| state["settings"] = json!({})), "its state does not say its codec"),
        (
            edited(&|state| state["mark"]["texts"] = u64::MAX.into()),
            "not as long as its state says",
        ),
        (edited(&|state| state["mark"]["texts"] = 3.into()), "not as long as its state says"),
        // Nine times as many bytes are few, in 64 bits.
        (
            edited(&|state| state["mark"]["texts"] = (u64::MAX / 9 + 1).into()),
            "not as long as its state says",
        ),
        (edited(&|state| state["planes"] = json!([])), "not as long as its state says"),
        (edited(&|state| state["planes"][0] = u64::MAX.into()), "not as long as its state says"),
    ];
    for (damaged, expected) in states {
        fs::write(partial.join("state.json"), &damaged).unwrap();
        let error = failure(resume(), 65);
        assert!(error.contains(expected), "{error}");
    }
    fs::write(partial.join("state.json"), &state).unwrap();
    fs::write(partial.join("plane-0"), "short").unwrap();
    assert!(failure(resume(), 65).contains("not as long as its state says"));

    let assert = encode(folder.path(), &["-o", "x"], &input).success();
    let said = text(&assert.get_output().stderr);
    assert!(said.contains("x.partial is what an earlier run has left"), "{said}");
    assert_eq!(names(folder.path()), ["x"]);
    assert!(fs::read(folder.path().join("x")).unwrap() == encoded(&[], &input));
}

#[test]
fn two_runs_do_not_write_one_file() {
    let input = lines(&texts(STRETCH + 1));
    let folder = tempfile::tempdir().unwrap();
    let (mut child, stdin) = encoding(folder.path(), &[], &input);
    for more in [&["-o", "x"][..], &["-o", "x", "--resume"]] {
        let error = failure(encode(folder.path(), more, &input), 74);
        assert!(error.contains("cannot write x: another run is writing it"), "{error}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(names(folder.path()), ["x"]);
    assert!(fs::read(folder.path().join("x")).unwrap() == encoded(&[], &input));

    // What is somebody else's stays.
    fs::create_dir(folder.path().join("x.partial")).unwrap();
    for more in [&["-o", "x"][..], &["-o", "x", "--resume"]] {
        let error = failure(encode(folder.path(), more, &input), 74);
        assert!(error.contains("x.partial is in its way"), "{error}");
    }
    assert_eq!(names(folder.path()), ["x", "x.partial"]);
}

#[test]
fn records_hold_what_a_file_does() {
    let all = texts(60);
    let input = lines(&all);
    for codec in ["f32", "f16", "int8", "binary"] {
        let bytes = encoded(&["--codec", codec], &input);
        let file = EmbeddingsFile::read("x", &bytes, &[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let assert = encode(folder.path(), &["--codec", codec], &input).success();
        let stdout = text(&assert.get_output().stdout);
        let records: Vec<Value> =
            stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), all.len());
        let tensors = read_tensors(&bytes);
        for (name, plane) in [("embeddings", "embeddings"), ("scales", "scales")] {
            let joined = records.iter().flat_map(|record| {
                let text = record[plane].as_str().unwrap_or_default();
                BASE64_STANDARD.decode(text).unwrap()
            });
            let joined: Vec<u8> = joined.collect();
            assert!(
                joined == tensors.get(name).map_or(Vec::new(), |raw| raw.2.clone()),
                "{codec} {name}"
            );
        }
        for (place, record) in records.iter().enumerate() {
            assert_eq!((&record["id"], &record["index"]), (&place.into(), &place.into()));
            assert_eq!(record["codec"], codec);
            assert_eq!(record["dimension"], 16);
            assert_eq!(record["truncated"], file.truncated.as_ref().unwrap()[place]);
            assert_eq!(record["embeddingId"], file.info.embedding_id.clone().unwrap());
        }
    }
}

#[test]
fn a_record_has_the_id_of_its_object_to_the_letter() {
    let folder = tempfile::tempdir().unwrap();
    let input = "[{\"text\":\"oil\",\"id\":{\n\"a\": 1.50}},\n{\"text\":\"war\"}, 7, {\"id\":\"\\u0061\",\"text\":\"oil\"}]";
    let assert = encode(folder.path(), &["--on-error", "skip"], input).success();
    let stdout = text(&assert.get_output().stdout);
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(
        lines[0]
            .starts_with("{\"id\":{\"a\":1.50},\"index\":0,\"truncated\":false,\"codec\":\"f32\""),
        "{stdout}"
    );
    assert!(lines[1].starts_with("{\"index\":1,"), "{stdout}");
    assert!(lines[2].starts_with("{\"id\":\"\\u0061\",\"index\":3,"), "{stdout}");
    assert_eq!(lines.len(), 3);
    let said = text(&assert.get_output().stderr);
    assert!(said.contains("1 of 4 objects are skipped"), "{said}");
}

/// The first records come before the input ends.
#[test]
fn records_are_written_as_they_come() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tabrank"))
        .args(["encode", "--model", &checkpoint("pylate"), "--codec", "binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines(&texts(STRETCH)).as_bytes()).unwrap();
    stdin.flush().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    for place in 0..STRETCH {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        assert!(line.starts_with(&format!("{{\"id\":{place},")), "{line}");
    }
    drop((stdin, stdout));
    assert!(child.wait().unwrap().success());
}

/// One vector a text is no token's embedding, so that it does not say whose it is; nor is it pooled again.
#[test]
fn a_vector_for_a_text_is_not_taken_for_token_embeddings() {
    let input = lines(&texts(3));
    let bytes = encoded(&["--pooling", "mean"], &input);
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    assert_eq!(metadata["format"], "tabrank-embeddings");
    assert!(!metadata.contains_key("embeddingId"));
    let folder = tempfile::tempdir().unwrap();
    for more in [&["--pooling", "mean"][..], &["--kind", "query"]] {
        let more = [more, &["--pool-factor", "2"]].concat();
        let error = failure(encode(folder.path(), &more, &input), 2);
        assert!(
            error.contains("--pool-factor is for the token embeddings of documents"),
            "{error}"
        );
    }
    let error = failure(encode(folder.path(), &["--pool-factor", "0.5"], &input), 2);
    assert!(error.contains("--pool-factor is 0.5; 1 and more are taken"), "{error}");
    let error = failure(encode(folder.path(), &["--codec", "no-such-codec"], &input), 2);
    assert!(
        error.contains("--codec is no-such-codec, which is neither a codec nor a file"),
        "{error}"
    );
    let narrow = common::fixtures().join("vectors/codec.safetensors").display().to_string();
    let error = failure(encode(folder.path(), &["--codec", &narrow], &input), 65);
    assert!(error.contains("--codec is for rows of 20, and these have 16"), "{error}");
    let error = failure(encode(folder.path(), &["-o", "-", "--resume"], &input), 2);
    assert!(error.contains("--resume wants a file"), "{error}");
}

#[test]
fn documents_are_pooled_where_that_is_asked_for() {
    let input = lines(&texts(30));
    let lengths = |more: &[&str]| -> Vec<usize> {
        let file = EmbeddingsFile::read("x", &encoded(more, &input), &[]).unwrap();
        let embeddings: TokenEmbeddings = file.embeddings.decompress();
        embeddings.lengths().to_vec()
    };
    let (all, half) = (lengths(&[]), lengths(&["--pool-factor", "2"]));
    for (all, half) in all.iter().zip(half) {
        let most = if *all == 0 { 0 } else { 1 + ((all - 1) / 2).max(1).min(all - 1) };
        assert!(half <= most, "{half} of {all}");
    }
}

/// Also by a checkpoint that does so of its own, whose folder lies over another's.
#[test]
fn a_file_says_how_its_documents_were_pooled() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    for (name, bytes) in common::pooled_checkpoint().iter() {
        let file = model.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    let model = model.display().to_string();
    let said = |more: &[&str]| {
        let arguments = [&["encode", "--model", &model, "-o", "x"], more].concat();
        tabrank(&arguments)
            .current_dir(folder.path())
            .write_stdin(lines(&texts(3)))
            .assert()
            .success();
        let file = EmbeddingsFile::read("x", &fs::read(folder.path().join("x")).unwrap(), &[]);
        file.unwrap().info.token_pooling
    };
    assert_eq!(said(&[]).as_deref(), Some("1.5 protected=2"));
    assert_eq!(said(&["--pool-factor", "3"]).as_deref(), Some("3"));
    assert_eq!(said(&["--kind", "query"]), None);
    assert_eq!(said(&["--pooling", "mean"]), None);
}
