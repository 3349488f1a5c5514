//! How is a document stored in fewer bytes?
//!
//! | codec | a token of `d` dimensions | bytes |
//! | --- | --- | --- |
//! | `f32` | as it is | `4 d` |
//! | `f16` | each number rounded to the nearest half, ties to even | `2 d` |
//! | `int8` | `codes = round(x / scale)`, halves away from zero, `scale = max‖x‖ / 127`; `x ≈ codes · scale` | `d + 4` |
//! | `binary` | a bit a number, 1 where it is above zero; `x ≈ ±1 / √d` | `⌈d / 8⌉` |
//! | `residual` | the nearest centroid, and what is left of each number in `nbits` bits: see [`residual`] | `d · nbits / 8 + 4` |
//!
//! A row of zeros has the scale 0. Dimension 0 of `binary` is bit 7 of byte 0, and the bits behind the last dimension are 0.
//! Rows of `binary` and `residual` are unit vectors whatever they were made of; the others keep their length.
//!
//! Codecs of other kinds of rows are refused by name, and so are numbers that are not finite: what has become
//! [`CompressedEmbeddings`] can be scored.

pub mod file;
pub mod residual;

mod clusters;
mod compressed;
mod container;
mod facts;
mod rows;
mod scalar;
mod tables;
mod train;

use std::sync::Arc;

pub(crate) use clusters::Clusters;
pub use compressed::CompressedEmbeddings;
pub use facts::{EmbeddingsFacts, VectorFile};
pub use residual::ResidualCodec;
pub use rows::{DocumentRows, Rows};
pub use train::TrainOptions;

use crate::error::{Error, Result};
use crate::late_interaction::embeddings::TokenEmbeddings;

/// A way to store embeddings.
#[derive(Debug, Clone, PartialEq)]
pub enum Codec {
    F32,
    F16,
    Int8,
    Binary,
    Residual(Arc<ResidualCodec>),
}

impl Codec {
    /// Names of all codecs, the exact one first.
    pub const NAMES: &[&str] = &["f32", "f16", "int8", "binary", "residual"];

    /// By its name; `None` for `residual`, which is nothing without its tables, and for what is no codec.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "f32" => Some(Codec::F32),
            "f16" => Some(Codec::F16),
            "int8" => Some(Codec::Int8),
            "binary" => Some(Codec::Binary),
            _ => None,
        }
    }

    /// As files and callers name it.
    pub fn name(&self) -> &'static str {
        match self {
            Codec::F32 => "f32",
            Codec::F16 => "f16",
            Codec::Int8 => "int8",
            Codec::Binary => "binary",
            Codec::Residual(_) => "residual",
        }
    }

    /// The residual codec, if it is one.
    pub fn residual(&self) -> Option<&Arc<ResidualCodec>> {
        match self {
            Codec::Residual(codec) => Some(codec),
            _ => None,
        }
    }

    /// Bytes of a token.
    pub fn row_bytes(&self, dimension: usize) -> usize {
        match self {
            Codec::F32 => 4 * dimension,
            Codec::F16 => 2 * dimension,
            Codec::Int8 => dimension + 4,
            Codec::Binary => dimension.div_ceil(8),
            Codec::Residual(codec) => codec.residual_bytes() + 4,
        }
    }

    /// Stores embeddings.
    ///
    /// # Errors
    /// [`Error::Argument`] if a number is not finite, if one is beyond what f16 holds, or if a residual codec is of another width.
    pub fn compress(&self, embeddings: &TokenEmbeddings) -> Result<CompressedEmbeddings> {
        let (values, dimension) = (embeddings.values(), embeddings.dimension());
        self.check_dimension(dimension)?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::argument("embeddings", rows::NOT_FINITE));
        }
        let rows = match self {
            Codec::F32 => Rows::F32(values.to_vec()),
            Codec::F16 => Rows::F16(scalar::to_f16(values)),
            Codec::Int8 => scalar::to_int8(values, dimension),
            Codec::Binary => Rows::Binary(scalar::to_binary(values, dimension)),
            Codec::Residual(codec) => codec.compress(values),
        };
        CompressedEmbeddings::from_parts(
            self.clone(),
            dimension,
            embeddings.lengths().to_vec(),
            rows,
        )
    }

    /// # Errors
    /// [`Error::Argument`] if rows of this width cannot be stored so.
    fn check_dimension(&self, dimension: usize) -> Result<()> {
        let expected = self.residual().map_or(dimension, |codec| codec.dimension());
        match dimension {
            0 => Err(Error::argument("dimension", "is 0")),
            _ if dimension != expected => {
                let reason = format!("is for rows of {expected}, and these have {dimension}");
                Err(Error::argument("codec", reason))
            }
            _ => Ok(()),
        }
    }
}
