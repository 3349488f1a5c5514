//! Some texts that are computed together, and what is read of their hidden states: an embedding a token, or one vector
//! a text.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::batching::{Batching, Cost};
use crate::device::read;
use crate::encoder::Unwatched;
use crate::error::{Error, Result};
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::observer::Observer;
use crate::ops::BatchEmbeddings;
use crate::text::long_documents::Window;
use crate::text::token_batch::{TokenBatch, TokenSequence};
use crate::text_kind::TextKind;

/// A tokenized text and its place among those of its kind. Only a long document has more than one window.
pub(crate) struct PlacedText {
    pub(crate) kind: TextKind,
    pub(crate) index: usize,
    pub(crate) windows: Vec<Window>,
}

impl PlacedText {
    /// A text that is encoded as a whole.
    pub(crate) fn whole(kind: TextKind, index: usize, tokens: TokenSequence) -> Self {
        Self { kind, index, windows: vec![tokens.into()] }
    }

    /// What computing it takes.
    pub(crate) fn cost(&self) -> Cost {
        self.windows.iter().map(|window| Cost::of(window.tokens.len())).sum()
    }

    /// How many rows the encoder makes of it.
    pub(crate) fn rows(&self) -> usize {
        self.windows.iter().map(|window| window.tokens.len()).sum()
    }

    /// Its windows, each with its first row.
    fn placed_windows(&self) -> impl Iterator<Item = (usize, &Window)> {
        self.windows.iter().scan(0, |next, window| {
            let first = *next;
            *next += window.tokens.len();
            Some((first, window))
        })
    }

    /// The rows that are embeddings.
    pub(crate) fn embedded(&self) -> impl Iterator<Item = usize> {
        self.placed_windows()
            .flat_map(|(first, window)| window.embedded().map(move |position| first + position))
    }

    /// The rows that a mean is taken of.
    pub(crate) fn attended(&self) -> impl Iterator<Item = usize> {
        self.placed_windows().flat_map(|(first, window)| {
            let mask = &window.tokens.attention_mask;
            window.kept.clone().filter(|&position| mask[position]).map(move |row| first + row)
        })
    }

    /// Its tokens, each once.
    pub(crate) fn tokens(&self) -> TokenSequence {
        let mut tokens = TokenSequence { truncated: self.truncated(), ..TokenSequence::default() };
        for window in &self.windows {
            tokens.extend(&window.tokens, window.kept.clone());
        }
        tokens
    }

    /// Whether it had more tokens than the model takes.
    pub(crate) fn truncated(&self) -> bool {
        self.windows.iter().any(|window| window.tokens.truncated)
    }

    /// What is said where a number of this text's is NaN or infinite.
    pub(crate) fn not_finite(&self) -> Error {
        Error::NotFinite { what: "an embedding", kind: self.kind, index: self.index }
    }
}

/// What stays of the hidden states of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// All of them.
    Hidden,
    /// The embeddings that they give. A document of many windows takes a fraction then.
    Embeddings,
}

/// Some texts' last hidden states or embeddings, on their device.
pub struct EncodedBatch<'a> {
    model: &'a ColBert,
    texts: Vec<PlacedText>,
    /// `[rows, width]`, window after window.
    rows: Tensor<2>,
    held: Held,
}

impl<'a> EncodedBatch<'a> {
    /// Encodes texts together; windows that are too many for that, some at a time.
    ///
    /// # Errors
    /// [`Error::Aborted`].
    pub(crate) async fn compute(
        model: &'a ColBert,
        texts: Vec<PlacedText>,
        held: Held,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let mut parts = Vec::new();
        for windows in together(&texts, model.batch_limits()) {
            let sequences = windows.into_iter().map(|window| &window.tokens);
            let tokens = TokenBatch::new(sequences.clone());
            let hidden = model.hidden_states(&tokens, &mut Unwatched, observer).await?;
            parts.push(match held {
                Held::Hidden => hidden,
                Held::Embeddings => model.project(hidden, sequences),
            });
        }
        Ok(Self { model, texts, rows: joined(parts), held })
    }

    /// Places of the texts in their list.
    pub fn range(&self) -> Range<usize> {
        let (first, last) = (self.texts.first(), self.texts.last());
        first.map_or(0, |text| text.index)..last.map_or(0, |text| text.index + 1)
    }

    /// How many of the texts had more tokens than the model takes.
    pub fn truncated(&self) -> usize {
        self.texts.iter().filter(|text| text.truncated()).count()
    }

    /// L2-normalised embeddings of the tokens that yield one.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::DeviceLost`].
    pub async fn token_embeddings(&self) -> Result<TokenEmbeddings> {
        let rows = read(self.embeddings()).await?;
        token_embeddings(&self.texts, &rows, self.model.dimension())
    }

    /// The embeddings where they were computed.
    pub(crate) fn on_device(&self) -> BatchEmbeddings {
        let lengths: Vec<usize> = self.texts.iter().map(PlacedText::rows).collect();
        let mut embeds = vec![false; lengths.iter().sum()];
        let mut first = 0;
        for (text, length) in self.texts.iter().zip(&lengths) {
            text.embedded().for_each(|row| embeds[first + row] = true);
            first += length;
        }
        BatchEmbeddings::new(self.embeddings(), &lengths, &embeds)
    }

    /// `[rows, dimension]`.
    pub(crate) fn embeddings(&self) -> Tensor<2> {
        match self.held {
            Held::Hidden => {
                let windows = self.texts.iter().flat_map(|text| &text.windows);
                self.model.project(self.rows.clone(), windows.map(|window| &window.tokens))
            }
            Held::Embeddings => self.rows.clone(),
        }
    }

    /// The model that computed it, and its texts.
    pub(crate) fn model_and_texts(&self) -> (&ColBert, &[PlacedText]) {
        (self.model, &self.texts)
    }

    /// `[rows, hidden]`, of a batch that holds them.
    pub(crate) fn hidden(&self) -> &Tensor<2> {
        assert_eq!(self.held, Held::Hidden, "who wants hidden states has them held");
        &self.rows
    }

    pub(crate) fn into_texts(self) -> Vec<PlacedText> {
        self.texts
    }
}

/// The texts' windows, as they are computed together.
fn together(texts: &[PlacedText], limits: Cost) -> Vec<Vec<&Window>> {
    let mut batching = Batching::new(limits);
    let windows = texts.iter().flat_map(|text| &text.windows);
    let mut batches: Vec<Vec<&Window>> =
        windows.filter_map(|window| batching.push(window, Cost::of(window.tokens.len()))).collect();
    batches.push(batching.finish());
    batches
}

fn joined(mut parts: Vec<Tensor<2>>) -> Tensor<2> {
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, 0),
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
        embeddings.push(&chosen(text.embedded(), rows, dimension));
    }
    Ok(embeddings)
}

/// Some of the rows of one text.
pub(crate) fn chosen(places: impl Iterator<Item = usize>, rows: &[f32], width: usize) -> Vec<f32> {
    places.flat_map(|row| &rows[row * width..(row + 1) * width]).copied().collect()
}

/// Each text with its rows.
pub(crate) fn each<'a>(
    texts: &'a [PlacedText],
    mut rows: &'a [f32],
    width: usize,
) -> impl Iterator<Item = (&'a PlacedText, &'a [f32])> {
    texts.iter().map(move |text| {
        let (own, rest) = rows.split_at(text.rows() * width);
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
