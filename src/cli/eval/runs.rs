//! Runs in TREC's form, by which retrieval tools hand results on: query id, `Q0`, document id, rank, score and the run's tag, a line.
//!
//! They are read as trec_eval reads them: the best score of 32 bits first, equal ones by document id, falling; what is written in the columns
//! of `Q0` and rank means nothing. Those that are written hold no equal scores, as every tool has an order of its own for them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use tabrank::stages::top_k::{Scored, falling};

use super::data::{Data, Text, nothing, open, places};
use super::judgements::columns;
use crate::cli::input::{Input, Piece};
use crate::cli::{CliError, say};

/// Each query's results, best first; an index is a place in the corpus.
pub type Run = Vec<Vec<Scored>>;

/// Reads the results of judged queries. Others, and documents that are not in the corpus, are passed over and counted on stderr.
///
/// # Errors
/// What cannot be read, lines that are no results, a document that comes twice for a query, and a run of which nothing is left.
pub fn read(path: &Path, data: &Data) -> Result<Run, CliError> {
    let mut found = vec![HashMap::new(); data.queries.len()];
    let places = (&places(&data.queries), &places(&data.corpus));
    let (mut passed_over, mut input) = (0, Input::open(&path.display().to_string(), open(path)?)?);
    while let Some(piece) = input.line()? {
        let Some((query, document, score)) = result(&piece, places)? else {
            passed_over += 1;
            continue;
        };
        let line = piece.place.line;
        if let Some((_, before)) = found[query].insert(document, (score, line)) {
            let reason = format!("has query and document of line {before}");
            return Err(piece.place.wrong(reason));
        }
    }
    if passed_over > 0 {
        say(format_args!(
            "passed over: {passed_over} results of a query or document that is not judged, or not there"
        ));
    }
    match found.iter().filter(|found| found.is_empty()).count() {
        all if all == found.len() => {
            Err(nothing(path, "has no result of a judged query and a document of this folder"))
        }
        0 => Ok(ranked(found, &data.corpus)),
        without => {
            say(format_args!("warning: {without} judged queries have no result; they count as 0"));
            Ok(ranked(found, &data.corpus))
        }
    }
}

/// Query, document and score of a line; `None` where one of the two is not there.
fn result(
    piece: &Piece,
    (queries, documents): (&HashMap<&str, usize>, &HashMap<&str, usize>),
) -> Result<Option<(usize, usize, f32)>, CliError> {
    let columns = columns(piece.text()?);
    let [query, _, document, _, score, _] = columns[..] else {
        return Err(piece.place.wrong("needs query id, Q0, document id, rank, score and tag"));
    };
    let score = score.parse().ok().filter(|score: &f32| score.is_finite());
    let score = score.ok_or_else(|| piece.place.wrong("the score is not a finite number"))?;
    let found = queries.get(query).zip(documents.get(document));
    Ok(found.map(|(&query, &document)| (query, document, score)))
}

fn ranked(found: Vec<HashMap<usize, (f32, usize)>>, corpus: &[Text]) -> Run {
    let ranked = |found: HashMap<usize, (f32, usize)>| {
        let results = found.into_iter().map(|(index, (score, _))| Scored { index, score });
        let mut results: Vec<Scored> = results.collect();
        results.sort_unstable_by(|a, b| {
            let by_id = || Reverse(&corpus[a.index].id).cmp(&Reverse(&corpus[b.index].id));
            falling(a.score.into(), b.score.into()).then_with(by_id)
        });
        results
    };
    found.into_iter().map(ranked).collect()
}

/// Refuses data whose ids a run cannot hold.
///
/// # Errors
/// The place of the first one.
pub fn check_ids(data: &Data) -> Result<(), CliError> {
    let cannot = |text: &&Text| text.id.is_empty() || text.id.contains(char::is_whitespace);
    match data.queries.iter().chain(&data.corpus).find(cannot) {
        Some(text) => {
            Err(text.place.wrong("the id is empty or has white space, which a run cannot hold"))
        }
        None => Ok(()),
    }
}

/// Writes results. Where one's score is no less than the one's before it, it gets the next smaller number.
///
/// # Errors
/// What `out` says.
pub fn write(out: &mut dyn Write, run: &Run, tag: &str, data: &Data) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    for (results, query) in run.iter().zip(&data.queries) {
        let mut last = f32::INFINITY;
        for (result, rank) in results.iter().zip(1..) {
            last = result.score.min(last.next_down());
            let document = &data.corpus[result.index].id;
            writeln!(out, "{} Q0 {document} {rank} {last} {tag}", query.id)?;
        }
    }
    out.flush()
}
