//! `modules.json`: the chain of modules of a sentence-transformers or PyLate folder.

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
    MultiVectorMask,
    Normalize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) kind: ModuleKind,
    path: String,
}

impl Module {
    /// The Transformer of a folder without `modules.json`.
    pub(crate) fn transformer() -> Self {
        Self { kind: ModuleKind::Transformer, path: String::new() }
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
        Value::Array(list) if list.len() <= MAX_MODULES => list,
        _ => return Err(invalid("", "is not a short list of modules")),
    };
    let modules = list
        .iter()
        .enumerate()
        .map(|(index, entry)| module(index, entry))
        .collect::<Result<Vec<_>>>()?;
    let transformers =
        modules.iter().filter(|module| module.kind == ModuleKind::Transformer).count();
    if transformers != 1 || modules[0].kind != ModuleKind::Transformer {
        return Err(invalid("", "needs one Transformer, as the first module"));
    }
    Ok(modules)
}

fn module(index: usize, entry: &Value) -> Result<Module> {
    let text = |field: &str| {
        entry
            .get(field)
            .and_then(Value::as_str)
            .ok_or_else(|| invalid(&format!("[{index}].{field}"), "is not a string"))
    };
    let class = text("type")?;
    // The class's place has moved between versions; its name has not.
    let kind = match class.rsplit('.').next() {
        Some("Transformer") => ModuleKind::Transformer,
        Some("Pooling") => ModuleKind::Pooling,
        Some("Dense") => ModuleKind::Dense,
        Some("MultiVectorMask") => ModuleKind::MultiVectorMask,
        Some("Normalize") => ModuleKind::Normalize,
        _ => {
            return Err(Error::Unsupported {
                file: MODULES.to_owned(),
                field: format!("[{index}].type"),
                value: class.to_owned(),
                hint: "Transformer, Pooling, Dense, MultiVectorMask and Normalize are",
            });
        }
    };
    Ok(Module { kind, path: text("path")?.trim_end_matches('/').to_owned() })
}

fn invalid(field: &str, reason: &str) -> Error {
    Error::InvalidField {
        file: MODULES.to_owned(),
        field: field.to_owned(),
        reason: reason.to_owned(),
    }
}
