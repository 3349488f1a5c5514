//! Which centroids are alike? Coarse clusters of them, which follow from the centroids alone, the same on all platforms.

use super::train::to_unit;
use crate::ops::Nearest;

/// Centroids of a cluster, as a mean: fewer make documents of one topic lie apart, more make clusters that nothing falls into.
const EACH: usize = 32;
/// Most clusters: with more, finding them would take longer than training.
const MOST: usize = 2_048;
const ROUNDS: usize = 6;

/// Clusters by k-means of inner products, numbered so that one is followed by the one that is most like it of those that are left.
pub(crate) struct Clusters {
    dimension: usize,
    /// As they are multiplied, before they are numbered.
    centres: Nearest,
    /// The number of each.
    numbers: Vec<u32>,
}

impl Clusters {
    /// Of `centroids` `[K, dimension]`.
    pub(crate) fn new(centroids: &[f32], dimension: usize) -> Self {
        let centres = centres(centroids, dimension);
        let numbers = numbers(&centres, dimension);
        Self { dimension, centres: Nearest::new(&centres, dimension), numbers }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.numbers.len()
    }

    /// The number of the cluster of each row.
    pub(crate) fn of(&self, rows: &[f32]) -> Vec<u32> {
        let nearest = self.centres.nearest(rows);
        nearest.into_iter().map(|place| self.numbers[place as usize]).collect()
    }

    /// Rows, those of a cluster behind each other.
    pub(super) fn sorted(&self, rows: &[f32]) -> Vec<f32> {
        let mut places: Vec<(u32, usize)> = self.of(rows).into_iter().zip(0..).collect();
        places.sort_unstable();
        let row = |(_, place): (u32, usize)| &rows[place * self.dimension..][..self.dimension];
        places.into_iter().flat_map(row).copied().collect()
    }
}

/// K-means from centroids that are evenly apart.
fn centres(centroids: &[f32], dimension: usize) -> Vec<f32> {
    let rows = centroids.len() / dimension;
    let count = (rows / EACH).clamp(1, MOST);
    let first = (0..count).map(|place| place * rows / count);
    let mut centres: Vec<f32> =
        first.flat_map(|row| &centroids[row * dimension..][..dimension]).copied().collect();
    for _ in 0..ROUNDS {
        centres.chunks_exact_mut(dimension).for_each(to_unit);
        let nearest = Nearest::new(&centres, dimension).nearest(centroids);
        // A centre counts as a row more, so that one that nothing falls to stays.
        for (row, place) in centroids.chunks_exact(dimension).zip(nearest) {
            let sum = &mut centres[place as usize * dimension..][..dimension];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }
    centres.chunks_exact_mut(dimension).for_each(to_unit);
    centres
}

/// Beginning with the first.
fn numbers(centres: &[f32], dimension: usize) -> Vec<u32> {
    let rows: Vec<&[f32]> = centres.chunks_exact(dimension).collect();
    let mut left: Vec<usize> = (1..rows.len()).collect();
    let (mut numbers, mut last) = (vec![0; rows.len()], 0);
    for number in 1..rows.len() {
        let product =
            |row: usize| -> f32 { rows[last].iter().zip(rows[row]).map(|(a, b)| a * b).sum() };
        let best = (0..left.len()).max_by(|&a, &b| product(left[a]).total_cmp(&product(left[b])));
        last = left.swap_remove(best.expect("as many are left as have no number"));
        numbers[last] = number as u32;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::Clusters;

    /// Four directions, sixteen rows of each in turn.
    #[test]
    fn alike_rows_come_to_lie_side_by_side() {
        let direction = |row: usize| row % 4;
        let rows: Vec<f32> = (0..64)
            .flat_map(|row| {
                (0..4).map(move |i| if i == direction(row) { 1.0 } else { row as f32 / 1000.0 })
            })
            .collect();
        let clusters = Clusters::new(&rows, 4);
        assert_eq!(clusters.count(), 2);
        let sorted = clusters.sorted(&rows);
        let of = clusters.of(&sorted);
        assert!(of.is_sorted());
        let main = |row: &[f32]| row.iter().position(|&value| value == 1.0);
        let mut turns: Vec<_> = sorted.chunks(4).map(main).collect();
        turns.sort_unstable();
        turns.dedup();
        assert_eq!(turns.len(), 4);
    }
}
