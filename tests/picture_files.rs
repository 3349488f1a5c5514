//! Pictures in files against what transformers' `load_image` makes of them with Pillow.

#![cfg(feature = "images")]

mod common;

use std::fs;

use common::fixtures;
use safetensors::SafeTensors;
use serde::Deserialize;
use tabrank::image::{Picture, decode};

/// Between decoders of one lossy file, and one rounding of CMYK.
const STEPS: u8 = 2;

#[derive(Deserialize)]
struct Expected {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    file: String,
    size: [usize; 2],
}

fn read(name: &str) -> Vec<u8> {
    fs::read(fixtures().join("visual/pictures").join(name)).unwrap()
}

fn files() -> Vec<File> {
    let expected: Expected = serde_json::from_slice(&read("expected.json")).unwrap();
    expected.files
}

fn decoded(file: &str) -> Picture {
    decode(&read(&format!("files/{file}"))).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// How far decoders may part on a file.
fn tolerance(file: &str) -> u8 {
    let lossy = file.ends_with(".jpg") || file == "lossy.webp" || file == "cmyk.tif";
    if lossy { STEPS } else { 0 }
}

#[test]
fn pictures_are_those_of_pillow() {
    let bytes = read("expected.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for File { file, size } in files().into_iter().filter(|file| !file.file.starts_with("grey-16"))
    {
        let found = decoded(&file);
        assert_eq!([found.width(), found.height()], size, "{file}");
        let expected = tensors.tensor(&format!("file.{file}")).unwrap();
        let apart = found.pixels().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart.unwrap() <= tolerance(&file), "{file}: {apart:?} apart");
    }
}

/// Pillow cuts their values off at 255, which leaves nothing of a page.
#[test]
fn of_grey_of_16_bits_the_upper_ones_count() {
    let bytes = read("expected.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let expected = tensors.tensor("file.grey-alpha-16.png").unwrap();
    for file in ["grey-16.png", "grey-16.tif"] {
        assert_eq!(decoded(file).pixels(), expected.data(), "{file}");
    }
}

#[test]
fn truncated_files_are_refused() {
    // Of two frames the first is whole before the file ends.
    for File { file, .. } in files().into_iter().filter(|file| file.file != "two-frames.gif") {
        let bytes = read(&format!("files/{file}"));
        for length in (0..bytes.len() * 3 / 4).step_by(bytes.len() / 40 + 1) {
            let error = decode(&bytes[..length]).err().map(|error| error.code());
            assert_eq!(error, Some("INVALID_INPUT"), "{file}: {length} of {} bytes", bytes.len());
        }
    }
}
