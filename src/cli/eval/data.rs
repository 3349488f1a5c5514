//! A judged retrieval set, read from its folder, which has BEIR's layout.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::judgements;
use super::measures::{Judgements, Quality};
use crate::cli::CliError;
use crate::cli::error::is_taken;
use crate::cli::input::Place;
use crate::cli::jsonl::{self, OnError, Record};

/// Where the folder and its judgements are, and how documents are read.
#[derive(clap::Args)]
pub struct DataArgs {
    /// Folder with corpus.jsonl, queries.jsonl and the judgements.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The judgements [default: qrels.tsv in the folder, or qrels/test.tsv].
    #[arg(long, value_name = "FILE")]
    qrels: Option<PathBuf>,
    /// The least grade that counts as relevant, for MRR and recall; the gains of nDCG are the grades as they are. That is
    /// trec_eval's -l, and rel of ir_measures.
    #[arg(long, value_name = "GRADE", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    relevant_from: u32,
    /// Put a document's title in front of its text, with a space between, as BEIR's own tools do; white space around both goes.
    #[arg(long)]
    with_title: bool,
}

/// The texts, and for each query its judgements by place in the corpus. Queries without are left out.
pub struct Data {
    pub corpus: Vec<Text>,
    pub queries: Vec<Text>,
    judgements: Vec<Judgements>,
    relevant_from: u32,
}

/// A text with its id and the line that it came in.
pub struct Text {
    pub id: String,
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
        let judged = judgements::read(&qrels, &places(&queries), &places(&corpus))?;
        let judged = queries.into_iter().zip(judged).filter(|(_, judged)| !judged.is_empty());
        let (queries, judgements): (Vec<_>, Vec<_>) = judged.unzip();
        match queries.is_empty() {
            true => Err(nothing(&qrels, "judges no query and document of this folder")),
            false => Ok(Self { corpus, queries, judgements, relevant_from: args.relevant_from }),
        }
    }

    /// How good a ranking for each query is.
    pub fn quality(&self, orders: &[Vec<usize>]) -> Quality {
        Quality::of(orders, &self.judgements, self.relevant_from)
    }
}

/// Where each id stands.
pub fn places(texts: &[Text]) -> HashMap<&str, usize> {
    texts.iter().enumerate().map(|(place, text)| (text.id.as_str(), place)).collect()
}

impl DataArgs {
    /// Those that are read.
    pub fn files(&self) -> [PathBuf; 3] {
        [self.data.join("corpus.jsonl"), self.data.join("queries.jsonl"), self.qrels()]
    }

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
        if !self.with_title {
            return Ok(text);
        }
        let text = match record.fields.get("title") {
            Some(_) => format!("{} {text}", record.string("title")?),
            None => text,
        };
        Ok(text.trim().to_owned())
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
        let (id, text) = (record.id()?, read(&record)?);
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

/// Opens a file of the set.
pub fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(|source| CliError::read(path, source))
}

/// A file of the set that has nothing to work with.
pub fn nothing(path: &Path, reason: &'static str) -> CliError {
    CliError::Data { path: path.to_owned(), reason }
}
