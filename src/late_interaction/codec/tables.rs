//! The file of a residual codec, for those who store and those who read.
//!
//! A safetensors file with these tensors:
//!
//! ```text
//! centroids        F32 [K, dimension], or F16
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
use super::scalar::{from_f16, to_f16};
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
        let ([_, dimension], centroids) = match container.is_of("centroids", Dtype::F16) {
            true => {
                let (shape, bits) = container.take::<u16, 2>("centroids")?;
                (shape, from_f16(&bits))
            }
            false => container.take::<f32, 2>("centroids")?,
        };
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
        self.write_with(Dtype::F32, Stored::write(&self.parts().centroids))
    }

    /// The file's bytes, with centroids of type F16 where halves hold all of them to the value.
    pub(crate) fn write_small(&self) -> Vec<u8> {
        let centroids = &self.parts().centroids;
        let bits = to_f16(centroids);
        match from_f16(&bits)
            .iter()
            .zip(centroids)
            .all(|(half, value)| half.to_bits() == value.to_bits())
        {
            true => self.write_with(Dtype::F16, Stored::write(&bits)),
            false => self.write(),
        }
    }

    fn write_with(&self, dtype: Dtype, centroids: Vec<u8>) -> Vec<u8> {
        let parts = self.parts();
        let mut metadata = vec![
            ("format", FORMAT.to_owned()),
            ("version", "1".to_owned()),
            ("nbits", parts.nbits.to_string()),
        ];
        metadata.extend(parts.embedding_id.clone().map(|id| ("embeddingId", id)));
        let shape = vec![self.centroid_count() as u64, parts.dimension as u64];
        let mut tensors = vec![(Described { name: "centroids", dtype, shape }, centroids)];
        let tables = [
            ("bucket_cutoffs", &parts.cutoffs),
            ("bucket_weights", &parts.weights),
            ("avg_residual", &parts.avg_residual),
        ];
        for (name, values) in tables.into_iter().filter(|(_, values)| !values.is_empty()) {
            let (dtype, shape) = (Dtype::F32, vec![values.len() as u64]);
            tensors.push((Described { name, dtype, shape }, Stored::write(values)));
        }
        // Stable: numbers of four bytes come first, and stay where they are multiples of their size.
        tensors.sort_by_key(|(described, _)| std::cmp::Reverse(described.dtype.bitsize()));
        let (described, values): (Vec<_>, Vec<_>) = tensors.into_iter().unzip();
        let header = header(&metadata, &described);
        values.into_iter().fold(header, |bytes, values| [bytes, values].concat())
    }
}
