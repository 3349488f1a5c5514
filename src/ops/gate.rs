//! What stands between two products?

use crate::model::activation::Activation;

/// A function, or [GLU](https://arxiv.org/abs/2002.05202) with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gate {
    pub function: Activation,
    /// Whether a row is `function(first half) · second half` of what it was.
    pub gated: bool,
}

impl Gate {
    pub(crate) const NONE: Self = Self { function: Activation::Identity, gated: false };

    /// Values that each value is computed of.
    pub(crate) fn halves(self) -> usize {
        if self.gated { 2 } else { 1 }
    }
}

impl From<Activation> for Gate {
    fn from(function: Activation) -> Self {
        Self { function, gated: false }
    }
}
