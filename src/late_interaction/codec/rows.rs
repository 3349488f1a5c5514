//! Rows as a codec stores them: all of a list's, or those of one document.

use std::ops::Range;

use half::f16;

use super::{Codec, scalar};
use crate::error::{Error, Result};
/// The rows of one document, or of several: see [`Rows`].
pub use crate::ops::CodedRows as DocumentRows;

/// Why numbers are refused.
pub(super) const NOT_FINITE: &str = "hold a number that is not finite";

/// The rows of several documents, row-major, document after document.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    F32(Vec<f32>),
    /// The bits of each half.
    F16(Vec<u16>),
    Int8 {
        codes: Vec<i8>,
        /// One a row.
        scales: Vec<f32>,
    },
    /// `⌈dimension / 8⌉` bytes a row.
    Binary(Vec<u8>),
    Residual {
        /// The centroid of each row.
        codes: Vec<u32>,
        /// `dimension · nbits / 8` bytes a row.
        residuals: Vec<u8>,
    },
}

impl Rows {
    /// None yet.
    pub fn new(codec: &Codec) -> Self {
        match codec {
            Codec::F32 => Rows::F32(Vec::new()),
            Codec::F16 => Rows::F16(Vec::new()),
            Codec::Int8 => Rows::Int8 { codes: Vec::new(), scales: Vec::new() },
            Codec::Binary => Rows::Binary(Vec::new()),
            Codec::Residual(_) => Rows::Residual { codes: Vec::new(), residuals: Vec::new() },
        }
    }

    /// All of them.
    pub fn view(&self) -> DocumentRows<'_> {
        match self {
            Rows::F32(values) => DocumentRows::F32(values),
            Rows::F16(values) => DocumentRows::F16(values),
            Rows::Int8 { codes, scales } => DocumentRows::Int8 { codes, scales },
            Rows::Binary(bits) => DocumentRows::Binary(bits),
            Rows::Residual { codes, residuals } => DocumentRows::Residual { codes, residuals },
        }
    }

    /// Appends rows of the same codec; false, and nothing is appended, if they are of another.
    pub(super) fn append(&mut self, rows: DocumentRows<'_>) -> bool {
        match (self, rows) {
            (Rows::F32(all), DocumentRows::F32(more)) => all.extend_from_slice(more),
            (Rows::F16(all), DocumentRows::F16(more)) => all.extend_from_slice(more),
            (Rows::Int8 { codes: all, scales }, DocumentRows::Int8 { codes, scales: more }) => {
                all.extend_from_slice(codes);
                scales.extend_from_slice(more);
            }
            (Rows::Binary(all), DocumentRows::Binary(more)) => all.extend_from_slice(more),
            (
                Rows::Residual { codes: all, residuals },
                DocumentRows::Residual { codes, residuals: more },
            ) => {
                all.extend_from_slice(codes);
                residuals.extend_from_slice(more);
            }
            _ => return false,
        }
        true
    }
}

impl<'a> DocumentRows<'a> {
    /// Name of the codec that they are stored by.
    pub fn codec_name(&self) -> &'static str {
        match self {
            DocumentRows::F32(_) => "f32",
            DocumentRows::F16(_) => "f16",
            DocumentRows::Int8 { .. } => "int8",
            DocumentRows::Binary(_) => "binary",
            DocumentRows::Residual { .. } => "residual",
        }
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        match self {
            DocumentRows::F32(values) => size_of_val(*values),
            DocumentRows::F16(values) => size_of_val(*values),
            DocumentRows::Int8 { codes, scales } => codes.len() + size_of_val(*scales),
            DocumentRows::Binary(bits) => bits.len(),
            DocumentRows::Residual { codes, residuals } => size_of_val(*codes) + residuals.len(),
        }
    }

    /// Some of them, by their places.
    ///
    /// # Panics
    /// If there are not as many.
    pub(super) fn range(self, rows: Range<usize>, codec: &Codec, dimension: usize) -> Self {
        let width = match (self, codec) {
            (DocumentRows::Binary(_), _) => dimension.div_ceil(8),
            (DocumentRows::Residual { .. }, Codec::Residual(codec)) => codec.residual_bytes(),
            _ => dimension,
        };
        self.slice(rows, width)
    }

    /// The embeddings that they stand for, row-major.
    pub(super) fn decompress(self, codec: &Codec, dimension: usize) -> Vec<f32> {
        match (self, codec) {
            (DocumentRows::F32(values), _) => values.to_vec(),
            (DocumentRows::F16(values), _) => scalar::from_f16(values),
            (DocumentRows::Int8 { codes, scales }, _) => {
                scalar::from_int8(codes, scales, dimension)
            }
            (DocumentRows::Binary(bits), _) => scalar::from_binary(bits, dimension),
            (DocumentRows::Residual { codes, residuals }, Codec::Residual(codec)) => {
                codec.decompress(codes, residuals)
            }
            (DocumentRows::Residual { .. }, _) => unreachable!("rows are those of their codec"),
        }
    }

    /// Holds `rows` rows against their codec.
    ///
    /// # Errors
    /// [`Error::Argument`], by the name of the numbers.
    pub(super) fn check_against(self, rows: usize, codec: &Codec, dimension: usize) -> Result<()> {
        if self.codec_name() != codec.name() {
            let reason = format!("are rows of {}, not of {}", self.codec_name(), codec.name());
            return Err(Error::argument("embeddings", reason));
        }
        let size = |name: &str, found: usize, width: usize| match rows.checked_mul(width) {
            Some(expected) if expected == found => Ok(()),
            _ => {
                let reason = format!("hold {found} numbers; {rows} rows have {width} each");
                Err(Error::argument(name, reason))
            }
        };
        match self {
            DocumentRows::F32(values) => {
                size("embeddings", values.len(), dimension)?;
                finite("embeddings", values.iter().all(|value| value.is_finite()))
            }
            DocumentRows::F16(values) => {
                size("embeddings", values.len(), dimension)?;
                let all = values.iter().all(|&bits| f16::from_bits(bits).is_finite());
                finite("embeddings", all)
            }
            DocumentRows::Int8 { codes, scales } => {
                size("embeddings", codes.len(), dimension)?;
                size("scales", scales.len(), 1)?;
                check_int8(codes, scales)
            }
            DocumentRows::Binary(bits) => {
                size("embeddings", bits.len(), dimension.div_ceil(8))?;
                check_padding(bits, dimension)
            }
            DocumentRows::Residual { codes, residuals } => {
                let codec = codec.residual().expect("a name says which codec it is");
                size("codes", codes.len(), 1)?;
                size("residuals", residuals.len(), codec.residual_bytes())?;
                check_codes(codes, codec.centroid_count())
            }
        }
    }
}

fn finite(name: &str, all: bool) -> Result<()> {
    match all {
        true => Ok(()),
        false => Err(Error::argument(name, NOT_FINITE)),
    }
}

/// Products of codes and scales are finite, and no code is beyond those of the largest number.
fn check_int8(codes: &[i8], scales: &[f32]) -> Result<()> {
    finite("scales", scales.iter().all(|scale| scale.is_finite()))?;
    if scales.iter().any(|scale| !(scale * 127.0).is_finite()) {
        return Err(Error::argument(
            "scales",
            "hold a number whose product with a code is too large",
        ));
    }
    if scales.iter().any(|&scale| scale < 0.0) {
        return Err(Error::argument("scales", "hold a number below 0"));
    }
    match codes.contains(&i8::MIN) {
        true => Err(Error::argument("embeddings", "hold -128; codes of int8 are -127 to 127")),
        false => Ok(()),
    }
}

/// Bits behind the last dimension are zero, so that products of bits need not leave them out.
fn check_padding(bits: &[u8], dimension: usize) -> Result<()> {
    let padding = match dimension % 8 {
        0 => 0,
        used => 0xff >> used,
    };
    let mut last = bits.iter().skip(dimension.div_ceil(8) - 1).step_by(dimension.div_ceil(8));
    match last.any(|byte| byte & padding != 0) {
        true => Err(Error::argument("embeddings", "have a bit set behind the last dimension")),
        false => Ok(()),
    }
}

fn check_codes(codes: &[u32], centroids: usize) -> Result<()> {
    match codes.iter().find(|&&code| code as usize >= centroids) {
        Some(code) => {
            let reason = format!("hold {code}, and the codec has {centroids} centroids");
            Err(Error::argument("codes", reason))
        }
        None => Ok(()),
    }
}
