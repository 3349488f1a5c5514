//! Who may know whom: the modules of `src/` as a table, held against their `crate::` paths, so that
//! the picture cannot go stale.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module and what it may name; a wing's name stands for all its modules. Every module has a row, and rows only point at
/// rows above them.
const ALLOWED: &[(&str, &[&str])] = &[
    ("text_kind", &[]),
    ("error", &["text_kind"]),
    ("observer", &["error"]),
    ("random", &[]),
    // Its test draws lengths.
    ("batching", &["random"]),
    ("device", &["error"]),
    ("image", &["error"]),
    ("model::activation", &[]),
    ("model::quantize", &[]),
    ("model::contents", &[]),
    ("model::overrides", &[]),
    (
        "model::bundle",
        &["error", "model::contents", "model::overrides", "model::quantize", "observer"],
    ),
    ("model::checkpoint", &["error", "model::bundle", "model::contents", "model::quantize"]),
    (
        "model::config",
        &[
            "error",
            "image",
            "model::activation",
            "model::bundle",
            "model::checkpoint",
            "model::overrides",
        ],
    ),
    (
        "model::embedding_id",
        &["error", "model::bundle", "model::checkpoint", "model::config", "model::quantize"],
    ),
    ("model::room", &["error", "model::bundle", "model::quantize"]),
    ("text::texts", &[]),
    ("text::duplicates", &["text::texts"]),
    ("text::token_batch", &[]),
    ("text::long_documents", &["error", "text::token_batch"]),
    (
        "text::tokenizer",
        &[
            "error",
            "model::checkpoint",
            "model::config",
            "text_kind",
            "text::long_documents",
            "text::token_batch",
        ],
    ),
    ("ops", &["model::activation", "model::quantize", "random"]),
    ("encoder", &["error", "model", "observer", "ops", "text::token_batch"]),
    (
        "cross_encoder",
        &[
            "batching",
            "device",
            "encoder",
            "error",
            "model",
            "observer",
            "ops",
            "text",
            "text_kind",
        ],
    ),
    ("late_interaction::embeddings", &[]),
    (
        "late_interaction::codec",
        &[
            "error",
            "late_interaction::embeddings",
            "model::bundle",
            "model::contents",
            "observer",
            "ops",
            "random",
        ],
    ),
    (
        "late_interaction::token_pooling",
        // Its tests draw rows.
        &["error", "late_interaction::embeddings", "model::config", "random"],
    ),
    ("late_interaction::coded", &["device", "late_interaction::codec", "ops"]),
    ("late_interaction::weighting", &["error", "model", "ops", "text"]),
    (
        "late_interaction::colbert",
        &[
            "batching",
            "device",
            "encoder",
            "error",
            "late_interaction::codec",
            "late_interaction::coded",
            "late_interaction::weighting",
            "model",
            "observer",
            "ops",
            "text",
            "text_kind",
        ],
    ),
    (
        "late_interaction::batch",
        &[
            "batching",
            "device",
            "encoder",
            "error",
            "late_interaction::colbert",
            "late_interaction::embeddings",
            "observer",
            "ops",
            "text",
            "text_kind",
        ],
    ),
    (
        "late_interaction::stream",
        &[
            "batching",
            "device",
            "error",
            "late_interaction::batch",
            "late_interaction::colbert",
            "observer",
            "text",
            "text_kind",
        ],
    ),
    (
        "late_interaction::vectors",
        &[
            "device",
            "error",
            "late_interaction::batch",
            "late_interaction::colbert",
            "late_interaction::embeddings",
            "model",
            "ops",
        ],
    ),
    (
        "late_interaction::encode",
        &["device", "encoder", "error", "late_interaction", "observer", "text", "text_kind"],
    ),
    (
        "late_interaction::page",
        &[
            "device",
            "encoder",
            "error",
            "image",
            "late_interaction::colbert",
            "late_interaction::embeddings",
            "late_interaction::encode",
            "model",
            "observer",
            "ops",
            "text",
        ],
    ),
    (
        "late_interaction::whole_page",
        &[
            "device",
            "encoder",
            "error",
            "image",
            "late_interaction::colbert",
            "late_interaction::encode",
            "late_interaction::page",
            "model",
            "observer",
            "ops",
            "text",
        ],
    ),
    (
        "late_interaction::maxsim",
        &["late_interaction::codec", "late_interaction::embeddings", "ops"],
    ),
    (
        "late_interaction::index",
        &[
            "error",
            "late_interaction::codec",
            "late_interaction::maxsim",
            "model::bundle",
            "model::checkpoint",
            "model::contents",
            "text_kind",
        ],
    ),
    (
        "late_interaction::similarity",
        &[
            "error",
            "late_interaction::codec",
            "late_interaction::embeddings",
            "late_interaction::maxsim",
            "model::config",
            "text_kind",
        ],
    ),
    ("late_interaction::explain", &["text"]),
    ("stages::top_k", &["error", "text_kind"]),
    ("stages::bm25", &["error", "observer", "text"]),
    ("stages::dense", &["error", "late_interaction", "text_kind"]),
    ("stages::diversify", &["error", "observer"]),
    ("stages::fusion", &["error", "stages::top_k"]),
    ("stages::query", &["error", "late_interaction", "text", "text_kind"]),
    ("stages::precomputed", &["batching", "error", "late_interaction::codec", "ops", "text_kind"]),
    (
        "stages::options",
        &[
            "error",
            "late_interaction",
            "stages::bm25",
            "stages::fusion",
            "stages::precomputed",
            "text",
        ],
    ),
    ("stages::checks", &["error", "stages::options", "stages::query", "text", "text_kind"]),
    (
        "stages::in_memory",
        &[
            "error",
            "late_interaction",
            "stages::options",
            "stages::precomputed",
            "text",
            "text_kind",
        ],
    ),
    ("stages::results", &["batching", "error", "late_interaction"]),
    ("stages::list", &["stages::results", "stages::top_k"]),
    ("stages::told", &["batching", "error", "late_interaction", "observer"]),
    (
        "stages::late",
        &[
            "device",
            "error",
            "late_interaction",
            "observer",
            "ops",
            "stages::in_memory",
            "stages::query",
            "stages::top_k",
            "text",
            "text_kind",
        ],
    ),
    (
        "stages::pass",
        &[
            "device",
            "error",
            "late_interaction",
            "observer",
            "ops",
            "stages::dense",
            "stages::in_memory",
            "stages::late",
            "stages::options",
            "stages::precomputed",
            "stages::query",
            "stages::told",
            "text",
            "text_kind",
        ],
    ),
    ("stages::cross_encoder", &["cross_encoder", "error", "observer", "stages::told", "text"]),
    (
        "stages::reader",
        &["cross_encoder", "error", "late_interaction", "observer", "stages", "text"],
    ),
    ("stages::pipeline", &["error", "late_interaction", "observer", "stages", "text", "text_kind"]),
    (
        "convert",
        &[
            "device",
            "encoder",
            "error",
            "image",
            "late_interaction",
            "model",
            "observer",
            "random",
            "text",
            "text_kind",
        ],
    ),
    (
        "device_check",
        &[
            "cross_encoder",
            "device",
            "error",
            "late_interaction",
            "model",
            "observer",
            "ops",
            "text",
            "text_kind",
        ],
    ),
    (
        "reranker",
        &[
            "batching",
            "cross_encoder",
            "device",
            "device_check",
            "encoder",
            "error",
            "image",
            "late_interaction",
            "model",
            "observer",
            "stages",
            "text",
            "text_kind",
        ],
    ),
    ("wasm", &["convert", "device", "image", "late_interaction", "observer", "ops", "random"]),
];

/// The folders whose modules have rows of their own. Their `mod.rs` only lists them.
const WINGS: &[&str] = &["late_interaction", "model", "stages", "text"];

/// Words that only these modules may use.
const RESERVED: &[(&str, &[&str])] = &[
    (
        "burn::",
        &[
            "convert",
            "cross_encoder",
            "device",
            "encoder",
            "late_interaction::batch",
            "late_interaction::colbert",
            "late_interaction::encode",
            "late_interaction::page",
            "late_interaction::stream",
            "late_interaction::weighting",
            "late_interaction::whole_page",
            "ops",
            "stages::late",
            "stages::pass",
        ],
    ),
    ("burn_wgpu::", &["ops"]),
    ("cubecl::", &["ops"]),
    ("unsafe ", &["ops", "wasm"]),
    ("tokenizers::", &["text::tokenizer"]),
    ("safetensors::", &["cli", "late_interaction::codec", "model::bundle", "model::checkpoint"]),
    ("zip::", &["cli"]),
    ("wasm_bindgen", &["wasm", "lib"]),
    ("js_sys", &["wasm"]),
    ("tsify::", &["wasm"]),
    ("std::fs", &["cli"]),
    ("std::io", &["cli", "image"]),
    ("std::time", &["cli"]),
    ("println!", &["cli", "main"]),
    ("sha2::", &["cli", "model::bundle"]),
    ("xxhash_rust::", &["model::checkpoint"]),
];

#[test]
fn modules_know_only_what_the_table_allows() {
    for source in sources().iter().filter(|source| !source.is_free()) {
        let row = ALLOWED.iter().position(|(name, _)| *name == source.module);
        let row = row.unwrap_or_else(|| panic!("{} has no row in the table", source.module));
        for path in crate_paths(&source.text()) {
            // Names that are no module are those of `lib.rs`, which are public.
            let Some(place) = ALLOWED.iter().position(|(name, _)| holds(&path, name)) else {
                assert!(
                    !WINGS.contains(&path.as_str()),
                    "{} names a whole wing: {path}",
                    source.module
                );
                continue;
            };
            let used = ALLOWED[place].0;
            assert!(place <= row, "{} names {used}, which stands above it", source.module);
            let allowed = place == row || ALLOWED[row].1.iter().any(|name| holds(used, name));
            assert!(allowed, "{} names {used}", source.path.display());
        }
    }
}

#[test]
fn reserved_words_stay_where_they_belong() {
    for source in sources() {
        let text = source.text();
        for (word, owners) in RESERVED {
            let used = text
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(word));
            let allowed = owners.iter().any(|owner| holds(&source.module, owner));
            assert!(!used || allowed, "{} uses {word}", source.path.display());
        }
    }
}

#[test]
fn the_table_has_no_row_without_a_module() {
    let modules: BTreeSet<String> = sources().into_iter().map(|source| source.module).collect();
    for (name, _) in ALLOWED {
        assert!(modules.contains(*name), "there is no module {name}");
    }
}

/// Whether `path` is `module` or below it.
fn holds(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A source file and its module: `late_interaction::maxsim`, or `encoder` for all that is below it.
struct Source {
    path: PathBuf,
    module: String,
}

impl Source {
    fn new(path: PathBuf, root: &Path) -> Self {
        let relative = path.strip_prefix(root).unwrap().with_extension("");
        let segments: Vec<&str> = relative
            .iter()
            .map(|name| name.to_str().unwrap())
            .filter(|name| *name != "mod")
            .collect();
        let depth = if WINGS.contains(&segments[0]) { 2 } else { 1 };
        let module = segments[..segments.len().min(depth)].join("::");
        Self { path, module }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// May name everything: the crate's list of modules, a wing's own, and the command line.
    fn is_free(&self) -> bool {
        ["lib", "main", "cli"].contains(&self.module.as_str())
            || WINGS.contains(&self.module.as_str())
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(Source::new(path, &root));
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// The first two segments of the paths that begin with `crate::`, or the one where a brace or an item follows it.
fn crate_paths(text: &str) -> BTreeSet<String> {
    let word = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            let first = word(rest);
            match rest[first.len()..].strip_prefix("::").map(word) {
                Some(second) if !second.is_empty() => format!("{first}::{second}"),
                _ => first,
            }
        })
        .collect()
}
