//! `tabrank encode`: texts from stdin, their embeddings to a file, or a record each to stdout.

mod file;
mod lines;
mod settings;
mod shares;
mod source;
mod spill;
mod texts;

use std::cell::Cell;
use std::io::Read;
use std::path::PathBuf;
use std::rc::Rc;

use clap::ValueEnum;
use tabrank::late_interaction::codec::CompressedEmbeddings;
use tabrank::{EncodeOptions, LongDocuments, Pooling, Reranker, TextKind};

pub use self::file::EmbeddingsFile;
use self::lines::Lines;
pub use self::settings::Settings;
use self::shares::Share;
pub use self::source::Source;
pub use self::spill::{PageFields, Spill, State, Text, left};
pub use self::texts::{Item, Mark, Stretch, Texts, ToItem};
use super::compress::CompressArgs;
use super::jsonl::{self, InputArgs, Record, Records};
use super::output::Output;
use super::progress::Progress;
use super::{CliError, Kind, LongArgs, ModelArgs, fields, say_truncated};

/// Encode texts ahead of time.
///
/// Reads JSONL from stdin, one object with a "text" a line, or an array of them, some at a time: memory does not grow with their number.
///
/// With -o it writes a safetensors file with "embeddings" (of --codec: F32, F16, I8 or U8, a row a token, text after text; int8 with "scales", F32, one a
/// row; of a residual codec "codes", U32, and "residuals", U8), "lengths" (U32, [texts]: rows of each), "indices" (U32, [texts]: the line of
/// each, or its place in the array, from 0) and "truncated" (BOOL, [texts]: whether it had more tokens than the model takes).
///
/// Without -o it writes JSONL, a record a text in the input's order: "id", if the object has one, "index", "truncated", and what a reranker
/// takes as a candidate's embeddings: "codec", "dimension", "embeddingId", and the same tensors in base64.
///
/// What a run that was killed has finished stays beside FILE, in FILE.partial, and --resume goes on with it: the file is then the same,
/// to the byte, as if nothing had happened.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank encode --model models/all-MiniLM-L6-v2 --codec int8 -o documents.safetensors < documents.jsonl
  tabrank encode --model models/all-MiniLM-L6-v2 --codec int8 -o documents.safetensors --resume < documents.jsonl
  tabrank encode --model colbert --codec colbert.codec --pool-factor 2 < documents.jsonl | load-into-the-store
  tabrank encode --model models/all-MiniLM-L6-v2 --pooling mean -o dense.safetensors < documents.jsonl")]
pub struct EncodeArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Queries and documents differ in marker, length, expansion and skiplist.
    #[arg(long, default_value = "document")]
    kind: Kind,
    /// none: an embedding a token. mean, cls: one L2-normalised vector a text, for a dense first stage. checkpoint: the one that
    /// the checkpoint's own modules make, as sentence-transformers' `encode` does.
    #[arg(long, default_value = "none")]
    pooling: PoolingArg,
    #[command(flatten)]
    compress: CompressArgs,
    #[command(flatten)]
    long: LongArgs,
    /// The file to write: one that is there is replaced when the new one is whole; a pipe or a device is written into; - is stdout [default:
    /// JSONL on stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Go on with what an earlier run has left in FILE.partial, if it has. Model, settings and input have to be the same.
    #[arg(long, requires = "output")]
    resume: bool,
    #[command(flatten)]
    input: InputArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum PoolingArg {
    None,
    Mean,
    Cls,
    Checkpoint,
}

impl From<PoolingArg> for Pooling {
    fn from(pooling: PoolingArg) -> Self {
        match pooling {
            PoolingArg::None => Pooling::None,
            PoolingArg::Mean => Pooling::Mean,
            PoolingArg::Cls => Pooling::Cls,
            PoolingArg::Checkpoint => Pooling::Checkpoint,
        }
    }
}

/// Texts that were encoded together.
pub struct Batch<'a> {
    pub items: &'a [Item],
    pub compressed: &'a CompressedEmbeddings,
    pub truncated: &'a [bool],
    /// Of page images, else empty.
    pub pages: &'a [PageFields],
}

impl Batch<'_> {
    /// Each text, how many rows it has, and whether it was cut.
    pub fn texts(&self) -> impl Iterator<Item = (&Item, usize, bool)> {
        let lengths = self.compressed.lengths().iter().copied();
        let texts = self.items.iter().zip(lengths).zip(self.truncated.iter().copied());
        texts.map(|((item, length), truncated)| (item, length, truncated))
    }
}

/// Where embeddings go.
pub trait Sink {
    /// Takes a batch.
    fn take(&mut self, batch: &Batch<'_>) -> Result<(), CliError>;

    /// Between two stretches: what has come so far can be gone on with.
    fn rest(&mut self, mark: Mark) -> Result<(), CliError>;
}

pub fn run(args: &EncodeArgs) -> Result<(), CliError> {
    let (kind, options) = (args.kind(), args.options()?);
    let codec = args.compress.codec.load()?;
    let model = args.model.load()?;
    let settings = Settings::new(&model, kind, options, codec)?;
    match &args.output {
        None => {
            let (mut texts, mut run) = args.begin(&model, &settings)?;
            run.through(&mut texts, &mut Lines { info: &settings.info })?;
            texts.finish()
        }
        Some(path) => to_file(args, &model, &settings, args.model.output(path)?),
    }
}

fn to_file(
    args: &EncodeArgs,
    model: &Reranker,
    settings: &Settings,
    output: Output<'_>,
) -> Result<(), CliError> {
    let (mut file, left) = match args.resume {
        true => EmbeddingsFile::resume(output, settings)?,
        false => (EmbeddingsFile::begin(output, settings)?, None),
    };
    let (mut texts, mut run) = args.begin(model, settings)?;
    if let Some(mark) = left {
        file.spill.check_passed_over(texts.pass_over(&mark)?)?;
    }
    run.through(&mut texts, &mut file.spill)?;
    texts.finish()?;
    file.finish()
}

impl EncodeArgs {
    fn kind(&self) -> TextKind {
        match self.kind {
            Kind::Query => TextKind::Query,
            Kind::Document => TextKind::Document,
        }
    }

    /// # Errors
    /// Arguments that do not go with each other.
    fn options(&self) -> Result<EncodeOptions, CliError> {
        let (pooling, long_documents) = (self.pooling.into(), self.long.long_documents()?);
        let token_pooling = self.compress.pool.token_pooling()?;
        let no_tokens = pooling != Pooling::None || self.kind() == TextKind::Query;
        if token_pooling.is_some() && no_tokens {
            let argument = "--pool-factor".to_owned();
            let reason = "is for the token embeddings of documents".to_owned();
            return Err(CliError::Usage { argument, reason });
        }
        match long_documents {
            LongDocuments::Windows { .. } if self.kind() == TextKind::Query => {
                Err(CliError::QueryWindows)
            }
            _ => Ok(EncodeOptions { pooling, token_pooling, long_documents }),
        }
    }

    /// The texts of stdin, and what they go through.
    fn begin<'a>(
        &self,
        model: &'a Reranker,
        settings: &'a Settings,
    ) -> Result<(Texts<Source, impl ToItem>, Run<'a>), CliError> {
        let (stdin, kind) = (Source::stdin(), settings.kind);
        let progress = Progress::of_stream("encode", stdin.bytes);
        let run = Run::new(model, settings, progress, stdin.read_so_far());
        let records = Records::open("stdin", stdin, self.input.on_error)?;
        Ok((Texts::new(records, move |record| item(kind, record)), run))
    }
}

/// A text with the object's field "id" as it came, name and value.
fn item(kind: TextKind, record: Record) -> Result<Item, CliError> {
    let (id, _) = record.fields.split(&["id"]);
    // Of several the last, as JSON parsers take it.
    let id = id.last().map(|id| fields::join(&[*id]));
    Item::new(kind, record, id)
}

/// Texts on their way through a model.
pub struct Run<'a> {
    model: &'a Reranker,
    settings: &'a Settings,
    progress: Progress,
    /// Bytes of the input that have been read.
    read: Rc<Cell<u64>>,
    truncated: usize,
}

impl<'a> Run<'a> {
    /// `read`: the bytes of the input that will have been read.
    pub fn new(
        model: &'a Reranker,
        settings: &'a Settings,
        progress: Progress,
        read: Rc<Cell<u64>>,
    ) -> Self {
        Self { model, settings, progress, read, truncated: 0 }
    }

    /// Encodes all that comes.
    ///
    /// # Errors
    /// Those of the texts, of the model and of where they go.
    pub fn through<R: Read, F: ToItem>(
        &mut self,
        texts: &mut Texts<R, F>,
        sink: &mut impl Sink,
    ) -> Result<(), CliError> {
        let before = texts.taken();
        loop {
            let done = texts.taken();
            let Stretch { items, is_last } = texts.stretch()?;
            self.encode(&items, done, sink)?;
            if is_last {
                say_truncated(self.truncated, (texts.taken() - before) as usize);
                return Ok(());
            }
            sink.rest(texts.mark())?;
        }
    }

    /// Encodes a stretch, of which each batch goes on by itself; `done` texts were there before.
    ///
    /// # Errors
    /// As [`Run::through`].
    pub fn encode(
        &mut self,
        mut items: &[Item],
        mut done: u64,
        sink: &mut impl Sink,
    ) -> Result<(), CliError> {
        while !items.is_empty() {
            let texts: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
            for share in shares::encode(self.model, self.settings, &texts) {
                let own;
                (own, items) = items.split_at(share.texts);
                self.hand_over(share, own, done, sink)?;
                done += own.len() as u64;
            }
        }
        Ok(())
    }

    fn hand_over(
        &mut self,
        share: Share,
        items: &[Item],
        mut done: u64,
        sink: &mut impl Sink,
    ) -> Result<(), CliError> {
        let mut rest = items;
        for (compressed, truncated) in &share.batches {
            let items;
            (items, rest) = rest.split_at(truncated.len());
            done += items.len() as u64;
            self.truncated += truncated.iter().filter(|cut| **cut).count();
            self.progress.advance(done, self.read.get());
            sink.take(&Batch { items, compressed, truncated, pages: &[] })?;
        }
        match share.error {
            Some(error) => Err(jsonl::located(error, self.settings.kind, |at| &items[at].place)),
            None => Ok(()),
        }
    }
}
