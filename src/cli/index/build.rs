//! `tabrank index build`: documents in, an index out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tabrank::{Codec, ResidualCodec};

use super::documents::{DocumentsArgs, Input};
use super::folder::Target;
use super::format::FormatArgs;
use super::ids::Ids;
use super::origin::{Origin, Told};
use super::sample::TrainingArgs;
use super::spilled::Spilled;
use crate::cli::CliError;
use crate::cli::codec::read_codec;
use crate::cli::encode::{Mark, Settings, Sink, Spill, State, left};
use crate::cli::partial::Partial;
use crate::cli::progress::Progress;

/// File of the codec, beside the documents that were encoded.
const CODEC: &str = "codec";

/// Build an index of documents.
///
/// The documents are read twice, or once with --codec: some of them are encoded and a residual codec is trained on them, then all are
/// encoded and stored by it. What is on disk by then is put into parts. The order of the documents, and whether they come at once, in parts
/// that `tabrank index merge` unites, or by `tabrank index add`, makes no difference but for documents that are coded alike: the files are
/// the same.
///
/// In memory are the codec, the embeddings of the sample while the codec is trained (two and then four bytes a number), 120 bytes a document,
/// and while the lists are written up to five bytes a token for 67 million tokens at once. Nothing else grows with the collection. On
/// disk the compressed documents stand twice until the index is whole.
///
/// What a run that was killed has encoded stays beside DIR, in DIR.partial, and --resume goes on with it: the index is then the same, to the
/// byte, as if nothing had happened. With --codec, documents may have come behind those that were encoded; without, the codec is that of the
/// whole input, which has to be the same.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank index build --model models/all-MiniLM-L6-v2 documents.jsonl -o site/index
  tabrank index build --model models/all-MiniLM-L6-v2 documents.jsonl -o site/index --resume
  tabrank index build --model colbert --nbits 4 -o site/index < documents.jsonl
  tabrank index build --model colbert --codec colbert.codec part-7.jsonl -o part-7
  tabrank index build --embeddings pages.safetensors pages.jsonl -o site/index")]
pub struct BuildArgs {
    #[command(flatten)]
    documents: DocumentsArgs,
    /// The folder to write: an index that is there is replaced when the new one is whole, an empty folder is filled, and anything else is left
    /// alone.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    training: TrainingArgs,
    /// A residual codec of `tabrank codec train`, in place of one of the documents' own. Indexes that will be merged have to have the same one.
    #[arg(long, value_name = "FILE")]
    codec: Option<PathBuf>,
    /// Go on with what an earlier run has left in DIR.partial, if it has. Model, settings and input have to be the same.
    #[arg(long)]
    resume: bool,
}

pub fn run(args: &BuildArgs) -> Result<(), CliError> {
    let target = args.format.target(&args.output)?;
    let left = match args.resume {
        true => left(&args.output, target.path())?,
        false => None,
    };
    let input = args.documents.open(args.codec.is_none(), target.path())?;
    let given = args.codec.iter().map(|path| read_codec(path)).collect::<Result<Vec<_>, _>>()?;
    let origin = args.documents.origin(given.clone())?;
    let (settings, started) = args.start(&target, &origin, &input, given.first(), left)?;
    let (mut spill, mark) = started.spill(&args.output, &settings)?;
    if mark.is_none() {
        // The codec is there already.
        spill.rest(Mark::start())?;
    }
    encode(&origin, &settings, &input, &mut spill, (Ids::default(), mark))?;
    let codec = settings.codec.residual().expect("an index's codec is residual");
    let mut documents = Spilled::new(&spill, codec.residual_bytes());
    args.format.build(target, codec, &mut documents, &settings.info)?;
    spill.done()
}

/// What a run goes on with.
pub enum Started {
    Left(Partial, State),
    Anew(Partial),
}

impl Started {
    /// What is encoded is put there; and how far another run has come.
    ///
    /// # Errors
    /// What the disk says, and what was made in another way or is damaged.
    pub fn spill<'a>(
        self,
        name: &'a Path,
        settings: &'a Settings,
    ) -> Result<(Spill<'a>, Option<Mark>), CliError> {
        match self {
            Started::Left(partial, state) => {
                Ok((Spill::resume(name, settings, (partial, &state))?, Some(state.mark)))
            }
            Started::Anew(partial) => Ok((Spill::begin(name, settings, partial)?, None)),
        }
    }
}

impl BuildArgs {
    /// The settings, with the codec, which is kept beside what will be encoded.
    fn start(
        &self,
        target: &Target<'_>,
        origin: &Origin,
        input: &Input<'_>,
        given: Option<&Arc<ResidualCodec>>,
        left: Option<(Partial, State)>,
    ) -> Result<(Settings, Started), CliError> {
        let failed = |error| CliError::write(&self.output, error);
        let (codec, whole, started) = match (left, given) {
            (Some((partial, state)), Some(given)) => {
                (given.clone(), None, Started::Left(partial, state))
            }
            (Some((partial, state)), None) => {
                let codec = read_codec(&partial.path().join(CODEC))?;
                (codec, Some(input.mark()?), Started::Left(partial, state))
            }
            (None, given) => {
                let partial = Partial::begin(target.path()).map_err(failed)?;
                let (codec, whole) = match given {
                    Some(codec) => (of_origin(codec, origin)?, None),
                    None => {
                        let (codec, mark) = self.training.train(origin, input)?;
                        (Arc::new(codec), Some(mark))
                    }
                };
                let kept = partial.file(CODEC);
                kept.and_then(|mut file| file.write_all(&codec.write())).map_err(failed)?;
                (codec, whole, Started::Anew(partial))
            }
        };
        let mut settings = settings(origin, codec)?;
        settings.said.insert("verb".to_owned(), "build".to_owned());
        if let Some(Mark { texts, sha256 }) = whole {
            settings.said.insert("training".to_owned(), self.training.said());
            let input = format!("{texts} documents with the hash {sha256}");
            settings.said.insert("input".to_owned(), input);
        }
        Ok((settings, started))
    }
}

/// # Errors
/// A codec of another model.
fn of_origin(codec: &Arc<ResidualCodec>, origin: &Origin) -> Result<Arc<ResidualCodec>, CliError> {
    match (&codec.parts().embedding_id, origin.embedding_id()) {
        (Some(of), Some(id)) if of != id => {
            let reason = format!("is for embeddings of the model {of}, not {id}");
            Err(CliError::Argument { argument: "--codec".to_owned(), reason })
        }
        _ => Ok(codec.clone()),
    }
}

/// How an index's documents are stored.
///
/// # Errors
/// A codec of another width.
pub fn settings(origin: &Origin, codec: Arc<ResidualCodec>) -> Result<Settings, CliError> {
    Ok(Settings { keeps_ids: true, ..origin.settings(Codec::Residual(codec))? })
}

/// Encodes all documents, but for those that a run has come through before, up to `mark`.
///
/// # Errors
/// Those of the documents and the model, and what the disk says.
pub fn encode(
    origin: &Origin,
    settings: &Settings,
    input: &Input<'_>,
    spill: &mut Spill<'_>,
    (ids, mark): (Ids, Option<Mark>),
) -> Result<(), CliError> {
    let source = input.source()?;
    let progress = Progress::of_stream("encode", source.bytes);
    let told = Told { progress, read: source.read_so_far() };
    let mut texts = input.texts(source, ids)?;
    if let Some(mark) = mark {
        spill.check_passed_over(texts.pass_over(&mark)?)?;
    }
    origin.through(settings, told, &mut texts, spill)?;
    texts.finish()
}
