//! How many token embeddings of a document stay, and which? The settings of hierarchical token pooling, as a call or a checkpoint
//! gives them.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::error::{Error, Result};

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
