//! `tabrank rerank` by stages: what each model says and hands on, and what is done with the end of the list.

#![cfg(feature = "cli")]

mod common;

use common::command::{checkpoint, tabrank, text};
use serde_json::{Value, json};

const TEXTS: [&str; 6] = [
    "The oil price rose in the war.",
    "Bread is baked in an oven.",
    "Oil and war, war and oil.",
    "Goethe wrote Faust.",
    "The war ended in spring.",
    "Bread is baked in an oven.",
];

/// Objects with an id, and scores that fall but for one that has none.
fn input() -> String {
    let score = |id: usize| if id == 1 { json!(null) } else { json!(9.5 - id as f64) };
    let object = |(id, text)| json!({"id": id, "text": text, "score": score(id)}).to_string();
    TEXTS.iter().enumerate().map(object).collect::<Vec<_>>().join("\n")
}

fn cross() -> String {
    checkpoint("cross-encoders/bert")
}

fn run(model: &str, more: &[&str], input: &str) -> assert_cmd::assert::Assert {
    let arguments = [&["rerank", "--model", model, "--query", "the war and oil"], more].concat();
    tabrank(&arguments).write_stdin(input).assert()
}

fn ranked(model: &str, more: &[&str], input: &str) -> Vec<Value> {
    let output = run(model, more, input).success().get_output().clone();
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(ranked: &[Value]) -> Vec<u64> {
    ranked.iter().map(|object| object["id"].as_u64().unwrap()).collect()
}

fn scores(ranked: &[Value]) -> Vec<f64> {
    ranked.iter().map(|object| object["score"].as_f64().unwrap()).collect()
}

#[test]
fn one_stage_is_what_the_model_does_anyway() {
    for (model, stage) in [(checkpoint("pylate"), "late"), (cross(), "cross")] {
        let plain = ranked(&model, &[], &input());
        let staged = ranked(&model, &["--stage", stage], &input());
        assert_eq!((ids(&plain), scores(&plain)), (ids(&staged), scores(&staged)));
        for (plain, staged) in plain.iter().zip(&staged) {
            assert_eq!(plain.get("stages"), None);
            let stages = json!([{"use": stage, "rank": staged["rank"], "score": staged["score"]}]);
            assert_eq!(staged["stages"], stages);
        }
    }
}

/// Stages of one model run in one call, those of several in a call each: both are as if each had been called by itself.
#[test]
fn stages_compose() {
    let (model, other) = (checkpoint("pylate"), cross());
    let stages = ["dense:5", "bm25:4", "late:3", &format!("cross={other}:2")];
    let mut arguments = Vec::new();
    let mut input_of_next = input();
    for (count, stage) in stages.iter().enumerate() {
        arguments.extend(["--stage", *stage]);
        let together = ranked(&model, &arguments, &input());
        let alone = ranked(&model, &["--stage", stage], &input_of_next);
        assert_eq!(ids(&together), ids(&alone), "{stage}");
        assert_eq!(together.len(), 5 - count);
        for (together, alone) in together.iter().zip(&alone) {
            assert_eq!(together["stages"][count], alone["stages"][0]);
            assert_eq!(together["stages"].as_array().unwrap().len(), count + 1);
            assert_eq!(together["score"], alone["score"]);
        }
        let texts =
            ids(&together).into_iter().map(|id| json!({"id": id, "text": TEXTS[id as usize]}));
        input_of_next = texts.map(|object| object.to_string()).collect::<Vec<_>>().join("\n");
    }
}

#[test]
fn given_scores_are_those_of_the_input() {
    let model = checkpoint("pylate");
    let found = ranked(&model, &["--stage", "given:4", "--stage", "bm25"], &input());
    let mut kept = ids(&found);
    kept.sort_unstable();
    // The one without a score is the last.
    assert_eq!(kept, [0, 2, 3, 4]);
    for object in &found {
        assert_eq!(object["stages"][0]["score"], object["replaced"]["score"]);
    }
    let all = ranked(&model, &["--stage", "given"], &input());
    assert_eq!(ids(&all), [0, 2, 3, 4, 5, 1]);
    // As they came, also those that single precision does not tell apart.
    let large = [16_777_216u64, 16_777_217].map(|score| json!({"text": "oil", "score": score}));
    let large = large.map(|object| object.to_string()).join("\n");
    let found = ranked(&model, &["--stage", "given", "--min-score", "16777217"], &large);
    assert_eq!(scores(&found), [16_777_217.0]);
    assert_eq!(found[0]["stages"][0]["score"], 16_777_217.0);
    for score in ["\"9\"", "1e999", "-1e39", "[1]"] {
        let wrong = format!("{}\n{{\"text\":\"oil\",\"score\":{score}}}", input());
        let error = text(&run(&model, &["--stage", "given"], &wrong).code(65).get_output().stderr);
        assert!(error.contains("stdin:7:1: \"score\" is not a finite number"), "{error}");
        run(&model, &["--stage", "late"], &wrong).success();
    }
}

#[test]
fn the_end_of_the_list_is_cut_fused_and_diversified() {
    let (model, other) = (checkpoint("pylate"), cross());
    let pairs = format!("cross={other}");
    let pipeline = ["--stage", "late", "--stage", &pairs];
    let plain = ranked(&model, &pipeline, &input());
    let best = ranked(&model, &[&pipeline[..], &["--top-k", "2"]].concat(), &input());
    assert_eq!(best, plain[..2]);
    let least = scores(&plain)[2].to_string();
    let cut = ranked(&model, &[&pipeline[..], &["--min-score", &least]].concat(), &input());
    assert_eq!(cut, plain[..3]);

    let fused = ranked(&model, &[&pipeline[..], &["--fuse", "ranks"]].concat(), &input());
    // By the input's scores too; the one that has none gets nothing of them.
    let given = [0, 2, 3, 4, 5];
    let part = |order: &[u64], id: u64| {
        order.iter().position(|other| *other == id).map_or(0.0, |place| 1.0 / (61.0 + place as f64))
    };
    let own = ids(&plain);
    for object in &fused {
        let id = object["id"].as_u64().unwrap();
        let expected = part(&own, id) + part(&given, id);
        assert!((object["fused"].as_f64().unwrap() - expected).abs() < 1e-6, "{object}");
    }
    let sums: Vec<f64> = fused.iter().map(|object| object["fused"].as_f64().unwrap()).collect();
    assert!(sums.is_sorted_by(|a, b| a >= b), "{sums:?}");
    let scored = ranked(&model, &[&pipeline[..], &["--fuse", "scores"]].concat(), &input());
    assert_ne!(ids(&scored), own);

    // Relevance alone changes nothing; without it a text that stands already comes last.
    let diverse = |share: &str| {
        ids(&ranked(&model, &[&pipeline[..], &["--diversify", share]].concat(), &input()))
    };
    assert_eq!(diverse("1"), own);
    let last = *diverse("0").last().unwrap();
    assert!([1, 5].contains(&last), "{last}");
    let late = ranked(&model, &["--diversify", "0", "--top-k", "5"], &input());
    assert!(!ids(&late).contains(&1) || !ids(&late).contains(&5));
    let error = run(&other, &["--diversify", "0.5"], &input()).code(2);
    assert!(text(&error.get_output().stderr).contains("diversify needs embeddings"));
    // Any model of the pipeline that makes embeddings tells them apart.
    let pipeline = ["--stage", &format!("late={model}"), "--stage", "cross", "--diversify", "0"];
    assert_eq!(ids(&ranked(&other, &pipeline, &input())).last(), Some(&last));
}

#[test]
fn without_scores_the_input_s_order_is_fused() {
    let (model, pairs) = (checkpoint("pylate"), format!("cross={}", cross()));
    let unscored = input().replace("\"score\"", "\"other\"");
    // Falling by one, as the order does.
    let objects = TEXTS
        .iter()
        .enumerate()
        .map(|(id, text)| json!({"id": id, "text": text, "score": -(id as f64)}));
    let scored = objects.map(|object| object.to_string()).collect::<Vec<_>>().join("\n");
    for stages in
        [&["--fuse", "ranks"][..], &["--fuse", "ranks", "--stage", "late:4", "--stage", &pairs]]
    {
        let found = ranked(&model, stages, &unscored);
        assert_eq!(ids(&found), ids(&ranked(&model, stages, &scored)));
    }
    for arguments in [["--fuse", "scores"], ["--stage", "given"]] {
        let assert = run(&model, &arguments, &unscored).code(65);
        let error = text(&assert.get_output().stderr);
        assert!(error.contains("wants a \"score\", which no object has"), "{error}");
        run(&model, &arguments, "").success().stdout("");
    }
}

#[test]
fn a_text_that_came_before_says_so() {
    let cross = format!("cross={}", cross());
    // Its score puts it in front: still it is the one that came later.
    let better = input().replace("4.5", "20.5");
    for stages in
        [&["late"][..], &["given", "late"], &["given", &cross], &["given", "late", &cross]]
    {
        let stages: Vec<&str> = stages.iter().flat_map(|stage| ["--stage", *stage]).collect();
        let found = ranked(&checkpoint("pylate"), &stages, &better);
        for object in found {
            let expected = (object["id"] == 5).then(|| json!(1));
            assert_eq!(object.get("same_as"), expected.as_ref(), "{stages:?}: {object}");
        }
    }
    for stages in [&[][..], &["--stage", "late", "--stage", &cross]] {
        let found = ranked(&checkpoint("pylate"), stages, &format!("\n{}", input()));
        for object in found {
            let expected = (object["id"] == 5).then(|| json!(2));
            assert_eq!(object.get("same_as"), expected.as_ref(), "{object}");
        }
    }
}

#[test]
fn stages_that_cannot_be_had_are_refused() {
    let (late, cross) = (checkpoint("pylate"), cross());
    let windows = ["--long-documents", "windows"];
    let nothing = tempfile::tempdir().unwrap();
    let nothing = nothing.path().display().to_string();
    let lacks = format!("tabrank: {nothing}: the checkpoint has no config.json");
    let cases: [(&str, &[&str], i32, &str); 11] = [
        (&late, &["--stage", "late", "--stage", &format!("cross={nothing}")], 65, &lacks),
        (&cross, &windows, 65, "--long-documents windows needs a model that makes embeddings"),
        (&late, &["--stage", "cross"], 65, "--stage cross needs a cross-encoder (cross=DIR)"),
        (&cross, &["--stage", "late"], 65, "--stage late needs a model that makes embeddings"),
        (&cross, &["--stage", "dense"], 65, "--stage dense needs a model that makes embeddings"),
        (&late, &["--stage", &format!("late={cross}")], 65, "--stage late needs a model"),
        (&late, &["--stage", "cross=/no/such/folder"], 66, "/no/such/folder"),
        (&late, &["--stage", "late", "--stage", "given"], 2, "--stage given is the order"),
        (&late, &["--stage", "late:0"], 2, "keeps 1 or more"),
        (&late, &["--min-score", "nan"], 65, "--min-score is not a number"),
        (&late, &["--diversify", "1.5"], 65, "--diversify is 1.5"),
    ];
    for (model, more, code, expected) in cases {
        let assert = run(model, more, &input()).code(code);
        let error = text(&assert.get_output().stderr);
        assert!(error.contains(expected), "{more:?}: {error}");
        assert!(assert.get_output().stdout.is_empty());
    }
}

#[test]
fn a_budget_leaves_what_was_not_scored_in_its_order_and_says_how_many() {
    let model = checkpoint("pylate");
    let (warning, end) = ("candidates were not scored in time", "they follow in the order");
    let run_out = |more: &[&str]| {
        let arguments = [more, &["--budget-ms", "0"]].concat();
        let assert = run(&model, &arguments, &input()).success();
        let output = assert.get_output();
        let told = text(&output.stderr);
        assert!(told.contains(&format!("6 {warning}; {end}")), "{told}");
        let lines = text(&output.stdout);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let stages =
        ["--stage", "late", "--stage", &format!("cross={}", cross()), "--diversify", "0.5"];
    for more in [&[][..], &stages] {
        let none = run_out(more);
        assert_eq!(ids(&none), [0, 1, 2, 3, 4, 5]);
        assert!(none.iter().all(|object| object["score"].is_null()));
        let best = run_out(&[more, &["--top-k", "2"]].concat());
        assert_eq!(ids(&best), [0, 1]);
    }
    // What was given is there without any time.
    let given = ranked(&model, &["--stage", "given", "--budget-ms", "0"], &input());
    assert_eq!(scores(&given).len(), 6);
    let all = ranked(&model, &["--budget-ms", "600000"], &input());
    assert_eq!(all, ranked(&model, &[], &input()));
}
