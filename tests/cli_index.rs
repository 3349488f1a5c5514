//! `tabrank index`: is an index the same however it came to be, and does it find what scoring all documents finds?

#![cfg(all(feature = "cli", target_os = "linux"))]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use common::command::{checkpoint, names, tabrank, text};
use common::index_command::{
    SMALL, STRETCH, build, codec, documents, failure, files, index, killed, with_model,
};
use serde_json::{Value, json};

/// A build with a codec that is there.
const BUILD: &[&str] = &["build", "-o", "x", "--codec", "codec"];

/// Ids and scores of lines.
fn found(assert: &assert_cmd::assert::Assert) -> Vec<(String, f64)> {
    let stdout = text(&assert.get_output().stdout);
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        (value["id"].as_str().unwrap().to_owned(), value["score"].as_f64().unwrap())
    };
    stdout.lines().map(line).collect()
}

/// The centroids of all documents are probed, so that nothing but the codes lies between the two.
#[test]
fn a_search_that_leaves_nothing_out_is_as_scoring_all_documents() {
    let (folder, input) = (tempfile::tempdir().unwrap(), documents(0..90));
    let at = folder.path();
    build(at, "x", SMALL, &input);
    codec(at, "x", "codec");
    let model = checkpoint("pylate");
    tabrank(&["encode", "--model", &model, "--codec", "codec", "-o", "rows"])
        .current_dir(at)
        .write_stdin(input.clone())
        .assert()
        .success();
    let query = ["--query", "war and the price of oil 17"];
    let all = ["--n-ivf-probe", "999", "--n-full-scores", "999", "--top-k", "20"];
    let searched = with_model(at, &[&["search", "x"], &query[..], &all].concat(), "");
    let searched = searched.success();
    let stdout = text(&searched.get_output().stdout);
    assert!(
        stdout.starts_with("{\"id\":\"d") && stdout.contains("\",\"rank\":1,\"score\":"),
        "{stdout}"
    );
    let found = found(&searched);
    assert_eq!(found.len(), 20);

    let rows = ["--embeddings", "rows", "--codec", "codec"];
    let reranked = tabrank(&[&["rerank", "--model", &model], &query[..], &rows].concat())
        .current_dir(at)
        .write_stdin(input)
        .assert()
        .success();
    let reranked: BTreeMap<String, f64> = self::found(&reranked).into_iter().collect();
    let mut best: Vec<f64> = reranked.values().copied().collect();
    best.sort_by(|a, b| b.total_cmp(a));
    for ((id, score), best) in found.iter().zip(best) {
        assert!((score - best).abs() < 1e-5 && (reranked[id] - score).abs() < 1e-5, "{id} {score}");
    }
}

#[test]
fn an_index_is_the_same_however_it_came_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    build(at, "once", SMALL, &documents(0..150));
    codec(at, "once", "codec");
    let once = files(&at.join("once"));
    let given = ["--codec", "codec"];

    build(at, "again", &given, &documents(0..150));
    assert!(files(&at.join("again")) == once);

    let parts = [("a", 0..40), ("b", 40..41), ("c", 41..150)];
    for (name, range) in parts {
        build(at, name, &given, &documents(range));
    }
    index(at, &["merge", "a", "b", "c", "-o", "merged"], "").success();
    assert!(files(&at.join("merged")) == once);

    with_model(at, &["add", "a", "-"], &documents(40..150)).success();
    assert!(files(&at.join("a")) == once);

    // What goes leaves no file behind.
    fs::write(at.join("gone"), "d41\n\nd42\n").unwrap();
    let gone = (43..150).map(|place| format!("d{place}")).collect::<Vec<_>>().join(",");
    index(at, &["delete", "a", "--ids", &gone, "--ids-from", "gone", "--ids", "d40"], "").success();
    build(at, "few", &given, &documents(0..40));
    assert!(files(&at.join("a")) == files(&at.join("few")));

    // An index in the place of another.
    build(at, "few", &given, &documents(0..150));
    assert!(files(&at.join("few")) == once);
    fs::create_dir(at.join("empty")).unwrap();
    build(at, "empty", &given, &documents(0..150));
    assert!(files(&at.join("empty")) == once);
    assert_eq!(
        names(at),
        ["a", "again", "b", "c", "codec", "empty", "few", "gone", "merged", "once"]
    );
}

/// The codec does not follow from the order of the documents.
#[test]
fn the_order_of_documents_makes_no_other_codec() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let input = documents(0..100);
    let turned: String = input.lines().rev().map(|line| format!("{line}\n")).collect();
    let sampled = [SMALL, &["--sample", "50"]].concat();
    build(at, "x", &sampled, &input);
    fs::write(at.join("turned.jsonl"), turned).unwrap();
    build(at, "y", &[&sampled[..], &["turned.jsonl"]].concat(), "");
    codec(at, "x", "x.codec");
    codec(at, "y", "y.codec");
    assert!(fs::read(at.join("x.codec")).unwrap() == fs::read(at.join("y.codec")).unwrap());
    build(at, "z", &[&sampled[..], &["--seed", "7"]].concat(), &input);
    codec(at, "z", "z.codec");
    assert!(fs::read(at.join("x.codec")).unwrap() != fs::read(at.join("z.codec")).unwrap());
}

#[test]
fn a_sample_that_is_small_for_its_collection_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let said = |sample: &str| {
        let command = ["build", "-o", sample, "--sample", sample];
        let done = with_model(folder.path(), &command, &documents(0..100)).success();
        text(&done.get_output().stderr)
    };
    let warned = said("50");
    assert!(warned.contains("suit a collection of this size"), "{warned}");
    assert!(warned.contains("with --sample 100"), "{warned}");
    assert!(!said("100").contains("suit a collection"));
}

#[test]
fn a_killed_build_goes_on_to_the_very_same_index() {
    let (folder, input) = (tempfile::tempdir().unwrap(), documents(0..STRETCH + 20));
    let at = folder.path();
    build(at, "whole", SMALL, &input);
    codec(at, "whole", "codec");
    let whole = files(&at.join("whole"));
    killed(at, BUILD, &input, STRETCH);
    assert!(!at.join("x").exists());
    // What it had written behind its last state does not count.
    for file in ["plane-0", "plane-1", "texts", "ids"] {
        let path = at.join("x.partial").join(file);
        let mut file = fs::File::options().append(true).open(path).unwrap();
        file.write_all(b"half a batch").unwrap();
    }
    let resume = ["--resume", "--codec", "codec"];
    build(at, "x", &resume, &input);
    assert_eq!(names(at), ["codec", "whole", "x"]);
    assert!(files(&at.join("x")) == whole);
    // With nothing left it is a build like any other.
    build(at, "x", &resume, &input);
    assert!(files(&at.join("x")) == whole);
}

/// The codec is kept as well.
#[test]
fn a_build_that_was_killed_behind_its_training_is_not_trained_again() {
    let (folder, input) = (tempfile::tempdir().unwrap(), documents(0..STRETCH + 20));
    let at = folder.path();
    build(at, "whole", SMALL, &input);
    codec(at, "whole", "codec");
    killed(at, BUILD, &input, STRETCH);
    // As a run leaves it that has made this codec by itself.
    let state = at.join("x.partial/state.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    let training = "2 bits, 16 centroids, seed 42, 4096 documents";
    kept["settings"]["training"] = training.into();
    kept["settings"]["input"] = "none".into();
    fs::write(&state, kept.to_string()).unwrap();
    let arguments = [&["build", "-o", "x", "--resume"], SMALL].concat();
    let error = failure(with_model(at, &arguments, &input), 65);
    let (_, of_input) =
        error.trim().split_once("its input is none, and that of this run ").unwrap();
    assert!(of_input.starts_with("84 documents with the hash "), "{error}");
    kept["settings"]["input"] = of_input.into();
    fs::write(&state, kept.to_string()).unwrap();
    for (more, expected) in [
        (&["--nbits", "4"][..], "its training is 2 bits, 16 centroids, seed 42, 4096 documents"),
        (&["--seed", "7"], "seed 7"),
        (&["--sample", "9"], "9 documents"),
        (&["--document-length", "9"], "its model is v1-"),
        (&["--pool-factor", "2"], "its pool factor is 1, and that of this run 2"),
    ] {
        let arguments = [&["build", "-o", "x", "--resume"], SMALL, more].concat();
        let error = failure(with_model(at, &arguments, &input), 65);
        assert!(error.contains("x.partial: its") && error.contains(expected), "{error}");
    }
    // Also one that has more behind what was encoded: the codec would be another.
    let longer = documents(0..STRETCH + 21);
    for other in [documents(0..STRETCH - 1), input.replace("\"d3\"", "\"other\""), longer] {
        let error = failure(with_model(at, &arguments, &other), 65);
        assert!(error.contains("x.partial: its input is 84 documents with the hash "), "{error}");
    }
    with_model(at, &arguments, &input).success();
    assert!(files(&at.join("x")) == files(&at.join("whole")));
    assert_eq!(names(at), ["codec", "whole", "x"]);
}

/// With a codec that was given, what came behind makes no difference to what was encoded.
#[test]
fn a_build_by_a_given_codec_goes_on_where_more_documents_have_come() {
    let (folder, input) = (tempfile::tempdir().unwrap(), documents(0..STRETCH + 20));
    let at = folder.path();
    build(at, "once", SMALL, &input);
    codec(at, "once", "codec");
    killed(at, BUILD, &input, STRETCH);
    let resume = [BUILD, &["--resume"]].concat();
    for other in [documents(0..STRETCH - 1), input.replace("\"d3\"", "\"other\"")] {
        let error = failure(with_model(at, &resume, &other), 65);
        assert!(error.contains("the input is not the one that it was made of"), "{error}");
    }
    let more = documents(0..STRETCH + 40);
    with_model(at, &resume, &more).success();
    build(at, "whole", &["--codec", "codec"], &more);
    assert!(files(&at.join("x")) == files(&at.join("whole")));
    assert_eq!(names(at), ["codec", "once", "whole", "x"]);
}

#[test]
fn a_build_begins_anew_where_it_is_not_asked_to_go_on() {
    let (folder, input) = (tempfile::tempdir().unwrap(), documents(0..STRETCH + 20));
    let at = folder.path();
    build(at, "whole", SMALL, &input);
    codec(at, "whole", "codec");
    killed(at, BUILD, &input, STRETCH);
    let assert = with_model(at, &["build", "-o", "x", "--codec", "codec"], &input).success();
    let said = text(&assert.get_output().stderr);
    assert!(said.contains("x.partial is what an earlier run has left"), "{said}");
    assert!(said.contains("84 documents"), "{said}");
    assert_eq!(names(at), ["codec", "whole", "x"]);
    assert!(files(&at.join("x")) == files(&at.join("whole")));
}

#[test]
fn what_does_not_go_together_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    build(at, "a", SMALL, &documents(0..30));
    codec(at, "a", "codec");
    build(at, "b", &["--codec", "codec"], &documents(29..40));
    build(at, "c", &["--centroids", "8"], &documents(40..60));
    build(at, "d", &["--codec", "codec", "--pool-factor", "2"], &documents(60..70));
    let before = files(&at.join("a"));
    let error = failure(index(at, &["merge", "a", "b", "-o", "m"], ""), 65);
    assert!(error.contains("b: has the document \"d29\", which a has too"), "{error}");
    let error = failure(index(at, &["merge", "a", "c", "-o", "m"], ""), 65);
    assert!(error.contains("c: has the codec r1-") && error.contains("and a has r1-"), "{error}");
    let error = failure(index(at, &["merge", "a", "d", "-o", "m"], ""), 65);
    assert!(error.contains("d: the index has the token pooling 2, not unknown"), "{error}");
    let error = failure(index(at, &["merge", "a", "none", "-o", "m"], ""), 66);
    assert!(error.contains("none is not a folder"), "{error}");
    let error = failure(index(at, &["delete", "a", "--ids", "d3,nobody"], ""), 65);
    assert!(error.contains("a: ") && error.contains("\"nobody\" is not there"), "{error}");
    index(at, &["delete", "a"], "").code(2);
    let error = failure(with_model(at, &["add", "a"], &documents(29..31)), 65);
    assert!(error.contains("stdin:1:1: \"d29\" is in the index already"), "{error}");
    for verb in [&["search", "a", "--query", "oil"][..], &["add", "a"]] {
        let verb = [verb, &["--document-length", "9"]].concat();
        let error = failure(with_model(at, &verb, &documents(80..81)), 65);
        assert!(error.contains("a: the index has the model v1-"), "{error}");
    }
    let error =
        failure(index(at, &["add", "a", "--model", &checkpoint("cross-encoders/bert")], ""), 2);
    assert!(error.contains("a cross-encoder"), "{error}");
    // All of which leaves it as it was.
    assert!(files(&at.join("a")) == before);
    assert_eq!(names(at), ["a", "b", "c", "codec", "d"]);
}

#[test]
fn documents_that_cannot_be_told_apart_are_refused_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let long = "x".repeat(1_025);
    let cases = [
        (
            "{\"id\":\"a\",\"text\":\"oil\"}\n\n{\"id\":\"a\",\"text\":\"war\"}".to_owned(),
            "stdin:3:1: has the id of line 1",
        ),
        (
            "{\"id\":7,\"text\":\"oil\"}\n{\"id\":\"7\",\"text\":\"war\"}".to_owned(),
            "stdin:2:1: has the id of line 1",
        ),
        ("{\"text\":\"oil\"}".to_owned(), "stdin:1:1: the object has no \"id\" or \"_id\""),
        ("{\"id\":[],\"text\":\"oil\"}".to_owned(), "stdin:1:1: \"id\" is not a string"),
        ("{\"id\":\"a\"}".to_owned(), "stdin:1:1: the object has no \"text\""),
        (format!("{{\"id\":{long:?},\"text\":\"oil\"}}"), "the id has 1025 bytes, of at most 1024"),
        (String::new(), "the sample has fewer than two tokens"),
    ];
    for (input, expected) in cases {
        let error = failure(with_model(at, &["build", "-o", "x"], &input), 65);
        assert!(error.contains(expected), "{error}");
    }
    let input =
        documents(0..30) + "{\"id\":\"d3\",\"text\":\"again\"}\n{\"_id\":900,\"text\":\"oil\"}";
    let more = [&["build", "-o", "x", "--on-error", "skip"], SMALL].concat();
    let said = text(&with_model(at, &more, &input).success().get_output().stderr);
    assert!(
        said.contains("1 of 32 objects are skipped") && said.contains("31 documents"),
        "{said}"
    );
    index(at, &["delete", "x", "--ids", "900"], "").success();
    assert_eq!(names(at), ["x"]);
}

#[test]
fn what_is_no_index_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("notes")).unwrap();
    fs::write(at.join("notes/a.txt"), "mine").unwrap();
    fs::write(at.join("file"), "mine").unwrap();
    fs::create_dir(at.join("broken")).unwrap();
    fs::write(at.join("broken/index.json"), "{}").unwrap();
    for (place, code) in [("notes", 74), ("file", 74), ("broken", 65)] {
        let error = failure(with_model(at, &["build", "-o", place], &documents(0..9)), code);
        assert!(error.contains(place), "{error}");
        index(at, &["merge", "notes", "-o", place], "").failure();
    }
    let error = failure(with_model(at, &["search", "notes", "--query", "oil"], ""), 65);
    assert!(error.contains("notes: holds no index: it has no index.json"), "{error}");
    assert_eq!(names(at), ["broken", "file", "notes"]);
    assert_eq!(names(&at.join("notes")), ["a.txt"]);
    assert_eq!(fs::read(at.join("file")).unwrap(), b"mine");
}

#[test]
fn queries_of_stdin_are_named_in_what_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    build(at, "x", SMALL, &documents(0..40));
    let queries = "{\"id\":\"q\",\"text\":\"oil\"}\n\n{\"text\":\"war\"}\n";
    let assert = with_model(at, &["search", "x", "--top-k", "2"], queries).success();
    let stdout = text(&assert.get_output().stdout);
    let lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |field: &str| lines.iter().map(|line| line[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("query"), ["q", "q", "2", "2"]);
    assert_eq!(of("rank"), [1, 2, 1, 2]);
    let said = text(&assert.get_output().stderr);
    assert!(said.contains("3 of 3 parts were read, "), "{said}");
    let error = failure(with_model(at, &["search", "x"], "{\"text\":\" \"}"), 65);
    assert!(error.contains("stdin:1: the query is empty"), "{error}");
}

#[test]
fn what_an_index_holds_is_shown_and_every_damage_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    build(at, "x", SMALL, &documents(0..40));
    let run = |arguments: &[&str]| tabrank(arguments).current_dir(at).assert();
    let shown = text(&run(&["inspect", "x"]).success().get_output().stdout);
    assert!(
        shown.starts_with("index, 16 wide, 2 bits a number, 16 centroids\n40 documents, "),
        "{shown}"
    );
    let shown = text(&run(&["inspect", "x", "--json"]).success().get_output().stdout);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let bytes: u64 = files(&at.join("x"))
        .iter()
        .filter(|(name, _)| *name != "index.json")
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    assert_eq!(
        (&shown["kind"], &shown["documents"], &shown["bytes"]),
        (&"index".into(), &40.into(), &bytes.into())
    );
    let whole = text(&run(&["verify", "x"]).success().get_output().stdout);
    assert!(whole.starts_with("x: whole; 3 parts of "), "{whole}");

    for (name, bytes) in files(&at.join("x")) {
        let path = at.join("x").join(&name);
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 1;
        fs::write(&path, damaged).unwrap();
        let error = failure(run(&["verify", "x"]), 65);
        assert!(error.contains("x: ") && error.contains(&name), "{error}");
        fs::remove_file(&path).unwrap();
        run(&["verify", "x"]).failure();
        if name != "index.json" {
            let query = ["search", "x", "--query", "oil"];
            let error = failure(with_model(at, &query, ""), 66);
            assert!(error.contains(&format!("cannot read x/{name}")), "{error}");
        }
        fs::write(&path, bytes).unwrap();
    }
    run(&["verify", "x"]).success();
}

/// Which need no texts, and make the same index.
#[test]
fn embeddings_that_are_there_are_not_made_again() {
    let (folder, input) = (tempfile::tempdir().unwrap(), documents(0..STRETCH + 20));
    let (at, model) = (folder.path(), checkpoint("pylate"));
    build(at, "x", SMALL, &input);
    let whole = files(&at.join("x"));
    let ids: String = (0..STRETCH + 20)
        .map(|place| json!({"id": format!("d{place}")}).to_string() + "\n")
        .collect();
    fs::write(at.join("ids.jsonl"), &ids).unwrap();
    let encode = |more: &[&str]| {
        let mut command = tabrank(&[&["encode", "--model", &model, "-o", "rows"], more].concat());
        command.current_dir(at).write_stdin(input.clone()).assert().success();
    };
    let from_rows = |more: &[&str]| {
        let arguments = [&["build", "--embeddings", "rows", "ids.jsonl", "-o", "y"], more].concat();
        index(at, &arguments, "")
    };
    encode(&[]);
    from_rows(SMALL).success();
    assert!(files(&at.join("y")) == whole);
    // Stored by the codec already.
    codec(at, "x", "codec");
    encode(&["--codec", "codec"]);
    from_rows(&["--codec", "codec"]).success();
    assert!(files(&at.join("y")) == whole);
    let arguments = ["add", "y", "--embeddings", "rows"];
    let line = "\n\n\n{\"id\":\"again\"}\n";
    index(at, &arguments, line).success();
    assert_eq!(files(&at.join("y")).keys().len(), whole.len());

    let error = failure(index(at, &arguments, "{\"id\":\"again\"}"), 65);
    assert!(error.contains("stdin:1:1: \"again\" is in the index already"), "{error}");
    let far = "\n".repeat(200) + "{\"id\":\"far\"}";
    let error = failure(index(at, &arguments, &far), 65);
    assert!(
        error.contains("stdin:201:1: the file of --embeddings has none of this line"),
        "{error}"
    );
    let error = failure(from_rows(SMALL), 65);
    assert!(
        error.contains("codecId") && error.contains("no codec of this id was given"),
        "{error}"
    );
    for more in [&["--model", model.as_str()][..], &["--pool-factor", "2"]] {
        from_rows(more).code(2);
    }
    index(at, &["build", "ids.jsonl", "-o", "z"], "").code(2);
    let rows = fs::read(at.join("rows")).unwrap();
    for damaged in
        [&rows[..7], &rows[..rows.len() - 9], b"{}", &[rows.as_slice(), b"more"].concat()]
    {
        fs::write(at.join("rows"), damaged).unwrap();
        let error = text(&from_rows(&["--codec", "codec"]).failure().get_output().stderr);
        assert!(error.contains("rows"), "{error}");
    }
}

/// What all documents of an index score, by id. The model is one of its width.
fn all_scores(folder: &Path, searched: &str, model: &str) -> BTreeMap<String, f64> {
    let model = checkpoint(model);
    let query = ["search", searched, "--query", "war and the price of oil", "--model", &model];
    let all = ["--n-ivf-probe", "999", "--n-full-scores", "999", "--top-k", "999"];
    found(&index(folder, &[&query[..], &all].concat(), "").success()).into_iter().collect()
}

fn assert_close(found: &BTreeMap<String, f64>, expected: &BTreeMap<String, f64>) {
    assert!(found.keys().eq(expected.keys()) && !found.is_empty(), "{found:?} {expected:?}");
    let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4;
    assert!(found.values().zip(expected.values()).all(close), "{found:?} {expected:?}");
}

/// As `tests/index_foreign.rs` holds against the libraries.
#[test]
fn folders_of_other_libraries_are_searched_and_become_ours() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for case in ["colbert-ai", "fast-plaid", "next-plaid", "pylate", "pylate-stanford"] {
        let theirs = common::fixtures().join("indexes").join(case).display().to_string();
        index(at, &["merge", &theirs, "-o", case], "").success();
        assert!(at.join(case).join("index.json").is_file());
        assert_close(&all_scores(at, case, "plain"), &all_scores(at, &theirs, "plain"));
    }
    let theirs = common::fixtures().join("indexes/fast-plaid").display().to_string();
    build(at, "x", SMALL, &documents(0..20));
    let error = failure(index(at, &["merge", "x", &theirs, "-o", "y"], ""), 65);
    assert!(error.contains("has the codec r1-"), "{error}");
    for verb in ["add", "delete"] {
        let more: &[&str] = if verb == "add" { &["--embeddings", "none"] } else { &["--ids", "0"] };
        let error = failure(index(at, &[&[verb, theirs.as_str()], more].concat(), ""), 65);
        assert!(
            error
                .contains("is an index of fast-plaid or next-plaid, which is read and not changed")
                && error.contains("`tabrank index merge`"),
            "{error}"
        );
    }
    let error = failure(with_model(at, &["build", "-o", &theirs], &documents(0..20)), 74);
    assert!(error.contains("is there already, and is no index of tabrank's"), "{error}");
}

#[test]
fn folders_of_other_libraries_are_shown_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| tabrank(arguments).current_dir(folder.path()).assert();
    for (case, writer, chunk) in [
        ("colbert-ai", "colbert-ai or PyLate", "0.residuals.pt"),
        ("fast-plaid", "fast-plaid or next-plaid", "0.residuals.npy"),
        ("next-plaid", "fast-plaid or next-plaid", "0.residuals.npy"),
        ("pylate", "PyLate", "fast_plaid_index/0.residuals.npy"),
        ("pylate-stanford", "colbert-ai or PyLate", "0.residuals.pt"),
    ] {
        let theirs = common::fixtures().join("indexes").join(case);
        let name = theirs.display().to_string();
        let shown = text(&run(&["inspect", &name]).success().get_output().stdout);
        assert!(shown.starts_with(&format!("index of {writer}, 32 wide, ")), "{shown}");
        let shown = run(&["inspect", "--json", &name]).success();
        let shown: Value = serde_json::from_slice(&shown.get_output().stdout).unwrap();
        assert_eq!((&shown["kind"], &shown["writer"]), (&"index".into(), &writer.into()));
        let whole = text(&run(&["verify", &name]).success().get_output().stdout);
        let documents = shown["documents"].as_u64().unwrap();
        let expected = format!("{writer} has no hashes; {documents} documents are read");
        assert!(whole.trim_end().ends_with(&expected), "{whole}");

        let copy = folder.path().join(case);
        copied(&theirs, &copy);
        let path = copy.join(chunk);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = text(&run(&["verify", case]).failure().get_output().stderr);
        assert!(error.contains("0.residuals"), "{error}");
    }
}

/// Copies a folder and those in it.
fn copied(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copied(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn an_index_is_written_for_fast_plaid() {
    let (folder, input) = (tempfile::tempdir().unwrap(), documents(0..60));
    let at = folder.path();
    build(at, "x", SMALL, &input);
    codec(at, "x", "codec");
    fs::create_dir(at.join("merged")).unwrap();
    index(at, &["merge", "x", "--format", "plaid", "-o", "merged"], "").success();
    build(at, "built", &["--codec", "codec", "--format", "plaid"], &input);
    let expected = all_scores(at, "x", "pylate");
    for form in ["merged", "built"] {
        assert!(!at.join(form).join("index.json").exists());
        assert_close(&all_scores(at, form, "pylate"), &expected);
    }
    for there in ["x", "merged"] {
        let error = failure(index(at, &["merge", "x", "--format", "plaid", "-o", there], ""), 74);
        assert!(error.contains(there), "{error}");
    }
    assert_eq!(names(at), ["built", "codec", "merged", "x"]);
}
