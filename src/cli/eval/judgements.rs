//! Judgements as they are published: query id, document id and grade with tabs between, with a header or without; or TREC's four columns.

use std::collections::HashMap;
use std::path::Path;

use super::data::open;
use super::measures::Judgements;
use crate::cli::input::{Input, Piece};
use crate::cli::{CliError, say};

/// Judgements of each query, by the places of queries and documents. What is passed over is told.
///
/// # Errors
/// What cannot be read, and lines that are no judgements.
pub fn read(
    path: &Path,
    queries: &HashMap<&str, usize>,
    documents: &HashMap<&str, usize>,
) -> Result<Vec<Judgements>, CliError> {
    let judged = vec![Judgements::new(); queries.len()];
    let (without_document, without_query, repeated) = (0, 0, 0);
    let mut read = Read { documents, queries, judged, without_document, without_query, repeated };
    read.file(path)?;
    read.tell();
    Ok(read.judged)
}

/// Judgements as they are read, and how many are passed over.
struct Read<'a> {
    documents: &'a HashMap<&'a str, usize>,
    queries: &'a HashMap<&'a str, usize>,
    /// By query.
    judged: Vec<Judgements>,
    without_document: usize,
    without_query: usize,
    repeated: usize,
}

impl Read<'_> {
    fn file(&mut self, path: &Path) -> Result<(), CliError> {
        let mut input = Input::open(&path.display().to_string(), open(path)?)?;
        let mut first = true;
        while let Some(piece) = input.line()? {
            if !std::mem::take(&mut first) || !is_header(piece.text()?) {
                self.judgement(&piece)?;
            }
        }
        Ok(())
    }

    fn judgement(&mut self, piece: &Piece) -> Result<(), CliError> {
        let columns = columns(piece.text()?);
        let (query, document, grade) = match columns[..] {
            [query, document, grade] | [query, _, document, grade] => (query, document, grade),
            _ => {
                return Err(piece
                    .place
                    .wrong("needs query id, document id and grade, or TREC's four columns"));
            }
        };
        let grade = self::grade(grade)
            .ok_or_else(|| piece.place.wrong("the grade is not a whole number"))?;
        match (self.queries.get(query), self.documents.get(document)) {
            (None, _) => self.without_query += 1,
            (_, None) => self.without_document += 1,
            (Some(&query), Some(&document)) => {
                self.repeated += usize::from(self.judged[query].insert(document, grade).is_some());
            }
        }
        Ok(())
    }

    /// Queries without a judgement are left out by the caller.
    fn tell(&self) {
        let unjudged = self.judged.iter().filter(|judged| judged.is_empty()).count();
        for (count, what) in [
            (self.without_document, "judgements of documents that are not in the corpus"),
            (self.without_query, "judgements of queries that are not there"),
            (self.repeated, "judgements that a later one of the same query and document replaces"),
            (unjudged, "queries without a judgement of a document in the corpus"),
        ] {
            if count > 0 {
                say(format_args!("passed over: {count} {what}"));
            }
        }
    }
}

/// Parted by tabs, or by white space where there is none.
pub fn columns(line: &str) -> Vec<&str> {
    let line = line.trim_end();
    match line.contains('\t') {
        true => line.split('\t').map(str::trim).collect(),
        false => line.split_whitespace().collect(),
    }
}

/// Whether a first line names columns, as BEIR's does.
fn is_header(line: &str) -> bool {
    columns(line).last().is_some_and(|grade| !grade.contains(|c: char| c.is_ascii_digit()))
}

/// Grades below 0, which TREC gives to junk, count as 0.
fn grade(text: &str) -> Option<u32> {
    let whole = text.strip_suffix(".0").unwrap_or(text).parse::<i64>().ok()?;
    u32::try_from(whole.max(0)).ok()
}
