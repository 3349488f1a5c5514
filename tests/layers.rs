//! Who may know whom: the modules of `src/` as a table, held against their `crate::` paths, so that
//! the picture cannot go stale.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module and what it may name. Every module has a row; rows only point at rows above them.
const ALLOWED: &[(&str, &[&str])] = &[
    ("token_batch", &[]),
    ("error", &["token_batch"]),
    ("observer", &[]),
    ("embeddings", &[]),
    ("batching", &[]),
    ("quantize", &[]),
    ("random", &[]),
    ("bundle", &["error", "quantize"]),
    ("checkpoint", &["bundle", "error", "quantize"]),
    ("config", &["bundle", "checkpoint", "error"]),
    ("tokenizer", &["checkpoint", "config", "error", "token_batch"]),
    ("ops", &["quantize", "random"]),
    ("encoder", &["checkpoint", "config", "error", "ops", "quantize", "token_batch"]),
    ("device", &["error"]),
    (
        "colbert",
        &[
            "batching",
            "checkpoint",
            "config",
            "device",
            "embeddings",
            "encoder",
            "error",
            "observer",
            "ops",
            "token_batch",
            "tokenizer",
        ],
    ),
    (
        "convert",
        &[
            "bundle",
            "checkpoint",
            "config",
            "device",
            "encoder",
            "error",
            "observer",
            "quantize",
            "random",
            "token_batch",
            "tokenizer",
        ],
    ),
    ("maxsim", &["batching", "device", "embeddings", "error"]),
    ("top_k", &["error", "token_batch"]),
    ("explain", &["token_batch", "tokenizer"]),
    ("device_check", &["colbert", "embeddings", "error", "maxsim", "observer", "token_batch"]),
    (
        "reranker",
        &[
            "checkpoint",
            "colbert",
            "config",
            "device",
            "device_check",
            "embeddings",
            "error",
            "explain",
            "maxsim",
            "observer",
            "quantize",
            "token_batch",
            "tokenizer",
            "top_k",
        ],
    ),
    ("wasm", &["device", "ops", "convert", "explain"]),
];

/// Words that only these modules may use.
const RESERVED: &[(&str, &[&str])] = &[
    ("burn::", &["ops", "encoder", "device", "colbert", "maxsim"]),
    ("tokenizers::", &["tokenizer"]),
    ("safetensors::", &["bundle", "checkpoint", "cli"]),
    ("wasm_bindgen", &["wasm", "lib"]),
    ("js_sys", &["wasm"]),
    ("std::fs", &["cli"]),
    ("std::io", &["cli"]),
    ("std::time", &["cli"]),
    ("println!", &["cli", "main"]),
    ("sha2::", &["bundle"]),
];

#[test]
fn modules_know_only_what_the_table_allows() {
    for (path, module) in sources() {
        if ["lib", "main", "cli"].contains(&module.as_str()) {
            continue;
        }
        let row = ALLOWED.iter().position(|(name, _)| *name == module);
        let row = row.unwrap_or_else(|| panic!("{module} has no row in the table"));
        for used in crate_paths(&fs::read_to_string(&path).unwrap()) {
            let Some(place) = ALLOWED.iter().position(|(name, _)| *name == used) else {
                continue;
            };
            if used == module {
                continue;
            }
            assert!(place < row, "{module} names {used}, which stands above it");
            assert!(ALLOWED[row].1.contains(&used.as_str()), "{} names {used}", path.display());
        }
    }
}

#[test]
fn reserved_words_stay_where_they_belong() {
    for (path, module) in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for (word, owners) in RESERVED {
            let used = text
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(word));
            assert!(!used || owners.contains(&module.as_str()), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn the_table_has_no_row_without_a_module() {
    let modules: BTreeSet<String> = sources().into_iter().map(|(_, module)| module).collect();
    for (name, _) in ALLOWED {
        assert!(modules.contains(*name), "there is no module {name}");
    }
}

/// Every source file with its module at the top level.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let first = path.strip_prefix(&root).unwrap().components().next().unwrap();
                let name = Path::new(first.as_os_str()).file_stem().unwrap();
                found.push((path.clone(), name.to_str().unwrap().to_owned()));
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// First segments of the paths that begin with `crate::`.
fn crate_paths(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}
