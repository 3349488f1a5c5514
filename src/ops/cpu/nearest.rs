//! Which of many rows points the same way? The largest product of each, without a matrix of them.

use std::cmp::Ordering;

use super::PANEL;
use super::f32::{multiply, pack_f32};
use super::rows::for_blocks;

/// Rows that are compared with all packed ones before the next are read: they stay in a cache, and the packed ones are read less often.
const ROWS: usize = 64;

/// Panels whose products are held before the largest are picked.
const PANELS_AT_ONCE: usize = 64;

/// Rows that others are compared with, packed as a product's weight is.
#[derive(Debug, Clone)]
pub struct Nearest {
    panels: Vec<f32>,
    rows: usize,
    dimension: usize,
}

impl Nearest {
    /// `rows` `[length, dimension]`.
    ///
    /// # Panics
    /// If they are not whole rows.
    pub fn new(rows: &[f32], dimension: usize) -> Self {
        assert_eq!(rows.len() % dimension, 0, "rows are whole");
        Self { panels: pack_f32(rows, dimension), rows: rows.len() / dimension, dimension }
    }

    /// The place of the packed row with the largest product with each of `rows` `[length, dimension]`, the first of several. Products
    /// are the same on all platforms.
    ///
    /// # Panics
    /// If nothing is packed, or the rows are not whole.
    pub fn nearest(&self, rows: &[f32]) -> Vec<u32> {
        assert!(self.rows > 0 && rows.len().is_multiple_of(self.dimension), "rows are whole");
        let mut places = vec![0; rows.len() / self.dimension];
        for_blocks(&mut places, 1, ROWS, |first, places| {
            let rows = &rows[first * self.dimension..][..places.len() * self.dimension];
            self.nearest_of_block(rows, places);
        });
        places
    }

    /// The `count` packed rows with the largest products with each of `rows` `[length, dimension]`, and these products, largest first, of
    /// equals the first. Products are the same on all platforms.
    ///
    /// # Panics
    /// If the rows are not whole.
    pub fn largest(&self, rows: &[f32], count: usize) -> Vec<Vec<(u32, f32)>> {
        assert!(rows.len().is_multiple_of(self.dimension), "rows are whole");
        let mut found = vec![Vec::new(); rows.len() / self.dimension];
        for_blocks(&mut found, 1, ROWS, |first, found| {
            let rows = &rows[first * self.dimension..][..found.len() * self.dimension];
            self.largest_of_block(rows, count, found);
        });
        found
    }

    fn largest_of_block(&self, rows: &[f32], count: usize, found: &mut [Vec<(u32, f32)>]) {
        for (panel, packed) in self.panels.chunks_exact(self.dimension * PANEL).enumerate() {
            let first = panel * PANEL;
            let real = PANEL.min(self.rows - first);
            multiply::<false>(rows, self.dimension, packed, |row, products| {
                let places = (first as u32..).zip(products.iter().copied());
                found[row].extend(places.take(real));
            });
            if (panel + 1).is_multiple_of(PANELS_AT_ONCE) {
                found.iter_mut().for_each(|found| keep_largest(found, count));
            }
        }
        for found in found {
            keep_largest(found, count);
            found.sort_unstable_by(falling);
        }
    }

    fn nearest_of_block(&self, rows: &[f32], places: &mut [u32]) {
        let mut most = [[f32::NEG_INFINITY; PANEL]; ROWS];
        let mut panels = [[0u32; PANEL]; ROWS];
        for (panel, packed) in self.panels.chunks_exact(self.dimension * PANEL).enumerate() {
            multiply::<false>(rows, self.dimension, packed, |row, products| {
                let each = most[row].iter_mut().zip(&mut panels[row]).zip(products);
                each.for_each(|((most, place), &product)| {
                    let larger = product > *most;
                    *most = if larger { product } else { *most };
                    *place = if larger { panel as u32 } else { *place };
                });
            });
        }
        for (place, (most, panels)) in places.iter_mut().zip(most.iter().zip(&panels)) {
            *place = self.first_of_largest(most, panels);
        }
    }

    /// Behind the last row a panel is filled with zeros, which are nobody's products.
    fn first_of_largest(&self, most: &[f32; PANEL], panels: &[u32; PANEL]) -> u32 {
        let lanes = (0..PANEL).map(|lane| (most[lane], panels[lane] * PANEL as u32 + lane as u32));
        let real = lanes.filter(|(_, place)| (*place as usize) < self.rows);
        let first = real.reduce(|best, next| {
            match next.0 > best.0 || next.0 == best.0 && next.1 < best.1 {
                true => next,
                false => best,
            }
        });
        first.map_or(0, |(_, place)| place)
    }
}

/// By product descending, then by place.
fn falling(a: &(u32, f32), b: &(u32, f32)) -> Ordering {
    // Minus zero is zero.
    (b.1 + 0.0).total_cmp(&(a.1 + 0.0)).then(a.0.cmp(&b.0))
}

/// The first of an order are found without sorting the rest.
fn keep_largest(found: &mut Vec<(u32, f32)>, count: usize) {
    if found.len() > count {
        found.select_nth_unstable_by(count, falling);
        found.truncate(count);
    }
}

#[cfg(test)]
mod tests {
    use super::Nearest;
    use crate::random::SplitMix64;

    /// Whole numbers, so that products are exact and many of them equal.
    fn rows(count: usize, dimension: usize, random: &mut SplitMix64) -> Vec<f32> {
        (0..count * dimension).map(|_| (random.next() % 5) as f32 - 2.0).collect()
    }

    /// Of more rows than are held at once, none of them a multiple of a panel's.
    #[test]
    fn the_largest_come_in_order_and_equals_by_place() {
        let (mut random, dimension) = (SplitMix64(3), 3);
        for packed in [1, 7, 16, 2_100] {
            let (all, some) =
                (rows(packed, dimension, &mut random), rows(70, dimension, &mut random));
            let nearest = Nearest::new(&all, dimension);
            let places = nearest.nearest(&some);
            for count in [1, 5, 3_000] {
                let found = nearest.largest(&some, count);
                for ((row, found), place) in some.chunks(dimension).zip(&found).zip(&places) {
                    let product = |other: &[f32]| row.iter().zip(other).map(|(a, b)| a * b).sum();
                    let mut expected: Vec<(u32, f32)> =
                        (0..).zip(all.chunks(dimension).map(product)).collect();
                    expected.sort_by(|a, b| b.1.partial_cmp(&a.1).expect("products are numbers"));
                    expected.truncate(count);
                    assert_eq!(found, &expected);
                    assert_eq!(found[0].0, *place);
                }
            }
        }
    }
}
