//! `--codec` and `--pool-factor`: in how many bytes embeddings are stored.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use tabrank::TokenPooling;
use tabrank::late_interaction::codec::Codec;

use super::CliError;
use super::codec::read_codec;

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
        self.pool_factor.map(pooling_by).transpose()
    }
}

/// The pooling of a factor.
///
/// # Errors
/// [`CliError::Usage`]: a factor below 1.
pub fn pooling_by(factor: f64) -> Result<TokenPooling, CliError> {
    let pooling = TokenPooling::by(factor);
    let argument = "--pool-factor".to_owned();
    let reason = format!("is {factor}; 1 and more are taken");
    pooling.check().map_err(|_| CliError::Usage { argument, reason })?;
    Ok(pooling)
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
    /// A name of no codec and no file, a file that cannot be read, or one that holds no codec.
    pub fn load(&self) -> Result<Codec, CliError> {
        match self {
            CodecArg::Named(codec) => Ok(codec.clone()),
            CodecArg::File(path) if !path.exists() && path.components().count() == 1 => {
                let reason = format!("is {}, which is neither a codec nor a file", path.display());
                Err(CliError::Usage { argument: "--codec".to_owned(), reason })
            }
            CodecArg::File(path) => Ok(Codec::Residual(read_codec(path)?)),
        }
    }
}
