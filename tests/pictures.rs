//! Pictures against Pillow, and their tiles, patches and numbers against transformers' processors: to the bit.

mod common;

use std::fs;

use common::fixtures;
use safetensors::SafeTensors;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tabrank::image::smart::{Patching, SmartSize, patches};
use tabrank::image::tiles::{Splitting, split};
use tabrank::image::{Filter, Normalization, Picture, resize};

#[derive(Deserialize)]
struct Expected {
    resizes: Vec<Resize>,
    splits: Vec<Split>,
    split_sizes: Vec<SplitSize>,
    qwen2: Vec<Smart>,
    qwen2_sizes: Vec<SmartSizes>,
    siglip: Vec<Squash>,
}

#[derive(Deserialize)]
struct Resize {
    source: String,
    size: [usize; 2],
    filter: String,
}

#[derive(Deserialize)]
struct Split {
    size: [usize; 2],
    longest_edge: usize,
    tile: usize,
    split: bool,
    rows: usize,
    columns: usize,
    tiles: Vec<String>,
}

#[derive(Deserialize)]
struct SplitSize {
    size: [usize; 2],
    longest_edge: usize,
    rows: usize,
    columns: usize,
}

#[derive(Deserialize)]
struct Smart {
    size: [usize; 2],
    limits: [usize; 2],
    grid: [usize; 2],
    resized: String,
    samples: Vec<(usize, usize, f32)>,
}

#[derive(Deserialize)]
struct SmartSizes {
    size: [usize; 2],
    limits: [usize; 2],
    resized: Option<[usize; 2]>,
}

#[derive(Deserialize)]
struct Squash {
    size: [usize; 2],
    side: usize,
    resized: String,
}

/// CLIP's, which Qwen2-VL has.
const NORMALIZATION: Normalization = Normalization {
    rescale: 1.0 / 255.0,
    mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
    std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
};

fn expected() -> Expected {
    serde_json::from_slice(&read("expected.json")).unwrap()
}

fn read(name: &str) -> Vec<u8> {
    fs::read(fixtures().join("visual/pictures").join(name)).unwrap()
}

/// A tensor `[height, width, 3]`.
fn picture(tensors: &SafeTensors<'_>, name: &str) -> Picture {
    let tensor = tensors.tensor(name).unwrap();
    let [height, width, 3] = *tensor.shape() else { panic!("{name} is no picture") };
    Picture::from_rgb(width, height, tensor.data().to_vec()).unwrap()
}

/// The picture that the reference draws by formula.
fn drawn([width, height]: [usize; 2]) -> Picture {
    let colour = |x: usize, y: usize| {
        [x * x / 50 + y, x * y / 64, (x / 7 + y / 5) % 2 * 200 + (x ^ y) % 56]
            .map(|value| value as u8)
    };
    let pixels =
        (0..width * height).flat_map(|place| colour(place % width, place / width)).collect();
    Picture::from_rgb(width, height, pixels).unwrap()
}

fn digest(picture: &Picture) -> String {
    Sha256::digest(picture.pixels()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn filter(name: &str) -> Filter {
    match name {
        "bilinear" => Filter::Bilinear,
        "bicubic" => Filter::Bicubic,
        "lanczos" => Filter::Lanczos,
        other => panic!("{other} is no filter"),
    }
}

fn smart_size([min_pixels, max_pixels]: [usize; 2]) -> SmartSize {
    SmartSize { factor: 28, min_pixels, max_pixels }
}

#[test]
fn resized_pictures_are_those_of_pillow() {
    let bytes = read("expected.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for (index, case) in expected().resizes.iter().enumerate() {
        let source = picture(&tensors, &format!("source.{}", case.source));
        let [width, height] = case.size;
        let found = resize(&source, width, height, filter(&case.filter));
        let same = found == picture(&tensors, &format!("resize.{index}"));
        assert!(same, "{} to {width} × {height}, {}", case.source, case.filter);
    }
}

#[test]
fn pages_are_cut_into_the_tiles_of_idefics3() {
    for case in expected().splits {
        let Split { size, longest_edge, tile, .. } = case;
        let splitting =
            Splitting { longest_edge, tile, filter: Filter::Lanczos, split: case.split };
        let found = split(&drawn(size), &splitting);
        assert_eq!([found.rows, found.columns], [case.rows, case.columns], "{size:?}");
        assert_eq!(splitting.grid(size[0], size[1]), [case.rows, case.columns], "{size:?}");
        assert_eq!(found.tiles.iter().map(digest).collect::<Vec<_>>(), case.tiles, "{size:?}");
    }
}

#[test]
fn pages_of_all_shapes_have_the_grids_of_idefics3() {
    for SplitSize { size: [width, height], longest_edge, rows, columns } in expected().split_sizes {
        let splitting = Splitting { longest_edge, tile: 512, filter: Filter::Lanczos, split: true };
        assert_eq!(splitting.grid(width, height), [rows, columns], "{width} × {height}");
    }
}

#[test]
fn patches_are_those_of_qwen2() {
    for Smart { size, limits, grid, resized, samples } in expected().qwen2 {
        let [width, height] = smart_size(limits).of(size[0], size[1]).unwrap();
        let page = resize(&drawn(size), width, height, Filter::Bicubic);
        assert_eq!(digest(&page), resized, "{size:?}");
        let found = patches(&page, Patching { patch: 14, merge: 2, copies: 2 }, &NORMALIZATION);
        assert_eq!([found.rows, found.columns], grid, "{size:?}");
        assert_eq!(found.values.len(), grid[0] * grid[1] * 1_176, "{size:?}");
        for (patch, number, expected) in samples {
            let value = found.values[patch * 1_176 + number];
            assert!((value - expected).abs() < 1e-6, "{size:?}: {patch}, {number}");
        }
    }
}

#[test]
fn pages_of_all_shapes_have_the_sizes_of_qwen2() {
    for SmartSizes { size: [width, height], limits, resized } in expected().qwen2_sizes {
        assert_eq!(smart_size(limits).of(width, height).ok(), resized, "{width} × {height}");
    }
}

#[test]
fn squashed_pages_are_those_of_siglip() {
    for Squash { size, side, resized } in expected().siglip {
        assert_eq!(digest(&resize(&drawn(size), side, side, Filter::Bicubic)), resized, "{size:?}");
    }
}

#[test]
fn numbers_of_a_picture_stand_colour_by_colour() {
    let page = Picture::from_rgb(2, 1, vec![0, 51, 102, 153, 204, 255]).unwrap();
    let half = Normalization { rescale: 1.0 / 255.0, mean: [0.5; 3], std: [0.5; 3] };
    let expected = [-1.0, 0.2, -0.6, 0.6, -0.2, 1.0];
    for (found, expected) in half.planes(&page).iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6);
    }
}
