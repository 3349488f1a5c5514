//! What is asked: a text, or embeddings that somebody has made of one.

use crate::error::{Error, Result};
use crate::late_interaction::colbert::ColBert;
use crate::text::token_batch::TokenSequence;
use crate::text_kind::TextKind;

/// A query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Query<'a> {
    Text(&'a str),
    /// Embeddings as the same model makes them, row-major `[length, dimension]`. They rank by late interaction alone, and an
    /// explanation has no tokens for them.
    Embeddings {
        values: &'a [f32],
        dimension: usize,
    },
}

impl<'a, S: AsRef<str> + ?Sized> From<&'a S> for Query<'a> {
    fn from(text: &'a S) -> Self {
        Query::Text(text.as_ref())
    }
}

/// A query as the encoder takes it.
#[derive(Debug, Clone)]
pub(crate) enum Encodable<'a> {
    Tokens(TokenSequence),
    Embeddings(&'a [f32]),
}

impl<'a> Query<'a> {
    /// # Errors
    /// [`Error::EmptyQuery`], those of tokenizing, and embeddings that are not the model's.
    pub(crate) fn encodable(self, model: &ColBert) -> Result<Encodable<'a>> {
        let (values, dimension) = match self {
            Query::Text(text) => {
                return model.tokenize(TextKind::Query, 0, text).map(Encodable::Tokens);
            }
            Query::Embeddings { values, dimension } => (values, dimension),
        };
        if dimension != model.dimension() {
            let reason = format!("are {dimension} wide, and the model's {}", model.dimension());
            return Err(Error::argument("the query's embeddings", reason));
        }
        if values.len() % dimension != 0 {
            let reason =
                format!("are {} values, which is no multiple of {dimension}", values.len());
            return Err(Error::argument("the query's embeddings", reason));
        }
        match values.iter().all(|value| value.is_finite()) {
            _ if values.is_empty() => Err(Error::EmptyQuery { index: 0 }),
            true => Ok(Encodable::Embeddings(values)),
            false => {
                Err(Error::NotFinite { what: "an embedding", kind: TextKind::Query, index: 0 })
            }
        }
    }
}

impl Encodable<'_> {
    /// How many embeddings it has.
    pub(crate) fn length(&self, dimension: usize) -> usize {
        match self {
            Encodable::Tokens(tokens) => tokens.embedded().count(),
            Encodable::Embeddings(values) => values.len() / dimension,
        }
    }
}
