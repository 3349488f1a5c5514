//! `tabrank eval` beside trec_eval: runs in TREC's form in and out, grades, and pipelines of one's own.

#![cfg(feature = "cli")]

mod common;

use std::collections::BTreeMap;
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

/// What a run says of one query, best first.
fn of_query(run: &str, query: &str) -> Vec<(String, f32)> {
    let lines = run.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let lines = lines.filter(|columns| columns[0] == query);
    lines.map(|columns| (columns[2].to_owned(), columns[4].parse().unwrap())).collect()
}

fn written(more: &[&str]) -> String {
    text(&eval(&data(), &[more, &["--write-run", "-"]].concat()).success().get_output().stdout)
}

/// Texts of the set by their ids.
fn texts(name: &str) -> BTreeMap<String, String> {
    let file = fs::read_to_string(fixtures().join("runs").join(name)).unwrap();
    let field = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    let lines = file.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (field(&line, "_id"), field(&line, "text"))).collect()
}

/// The whole corpus at once and a list by itself are different code.
#[test]
fn a_pipeline_ranks_as_rerank_does() {
    let (queries, documents) = (texts("queries.jsonl"), texts("corpus.jsonl"));
    let pairs = format!("cross={}:2", checkpoint("cross-encoders/bert"));
    let stages = ["--stage", "dense:7", "--stage", "late:4", "--stage", &pairs];
    let (first, all) = (written(&stages[..2]), written(&stages));
    let model = checkpoint("pylate");
    for (query, text_of_query) in &queries {
        // In the corpus's order, as ties have it.
        let mut places: Vec<usize> =
            of_query(&first, query).iter().map(|(id, _)| id[1..].parse().unwrap()).collect();
        places.sort_unstable();
        let object = |place: &usize| {
            let id = format!("d{place}");
            serde_json::json!({"text": documents[&id], "id": id}).to_string()
        };
        let input: Vec<String> = places.iter().map(object).collect();
        let arguments = [&["rerank", "--model", &model, "--query", text_of_query], &stages[..]];
        let assert = tabrank(&arguments.concat()).write_stdin(input.join("\n")).assert().success();
        let lines = text(&assert.get_output().stdout);
        let reranked: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let evaluated = of_query(&all, query);
        assert_eq!((reranked.len(), evaluated.len()), (2, 2));
        for (object, (id, score)) in reranked.iter().zip(evaluated) {
            assert_eq!(object["id"], id);
            assert!((object["score"].as_f64().unwrap() as f32 - score).abs() < 1e-5, "{object}");
        }
    }
}

#[test]
fn a_cross_encoder_stands_over_others_in_the_table() {
    let (cross, run) = (checkpoint("cross-encoders/bert"), fixtures().join("runs/run.txt"));
    let all = rows(&data(), &["--cross", &cross]);
    assert_eq!(row(&all, "cross over bm25")["candidates"], 100.0);
    let three = row(&all, "cross over late:20 over dense");
    assert_eq!((&three["candidates"], &three["ms"]), (&20.0.into(), &Value::Null));
    assert!(three["ms_from_texts"].as_f64().unwrap() > 0.0);
    let own = ["--stage", "dense", "--stage", "late:20", "--stage", &format!("cross={cross}")];
    let own = row(&rows(&data(), &own), "cross over late:20 over dense");
    assert_eq!(figures(&own), figures(&three));
    let given = rows(&data(), &["--cross", &cross, "--run", &run.display().to_string()]);
    row(&given, "cross over given");
    row(&given, "cross over late:20 over given");
    let late = checkpoint("pylate");
    let error = text(&eval(&data(), &["--cross", &late]).code(65).get_output().stderr);
    assert!(error.contains("is no cross-encoder"), "{error}");
}

/// Reciprocal ranks worked out from what each stage has written.
#[test]
fn fused_orders_are_those_of_both_stages() {
    let (first, last) =
        (written(&["--stage", "dense"]), written(&["--stage", "dense", "--stage", "late"]));
    let mut run = String::new();
    for query in texts("queries.jsonl").keys() {
        let first = of_query(&first, query);
        let part = |place: usize| 1.0 / (61.0 + place as f64);
        let sum = |(place, (id, _)): (usize, (String, f32))| {
            let before = first.iter().position(|(other, _)| *other == id).unwrap();
            (id, part(place) + part(before))
        };
        let mut fused: Vec<_> = of_query(&last, query).into_iter().enumerate().map(sum).collect();
        fused.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        for (rank, (id, _)) in (1..).zip(fused) {
            run += &format!("{query} Q0 {id} {rank} {} test\n", -rank);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run").display().to_string();
    fs::write(&file, run).unwrap();
    let all = rows(&data(), &["--fuse", "ranks", "--fuse", "scores"]);
    let expected = row(&rows(&data(), &["--run", &file]), "given");
    let found = row(&all, "late over dense, ranks fused");
    assert!(same(figures(&found), figures(&expected)), "{found} {expected}");
    assert_ne!(
        figures(&row(&all, "late over dense, scores fused")),
        figures(&row(&all, "late over dense"))
    );
}
