//! The two passes over the pixels: the columns of some rows, and rows.

use super::taps::{PRECISION, Taps};
use crate::image::picture::{CHANNELS, Picture};

/// Half of a whole part, by which sums are rounded.
const HALF: i32 = 1 << (PRECISION - 1);
/// Rows whose columns are summed together. Their numbers fill whole registers, which three colours do not.
pub(super) const BAND: usize = 4;
/// Numbers that are summed side by side where rows are.
const LANES: usize = 16;

/// The rows of a picture at the new width, as many of them as are looked at together.
pub(super) struct Narrowed<'a> {
    picture: &'a Picture,
    columns: &'a Taps,
    /// A band stands at its number modulo how many are kept.
    kept: Vec<Vec<u8>>,
    /// Bands that are done.
    done: usize,
}

impl<'a> Narrowed<'a> {
    pub(super) fn new(picture: &'a Picture, columns: &'a Taps, most: usize) -> Self {
        // As many as can be touched by so many rows.
        let bands = most.div_ceil(BAND) + 1;
        let kept = vec![vec![0; columns.count() * CHANNELS * BAND]; bands];
        Self { picture, columns, kept, done: 0 }
    }

    /// Rows from `first` on; later calls ask for the same or later ones.
    pub(super) fn rows(&mut self, first: usize, count: usize) -> Vec<&[u8]> {
        let (bands, length) = (self.kept.len(), self.columns.count() * CHANNELS);
        let end = (first + count).div_ceil(BAND);
        for band in self.done.max(first / BAND)..end {
            let rows: Vec<&[u8]> = (band * BAND..self.picture.height().min((band + 1) * BAND))
                .map(|y| self.picture.row(y))
                .collect();
            narrow(&rows, self.columns, &mut self.kept[band % bands][..rows.len() * length]);
        }
        self.done = self.done.max(end);
        let row = |y: usize| &self.kept[y / BAND % bands][y % BAND * length..][..length];
        (first..first + count).map(row).collect()
    }
}

/// Up to [`BAND`] rows at the new width.
pub(super) fn narrow(rows: &[&[u8]], columns: &Taps, result: &mut [u8]) {
    let (old, new) = (rows[0].len(), columns.count() * CHANNELS);
    if old == new {
        return result
            .chunks_exact_mut(new)
            .zip(rows)
            .for_each(|(to, row)| to.copy_from_slice(row));
    }
    let side_by_side = interleaved(rows);
    for place in 0..columns.count() {
        let (first, weights) = columns.of(place);
        let pixels = weighted(&side_by_side[first..], weights);
        for (row, pixel) in result.chunks_exact_mut(new).zip(pixels.chunks_exact(CHANNELS)) {
            row[place * CHANNELS..][..CHANNELS].copy_from_slice(pixel);
        }
    }
}

/// Of each column the pixels of all rows.
fn interleaved(rows: &[&[u8]]) -> Vec<[i32; BAND * CHANNELS]> {
    let mut columns = vec![[0; BAND * CHANNELS]; rows[0].len() / CHANNELS];
    for (place, row) in rows.iter().enumerate() {
        for (column, pixel) in columns.iter_mut().zip(row.as_chunks::<CHANNELS>().0) {
            column[place * CHANNELS..][..CHANNELS].copy_from_slice(&pixel.map(i32::from));
        }
    }
    columns
}

fn weighted<const N: usize>(columns: &[[i32; N]], weights: &[i32]) -> [u8; N] {
    let mut sums = [HALF; N];
    for (column, weight) in columns.iter().zip(weights) {
        for (sum, value) in sums.iter_mut().zip(column) {
            *sum += value * weight;
        }
    }
    sums.map(clip)
}

/// Rows, each by its weight, as one.
pub(super) fn blend(rows: &[&[u8]], weights: &[i32], result: &mut [u8]) {
    let (blocks, rest) = result.as_chunks_mut::<LANES>();
    let begin_of_rest = blocks.len() * LANES;
    for (block, result) in blocks.iter_mut().enumerate() {
        *result = blended(rows, weights, block * LANES);
    }
    for (place, result) in rest.iter_mut().enumerate() {
        [*result] = blended(rows, weights, begin_of_rest + place);
    }
}

fn blended<const N: usize>(rows: &[&[u8]], weights: &[i32], begin: usize) -> [u8; N] {
    let mut sums = [HALF; N];
    for (row, weight) in rows.iter().zip(weights) {
        let values: &[u8; N] = row[begin..].first_chunk().expect("rows are as long as the result");
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += i32::from(value) * weight;
        }
    }
    sums.map(clip)
}

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}
