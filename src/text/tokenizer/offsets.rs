//! Where does a token stand in the text as it came? What is tokenized is that text stripped, lower-cased and behind a prefix.
//!
//! A token that is a part of a character has the offsets of the whole character.

use tokenizers::Encoding;

/// White space at a token's ends is no part of where it stands, as `ByteLevel` and `RobertaProcessing` say it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trim {
    /// Whether the text's first word has a space before it that the text has not.
    pub add_prefix_space: bool,
}

/// What stands for a space in the tokens of bytes.
const SPACE: char = 'Ġ';

impl Trim {
    /// Trims the offsets of all tokens of a `text`, which begins `before` bytes behind the start of all that is tokenized.
    pub fn apply(self, encoding: &mut Encoding, text: &str, before: usize) {
        for place in 0..encoding.len() {
            let token = encoding.get_tokens()[place].as_str();
            let white = |&c: &char| c == SPACE || c.is_whitespace();
            let leading = token.chars().take_while(white).count();
            let trailing = token.chars().rev().take_while(white).count();
            let (start, end) = encoding.get_offsets()[place];
            let first = before == 0 && (place == 0 || start == 0);
            let leading = if first && self.add_prefix_space && leading == 1 { 0 } else { leading };
            let start = (start + characters(&text[start..end], leading)).min(end);
            let end = without_end(text, (start, end), trailing);
            encoding.get_offsets_mut()[place] = (start, end);
        }
    }
}

/// Bytes of the first `count` characters of a text.
fn characters(text: &str, count: usize) -> usize {
    text.chars().take(count).map(char::len_utf8).sum()
}

/// The end of a range without its last `count` characters, if as many stand before it.
fn without_end(text: &str, (start, end): (usize, usize), count: usize) -> usize {
    let mut last = text[..end].char_indices().rev();
    match count.checked_sub(1) {
        Some(others) => last.nth(others).map_or(end, |(place, _)| place.max(start)),
        None => end,
    }
}

/// Byte range in the text of a range in prefix and text; `None` if it lies in the prefix, or nowhere.
pub(super) fn without_prefix(
    (start, end): (usize, usize),
    prefix: usize,
) -> Option<(usize, usize)> {
    (end > prefix && end > start).then(|| (start.saturating_sub(prefix), end - prefix))
}

/// The text without white space at its ends, and how many bytes went at its start. Python's
/// `str.strip` takes four separators more than Unicode's white space.
pub(super) fn strip(text: &str) -> (&str, usize) {
    let white = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let start = text.trim_start_matches(white);
    (start.trim_end_matches(white), text.len() - start.len())
}

/// A lower-cased text, which can be longer or shorter than the text it came from.
pub(super) struct LowerCased {
    pub text: String,
    /// For each byte of `text`, and its end, the byte in the original.
    origins: Vec<usize>,
}

impl LowerCased {
    pub fn new(original: &str) -> Self {
        let text = original.to_lowercase();
        let mut origins = Vec::with_capacity(text.len() + 1);
        for (start, character) in original.char_indices() {
            // Only a final sigma depends on its neighbours, and it keeps its length.
            let length: usize = character.to_lowercase().map(char::len_utf8).sum();
            origins.resize(origins.len() + length, start);
        }
        origins.resize(text.len() + 1, original.len());
        Self { text, origins }
    }

    pub fn original(&self, (start, end): (usize, usize)) -> (usize, usize) {
        (self.origins[start], self.origins[end])
    }
}
