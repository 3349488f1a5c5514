//! Which document token did each query token match, and where does it stand in the text?
//!
//! MaxSim counts one document token for each query token: the most similar. The explanation shows
//! just these, so their similarities add up to the score, but for rounding.

use crate::text::token_batch::TokenSequence;
use crate::text::tokenizer::Tokenizer;

/// A token and its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenSpan {
    /// `None` for an embedding that came without its token.
    pub id: Option<u32>,
    /// As the vocabulary spells it, e.g. `##ing`; empty where there is no id.
    pub token: String,
    /// Byte range in the text; `None` for tokens that the text does not hold (`[CLS]`, markers, `[MASK]`).
    pub range: Option<(usize, usize)>,
    /// Place of its embedding among the text's, from 0.
    pub row: usize,
}

/// A query token and the document token that it matched best.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenMatch {
    pub query: TokenSpan,
    pub document: TokenSpan,
    /// Dot product of the two embeddings. Of unit vectors it lies in [-1, 1]: what rounding adds beyond is taken off.
    pub similarity: f32,
    /// Part of the score; all shares add up to 1, and to 0 where the score is 0.
    pub share: f32,
}

/// Why a document has its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The document's score, to the bit: the sum of the similarities before rounding, or their mean where the model takes that.
    pub score: f32,
    /// Whether the query had more tokens than the model takes.
    pub query_truncated: bool,
    /// Whether the document had.
    pub truncated: bool,
    /// One match a query embedding, in the query's order; none for a document without embeddings.
    pub matches: Vec<TokenMatch>,
}

/// A text's tokens, if they are known, with the embeddings of those that yield one, `[embedded, dimension]`.
#[derive(Clone, Copy)]
pub struct EncodedText<'a> {
    pub tokens: Option<&'a TokenSequence>,
    pub embeddings: &'a [f32],
}

impl EncodedText<'_> {
    fn truncated(self) -> bool {
        self.tokens.is_some_and(|tokens| tokens.truncated)
    }
}

/// What explanations need of a model.
#[derive(Clone, Copy)]
pub struct Explained<'a> {
    pub tokenizer: &'a Tokenizer,
    /// Width of an embedding.
    pub dimension: usize,
    /// Whether embeddings are unit vectors.
    pub normalized: bool,
}

/// Explains one document's `score`. The first of equally similar tokens counts.
pub fn explain(
    score: f32,
    query: EncodedText<'_>,
    document: EncodedText<'_>,
    model: Explained<'_>,
) -> Explanation {
    let Explained { tokenizer, dimension, normalized } = model;
    let limit = if normalized { 1.0 } else { f32::INFINITY };
    let best: Vec<(usize, usize, f32)> = (0..)
        .zip(query.embeddings.chunks_exact(dimension))
        .filter_map(|(row, embedding)| {
            let (matched, similarity) = most_similar(embedding, document.embeddings)?;
            Some((row, matched, similarity))
        })
        .collect();
    let spans = [query, document].map(|text| Spans::new(text, tokenizer));
    let sum: f32 = best.iter().map(|(_, _, similarity)| similarity).sum();
    let matches = best
        .into_iter()
        .map(|(row, matched, similarity)| TokenMatch {
            query: spans[0].at(row),
            document: spans[1].at(matched),
            similarity: similarity.clamp(-limit, limit),
            share: if sum == 0.0 { 0.0 } else { similarity / sum },
        })
        .collect();
    let (query_truncated, truncated) = (query.truncated(), document.truncated());
    Explanation { score, query_truncated, truncated, matches }
}

/// The row of `document` that is most similar to an embedding.
fn most_similar(embedding: &[f32], document: &[f32]) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    for (row, other) in (0..).zip(document.chunks_exact(embedding.len())) {
        let similarity: f32 = embedding.iter().zip(other).map(|(a, b)| a * b).sum();
        if best.is_none_or(|(_, most)| similarity > most) {
            best = Some((row, similarity));
        }
    }
    best
}

/// A text's tokens by the rows of its embeddings.
struct Spans<'a> {
    /// With the position of each that yields an embedding.
    tokens: Option<(&'a TokenSequence, Vec<usize>)>,
    tokenizer: &'a Tokenizer,
}

impl<'a> Spans<'a> {
    fn new(text: EncodedText<'a>, tokenizer: &'a Tokenizer) -> Self {
        let tokens = text.tokens.map(|tokens| (tokens, tokens.embedded().collect()));
        Self { tokens, tokenizer }
    }

    fn at(&self, row: usize) -> TokenSpan {
        let Some((tokens, positions)) = &self.tokens else {
            return TokenSpan { id: None, token: String::new(), range: None, row };
        };
        let position = positions[row];
        let id = tokens.ids[position];
        let (token, range) = (self.tokenizer.token(id), tokens.offsets[position]);
        TokenSpan { id: Some(id), token, range, row }
    }
}

/// Turns byte offsets of one text into offsets in UTF-16 units, JavaScript's.
pub struct Utf16Offsets {
    /// For each byte, the UTF-16 units before it; one entry more for the end.
    units: Vec<u32>,
}

impl Utf16Offsets {
    /// Reads the text once.
    pub fn new(text: &str) -> Self {
        let mut units = vec![0; text.len() + 1];
        let mut total = 0;
        for (start, character) in text.char_indices() {
            units[start..start + character.len_utf8()].fill(total);
            total += character.len_utf16() as u32;
        }
        units[text.len()] = total;
        Self { units }
    }

    /// UTF-16 units before a byte offset. Offsets beyond the text give its length.
    pub fn at(&self, byte: usize) -> u32 {
        self.units[byte.min(self.units.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::Utf16Offsets;

    #[test]
    fn utf16_offsets_count_as_javascript_does() {
        let text = "aé漢👩‍🔬z";
        let offsets = Utf16Offsets::new(text);
        for (byte, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let expected = text[..byte].encode_utf16().count() as u32;
            assert_eq!(offsets.at(byte), expected, "at byte {byte}");
        }
        assert_eq!(offsets.at(1_000), offsets.at(text.len()));
    }
}
