//! `modules.json`: the chain of modules of a sentence-transformers or PyLate folder.

use std::collections::HashSet;

use serde_json::Value;

use super::MODULES;
use super::fields::parse_json;
use crate::error::{Error, Result};

const MAX_MODULES: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModuleKind {
    Transformer,
    /// One vector a text: what a bi-encoder does after the Transformer, and late interaction leaves out.
    Pooling,
    Dense,
    /// Of one vector a text, in a cross-encoder's head.
    LayerNorm,
    MultiVectorMask,
    Normalize,
    /// Of a document's token embeddings, fewer stay.
    HierarchicalTokenPooling,
    /// ColNanoVDR's own: a query's token embeddings, each times its weight.
    TokenWeighting,
}

impl ModuleKind {
    /// A class's place in its package has moved between versions; its name has not. Of other packages come classes of
    /// anybody's making, of which one is known by what its folders say of it; the code beside it is not looked at.
    fn of_class(class: &str) -> Option<Self> {
        let mut parts = class.split('.');
        let (package, name) = (parts.next()?, parts.next_back()?);
        Some(match (package, name) {
            ("sentence_transformers", "Transformer") => ModuleKind::Transformer,
            ("sentence_transformers", "Pooling") => ModuleKind::Pooling,
            ("sentence_transformers" | "pylate", "Dense") => ModuleKind::Dense,
            ("sentence_transformers", "LayerNorm") => ModuleKind::LayerNorm,
            ("sentence_transformers", "MultiVectorMask") => ModuleKind::MultiVectorMask,
            ("sentence_transformers", "Normalize") => ModuleKind::Normalize,
            ("sentence_transformers", "HierarchicalTokenPooling") => {
                ModuleKind::HierarchicalTokenPooling
            }
            ("colnanovdr_weighting", "ColNanoVDRWeighting") => ModuleKind::TokenWeighting,
            _ => return None,
        })
    }

    /// Whether the module has a `config.json`. A Normalize has one since its class moved.
    fn has_settings(self, class: &str) -> bool {
        match self {
            ModuleKind::Transformer => false,
            ModuleKind::Normalize => class.starts_with("sentence_transformers.base."),
            ModuleKind::Pooling
            | ModuleKind::Dense
            | ModuleKind::LayerNorm
            | ModuleKind::MultiVectorMask
            | ModuleKind::HierarchicalTokenPooling
            | ModuleKind::TokenWeighting => true,
        }
    }

    /// Whether the module's folder has weights.
    pub(super) fn has_weights(self) -> bool {
        matches!(self, ModuleKind::Dense | ModuleKind::LayerNorm | ModuleKind::TokenWeighting)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) kind: ModuleKind,
    path: String,
    /// Whether its folder has a `config.json`.
    pub(crate) has_settings: bool,
    /// Whether the class is one of PyLate's, which come with PyLate's settings.
    pub(super) of_pylate: bool,
}

impl Module {
    /// The Transformer of a folder without `modules.json`.
    pub(crate) fn transformer() -> Self {
        Self {
            kind: ModuleKind::Transformer,
            path: String::new(),
            has_settings: false,
            of_pylate: false,
        }
    }

    /// Name of a file in the module's folder.
    pub(crate) fn path_of(&self, file: &str) -> String {
        match self.path.as_str() {
            "" => file.to_owned(),
            path => format!("{path}/{file}"),
        }
    }
}

/// Reads the list. The Transformer comes first; unknown modules are refused, since they change numbers.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Module>> {
    let list = match parse_json(MODULES, bytes)? {
        Value::Array(list) => list,
        _ => {
            return Err(Error::InvalidJson {
                file: MODULES.to_owned(),
                reason: "the outermost value is not a list".to_owned(),
            });
        }
    };
    if list.len() > MAX_MODULES {
        return Err(Error::Limit {
            file: MODULES.to_owned(),
            field: "the number of modules".to_owned(),
            value: list.len().to_string(),
            limit: MAX_MODULES,
        });
    }
    let mut names = HashSet::new();
    let modules = list
        .iter()
        .enumerate()
        .map(|(index, entry)| module(index, entry, &mut names))
        .collect::<Result<Vec<_>>>()?;
    let transformers =
        modules.iter().filter(|module| module.kind == ModuleKind::Transformer).count();
    if transformers != 1 || modules[0].kind != ModuleKind::Transformer {
        return Err(invalid("the list", "needs one Transformer, as the first module"));
    }
    Ok(modules)
}

/// `idx` says nothing: the list's own order counts. Of two modules by one name the libraries keep the second.
fn module(index: usize, entry: &Value, names: &mut HashSet<String>) -> Result<Module> {
    let text = |field: &str| {
        entry
            .get(field)
            .and_then(Value::as_str)
            .ok_or_else(|| invalid(&format!("[{index}].{field}"), "is not a string"))
    };
    if !names.insert(text("name")?.to_owned()) {
        return Err(invalid(&format!("[{index}].name"), "is that of another module too"));
    }
    let class = text("type")?;
    let kind = ModuleKind::of_class(class).ok_or_else(|| Error::Unsupported {
        file: MODULES.to_owned(),
        field: format!("[{index}].type"),
        value: class.to_owned(),
        hint: "Transformer, Pooling, Dense, LayerNorm, MultiVectorMask, Normalize and HierarchicalTokenPooling of sentence_transformers are, Dense of pylate and ColNanoVDRWeighting of colnanovdr_weighting",
    })?;
    let path = text("path")?.trim_end_matches('/').to_owned();
    let of_pylate = class.starts_with("pylate.");
    Ok(Module { kind, path, has_settings: kind.has_settings(class), of_pylate })
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::InvalidField {
        file: MODULES.to_owned(),
        field: field.to_owned(),
        reason: reason.to_owned(),
    }
}
