//! Which ids do a query and a document become that are read as one text?
//!
//! Each is tokenized by itself, and what both have beyond the length is left out: of the longer one, until both fit, then of both
//! alike (`longest_first` of transformers). Special tokens stand round and between them by the template for pairs of
//! `tokenizer.json`, or of the tokenizer's class.
//!
//! Limit: where an odd number of tokens fits and neither text does, the longer one keeps the odd token. Of texts that both have more
//! than [`COUNTED`] times as many it is not told which is longer: the document keeps it.

use crate::error::Result;
use crate::text::long_documents::LongDocuments;
use crate::text::token_batch::TokenPair;
use crate::text_kind::TextKind;

use super::{Tokenizer, refused};

/// As many times the tokens that fit are counted of a text that is too long.
const COUNTED: usize = 16;

/// A place of a template: where a text stands, or special tokens.
pub(super) enum PairPiece {
    First,
    Second,
    Special(Vec<u32>),
}

/// What goes round the texts of a pair, each piece with the type of its tokens.
pub(super) struct PairTemplate(Vec<(PairPiece, usize)>);

impl PairTemplate {
    /// `None` unless each text stands in it once, beside a special token.
    pub(super) fn new(pieces: Vec<(PairPiece, usize)>) -> Option<Self> {
        let count = |wanted: fn(&PairPiece) -> bool| {
            pieces.iter().filter(|(piece, _)| wanted(piece)).count()
        };
        let firsts = count(|piece| matches!(piece, PairPiece::First));
        let seconds = count(|piece| matches!(piece, PairPiece::Second));
        (firsts == 1 && seconds == 1 && pieces.len() > 2).then_some(Self(pieces))
    }

    /// Number of its special tokens.
    pub(super) fn special(&self) -> usize {
        let ids = self.0.iter().map(|(piece, _)| match piece {
            PairPiece::First | PairPiece::Second => 0,
            PairPiece::Special(ids) => ids.len(),
        });
        ids.sum()
    }

    fn fill(&self, first: &[u32], second: &[u32]) -> (Vec<u32>, Vec<usize>) {
        let (mut ids, mut types) = (Vec::new(), Vec::new());
        for (piece, kind) in &self.0 {
            ids.extend_from_slice(match piece {
                PairPiece::First => first,
                PairPiece::Second => second,
                PairPiece::Special(special) => special,
            });
            types.resize(ids.len(), *kind);
        }
        (ids, types)
    }
}

/// A query's tokens, for all the pairs that it is the first text of.
pub struct PairQuery {
    text: Content,
    /// Whether it holds nothing that the model reads.
    pub says_nothing: bool,
}

/// A text's tokens without special ones, as many as are counted.
struct Content {
    ids: Vec<u32>,
    /// Whether it has more.
    more: bool,
}

impl Content {
    /// How many tokens it counts as.
    fn len(&self) -> usize {
        self.ids.len() + usize::from(self.more)
    }

    /// Its first tokens, as far as there are as many: of a text whose tokens are long few may stand for all that was read.
    fn start(&self, count: usize) -> &[u32] {
        &self.ids[..count.min(self.ids.len())]
    }
}

impl Tokenizer {
    /// Tokenizes the first text of pairs.
    ///
    /// # Errors
    /// [`crate::Error::Tokenize`].
    pub(crate) fn pair_query(&self, query: &str) -> Result<PairQuery> {
        let most = self.query.content_length;
        let counted = if most.is_multiple_of(2) { most } else { most.saturating_mul(COUNTED) };
        let (text, head) = self.content(TextKind::Query, 0, query, counted)?;
        let says_nothing = !text.more && text.ids.len() == head || query.trim().is_empty();
        Ok(PairQuery { text, says_nothing })
    }

    /// Puts a document behind a query. `index` is its place in the caller's list, for errors.
    ///
    /// # Errors
    /// [`crate::Error::Tokenize`].
    ///
    /// # Panics
    /// If the checkpoint is no cross-encoder's.
    pub(crate) fn pair(
        &self,
        query: &PairQuery,
        index: usize,
        document: &str,
    ) -> Result<TokenPair> {
        let template = self.pair.as_ref().expect("a cross-encoder's tokenizer has a template");
        let (first, most) = (&query.text, self.document.content_length);
        let counted = first.ids.len().max(most);
        let (second, _) = self.content(TextKind::Document, index, document, counted)?;
        let [kept, behind] = longest_first([first.len(), second.len()], most);
        let (ids, types) = template.fill(first.start(kept), second.start(behind));
        let query_truncated = first.more || kept < first.len();
        let truncated = second.more || behind < second.len();
        Ok(TokenPair { ids, types, query_truncated, truncated })
    }

    /// A text's own tokens and those of what stands before it, up to `counted`, and how many the latter are.
    fn content(
        &self,
        kind: TextKind,
        index: usize,
        text: &str,
        counted: usize,
    ) -> Result<(Content, usize)> {
        let side = self.side(kind);
        let text = &text[self.windows.passed_over(text)..];
        let kept = self
            .kept_tokens(side, text, LongDocuments::Cut, counted)
            .map_err(|error| refused(kind, index, &error))?;
        let ids = kept.encoding.get_ids().to_vec();
        Ok((Content { ids, more: kept.truncated }, kept.head))
    }
}

/// How many tokens stay of two texts, of `most` together.
fn longest_first(lengths: [usize; 2], most: usize) -> [usize; 2] {
    let [first, second] = lengths;
    if first + second <= most {
        return lengths;
    }
    let shorter = first.min(second);
    let longer = if shorter > most { shorter } else { shorter.max(most - shorter) };
    let (shorter, longer) = match shorter + longer > most {
        true => (most / 2, most / 2 + most % 2),
        false => (shorter, longer),
    };
    if first > second { [longer, shorter] } else { [shorter, longer] }
}

#[cfg(test)]
mod tests {
    use tokenizers::utils::truncation::{TruncationParams, TruncationStrategy, truncate_encodings};
    use tokenizers::{Encoding, Token};

    use super::longest_first;

    fn encoding(tokens: usize) -> Encoding {
        let token = |id| Token::new(id, String::new(), (0, 0));
        Encoding::from_tokens((0..tokens as u32).map(token).collect(), 0)
    }

    #[test]
    fn as_many_stay_as_the_tokenizers_library_keeps() {
        for (first, second, most) in (0..20).flat_map(|first| {
            (0..20).flat_map(move |second| (2..17).map(move |most| (first, second, most)))
        }) {
            let params = TruncationParams {
                max_length: most,
                strategy: TruncationStrategy::LongestFirst,
                ..TruncationParams::default()
            };
            let texts = (encoding(first), Some(encoding(second)));
            let (one, other) = truncate_encodings(texts.0, texts.1, &params).unwrap();
            let expected = [one.len(), other.unwrap().len()];
            assert_eq!(longest_first([first, second], most), expected, "{first} {second} {most}");
        }
    }

    /// No more is tokenized of a document than what a pair holds, or the query's length, and one token.
    #[test]
    fn what_is_beyond_the_counted_tokens_does_not_count() {
        for (first, second, most) in (0..40usize).flat_map(|first| {
            (0..40).flat_map(move |second| (2..17usize).map(move |most| (first, second, most)))
        }) {
            let query = if most.is_multiple_of(2) { first.min(most + 1) } else { first };
            let capped = [query, second.min(query.max(most) + 1)];
            assert_eq!(longest_first(capped, most), longest_first([first, second], most));
        }
    }
}
