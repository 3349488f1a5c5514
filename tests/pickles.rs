//! Weights as PyTorch pickles them, which `tabrank convert` alone reads. `tests/reference/pickles.py` makes them.

#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::command::{checkpoint, names, tabrank, text};
use common::fixtures;
use tempfile::TempDir;

/// A copy of a fixture in which `pickled` files stand in for the `safetensors` ones.
fn pickled(case: &str, safetensors: &[&str], files: &[(PathBuf, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(&checkpoint(case)), folder.path());
    safetensors.iter().for_each(|file| fs::remove_file(folder.path().join(file)).unwrap());
    for (from, to) in files {
        fs::copy(from, folder.path().join(to)).unwrap();
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => {
                fs::create_dir(&target).unwrap();
                copy(&entry.path(), &target);
            }
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    fixtures().join("pickles").join(name)
}

/// The files of the q8 bundle that is made of a checkpoint, by name.
fn converted(folder: &str) -> Vec<(String, Vec<u8>)> {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("bundle").display().to_string();
    tabrank(&["convert", folder, "--dtype", "q8", "-o", &path]).assert().success();
    let files = names(Path::new(&path)).into_iter();
    let files = files.filter(|name| out.path().join("bundle").join(name).is_file());
    files.map(|name| (name.clone(), fs::read(Path::new(&path).join(name)).unwrap())).collect()
}

/// Parameters, ids of positions, products that share a storage; two files by an index, and a Dense module's; bfloat16.
#[test]
fn a_pickled_checkpoint_becomes_the_bundle_of_its_safetensors() {
    let bin = "pytorch_model.bin";
    let shards = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
    let index = "pytorch_model.bin.index.json";
    let dense = "1_Dense/pytorch_model.bin";
    let f16 =
        [shards[0], shards[1], index, dense].map(|name| (fixture(&format!("f16/{name}")), name));
    let safe = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "1_Dense/model.safetensors",
    ];
    let whole = ["model.safetensors"];
    let cases = [
        ("stanford", pickled("stanford", &whole, &[(fixture("stanford/pytorch_model.bin"), bin)])),
        ("f16", pickled("f16", &safe, &f16)),
        ("bf16", pickled("bf16", &whole, &[(fixture("bf16/pytorch_model.bin"), bin)])),
    ];
    for (case, folder) in cases {
        let found = converted(&folder.path().display().to_string());
        let expected = converted(&checkpoint(case));
        assert!(found.len() > 4 && found == expected, "{case}");
    }
}

#[test]
fn what_is_no_pickle_of_tensors_alone_is_refused_by_name() {
    let cases = [
        ("command.bin", "it names \"posix.system\""),
        ("module.bin", "it names \"torch.nn.modules.linear.Linear\""),
        ("quantized.bin", "it names \"torch._utils._rebuild_qtensor\""),
        ("number.bin", "\"step\" is no tensor"),
        ("transposed.bin", "tensor a is a view, of shape [3, 2] with strides [1, 3]"),
        ("legacy.bin", "before PyTorch 1.6"),
        ("compressed.bin", "is compressed"),
        ("big-endian.bin", "byteorder\" is not little"),
    ];
    for (name, reason) in cases {
        let folder =
            pickled("plain", &["model.safetensors"], &[(fixture(name), "pytorch_model.bin")]);
        let model = folder.path().display().to_string();
        let out = folder.path().join("out").display().to_string();
        let arguments = ["convert", &model, "--dtype", "q8", "-o", &out];
        let error = text(&tabrank(&arguments).assert().code(65).get_output().stderr);
        assert!(error.contains("pytorch_model.bin") && error.contains(reason), "{name}: {error}");
    }
}

#[test]
fn other_commands_say_who_reads_pickles() {
    let files = [(fixture("stanford/pytorch_model.bin"), "pytorch_model.bin")];
    let folder = pickled("stanford", &["model.safetensors"], &files);
    let model = folder.path().display().to_string();
    let error = text(&tabrank(&["verify", &model]).assert().code(65).get_output().stderr);
    assert!(error.contains("only `tabrank convert` reads"), "{error}");
    fs::remove_file(folder.path().join("pytorch_model.bin")).unwrap();
    let out = folder.path().join("out").display().to_string();
    let arguments = ["convert", &model, "--dtype", "q8", "-o", &out];
    let error = text(&tabrank(&arguments).assert().code(65).get_output().stderr);
    assert!(error.contains("the checkpoint has no model.safetensors"), "{error}");
}

#[test]
fn what_is_no_archive_is_told_by_its_start() {
    let whole = fs::read(fixture("number.bin")).unwrap();
    let cases: [(&[u8], &str); 6] = [
        (b"", "is empty"),
        (b"<!doctype html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\n", "is a Git LFS pointer"),
        (b"\x80\x02}q\x00.", "it has no archive round it"),
        (&whole[..whole.len() / 2], "its archive is cut off or damaged"),
        (b"something else", "is no pickle of tensors alone"),
    ];
    let folder = pickled("plain", &["model.safetensors"], &[]);
    let model = folder.path().display().to_string();
    let out = folder.path().join("out").display().to_string();
    for (bytes, reason) in cases {
        fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
        let arguments = ["convert", &model, "--dtype", "q8", "-o", &out];
        let error = text(&tabrank(&arguments).assert().code(65).get_output().stderr);
        assert!(error.contains("pytorch_model.bin") && error.contains(reason), "{error}");
    }
}

/// An archive that ends anywhere, or of which any byte is another, is taken or refused.
#[test]
fn a_damaged_file_is_refused() {
    let whole = fs::read(fixture("number.bin")).unwrap();
    let folder = pickled("plain", &["model.safetensors"], &[]);
    let file = folder.path().join("pytorch_model.bin");
    let model = folder.path().display().to_string();
    let out = folder.path().join("out").display().to_string();
    for cut in [0, 1, 30, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..cut]).unwrap();
        tabrank(&["convert", &model, "--dtype", "q8", "-o", &out]).assert().code(65);
    }
}
