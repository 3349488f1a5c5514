//! `tabrank index add` and `delete`: an index with more or fewer documents, in place of the one that was there.

use std::fs;
use std::path::PathBuf;

use tabrank::{Documents, EmbeddingsInfo, Error, Joined};

use super::build::{Started, encode, settings};
use super::documents::{DocumentsArgs, IN_INDEX};
use super::folder::{Failed, Target, stored};
use super::format::{build_options, say_built};
use super::ids::Ids;
use super::spilled::Spilled;
use crate::cli::CliError;
use crate::cli::encode::{Settings, left};
use crate::cli::partial::Partial;

/// Add documents to an index.
///
/// They are stored by the codec that the index has; a collection that grows to several times its size, or becomes another one, is better
/// built anew. The index is the same, byte for byte, as if they had been there from the start, with that codec. All parts are read and those
/// that differ are written: many documents at once take little longer than one. An id that is there is refused; delete it first.
///
/// What a run that was killed has encoded stays beside DIR, in DIR.partial, and --resume goes on with it, also where documents have come behind
/// those that were encoded.
#[derive(clap::Args)]
#[command(after_long_help = "\
Example:
  tabrank index add site/index more.jsonl --model models/all-MiniLM-L6-v2")]
pub struct AddArgs {
    /// The index's folder.
    #[arg(value_name = "DIR")]
    index: PathBuf,
    #[command(flatten)]
    documents: DocumentsArgs,
    /// Go on with what an earlier run has left in DIR.partial, if it has. Model, settings and input have to be the same.
    #[arg(long)]
    resume: bool,
}

/// Delete documents from an index, by their ids.
///
/// Nothing is deleted if one of them is not there. The index is the same, byte for byte, as if they had never been added.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank index delete site/index --ids intro,faq
  tabrank index delete site/index --ids-from gone.txt")]
pub struct DeleteArgs {
    /// The index's folder.
    #[arg(value_name = "DIR")]
    index: PathBuf,
    #[command(flatten)]
    which: Which,
}

#[derive(clap::Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// Ids, with commas between them. May be given several times. One that has a comma goes into a file.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    ids: Vec<String>,
    /// A file with an id a line.
    #[arg(long, value_name = "FILE")]
    ids_from: Option<PathBuf>,
}

pub fn add(args: &AddArgs) -> Result<(), CliError> {
    let target = Target::of_index(&args.index)?;
    let (mut stored, codec) = stored(&args.index)?;
    let input = args.documents.open(false, target.path())?;
    let origin = args.documents.origin(vec![codec.clone()])?;
    let settings = added(settings(&origin, codec.clone())?);
    let info = stored.index().manifest().info.clone();
    check_info(&info, &settings.info).map_err(|failed| failed.of(&args.index))?;
    let ids = ids(&mut stored).map_err(|failed| failed.of(&args.index))?;
    let (mut spill, mark) = args.start(&target)?.spill(&args.index, &settings)?;
    encode(&origin, &settings, &input, &mut spill, (ids, mark))?;
    let added = Spilled::new(&spill, codec.residual_bytes());
    let mut all = Joined(vec![Box::new(stored), Box::new(added)]);
    say_built(&target.build(&codec, &mut all, &build_options(&info))?);
    drop(all);
    spill.done()
}

/// What an addition has left is nothing that a build goes on with.
fn added(mut settings: Settings) -> Settings {
    settings.said.insert("verb".to_owned(), "add".to_owned());
    settings
}

impl AddArgs {
    fn start(&self, target: &Target<'_>) -> Result<Started, CliError> {
        let left = match self.resume {
            true => left(&self.index, target.path())?,
            false => None,
        };
        match left {
            Some((partial, state)) => Ok(Started::Left(partial, state)),
            None => {
                let partial = Partial::begin(target.path());
                Ok(Started::Anew(partial.map_err(|error| CliError::write(&self.index, error))?))
            }
        }
    }
}

pub fn delete(args: &DeleteArgs) -> Result<(), CliError> {
    let target = Target::of_index(&args.index)?;
    let ids = args.which.ids()?;
    let (mut stored, codec) = stored(&args.index)?;
    stored.delete(&ids).map_err(|failed| failed.of(&args.index))?;
    let info = stored.index().manifest().info.clone();
    say_built(&target.build(&codec, &mut stored, &build_options(&info))?);
    Ok(())
}

impl Which {
    /// All that were named.
    fn ids(&self) -> Result<Vec<String>, CliError> {
        let mut ids = self.ids.clone();
        if let Some(path) = &self.ids_from {
            let text = fs::read_to_string(path).map_err(|source| CliError::read(path, source))?;
            ids.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
        }
        Ok(ids)
    }
}

/// The ids that an index has.
fn ids(stored: &mut impl Documents<Error = Failed>) -> Result<Ids, Failed> {
    let mut ids = Ids::default();
    for place in 0..stored.count() {
        ids.insert(&stored.read(place)?.id, IN_INDEX);
    }
    Ok(ids)
}

/// Whether embeddings of two origins go into one index.
///
/// # Errors
/// [`Error::IndexModel`].
pub fn check_info(index: &EmbeddingsInfo, others: &EmbeddingsInfo) -> Result<(), Failed> {
    let named = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
    let pairs = [
        ("the model", &index.embedding_id, &others.embedding_id),
        ("the token pooling", &index.token_pooling, &others.token_pooling),
    ];
    match pairs.into_iter().find(|(_, index, others)| index != others) {
        Some((what, index, others)) => {
            let (index, others) = (named(index), named(others));
            Err(Error::IndexModel { reason: format!("has {what} {index}, not {others}") }.into())
        }
        None => Ok(()),
    }
}
