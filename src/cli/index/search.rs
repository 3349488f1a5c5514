//! `tabrank index search`: which documents answer a query?

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use pollster::block_on;
use serde::Serialize;
use tabrank::{
    EncodeOptions, Error, ForeignIndex, Hit, Index, IndexReader, LongDocuments, ModelKind, Pooling,
    Reranker, SearchOptions, TextKind, Unobserved,
};

use super::folder::{Failed, PartFiles, open};
use super::foreign::{self, FolderFiles};
use crate::cli::jsonl::{self, InputArgs, Record};
use crate::cli::{CliError, ModelArgs, say};

/// Search an index.
///
/// Writes the best documents as JSONL, best first: "id", "rank" (from 1) and "score" (the model's: the MaxSim sum, or its mean, of the
/// embeddings that the codes stand for). Without --query it reads queries from stdin as JSONL, one object with a "text" a line, or an array
/// of them; "query" is then the object's "id", or its line, or its place in the array, from 0.
///
/// Each query token probes the centroids nearest to it; the documents that these list get an approximate score, and the best of them are
/// scored by the embeddings that their codes stand for. How much was read for that is told on stderr. Folders of colbert-ai, PyLate,
/// fast-plaid and next-plaid are searched as they are; a document of the latter two is named by its number.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank index search site/index --model models/all-MiniLM-L6-v2 --query 'who built it?' --top-k 3
  tabrank index search site/index --model models/all-MiniLM-L6-v2 --n-ivf-probe 32 --n-full-scores 256 < queries.jsonl")]
pub struct SearchArgs {
    /// The index's folder.
    #[arg(value_name = "DIR")]
    index: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// The query [default: those of stdin].
    #[arg(long, allow_hyphen_values = true)]
    query: Option<String>,
    /// How many to find.
    #[arg(long, value_name = "K", default_value = "10")]
    top_k: NonZeroUsize,
    /// Centroids that each query token probes: more of them find more of what scoring all documents would, and read more lists.
    #[arg(long, value_name = "CENTROIDS", default_value_t = probes())]
    n_ivf_probe: NonZeroUsize,
    /// Documents, of all that are listed, whose embeddings are read and scored, at least --top-k: more of them make up for what the
    /// approximate scores get wrong, and are most of the bytes of a query.
    #[arg(long, value_name = "DOCUMENTS", default_value_t = SearchOptions::default().n_full_scores)]
    n_full_scores: usize,
    #[command(flatten)]
    input: InputArgs,
}

fn probes() -> NonZeroUsize {
    NonZeroUsize::new(SearchOptions::default().n_ivf_probe).expect("some are probed")
}

/// A document that was found.
#[derive(Serialize)]
struct Found<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    id: &'a str,
    rank: usize,
    score: f32,
}

pub fn run(args: &SearchArgs) -> Result<(), CliError> {
    let searched = Searched::open(&args.index)?;
    let model = args.model.load()?;
    searched.check_model(&model).map_err(|failed| failed.of(&args.index))?;
    let mut run = Run { args, model: &model, searched };
    match &args.query {
        Some(query) => run.query(None, query, |error| error.into())?,
        None => jsonl::read_stdin(&args.input, |record| run.record(&record))?,
    }
    run.searched.say_read();
    Ok(())
}

/// What is searched.
enum Searched {
    Own(Index, PartFiles),
    Foreign(Box<ForeignIndex<FolderFiles>>),
}

impl Searched {
    fn open(folder: &Path) -> Result<Self, CliError> {
        match foreign::other(folder) {
            None => open(folder).map(|(index, files)| Searched::Own(index, files)),
            Some(form) => Ok(Searched::Foreign(Box::new(foreign::open(folder, form)?))),
        }
    }

    fn search(&mut self, query: &[f32], options: &SearchOptions) -> Result<Vec<Hit>, Failed> {
        match self {
            Searched::Own(index, files) => {
                let mut search = index.search(query, options)?;
                loop {
                    let wanted = search.wanted();
                    if wanted.is_empty() {
                        return Ok(search.hits().to_vec());
                    }
                    for file in wanted {
                        search.give(&file, &files.read(&file)?)?;
                    }
                }
            }
            Searched::Foreign(index) => index.search(query, options),
        }
    }

    /// # Errors
    /// [`Error::IndexModel`]; [`Error::NoEmbeddings`].
    fn check_model(&self, model: &Reranker) -> Result<(), Failed> {
        let info = model.info();
        if info.kind == ModelKind::CrossEncoder {
            return Err(Error::NoEmbeddings { what: "searching an index" }.into());
        }
        // Those of others do not say it.
        let (id, dimension) = match self {
            Searched::Own(index, _) => {
                let manifest = index.manifest();
                (manifest.info.embedding_id.as_ref(), manifest.dimension)
            }
            Searched::Foreign(index) => (None, index.codec().dimension()),
        };
        let reason = match id.filter(|id| **id != info.embedding_id) {
            Some(id) => format!("has the model {id}, not {}", info.embedding_id),
            None if info.dimension != dimension => {
                format!("is {dimension} wide, and the model {}", info.dimension)
            }
            None => return Ok(()),
        };
        Err(Error::IndexModel { reason }.into())
    }

    fn say_read(&self) {
        let Searched::Own(index, files) = self else { return };
        let parts = index.manifest().all_parts().count();
        let (read, bytes) = (files.parts(), files.bytes());
        say(format_args!("{read} of {parts} parts were read, {bytes} bytes"));
    }
}

/// Queries on their way.
struct Run<'a> {
    args: &'a SearchArgs,
    model: &'a Reranker,
    searched: Searched,
}

impl Run<'_> {
    fn record(&mut self, record: &Record) -> Result<(), CliError> {
        let text = record.string("text")?;
        let id = match record.fields.get("id") {
            Some(_) => record.id()?,
            None => record.index.to_string(),
        };
        let located = |error| jsonl::located(error, TextKind::Query, |_| &record.place);
        self.query(Some(&id), &text, located)
    }

    fn query(
        &mut self,
        id: Option<&str>,
        text: &str,
        located: impl Fn(Error) -> CliError,
    ) -> Result<(), CliError> {
        let rows = embeddings(self.model, text).map_err(located)?;
        let hits = self.search(&rows).map_err(|failed| failed.of(&self.args.index))?;
        let length = rows.len() / self.model.info().dimension;
        let mut out = io::BufWriter::new(io::stdout().lock());
        let written = hits.iter().zip(1..).try_for_each(|(hit, rank)| {
            let found = Found {
                query: id,
                id: &hit.id,
                rank,
                score: self.model.score_of(hit.score, length),
            };
            let line = serde_json::to_string(&found).expect("strings and numbers serialize");
            writeln!(out, "{line}")
        });
        written.and_then(|()| out.flush()).map_err(CliError::Stdout)
    }

    fn search(&mut self, query: &[f32]) -> Result<Vec<Hit>, Failed> {
        let options = SearchOptions {
            top_k: self.args.top_k.get(),
            n_ivf_probe: self.args.n_ivf_probe.get(),
            n_full_scores: self.args.n_full_scores,
        };
        self.searched.search(query, &options)
    }
}

/// A query's embeddings, row-major.
fn embeddings(model: &Reranker, text: &str) -> Result<Vec<f32>, Error> {
    let options = EncodeOptions {
        pooling: Pooling::None,
        token_pooling: None,
        long_documents: LongDocuments::Cut,
    };
    let encoded = block_on(model.encode(TextKind::Query, &[text][..], options, &mut Unobserved))?;
    Ok(encoded.embeddings.values().to_vec())
}
