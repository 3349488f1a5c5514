//! Which rows of a document may be nearest to a row of the query? Found by exact products of small whole numbers, of which it
//! is known how far they may be from the similarities that they stand for.
//!
//! With `q = s·a + e` and `d = t·b + f`, of codes `a` and `b` and what rounding left, `q · d` is no farther from `s·t · (a · b)`
//! than `‖q‖·‖f‖ + ‖e‖·‖t·b‖`. All is divided by the step `s` of the query's row, so that a document's row has one bound for all of
//! them. How fine the codes are changes how many rows are near enough to be compared in f32, and no score.

use super::PANEL;
use super::codes::{code, copy, encode, extent, larger};
use super::dot::{Activation, Code, OFFSET, STEP, TILE_ROWS, tiles};

/// Rows of a block: few enough to stay in the first cache beside the query.
pub(super) const ROWS: usize = 32;
/// Largest codes, of a document's row that has none of its own and of the query's: with [`INPUTS`] of them sums fit 32 bits.
const DOCUMENT_CODE: f32 = if OFFSET == 0 { 511.0 } else { 127.0 };
const QUERY_CODE: f32 = if OFFSET == 0 { 511.0 } else { 63.0 };
const INPUTS: usize = 8_192;
/// Largest magnitude: similarities of such values are far below [`crate::ops::plain::LIMIT`].
const LARGEST: f32 = 1e12;
/// A finer step would have no inverse.
const LEAST_STEP: f32 = 1e-30;
/// Squares below the least number of f32 count as this.
const LEAST_SQUARE: f32 = 1e-37;
/// What f32 may lose for each product that is added up, and for some factors, with room.
const ROUNDING: f32 = 2e-7;

/// A query's codes.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    /// `[rows / PANEL, inputs / STEP, PANEL, STEP]`, [`OFFSET`] added to each.
    panels: Vec<Code>,
    inputs: usize,
    /// Inputs in whole steps.
    stride: usize,
    /// `√inputs`.
    root: f32,
    /// `1 / s` of each row.
    inverses: Vec<f32>,
    /// Largest `‖q‖ / s` of a row.
    length: f32,
    /// Largest `‖e‖ / s`.
    error: f32,
}

/// Document rows as codes.
pub(super) struct Block {
    /// `[ROWS, stride]`, zero behind the inputs.
    codes: Vec<Activation>,
    rows: Vec<Coded>,
}

/// What is known of a row of codes.
#[derive(Clone, Copy)]
struct Coded {
    step: f32,
    /// What the offset of the query's codes adds to each exact sum.
    offset: i32,
    /// How far a similarity may be off.
    slack: f32,
}

impl Screen {
    /// Nothing if a value is too large or NaN, or if rows are too wide.
    pub(super) fn new(rows: &[f32], inputs: usize) -> Option<Self> {
        let stride = inputs.next_multiple_of(STEP);
        let mut codes: Vec<Code> = Vec::with_capacity(rows.len() / inputs * stride);
        let (mut length, mut error) = (0.0, 0.0);
        let mut inverses = Vec::new();
        for row in rows.chunks_exact(inputs) {
            let [largest, squares] = extent(row);
            let step = step(largest, QUERY_CODE);
            let rounded = row.iter().map(|&value| code(value, 1.0 / step));
            let lost =
                row.iter().zip(rounded.clone()).map(|(value, code)| value - code as f32 * step);
            inverses.push(1.0 / step);
            length = larger(length, squares.sqrt() / step);
            error = larger(error, lost.map(|lost| lost * lost).sum::<f32>().sqrt() / step);
            codes.extend(rounded.map(|code| code as Code));
            codes.resize(codes.len().next_multiple_of(stride), 0);
        }
        let fits = rows.iter().all(|value| value.abs() <= LARGEST) && inputs <= INPUTS;
        let (panels, root) = (panels(&codes, stride), (inputs as f32).sqrt());
        fits.then_some(Self { panels, inputs, stride, root, inverses, length, error })
    }

    /// An empty block.
    pub(super) fn block(&self) -> Block {
        Block { codes: vec![0; ROWS * self.stride], rows: Vec::with_capacity(ROWS) }
    }

    /// Adds a row, times `factor`; nothing if a value is too large or NaN.
    #[inline(never)]
    pub(super) fn push(&self, block: &mut Block, row: &[f32], factor: f32) -> Option<()> {
        let [largest, squares] = extent(row);
        let step = step(largest, DOCUMENT_CODE);
        let sum = encode(row, 1.0 / step, self.place(block));
        let length = (squares + LEAST_SQUARE * self.root * self.root).sqrt() * factor;
        self.add(block, step * factor, sum, length, 0.5 * self.root * step * factor);
        (squares <= LARGEST * LARGEST).then_some(())
    }

    /// Adds a row of codes, times `factor`; nothing if that is too large or NaN.
    #[inline(never)]
    pub(super) fn push_codes(&self, block: &mut Block, row: &[i8], factor: f32) -> Option<()> {
        let [sum, squares] = copy(row, self.place(block));
        self.add(block, factor, sum, factor.abs() * (squares as f32).sqrt(), 0.0);
        (factor.abs() <= LARGEST).then_some(())
    }

    /// What `least` says of a row of the query, once a similarity with it is known.
    pub(super) fn at_least(&self, row: usize, similarity: f32) -> f32 {
        similarity * self.inverses[row]
    }

    /// Where the codes of a block's next row go.
    fn place<'b>(&self, block: &'b mut Block) -> &'b mut [Activation] {
        &mut block.codes[block.rows.len() * self.stride..][..self.inputs]
    }

    /// A row whose codes have this sum, of this `‖d‖` and at most this `‖f‖`.
    fn add(&self, block: &mut Block, step: f32, sum: i32, length: f32, lost: f32) {
        let coding = self.length * lost + self.error * (length + lost);
        let sums = self.inputs as f32 + 16.0;
        let rounding = ROUNDING * sums * self.length * (length + lost);
        let offset = i32::from(OFFSET).wrapping_mul(sum);
        block.rows.push(Coded { step, offset, slack: 1.02 * coding + rounding });
    }

    /// Writes the similarities of a block's rows to `out` `[rows, lanes]`, and to `least` what the largest of each lane is at least.
    #[inline(never)]
    pub(super) fn similarities(&self, block: &Block, out: &mut [f32], least: &mut [f32]) {
        let (tile, lanes) = (tiles(), least.len() / PANEL);
        let (out, _) = out.as_chunks_mut::<PANEL>();
        let panels = self.panels.chunks_exact(self.stride * PANEL);
        let mut exact = [[0i32; PANEL]; TILE_ROWS];
        for (panel, (codes, least)) in panels.zip(least.as_chunks_mut().0).enumerate() {
            for (group, rows) in block.rows.chunks(TILE_ROWS).enumerate() {
                let activations = &block.codes[group * TILE_ROWS * self.stride..];
                tile(&activations[..rows.len() * self.stride], self.stride, codes, &mut exact);
                for (place, (row, exact)) in rows.iter().zip(&exact).enumerate() {
                    row.take(exact, &mut out[(group * TILE_ROWS + place) * lanes + panel], least);
                }
            }
        }
    }
}

impl Block {
    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }

    /// How far each row's similarities may be off.
    pub(super) fn slacks(&self) -> impl Iterator<Item = f32> {
        self.rows.iter().map(|row| row.slack)
    }
}

impl Coded {
    #[inline(always)]
    fn take(&self, exact: &[i32; PANEL], out: &mut [f32; PANEL], least: &mut [f32; PANEL]) {
        for lane in 0..PANEL {
            let similarity = (exact[lane] - self.offset) as f32 * self.step;
            out[lane] = similarity;
            least[lane] = larger(similarity - self.slack, least[lane]);
        }
    }
}

fn step(largest: f32, most: f32) -> f32 {
    larger(largest * (1.0 / most), LEAST_STEP)
}

/// Codes `[rows, stride]` in panels.
fn panels(codes: &[Code], stride: usize) -> Vec<Code> {
    let rows = codes.len() / stride;
    let mut packed = Vec::with_capacity(rows.next_multiple_of(PANEL) * stride);
    for first in (0..rows).step_by(PANEL) {
        for step in (0..stride).step_by(STEP) {
            for row in first..first + PANEL {
                let of = |input| if row < rows { codes[row * stride + input] } else { 0 };
                packed.extend(
                    (step..step + STEP).map(|input| of(input).wrapping_add(Code::from(OFFSET))),
                );
            }
        }
    }
    packed
}
