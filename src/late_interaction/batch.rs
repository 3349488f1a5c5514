//! Some texts that are computed together, and what is read of their hidden states: an embedding a token, or one vector
//! a text.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::device::read;
use crate::encoder::Unwatched;
use crate::error::{Error, Result};
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::observer::Observer;
use crate::ops::BatchEmbeddings;
use crate::text::token_batch::{TokenBatch, TokenSequence};
use crate::text_kind::TextKind;

/// A tokenized text and its place among those of its kind.
pub(crate) struct PlacedText {
    pub(crate) kind: TextKind,
    pub(crate) index: usize,
    pub(crate) tokens: TokenSequence,
}

impl PlacedText {
    /// What is said where a number of this text's is NaN or infinite.
    pub(crate) fn not_finite(&self) -> Error {
        Error::NotFinite { what: "an embedding", kind: self.kind, index: self.index }
    }
}

/// Some texts' last hidden states, on their device.
pub struct EncodedBatch<'a> {
    model: &'a ColBert,
    texts: Vec<PlacedText>,
    /// `[tokens, hidden]`.
    hidden: Tensor<2>,
}

impl<'a> EncodedBatch<'a> {
    /// Encodes texts together.
    ///
    /// # Errors
    /// [`Error::Aborted`].
    pub(crate) async fn compute(
        model: &'a ColBert,
        texts: Vec<PlacedText>,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let tokens = TokenBatch::new(texts.iter().map(|text| &text.tokens));
        let hidden = model.hidden_states(&tokens, &mut Unwatched, observer).await?;
        Ok(Self { model, texts, hidden })
    }

    /// Places of the texts in their list.
    pub fn range(&self) -> Range<usize> {
        let (first, last) = (self.texts.first(), self.texts.last());
        first.map_or(0, |text| text.index)..last.map_or(0, |text| text.index + 1)
    }

    /// How many of the texts had more tokens than the model takes.
    pub fn truncated(&self) -> usize {
        self.texts.iter().filter(|text| text.tokens.truncated).count()
    }

    /// Place behind the last text of a kind, if there is one.
    pub(crate) fn end_of(&self, kind: TextKind) -> Option<usize> {
        self.texts.iter().rfind(|text| text.kind == kind).map(|text| text.index + 1)
    }

    /// L2-normalised embeddings of the tokens that yield one.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::DeviceLost`].
    pub async fn token_embeddings(&self) -> Result<TokenEmbeddings> {
        let rows = read(self.project()).await?;
        token_embeddings(&self.texts, &rows, self.model.dimension())
    }

    /// The embeddings where they were computed.
    pub(crate) fn on_device(&self) -> BatchEmbeddings {
        let lengths: Vec<usize> = self.texts.iter().map(|text| text.tokens.len()).collect();
        let embeds: Vec<bool> =
            self.texts.iter().flat_map(|text| &text.tokens.embedding_mask).copied().collect();
        BatchEmbeddings::new(self.project(), &lengths, &embeds)
    }

    /// Rows of all tokens, `[tokens, dimension]`.
    pub(crate) fn project(&self) -> Tensor<2> {
        self.model.project(self.hidden.clone())
    }

    /// The model that computed it, and its texts.
    pub(crate) fn model_and_texts(&self) -> (&ColBert, &[PlacedText]) {
        (self.model, &self.texts)
    }

    /// `[tokens, hidden]`.
    pub(crate) fn hidden(&self) -> &Tensor<2> {
        &self.hidden
    }

    pub(crate) fn into_texts(self) -> Vec<PlacedText> {
        self.texts
    }
}

/// The rows of the tokens that yield an embedding, of `rows` `[tokens, dimension]`.
///
/// # Errors
/// [`Error::NotFinite`].
pub(crate) fn token_embeddings(
    texts: &[PlacedText],
    rows: &[f32],
    dimension: usize,
) -> Result<TokenEmbeddings> {
    let mut embeddings = TokenEmbeddings::new(dimension);
    for (text, rows) in each(texts, rows, dimension) {
        check_finite(text, rows)?;
        embeddings.push(&embedded(&text.tokens, rows, dimension));
    }
    Ok(embeddings)
}

/// The rows of one text that are embeddings.
pub(crate) fn embedded(tokens: &TokenSequence, rows: &[f32], dimension: usize) -> Vec<f32> {
    let row = |position| &rows[position * dimension..(position + 1) * dimension];
    tokens.embedded().flat_map(row).copied().collect()
}

/// Each text with its rows.
pub(crate) fn each<'a>(
    texts: &'a [PlacedText],
    mut rows: &'a [f32],
    width: usize,
) -> impl Iterator<Item = (&'a PlacedText, &'a [f32])> {
    texts.iter().map(move |text| {
        let (own, rest) = rows.split_at(text.tokens.len() * width);
        rows = rest;
        (text, own)
    })
}

pub(crate) fn check_finite(text: &PlacedText, values: &[f32]) -> Result<()> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(text.not_finite()),
    }
}
