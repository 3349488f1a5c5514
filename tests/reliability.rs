//! `tests/reliability.md` says which test holds each thing that we promise. Here the table is held to the tests, so
//! that no promise loses its test unseen, and none is made without.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// How many promises each part of the table makes: an id is a part's letter, or word, and a number from 1.
const PARTS: &[(&str, usize)] = &[
    ("F", 17),
    ("N", 17),
    ("C", 12),
    ("G", 15),
    ("W", 17),
    ("P", 9),
    ("D", 8),
    ("L", 8),
    ("S", 7),
    ("case ", 45),
];

const NOT_HERE: &str = "not here: ";

#[test]
fn every_promise_has_a_test_or_a_reason() {
    let rows = rows();
    for (part, count) in PARTS {
        for number in 1..=*count {
            let id = match part.trim().len() {
                1 => format!("{part}{number:02}"),
                _ => format!("{part}{number}"),
            };
            let row = rows.get(&id).unwrap_or_else(|| panic!("{id} has no row"));
            assert!(!row.promise.is_empty(), "{id} promises nothing");
            check_tests(&id, &row.tests);
        }
    }
    let promised: usize = PARTS.iter().map(|(_, count)| count).sum();
    assert_eq!(rows.len(), promised, "there are rows beside those that are promised");
}

struct Row {
    promise: String,
    tests: String,
}

/// The table's rows, `| id | promise | tests |`, by their id.
fn rows() -> BTreeMap<String, Row> {
    let table = fs::read_to_string("tests/reliability.md").unwrap();
    let mut rows = BTreeMap::new();
    for line in table.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let &["", id, promise, tests, ""] = &cells[..] else {
            continue;
        };
        if id == "id" || id.starts_with("--") {
            continue;
        }
        let row = Row { promise: promise.to_owned(), tests: tests.to_owned() };
        assert!(rows.insert(id.to_owned(), row).is_none(), "{id} has two rows");
    }
    rows
}

/// Tests are written `file` title; `file` title, or the cell says why there is none.
fn check_tests(id: &str, tests: &str) {
    if let Some(reason) = tests.strip_prefix(NOT_HERE) {
        return assert!(reason.len() > 10, "{id} does not say why it is not here");
    }
    assert!(!tests.is_empty(), "{id} has neither a test nor a reason");
    for test in tests.split(';') {
        let named = test.trim().strip_prefix('`').and_then(|test| test.split_once("` "));
        let (file, title) = named.unwrap_or_else(|| panic!("{id}: {test:?} names no `file` title"));
        assert!(holds(file, title), "{id}: {file} has no test {title:?}");
    }
}

/// Whether a line of the file begins a test, or a group of tests, with this title, or with a part of it.
fn holds(file: &str, title: &str) -> bool {
    let Ok(text) = fs::read_to_string(Path::new(file)) else {
        return false;
    };
    match file.ends_with(".rs") {
        true => text.contains(&format!("fn {title}(")),
        false => text.lines().any(|line| begins_test(line) && line.contains(title)),
    }
}

fn begins_test(line: &str) -> bool {
    ["test(", "test.each(", "it(", "it.each(", "describe(", "describe.each("]
        .iter()
        .any(|start| line.trim_start().starts_with(start))
}
