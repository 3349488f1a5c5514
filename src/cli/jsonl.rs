//! JSONL in: one object a line, its fields kept to the letter.

use std::io::{BufRead, BufReader, Read};

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::CliError;

/// A line's object. Values stay as they were written, so that numbers keep all their digits.
pub type Fields = IndexMap<String, Box<RawValue>>;

/// A line with its place in the input, from 0.
pub struct Line {
    pub number: usize,
    pub fields: Fields,
}

/// Reads every line; blank ones are passed over and still count. `name` is for errors.
///
/// # Errors
/// The first line that is not a JSON object, with line and column from 1.
pub fn read(name: &str, input: impl Read) -> Result<Vec<Line>, CliError> {
    let mut lines = Vec::new();
    for (number, line) in BufReader::new(input).lines().enumerate() {
        let line = line.map_err(|source| match source.kind() {
            std::io::ErrorKind::InvalidData => wrong(name, number, 1, "is not UTF-8".to_owned()),
            _ => CliError::Read { path: name.into(), source },
        })?;
        if line.trim().is_empty() {
            continue;
        }
        let fields = serde_json::from_str(&line)
            .map_err(|error| wrong(name, number, error.column(), reason(&error)))?;
        lines.push(Line { number, fields });
    }
    Ok(lines)
}

/// A field that must be a string.
pub fn string(name: &str, line: &Line, field: &str) -> Result<String, CliError> {
    let value = line
        .fields
        .get(field)
        .ok_or_else(|| wrong(name, line.number, 1, format!("the object has no {field:?}")))?;
    serde_json::from_str(value.get())
        .map_err(|_| wrong(name, line.number, 1, format!("{field:?} is not a string")))
}

/// The "text" of every line.
pub fn texts(name: &str, lines: &[Line]) -> Result<Vec<String>, CliError> {
    lines.iter().map(|line| string(name, line, "text")).collect()
}

fn wrong(name: &str, number: usize, column: usize, reason: String) -> CliError {
    CliError::Line { file: name.to_owned(), line: number + 1, column, reason }
}

/// serde_json appends a place of its own, which is the line's.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
