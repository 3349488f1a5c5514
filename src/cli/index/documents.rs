//! Where do an index's documents come from? JSONL, or an array, with an id and a text each.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use tabrank::late_interaction::index::MAX_ID;
use tabrank::{EncodeOptions, Pooling, TextKind};

use super::ids::Ids;
use crate::cli::compress::PoolArgs;
use crate::cli::encode::{Item, Source, Texts};
use crate::cli::jsonl::{InputArgs, Record, Records};
use crate::cli::{CliError, LongArgs};

/// Documents, and how they are encoded.
#[derive(clap::Args)]
pub struct DocumentsArgs {
    /// Documents: JSONL, an object with "id", a string or a number, and "text" a line, or an array of them; - is stdin.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    long: LongArgs,
    #[command(flatten)]
    input: InputArgs,
}

impl DocumentsArgs {
    /// # Errors
    /// Arguments that do not go with each other.
    pub fn options(&self) -> Result<EncodeOptions, CliError> {
        let (token_pooling, long_documents) =
            (self.pool.token_pooling()?, self.long.long_documents()?);
        Ok(EncodeOptions { pooling: Pooling::None, token_pooling, long_documents })
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
    let mut copy = tempfile::tempfile_in(crate::cli::output::folder_of(output)).map_err(failed)?;
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

    /// The documents of a source, of which `ids` were there before.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn texts(
        &self,
        source: Source,
        ids: Ids,
    ) -> Result<Texts<Source, impl Fn(Record) -> Result<Item, CliError>>, CliError> {
        let name = source.name.clone();
        let records = Records::open(&name, source, self.args.input.on_error)?;
        let ids = RefCell::new(ids);
        Ok(Texts::new(records, move |record| item(record, &mut ids.borrow_mut())))
    }
}

/// The place of what lies in an index.
pub const IN_INDEX: u32 = u32::MAX;

fn item(record: Record, ids: &mut Ids) -> Result<Item, CliError> {
    let (id, place) = (record.id()?, record.place.clone());
    if id.len() > MAX_ID {
        return Err(place.wrong(format!("the id has {} bytes, of at most {MAX_ID}", id.len())));
    }
    let item = Item::new(TextKind::Document, record, Some(id.clone()))?;
    // A file with more lines says so in front of here.
    match ids.insert(&id, place.line as u32) {
        None => Ok(item),
        Some(IN_INDEX) => Err(place.wrong(format!("{id:?} is in the index already"))),
        Some(line) => Err(place.wrong(format!("has the id of line {line}"))),
    }
}
