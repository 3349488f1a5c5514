//! How many token embeddings of a document stay, and which? The settings of hierarchical token pooling, as a call or a checkpoint
//! gives them.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::{Layout, Reading};
use crate::error::{Error, Result};
use crate::model::checkpoint::{Fields, MODULES, Module, ModuleKind};

/// Fields of a HierarchicalTokenPooling module's `config.json`.
const FIELDS: &[&str] = &["normalize_embeddings", PROTECTED, "pool_factor", "tasks"];
const PROTECTED: &str = "num_protected_tokens";

/// Hierarchical token pooling: a document's embeddings are clustered, and the mean of each cluster stays.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TokenPooling {
    /// About one embedding of so many stays. 1 keeps them all.
    pub factor: f64,
    /// The first embeddings, which stay by themselves: `[CLS]`, as a rule.
    pub protected: usize,
    /// Whether every embedding that stays is brought to length 1, as sentence-transformers does by default; PyLate leaves means
    /// as they are, and those are shorter.
    pub normalize: bool,
}

impl TokenPooling {
    /// One embedding of `factor`, with one protected token, of length 1: the defaults of sentence-transformers. Unit vectors are
    /// what binary and residual codes decode to, so that a document scores alike in every codec.
    pub const fn by(factor: f64) -> Self {
        Self { factor, protected: 1, normalize: true }
    }

    /// How many clusters are made of so many embeddings, as Python divides; as many: none.
    pub(crate) fn clusters(self, embeddings: usize) -> usize {
        let count = embeddings as f64;
        (((count - count % self.factor) / self.factor).round() as usize).max(1)
    }

    /// Refuses a factor below 1.
    ///
    /// # Errors
    /// [`Error::Argument`].
    pub fn check(self) -> Result<()> {
        match self.factor.is_finite() && self.factor >= 1.0 {
            true => Ok(()),
            false => {
                let reason = format!("has factor {}; 1 and more are taken", self.factor);
                Err(Error::argument("token_pooling", reason))
            }
        }
    }
}

/// The factor alone, where the other settings are the defaults: `2`, `1.5 protected=0 normalize=false`.
impl Display for TokenPooling {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plain = Self::by(self.factor);
        write!(f, "{}", self.factor)?;
        if self.protected != plain.protected {
            write!(f, " protected={}", self.protected)?;
        }
        if self.normalize != plain.normalize {
            write!(f, " normalize={}", self.normalize)?;
        }
        Ok(())
    }
}

/// What a multi-vector model of sentence-transformers does with documents, as its last module says; `None` without such a module.
pub(super) fn read(reading: &mut Reading<'_>, layout: Layout) -> Result<Option<TokenPooling>> {
    let modules = reading.files.modules()?;
    let is_pooling = |module: &Module| module.kind == ModuleKind::HierarchicalTokenPooling;
    match modules.iter().position(is_pooling) {
        None => Ok(None),
        Some(place) if layout == Layout::SentenceTransformers && place + 1 == modules.len() => {
            settings(reading, &modules[place]).map(Some)
        }
        Some(place) => Err(Error::Unsupported {
            file: MODULES.to_owned(),
            field: format!("[{place}].type"),
            value: "HierarchicalTokenPooling".to_owned(),
            hint: "as the last module of a multi-vector model it is",
        }),
    }
}

fn settings(reading: &mut Reading<'_>, module: &Module) -> Result<TokenPooling> {
    let name = module.path_of("config.json");
    let missing = || Error::MissingFile { name: name.clone(), hint: "" };
    let config = reading.files.fields(&name)?.ok_or_else(missing)?;
    let warnings = &mut reading.warnings;
    config.warn_of_unknown(FIELDS, warnings);
    // Queries keep their embeddings.
    match config.words("tasks")?.as_deref() {
        None => {}
        Some([task]) if task == "document" => {}
        Some(tasks) => {
            return Err(config.unsupported("tasks", &tasks.join(", "), "document alone is"));
        }
    }
    let factor = config.float("pool_factor")?;
    let normalize = config.bool("normalize_embeddings")?;
    Ok(TokenPooling {
        factor: at_least_one(&config, config.or_default("pool_factor", factor, 1.0, warnings)?)?,
        protected: config.or_default(PROTECTED, protected(&config)?, 1, warnings)?,
        // Modules of old have none: what is made today normalises, and says so.
        normalize: config.or_default("normalize_embeddings", normalize, false, warnings)?,
    })
}

fn at_least_one(config: &Fields<'_>, factor: f64) -> Result<f64> {
    match factor >= 1.0 {
        true => Ok(factor),
        false => Err(config.invalid("pool_factor", &format!("is {factor}; 1 and more are taken"))),
    }
}

fn protected(config: &Fields<'_>) -> Result<Option<usize>> {
    let Some(value) = config.value(PROTECTED) else {
        return Ok(None);
    };
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
    count.map(Some).ok_or_else(|| config.invalid(PROTECTED, "is not a whole number from 0"))
}
