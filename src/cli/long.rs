//! What becomes of documents that are longer than the model takes.

use std::num::NonZeroUsize;

use clap::ValueEnum;
use tabrank::LongDocuments;

use super::CliError;

#[derive(clap::Args)]
pub struct LongArgs {
    /// What becomes of a document that has more tokens than the model takes: its end is cut off, or it is encoded in overlapping
    /// windows whose embeddings are united.
    #[arg(long, value_enum, default_value_t = How::Cut, value_name = "HOW")]
    long_documents: How,
    /// Of windows: tokens that each shares with the next, at most half of its document's [default: an eighth].
    #[arg(long, value_name = "TOKENS")]
    overlap: Option<usize>,
    #[arg(long, value_name = "N", help = format!(
        "Of windows: the most a document has; what is beyond them is cut off [default: {}]", LongDocuments::MOST_WINDOWS
    ))]
    max_windows: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    Cut,
    Windows,
}

impl LongArgs {
    /// What they say together.
    ///
    /// # Errors
    /// [`CliError::NoWindows`].
    pub fn long_documents(&self) -> Result<LongDocuments, CliError> {
        let &Self { long_documents, overlap, max_windows } = self;
        match (long_documents, overlap, max_windows) {
            (How::Cut, None, None) => Ok(LongDocuments::Cut),
            (How::Cut, Some(_), _) => Err(CliError::NoWindows { argument: "--overlap" }),
            (How::Cut, None, Some(_)) => Err(CliError::NoWindows { argument: "--max-windows" }),
            (How::Windows, overlap, most) => {
                let most = most.unwrap_or(LongDocuments::MOST_WINDOWS);
                Ok(LongDocuments::Windows { overlap, most })
            }
        }
    }
}
