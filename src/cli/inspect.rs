//! `tabrank inspect`: what is in this folder, or in this file?

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::PathBuf;

use serde::Serialize;
use tabrank::model::config::Layout;
use tabrank::model::embedding_id::embedding_id;
use tabrank::{CheckpointFiles, ModelConfig, Overrides, Similarity, Warning};

use super::overrides::OverrideArgs;
use super::{CliError, index, inspect_file, model, readme};

/// Show what a bundle, a checkpoint, an index, or a file with embeddings or a codec holds.
///
/// Kind, architecture, widths and lengths, license, files, and every tensor with its type, shape and size. Of a model that does not
/// load, what can be told of it, and why; the exit code is then that of the reason.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank inspect models/all-MiniLM-L6-v2
  tabrank inspect documents.safetensors
  tabrank inspect --json bundles/all-MiniLM-L6-v2-q8 | jq '.tensors[] | select(.dtype == \"I8\") | .name'")]
pub struct InspectArgs {
    /// The bundle, checkpoint or index folder; or a file of `tabrank encode -o` or `tabrank codec train`.
    #[arg(value_name = "DIR|FILE")]
    folder: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    overrides: OverrideArgs,
}

#[derive(Serialize)]
struct Report {
    /// `bundle` or `checkpoint`.
    kind: &'static str,
    /// Version of a bundle's format.
    version: Option<String>,
    /// Type of a bundle's matrices, or all types of a checkpoint's numbers, the one with most bytes first.
    dtype: String,
    #[serde(flatten)]
    model: Option<Model>,
    repository: Option<String>,
    revision: Option<String>,
    license: Option<String>,
    weight_bytes: usize,
    files: Vec<FileRow>,
    tensors: Vec<TensorRow>,
    warnings: Vec<String>,
    /// Why it does not load.
    error: Option<String>,
}

/// What the settings say, if they can be read.
#[derive(Serialize)]
struct Model {
    architecture: &'static str,
    layout: &'static str,
    /// What a cross-encoder's score comes out of, by its class in `torch.nn`.
    activation: Option<&'static str>,
    layers: usize,
    hidden_size: usize,
    dimension: usize,
    vocabulary_size: usize,
    query_length: usize,
    document_length: usize,
    /// Whether documents are pages, of which no text is read.
    pages_only: bool,
    /// What a score is, `maxsim` or `meanmaxsim`.
    similarity: &'static str,
    query_prefix: String,
    document_prefix: String,
    /// What queries are filled up to.
    expansion_length: Option<usize>,
    skiplist_words: usize,
    /// Of the embeddings, if the weights are there.
    embedding_id: Option<String>,
    /// What stands in place of the files' own settings: the arguments', and a bundle's.
    overrides: Overrides,
    /// What `--pooling checkpoint` does.
    pooling: Option<&'static str>,
}

#[derive(Serialize)]
struct FileRow {
    name: String,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

#[derive(Serialize)]
struct TensorRow {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    bytes: usize,
}

pub fn run(args: &InspectArgs) -> Result<(), CliError> {
    if args.folder.is_file() {
        return inspect_file::run(&args.folder, args.json);
    }
    if index::is_index(&args.folder) {
        return index::inspect(&args.folder, args.json);
    }
    let mut files = CheckpointFiles::new();
    let read = model::read_into(&mut files, &args.folder);
    if let Err(error @ CliError::NoFolder { .. }) = read {
        return Err(error);
    }
    let mut report = report(args, &files);
    let loaded = read.and_then(|()| model::load_files(files, args.overrides.overrides()));
    match &loaded {
        Ok(model) => report.warnings = messages(model.warnings()),
        Err(error) => report.error = Some(error.to_string()),
    }
    tell(&report, args.json, |out| print(out, &report))?;
    loaded.map(drop)
}

/// Writes a report to stdout, as JSON or as `print` does.
pub fn tell(
    report: &impl Serialize,
    json: bool,
    print: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>,
) -> Result<(), CliError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match json {
        true => serde_json::to_writer_pretty(&mut out, report)
            .map_err(io::Error::from)
            .and_then(|()| out.write_all(b"\n")),
        false => print(&mut out),
    };
    written.and_then(|()| out.flush()).map_err(CliError::Stdout)
}

/// Types of numbers with a fraction, such as `f16, f32`.
fn types(tensors: &[TensorRow]) -> String {
    let mut bytes: BTreeMap<String, usize> = BTreeMap::new();
    for tensor in tensors.iter().filter(|tensor| tensor.dtype.contains('F')) {
        *bytes.entry(tensor.dtype.to_lowercase()).or_default() += tensor.bytes;
    }
    let mut types: Vec<(String, usize)> = bytes.into_iter().collect();
    types.sort_by_key(|(_, bytes)| Reverse(*bytes));
    types.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

/// What can be told of the files, whether they load or not.
fn report(args: &InspectArgs, files: &CheckpointFiles) -> Report {
    let config = ModelConfig::overridden(files, &args.overrides.overrides()).ok();
    let tensors = tensors(files);
    let manifest = files.manifest();
    let source = manifest.map(|manifest| manifest.source.clone()).unwrap_or_default();
    Report {
        kind: if manifest.is_some() { "bundle" } else { "checkpoint" },
        version: manifest.map(|manifest| manifest.version.clone()),
        dtype: match manifest {
            Some(manifest) => manifest.dtype.name().to_owned(),
            None => types(&tensors),
        },
        model: config.as_ref().map(|config| Model::of(files, config)),
        repository: source.repository,
        revision: source.revision,
        license: source.license.or_else(|| readme::license(&args.folder)),
        weight_bytes: tensors.iter().map(|tensor| tensor.bytes).sum(),
        files: file_rows(files),
        tensors,
        warnings: config.map_or(Vec::new(), |config| messages(&config.warnings)),
        error: None,
    }
}

impl Model {
    fn of(files: &CheckpointFiles, config: &ModelConfig) -> Self {
        Self {
            architecture: config.encoder.name(),
            layout: layout(config.layout),
            activation: config.head.as_ref().and_then(|head| head.activation.class()),
            layers: config.encoder.layers(),
            hidden_size: config.encoder.hidden_size(),
            dimension: config.dimension,
            vocabulary_size: config.encoder.vocab_size(),
            query_length: config.text.query_length,
            document_length: config.text.document_length,
            pages_only: config.text.pages.is_some(),
            similarity: config.similarity.name(),
            query_prefix: config.text.query_prefix.clone(),
            document_prefix: config.text.document_prefix.clone(),
            expansion_length: config.text.query_expansion.as_ref().map(|e| e.length),
            skiplist_words: config.text.skiplist_words.len(),
            embedding_id: embedding_id(files, config, true).ok(),
            overrides: config.overridden.values.clone(),
            pooling: config.vector.as_ref().ok().map(|vector| vector.pooling.name()),
        }
    }
}

fn messages(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(|warning| warning.message.clone()).collect()
}

fn layout(layout: Layout) -> &'static str {
    match layout {
        Layout::Plain => "plain",
        Layout::PyLate => "pylate",
        Layout::Stanford => "stanford",
        Layout::SentenceTransformers => "sentence-transformers",
        Layout::Visual => "visual",
        Layout::CrossEncoder => "cross-encoder",
    }
}

fn tensors(files: &CheckpointFiles) -> Vec<TensorRow> {
    let row = |t: tabrank::model::checkpoint::TensorInfo| TensorRow {
        name: t.name,
        dtype: t.dtype,
        shape: t.shape,
        bytes: t.bytes,
    };
    files.tensors().unwrap_or_default().into_iter().map(row).collect()
}

fn file_rows(files: &CheckpointFiles) -> Vec<FileRow> {
    match files.manifest() {
        Some(manifest) => manifest
            .entries()
            .map(|entry| FileRow {
                name: entry.name.clone(),
                bytes: entry.integrity.bytes,
                sha256: Some(entry.integrity.sha256.clone()),
            })
            .collect(),
        None => files
            .sizes()
            .map(|(name, bytes)| FileRow { name: name.to_owned(), bytes, sha256: None })
            .collect(),
    }
}

fn print(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let version = report.version.as_ref().map_or(String::new(), |version| format!(" {version}"));
    match &report.model {
        Some(model) => {
            print_model(out, &format!("{}{version}", report.kind), &report.dtype, model)?
        }
        None => writeln!(out, "{}{version}", report.kind)?,
    }
    writeln!(
        out,
        "repository {}, revision {}, license {}",
        or_unknown(&report.repository),
        or_unknown(&report.revision),
        or_unknown(&report.license)
    )?;
    writeln!(out, "\n{} files", report.files.len())?;
    for file in &report.files {
        writeln!(out, "{:>12}  {}", file.bytes, file.name)?;
    }
    writeln!(out, "\n{} tensors, {} bytes", report.tensors.len(), report.weight_bytes)?;
    for tensor in &report.tensors {
        let shape = format!("{:?}", tensor.shape);
        writeln!(out, "{:>12}  {:<4} {shape:<16} {}", tensor.bytes, tensor.dtype, tensor.name)?;
    }
    for warning in &report.warnings {
        writeln!(out, "\nwarning: {warning}")?;
    }
    match &report.error {
        Some(error) => writeln!(out, "\ndoes not load: {error}"),
        None => Ok(()),
    }
}

fn print_model(out: &mut impl Write, kind: &str, dtype: &str, model: &Model) -> io::Result<()> {
    let Model { architecture, layers, hidden_size, dimension, vocabulary_size, .. } = model;
    let gives = match model.activation {
        Some(function) => format!("scores out of {function}"),
        None => format!("embeddings of {dimension}"),
    };
    writeln!(out, "{kind}, {architecture} ({}), {dtype}", model.layout)?;
    writeln!(
        out,
        "{layers} layers, hidden size {hidden_size}, {gives}, vocabulary of {vocabulary_size}"
    )?;
    let (query, document) = (model.query_length, model.document_length);
    match model.activation {
        Some(_) => writeln!(out, "query and document up to {document} tokens together")?,
        None if model.pages_only => {
            writeln!(out, "queries up to {query} tokens, documents are pages")?;
        }
        None => writeln!(out, "queries up to {query} tokens, documents up to {document}")?,
    }
    if model.similarity != Similarity::MaxSim.name() {
        writeln!(out, "a score is the mean over the query's tokens, {}", model.similarity)?;
    }
    if let Some(id) = &model.embedding_id {
        writeln!(out, "embedding id {id}")?;
    }
    match model.overrides.is_empty() {
        true => Ok(()),
        false => writeln!(out, "in place of its own: {}", serde_json::to_string(&model.overrides)?),
    }
}
