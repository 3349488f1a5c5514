//! What is this file? Of embeddings all that can be told without the tables that they are read with.

use super::Codec;
use super::container::Container;
use super::file::{self, EmbeddingsInfo};
use super::residual::ResidualCodec;
use super::tables;
use crate::error::Result;

/// A file with embeddings or a codec.
#[derive(Debug)]
pub enum VectorFile {
    Embeddings(EmbeddingsFacts),
    Codec(ResidualCodec),
}

/// What an embeddings file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingsFacts {
    /// Name of the codec.
    pub codec: &'static str,
    /// Of a residual one.
    pub codec_id: Option<String>,
    pub dimension: usize,
    pub texts: usize,
    /// Rows of all texts.
    pub rows: u64,
    /// Bytes of all rows.
    pub bytes: usize,
    pub info: EmbeddingsInfo,
}

impl VectorFile {
    /// Reads a file; `file` is how errors name it.
    ///
    /// # Errors
    /// [`crate::Error::InvalidVectors`], naming the field or the tensor.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self> {
        let container = Container::open(file, bytes)?;
        match container.needed("format")? {
            tables::FORMAT => ResidualCodec::read(file, bytes).map(VectorFile::Codec),
            _ => EmbeddingsFacts::of(&container).map(VectorFile::Embeddings),
        }
    }
}

impl EmbeddingsFacts {
    fn of(container: &Container<'_>) -> Result<Self> {
        container.check_format(file::FORMAT)?;
        let name = container.needed("codec")?;
        let codec = Codec::NAMES.iter().find(|codec| **codec == name);
        let (_, lengths) = container.take::<u32, 1>("lengths")?;
        let owned = |field| Ok(container.text(field)?.map(str::to_owned));
        Ok(Self {
            codec: codec.ok_or_else(|| file::unknown_codec(container, name))?,
            codec_id: owned("codecId")?,
            dimension: container.number("dimension")?,
            texts: lengths.len(),
            rows: lengths.into_iter().map(u64::from).sum(),
            bytes: ["embeddings", "scales", "codes", "residuals"]
                .iter()
                .map(|name| container.bytes(name))
                .sum(),
            info: file::info(container)?,
        })
    }
}
