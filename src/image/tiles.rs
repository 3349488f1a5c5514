//! Which tiles is a page cut into? As Idefics3's processor cuts it, for ColModernVBERT and ColSmol.
//!
//! ```text
//! 1  the longer side becomes `longest_edge`, the other keeps the ratio, made even upward; smaller pages grow, too
//! 2  both sides become multiples of `tile`, upward: the longer one alone, the other by the ratio and then upward
//! 3  tiles, row by row, and the whole page as one more, the overview
//! ```
//!
//! Each of these resizes gives 8-bit values, and the second changes the page's ratio a little. A page that is one tile by then
//! stays one, without an overview: rows and columns are 0 then. This is transformers 5's `Idefics3ImageProcessorPil`; A4 at 2,048
//! and tiles of 512 gives 4 × 3 + 1, US letter 4 × 4 + 1.

use serde::Serialize;

use super::picture::Picture;
use super::resize::{Filter, resize};

/// Most pixels a side after the first step (`MAX_IMAGE_SIZE`).
const MOST: usize = 4_096;

/// How pages are cut, of a processor's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Splitting {
    /// `size.longest_edge`.
    pub longest_edge: usize,
    /// `max_image_size.longest_edge`: pixels of a tile's side.
    pub tile: usize,
    /// `resample`.
    pub filter: Filter,
    /// `do_image_splitting`. Without it a page is one tile, squashed.
    pub split: bool,
}

/// The tiles of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiles {
    /// Squares, row by row, the overview last.
    pub tiles: Vec<Picture>,
    /// 0, like `columns`, where the one tile is the page.
    pub rows: usize,
    pub columns: usize,
}

impl Splitting {
    /// Rows and columns of a page with these sides, before anything is resized; 0 and 0 for one tile.
    ///
    /// # Panics
    /// If a side, `tile` or `longest_edge` is 0.
    pub fn grid(&self, width: usize, height: usize) -> [usize; 2] {
        if !self.split {
            return [0, 0];
        }
        let [width, height] = self.stretched(self.enlarged([width, height]));
        match [height / self.tile, width / self.tile] {
            [1, 1] => [0, 0],
            grid => grid,
        }
    }

    /// The first step's `[width, height]`.
    fn enlarged(&self, sides: [usize; 2]) -> [usize; 2] {
        let even = |side: usize| side + side % 2;
        let sides = scaled(sides, self.longest_edge, even);
        match sides[0].max(sides[1]) > MOST {
            true => scaled(sides, MOST, |side| side),
            false => sides,
        }
    }

    /// The second step's.
    fn stretched(&self, sides: [usize; 2]) -> [usize; 2] {
        let whole = |side: usize| side.next_multiple_of(self.tile);
        scaled(sides, whole(sides[0].max(sides[1])), whole)
    }
}

/// Sides whose longer one is `longest`; the shorter keeps the ratio, cut to a whole number, and then becomes what `rounded` makes of it.
fn scaled(
    [width, height]: [usize; 2],
    longest: usize,
    rounded: impl Fn(usize) -> usize,
) -> [usize; 2] {
    let ratio = width as f64 / height as f64;
    let other = |exact: f64| rounded(exact as usize).max(1);
    match width >= height {
        true => [longest, other(longest as f64 / ratio)],
        false => [other(longest as f64 * ratio), longest],
    }
}

/// The tiles of `page`.
///
/// # Panics
/// As [`Splitting::grid`].
pub fn split(page: &Picture, splitting: &Splitting) -> Tiles {
    let Splitting { tile, filter, .. } = *splitting;
    let [width, height] = splitting.enlarged([page.width(), page.height()]);
    let page = resize(page, width, height, filter);
    if !splitting.split {
        return Tiles { tiles: vec![resize(&page, tile, tile, filter)], rows: 0, columns: 0 };
    }
    let [width, height] = splitting.stretched([width, height]);
    let page = resize(&page, width, height, filter);
    let [rows, columns] = [height / tile, width / tile];
    if rows * columns == 1 {
        return Tiles { tiles: vec![page], rows: 0, columns: 0 };
    }
    let mut tiles: Vec<Picture> = (0..rows * columns)
        .map(|place| page.crop(place % columns * tile, place / columns * tile, tile, tile))
        .collect();
    tiles.push(resize(&page, tile, tile, filter));
    Tiles { tiles, rows, columns }
}
