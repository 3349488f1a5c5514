//! Which size and which patches does a page get? Those of Qwen2-VL, for ColQwen2 and ColQwen2.5.
//!
//! ```text
//! side = factor · round(side / factor)                                   to the even one where two are as near
//! too many pixels:  side = factor · ⌊side / √(width · height / most) / factor⌋, at least factor
//! too few:          side = factor · ⌈side · √(fewest / (width · height)) / factor⌉
//! ```
//!
//! This is `smart_resize` and `patchify` of transformers 5's `Qwen2VLImageProcessorPil`. A vision tower merges `merge` × `merge` patches
//! into one token, so patches come block by block, and inside a block row by row. A video's patch reaches over `copies` frames;
//! of a page they are alike.

use super::normalize::Normalization;
use super::picture::{CHANNELS, Picture};
use crate::error::{Error, Result};

/// The longer side over the shorter one, at most.
const MOST_RATIO: f64 = 200.0;

/// The limits of a page's size, of a processor's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmartSize {
    /// What both sides are multiples of: `patch_size · merge_size`.
    pub factor: usize,
    /// `min_pixels`, or `size.shortest_edge`.
    pub min_pixels: usize,
    /// `max_pixels`, or `size.longest_edge`.
    pub max_pixels: usize,
}

impl SmartSize {
    /// `[width, height]` for a page with these sides.
    ///
    /// # Errors
    /// [`Error::PictureRatio`] for pages more than 200 times as long as wide, or the other way round.
    pub fn of(&self, width: usize, height: usize) -> Result<[usize; 2]> {
        let sides = [width as f64, height as f64];
        if sides[0].max(sides[1]) / sides[0].min(sides[1]) > MOST_RATIO {
            return Err(Error::PictureRatio { width, height });
        }
        let factor = self.factor as f64;
        let near = sides.map(|side| (side / factor).round_ties_even() * factor);
        let (area, pixels) = (sides[0] * sides[1], near[0] * near[1]);
        let [most, fewest] = [self.max_pixels, self.min_pixels].map(|pixels| pixels as f64);
        let fitting = if pixels > most {
            let beta = (area / most).sqrt();
            sides.map(|side| ((side / beta / factor).floor() * factor).max(factor))
        } else if pixels < fewest {
            let beta = (fewest / area).sqrt();
            sides.map(|side| (side * beta / factor).ceil() * factor)
        } else {
            near
        };
        Ok(fitting.map(|side| side as usize))
    }
}

/// How a page becomes patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patching {
    /// `patch_size`: pixels of a patch's side.
    pub patch: usize,
    /// `merge_size`.
    pub merge: usize,
    /// `temporal_patch_size`. A kernel that was summed over them takes 1.
    pub copies: usize,
}

/// The patches of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Patches {
    /// `[patches, 3, copies, patch, patch]`.
    pub values: Vec<f32>,
    /// Patches from top to bottom, before they are merged.
    pub rows: usize,
    pub columns: usize,
}

/// The patches of a page whose sides are multiples of `patch · merge`.
///
/// # Panics
/// If they are not: the page was not resized to what [`SmartSize`] says.
pub fn patches(page: &Picture, patching: Patching, normalization: &Normalization) -> Patches {
    let Patching { patch, merge, .. } = patching;
    let [rows, columns] = [page.height(), page.width()].map(|side| side / patch);
    let whole = [rows, columns].iter().all(|count| count % merge == 0);
    assert!(
        whole && rows * patch == page.height() && columns * patch == page.width(),
        "whole blocks"
    );
    let tables = normalization.tables();
    let mut values = Vec::with_capacity(page.width() * page.height() * CHANNELS * patching.copies);
    for [row, column] in in_blocks(rows, columns, merge) {
        for (channel, table) in tables.iter().enumerate() {
            let begin = values.len();
            let lines =
                (row * patch..(row + 1) * patch).map(|y| &page.row(y)[column * patch * CHANNELS..]);
            let pixels = lines.flat_map(|line| line.chunks_exact(CHANNELS).take(patch));
            values.extend(pixels.map(|pixel| table[usize::from(pixel[channel])]));
            let one = begin..values.len();
            (1..patching.copies).for_each(|_| values.extend_from_within(one.clone()));
        }
    }
    Patches { values, rows, columns }
}

/// Row and column of each patch: blocks of `merge` × `merge` in raster order, each row by row.
fn in_blocks(rows: usize, columns: usize, merge: usize) -> impl Iterator<Item = [usize; 2]> {
    let (across, block) = (columns / merge, merge * merge);
    (0..rows * columns).map(move |place| {
        let (corner, inside) = (place / block, place % block);
        [corner / across * merge + inside / merge, corner % across * merge + inside % merge]
    })
}
