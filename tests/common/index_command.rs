//! `tabrank index` as a test calls it, in a folder.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use serde_json::{Value, json};

use super::command::{checkpoint, names, started, tabrank, text};

/// Texts between two states.
pub const STRETCH: usize = 64;
/// The settings that keep builds in these tests short.
pub const SMALL: &[&str] = &["--centroids", "16"];

/// Documents that differ, one of them empty and one that is cut.
pub fn documents(range: Range<usize>) -> String {
    let text = |place: usize| match place % 50 {
        7 => String::new(),
        9 => "oil and war ".repeat(20),
        _ => format!("the price of oil {place} {}", "war ".repeat(place % 7)),
    };
    range
        .map(|place| json!({"id": format!("d{place}"), "text": text(place)}).to_string() + "\n")
        .collect()
}

pub fn index(folder: &Path, arguments: &[&str], input: &str) -> assert_cmd::assert::Assert {
    let mut command = tabrank(&[&["index"], arguments].concat());
    command.current_dir(folder).write_stdin(input).assert()
}

/// A verb that takes a model.
pub fn with_model(folder: &Path, arguments: &[&str], input: &str) -> assert_cmd::assert::Assert {
    index(folder, &[arguments, &["--model", &checkpoint("pylate")]].concat(), input)
}

pub fn build(folder: &Path, output: &str, more: &[&str], input: &str) {
    with_model(folder, &[&["build", "-o", output], more].concat(), input).success();
}

pub fn failure(assert: assert_cmd::assert::Assert, code: i32) -> String {
    text(&assert.code(code).get_output().stderr)
}

/// The files of a folder.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| (name.clone(), fs::read(folder.join(name)).unwrap());
    names(folder).into_iter().map(read).collect()
}

/// All of an index is there, and goes together.
pub fn assert_whole(folder: &Path, name: &str) {
    tabrank(&["verify", name]).current_dir(folder).assert().success();
}

/// Writes the codec of an index into a file.
pub fn codec(folder: &Path, index: &str, file: &str) {
    let bytes = fs::read(folder.join(index).join("index.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    let parts = manifest["parts"]["codec"].as_array().unwrap().iter();
    let parts = parts
        .map(|part| fs::read(folder.join(index).join(part["file"].as_str().unwrap())).unwrap());
    fs::write(folder.join(file), parts.collect::<Vec<_>>().concat()).unwrap();
}

/// Kills a run of a verb that writes x, of a pipe that is not at its end, once so many documents are kept.
pub fn killed(folder: &Path, verb: &[&str], input: &str, kept: usize) {
    let model = checkpoint("pylate");
    let arguments = [&["index"], verb, &["--model", &model]].concat();
    let mark = format!("\"texts\":{kept},");
    let (mut child, stdin) = started(folder, &arguments, input, |state| state.contains(&mark));
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stdin);
}
