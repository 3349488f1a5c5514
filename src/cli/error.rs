//! What a command can fail with, and the exit code of each (those of BSD's `sysexits.h`).

use std::io;
use std::path::{Path, PathBuf};

use super::output::folder_of;
use super::overrides::argument;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Library(tabrank::Error),
    /// Arguments that do not go with each other.
    #[error("{argument} {reason}")]
    Usage { argument: String, reason: String },
    /// An argument that does not go with the model.
    #[error("{argument} {reason}")]
    Argument { argument: String, reason: String },
    /// An argument about windows, where none are made.
    #[error("{argument} is given, but long documents are cut; pass --long-documents windows too")]
    NoWindows { argument: &'static str },
    /// Windows of queries.
    #[error("--long-documents windows is for documents; queries are always cut")]
    QueryWindows,
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a folder{hint}", path.display())]
    NoFolder { path: PathBuf, hint: &'static str },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write stdout: {0}")]
    Stdout(io::Error),
    /// An output in a place that it would destroy.
    #[error("cannot write {}: it {reason}", path.display())]
    OutputInUse { path: PathBuf, reason: &'static str },
    /// What an earlier run has left, and cannot be gone on with.
    #[error("cannot go on with {}: {reason}", path.display())]
    Resume { path: PathBuf, reason: String },
    /// A conversion loses more than it may.
    #[error(
        "the conversion loses {loss:.4} (1 less the mean cosine with the checkpoint), more than {limit}"
    )]
    Loss { loss: f64, limit: f64 },
    /// Embeddings of two models cannot be held against each other.
    #[error("the models do not give embeddings of the same tokens and width")]
    NotComparable,
    /// A line of a data file is wrong.
    #[error("{file}:{line}:{column}: {reason}")]
    Line { file: String, line: usize, column: usize, reason: String },
    /// A page image, by its key, or a file of them.
    #[error("{key}: {reason}")]
    Page { key: String, reason: String },
    /// A data file as a whole.
    #[error("{} {reason}", path.display())]
    Data { path: PathBuf, reason: &'static str },
    /// What a folder holds, or would.
    #[error("{}: {reason}", folder.display())]
    Folder { folder: PathBuf, reason: String },
    /// What the engine says of what a folder holds.
    #[error("{}: {source}", folder.display())]
    Model { folder: PathBuf, source: tabrank::Error },
    /// What the engine says of a text, with the line that it came in.
    #[error("{file}:{line}: {source}")]
    Text { file: String, line: usize, source: tabrank::Error },
}

impl From<tabrank::Error> for CliError {
    fn from(error: tabrank::Error) -> Self {
        match error {
            tabrank::Error::Override { option, reason } => {
                CliError::Argument { argument: argument(option), reason }
            }
            tabrank::Error::Argument { argument: option, reason } => {
                CliError::Argument { argument: argument(&option), reason }
            }
            error => CliError::Library(error),
        }
    }
}

impl CliError {
    /// The error as one of the model in a folder, if it is the engine's.
    pub fn of_model(self, folder: &Path) -> Self {
        match self {
            CliError::Library(source) => CliError::Model { folder: folder.to_owned(), source },
            other => other,
        }
    }

    /// A file or folder that could not be read; of a link that leads nowhere, the link.
    pub fn read(path: &Path, source: io::Error) -> Self {
        match dangling_link(path) {
            Some(link) if source.kind() == io::ErrorKind::NotFound => {
                let source =
                    io::Error::new(source.kind(), "it is a link to a file that is not there");
                CliError::Read { path: link.to_owned(), source }
            }
            _ => CliError::Read { path: path.to_owned(), source },
        }
    }

    /// A file or folder that could not be written.
    pub fn write(path: &Path, source: io::Error) -> Self {
        let folder = folder_of(path);
        let source = match source.kind() == io::ErrorKind::NotFound && !folder.exists() {
            true => {
                let reason = format!("there is no folder {}", folder.display());
                io::Error::new(source.kind(), reason)
            }
            false => without_temporary(source),
        };
        CliError::Write { path: path.to_owned(), source }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            CliError::Argument { .. }
            | CliError::Line { .. }
            | CliError::Page { .. }
            | CliError::Data { .. }
            | CliError::Folder { .. }
            | CliError::Loss { .. }
            | CliError::Resume { .. }
            | CliError::NotComparable => 65,
            CliError::Usage { .. }
            | CliError::NoWindows { .. }
            | CliError::QueryWindows
            | CliError::Library(
                tabrank::Error::Overlap { .. } | tabrank::Error::NoEmbeddings { .. },
            ) => 2,
            CliError::Library(error)
            | CliError::Model { source: error, .. }
            | CliError::Text { source: error, .. } => match error.code() {
                "DEVICE_LOST" | "ABORTED" => 70,
                _ => 65,
            },
            CliError::Read { .. } | CliError::NoFolder { .. } => 66,
            CliError::Write { .. } | CliError::Stdout(_) | CliError::OutputInUse { .. } => 74,
        }
    }

    /// Whether the reader of our output went away, as `head` does: no failure.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, CliError::Stdout(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The path, or a folder that it leads through, if that is a link to what is not there.
fn dangling_link(path: &Path) -> Option<&Path> {
    path.ancestors().find(|part| part.is_symlink() && !part.exists())
}

/// Whether a name is taken, by whatever: also by a link to what is not there, or through one.
pub fn is_taken(path: &Path) -> bool {
    path.exists() || dangling_link(path).is_some()
}

/// The system's own words: `tempfile` adds the name of a temporary, which is not what the user asked for.
fn without_temporary(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((cause, _)) if error.raw_os_error().is_none() => io::Error::new(error.kind(), cause),
        _ => error,
    }
}
