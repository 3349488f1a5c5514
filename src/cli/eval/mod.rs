//! `tabrank eval`: how good are the ways to rank on judged data, and what do they take?

mod approaches;
mod codecs;
mod compared;
mod corpus;
mod costs;
mod data;
mod judgements;
mod measures;
mod pass;
mod plan;
mod ranking;
mod report;
mod runs;
mod stored;
mod stream;
mod words;

use std::path::{Path, PathBuf};

use tabrank::stages::bm25::Bm25Options;
use tabrank::{LoadOptions, ModelKind, Overrides, Reranker};

use self::approaches::Kind;
use self::codecs::{Codecs, CodecsArgs, Coded};
use self::compared::{Compared, Cosine, Likeness};
use self::corpus::Corpus;
use self::data::{Data, DataArgs};
use self::pass::{Passed, Wanted};
use self::plan::Plan;
use self::ranking::Sources;
use self::report::{Report, Row};
use self::runs::Run;
use self::stored::Stored;
use self::stream::Encoders;
use self::words::Words;
use super::output::Output;
use super::stages::{DenseArg, FuseArg, StageArg};
use super::{CliError, LongArgs, ModelArgs, model};

/// Measure ways to rank.
///
/// The table has BM25, dense (the cosine of one vector a text of the same encoder) and late interaction alone, each over the whole corpus, and
/// those that are used over each other: there the first hands its best 100 on. Each row says how good the order is, and what its last
/// stage takes: milliseconds a query for its candidates, once with all at hand that can be made of documents beforehand (a word count, a
/// vector, token embeddings) and once from their texts, and the bytes a document of what is at hand.
///
/// The folder is one of BEIR's: corpus.jsonl and queries.jsonl ("id" or "_id", and "text", a line) and judgements (query id, document id and
/// grade with tabs between, with a header or without; or TREC's four columns). Averages are over the judged queries. Judgements of what is
/// not there are passed over and counted on stderr.
///
/// A run, in and out, has TREC's six columns: query id, Q0, document id, rank, score, tag.
///
/// With --compare the table is that of one first stage and late interaction over it; other models rerank the same candidates, and are held
/// against the first: cosine of each token's embedding with the first model's, overlap of the top ten, share of queries with the very same
/// top ten.
///
/// So it is with --codec, each of which is a way to store documents: their embeddings are pooled and compressed, and the same candidates are scored
/// from the codes. Beside the overlap stand the bytes of a document, and milliseconds until 100 and 1,000 candidates are scored on one core, whose
/// codes are held for that.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank eval --model models/all-MiniLM-L6-v2 --data tests/data/squad-dev-a
  tabrank eval --model models/all-MiniLM-L6-v2 --data tests/data/squad-dev-a --stage bm25:50 --stage late:10 --write-run late.run
  tabrank eval --model models/all-MiniLM-L6-v2 --data beir/scifact --with-title --run anserini.run
  tabrank eval --model models/all-MiniLM-L6-v2 --data tests/data/squad-dev-a --codec int8 --codec binary,then=int8:20 --codec int8,pool=2
  tabrank eval --model models/all-MiniLM-L6-v2 --data tests/data/squad-dev-a --embeddings squad.safetensors --codec int8
  tabrank eval --model models/all-MiniLM-L6-v2 --compare bundles/q8 --data tests/data/squad-dev-a")]
pub struct EvalArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// How dense pools a text: what the checkpoint says, or mean where it says nothing that is computed here.
    #[arg(long, value_name = "POOLING")]
    dense: Option<DenseArg>,
    #[command(flatten)]
    long: LongArgs,
    /// A run of another tool, as a first stage: `given`. It is read as trec_eval reads it: best score first, equal ones by document id,
    /// falling.
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
    /// A cross-encoder: a bundle or checkpoint folder. It ranks the first stage's 100, and the best 20 of late interaction.
    #[arg(long, value_name = "DIR")]
    cross: Option<PathBuf>,
    /// A stage of a pipeline of your own, which gets a row: given, bm25, dense, late or cross=DIR, with :KEEP behind it for how many
    /// documents it hands on [default: all, of the first 100]. Several make up the pipeline in their order.
    #[arg(long = "stage", value_name = "STAGE")]
    stages: Vec<StageArg>,
    /// A row more for each of several stages, whose order is made of the last one's and the first one's: by ranks or by scores, as `rerank
    /// --fuse` does. May be given twice.
    #[arg(long, value_name = "BY")]
    fuse: Vec<FuseArg>,
    /// Write the results of that pipeline, or of late interaction over the first stage, as a run; - is stdout, in place of the table.
    #[arg(long, value_name = "FILE")]
    write_run: Option<PathBuf>,
    /// A model to hold against the first, such as a bundle made of it. May be given several times.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["cross", "stages"])]
    compare: Vec<PathBuf>,
    /// Embeddings of the corpus, a file of `tabrank encode -o`, in place of encoding it: those of "indices" are its lines, from 0. Dense ranking,
    /// which needs the texts, is left out; residual codes are of a codec that --codec names.
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    embeddings: Option<PathBuf>,
    #[command(flatten)]
    codecs: CodecsArgs,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &EvalArgs) -> Result<(), CliError> {
    let plan = Plan::of(args)?;
    let data = Data::read(&args.data)?;
    let run = match &args.run {
        Some(path) => runs::read(path, &data)?,
        None => vec![Vec::new(); data.queries.len()],
    };
    let output = args.write_run.as_deref().map(|path| args.output(path)).transpose()?;
    if output.is_some() {
        runs::check_ids(&data)?;
    }
    let models = models(args)?;
    let crosses = crosses(args, &plan)?;
    let codecs = Codecs::load(&args.codecs)?;
    let (report, written) = evaluate(args, &plan, &data, run, (&models, &crosses, &codecs))?;
    if let Some(output) = output {
        let tag = plan.approaches[plan.written].name().replace(' ', "-");
        output.write(|out| runs::write(out, &written, &tag, &data))?;
    }
    match args.write_run.as_deref() == Some(Path::new("-")) {
        true => Ok(()),
        false => report.print(args.json).map_err(CliError::Stdout),
    }
}

impl EvalArgs {
    /// Where the run goes; not over a file that this reads.
    fn output<'a>(&self, path: &'a Path) -> Result<Output<'a>, CliError> {
        let output = self.model.output(path)?;
        let found = output.path().and_then(|path| path.canonicalize().ok());
        let files = self.data.files();
        let mut read = files
            .iter()
            .chain(&self.run)
            .chain(&self.embeddings)
            .filter_map(|file| file.canonicalize().ok());
        match read.any(|file| Some(file) == found) {
            true => Err(CliError::OutputInUse { path: path.to_owned(), reason: "is the input" }),
            false => Ok(output),
        }
    }
}

fn models(args: &EvalArgs) -> Result<Vec<Reranker>, CliError> {
    let paths = [&args.model.model].into_iter().chain(&args.compare);
    paths.map(|path| load(path, &args.model.options(), ModelKind::LateInteraction)).collect()
}

/// Settings that stand in place of a model's own are the first model's.
fn crosses(args: &EvalArgs, plan: &Plan) -> Result<Vec<Reranker>, CliError> {
    let options = LoadOptions { overrides: Overrides::default(), ..args.model.options() };
    let paths = plan.crosses.iter();
    paths.map(|path| load(path, &options, ModelKind::CrossEncoder)).collect()
}

/// Loads a model that must be of one kind.
fn load(path: &Path, options: &LoadOptions, kind: ModelKind) -> Result<Reranker, CliError> {
    let model = model::load(path, options)?;
    let reason = match kind {
        _ if model.info().kind == kind => return Ok(model),
        ModelKind::LateInteraction => "is a cross-encoder, which ranks for --cross",
        ModelKind::CrossEncoder => "is no cross-encoder: it makes embeddings",
    };
    Err(CliError::Data { path: path.to_owned(), reason })
}

/// The report, and the results that are written.
fn evaluate(
    args: &EvalArgs,
    plan: &Plan,
    data: &Data,
    run: Run,
    (models, crosses, codecs): (&[Reranker], &[Reranker], &Codecs),
) -> Result<(Report, Run), CliError> {
    let mut words = Words::new(data, &Bm25Options::default());
    let by_words = words.best(plan.depth(Kind::Bm25))?;
    let wanted = Wanted {
        dense: plan.depth(Kind::Dense),
        late: plan.depth(Kind::Late),
        known: known(&run, plan.depth(Kind::Given), &by_words),
        coded: !codecs.forms.is_empty(),
    };
    let pooling = DenseArg::pooling(args.dense, &models[0]);
    let long_documents = args.long.long_documents()?;
    let encoders = Encoders { models, pooling, long_documents };
    let corpus = args
        .embeddings
        .as_ref()
        .map(|path| Corpus::read(path, &codecs.residual(), data, models[0].info()));
    let corpus = corpus.transpose()?;
    let Passed { found, mut costs, cosines, stored } =
        pass::run(&encoders, (codecs, corpus.as_ref()), data, wanted)?;
    let mut sources = Sources::new(data, run, words, by_words, found, crosses);
    let mut ranked = sources.rank(&plan.approaches)?;
    costs.add(&sources);
    let orders: Vec<Orders> = ranked.iter().map(|ranked| orders(&ranked.run)).collect();
    let rows = plan.approaches.iter().zip(&ranked).zip(&orders);
    let rows = rows.map(|((approach, ranked), orders)| {
        let candidates = ranked.candidates as f64 / data.queries.len() as f64;
        let cost = costs.of(approach, candidates);
        Row { approach: approach.name(), quality: data.quality(orders), candidates, cost }
    });
    let report = Report {
        queries: data.queries.len(),
        documents: data.corpus.len(),
        dtype: models[0].info().dtype.name(),
        approaches: rows.collect(),
        compared: compared(args, models, &sources, &ranked[0].run, &cosines)?,
        codecs: coded(codecs, models.len(), &sources, &ranked[0].run, &stored)?,
    };
    Ok((report, ranked.swap_remove(plan.written).run))
}

/// Places in the corpus, in a query's order.
type Orders = Vec<Vec<usize>>;

fn orders(run: &Run) -> Orders {
    run.iter().map(|results| results.iter().map(|result| result.index).collect()).collect()
}

/// What the run and BM25 have found of each query's documents, in the corpus's order.
fn known(run: &Run, depth: usize, by_words: &Run) -> Orders {
    let both = run.iter().zip(by_words).map(|(run, by_words)| {
        let mut places: Vec<usize> =
            run.iter().take(depth).chain(by_words).map(|result| result.index).collect();
        places.sort_unstable();
        places.dedup();
        places
    });
    both.collect()
}

/// The other models' orders of what the first stage has found, beside the first model's.
fn compared(
    args: &EvalArgs,
    models: &[Reranker],
    sources: &Sources<'_>,
    candidates: &Run,
    cosines: &[Cosine],
) -> Result<Vec<Compared>, CliError> {
    let order = |model: usize| sources.by_late(candidates, model).map(|run| orders(&run));
    let reference = order(0)?;
    let others = args.compare.iter().zip(&cosines[1..]).zip(1..);
    let others = others.map(|((path, cosine), model)| {
        let order = order(model)?;
        let which = (path.clone(), models[model].info().dtype.name());
        let quality = sources.data.quality(&order);
        Ok(Compared::new(which, quality, cosine, &order, &reference))
    });
    others.collect()
}

/// Orders of what the first stage has found by codes, beside that by embeddings. The codecs' forms stand behind the models.
fn coded(
    codecs: &Codecs,
    models: usize,
    sources: &Sources<'_>,
    candidates: &Run,
    stored: &Stored,
) -> Result<Vec<Coded>, CliError> {
    let reference = orders(&sources.by_late(candidates, 0)?);
    let coded = codecs.ways.iter().map(|way| {
        let mut run = sources.by_late(candidates, models + way.first)?;
        if let Some((second, keep)) = way.then {
            run = sources.then(run, models + second, keep)?;
        }
        let order = orders(&run);
        Ok(Coded {
            codec: way.name.clone(),
            bytes: stored.bytes(way),
            quality: sources.data.quality(&order),
            likeness: Likeness::of(&order, &reference),
            ms_100: stored.milliseconds(way, 100),
            ms_1000: stored.milliseconds(way, 1_000),
        })
    });
    coded.collect()
}
