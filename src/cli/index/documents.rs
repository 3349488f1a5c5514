//! Where do an index's documents come from? JSONL, or an array, with an id and a text each.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::ArgPredicate;
use tabrank::late_interaction::index::MAX_ID;
use tabrank::{EncodeOptions, Pooling, ResidualCodec, TextKind};

use super::ids::Ids;
use super::origin::Origin;
use super::rows::RowsFile;
use crate::cli::compress::PoolArgs;
use crate::cli::encode::{Item, Mark, Source, Texts, ToItem};
use crate::cli::jsonl::{InputArgs, Record, Records};
use crate::cli::output::folder_of;
use crate::cli::{CliError, LongArgs, ModelArgs};

/// Documents, and how they are encoded.
#[derive(clap::Args)]
// Where there are embeddings no model is loaded, whatever stands there.
#[command(mut_arg("model", |model| {
    model.required(false).required_unless_present("embeddings").default_value_if(
        "embeddings",
        ArgPredicate::IsPresent,
        ".",
    )
}))]
pub struct DocumentsArgs {
    /// Documents: JSONL, an object with "id", a string or a number, and "text" a line, or an array of them; - is stdin.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Embeddings of the documents, a file of `tabrank encode -o`, in place of a model: those of "indices" are the lines, from 0, which then
    /// need no "text".
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "special_tokens", "OverrideArgs", "PoolArgs", "LongArgs"])]
    embeddings: Option<PathBuf>,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    long: LongArgs,
    #[command(flatten)]
    input: InputArgs,
}

impl DocumentsArgs {
    /// What makes their embeddings. `codecs` are those that a file's residual codes may be of.
    ///
    /// # Errors
    /// Arguments that do not go with each other, and a model or a file that cannot be read.
    pub fn origin(&self, codecs: Vec<Arc<ResidualCodec>>) -> Result<Origin, CliError> {
        if let Some(path) = &self.embeddings {
            return Ok(Origin::File(Box::new(RowsFile::open(path, codecs)?)));
        }
        let (token_pooling, long_documents) =
            (self.pool.token_pooling()?, self.long.long_documents()?);
        let options = EncodeOptions { pooling: Pooling::None, token_pooling, long_documents };
        Ok(Origin::Model(Box::new(self.model.load()?), options))
    }

    /// Where they are. What can be read once alone is copied into a nameless file beside `output` if it is wanted `again`.
    ///
    /// # Errors
    /// What cannot be read or written.
    pub fn open(&self, again: bool, output: &Path) -> Result<Input<'_>, CliError> {
        let place = match (self.file == Path::new("-"), again) {
            (false, _) => Place::File(&self.file),
            (true, false) => Place::Stdin,
            (true, true) => Place::Copy(copy(output)?),
        };
        Ok(Input { args: self, place })
    }
}

/// Documents that are read once or more.
pub struct Input<'a> {
    args: &'a DocumentsArgs,
    place: Place<'a>,
}

enum Place<'a> {
    Stdin,
    File(&'a Path),
    Copy(File),
}

fn copy(output: &Path) -> Result<File, CliError> {
    let failed = |error| CliError::write(output, error);
    let mut copy = tempfile::tempfile_in(folder_of(output)).map_err(failed)?;
    io::copy(&mut io::stdin().lock(), &mut copy).map_err(failed)?;
    Ok(copy)
}

impl Input<'_> {
    /// From the first one on.
    ///
    /// # Errors
    /// What cannot be opened.
    pub fn source(&self) -> Result<Source, CliError> {
        match &self.place {
            Place::Stdin => Ok(Source::stdin()),
            Place::File(path) => Source::file(path),
            Place::Copy(file) => {
                let open = |mut file: &File| {
                    file.rewind()?;
                    Ok((file.metadata()?.len(), file.try_clone()?))
                };
                let opened = open(file).map_err(|source| CliError::read("stdin".as_ref(), source));
                let (bytes, file) = opened?;
                Ok(Source::new("stdin".to_owned(), Some(bytes), Box::new(file)))
            }
        }
    }

    /// Which documents these are, all of them.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn mark(&self) -> Result<Mark, CliError> {
        let mut texts = self.texts(self.source()?, Ids::default())?;
        while !texts.stretch()?.is_last {}
        Ok(texts.mark())
    }

    /// The documents of a source, of which `ids` were there before.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn texts(&self, source: Source, ids: Ids) -> Result<Texts<Source, impl ToItem>, CliError> {
        let name = source.name.clone();
        let records = Records::open(&name, source, self.args.input.on_error)?;
        let ids = RefCell::new(ids);
        let has_text = self.args.embeddings.is_none();
        Ok(Texts::new(records, move |record| item(record, has_text, &mut ids.borrow_mut())))
    }
}

/// The place of what lies in an index.
pub const IN_INDEX: u32 = u32::MAX;

fn item(record: Record, has_text: bool, ids: &mut Ids) -> Result<Item, CliError> {
    let (id, place) = (record.id()?, record.place.clone());
    if id.len() > MAX_ID {
        return Err(place.wrong(format!("the id has {} bytes, of at most {MAX_ID}", id.len())));
    }
    let item = match has_text {
        true => Item::new(TextKind::Document, record, Some(id.clone()))?,
        false => Item::without_text(record, Some(id.clone()))?,
    };
    // A file with more lines says so in front of here.
    match ids.insert(&id, place.line as u32) {
        None => Ok(item),
        Some(IN_INDEX) => Err(place.wrong(format!("{id:?} is in the index already"))),
        Some(line) => Err(place.wrong(format!("has the id of line {line}"))),
    }
}
