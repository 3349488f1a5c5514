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
///
/// With --compare other models rerank the same candidates, and are held against the first: cosine of each
/// token's embedding with the first model's, overlap of the top ten, share of queries with the very same top ten.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank eval --model models/all-MiniLM-L6-v2 --data tests/data/squad-dev-a
  tabrank eval --model models/all-MiniLM-L6-v2 --data tests/data/squad-dev-a --json | jq .reranked
  tabrank eval --model models/all-MiniLM-L6-v2 --compare bundles/q8 --data tests/data/squad-dev-a")]
pub struct EvalArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder with corpus.jsonl, queries.jsonl and qrels.tsv.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A model to hold against the first, such as a bundle made of it. May be given several times.
    #[arg(long, value_name = "DIR")]
    compare: Vec<PathBuf>,
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
    dtype: &'static str,
    reranked: Quality,
    compared: Vec<Compared>,
}

/// A model beside the first.
#[derive(Serialize)]
struct Compared {
    model: PathBuf,
    dtype: &'static str,
    reranked: Quality,
    /// Of each token's embedding, queries' and documents'.
    mean_cosine: f64,
    worst_cosine: f64,
    /// Documents that both have among their first ten, a mean over the queries.
    #[serde(rename = "overlap@10")]
    overlap: f64,
    /// Share of queries with the same first ten in the same order.
    #[serde(rename = "identical@10")]
    identical: f64,
}

pub fn run(args: &EvalArgs) -> Result<(), CliError> {
    let data = Data::read(&args.data)?;
    let reranker = model::load(&args.model.model)?;
    let report = evaluate(&reranker, &args.compare, &data)?;
    print(&report, args.json)
        .map_err(|source| CliError::Write { name: "stdout".to_owned(), source })
}

fn evaluate(reranker: &Reranker, others: &[PathBuf], data: &Data) -> Result<Report, CliError> {
    let count = data.queries.len();
    let documents = encode(reranker, TextKind::Document, &data.corpus, Pooling::Mean)?;
    let queries = encode(reranker, TextKind::Query, &data.queries, Pooling::Mean)?;
    let first: Vec<Vec<usize>> =
        queries.texts().map(|vector| nearest(vector, &documents, CANDIDATES)).collect();
    let reference = Tokens::encode(reranker, data)?;
    let ranked = reference.rerank(reranker, &first)?;
    let compare = |path: &PathBuf| {
        let other = model::load(path)?;
        let tokens = Tokens::encode(&other, data)?;
        let (mean_cosine, worst_cosine) = tokens.cosine(&reference)?;
        let order = tokens.rerank(&other, &first)?;
        let tops = || order.iter().zip(&ranked).map(|(a, b)| (top(a), top(b)));
        let shared = |(a, b): (&[usize], &[usize])| a.iter().filter(|i| b.contains(i)).count();
        Ok(Compared {
            model: path.clone(),
            dtype: other.info().dtype.name(),
            reranked: Quality::of(&order, data),
            mean_cosine,
            worst_cosine,
            overlap: tops().map(shared).sum::<usize>() as f64 / count.max(1) as f64,
            identical: tops().filter(|(a, b)| a == b).count() as f64 / count.max(1) as f64,
        })
    };
    Ok(Report {
        queries: count,
        documents: data.corpus.len(),
        dense: Quality::of(&first, data),
        dtype: reranker.info().dtype.name(),
        reranked: Quality::of(&ranked, data),
        compared: others.iter().map(compare).collect::<Result<_, CliError>>()?,
    })
}

fn top(order: &[usize]) -> &[usize] {
    &order[..order.len().min(10)]
}

fn encode(
    reranker: &Reranker,
    kind: TextKind,
    texts: &[String],
    pooling: Pooling,
) -> Result<TokenEmbeddings, CliError> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let what = match (pooling, kind) {
        (Pooling::Mean, TextKind::Document) => "pool documents",
        (Pooling::Mean, TextKind::Query) => "pool queries",
        (Pooling::None, TextKind::Document) => "encode documents",
        (Pooling::None, TextKind::Query) => "encode queries",
    };
    let mut progress = Progress::new(what, texts.len());
    Ok(block_on(reranker.encode(kind, &texts, pooling, &mut progress))?.embeddings)
}

/// The token embeddings that a model gives.
struct Tokens {
    documents: TokenEmbeddings,
    queries: TokenEmbeddings,
}

impl Tokens {
    fn encode(reranker: &Reranker, data: &Data) -> Result<Self, CliError> {
        Ok(Self {
            documents: encode(reranker, TextKind::Document, &data.corpus, Pooling::None)?,
            queries: encode(reranker, TextKind::Query, &data.queries, Pooling::None)?,
        })
    }

    /// Each query's candidates in the order of their scores.
    fn rerank(
        &self,
        reranker: &Reranker,
        candidates: &[Vec<usize>],
    ) -> Result<Vec<Vec<usize>>, CliError> {
        let mut progress = Progress::new("rerank", candidates.len());
        let mut orders = Vec::new();
        for (query, first) in self.queries.texts().zip(candidates) {
            let scores = block_on(reranker.score(query, &self.documents.select(first)))?;
            let order = tabrank::stages::top_k::top_k(&scores, first.len())?;
            orders.push(order.iter().map(|result| first[result.index]).collect());
            progress.update(orders.len(), candidates.len());
        }
        Ok(orders)
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        let width = self.documents.dimension();
        let documents = self.documents.values().chunks_exact(width);
        documents.chain(self.queries.values().chunks_exact(width))
    }

    /// Mean and least cosine with another model's embeddings of the same tokens.
    fn cosine(&self, other: &Self) -> Result<(f64, f64), CliError> {
        let same = |a: &TokenEmbeddings, b: &TokenEmbeddings| {
            a.lengths() == b.lengths() && a.dimension() == b.dimension()
        };
        if !same(&self.documents, &other.documents) || !same(&self.queries, &other.queries) {
            return Err(CliError::NotComparable);
        }
        let dot = |(a, b): (&[f32], &[f32])| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let cosines: Vec<f64> = self.rows().zip(other.rows()).map(dot).collect();
        let mean = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
        Ok((mean, cosines.iter().copied().fold(1.0, f64::min)))
    }
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
    fn of(orders: &[Vec<usize>], data: &Data) -> Self {
        let mut quality = Self::default();
        for (order, judgements) in orders.iter().zip(&data.judgements) {
            quality.ndcg += ndcg(order, judgements, 10);
            quality.mrr += reciprocal_rank(order, judgements, 10);
            quality.recall += recall(order, judgements, CANDIDATES);
        }
        for value in [&mut quality.ndcg, &mut quality.mrr, &mut quality.recall] {
            *value /= orders.len().max(1) as f64;
        }
        quality
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
    for other in &report.compared {
        let Quality { ndcg, mrr, recall } = other.reranked;
        let Compared { dtype, mean_cosine, worst_cosine, overlap, identical, .. } = other;
        writeln!(out, "{dtype:<10} {ndcg:>8.4} {mrr:>8.4} {recall:>11.4}")?;
        writeln!(
            out,
            "{:<10} token cosine {mean_cosine:.5}, worst {worst_cosine:.3}; of the top ten {overlap:.2} shared, \
             {:.1} % identical",
            "",
            100.0 * identical
        )?;
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
