//! `tabrank index` where something goes wrong: is what was there left as it was, and is the culprit named?

#![cfg(all(feature = "cli", target_os = "linux"))]

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::command::{checkpoint, names, shell, tabrank, text};
use common::index_command::{
    SMALL, STRETCH, assert_whole, build, codec, documents, failure, files, index, killed,
    with_model,
};

const GIVEN: &[&str] = &["--codec", "codec"];

/// An index `x` of some documents, and its codec.
fn built(folder: &Path, count: usize) {
    build(folder, "x", SMALL, &documents(0..count));
    codec(folder, "x", "codec");
}

#[test]
fn an_addition_that_was_killed_goes_on_to_the_same_index() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (all, added) = (30 + STRETCH + 20, documents(30..30 + STRETCH + 20));
    build(at, "once", SMALL, &documents(0..all));
    codec(at, "once", "codec");
    build(at, "x", GIVEN, &documents(0..30));
    let before = files(&at.join("x"));
    killed(at, &["add", "x"], &added, STRETCH);
    assert!(files(&at.join("x")) == before);
    // It is no build, and of these documents.
    let build_on = ["build", "-o", "x", "--codec", "codec", "--resume"];
    let error = failure(with_model(at, &build_on, &added), 65);
    assert!(error.contains("its verb is add, and that of this run build"), "{error}");
    let resume = ["add", "x", "--resume"];
    let error = failure(with_model(at, &resume, &added.replace("\"d33\"", "\"other\"")), 65);
    assert!(error.contains("the input is not the one that it was made of"), "{error}");
    with_model(at, &resume, &added).success();
    assert!(files(&at.join("x")) == files(&at.join("once")));
    assert_eq!(names(at), ["codec", "once", "x"]);
    // With nothing left it is an addition like any other.
    index(at, &["delete", "x", "--ids", &format!("d{}", all - 1)], "").success();
    with_model(at, &resume, &documents(all - 1..all)).success();
    assert!(files(&at.join("x")) == files(&at.join("once")));
}

/// Of a run that was killed while it put parts in their place, and of one while it made them.
#[test]
fn what_a_killed_change_has_left_goes_with_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    built(at, 40);
    let x = at.join("x");
    for part in ["documents-0123456789abcdef.safetensors", "lists-fedcba9876543210.bin"] {
        fs::write(x.join(part), "of a state that never was").unwrap();
    }
    let workshop = x.join(".tabrank-abc123");
    fs::create_dir_all(workshop.join("output")).unwrap();
    fs::write(workshop.join("lock"), "").unwrap();
    fs::write(workshop.join("output/index.json"), "{}").unwrap();
    // Of somebody else.
    let others = ["documents-0123456789abcdef.bin", "lists-notes.bin", "robots.txt"];
    others.iter().for_each(|name| fs::write(x.join(name), "mine").unwrap());
    with_model(at, &["add", "x"], &documents(40..60)).success();
    build(at, "once", GIVEN, &documents(0..60));
    let mut expected = files(&at.join("once"));
    expected.extend(others.map(|name| (name.to_owned(), b"mine".to_vec())));
    assert!(files(&x) == expected);
}

#[test]
fn a_change_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    built(at, 400);
    let before = files(&at.join("x"));
    // No room: a file may have no more bytes than one of the parts has.
    let line = "trap '' XFSZ; ulimit -f 8; \"$tabrank\" index delete x --ids d3";
    let error = failure(shell(at, line).assert(), 74);
    assert!(error.contains("cannot write x: "), "{error}");
    index(at, &["delete", "x", "--ids", "d3,nobody"], "").failure();
    assert!(files(&at.join("x")) == before);
    assert_eq!(names(at), ["codec", "x"]);
}

#[test]
fn one_run_at_a_time_changes_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    built(at, 40);
    let before = files(&at.join("x"));
    let manifest = File::open(at.join("x/index.json")).unwrap();
    manifest.lock().unwrap();
    for verb in [
        &["add", "x", "--model", &checkpoint("pylate")][..],
        &["delete", "x", "--ids", "d3"],
        &["merge", "x", "-o", "x"],
        &["build", "-o", "x", "--model", &checkpoint("pylate")],
    ] {
        let error = failure(index(at, verb, &documents(40..44)), 74);
        assert!(error.contains("cannot write x: another run is writing it"), "{error}");
    }
    // Who reads is not kept out.
    with_model(at, &["search", "x", "--query", "oil"], "").success();
    assert_whole(at, "x");
    drop(manifest);
    assert!(files(&at.join("x")) == before);
    assert_eq!(names(at), ["codec", "x"]);
}

/// Each of them tries until it is its turn, and none undoes what another has done.
#[test]
fn changes_of_many_runs_are_all_made() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    built(at, 60);
    let deleted = |thread: usize| (0..5).map(move |step| 5 * thread + step);
    thread::scope(|scope| {
        for thread in 0..6 {
            scope.spawn(move || deleted(thread).for_each(|place| delete(at, place)));
        }
    });
    build(at, "once", GIVEN, &documents(30..60));
    assert!(files(&at.join("x")) == files(&at.join("once")));
}

fn delete(folder: &Path, place: usize) {
    let (id, begin) = (format!("d{place}"), Instant::now());
    while begin.elapsed() < Duration::from_secs(60) {
        let assert = index(folder, &["delete", "x", "--ids", &id], "");
        let output = assert.get_output();
        if output.status.success() {
            return;
        }
        let error = text(&output.stderr);
        assert!(error.contains("another run is writing it"), "{error}");
        thread::sleep(Duration::from_millis(2));
    }
    panic!("{id} had no turn");
}

#[test]
fn what_is_no_file_in_a_part_s_place_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    built(at, 40);
    for name in names(&at.join("x")) {
        let (path, kept) = (at.join("x").join(&name), at.join("kept"));
        fs::rename(&path, &kept).unwrap();
        let pipe = format!("mkfifo x/{name}");
        for place in
            [pipe.as_str(), &format!("mkdir x/{name}"), &format!("ln -s /dev/zero x/{name}")]
        {
            shell(at, place).assert().success();
            let query = ["search", "x", "--query", "oil"];
            for assert in
                [with_model(at, &query, ""), tabrank(&["verify", "x"]).current_dir(at).assert()]
            {
                let error = failure(assert, 66);
                let expected = format!("cannot read x/{name}: it is not a regular file");
                assert!(error.contains(&expected), "{place}: {error}");
            }
            fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
        }
        fs::rename(&kept, &path).unwrap();
    }
    assert_whole(at, "x");
}

#[test]
fn an_index_is_made_in_the_folder_where_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    built(at, 40);
    let inner = at.join("inner");
    fs::create_dir(&inner).unwrap();
    let run = |verb: &[&str], input: &str| with_model(&inner, verb, input);
    run(&["build", "-o", ".", "--codec", "../codec"], &documents(0..40)).success();
    assert!(files(&inner) == files(&at.join("x")));
    run(&["add", "."], &documents(40..60)).success();
    index(&inner, &["delete", ".", "--ids", "d50"], "").success();
    run(&["build", "-o", "../inner/.", "--codec", "../codec"], &documents(0..40)).success();
    assert!(files(&inner) == files(&at.join("x")));
    assert_eq!(names(at), ["codec", "inner", "x"]);

    let error = failure(run(&["build", "-o", "none/y"], &documents(0..40)), 74);
    assert!(error.contains("cannot write none/y: there is no folder none"), "{error}");
    let error = failure(run(&["add", "../none"], &documents(0..40)), 66);
    assert!(error.contains("../none is not a folder"), "{error}");
    let error = failure(run(&["add", ".."], &documents(0..40)), 65);
    assert!(error.contains("..: holds no index: it has no index.json"), "{error}");
}

#[test]
fn arguments_without_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    built(at, 20);
    let rows = ["--embeddings", "rows"];
    for arguments in [
        &["build", "-o", "y", "--sample", "0"][..],
        &["build", "-o", "y", "--centroids", "0"],
        &["build", "-o", "y", "--nbits", "3"],
        &["search", "x", "--query", "oil", "--n-ivf-probe", "0"],
        &["search", "x", "--query", "oil", "--top-k", "0"],
    ] {
        with_model(at, arguments, &documents(0..9)).code(2);
    }
    // What would do nothing.
    for more in [["--document-length", "9"], ["--special-tokens", "text"], ["--pool-factor", "2"]] {
        let arguments = [&["build", "-o", "y"], &rows[..], &more].concat();
        let error = failure(index(at, &arguments, ""), 2);
        assert!(error.contains("cannot be used with"), "{error}");
    }
    assert_eq!(names(at), ["codec", "x"]);
}

/// Also numbers below 0, and what has to be escaped.
#[test]
fn ids_come_out_as_they_came_in() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let ids = [
        "\"a\\nb\"",
        "\"q\\\"\\\\\"",
        "\"ü☃💥\"",
        "\"\\u0000\"",
        "\" \"",
        "\"a,b\"",
        "-7",
        "12345678901234567890",
    ];
    let lines = ids.map(|id| format!("{{\"id\":{id},\"text\":\"the price of oil\"}}\n"));
    build(at, "x", &["--centroids", "4"], &lines.concat());
    let query = ["search", "x", "--query", "oil", "--top-k", "9"];
    let assert = with_model(at, &query, "").success();
    let found = text(&assert.get_output().stdout);
    for id in ids {
        let id = if id.starts_with('"') { id.to_owned() } else { format!("{id:?}") };
        assert!(found.contains(&format!("{{\"id\":{id},")), "{id} of {found}");
    }
    fs::write(at.join("gone"), "a,b\r\nü☃💥\n").unwrap();
    index(at, &["delete", "x", "--ids", "a\nb", "--ids-from", "gone"], "").success();
    assert_whole(at, "x");
}
