//! A judged retrieval set, read from its folder.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

use super::metrics::Judgements;
use super::{CliError, jsonl};

/// The texts, and for each query its judgements by place in the corpus. Queries without are left out.
pub struct Data {
    pub corpus: Vec<String>,
    pub queries: Vec<String>,
    pub judgements: Vec<Judgements>,
}

impl Data {
    /// From corpus.jsonl, queries.jsonl and qrels.tsv.
    pub fn read(folder: &Path) -> Result<Self, CliError> {
        let corpus = texts(&folder.join("corpus.jsonl"))?;
        let places: HashMap<&str, usize> =
            corpus.iter().enumerate().map(|(place, (id, _))| (id.as_str(), place)).collect();
        let mut judged = judgements(&folder.join("qrels.tsv"), &places)?;
        let (mut queries, mut judgements) = (Vec::new(), Vec::new());
        for (id, text) in texts(&folder.join("queries.jsonl"))? {
            if let Some(found) = judged.remove(&id) {
                queries.push(text);
                judgements.push(found);
            }
        }
        Ok(Self { queries, judgements, corpus: corpus.into_iter().map(|(_, text)| text).collect() })
    }
}

/// `(id, text)` of each line.
fn texts(path: &Path) -> Result<Vec<(String, String)>, CliError> {
    let name = path.display().to_string();
    jsonl::read(&name, open(path)?)?
        .iter()
        .map(|line| Ok((jsonl::string(&name, line, "id")?, jsonl::string(&name, line, "text")?)))
        .collect()
}

fn judgements(
    path: &Path,
    places: &HashMap<&str, usize>,
) -> Result<HashMap<String, Judgements>, CliError> {
    let mut judged: HashMap<String, Judgements> = HashMap::new();
    let text = io::read_to_string(open(path)?)
        .map_err(|source| CliError::Read { path: path.to_owned(), source })?;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let wrong = |reason: &str| CliError::Line {
            file: path.display().to_string(),
            line: number + 1,
            column: 1,
            reason: reason.to_owned(),
        };
        let mut columns = line.split('\t');
        let (Some(query), Some(document), Some(grade), None) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            return Err(wrong("needs query id, document id and grade, with tabs between"));
        };
        let place =
            *places.get(document).ok_or_else(|| wrong("the document is not in the corpus"))?;
        let grade = grade.trim().parse().map_err(|_| wrong("the grade is not a whole number"))?;
        judged.entry(query.to_owned()).or_default().insert(place, grade);
    }
    Ok(judged)
}

fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(|source| CliError::Read { path: path.to_owned(), source })
}
