//! How does a picture get another size? As Pillow resizes one, to the bit.
//!
//! ```text
//! s = old side / new side,  r = reach · max(s, 1)          how far a filter reaches, in pixels of the old picture
//! c = (i + ½) s                                            the place of the new pixel i in the old picture
//! w(j) = f((j + ½ − c) / max(s, 1))                        of the pixels j from ⌊c − r + ½⌋ up to ⌊c + r + ½⌋, those there are
//! k(j) = ⌊2²² w(j) / Σ w + ½⌋, away from 0                 whole numbers
//! new pixel = clamp(⌊(Σ k(j) old pixel j + 2²¹) / 2²²⌋, 0, 255)
//! ```
//!
//! This is done along rows and along columns, and what the first pass gives is rounded to 8 bits (Pillow's `Resample.c`). Which
//! comes first therefore shows. Pillow 13.0 makes a picture lower before it makes it wider or narrower where
//! `height − new height > 2 (width − new width)`; in all other cases, and in the versions before in every case, the width comes
//! first. This follows 13.0.
//!
//! Rows of the first pass are kept only as long as the second needs them: beside the old picture and the new one there are as many
//! rows as the filter reaches.

mod filter;
mod passes;
mod taps;

pub use filter::Filter;

use crate::image::picture::{CHANNELS, Picture};
use passes::{BAND, Narrowed, blend, narrow};
use taps::Taps;

/// The picture with other sides.
///
/// # Panics
/// If a side is 0: no configuration that was checked has one.
pub fn resize(picture: &Picture, width: usize, height: usize, filter: Filter) -> Picture {
    assert!(width > 0 && height > 0, "a picture has pixels");
    let columns = Taps::new(picture.width(), width, filter);
    let rows = Taps::new(picture.height(), height, filter);
    let pixels = match lower_first(picture, width, height) {
        true => rows_first(picture, &columns, &rows),
        false => columns_first(picture, &columns, &rows),
    };
    Picture::made(width, height, pixels)
}

/// Whether Pillow 13.0 begins with the rows: found by its results for pictures of all shapes.
fn lower_first(picture: &Picture, width: usize, height: usize) -> bool {
    let lost = |old: usize, new: usize| old as i64 - new as i64;
    let (lower, narrower) = (lost(picture.height(), height), lost(picture.width(), width));
    lower > 0 && lower > 2 * narrower
}

fn rows_first(picture: &Picture, columns: &Taps, rows: &Taps) -> Vec<u8> {
    let (old, new) = (picture.width() * CHANNELS, columns.count() * CHANNELS);
    let mut pixels = vec![0; new * rows.count()];
    let mut lower = vec![0; old * BAND];
    for (band, result) in pixels.chunks_mut(new * BAND).enumerate() {
        for (y, row) in lower.chunks_exact_mut(old).take(result.len() / new).enumerate() {
            let (first, weights) = rows.of(band * BAND + y);
            let blended: Vec<&[u8]> =
                (first..first + weights.len()).map(|y| picture.row(y)).collect();
            blend(&blended, weights, row);
        }
        let lower: Vec<&[u8]> = lower.chunks_exact(old).take(result.len() / new).collect();
        narrow(&lower, columns, result);
    }
    pixels
}

fn columns_first(picture: &Picture, columns: &Taps, rows: &Taps) -> Vec<u8> {
    let width = columns.count() * CHANNELS;
    let mut pixels = vec![0; width * rows.count()];
    let mut narrowed = Narrowed::new(picture, columns, rows.most());
    for (y, row) in pixels.chunks_exact_mut(width).enumerate() {
        let (first, weights) = rows.of(y);
        blend(&narrowed.rows(first, weights.len()), weights, row);
    }
    pixels
}

#[cfg(test)]
mod tests;
