//! `tabrank pages` with the language models that read pages: from the checkpoint's folder and from bundles the store and the scores are
//! those of the reference libraries.

#![cfg(all(feature = "cli", target_os = "linux"))]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assert_cmd::assert::Assert;
use common::command::{tabrank, text};
use common::difference;
use common::language::{Case, MODELS};
use serde_json::Value;
use tabrank::EmbeddingsFile;

const TOLERANCE: f32 = 1e-4;

fn run(folder: &Path, arguments: &[&str]) -> Assert {
    tabrank(arguments).current_dir(folder).assert()
}

/// A folder with the pages of a case as pictures, and with some saves of its model, an earlier one's files in place of a later one's.
fn prepared(case: &Case, saves: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for page in 0..case.expected.pages.len() {
        let picture = case.picture(page);
        let (width, height) = (picture.width() as u32, picture.height() as u32);
        let pixels = picture.pixels().to_vec();
        let png = image::RgbImage::from_raw(width, height, pixels).unwrap();
        png.save(folder.path().join(format!("{page}.png"))).unwrap();
    }
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for save in saves.iter().rev() {
        for file in fs::read_dir(case.folder.join(save)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), model.join(file.file_name())).unwrap();
        }
    }
    folder
}

fn convert(folder: &Path, dtype: &str, more: &[&str]) {
    let arguments = [&["convert", "model", "--dtype", dtype, "-o", "bundle"], more].concat();
    run(folder, &arguments).success();
}

/// What a store holds of its pages.
fn encoded(folder: &Path, model: &str, pages: usize) -> EmbeddingsFile {
    let pictures: Vec<String> = (0..pages).map(|page| format!("{page}.png")).collect();
    let mut arguments = vec!["pages", "encode", "--model", model, "--codec", "f32", "-o", "x"];
    arguments.extend(pictures.iter().map(String::as_str));
    run(folder, &arguments).success();
    EmbeddingsFile::read("x", &fs::read(folder.join("x")).unwrap(), &[]).unwrap()
}

/// The reference's vectors of a page in the order of a store: patches first, row by row.
fn arranged(case: &Case, name: &str, patches: &[u8]) -> Vec<f32> {
    let values = case.tensor(name).unwrap();
    let rows = values.chunks_exact(values.len() / patches.len()).zip(patches);
    let (patches, others): (Vec<_>, Vec<_>) = rows.partition(|(_, patch)| **patch == 1);
    patches.into_iter().chain(others).flat_map(|(row, _)| row).copied().collect()
}

fn check_store(case: &Case, file: &EmbeddingsFile) {
    for (index, page) in case.expected.pages.iter().enumerate() {
        let expected = arranged(case, &format!("page.{index}.embeddings"), &page.patches);
        let worst = difference(&file.embeddings.decompress_document(index), &expected);
        assert!(worst < TOLERANCE, "page {index}: {worst}");
        let grid = page.grid.map_or([4, 4], |grid| grid.map(|side| side as u32 / 2));
        assert_eq!(file.grid.as_ref().unwrap()[index], grid);
        assert_eq!(file.page.as_ref().unwrap()[index], page.size.map(|side| side as f32));
    }
}

/// The scores of the store by the pages' keys.
fn check_scores(case: &Case, folder: &Path, model: &str) {
    for (query, scores) in case.expected.queries.iter().zip(&case.expected.scores) {
        // The reference takes an empty one.
        if query.text.is_empty() {
            continue;
        }
        let asked = ["pages", "search", "--model", model, "--store", "x", "--query", &query.text];
        let out = text(&run(folder, &asked).success().get_output().stdout);
        let found: BTreeMap<String, f32> = out
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let score = line["score"].as_f64().unwrap() as f32;
                (line["id"].as_str().unwrap().to_owned(), score)
            })
            .collect();
        assert_eq!(found.len(), scores.len());
        for (page, expected) in scores.iter().enumerate() {
            let found = found[&format!("{page}.png:page_1")];
            let apart = (found - expected).abs() / expected.abs();
            assert!(apart < TOLERANCE, "page {page}: {found}, not {expected}");
        }
    }
}

#[test]
fn stores_and_scores_are_those_of_the_reference() {
    for model in MODELS {
        let case = Case::read(model);
        let folder = prepared(&case, &["checkpoint"]);
        convert(folder.path(), "f32", &[]);
        for from in ["model", "bundle"] {
            let file = encoded(folder.path(), from, case.expected.pages.len());
            check_store(&case, &file);
            check_scores(&case, folder.path(), from);
        }
        run(folder.path(), &["verify", "bundle"]).success();
        let told = run(folder.path(), &["inspect", "bundle"]).success();
        let told = text(&told.get_output().stdout);
        assert!(told.contains("pages-00001") && told.contains("documents are pages"), "{told}");
    }
}

#[test]
fn an_adapter_is_merged_into_folder_and_bundle_alike() {
    for model in MODELS {
        let case = Case::read(model);
        let folder = prepared(&case, &["adapter", "engine"]);
        convert(folder.path(), "f32", &[]);
        let tokens = case.tensor("adapter.page.0.embeddings").unwrap().len();
        for from in ["model", "bundle"] {
            let file = encoded(folder.path(), from, 1);
            let found = file.embeddings.decompress_document(0);
            assert_eq!(found.len(), tokens);
            // The engine's prompt is longer than the other's by what stands behind the image.
            let mut patches = case.expected.pages[0].patches.clone();
            patches.resize(tokens / file.embeddings.dimension(), 0);
            let expected = arranged(&case, "adapter.page.0.embeddings", &patches);
            let worst = difference(&found, &expected);
            assert!(worst < TOLERANCE, "{model}, {from}: {worst}");
        }
    }
}

/// Every type comes near, and what only pages need can stay behind.
#[test]
fn bundles_have_a_page_side_unless_it_is_left_out() {
    for model in MODELS {
        let case = Case::read(model);
        for dtype in ["f16", "q8", "q4"] {
            let folder = prepared(&case, &["checkpoint"]);
            convert(folder.path(), dtype, &["--max-error", "0.5"]);
            encoded(folder.path(), "bundle", 1);
            run(folder.path(), &["verify", "bundle"]).success();
        }
        let folder = prepared(&case, &["checkpoint"]);
        convert(folder.path(), "f32", &["--without-pages"]);
        let bundle = folder.path().join("bundle");
        assert!(
            !fs::read_dir(&bundle)
                .unwrap()
                .any(|file| { file.unwrap().file_name().to_string_lossy().starts_with("pages-") })
        );
        let arguments = ["pages", "encode", "--model", "bundle", "-o", "x", "0.png"];
        let refused = run(folder.path(), &arguments).failure();
        let said = text(&refused.get_output().stderr);
        assert!(said.contains("--without-pages"), "{said}");
        let query = ["encode", "--model", "bundle", "--kind", "query"];
        let mut encode = tabrank(&query);
        encode.current_dir(folder.path()).write_stdin("{\"text\":\"oil\"}\n").assert().success();
    }
}
