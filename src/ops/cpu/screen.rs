//! Which rows of a document may be nearest to a row of the query? Found by exact products of small whole numbers, of which it
//! is known how far they may be from the similarities that they stand for.
//!
//! With `q = s·a + e` and `d = t·b + f`, of codes `a` and `b` and what rounding left, `q · d` is no farther from `s·t · (a · b)`
//! than `‖q‖·‖f‖ + ‖e‖·‖t·b‖`. All is divided by the step `s` of the query's row, so that a document's row has one bound for all of
//! them. How fine the codes are changes how many rows are near enough to be compared in f32, and no score.

use std::hint::black_box;

use super::PANEL;
use super::codes::{
    FINE_CODE, LARGEST_CODE, Totals, code, encode, extent, larger, totals, widened,
};
use super::dot::{Activation, Code, OFFSET, STEP, TILE_ROWS, tiles};

/// Rows of a block: few enough to stay in the first cache beside the query.
pub(super) const ROWS: usize = 32;
/// Bytes that a cache reads at once.
const LINE: usize = 64;
/// Largest code of the query's: with [`INPUTS`] of these and of a document's row sums fit 32 bits.
const QUERY_CODE: f32 = if OFFSET == 0 { 511.0 } else { 63.0 };
const INPUTS: usize = 8_192;
/// Largest magnitude: similarities of such values are far below [`crate::ops::plain::LIMIT`].
const LARGEST: f32 = 1e12;
/// A finer step would have no inverse.
const LEAST_STEP: f32 = 1e-30;
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
    /// `1 / s` of each row.
    inverses: Vec<f32>,
    /// Largest `‖q‖ / s` of a row.
    length: f32,
    /// Largest `‖e‖ / s`.
    error: f32,
}

/// What is known of up to [`ROWS`] document rows of codes.
pub(super) struct Block {
    rows: usize,
    totals: [Totals; ROWS],
    /// What a code of each row stands for.
    steps: [f32; ROWS],
    /// Largest `‖f‖` of a row over its step.
    lost: f32,
    /// The step of the last row that was measured: the next may do with it.
    step: f32,
    /// How far each row's similarities may be off.
    slacks: [f32; ROWS],
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
        let panels = panels(&codes, stride);
        fits.then_some(Self { panels, inputs, stride, inverses, length, error })
    }

    /// Room for the codes of a block's rows: `[ROWS, stride]`, zero behind the inputs.
    pub(super) fn room(&self) -> Vec<Activation> {
        vec![0; ROWS * self.stride]
    }

    /// Adds a row, times `factor`; nothing if a value is too large or NaN.
    #[inline(never)]
    pub(super) fn push(
        &self,
        block: &mut Block,
        room: &mut [Activation],
        row: &[f32],
        factor: f32,
    ) -> Option<()> {
        let place = &mut room[block.rows * self.stride..][..self.inputs];
        let mut totals = encode(row, 1.0 / block.step, place);
        if !(FINE_CODE..=LARGEST_CODE).contains(&totals.largest) {
            let [largest, squares] = extent(row);
            block.step = step(largest, LARGEST_CODE as f32);
            totals = encode(row, 1.0 / block.step, place);
            // Not of NaN either.
            (squares <= LARGEST * LARGEST).then_some(())?;
        }
        block.totals[block.rows] = totals;
        block.steps[block.rows] = block.step * factor;
        block.lost = 0.5 * (self.inputs as f32).sqrt();
        block.rows += 1;
        Some(())
    }

    /// Takes rows of codes, times `factors`, for all of a block's; nothing if a factor is too large or NaN. Answers where the products
    /// find the codes: where they are, or in the room for them.
    #[inline(never)]
    pub(super) fn take<'c>(
        &self,
        block: &mut Block,
        room: &'c mut [Activation],
        codes: &'c [i8],
        factors: &[f32],
    ) -> Option<&'c [Activation]> {
        (block.rows, block.lost) = (factors.len(), 0.0);
        block.steps[..factors.len()].copy_from_slice(factors);
        totals(codes, self.inputs, &mut block.totals[..factors.len()]);
        let fits = factors.iter().all(|factor| factor.abs() <= LARGEST);
        if self.inputs == self.stride {
            return fits.then(|| widened(codes, &mut room[..codes.len()]));
        }
        for (place, row) in room.chunks_exact_mut(self.stride).zip(codes.chunks_exact(self.inputs))
        {
            place.iter_mut().zip(row).for_each(|(place, &code)| *place = Activation::from(code));
        }
        fits.then_some(room)
    }

    /// What `least` says of a row of the query, once a similarity with it is known.
    pub(super) fn at_least(&self, row: usize, similarity: f32) -> f32 {
        similarity * self.inverses[row]
    }

    /// Writes the similarities of a block's rows to `out` `[rows, lanes]`, and to `least` what the largest of each lane is at least.
    ///
    /// What lies `ahead` is what will be read next: it comes nearer while there is nothing to wait for.
    #[inline(never)]
    pub(super) fn similarities(
        &self,
        block: &mut Block,
        codes: &[Activation],
        ahead: &[u8],
        out: &mut [f32],
        least: &mut [f32],
    ) {
        self.measure(block);
        let (tile, lanes) = (tiles(), least.len() / PANEL);
        let (out, _) = out.as_chunks_mut::<PANEL>();
        let panels = self.panels.chunks_exact(self.stride * PANEL);
        let products = panels.len() * block.rows.div_ceil(TILE_ROWS);
        let mut ahead = ahead.chunks(ahead.len().div_ceil(products).max(LINE));
        let mut exact = [[0i32; PANEL]; TILE_ROWS];
        for (panel, (packed, least)) in panels.zip(least.as_chunks_mut().0).enumerate() {
            for first in (0..block.rows).step_by(TILE_ROWS) {
                let rows = first..block.rows.min(first + TILE_ROWS);
                let codes = &codes[first * self.stride..rows.end * self.stride];
                if let Some(lines) = ahead.next() {
                    touch(lines);
                }
                tile(codes, self.stride, packed, &mut exact);
                for (row, exact) in rows.zip(&exact) {
                    block.take(row, exact, &mut out[row * lanes + panel], least);
                }
            }
        }
    }

    /// Finds how far similarities may be off.
    fn measure(&self, block: &mut Block) {
        let sums = self.inputs as f32 + 16.0;
        // Of a length over its step, and of what was lost over it.
        let rounding = ROUNDING * sums * self.length;
        let (of_length, of_lost) = (1.02 * self.error + rounding, 1.02 * self.length + rounding);
        for row in 0..ROWS {
            let length = (block.totals[row].squares as f32).sqrt();
            let off = of_length * length + of_lost * block.lost;
            block.slacks[row] = off * block.steps[row].abs();
        }
    }
}

impl Block {
    pub(super) fn new() -> Self {
        Self {
            rows: 0,
            totals: [Totals::default(); ROWS],
            steps: [0.0; ROWS],
            lost: 0.0,
            step: LEAST_STEP,
            slacks: [0.0; ROWS],
        }
    }

    pub(super) fn clear(&mut self) {
        self.rows = 0;
    }

    /// How far each row's similarities may be off.
    pub(super) fn slacks(&self) -> &[f32] {
        &self.slacks[..self.rows]
    }

    /// Takes a row's exact sums with a panel.
    #[inline(always)]
    fn take(
        &self,
        row: usize,
        exact: &[i32; PANEL],
        out: &mut [f32; PANEL],
        least: &mut [f32; PANEL],
    ) {
        let (step, slack) = (self.steps[row], self.slacks[row]);
        let offset = i32::from(OFFSET).wrapping_mul(self.totals[row].sum);
        for lane in 0..PANEL {
            let similarity = (exact[lane] - offset) as f32 * step;
            out[lane] = similarity;
            least[lane] = larger(similarity - slack, least[lane]);
        }
    }
}

/// Reads something of each line.
#[inline(always)]
fn touch(memory: &[u8]) {
    black_box(memory.iter().step_by(LINE).fold(0, |all, byte| all ^ byte));
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
