//! A judged retrieval set, read from its folder: BEIR's layout, and TREC's judgements.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::is_taken;
use super::input::{Input, Piece, Place};
use super::jsonl::{self, OnError, Record};
use super::metrics::Judgements;
use super::{CliError, say};

/// Where the folder and its judgements are, and how documents are read.
#[derive(clap::Args)]
pub struct DataArgs {
    /// Folder with corpus.jsonl, queries.jsonl and the judgements.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The judgements [default: qrels.tsv in the folder, or qrels/test.tsv].
    #[arg(long, value_name = "FILE")]
    qrels: Option<PathBuf>,
    /// Put a document's title in front of its text, with a space between, as BEIR's own models read it.
    #[arg(long)]
    title: bool,
}

/// The texts, and for each query its judgements by place in the corpus. Queries without are left out.
pub struct Data {
    pub corpus: Vec<Text>,
    pub queries: Vec<Text>,
    pub judgements: Vec<Judgements>,
}

/// A text with its id and the line that it came in.
pub struct Text {
    id: String,
    text: String,
    pub place: Place,
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl Data {
    /// # Errors
    /// What cannot be read, ids that come twice, and a set in which nothing is judged.
    pub fn read(args: &DataArgs) -> Result<Self, CliError> {
        let corpus = texts(&args.data.join("corpus.jsonl"), |record| args.document(record))?;
        let queries = texts(&args.data.join("queries.jsonl"), |record| record.string("text"))?;
        let qrels = args.qrels();
        let mut read = Read::new(places(&corpus), places(&queries));
        read.judgements(&qrels)?;
        read.tell();
        let judged = queries.into_iter().zip(read.judged).filter(|(_, judged)| !judged.is_empty());
        let (queries, judgements): (Vec<_>, Vec<_>) = judged.unzip();
        match queries.is_empty() {
            true => Err(nothing(&qrels, "judges no query and document of this folder")),
            false => Ok(Self { corpus, queries, judgements }),
        }
    }
}

/// Where each id stands.
fn places(texts: &[Text]) -> HashMap<String, usize> {
    texts.iter().enumerate().map(|(place, text)| (text.id.clone(), place)).collect()
}

impl DataArgs {
    fn qrels(&self) -> PathBuf {
        let plain = self.data.join("qrels.tsv");
        let split = self.data.join("qrels/test.tsv");
        match &self.qrels {
            Some(path) => path.clone(),
            None if !is_taken(&plain) && is_taken(&split) => split,
            None => plain,
        }
    }

    fn document(&self, record: &Record) -> Result<String, CliError> {
        let text = record.string("text")?;
        match record.fields.get("title") {
            Some(_) if self.title => {
                Ok(format!("{} {text}", record.string("title")?).trim().to_owned())
            }
            _ => Ok(text),
        }
    }
}

/// The texts of a file, in order.
fn texts(
    path: &Path,
    read: impl Fn(&Record) -> Result<String, CliError>,
) -> Result<Vec<Text>, CliError> {
    let mut texts = Vec::new();
    let mut lines = HashMap::new();
    jsonl::read(&path.display().to_string(), open(path)?, OnError::Fail, |record| {
        let (id, text) = (id(&record)?, read(&record)?);
        if let Some(line) = lines.insert(id.clone(), record.place.line) {
            return Err(record.place.wrong(format!("has the id of line {line}")));
        }
        texts.push(Text { id, text, place: record.place });
        Ok(())
    })?;
    match texts.is_empty() {
        true => Err(nothing(path, "is empty")),
        false => Ok(texts),
    }
}

/// "id", or BEIR's "_id"; a number stands for its digits.
fn id(record: &Record) -> Result<String, CliError> {
    let field = if record.fields.get("id").is_some() { "id" } else { "_id" };
    match record.fields.get(field) {
        Some(value) if value.get().starts_with(|c: char| c.is_ascii_digit()) => {
            Ok(value.get().to_owned())
        }
        Some(_) => record.string(field),
        None => Err(record.place.wrong("the object has no \"id\" or \"_id\"")),
    }
}

/// Judgements as they are read, and how many are passed over.
struct Read {
    documents: HashMap<String, usize>,
    queries: HashMap<String, usize>,
    /// By query.
    judged: Vec<Judgements>,
    without_document: usize,
    without_query: usize,
    repeated: usize,
}

impl Read {
    fn new(documents: HashMap<String, usize>, queries: HashMap<String, usize>) -> Self {
        let judged = vec![Judgements::new(); queries.len()];
        Self { documents, queries, judged, without_document: 0, without_query: 0, repeated: 0 }
    }

    fn judgements(&mut self, path: &Path) -> Result<(), CliError> {
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
fn columns(line: &str) -> Vec<&str> {
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

fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(|source| CliError::read(path, source))
}

fn nothing(path: &Path, reason: &'static str) -> CliError {
    CliError::Data { path: path.to_owned(), reason }
}
