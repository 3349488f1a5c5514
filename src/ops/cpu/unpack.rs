//! The rows that codes stand for, one at a time: see [`crate::ops::plain::decoded`].

use std::ops::Range;

use super::codes::{extent, larger};
use crate::ops::{CodedRows, ResidualTables};

/// How rows are read.
#[derive(Debug, Clone)]
pub(super) struct Unpacking<'a> {
    dimension: usize,
    residual: Option<Residual<'a>>,
}

#[derive(Debug, Clone)]
struct Residual<'a> {
    tables: ResidualTables<'a>,
    /// The weights of each byte's buckets: `[256, buckets of a byte]`.
    weights: Vec<f32>,
}

impl<'a> Unpacking<'a> {
    pub(super) fn new(dimension: usize, tables: Option<ResidualTables<'a>>) -> Self {
        let residual = tables.map(|tables| {
            assert_eq!(tables.dimension, dimension, "query and documents have one width");
            let bucket = |byte: u8, place: usize| tables.weights[tables.bucket(&[byte], place)];
            let byte = |byte: u8| (0..8 / tables.nbits).map(move |place| bucket(byte, place));
            Residual { tables, weights: (0..=u8::MAX).flat_map(byte).collect() }
        });
        Self { dimension, residual }
    }

    fn residual(&self) -> &Residual<'a> {
        self.residual.as_ref().expect("residual codes have tables")
    }

    /// Numbers of a row as it came: values, codes or bytes.
    pub(super) fn width(&self, rows: CodedRows<'_>) -> usize {
        match rows {
            CodedRows::F32(_) | CodedRows::F16(_) | CodedRows::Int8 { .. } => self.dimension,
            CodedRows::Binary(_) => self.dimension.div_ceil(8),
            CodedRows::Residual { .. } => self.dimension * self.residual().tables.nbits / 8,
        }
    }

    /// How many rows there are.
    ///
    /// # Panics
    /// If they are not whole.
    pub(super) fn count(&self, rows: CodedRows<'_>) -> usize {
        let numbers = match rows {
            CodedRows::F32(values) => values.len(),
            CodedRows::F16(bits) => bits.len(),
            CodedRows::Int8 { codes, .. } => codes.len(),
            CodedRows::Binary(bytes) => bytes.len(),
            CodedRows::Residual { residuals, .. } => residuals.len(),
        };
        let width = self.width(rows);
        rows.check(numbers / width, width);
        numbers / width
    }

    /// A row, itself or in `out`, and what it is to be multiplied by.
    pub(super) fn row<'r>(
        &self,
        rows: CodedRows<'r>,
        row: usize,
        out: &'r mut [f32],
    ) -> (&'r [f32], f32) {
        let width = self.width(rows);
        let numbers = row * width..(row + 1) * width;
        let factor = match rows {
            CodedRows::F32(values) => return (&values[numbers], 1.0),
            CodedRows::F16(bits) => {
                out.iter_mut().zip(&bits[numbers]).for_each(|(out, &bits)| *out = widened(bits));
                1.0
            }
            CodedRows::Int8 { codes, scales } => {
                let each = out.iter_mut().zip(&codes[numbers]);
                each.for_each(|(out, &code)| *out = scales[row] * f32::from(code));
                1.0
            }
            CodedRows::Binary(bytes) => {
                for (out, &byte) in out.chunks_mut(8).zip(&bytes[numbers]) {
                    let signs = out.iter_mut().zip(SIGNS[usize::from(byte)]);
                    signs.for_each(|(out, sign)| *out = f32::from(sign));
                }
                self.length_of_signs()
            }
            CodedRows::Residual { codes, residuals } => {
                self.residual().row(codes[row], &residuals[numbers], out)
            }
        };
        (out, factor)
    }

    /// Some rows of whole numbers as they came, and what each is to be multiplied by; nothing of codecs with other numbers.
    pub(super) fn codes<'r>(
        &self,
        rows: CodedRows<'r>,
        some: Range<usize>,
    ) -> Option<(&'r [i8], &'r [f32])> {
        match rows {
            CodedRows::Int8 { codes, scales } => {
                let numbers = some.start * self.dimension..some.end * self.dimension;
                Some((&codes[numbers], &scales[some]))
            }
            _ => None,
        }
    }

    /// Where some rows lie, if all that they have lies together.
    pub(super) fn memory<'r>(&self, rows: CodedRows<'r>, some: Range<usize>) -> &'r [u8] {
        let numbers = some.start * self.dimension..some.end * self.dimension;
        match rows {
            CodedRows::F32(values) => bytemuck::cast_slice(&values[numbers]),
            CodedRows::F16(bits) => bytemuck::cast_slice(&bits[numbers]),
            CodedRows::Int8 { codes, .. } => bytemuck::cast_slice(&codes[numbers]),
            CodedRows::Binary(_) | CodedRows::Residual { .. } => &[],
        }
    }

    /// What a row of signs is multiplied by.
    pub(super) fn length_of_signs(&self) -> f32 {
        1.0 / (self.dimension as f32).sqrt()
    }
}

impl Residual<'_> {
    /// `centroid + weight`, and one over its length.
    fn row(&self, code: u32, bytes: &[u8], out: &mut [f32]) -> f32 {
        let dimension = self.tables.dimension;
        let centroid = &self.tables.centroids[code as usize * dimension..][..dimension];
        match self.tables.nbits {
            1 => self.add::<8>(centroid, bytes, out),
            2 => self.add::<4>(centroid, bytes, out),
            4 => self.add::<2>(centroid, bytes, out),
            _ => self.add::<1>(centroid, bytes, out),
        }
        let [_, squares] = extent(out);
        match squares.is_finite() {
            true => 1.0 / larger(squares.sqrt(), 1e-12),
            false => f32::NAN,
        }
    }

    /// With `N` buckets a byte.
    fn add<const N: usize>(&self, centroid: &[f32], bytes: &[u8], out: &mut [f32]) {
        let (weights, _) = self.weights.as_chunks::<N>();
        let each = out.as_chunks_mut::<N>().0.iter_mut().zip(centroid.as_chunks::<N>().0);
        for ((out, centroid), &byte) in each.zip(bytes) {
            let weights = &weights[usize::from(byte)];
            for place in 0..N {
                out[place] = centroid[place] + weights[place];
            }
        }
    }
}

/// What the bits of each byte stand for.
pub(super) static SIGNS: [[i8; 8]; 256] = {
    let mut signs = [[-1; 8]; 256];
    let mut place = 0;
    while place < 8 * 256 {
        let (byte, bit) = (place / 8, place % 8);
        if byte << bit & 128 > 0 {
            signs[byte][bit] = 1;
        }
        place += 1;
    }
    signs
};

/// A half float's value; a loop over this becomes vector instructions.
#[inline(always)]
fn widened(bits: u16) -> f32 {
    let magnitude = u32::from(bits & 0x7fff);
    // Read as f32, the exponent is 112 too low.
    let value = f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23);
    let nothing = if magnitude < 0x7c00 { 0 } else { f32::INFINITY.to_bits() };
    f32::from_bits(value.to_bits() | nothing | u32::from(bits & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::widened;

    #[test]
    fn every_half_float_is_widened() {
        for bits in 0..=u16::MAX {
            let (found, expected) = (widened(bits), f16::from_bits(bits).to_f32());
            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            assert!(same, "{bits:#06x}: {found}, not {expected}");
        }
    }
}
