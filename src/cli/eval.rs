//! `tabrank eval`: how much does reranking improve a dense first stage on judged data?

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pollster::block_on;
use serde::Serialize;
use tabrank::{Pooling, Reranker, TextKind, TokenEmbeddings};

use super::jsonl;
use super::metrics::{Judgements, ndcg, recall, reciprocal_rank};
use super::progress::Progress;
use super::{CliError, ModelArgs, model};

/// How many documents the first stage hands on.
const CANDIDATES: usize = 100;

/// Measure ranking quality.
///
/// The first stage ranks the whole corpus by the cosine of mean-pooled vectors of the same encoder; its
/// top 100 are reranked by MaxSim. The folder holds corpus.jsonl and queries.jsonl ({"id", "text"} a
/// line) and qrels.tsv (query id, document id, grade). Averages are over the judged queries.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank eval --model models/all-MiniLM-L6-v2 --data tests/data/squad-dev-a
  tabrank eval --model models/all-MiniLM-L6-v2 --data tests/data/squad-dev-a --json | jq .reranked")]
pub struct EvalArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder with corpus.jsonl, queries.jsonl and qrels.tsv.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Means over the queries.
#[derive(Default, Serialize)]
struct Quality {
    #[serde(rename = "ndcg@10")]
    ndcg: f64,
    #[serde(rename = "mrr@10")]
    mrr: f64,
    #[serde(rename = "recall@100")]
    recall: f64,
}

#[derive(Serialize)]
struct Report {
    queries: usize,
    documents: usize,
    dense: Quality,
    reranked: Quality,
}

pub fn run(args: &EvalArgs) -> Result<(), CliError> {
    let data = Data::read(&args.data)?;
    let reranker = model::load(&args.model.model)?;
    let report = evaluate(&reranker, &data)?;
    print(&report, args.json)
        .map_err(|source| CliError::Write { name: "stdout".to_owned(), source })
}

fn evaluate(reranker: &Reranker, data: &Data) -> Result<Report, CliError> {
    let encode = |what, kind, texts: &[String], pooling| -> Result<TokenEmbeddings, CliError> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut progress = Progress::new(what, texts.len());
        Ok(block_on(reranker.encode(kind, &texts, pooling, &mut progress))?.embeddings)
    };
    let (corpus, queries) = (&data.corpus, &data.queries);
    let (document, query) = (TextKind::Document, TextKind::Query);
    let dense_documents = encode("pool documents", document, corpus, Pooling::Mean)?;
    let dense_queries = encode("pool queries", query, queries, Pooling::Mean)?;
    let documents = encode("encode documents", document, corpus, Pooling::None)?;
    let query_embeddings = encode("encode queries", query, queries, Pooling::None)?;
    let (mut dense, mut reranked) = (Quality::default(), Quality::default());
    let mut progress = Progress::new("rerank", queries.len());
    let texts = dense_queries.texts().zip(query_embeddings.texts()).zip(&data.judgements);
    for (done, ((vector, embeddings), judgements)) in texts.enumerate() {
        let first = nearest(vector, &dense_documents, CANDIDATES);
        let scores = block_on(reranker.score(embeddings, &documents.select(&first)))?;
        let second = tabrank::top_k::top_k(&scores, first.len())?;
        dense.add(&first, judgements);
        let second: Vec<usize> = second.iter().map(|result| first[result.index]).collect();
        reranked.add(&second, judgements);
        progress.update(done + 1, queries.len());
    }
    dense.divide(queries.len());
    reranked.divide(queries.len());
    Ok(Report { queries: queries.len(), documents: corpus.len(), dense, reranked })
}

/// Documents by dot product with `query`, best first, ties in the corpus's order.
fn nearest(query: &[f32], documents: &TokenEmbeddings, k: usize) -> Vec<usize> {
    let mut scored: Vec<(usize, f32)> = documents
        .texts()
        .map(|vector| query.iter().zip(vector).map(|(a, b)| a * b).sum())
        .enumerate()
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored.truncate(k);
    scored.into_iter().map(|(index, _)| index).collect()
}

impl Quality {
    fn add(&mut self, ranking: &[usize], judgements: &Judgements) {
        self.ndcg += ndcg(ranking, judgements, 10);
        self.mrr += reciprocal_rank(ranking, judgements, 10);
        self.recall += recall(ranking, judgements, CANDIDATES);
    }

    fn divide(&mut self, queries: usize) {
        for value in [&mut self.ndcg, &mut self.mrr, &mut self.recall] {
            *value /= queries.max(1) as f64;
        }
    }
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, report)?;
        return writeln!(out);
    }
    writeln!(out, "{} queries, {} documents", report.queries, report.documents)?;
    writeln!(out, "{:<10} {:>8} {:>8} {:>11}", "", "nDCG@10", "MRR@10", "Recall@100")?;
    for (name, quality) in [("dense", &report.dense), ("reranked", &report.reranked)] {
        let Quality { ndcg, mrr, recall } = quality;
        writeln!(out, "{name:<10} {ndcg:>8.4} {mrr:>8.4} {recall:>11.4}")?;
    }
    Ok(())
}

/// The texts, and for each query its judgements by place in the corpus. Queries without are left out.
struct Data {
    corpus: Vec<String>,
    queries: Vec<String>,
    judgements: Vec<Judgements>,
}

impl Data {
    fn read(folder: &Path) -> Result<Self, CliError> {
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
