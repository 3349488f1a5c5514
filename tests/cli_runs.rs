//! `tabrank eval` beside trec_eval: runs in TREC's form in and out, grades, and pipelines of one's own.

#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;

use common::command::{checkpoint, tabrank, text};
use common::fixtures;
use serde_json::Value;

/// A judged set of `tests/reference/runs.py`.
fn data() -> String {
    fixtures().join("runs").display().to_string()
}

fn eval(data: &str, more: &[&str]) -> assert_cmd::assert::Assert {
    let model = checkpoint("pylate");
    tabrank(&[&["eval", "--json", "--model", &model, "--data", data], more].concat()).assert()
}

/// The rows of the table.
fn rows(data: &str, more: &[&str]) -> Vec<Value> {
    let output = eval(data, more).success().get_output().clone();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["approaches"].as_array().unwrap().clone()
}

fn row(rows: &[Value], approach: &str) -> Value {
    let found = rows.iter().find(|row| row["approach"] == approach);
    found.unwrap_or_else(|| panic!("{approach} is not among {rows:#?}")).clone()
}

fn figures(row: &Value) -> [f64; 3] {
    ["ndcg@10", "mrr@10", "recall@100"].map(|measure| row[measure].as_f64().unwrap())
}

fn same(found: [f64; 3], expected: [f64; 3]) -> bool {
    found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6)
}

/// Of a run that another tool has written, and of ours that another tool has read.
#[test]
fn figures_are_those_of_trec_eval() {
    let expected = fs::read(fixtures().join("runs/expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let run = fixtures().join("runs/run.txt").display().to_string();
    for grade in ["1", "2", "3"] {
        let rows = rows(&data(), &["--run", &run, "--relevant-from", grade]);
        for (approach, theirs) in [("given", "run"), ("bm25", "ours")] {
            let theirs = figures(&expected[theirs][grade]);
            let ours = figures(&row(&rows, approach));
            assert!(same(ours, theirs), "{approach}, {grade}: {ours:?}, not {theirs:?}");
        }
    }
}

/// Query, document and rank of each line; scores must fall.
fn results(run: &str) -> Vec<[String; 3]> {
    let (mut last, mut results) = (f32::INFINITY, Vec::new());
    for line in run.lines() {
        let columns: Vec<&str> = line.split(' ').collect();
        let [query, "Q0", document, rank, score, _] = columns[..] else { panic!("{line}") };
        let score: f32 = score.parse().unwrap();
        assert!(rank == "1" || score < last, "{line}");
        last = score;
        results.push([query, document, rank].map(str::to_owned));
    }
    results
}

#[test]
fn what_is_written_is_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run").display().to_string();
    let cases: [(&[&str], &str); 3] = [
        (&["--stage", "bm25"], "bm25"),
        (&["--stage", "bm25:50", "--stage", "late:7"], "late:7 over bm25:50"),
        (&[], "late over dense"),
    ];
    for (stages, approach) in cases {
        let measured = rows(&data(), &[stages, &["--write-run", &file]].concat());
        let written = fs::read_to_string(&file).unwrap();
        let tag = approach.replace(' ', "-");
        assert!(written.lines().all(|line| line.ends_with(&format!(" {tag}"))), "{written}");
        if approach == "bm25" {
            let kept = fs::read_to_string(fixtures().join("runs/ours.txt")).unwrap();
            assert_eq!(results(&written), results(&kept));
        }
        let read = rows(&data(), &["--run", &file]);
        let (measured, read) = (row(&measured, approach), row(&read, "given"));
        assert!(same(figures(&measured), figures(&read)), "{measured} {read}");
    }
}

#[test]
fn a_stage_ranks_what_the_one_before_it_hands_on() {
    let all = rows(&data(), &["--stage", "dense:100", "--stage", "late"]);
    // What is in the table already has no second row.
    assert_eq!(all.len(), rows(&data(), &[]).len());
    // Late interaction over everything, whoever hands it on, is late interaction.
    let own = rows(&data(), &["--stage", "bm25:130", "--stage", "late:100"]);
    let own = row(&own, "late:100 over bm25:130");
    assert_eq!(figures(&own), figures(&row(&all, "late")));
    assert_eq!(own["candidates"], 130.0);
    let first = rows(&data(), &["--stage", "bm25:1", "--stage", "late"]);
    let alone = rows(&data(), &["--stage", "bm25:1"]);
    assert_eq!(figures(&row(&first, "late over bm25:1")), figures(&row(&alone, "bm25:1")));
}

#[test]
fn a_run_can_be_compared_and_reranked() {
    let run = fixtures().join("runs/run.txt").display().to_string();
    let model = checkpoint("pylate");
    let output = eval(&data(), &["--run", &run, "--compare", &model]).success();
    let report: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let names = report["approaches"].as_array().unwrap().iter().map(|row| &row["approach"]);
    assert_eq!(names.collect::<Vec<_>>(), ["given", "late over given"]);
    let compared = &report["compared"][0];
    assert_eq!(
        (&compared["overlap@10"], &compared["identical@10"]),
        (&Value::from(7.5), &1.0.into())
    );
    let table = rows(&data(), &["--run", &run]);
    assert_eq!(figures(&row(&table, "late over given")), figures(&compared["reranked"]));
}

#[test]
fn what_is_no_run_is_said_with_its_line() {
    let line = "q0 Q0 d1 1 2.5 tag\n";
    let cases = [
        ("", "run has no result of a judged query and a document of this folder"),
        ("q0 Q0 gone 1 2.5 tag\nunknown Q0 d1 1 2.5 tag\n", "run has no result of a judged query"),
        ("q0 Q0 d1 1 2.5\n", "run:1:1: needs query id, Q0, document id, rank, score and tag"),
        ("q0 d1 2.5\n", "run:1:1: needs query id"),
        ("q0 Q0 d2 1 2.5 tag more\n", "run:1:1: needs query id"),
        ("q0\tQ0\td2 SECRET\t1\t2.5\n", "run:1:1: needs query id"),
        ("q0 Q0 d2 1 NaN tag\n", "run:1:1: the score is not a finite number"),
        ("q0 Q0 d2 1 -inf tag\n", "run:1:1: the score is not"),
        ("q0 Q0 d2 1 1e39 tag\n", "run:1:1: the score is not"),
        ("q0 Q0 d2 1 SECRET tag\n", "run:1:1: the score is not"),
        ("SECRET Q0 SECRET 1 SECRET tag\n", "run:1:1: the score is not"),
        ("q0 Q0 d1 7 -1 tag\n", "run:1:1: has query and document of line 1"),
        ("\u{1f}\u{8b}", "run:1:1: needs query id"),
        ("{\"_id\": \"SECRET\"}\n", "run:1:1: needs query id"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run").display().to_string();
    for (content, expected) in cases {
        let first = if expected.contains(":1:1:") { line } else { "" };
        fs::write(&file, format!("{first}\n{content}")).unwrap();
        let assert = eval(&data(), &["--run", &file]).code(65);
        let error = text(&assert.get_output().stderr);
        let expected = match expected.strip_prefix("run:1:1:") {
            Some(reason) => format!("run:3:1:{reason}"),
            None => expected.to_owned(),
        };
        assert!(error.contains(&expected), "{expected}: {error}");
        assert!(!error.contains("SECRET"), "{error}");
        assert!(assert.get_output().stdout.is_empty());
    }
    fs::write(&file, b"q0 Q0 d1 1 \xff tag\n").unwrap();
    let error = text(&eval(&data(), &["--run", &file]).code(65).get_output().stderr);
    assert!(error.contains("run:1:12: is not UTF-8"), "{error}");
    eval(&data(), &["--run", "/no/such/file"]).code(66);
}

#[test]
fn what_a_run_says_of_others_is_passed_over_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run").display().to_string();
    let lines =
        "q0\tQ0\td1\t1\t2.5\ttag of mine\nq0 Q0 gone 1 2.5 tag\nunknown Q0 d1 1 2.5 tag\r\n";
    fs::write(&file, format!("\u{feff}{lines}")).unwrap();
    let assert = eval(&data(), &["--run", &file]).success();
    let error = text(&assert.get_output().stderr);
    assert!(error.contains("passed over: 2 results"), "{error}");
    assert!(error.contains("5 judged queries have no result"), "{error}");
}

#[test]
fn a_run_that_nothing_could_read_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path();
    fs::write(set.join("corpus.jsonl"), "{\"id\":\"a b\",\"text\":\"oil\"}\n").unwrap();
    fs::write(set.join("queries.jsonl"), "{\"id\":\"q\",\"text\":\"oil\"}\n").unwrap();
    fs::write(set.join("qrels.tsv"), "q\ta b\t1\n").unwrap();
    let (data, file) = (set.display().to_string(), set.join("run").display().to_string());
    let assert = eval(&data, &["--write-run", &file]).code(65);
    let error = text(&assert.get_output().stderr);
    assert!(error.contains("corpus.jsonl:1:1: the id is empty or has white space"), "{error}");
    assert!(!Path::new(&file).exists());
    eval(&data, &[]).success();
}

#[test]
fn arguments_that_do_not_go_together_are_refused() {
    for (more, expected) in [
        (&["--stage", "given"][..], "--stage given is the order of --run FILE"),
        (
            &["--stage", "bm25", "--stage", "given"],
            "--stage given is the order that the list came in",
        ),
        (&["--stage", "dense=elsewhere"], "--stage dense is that of --model here"),
        (&["--stage", "cross=elsewhere"], "--stage cross takes what another stage has found"),
        (&["--stage", "bm25", "--stage", "cross"], "--stage cross wants a folder"),
        (&["--stage", "late:0"], "keeps 1 or more"),
        (&["--stage", "best"], "one of given, bm25"),
        (&["--compare", "elsewhere", "--stage", "bm25"], "cannot be used with"),
        (&["--relevant-from", "0"], "0 is not in"),
    ] {
        let error = text(&eval(&data(), more).code(2).get_output().stderr);
        assert!(error.contains(expected), "{more:?}: {error}");
    }
}
