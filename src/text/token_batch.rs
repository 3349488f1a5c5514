//! Token ids between tokenizer and encoder: one text's ([`TokenSequence`]), a pair's ([`TokenPair`]) and a batch's ([`TokenBatch`]).

use std::ops::Range;

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

    /// Whether none of the tokens stands for a part of the text: it has none that the tokenizer keeps.
    pub fn says_nothing(&self) -> bool {
        !self.truncated && self.offsets.iter().all(Option::is_none)
    }

    /// Appends a part of another sequence.
    pub fn extend(&mut self, other: &Self, range: Range<usize>) {
        self.ids.extend_from_slice(&other.ids[range.clone()]);
        self.attention_mask.extend_from_slice(&other.attention_mask[range.clone()]);
        self.embedding_mask.extend_from_slice(&other.embedding_mask[range.clone()]);
        self.offsets.extend_from_slice(&other.offsets[range]);
    }

    /// Positions that yield an embedding, in order.
    pub fn embedded(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|&position| self.embedding_mask[position])
    }
}

/// The tokens of a query and a document that are read as one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenPair {
    pub ids: Vec<u32>,
    /// For each of them which text it is of, as the encoder is told it: 0 for the first, 1 for the second, 0 throughout where it
    /// is not told.
    pub types: Vec<usize>,
    /// Whether tokens of the query are left out, as the pair has more than the checkpoint's length takes.
    pub query_truncated: bool,
    /// The same of the document.
    pub truncated: bool,
}

/// Vectors that stand in place of the vocabulary table's rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Of the tokens with this id.
    pub id: u32,
    /// `[tokens with the id, hidden]`, in the tokens' order.
    pub rows: Vec<f32>,
}

/// Several sequences under each other, without padding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenBatch {
    /// Ids of all tokens, text after text.
    pub ids: Vec<u32>,
    /// For each of them whether it may be attended to.
    pub attention_mask: Vec<bool>,
    /// For each of them the row of the encoder's table of types, if it has one.
    pub types: Vec<usize>,
    /// Tokens of each text.
    pub lengths: Vec<usize>,
    /// What is read in place of the table's rows, if anything is.
    pub features: Option<Features>,
    /// Where each token is, by time, row and column; none where it is counted from its text's first.
    pub places: Option<Vec<[u32; 3]>>,
}

impl TokenBatch {
    /// Puts `sequences` under each other.
    pub fn new<'a>(sequences: impl IntoIterator<Item = &'a TokenSequence>) -> Self {
        let mut batch = Self::default();
        for sequence in sequences {
            batch.ids.extend_from_slice(&sequence.ids);
            batch.attention_mask.extend_from_slice(&sequence.attention_mask);
            batch.lengths.push(sequence.len());
        }
        batch.types.resize(batch.ids.len(), 0);
        batch
    }

    /// Puts `pairs` under each other.
    pub fn of_pairs<'a>(pairs: impl IntoIterator<Item = &'a TokenPair>) -> Self {
        let mut batch = Self::default();
        for pair in pairs {
            batch.ids.extend_from_slice(&pair.ids);
            batch.types.extend_from_slice(&pair.types);
            batch.lengths.push(pair.ids.len());
        }
        batch.attention_mask.resize(batch.ids.len(), true);
        batch
    }
}
