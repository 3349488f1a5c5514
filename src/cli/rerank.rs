//! `tabrank rerank`: candidates from stdin, the best of them to stdout.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use pollster::block_on;
use serde::Serialize;
use tabrank::{RerankOptions, TextKind};

use super::fields::{self, Fields};
use super::jsonl::{self, InputArgs, Record};
use super::progress::Progress;
use super::{CliError, LongArgs, ModelArgs, say, say_truncated};

/// Rerank candidates against a query.
///
/// Reads JSONL from stdin, one object with a "text" a line, or an array of them. Writes the best as JSONL, best first: each
/// object as it came, plus "index" (its line, or its place in the array, from 0), "rank" (from 1), "score" (the MaxSim sum) and
/// "truncated" (whether the text had more tokens than the model takes). Fields of its own by one of these names move into
/// "replaced", as they are; so does a "replaced" of its own. Equal scores keep the input's order.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank rerank --model models/all-MiniLM-L6-v2 --query 'who built it?' --top-k 3 < candidates.jsonl
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
    #[command(flatten)]
    long: LongArgs,
    #[command(flatten)]
    input: InputArgs,
}

pub fn run(args: &RerankArgs) -> Result<(), CliError> {
    let long_documents = args.long.long_documents()?;
    let (mut records, mut texts) = (Vec::new(), Vec::new());
    jsonl::read_stdin(&args.input, |record| {
        texts.push(record.string("text")?);
        records.push(record);
        Ok(())
    })?;
    let reranker = args.model.load()?;
    let options = RerankOptions {
        top_k: args.top_k.map(NonZeroUsize::get),
        long_documents,
        ..RerankOptions::default()
    };
    let mut progress = Progress::new("encode", texts.len());
    let output = block_on(reranker.rerank(&args.query, &texts, &options, &mut progress));
    drop(progress);
    let place = |index: usize| -> &_ { &records[index].place };
    let output = output.map_err(|error| jsonl::located(error, TextKind::Document, place))?;
    if output.query_truncated {
        let limit = reranker.info().query_length;
        say(format_args!("warning: the query has more than {limit} tokens; the rest is not read"));
    }
    say_truncated(output.truncated.iter().filter(|cut| **cut).count(), output.results.len());
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut ranked = output.results.iter().zip(output.truncated).zip(1..);
    let written = ranked.try_for_each(|((result, truncated), rank)| {
        let Record { index, fields, .. } = &records[result.index];
        let ranked = Ranked { index: *index, rank, score: result.score, truncated };
        writeln!(out, "{}", line(fields, &ranked))
    });
    written.and_then(|()| out.flush()).map_err(CliError::Stdout)
}

/// What a candidate is given.
#[derive(Serialize)]
struct Ranked {
    index: usize,
    rank: usize,
    score: f32,
    truncated: bool,
}

const REPLACED: &str = "replaced";
/// The names of [`Ranked`]'s fields, and of what makes room for them.
const OURS: &[&str] = &["index", "rank", "score", "truncated", REPLACED];

fn line(fields: &Fields, ranked: &Ranked) -> String {
    let (replaced, own) = fields.split(OURS);
    let ranked = serde_json::to_string(ranked).expect("numbers serialize");
    let mut parts = vec![fields::join(&own), ranked[1..ranked.len() - 1].to_owned()];
    if !replaced.is_empty() {
        parts.push(format!("\"{REPLACED}\":{{{}}}", fields::join(&replaced)));
    }
    parts.retain(|part| !part.is_empty());
    format!("{{{}}}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    /// Fields in all of an object's levels of `replaced`, the innermost first: those that came before the ranks of `passes`.
    fn original(line: &str, passes: usize) -> Vec<String> {
        let object: Fields = serde_json::from_str(line).unwrap();
        let (ours, own) = object.split(OURS);
        let of =
            |fields: &[&_]| fields.iter().map(|field| fields::join(&[*field])).collect::<Vec<_>>();
        if passes == 0 {
            return of(&object.split(&[]).1);
        }
        let replaced = object.get(REPLACED).map_or("{}", RawValue::get);
        assert_eq!(ours.len(), 4 + usize::from(replaced != "{}"), "{line}");
        [of(&own), original(replaced, passes - 1)].concat()
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(OURS).prop_map(str::to_owned),
            prop::sample::select(&["r\\u0061nk", "text", "", "a\\n"][..]).prop_map(str::to_owned),
        ]
    }

    fn value() -> impl Strategy<Value = &'static str> {
        prop::sample::select(
            &[
                "1",
                "12345678901234567890.10",
                "1E400",
                "null",
                "\"\\u0061\"",
                "{\"a\": 1,\"a\": 2}",
                "[ ]",
            ][..],
        )
    }

    proptest! {
        /// Also names that come twice, or are written with escapes, and numbers of any size.
        #[test]
        fn nothing_of_an_object_is_lost_however_often_it_is_ranked(
            fields in prop::collection::vec((name(), value()), 0..6),
            passes in 1usize..4,
        ) {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let mut object = format!("{{{}}}", fields.join(", "));
            for _ in 0..passes {
                let parsed: Fields = serde_json::from_str(&object).unwrap();
                let ranked = Ranked { index: 3, rank: 1, score: 0.5, truncated: false };
                object = line(&parsed, &ranked);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&object.replace("1E400", "1")).is_ok());
            }
            let (mut found, mut expected) = (original(&object, passes), fields);
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
