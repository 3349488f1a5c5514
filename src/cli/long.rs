//! What becomes of documents that are longer than the model takes.

use std::num::NonZeroUsize;

use clap::ValueEnum;
use tabrank::LongDocuments;

#[derive(clap::Args)]
pub struct LongArgs {
    /// What becomes of a document that has more tokens than the model takes: its end is cut off, or it is encoded in overlapping
    /// windows whose embeddings are united.
    #[arg(long, value_enum, default_value_t = How::Cut, value_name = "HOW")]
    long_documents: How,
    /// Of windows: tokens that each shares with the next, at most half of its document's [default: an eighth].
    #[arg(long, value_name = "TOKENS", requires = "long_documents")]
    overlap: Option<usize>,
    /// Most windows a document; what is beyond them is cut off.
    #[arg(
        long,
        value_name = "N",
        default_value_t = LongDocuments::MOST_WINDOWS,
        requires = "long_documents"
    )]
    max_windows: NonZeroUsize,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    Cut,
    Windows,
}

impl From<&LongArgs> for LongDocuments {
    fn from(args: &LongArgs) -> Self {
        match args.long_documents {
            How::Cut => LongDocuments::Cut,
            How::Windows => {
                LongDocuments::Windows { overlap: args.overlap, most: args.max_windows }
            }
        }
    }
}
