//! Token ids between tokenizer and encoder: one text's ([`TokenSequence`]) and a padded batch's ([`TokenBatch`]).

use std::fmt;

/// The two kinds of text. They differ in marker, length, expansion and skiplist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextKind {
    Query,
    Document,
}

impl fmt::Display for TextKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TextKind::Query => "query",
            TextKind::Document => "document",
        })
    }
}

/// The tokens of one text; all vectors have one entry a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenSequence {
    pub ids: Vec<u32>,
    /// Who may be attended to. False for expansion tokens of checkpoints that do not attend to them.
    pub attention_mask: Vec<bool>,
    /// Who yields an embedding. False for skiplisted tokens.
    pub embedding_mask: Vec<bool>,
    /// Byte range in the text, `None` for tokens that the text does not hold (markers, `[CLS]`, `[MASK]`).
    pub offsets: Vec<Option<(usize, usize)>>,
    /// Whether the text had more tokens than the checkpoint's length takes.
    pub truncated: bool,
}

impl TokenSequence {
    /// Number of tokens that the encoder sees.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is nothing to encode.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Positions that yield an embedding, in order.
    pub fn embedded(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|&position| self.embedding_mask[position])
    }
}

/// Several sequences padded to one length, row-major `[batch, length]`.
///
/// Padding carries id 0 and is never attended to, so it reaches no other token; which rows yield
/// embeddings stays with the [`TokenSequence`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBatch {
    pub ids: Vec<u32>,
    pub attention_mask: Vec<bool>,
    pub batch: usize,
    pub length: usize,
}

impl TokenBatch {
    /// Pads `sequences` to `length`, which is at least the longest one's.
    pub fn pad(sequences: &[&TokenSequence], length: usize) -> Self {
        let batch = sequences.len();
        let mut ids = vec![0; batch * length];
        let mut attention_mask = vec![false; batch * length];
        for (row, sequence) in sequences.iter().enumerate() {
            let start = row * length;
            ids[start..start + sequence.len()].copy_from_slice(&sequence.ids);
            attention_mask[start..start + sequence.len()].copy_from_slice(&sequence.attention_mask);
        }
        Self { ids, attention_mask, batch, length }
    }

    /// Whether every position may be attended to, so that no mask is needed.
    pub fn is_dense(&self) -> bool {
        self.attention_mask.iter().all(|&attended| attended)
    }
}
