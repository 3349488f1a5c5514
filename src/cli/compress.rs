//! `--codec` and `--pool-factor`: in how many bytes embeddings are stored.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use tabrank::TokenPooling;
use tabrank::late_interaction::codec::{Codec, ResidualCodec};

use super::CliError;

/// Most bytes of a codec's file: 262,144 centroids 1,024 wide take as many.
const MAX_BYTES: u64 = 1 << 30;

/// How embeddings are stored.
#[derive(clap::Args)]
pub struct CompressArgs {
    /// How embeddings are stored: f32, f16, int8 (with a scale a token), binary (a bit a number), or the file of a residual codec, which
    /// `tabrank codec train` makes.
    #[arg(long, value_name = "CODEC", default_value = "f32")]
    pub codec: CodecArg,
    #[command(flatten)]
    pub pool: PoolArgs,
}

/// Token pooling of documents.
#[derive(clap::Args)]
pub struct PoolArgs {
    /// Keep about one of so many of a document's embeddings: those that are alike become their mean, of length 1; the first one stays as it
    /// is [default: what the model says, or all].
    #[arg(long, value_name = "FACTOR")]
    pool_factor: Option<f64>,
}

impl PoolArgs {
    /// What was asked for.
    ///
    /// # Errors
    /// [`CliError::Usage`]: a factor below 1.
    pub fn token_pooling(&self) -> Result<Option<TokenPooling>, CliError> {
        let Some(factor) = self.pool_factor else { return Ok(None) };
        let pooling = TokenPooling::by(factor);
        let argument = "--pool-factor".to_owned();
        let reason = format!("is {factor}; 1 and more are taken");
        pooling.check().map_err(|_| CliError::Usage { argument, reason })?;
        Ok(Some(pooling))
    }
}

/// A codec by its name, or by the file that holds its tables.
#[derive(Clone, Debug, PartialEq)]
pub enum CodecArg {
    Named(Codec),
    File(PathBuf),
}

impl FromStr for CodecArg {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let named = Codec::from_name(text).map(CodecArg::Named);
        Ok(named.unwrap_or_else(|| CodecArg::File(PathBuf::from(text))))
    }
}

impl fmt::Display for CodecArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecArg::Named(codec) => f.write_str(codec.name()),
            CodecArg::File(path) => path.display().fmt(f),
        }
    }
}

impl CodecArg {
    /// The codec.
    ///
    /// # Errors
    /// A file that cannot be read, or that holds no codec.
    pub fn load(&self) -> Result<Codec, CliError> {
        match self {
            CodecArg::Named(codec) => Ok(codec.clone()),
            CodecArg::File(path) => Ok(Codec::Residual(read(path)?)),
        }
    }
}

/// The codec of a file.
///
/// # Errors
/// A file that cannot be read, or that holds no codec.
pub fn read(path: &Path) -> Result<Arc<ResidualCodec>, CliError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
    read.map_err(|source| CliError::read(path, source))?;
    Ok(Arc::new(ResidualCodec::read(&path.display().to_string(), &bytes)?))
}
