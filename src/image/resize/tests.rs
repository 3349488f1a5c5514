//! What Pillow makes of pictures is in `tests/pictures.rs`; here the definition, computed plainly in f64.

use proptest::prelude::*;

use super::{Filter, lower_first, resize};
use crate::image::Picture;

const FILTERS: [Filter; 3] = [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos];

/// A line of numbers at another length.
fn plain_line(line: &[f64], new: usize, filter: Filter) -> Vec<f64> {
    let stretch = (line.len() as f64 / new as f64).max(1.0);
    let numbers = (0..new).map(|i| {
        let center = (i as f64 + 0.5) * line.len() as f64 / new as f64;
        let weights = (0..line.len()).map(|j| filter.weight((j as f64 + 0.5 - center) / stretch));
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = line.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
        (sum / weights.iter().sum::<f64>()).round().clamp(0.0, 255.0)
    });
    numbers.collect()
}

/// One colour, `[height][width]`, with its rows and columns in each other's place.
fn turned(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..rows[0].len()).map(|x| rows.iter().map(|row| row[x]).collect()).collect()
}

fn plain(picture: &Picture, width: usize, height: usize, filter: Filter) -> Vec<Vec<Vec<f64>>> {
    let along = |rows: &[Vec<f64>], new| {
        rows.iter().map(|row| plain_line(row, new, filter)).collect::<Vec<_>>()
    };
    let planes = (0..3).map(|channel| {
        let values =
            picture.pixels().iter().skip(channel).step_by(3).map(|&value| f64::from(value));
        let values: Vec<f64> = values.collect();
        let rows: Vec<Vec<f64>> = values.chunks(picture.width()).map(<[f64]>::to_vec).collect();
        match lower_first(picture, width, height) {
            true => along(&turned(&along(&turned(&rows), height)), width),
            false => turned(&along(&turned(&along(&rows, width)), height)),
        }
    });
    planes.collect()
}

proptest! {
    #[test]
    fn numbers_are_those_of_the_definition(
        (width, height) in (1usize..40, 1usize..40), (to_width, to_height) in (1usize..40, 1usize..40),
        filter in 0usize..3, seed in any::<Vec<u8>>().prop_filter("some", |seed| !seed.is_empty()),
    ) {
        let pixels = seed.iter().cycle().take(width * height * 3).copied().collect();
        let picture = Picture::from_rgb(width, height, pixels).unwrap();
        let found = resize(&picture, to_width, to_height, FILTERS[filter]);
        prop_assert_eq!((found.width(), found.height()), (to_width, to_height));
        for (channel, rows) in plain(&picture, to_width, to_height, FILTERS[filter]).iter().enumerate() {
            let found = found.pixels().iter().skip(channel).step_by(3);
            for (found, expected) in found.zip(rows.concat()) {
                // Half of a step may fall to either side, in both passes.
                prop_assert!((f64::from(*found) - expected).abs() <= 2.0);
            }
        }
    }

    #[test]
    fn one_colour_stays_that_colour(colour in any::<[u8; 3]>(), width in 1usize..60, height in 1usize..60, filter in 0usize..3) {
        let picture = Picture::from_rgb(7, 5, colour.repeat(35)).unwrap();
        let found = resize(&picture, width, height, FILTERS[filter]);
        prop_assert_eq!(found.pixels(), colour.repeat(width * height));
    }
}

#[test]
fn the_same_size_is_the_same_picture() {
    let picture = Picture::from_rgb(9, 7, (0..189).collect()).unwrap();
    for filter in FILTERS {
        assert_eq!(resize(&picture, 9, 7, filter), picture);
    }
}
