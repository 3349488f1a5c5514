//! The file of a residual codec, for those who store and those who read.
//!
//! A safetensors file with these tensors:
//!
//! ```text
//! centroids        F32 [K, dimension]
//! bucket_cutoffs   F32 [2^nbits - 1]
//! bucket_weights   F32 [2^nbits]
//! avg_residual     F32 [dimension]; optional
//! ```
//!
//! and in its `__metadata__` `format` "tabrank-codec", `version` "1", `nbits` "1", "2", "4" or "8", and, if it is known,
//! `embeddingId`: the model whose embeddings the codec was made of. Names are those of fast-plaid's and next-plaid's files.

use safetensors::Dtype;

use super::container::{Container, Described, Stored, header};
use super::residual::{ResidualCodec, ResidualParts};
use crate::error::Result;

/// What the metadata's `format` is.
pub(super) const FORMAT: &str = "tabrank-codec";

impl ResidualCodec {
    /// Reads a codec's file; `file` is how errors name it.
    ///
    /// # Errors
    /// [`crate::Error::InvalidVectors`], naming the field or the tensor.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self> {
        let container = Container::open(file, bytes)?;
        container.check_format(FORMAT)?;
        let nbits = container.number("nbits")?;
        let ([_, dimension], centroids) = container.take::<f32, 2>("centroids")?;
        let avg_residual = container.find_shaped("avg_residual", [dimension])?;
        let parts = ResidualParts {
            dimension,
            nbits,
            centroids,
            cutoffs: container.take::<f32, 1>("bucket_cutoffs")?.1,
            weights: container.take::<f32, 1>("bucket_weights")?.1,
            avg_residual: avg_residual.unwrap_or_default(),
            embedding_id: container.text("embeddingId")?.map(str::to_owned),
        };
        Self::new(parts).map_err(|error| error.in_file(file))
    }

    /// The file's bytes.
    pub fn write(&self) -> Vec<u8> {
        let parts = self.parts();
        let mut metadata = vec![
            ("format", FORMAT.to_owned()),
            ("version", "1".to_owned()),
            ("nbits", parts.nbits.to_string()),
        ];
        metadata.extend(parts.embedding_id.clone().map(|id| ("embeddingId", id)));
        let rows = self.centroid_count();
        let all: [(_, &[f32], Vec<usize>); 4] = [
            ("centroids", &parts.centroids, vec![rows, parts.dimension]),
            ("bucket_cutoffs", &parts.cutoffs, vec![parts.cutoffs.len()]),
            ("bucket_weights", &parts.weights, vec![parts.weights.len()]),
            ("avg_residual", &parts.avg_residual, vec![parts.dimension]),
        ];
        let given = all.iter().filter(|(_, values, _)| !values.is_empty());
        let described = given.clone().map(|(name, _, shape)| Described {
            name,
            dtype: Dtype::F32,
            shape: shape.iter().map(|&size| size as u64).collect(),
        });
        let header = header(&metadata, &described.collect::<Vec<_>>());
        given.fold(header, |bytes, (_, values, _)| [bytes, Stored::write(values)].concat())
    }
}
