//! `--embeddings`: the corpus as it was encoded beforehand, in place of its texts' way through the model.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tabrank::late_interaction::codec::{CompressedEmbeddings, ResidualCodec};
use tabrank::{EmbeddingsFile, ModelInfo, TokenEmbeddings};

use super::data::{Data, nothing};
use super::stream::Batch;
use crate::cli::CliError;
use crate::cli::codec::read;
use crate::cli::progress::Progress;

/// Documents that are decompressed together.
const TOGETHER: usize = 64;

/// Embeddings of a whole corpus.
pub struct Corpus {
    embeddings: CompressedEmbeddings,
    /// Where those of each document are.
    positions: Vec<usize>,
}

impl Corpus {
    /// Reads a file of `tabrank encode`, whose indices are the corpus's lines.
    ///
    /// # Errors
    /// What cannot be read, another model's, and a document that is not in it.
    pub fn read(
        path: &Path,
        codecs: &[Arc<ResidualCodec>],
        data: &Data,
        model: &ModelInfo,
    ) -> Result<Self, CliError> {
        let file = EmbeddingsFile::read(&path.display().to_string(), &read(path)?, codecs)?;
        let other = file.info.embedding_id.is_some_and(|id| id != model.embedding_id);
        if other || file.embeddings.dimension() != model.dimension {
            return Err(nothing(path, "holds embeddings of another model"));
        }
        let count = file.embeddings.len() as u32;
        let lines = file.indices.unwrap_or_else(|| (0..count).collect());
        let places: HashMap<usize, usize> =
            lines.into_iter().map(|line| line as usize).zip(0..).collect();
        let position = |line: usize| places.get(&(line - 1)).copied();
        let positions: Option<Vec<usize>> =
            data.corpus.iter().map(|text| position(text.place.line)).collect();
        let positions = positions
            .ok_or_else(|| nothing(path, "lacks embeddings of a document of the corpus"))?;
        Ok(Self { embeddings: file.embeddings, positions })
    }

    /// Bytes of all of it.
    pub fn bytes(&self) -> usize {
        self.embeddings.bytes()
    }

    /// Hands the documents over, some at a time; as they are not encoded, no time is spent on that.
    ///
    /// # Errors
    /// What `each` answers.
    pub fn each(
        &self,
        mut each: impl FnMut(Batch<'_>) -> Result<(), CliError>,
    ) -> Result<Duration, CliError> {
        let mut progress = Progress::new("rank documents", self.positions.len());
        let none = TokenEmbeddings::new(1);
        for (at, positions) in self.positions.chunks(TOGETHER).enumerate() {
            let first = at * TOGETHER;
            let tokens = [self.embeddings.select(positions.iter().copied()).decompress()];
            each(Batch { first, pooled: &none, tokens: &tokens })?;
            progress.update(first + positions.len(), self.positions.len());
        }
        Ok(Duration::ZERO)
    }
}
