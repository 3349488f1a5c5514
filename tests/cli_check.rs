//! `tabrank inspect` and `verify` of models that do not load, or do not compute.

#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;

use common::Fixture;
use common::command::{tabrank, text};
use common::crafted::{f32_tensor, floats, read_tensors, write_tensors};
use serde_json::Value;

/// A checkpoint with one of its files changed.
fn changed(name: &str, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, bytes) in Fixture::read("pylate").files.iter() {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let path = folder.path().join(name);
    match change(fs::read(&path).unwrap()) {
        Some(bytes) => fs::write(path, bytes).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
    folder
}

fn json(bytes: Vec<u8>, change: impl FnOnce(&mut Value)) -> Option<Vec<u8>> {
    let mut value = serde_json::from_slice(&bytes).unwrap();
    change(&mut value);
    Some(value.to_string().into_bytes())
}

fn scaled(bytes: Vec<u8>, name: &str, factor: f32) -> Option<Vec<u8>> {
    let mut tensors = read_tensors(&bytes);
    let tensor = &tensors[name];
    let values: Vec<f32> = floats(tensor).iter().map(|value| value * factor).collect();
    tensors.insert(name.to_owned(), f32_tensor(tensor.1.clone(), &values));
    Some(write_tensors(&tensors))
}

/// What a verb that takes the folder says on stderr when it fails.
fn failure(arguments: &[&str], folder: &Path) -> (String, Vec<u8>) {
    let folder = folder.display().to_string();
    let mut command = tabrank(&[arguments, &[folder.as_str()]].concat());
    let output = command.write_stdin("{\"text\":\"oil\"}").assert().code(65).get_output().clone();
    let error = text(&output.stderr).lines().last().unwrap().to_owned();
    (error, output.stdout)
}

#[test]
fn inspect_and_verify_say_what_a_load_says() {
    let weights = "model.safetensors";
    let norm = "encoder.layer.0.attention.output.LayerNorm.gamma";
    let folders = [
        changed("config.json", |bytes| json(bytes, |config| config["hidden_size"] = 64.into())),
        changed("config.json", |bytes| json(bytes, |config| config["model_type"] = "gpt2".into())),
        changed("tokenizer.json", |bytes| {
            json(bytes, |file| file["model"]["type"] = "Unigram".into())
        }),
        changed("tokenizer.json", |_| None),
        changed("1_Dense/model.safetensors", |_| None),
        changed(weights, |_| None),
        changed(weights, |bytes| Some(bytes[..bytes.len() - 4].to_vec())),
        changed(weights, |bytes| scaled(bytes, norm, f32::NAN)),
    ];
    for folder in folders {
        let (expected, _) = failure(&["rerank", "--query", "oil", "--model"], folder.path());
        // Which may have several models, and names the one.
        let expected = expected.replacen(&format!("{}: ", folder.path().display()), "", 1);
        for verb in [&["verify"][..], &["inspect"], &["inspect", "--json"]] {
            assert_eq!(failure(verb, folder.path()).0, expected, "{verb:?}");
        }
        // What can be told is told all the same.
        let (_, report) = failure(&["inspect", "--json"], folder.path());
        let report: Value = serde_json::from_slice(&report).unwrap();
        assert!(expected.ends_with(report["error"].as_str().unwrap()), "{expected}");
        assert!(!report["files"].as_array().unwrap().is_empty(), "{expected}");
        let (_, shown) = failure(&["inspect"], folder.path());
        assert!(text(&shown).contains("does not load: "), "{expected}");
    }
    let shapes =
        changed("config.json", |bytes| json(bytes, |c| c["intermediate_size"] = 77.into()));
    let (_, report) = failure(&["inspect", "--json"], shapes.path());
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["hidden_size"], 32);
    assert!(report["tensors"].as_array().unwrap().len() > 30);
}

#[test]
fn verify_computes() {
    let norm = "encoder.layer.0.attention.output.LayerNorm.gamma";
    let folder = changed("model.safetensors", |bytes| scaled(bytes, norm, 1e38));
    let path = folder.path().display().to_string();
    tabrank(&["inspect", &path]).assert().success();
    let (error, _) = failure(&["verify"], folder.path());
    assert!(error.contains("is not finite"), "{error}");
}

/// Caches of a hub and git-annex keep a folder of links; what one leads to may be gone.
#[test]
#[cfg(unix)]
fn a_link_to_what_is_not_there_is_no_absent_file() {
    let (folder, files) = (tempfile::tempdir().unwrap(), Fixture::read("pylate").files);
    let (blobs, snapshot) = (folder.path().join("blobs"), folder.path().join("snapshot"));
    fs::create_dir_all(snapshot.join("1_Dense")).unwrap();
    fs::create_dir_all(blobs.join("1_Dense")).unwrap();
    for (name, bytes) in files.iter() {
        fs::write(blobs.join(name), bytes).unwrap();
        std::os::unix::fs::symlink(blobs.join(name), snapshot.join(name)).unwrap();
    }
    let model = snapshot.display().to_string();
    tabrank(&["verify", &model]).assert().success();
    let refused = |link: &Path| {
        let expected = format!(
            "tabrank: cannot read {}: it is a link to a file that is not there\n",
            link.display()
        );
        for arguments in [
            &["verify", &model][..],
            &["inspect", &model],
            &["rerank", "--query", "oil", "--model", &model],
        ] {
            let assert = tabrank(arguments).write_stdin("{\"text\":\"oil\"}").assert().code(66);
            assert_eq!(text(&assert.get_output().stderr), expected);
        }
    };
    for (name, bytes) in files.iter() {
        fs::remove_file(blobs.join(name)).unwrap();
        refused(&snapshot.join(name));
        fs::write(blobs.join(name), bytes).unwrap();
    }
    // A folder within is a link.
    fs::remove_dir_all(snapshot.join("1_Dense")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("gone"), snapshot.join("1_Dense")).unwrap();
    refused(&snapshot.join("1_Dense"));
}

#[test]
fn a_name_that_is_no_folder_says_what_a_model_is() {
    let said = |name: &str| {
        let assert = tabrank(&["verify", name]).assert().code(66);
        text(&assert.get_output().stderr)
    };
    for name in ["sentence-transformers/all-MiniLM-L6-v2", "bert-base", "https://hub.example/a/b"] {
        let error = said(name);
        assert!(error.starts_with(&format!("tabrank: {name} is not a folder: ")), "{error}");
        assert!(error.contains("clone its repository (with Git LFS)"), "{error}");
    }
    for name in ["/no/such/folder", "./a/b", "../a", "Cargo.toml"] {
        assert_eq!(said(name), format!("tabrank: {name} is not a folder\n"));
    }
    #[cfg(unix)]
    {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("gone", &link).unwrap();
        assert!(said(&link.display().to_string()).contains("a link to what is not there"));
    }
}
