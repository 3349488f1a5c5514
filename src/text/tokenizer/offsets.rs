//! Where does a token stand in the text as it came? What is tokenized is that text stripped, lower-cased and behind a prefix.

/// Byte range in the text of a range in prefix and text; `None` if it lies in the prefix.
pub(super) fn without_prefix(
    (start, end): (usize, usize),
    prefix: usize,
) -> Option<(usize, usize)> {
    (end > prefix).then(|| (start.saturating_sub(prefix), end - prefix))
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
