//! Retrieval sets as they are published, read by `tabrank eval`, and what it says of them.

#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;

use common::command::{checkpoint, tabrank, text};
use serde_json::Value;

const CORPUS: &str = "{\"_id\": \"d1\", \"title\": \"Goethe\", \"text\": \"He wrote Faust.\", \"metadata\": {}}\n\
                      {\"_id\": \"d2\", \"title\": \"\", \"text\": \"Oil and war.\", \"metadata\": {}}\n\
                      {\"_id\": \"d3\", \"title\": \"Bread\", \"text\": \"It is baked in an oven.\", \"metadata\": {}}\n";
const QUERIES: &str = "{\"_id\": \"q1\", \"text\": \"who wrote Faust?\"}\n\
                       {\"_id\": \"q2\", \"text\": \"the price of oil\"}\n\
                       {\"_id\": \"q3\", \"text\": \"never judged\"}\n";
/// What is left of the second when the tokenizer has cleaned it.
const EMPTY: &str =
    "{\"_id\": \"q1\", \"text\": \"who?\"}\n{\"_id\": \"q2\", \"text\": \"\\u200b\"}\n";
const JUDGED: &str = "q1\td1\t2\nq1\td2\t0\nq2\td2\t1\n";

fn set(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn eval(folder: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    evaluation(folder, more).assert()
}

fn evaluation(folder: &Path, more: &[&str]) -> assert_cmd::Command {
    let (model, data) = (checkpoint("pylate"), folder.display().to_string());
    tabrank(&[&["eval", "--json", "--model", &model, "--data", &data], more].concat())
}

/// Without times, which differ.
fn report(folder: &Path, more: &[&str]) -> (Value, String) {
    said(eval(folder, more))
}

fn said(assert: assert_cmd::assert::Assert) -> (Value, String) {
    let assert = assert.success();
    let output = assert.get_output();
    let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for row in report["approaches"].as_array_mut().unwrap() {
        row.as_object_mut().unwrap().retain(|name, _| !name.starts_with("ms"));
    }
    (report, text(&output.stderr))
}

#[test]
fn published_forms_of_one_set_give_the_same_figures() {
    let plain = |text: &str| text.replace("_id", "id");
    let (corpus, queries) = (plain(CORPUS), plain(QUERIES));
    let own = set(&[("corpus.jsonl", &corpus), ("queries.jsonl", &queries), ("qrels.tsv", JUDGED)]);
    let (expected, error) = report(own.path(), &[]);
    assert_eq!((&expected["queries"], &expected["documents"]), (&2.into(), &3.into()));
    assert!(error.contains("passed over: 1 queries without a judgement"), "{error}");

    let header = format!("query-id\tcorpus-id\tscore\n{JUDGED}").replace('\n', "\r\n");
    let trec = "q1 0 d1 2\nq1 0 d2 -1\nq2 Q0 d2 1\n";
    for (name, judged) in [("qrels/test.tsv", header.as_str()), ("qrels.tsv", trec)] {
        let set = set(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), (name, judged)]);
        assert_eq!(report(set.path(), &[]).0, expected, "{judged}");
    }
    let marked = format!("\u{feff}{JUDGED}");
    let elsewhere = set(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("dev", &marked)]);
    let path = elsewhere.path().join("dev").display().to_string();
    assert_eq!(report(elsewhere.path(), &["--qrels", &path]).0, expected);
}

#[test]
fn what_is_passed_over_is_counted() {
    let more = "q1\tgone\t1\nq1\tgone too\t1\nunknown\td1\t1\nq2\td2\t1\n";
    let judged = format!("{JUDGED}{more}");
    let files = |judged| {
        set(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels.tsv", judged)])
    };
    let (found, error) = report(files(&judged).path(), &[]);
    assert_eq!(found, report(files(JUDGED).path(), &[]).0);
    for expected in [
        "passed over: 2 judgements of documents that are not in the corpus",
        "passed over: 1 judgements of queries that are not there",
        "passed over: 1 judgements that a later one",
        "passed over: 1 queries without a judgement",
    ] {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_title_is_read_only_when_asked_for() {
    let joined = CORPUS
        .replace("\"text\": \"He", "\"text\": \"Goethe He")
        .replace("\"text\": \"It", "\"text\": \"Bread It");
    let folder = tempfile::tempdir().unwrap();
    let q4 = folder.path().join("q4").display().to_string();
    tabrank(&["convert", &checkpoint("pylate"), "--dtype", "q4", "-o", &q4]).assert().success();
    let figures = |corpus: &str, more: &[&str]| {
        let set =
            set(&[("corpus.jsonl", corpus), ("queries.jsonl", QUERIES), ("qrels.tsv", JUDGED)]);
        // The cosines with another model's tokens change with every text.
        report(set.path(), &[&["--compare", &q4], more].concat()).0["compared"][0].clone()
    };
    let without = CORPUS.replace("\"title\"", "\"other\"");
    assert_eq!(figures(CORPUS, &[]), figures(&without, &[]));
    assert_eq!(figures(CORPUS, &["--with-title"]), figures(&joined, &[]));
    assert_ne!(figures(CORPUS, &["--with-title"]), figures(CORPUS, &[]));
    // BEIR's tools strip what they have joined, and texts without a title too.
    let spaced = CORPUS.replace("Oil and war.", " Oil and war. ").replace("Goethe", " Goethe");
    let untitled = spaced.replace("\"title\": \"\", ", "");
    for corpus in [spaced, untitled] {
        assert_eq!(figures(&corpus, &["--with-title"]), figures(&joined, &[]));
    }
}

#[test]
fn a_set_in_which_nothing_is_judged_is_refused() {
    let two =
        "{\"id\":\"a\",\"text\":\"x\"}\n{\"id\":7,\"text\":\"y\"}\n{\"id\":\"7\",\"text\":\"z\"}\n";
    let cases = [
        (CORPUS, QUERIES, "", "qrels.tsv judges no query and document of this folder"),
        (CORPUS, QUERIES, "q1\tgone\t1\n", "qrels.tsv judges no query and document"),
        ("", QUERIES, JUDGED, "corpus.jsonl is empty"),
        (CORPUS, "\n", JUDGED, "queries.jsonl is empty"),
        (two, QUERIES, JUDGED, "corpus.jsonl:3:1: has the id of line 2"),
        (CORPUS, EMPTY, JUDGED, "queries.jsonl:2: the query is empty"),
        (CORPUS, QUERIES, "q1\td1\n", "qrels.tsv:1:1: needs query id"),
        (
            CORPUS,
            QUERIES,
            "q1\td1\t1\nq1\td1\tx\n",
            "qrels.tsv:2:1: the grade is not a whole number",
        ),
        (CORPUS, QUERIES, "q1\td1\t1.5\n", "qrels.tsv:1:1: the grade is not"),
        ("{\"text\":\"x\"}", QUERIES, JUDGED, "corpus.jsonl:1:1: the object has no \"id\""),
    ];
    for (corpus, queries, judged, expected) in cases {
        let set =
            set(&[("corpus.jsonl", corpus), ("queries.jsonl", queries), ("qrels.tsv", judged)]);
        let assert = eval(set.path(), &[]).code(65);
        let error = text(&assert.get_output().stderr);
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(assert.get_output().stdout.is_empty());
    }
}

#[test]
#[cfg(unix)]
fn a_link_to_what_is_not_there_is_named() {
    let names = ["corpus.jsonl", "queries.jsonl", "qrels.tsv", "qrels/test.tsv"];
    let whole = [CORPUS, QUERIES, JUDGED, JUDGED];
    for (gone, beside) in [(0, 2), (1, 2), (2, 3), (3, 3)] {
        let files = [0, 1, beside].map(|file| (names[file], whole[file]));
        let set = set(&files);
        let link = set.path().join(names[gone]);
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink("gone", &link).unwrap();
        let error = text(&eval(set.path(), &[]).code(66).get_output().stderr);
        let expected = format!("{}: it is a link to a file that is not there", link.display());
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn a_file_that_is_read_is_not_written_over() {
    let folder = set(&[
        ("corpus.jsonl", CORPUS),
        ("queries.jsonl", QUERIES),
        ("qrels.tsv", JUDGED),
        ("old.run", "q1 Q0 d1 1 0.5 old\n"),
    ]);
    let run = folder.path().join("old.run").display().to_string();
    for name in ["corpus.jsonl", "queries.jsonl", "qrels.tsv", "old.run"] {
        let path = folder.path().join(name);
        let before = fs::read(&path).unwrap();
        let output = path.display().to_string();
        let assert = eval(folder.path(), &["--run", &run, "--write-run", &output]).code(74);
        let error = text(&assert.get_output().stderr);
        assert!(error.contains(&format!("cannot write {output}: it is the input")), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

/// f32 is what it is held against; a second pass over all candidates is that pass alone.
#[test]
fn codecs_are_held_against_all_embeddings() {
    let folder =
        set(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels.tsv", JUDGED)]);
    let ways = ["f32", "int8", "binary", "int8,pool=2", "binary,then=int8:3", "binary,then=f32:2"];
    let args: Vec<&str> = ways.iter().flat_map(|way| ["--codec", way]).collect();
    let (report, _) = report(folder.path(), &args);
    let approaches = report["approaches"].as_array().unwrap();
    let names: Vec<&Value> = approaches.iter().map(|row| &row["approach"]).collect();
    assert_eq!(names, ["dense", "late over dense"]);
    let codecs = report["codecs"].as_array().unwrap();
    let row = |name: &str| codecs.iter().find(|row| row["codec"] == name).unwrap();
    assert_eq!(codecs.len(), ways.len());
    for measure in ["ndcg@10", "mrr@10", "recall@100"] {
        assert_eq!(row("f32")[measure], approaches[1][measure]);
    }
    assert_eq!(
        (&row("f32")["overlap@10"], &row("f32")["identical@10"]),
        (&3.0.into(), &1.0.into())
    );
    // 16 numbers a token.
    let bytes = |name: &str| row(name)["bytes"].as_f64().unwrap();
    let tokens = bytes("f32") / 64.0;
    assert!((bytes("int8") - 20.0 * tokens).abs() < 1e-9);
    assert!((bytes("binary") - 2.0 * tokens).abs() < 1e-9);
    assert!((bytes("binary, then int8:3") - 22.0 * tokens).abs() < 1e-9);
    assert!(bytes("int8, pooled by 2") < 0.7 * bytes("int8"));
    let order = |name: &str| &row(name)["ndcg@10"];
    assert_eq!(order("binary, then int8:3"), order("int8"));
    assert!(row("f32")["ms_100"].is_null(), "there are three documents");
}

#[test]
fn ways_to_store_are_refused_by_what_is_wrong() {
    let folder =
        set(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels.tsv", JUDGED)]);
    let cases = [
        ("int8,pol=2", 2, "behind a codec stand pool=FACTOR and then=CODEC:KEEP"),
        ("int8,pool=x", 2, "the factor is no number"),
        ("int8,pool=0.5", 2, "--pool-factor is 0.5; 1 and more are taken"),
        ("binary,then=int8", 2, "a second pass is CODEC:KEEP"),
        ("binary,then=int8:0", 2, "a second pass keeps 1 or more"),
        ("", 2, "the codec is missing"),
        ("no/such.codec", 66, "no/such.codec"),
    ];
    for (way, code, expected) in cases {
        let output = eval(folder.path(), &["--codec", way]).code(code).get_output().clone();
        let error = text(&output.stderr);
        assert!(error.contains(expected), "{way}: {error}");
    }
    let output = eval(folder.path(), &["--pool-factor", "2"]).code(2).get_output().clone();
    let error = text(&output.stderr);
    let expected = "--pool-factor is for the ways to store documents that --codec names";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_corpus_that_was_encoded_beforehand_ranks_alike() {
    let folder =
        set(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels.tsv", JUDGED)]);
    let (model, path) = (checkpoint("pylate"), folder.path().join("x").display().to_string());
    let encode = |more: &[&str], input: &str| {
        let all = [&["encode", "--model", &model, "-o", &path], more].concat();
        tabrank(&all).write_stdin(input).assert().success();
    };
    // Each is found by its line.
    encode(&[], &format!("\n{CORPUS}"));
    let error = text(&eval(folder.path(), &["--embeddings", &path]).code(65).get_output().stderr);
    assert!(error.contains("lacks embeddings of a document of the corpus"), "{error}");
    encode(&["--document-length", "9"], CORPUS);
    let error = text(&eval(folder.path(), &["--embeddings", &path]).code(65).get_output().stderr);
    assert!(error.contains("holds embeddings of another model"), "{error}");

    encode(&[], CORPUS);
    let given = ["--embeddings", &path];
    let (expected, _) = report(folder.path(), &[]);
    let (found, _) = report(folder.path(), &given);
    let rows = found["approaches"].as_array().unwrap();
    let names: Vec<&Value> = rows.iter().map(|row| &row["approach"]).collect();
    assert_eq!(names, ["bm25", "late", "late over bm25"]);
    for row in rows {
        let same = expected["approaches"].as_array().unwrap();
        let same = same.iter().find(|same| same["approach"] == row["approach"]).unwrap();
        assert_eq!(row, same);
    }
    let (coded, _) = report(folder.path(), &[&given[..], &["--codec", "int8"]].concat());
    assert_eq!(coded["approaches"].as_array().unwrap().len(), 2);
    assert_eq!(coded["codecs"][0]["codec"], "int8");
    let stage = eval(folder.path(), &[&given[..], &["--stage", "dense"]].concat()).code(2);
    let error = text(&stage.get_output().stderr);
    assert!(error.contains("--stage dense reads the texts"), "{error}");
}

/// Of texts and of embeddings that `encode` has written on other numbers of them.
#[test]
fn the_figures_are_the_same_on_any_number_of_threads() {
    let text =
        |place: usize| format!("the price of oil {} ", place * place % 97).repeat(place % 40);
    let line = |place: usize| format!("{{\"_id\": \"d{place}\", \"text\": \"{}\"}}\n", text(place));
    let corpus: String = (1..=120).map(line).collect();
    let folder =
        set(&[("corpus.jsonl", &corpus), ("queries.jsonl", QUERIES), ("qrels.tsv", JUDGED)]);
    let of = |threads: &str| {
        let (model, path) = (checkpoint("pylate"), folder.path().join(threads));
        let path = path.display().to_string();
        let mut encode = tabrank(&["encode", "--model", &model, "-o", &path]);
        encode.env("RAYON_NUM_THREADS", threads).write_stdin(corpus.as_str()).assert().success();
        let report = |more: &[&str]| {
            said(evaluation(folder.path(), more).env("RAYON_NUM_THREADS", threads).assert()).0
        };
        [report(&[]), report(&["--embeddings", &path])]
    };
    let one = of("1");
    for threads in ["2", "3", "7"] {
        assert_eq!(of(threads), one, "{threads} threads");
    }
}
