//! `tabrank eval`: how much does reranking improve a dense first stage on judged data?

use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use pollster::block_on;
use rayon::prelude::*;
use serde::Serialize;
use tabrank::ops::PackedQuery;
use tabrank::stages::dense;
use tabrank::stages::top_k::{Scored, TopK};
use tabrank::{LongDocuments, Pooling, Reranker, TextKind, TokenEmbeddings};

use super::data::{Data, DataArgs, Text};
use super::jsonl;
use super::metrics::{ndcg, recall, reciprocal_rank};
use super::progress::Progress;
use super::{CliError, LongArgs, ModelArgs, model, say_truncated};

/// How many documents the first stage hands on.
const CANDIDATES: usize = 100;

/// Measure ranking quality.
///
/// The first stage ranks the whole corpus by the cosine of one vector a text of the same encoder; its
/// top 100 are reranked by MaxSim. The folder is one of BEIR's: corpus.jsonl and queries.jsonl ("id" or "_id", and "text", a
/// line) and judgements (query id, document id and grade with tabs between, with a header or without; or TREC's four columns).
/// Averages are over the judged queries. Judgements of what is not there are passed over and counted on stderr.
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
    #[command(flatten)]
    data: DataArgs,
    /// How the first stage pools a text: what the checkpoint says, or mean where it says nothing that is computed here.
    #[arg(long, value_name = "POOLING")]
    dense: Option<DenseArg>,
    #[command(flatten)]
    long: LongArgs,
    /// A model to hold against the first, such as a bundle made of it. May be given several times.
    #[arg(long, value_name = "DIR")]
    compare: Vec<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum DenseArg {
    Mean,
    Cls,
    Checkpoint,
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
    let paths = [&args.model.model].into_iter().chain(&args.compare);
    let options = args.model.options();
    let models: Vec<Reranker> =
        paths.map(|path| model::load(path, &options)).collect::<Result<_, _>>()?;
    let report = evaluate(&models, args, &data)?;
    print(&report, args.json).map_err(CliError::Stdout)
}

/// All models go through the corpus together, batch by batch: what stays of a document is its place among the candidates
/// of each query, with its scores.
fn evaluate(models: &[Reranker], args: &EvalArgs, data: &Data) -> Result<Report, CliError> {
    let (paths, pooling) = (&args.compare, pooling(&models[0], args.dense));
    let mut cosines = vec![Cosine::default(); models.len()];
    let mut queries = Vec::with_capacity(data.queries.len());
    let long_documents = args.long.long_documents()?;
    let stage = |what| Step { models, pooling, long_documents, what };
    in_step(&stage("encode queries"), TextKind::Query, &data.queries, |_, pooled, tokens| {
        compare(&mut cosines, tokens)?;
        queries.extend((0..pooled.len()).map(|place| Query::new(place, pooled, tokens)));
        Ok(())
    })?;
    in_step(
        &stage("rank documents"),
        TextKind::Document,
        &data.corpus,
        |first, pooled, tokens| {
            compare(&mut cosines, tokens)?;
            let documents = Documents::new(first, pooled, tokens);
            queries.par_iter_mut().try_for_each(|query| query.rank(&documents))
        },
    )?;
    let queries: Vec<Vec<(Scored, Scores)>> =
        queries.into_iter().map(|query| query.candidates.into_ranked()).collect();
    let place = |(result, _): &(Scored, Scores)| result.index;
    let dense: Vec<Vec<usize>> =
        queries.iter().map(|candidates| candidates.iter().map(place).collect()).collect();
    let orders: Vec<Vec<Vec<usize>>> =
        (0..models.len()).map(|model| orders(&queries, model)).collect::<Result<_, _>>()?;
    let compared = (1..models.len()).map(|model| {
        let (order, reference) = (&orders[model], &orders[0]);
        let reranked = Quality::of(order, data);
        let dtype = models[model].info().dtype.name();
        Compared::new(paths[model - 1].clone(), dtype, reranked, &cosines[model], order, reference)
    });
    Ok(Report {
        queries: data.queries.len(),
        documents: data.corpus.len(),
        dense: Quality::of(&dense, data),
        dtype: models[0].info().dtype.name(),
        reranked: Quality::of(&orders[0], data),
        compared: compared.collect(),
    })
}

/// What is done with texts.
struct Step<'a> {
    models: &'a [Reranker],
    pooling: Pooling,
    long_documents: LongDocuments,
    what: &'static str,
}

fn pooling(model: &Reranker, asked: Option<DenseArg>) -> Pooling {
    match asked {
        Some(DenseArg::Mean) => Pooling::Mean,
        Some(DenseArg::Cls) => Pooling::Cls,
        Some(DenseArg::Checkpoint) => Pooling::Checkpoint,
        None => model.dense_pooling(),
    }
}

/// The vectors at length 1, so that their product is the cosine.
fn unit(vectors: &TokenEmbeddings) -> TokenEmbeddings {
    let mut unit = TokenEmbeddings::new(vectors.dimension());
    vectors.texts().for_each(|vector| unit.push(&dense::unit(vector)));
    unit
}

/// Takes texts through all models and hands each batch over: the place of its first text, the first model's pooled
/// vectors, and every model's embeddings.
fn in_step<'a>(
    step: &Step<'a>,
    kind: TextKind,
    texts: &'a [Text],
    mut each: impl FnMut(usize, &TokenEmbeddings, &[TokenEmbeddings]) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let &Step { models, pooling, long_documents, what } = step;
    let located = |error| jsonl::located(error, kind, |index| &texts[index].place);
    let mut progress = Progress::new(what, texts.len());
    let mut truncated = 0;
    let batches = |model: &'a Reranker| model.batches(kind, texts, long_documents);
    let streams: Result<Vec<_>, _> = models.iter().map(batches).collect();
    let mut streams = streams.map_err(located)?;
    loop {
        let next = streams.iter_mut().map(|stream| block_on(stream.next(&mut progress)));
        let batches: Vec<_> = next.collect::<Result<_, _>>().map_err(located)?;
        let Some(first) = &batches[0] else {
            say_truncated(truncated, texts.len());
            return Ok(());
        };
        truncated += first.truncated();
        let range = first.range();
        let pooled = unit(&block_on(first.vectors(pooling)).map_err(located)?);
        let mut tokens = Vec::with_capacity(models.len());
        for batch in &batches {
            // Models with one tokenizer cut their batches at the same places.
            let batch = batch.as_ref().filter(|batch| batch.range() == range);
            let batch = batch.ok_or(CliError::NotComparable)?;
            tokens.push(block_on(batch.token_embeddings()).map_err(located)?);
        }
        each(range.start, &pooled, &tokens)?;
        progress.update(range.end, texts.len());
    }
}

/// A document's score by each model.
type Scores = Vec<f32>;

/// A query's vectors, and its candidates so far: the best of the first stage.
struct Query {
    pooled: Vec<f32>,
    /// By model.
    tokens: Vec<PackedQuery>,
    candidates: TopK<Scores>,
}

impl Query {
    fn new(place: usize, pooled: &TokenEmbeddings, tokens: &[TokenEmbeddings]) -> Self {
        let packed = |embeddings: &TokenEmbeddings| {
            PackedQuery::new(text(embeddings, place), embeddings.dimension())
        };
        Self {
            pooled: text(pooled, place).to_vec(),
            tokens: tokens.iter().map(packed).collect(),
            candidates: TopK::new(CANDIDATES),
        }
    }

    /// Takes the nearest of some documents among the candidates, and scores those.
    fn rank(&mut self, documents: &Documents<'_>) -> Result<(), CliError> {
        let results = documents.pooled.iter().zip(documents.first..).map(|(vector, index)| {
            let score = self.pooled.iter().zip(*vector).map(|(a, b)| a * b).sum();
            (Scored { index, score }, Scores::new())
        });
        self.candidates.extend(results)?;
        for (result, scores) in self.candidates.iter_mut().filter(|(_, scores)| scores.is_empty()) {
            let place = result.index - documents.first;
            let each = self.tokens.iter().zip(&documents.tokens);
            scores.extend(each.map(|(query, documents)| query.score(documents[place])));
        }
        Ok(())
    }
}

/// A batch of documents by their places in it.
struct Documents<'a> {
    /// Place of the first in the corpus.
    first: usize,
    pooled: Vec<&'a [f32]>,
    /// By model.
    tokens: Vec<Vec<&'a [f32]>>,
}

impl<'a> Documents<'a> {
    fn new(first: usize, pooled: &'a TokenEmbeddings, tokens: &'a [TokenEmbeddings]) -> Self {
        let tokens = tokens.iter().map(|embeddings| embeddings.texts().collect()).collect();
        Self { first, pooled: pooled.texts().collect(), tokens }
    }
}

fn text(embeddings: &TokenEmbeddings, place: usize) -> &[f32] {
    embeddings.texts().nth(place).expect("the batch has this text")
}

/// Each query's candidates in the order of a model's scores; equal ones keep the first stage's order.
fn orders(queries: &[Vec<(Scored, Scores)>], model: usize) -> Result<Vec<Vec<usize>>, CliError> {
    let order = |candidates: &Vec<(Scored, Scores)>| {
        let mut ranking = TopK::new(candidates.len());
        let each = candidates.iter().enumerate();
        ranking.extend(each.map(|(index, (result, scores))| {
            (Scored { index, score: scores[model] }, result.index)
        }))?;
        Ok(ranking.into_ranked().into_iter().map(|(_, place)| place).collect())
    };
    queries.iter().map(order).collect()
}

/// Cosines of a model's embeddings with those of the first.
#[derive(Clone)]
struct Cosine {
    count: usize,
    sum: f64,
    worst: f64,
}

impl Default for Cosine {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, worst: 1.0 }
    }
}

/// Holds every model's embeddings of the same tokens against the first's.
fn compare(cosines: &mut [Cosine], tokens: &[TokenEmbeddings]) -> Result<(), CliError> {
    let (reference, width) = (&tokens[0], tokens[0].dimension());
    for (cosine, found) in cosines.iter_mut().zip(tokens).skip(1) {
        if found.lengths() != reference.lengths() || found.dimension() != width {
            return Err(CliError::NotComparable);
        }
        let rows = found.values().chunks_exact(width).zip(reference.values().chunks_exact(width));
        for (a, b) in rows {
            let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            cosine.count += 1;
            cosine.sum += dot;
            cosine.worst = cosine.worst.min(dot);
        }
    }
    Ok(())
}

impl Compared {
    fn new(
        model: PathBuf,
        dtype: &'static str,
        reranked: Quality,
        cosine: &Cosine,
        order: &[Vec<usize>],
        reference: &[Vec<usize>],
    ) -> Self {
        let count = order.len().max(1) as f64;
        let tops = || order.iter().zip(reference).map(|(a, b)| (top(a), top(b)));
        let shared = |(a, b): (&[usize], &[usize])| a.iter().filter(|i| b.contains(i)).count();
        Self {
            model,
            dtype,
            reranked,
            mean_cosine: cosine.sum / cosine.count.max(1) as f64,
            worst_cosine: cosine.worst,
            overlap: tops().map(shared).sum::<usize>() as f64 / count,
            identical: tops().filter(|(a, b)| a == b).count() as f64 / count,
        }
    }
}

fn top(order: &[usize]) -> &[usize] {
    &order[..order.len().min(10)]
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
