//! What do codes stand for? See [`super::maxsim_coded`].

use std::ops::Range;

/// Rows of one document or of several under each other, as they were stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CodedRows<'a> {
    /// `[rows, dimension]`.
    F32(&'a [f32]),
    /// Bits of half floats, `[rows, dimension]`.
    F16(&'a [u16]),
    /// `[rows, dimension]` and `[rows]`.
    Int8 { codes: &'a [i8], scales: &'a [f32] },
    /// `[rows, ⌈dimension / 8⌉]`.
    Binary(&'a [u8]),
    /// `[rows]` centroids and `[rows, dimension · nbits / 8]` packed buckets.
    Residual { codes: &'a [u32], residuals: &'a [u8] },
}

/// What residual codes are read with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResidualTables<'a> {
    pub dimension: usize,
    /// Bits of a bucket: 1, 2, 4 or 8.
    pub nbits: usize,
    /// `[centroids, dimension]`.
    pub centroids: &'a [f32],
    /// `[2^nbits]`.
    pub weights: &'a [f32],
}

impl ResidualTables<'_> {
    /// The bucket of one dimension in a packed row.
    pub fn bucket(&self, residuals: &[u8], place: usize) -> usize {
        let values = 8 / self.nbits;
        let (byte, first) = (residuals[place / values], place % values * self.nbits);
        let bit = |bit: usize| usize::from(byte >> (7 - first - bit) & 1) << bit;
        (0..self.nbits).map(bit).sum()
    }
}

impl<'a> CodedRows<'a> {
    /// Some of the rows, each of `width` numbers.
    pub(crate) fn slice(self, rows: Range<usize>, width: usize) -> Self {
        let numbers = rows.start * width..rows.end * width;
        match self {
            Self::F32(values) => Self::F32(&values[numbers]),
            Self::F16(values) => Self::F16(&values[numbers]),
            Self::Int8 { codes, scales } => {
                Self::Int8 { codes: &codes[numbers], scales: &scales[rows] }
            }
            Self::Binary(bytes) => Self::Binary(&bytes[numbers]),
            Self::Residual { codes, residuals } => {
                Self::Residual { codes: &codes[rows], residuals: &residuals[numbers] }
            }
        }
    }

    /// Panics unless there are `rows` of `width` numbers.
    pub(super) fn check(self, rows: usize, width: usize) {
        let (numbers, beside) = match self {
            Self::F32(values) => (values.len(), rows),
            Self::F16(values) => (values.len(), rows),
            Self::Int8 { codes, scales } => (codes.len(), scales.len()),
            Self::Binary(bytes) => (bytes.len(), rows),
            Self::Residual { codes, residuals } => (residuals.len(), codes.len()),
        };
        assert_eq!(
            [Some(numbers), Some(beside)],
            [rows.checked_mul(width), Some(rows)],
            "whole rows"
        );
    }
}
