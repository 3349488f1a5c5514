//! `tabrank pages search`: which pages answer a question?

use std::borrow::Cow;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pollster::block_on;
use serde::Serialize;
use tabrank::{
    Codec, CompressedEmbeddings, DocumentEmbeddings, EncodeOptions, Error, Explanation,
    LongDocuments, Pooling, Query, RerankOptions, Reranker, Similarity, TextKind, TokenMatch,
    Unobserved, score_compressed,
};

use super::source::of_file;
use crate::cli::codec::read_codec;
use crate::cli::encode::PageFields;
use crate::cli::index::RowsFile;
use crate::cli::jsonl::{self, InputArgs, Record};
use crate::cli::{CliError, ModelArgs};

/// Pages that are in memory at once.
const BLOCK: usize = 64;

/// Search encoded pages by a question.
///
/// Writes the best pages as JSONL, best first: "id" (FILE:page_N, or a place from 0 where the file has no ids), "rank" (from 1), "score" (the model's: the MaxSim sum, or its mean), "grid"
/// (rows and columns of patches) and "page" (width and height in pixels). Without --query it reads questions from stdin as JSONL, one object with a "text" a
/// line, or an array of them; "query" is then the object's "id", or its line, or its place in the array, from 0.
///
/// With --matches each page comes with "matches": for each token of the question the patch that it matched best, by "row" and "column" in the grid and by its
/// "rectangle" on the page, with the "similarity". Where that is no patch of the grid, but of the overview or the prompt, it has neither.
///
/// All pages are scored, unless --first-pass says how many of them are left by a pass over a bit a number, which is 32 times smaller than f32.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank pages search --model colmodernvbert --store pages.safetensors --query 'revenue by quarter' --top-k 3
  tabrank pages search --model colmodernvbert --store pages.safetensors --first-pass 200 --matches < questions.jsonl")]
pub struct SearchArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// The file of `pages encode`.
    #[arg(long, value_name = "FILE")]
    store: PathBuf,
    /// The file of a residual codec that the store has.
    #[arg(long = "codec", value_name = "FILE")]
    codecs: Vec<PathBuf>,
    /// The question [default: those of stdin].
    #[arg(long, allow_hyphen_values = true)]
    query: Option<String>,
    /// How many pages to find.
    #[arg(long, value_name = "K", default_value = "10")]
    top_k: NonZeroUsize,
    /// Score this many pages, at least --top-k, by their embeddings: those that score best by the signs of them. The question keeps its numbers.
    #[arg(long, value_name = "PAGES")]
    first_pass: Option<NonZeroUsize>,
    /// Tell which patch each token of the question matched best.
    #[arg(long)]
    matches: bool,
    #[command(flatten)]
    input: InputArgs,
}

/// A page that was found.
#[derive(Serialize)]
struct Found<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    id: Cow<'a, str>,
    rank: usize,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    grid: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<[f32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<Vec<Match<'a>>>,
}

/// A token of the question, and where it was matched.
#[derive(Serialize)]
struct Match<'a> {
    token: &'a str,
    similarity: f32,
    #[serde(flatten)]
    patch: Option<Patch>,
}

#[derive(Serialize)]
struct Patch {
    row: u32,
    column: u32,
    rectangle: Rectangle,
}

#[derive(Serialize)]
struct Rectangle {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

pub fn run(args: &SearchArgs) -> Result<(), CliError> {
    let codecs = args.codecs.iter().map(|path| read_codec(path)).collect::<Result<_, _>>()?;
    let store = RowsFile::open(&args.store, codecs)?;
    let model = args.model.load()?;
    check_of(&model, &store, &args.store)?;
    let signs = args.first_pass.map(|_| signs(&store)).transpose()?;
    let search = Search { args, model: &model, store, signs };
    match &args.query {
        Some(query) => search.query(None, query, CliError::from),
        None => jsonl::read_stdin(&args.input, |record| search.record(&record)),
    }
}

/// # Errors
/// A store of another model.
fn check_of(model: &Reranker, store: &RowsFile, path: &Path) -> Result<(), CliError> {
    let (model, width) = (model.info(), store.dimension);
    let own = &model.embedding_id;
    let foreign = store.info.embedding_id.as_ref().filter(|made_by| *made_by != own);
    if width != model.dimension {
        let reason =
            format!("its embeddings are {width} wide, and the model's {}", model.dimension);
        return Err(of_file(path, reason));
    }
    foreign.map_or(Ok(()), |made_by| {
        let reason = format!("its embeddings are of {made_by:?}, and this model's of {own:?}");
        Err(of_file(path, reason))
    })
}

/// A bit of each number of all pages.
fn signs(store: &RowsFile) -> Result<CompressedEmbeddings, CliError> {
    let mut signs = CompressedEmbeddings::new(Codec::Binary, store.dimension)?;
    for block in blocks(store.len()) {
        let rows = store.read(block)?;
        let rows = match rows.codec() {
            Codec::Binary => rows,
            _ => Codec::Binary.compress(&rows.decompress())?,
        };
        signs.extend(&rows)?;
    }
    Ok(signs)
}

fn blocks(count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(BLOCK).map(move |start| start..count.min(start + BLOCK))
}

struct Search<'a> {
    args: &'a SearchArgs,
    model: &'a Reranker,
    store: RowsFile,
    signs: Option<CompressedEmbeddings>,
}

/// A page, by its place in the store, and its score.
type Scored = (usize, f32);

impl Search<'_> {
    fn record(&self, record: &Record) -> Result<(), CliError> {
        let text = record.string("text")?;
        let id = match record.fields.get("id") {
            Some(_) => record.id()?,
            None => record.index.to_string(),
        };
        self.query(Some(&id), &text, |error| {
            jsonl::located(error, TextKind::Query, |_| &record.place)
        })
    }

    fn query(
        &self,
        id: Option<&str>,
        text: &str,
        located: impl Fn(Error) -> CliError,
    ) -> Result<(), CliError> {
        let rows = embeddings(self.model, text).map_err(located)?;
        let best = self.best(&rows)?;
        let explanations = match self.args.matches {
            true => self.explained(text, &best)?,
            false => Vec::new(),
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        let written = best.iter().enumerate().try_for_each(|(place, &(page, score))| {
            let matches = explanations.get(place);
            let found = self.found(id, (page, place + 1, score), matches);
            writeln!(out, "{}", serde_json::to_string(&found).expect("numbers serialize"))
        });
        written.and_then(|()| out.flush()).map_err(CliError::Stdout)
    }

    /// The best pages, best first; equal ones in the store's order.
    fn best(&self, query: &[f32]) -> Result<Vec<Scored>, CliError> {
        let top_k = self.args.top_k.get();
        let left = match (&self.signs, self.args.first_pass) {
            (Some(signs), Some(first)) => by_signs(query, signs, first.get().max(top_k))?,
            _ => (0..self.store.len()).collect(),
        };
        let mut scored = Vec::with_capacity(left.len());
        for some in left.chunks(BLOCK) {
            let options =
                RerankOptions { embeddings: self.embeddings(some)?, ..RerankOptions::default() };
            let query = Query::Embeddings { values: query, dimension: self.store.dimension };
            let texts = vec![""; some.len()];
            let output = block_on(self.model.rerank(query, &texts[..], &options, &mut Unobserved))?;
            scored.extend(output.results.iter().map(|result| (some[result.index], result.score)));
        }
        scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scored.truncate(top_k);
        Ok(scored)
    }

    /// Why the best pages have their scores, in their order.
    fn explained(&self, query: &str, best: &[Scored]) -> Result<Vec<Explanation>, CliError> {
        let pages: Vec<usize> = best.iter().map(|(page, _)| *page).collect();
        let embeddings = self.embeddings(&pages)?;
        let options = RerankOptions { embeddings, explain: true, ..RerankOptions::default() };
        let texts = vec![""; pages.len()];
        let output = block_on(self.model.rerank(query, &texts[..], &options, &mut Unobserved))?;
        let mut explanations: Vec<_> =
            output.results.iter().map(|result| result.index).zip(output.explanations).collect();
        explanations.sort_by_key(|(index, _)| *index);
        Ok(explanations.into_iter().map(|(_, explanation)| explanation).collect())
    }

    /// What pages bring to a ranking.
    fn embeddings(&self, pages: &[usize]) -> Result<DocumentEmbeddings, CliError> {
        let mut all = DocumentEmbeddings::new(pages.len());
        let mut start = 0;
        // Those that follow each other are read at once.
        for run in pages.chunk_by(|a, b| a + 1 == *b) {
            let rows = self.store.read(run[0]..run[0] + run.len())?;
            let places: Vec<usize> = (start..start + run.len()).collect();
            all.add(rows, &places, self.store.info.embedding_id.as_deref())?;
            start += run.len();
        }
        Ok(all)
    }

    /// What a page is called; where the store does not say it, its place, from 0.
    fn id(&self, page: usize) -> Cow<'_, str> {
        match self.store.id(page) {
            "" => page.to_string().into(),
            id => id.into(),
        }
    }

    fn found<'a>(
        &'a self,
        query: Option<&'a str>,
        (page, rank, score): (usize, usize, f32),
        explanation: Option<&'a Explanation>,
    ) -> Found<'a> {
        let fields = self.store.page(page).filter(|fields| fields.grid != [0, 0]);
        let matches = explanation.map(|explanation| {
            explanation.matches.iter().map(|found| matched(found, fields)).collect()
        });
        let (grid, page_size) = (fields.map(|page| page.grid), fields.map(|page| page.page));
        Found { query, id: self.id(page), rank, score, grid, page: page_size, matches }
    }
}

/// The pages that score best by the signs of their embeddings, in the store's order.
fn by_signs(
    query: &[f32],
    signs: &CompressedEmbeddings,
    count: usize,
) -> Result<Vec<usize>, CliError> {
    let scores = score_compressed(query, signs, Similarity::MaxSim)?;
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    places.truncate(count);
    places.sort_unstable();
    Ok(places)
}

/// Where on a page a token was matched: patches are the first of its embeddings, row by row.
fn matched(found: &TokenMatch, fields: Option<PageFields>) -> Match<'_> {
    let patch = fields.and_then(|PageFields { grid: [rows, columns], page }| {
        let place = u32::try_from(found.document.row).ok()?;
        let is_patch = u64::from(place) < u64::from(rows) * u64::from(columns);
        is_patch.then(|| {
            let (row, column) = (place / columns, place % columns);
            let (width, height) = (page[0] / columns as f32, page[1] / rows as f32);
            let (x, y) = (column as f32 * width, row as f32 * height);
            Patch { row, column, rectangle: Rectangle { x, y, width, height } }
        })
    });
    Match { token: &found.query.token, similarity: found.similarity, patch }
}

/// A question's embeddings, row-major.
fn embeddings(model: &Reranker, text: &str) -> Result<Vec<f32>, Error> {
    let options = EncodeOptions {
        pooling: Pooling::None,
        token_pooling: None,
        long_documents: LongDocuments::Cut,
    };
    let encoded = block_on(model.encode(TextKind::Query, &[text][..], options, &mut Unobserved))?;
    Ok(encoded.embeddings.values().to_vec())
}
