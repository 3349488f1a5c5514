//! How is a weight stored in fewer bytes?
//!
//! A [`Matrix`] is a weight `[rows, columns]`, rows being outputs as in PyTorch, in the type it is stored in:
//!
//! ```text
//! f32, f16   w[r][c]
//! q8         w[r][c] = equalizer[c] · scale[r][c / 64] · code[r][c]
//! q4         w[r][c] = equalizer[c] · scale[r][c / 32] · (nibble[r][c] - 8)
//! ```
//!
//! A row of q4 begins with a byte of its own, and each row with a scale: where columns are no multiple of a block, its last block
//! is short. A table in q8 has one scale a row, as had every matrix in bundles before version 3.
//!
//! The equalizer is a factor for each input channel, moved from the weights to the activations (SmoothQuant, Xiao
//! et al., 2023): a product multiplies its input by it before the input is quantized, so that neither side holds all
//! the large channels. It is 1 where a matrix has none.
//!
//! Codes of products stay within [`PRODUCT_CODE`]: with activations of 0 to 127 four products sum to at most 4 · 127 · 63, which
//! fits 16 bits, so that a dot product of bytes is exact on every instruction set. The vocabulary table is no operand of a product
//! and uses the whole byte.

use half::f16;

/// Largest magnitude of a q8 code in a matrix that is multiplied.
pub const PRODUCT_CODE: i8 = 63;
/// Largest magnitude of a q8 code in a table that is looked up.
pub const TABLE_CODE: i8 = 127;
/// Input channels that share a q8 scale in a matrix that is multiplied.
pub const Q8_BLOCK: usize = 64;
/// Input channels that share a q4 scale.
pub const Q4_BLOCK: usize = 32;
/// What a q4 nibble of value zero holds.
pub const NIBBLE_ZERO: u8 = 8;

/// The type that a bundle's matrices are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    F32,
    F16,
    Q8,
    Q4,
}

impl Dtype {
    /// All types, largest first.
    pub const ALL: [Dtype; 4] = [Dtype::F32, Dtype::F16, Dtype::Q8, Dtype::Q4];

    /// The name that users write: `f32`, `f16`, `q8`, `q4`.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Q8 => "q8",
            Dtype::Q4 => "q4",
        }
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

/// The nibble of a column in its row.
pub fn nibble(row: &[u8], column: usize) -> u8 {
    (row[column / 2] >> (4 * (column % 2))) & 15
}

/// A weight, row-major, in its stored type.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Values,
    /// A factor for each column; `None` for ones.
    pub equalizer: Option<Vec<f32>>,
}

/// The numbers of a [`Matrix`].
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    /// `codes` `[rows, columns]`, `scales` `[rows, ⌈columns / 64⌉]`, or `[rows]` where each row has one.
    Q8 {
        codes: Vec<i8>,
        scales: Vec<f32>,
    },
    /// `nibbles` `[rows, ⌈columns / 2⌉]`, the even column in the low half and 8 behind the last; `scales`
    /// `[rows, ⌈columns / 32⌉]`.
    Q4 {
        nibbles: Vec<u8>,
        scales: Vec<f16>,
    },
}

impl Matrix {
    /// A matrix of plain numbers.
    pub fn f32(rows: usize, columns: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), rows * columns, "one value for each place");
        Self { rows, columns, values: Values::F32(values), equalizer: None }
    }

    /// The type it is stored in.
    pub fn dtype(&self) -> Dtype {
        match self.values {
            Values::F32(_) => Dtype::F32,
            Values::F16(_) => Dtype::F16,
            Values::Q8 { .. } => Dtype::Q8,
            Values::Q4 { .. } => Dtype::Q4,
        }
    }

    /// Adds row `row` to `sum`, which has one value a column.
    pub fn add_row(&self, row: usize, sum: &mut [f32]) {
        let columns = self.columns;
        let places = row * columns..(row + 1) * columns;
        let each = sum.iter_mut().enumerate();
        let factor = |column: usize| self.equalizer.as_ref().map_or(1.0, |e| e[column]);
        match &self.values {
            Values::F32(values) => {
                each.for_each(|(c, s)| *s += factor(c) * values[places.start + c])
            }
            Values::F16(values) => {
                each.for_each(|(c, s)| *s += factor(c) * values[places.start + c].to_f32())
            }
            Values::Q8 { codes, scales } => {
                let count = scales.len() / self.rows;
                let width = if count == 1 { columns } else { Q8_BLOCK };
                let codes = codes[places].chunks(width).zip(&scales[row * count..]);
                let first = (0..columns).step_by(width);
                for ((sums, (codes, scale)), first) in sum.chunks_mut(width).zip(codes).zip(first) {
                    for (c, (s, &code)) in sums.iter_mut().zip(codes).enumerate() {
                        *s += factor(first + c) * (scale * f32::from(code));
                    }
                }
            }
            Values::Q4 { nibbles, scales } => {
                let nibbles = &nibbles[row * columns.div_ceil(2)..];
                let scales = &scales[row * columns.div_ceil(Q4_BLOCK)..];
                each.for_each(|(c, s)| {
                    let code = f32::from(nibble(nibbles, c)) - f32::from(NIBBLE_ZERO);
                    *s += factor(c) * (scales[c / Q4_BLOCK].to_f32() * code);
                });
            }
        }
    }

    /// All values, row-major.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.rows * self.columns];
        for (row, sum) in values.chunks_exact_mut(self.columns).enumerate() {
            self.add_row(row, sum);
        }
        values
    }

    /// The rows of several matrices of one type under each other; `None` if their types or equalizers differ.
    pub fn stack(parts: &[Matrix]) -> Option<Matrix> {
        let (first, more) = parts.split_first()?;
        let mut stacked = first.clone();
        more.iter().all(|part| stacked.append(part)).then_some(stacked)
    }

    /// Makes room for `rows` more rows, so that appending them moves nothing.
    pub fn reserve(&mut self, rows: usize) {
        let (codes, blocks) = (rows * self.columns, rows * self.columns.div_ceil(Q4_BLOCK));
        match &mut self.values {
            Values::F32(values) => values.reserve_exact(codes),
            Values::F16(values) => values.reserve_exact(codes),
            Values::Q8 { codes: all, scales } => {
                all.reserve_exact(codes);
                scales.reserve_exact(rows * (scales.len() / self.rows));
            }
            Values::Q4 { nibbles, scales } => {
                nibbles.reserve_exact(rows * self.columns.div_ceil(2));
                scales.reserve_exact(blocks);
            }
        }
    }

    /// Adds the rows of another matrix; false if its width, type or equalizer is another one.
    pub fn append(&mut self, part: &Matrix) -> bool {
        if part.columns != self.columns || part.equalizer != self.equalizer {
            return false;
        }
        match (&mut self.values, &part.values) {
            (Values::F32(all), Values::F32(more)) => all.extend_from_slice(more),
            (Values::F16(all), Values::F16(more)) => all.extend_from_slice(more),
            (
                Values::Q8 { codes, scales },
                Values::Q8 { codes: more_codes, scales: more_scales },
            ) if scales.len() / self.rows == more_scales.len() / part.rows => {
                codes.extend_from_slice(more_codes);
                scales.extend_from_slice(more_scales);
            }
            (
                Values::Q4 { nibbles, scales },
                Values::Q4 { nibbles: more_nibbles, scales: more_scales },
            ) => {
                nibbles.extend_from_slice(more_nibbles);
                scales.extend_from_slice(more_scales);
            }
            _ => return false,
        }
        self.rows += part.rows;
        true
    }
}
