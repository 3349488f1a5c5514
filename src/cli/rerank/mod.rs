//! `tabrank rerank`: candidates from stdin, the best of them to stdout.

mod brought;
mod chain;
mod given_rows;
mod line;

use std::io::{self, Write};
use std::num::NonZeroUsize;

use self::brought::{Brought, EmbeddingsArgs};
use self::chain::{Candidates, Chain, Left};
use self::given_rows::GivenRows;
use self::line::{Given, OfStage, line};
use super::compress::PoolArgs;
use super::jsonl::{self, InputArgs, Record};
use super::stages::{DenseArg, FuseArg, StageArg, StageName, check_order};
use super::{CliError, LongArgs, ModelArgs, say_truncated};

/// Rerank candidates against a query.
///
/// Reads JSONL from stdin, one object with a "text" a line, or an array of them. Writes the best as JSONL, best first: each
/// object as it came, plus "index" (its line, or its place in the array, from 0), "rank" (from 1), "score" (of late interaction the MaxSim
/// sum), "truncated" (whether the text had more tokens than the model takes) and, of a text that came before, "same_as" (the "index" of the
/// first with it). With --stage the score is the last stage's, and "stages" has each one's "use", "rank" (among those that it was handed)
/// and "score". With --fuse the order is that of "fused". Fields of its own by one of these names move into "replaced", as they are; so
/// does a "replaced" of its own. Equal scores keep the input's order.
///
/// An object may bring its embeddings along, and is not encoded then; it needs a "text" only where a stage reads it. They are taken as a record of
/// `tabrank encode` has them, beside the object's own fields or under "embeddings", as rows of numbers under "embeddings" or in Qdrant's
/// "vector", and as next-plaid's "embeddings_b64" with "shape"; or from a file. Another model's are refused.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank rerank --model models/all-MiniLM-L6-v2 --query 'who built it?' --top-k 3 < candidates.jsonl
  tabrank rerank --model colbert --stage dense:100 --stage late:20 --stage cross=cross-encoder:10 --query 'who built it?' < candidates.jsonl
  tabrank rerank --model colbert --embeddings documents.safetensors --query 'who built it?' < documents.jsonl
  tabrank encode --model colbert --codec int8 < documents.jsonl | tabrank rerank --model colbert --query 'who built it?'
  search | tabrank rerank --model colbert --query 'who built it?' | jq -r .text")]
pub struct RerankArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// The query.
    #[arg(long, allow_hyphen_values = true)]
    query: String,
    /// How many to keep [default: all].
    #[arg(long, value_name = "K")]
    top_k: Option<NonZeroUsize>,
    /// A way to rank, with :KEEP behind it for how many documents it hands on [default: all]: given (by the input's "score"), bm25 (by the words
    /// of query and documents), dense (by one vector a text), late, or cross (a cross-encoder). dense, late and cross are --model's, or
    /// with =DIR another model's. Several rank one after the other [default: what --model is made for].
    #[arg(long = "stage", value_name = "STAGE")]
    stages: Vec<StageArg>,
    /// How dense pools a text: what the checkpoint says, or mean where it says nothing that is computed here.
    #[arg(long, value_name = "POOLING")]
    dense: Option<DenseArg>,
    /// Make one order of the last stage's and the input's "score": by the sum of reciprocal ranks, where without scores the input's order
    /// is taken, or of scores less their mean, divided by their standard deviation.
    #[arg(long, value_name = "BY")]
    fuse: Option<FuseArg>,
    /// Leave out what the last stage scores below this.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    min_score: Option<f64>,
    /// Maximal marginal relevance: how much relevance counts, from 1, alone, to 0, where it is how little a document is like those in front
    /// of it [default: off].
    #[arg(long, value_name = "SHARE")]
    diversify: Option<f32>,
    /// Milliseconds for the ranking, once the model is loaded and the candidates are read. What is not scored by then comes behind in the
    /// order it had, with the "score" null [default: as long as it takes].
    #[arg(long, value_name = "MS")]
    budget_ms: Option<u64>,
    #[command(flatten)]
    embeddings: EmbeddingsArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    long: LongArgs,
    #[command(flatten)]
    input: InputArgs,
}

pub fn run(args: &RerankArgs) -> Result<(), CliError> {
    check_order(&args.stages)?;
    // What is wrong with an object's embeddings is seen where it is read, so that it can be skipped.
    let chain = Chain::load(args)?;
    let codecs = args.embeddings.codecs()?;
    let (mut records, mut texts) = (Vec::new(), Vec::new());
    let (mut given, mut rows) = (Vec::new(), Vec::new());
    jsonl::read_stdin(&args.input, |record| {
        let brought = GivenRows::of(&record)?;
        let brought = brought.map(|rows| rows.resolve(chain.width(), &codecs)).transpose()?;
        let needs_text = brought.is_none() && args.embeddings.is_from_objects();
        let text = if needs_text { Some(record.string("text")?) } else { record.text()? };
        let score = if args.wants_scores() { record.number("score")? } else { None };
        texts.push(text.unwrap_or_default());
        given.push(score);
        rows.push(brought);
        records.push(record);
        Ok(())
    })?;
    let given = args.given(given)?;
    let candidates = Candidates {
        texts: &texts,
        places: records.iter().map(|record| &record.place).collect(),
        given,
        brought: Brought::new(&args.embeddings, &codecs, &records, rows)?,
    };
    let left = chain.rank(args, &candidates)?;
    say_truncated(left.iter().filter(|left| left.truncated).count(), left.len());
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = left.iter().zip(1..).try_for_each(|(left, rank)| {
        let fields = &records[left.index].fields;
        writeln!(out, "{}", line(fields, &args.given_to(left, rank, &records, &candidates)))
    });
    written.and_then(|()| out.flush()).map_err(CliError::Stdout)
}

impl RerankArgs {
    /// Whether the input's scores play a part.
    fn wants_scores(&self) -> bool {
        self.fuse.is_some() || self.stages.iter().any(|stage| stage.name == StageName::Given)
    }

    /// The input's scores; none where no object has one.
    ///
    /// # Errors
    /// [`CliError::Argument`]: they are what is ranked by.
    fn given(&self, scores: Vec<Option<f64>>) -> Result<Vec<Option<f64>>, CliError> {
        if scores.iter().any(Option::is_some) || scores.is_empty() {
            return Ok(scores);
        }
        let first = self.stages.first().filter(|stage| stage.name == StageName::Given);
        let argument = match (first, self.fuse) {
            (Some(_), _) => "--stage given",
            (None, Some(FuseArg::Scores)) => "--fuse scores",
            _ => return Ok(Vec::new()),
        };
        let reason = "wants a \"score\", which no object has".to_owned();
        Err(CliError::Argument { argument: argument.to_owned(), reason })
    }

    /// What a candidate is given in the output.
    fn given_to(
        &self,
        left: &Left,
        rank: usize,
        records: &[Record],
        candidates: &Candidates<'_>,
    ) -> Given {
        let given = candidates.given.get(left.index).copied().flatten();
        let stages = self.stages.iter().zip(&left.stages);
        let stages: Vec<OfStage> =
            stages.map(|(stage, of)| OfStage::new(stage.name, of, given)).collect();
        Given {
            index: records[left.index].index,
            rank,
            score: left.score.map(|score| stages.last().map_or(score.into(), |last| last.score)),
            truncated: left.truncated,
            fused: left.fused,
            same_as: left.same_as.map(|first| records[first].index),
            stages,
        }
    }
}
