//! How much of a text is tokenized?
//!
//! Texts are cut on the right, so only the tokens of a start of the text are kept, and no more than a start
//! is tokenized: first [`FIRST`] bytes for each token that can be kept, then twice as many, until there
//! are more tokens than that or the text ends. A text that fits into the first window is taken whole.
//!
//! A window ends at a safe cut: a place where the tokens before it, ids and offsets, are the same
//! whatever stands behind it. So what is kept equals what the whole text gives. Behind components that are known, one of
//! which ends words at white space ([`White`]), a cut is safe
//!
//! - between a character that no normalizer removes or turns into white space and white space that
//!   none removes: normalizers work on both sides apart (no composition, no reordering of marks and no
//!   final sigma reaches across), `Strip` finds nothing at the cut, and a word ends there;
//! - behind an ideograph, if a `BertNormalizer` puts spaces round it;
//!
//! unless an added token could reach across, or take the white space with it (`rstrip`). Where a text is one word to the model,
//! with marks for its spaces, no token of the vocabulary may reach across either.
//!
//! Where white space is no part of any token, that at a text's start does not count: all of it but the last character is passed
//! over, unless an added token has or takes white space, or something is put before the text.
//!
//! Limits: a text is cut at [`MOST`] bytes a token wherever that is, and counts as truncated if anything is left that can be a
//! token. That happens where the cuts are too far apart (a word or a run of white space of
//! that length, characters that a normalizer removes) and to every longer text if the tokenizer has no
//! safe cuts, since it does not end words at white space. Then the last tokens can differ from the
//! whole text's, and tokens that only come behind are not seen. Twice [`MOST`] bytes a token are
//! tokenized in all, at most, and the prefix before each window.

use std::collections::HashSet;
use std::iter;

use serde_json::Value;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::{NFKD, StripAccents};
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    NormalizedString, Normalizer, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior,
    Tokenizer,
};

/// Bytes of the first window for each token that can be kept. Prose has four to six.
const FIRST: usize = 16;
/// Bytes of the last window for each token that can be kept. An abort waits for the text that is being tokenized: two
/// hundred tokens' windows are some 30 ms of it in a browser.
const MOST: usize = 128;

/// The parts of a text that are tokenized.
pub(super) struct Windows {
    /// `None` if no cut is known to be safe.
    cuts: Option<Cuts>,
    first: usize,
    most: usize,
    /// Whether white space is no part of any token.
    drops_white_space: bool,
}

impl Windows {
    /// The windows that suit a tokenizer's components.
    pub(super) fn new(tokenizer: &Tokenizer) -> Self {
        let drops_white_space = tokenizer.get_pre_tokenizer().is_some_and(drops_white_space);
        Self { cuts: Cuts::new(tokenizer), first: FIRST, most: MOST, drops_white_space }
    }

    /// Whether nothing of what is left of a text can be a token.
    pub(super) fn is_nothing(&self, rest: &str) -> bool {
        match self.drops_white_space {
            true => rest.trim_start().is_empty(),
            false => rest.is_empty(),
        }
    }

    /// How many bytes of white space at a text's start nothing depends on. One character stays: it keeps the prefix and the
    /// first word apart.
    pub(super) fn passed_over(&self, text: &str) -> usize {
        if !self.cuts.as_ref().is_some_and(|cuts| cuts.start) {
            return 0;
        }
        let white = text.len() - text.trim_start_matches(is_lasting_white_space).len();
        text[..white].char_indices().next_back().map_or(0, |(last, _)| last)
    }

    /// Starts of a text, each longer than the one before. The first that gives more than `tokens` tokens holds all
    /// that are kept; if none does, the last one counts. There is at least one.
    pub(super) fn of<'a>(&self, text: &'a str, tokens: usize) -> impl Iterator<Item = &'a str> {
        let most = self.most.saturating_mul(tokens);
        let mut size = self.cuts.as_ref().map_or(most, |_| self.first.saturating_mul(tokens));
        let (mut searched, mut last) = (0, false);
        iter::from_fn(move || {
            while !last {
                let end = text.floor_char_boundary(size.min(most));
                last = size >= most.min(text.len());
                let cut = match &self.cuts {
                    Some(cuts) if !last => cuts.last(text, searched, end),
                    _ => Some(end),
                };
                (searched, size) = (end, size.saturating_mul(2));
                if let Some(cut) = cut {
                    return Some(&text[..cut]);
                }
            }
            None
        })
    }
}

/// Which white space ends a word.
#[derive(Clone, Copy, PartialEq)]
enum White {
    /// All.
    Any,
    /// All but line breaks, which can belong to punctuation before them.
    NoBreak,
    /// The space alone.
    Space,
}

/// The safe cuts of texts.
struct Cuts {
    /// What stands before white space in a token, or ends an added one that takes the white space behind it, in lower case:
    /// no cut behind these is safe.
    ends: HashSet<char>,
    /// Whether cuts behind letters beyond ASCII are safe.
    letters: bool,
    /// Whether cuts behind ideographs are safe.
    ideographs: bool,
    /// Whether white space at the start of a text can be passed over.
    start: bool,
    white: White,
}

impl Cuts {
    fn new(tokenizer: &Tokenizer) -> Option<Self> {
        let normalizers = tokenizer.get_normalizer().map_or(Vec::new(), flat);
        let pre_tokenizer = tokenizer.get_pre_tokenizer();
        let (mark, others) = match normalizers.split_last() {
            Some((last, others)) => match mark(last) {
                Some(mark) => (Some(mark), others),
                None => (None, normalizers.as_slice()),
            },
            None => (None, normalizers.as_slice()),
        };
        if !others.iter().all(|normalizer| is_known(normalizer)) {
            return None;
        }
        let white = match mark {
            Some(_) if is_one_word(tokenizer) => White::Space,
            Some(_) => return None,
            None => ends_words(pre_tokenizer?)?,
        };
        let drops = pre_tokenizer.is_some_and(drops_white_space);
        let mut cuts = Self {
            ends: HashSet::new(),
            letters: true,
            ideographs: drops && normalizers.iter().any(|normalizer| spaces_ideographs(normalizer)),
            start: drops && !normalizers.iter().any(|normalizer| adds(normalizer)),
            white,
        };
        if let Some(mark) = mark {
            cuts.avoid_vocabulary(tokenizer, mark)?;
        }
        for (id, token) in tokenizer.get_added_tokens_decoder() {
            // Some are looked for in the text as it is, some in the normalized text.
            for content in [Some(token.content), tokenizer.id_to_token(id)].into_iter().flatten() {
                cuts.avoid(&content, token.rstrip);
                cuts.start &= !(token.lstrip || content.contains(char::is_whitespace));
            }
        }
        Some(cuts)
    }

    /// Leaves out the cuts that a token of the vocabulary could reach across; `None` if the mark itself is none.
    fn avoid_vocabulary(&mut self, tokenizer: &Tokenizer, mark: char) -> Option<()> {
        let vocabulary = tokenizer.get_vocab(false);
        vocabulary.get(mark.encode_utf8(&mut [0; 4]) as &str)?;
        for token in vocabulary.keys().filter(|token| token.contains(mark)) {
            self.avoid(&token.replace(mark, " "), false);
        }
        Some(())
    }

    /// Leaves out the cuts that an added token could reach across.
    fn avoid(&mut self, content: &str, takes_white_space: bool) {
        let behind = content.chars().skip(1).map(Some);
        let end = takes_white_space.then_some(' ');
        for (last, next) in content.chars().zip(behind.chain([end])) {
            if !last.is_whitespace() && next.is_some_and(char::is_whitespace) {
                self.ends.insert(last.to_ascii_lowercase());
                // A letter beyond ASCII can become one of ASCII, but no punctuation.
                self.letters &= last.is_ascii_punctuation();
            }
        }
        self.ideographs &=
            !content.starts_with(char::is_whitespace) && !content.contains(is_ideograph);
    }

    /// The last safe cut behind `from` and not behind `end`, which is not the text's end.
    fn last(&self, text: &str, from: usize, end: usize) -> Option<usize> {
        let mut next = text[end..].chars().next()?;
        for (start, last) in text[from..end].char_indices().rev() {
            if self.is_safe(last, next) {
                return Some(from + start + last.len_utf8());
            }
            next = last;
        }
        None
    }

    /// Whether a text may be cut between these.
    fn is_safe(&self, last: char, next: char) -> bool {
        if is_ideograph(last) {
            return self.ideographs;
        }
        let ends = match self.white {
            White::Any => is_lasting_white_space(next),
            White::NoBreak => is_lasting_white_space(next) && !matches!(next, '\r' | '\n'),
            White::Space => next == ' ',
        };
        if !ends {
            return false;
        }
        match last.is_ascii() {
            true => last.is_ascii_graphic() && !self.ends.contains(&last.to_ascii_lowercase()),
            false => self.letters && is_lasting_letter(last),
        }
    }
}

/// All normalizers in their order.
fn flat(normalizer: &NormalizerWrapper) -> Vec<&NormalizerWrapper> {
    match normalizer {
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref().iter().flat_map(flat).collect(),
        one => vec![one],
    }
}

/// What a `Replace` finds and what it makes of it.
fn replaced(normalizer: &NormalizerWrapper) -> Option<(Value, String)> {
    let NormalizerWrapper::Replace(replace) = normalizer else {
        return None;
    };
    // The pattern is not public.
    let mut fields = serde_json::to_value(replace).ok()?;
    Some((fields["pattern"].take(), replace.content.clone()))
}

/// The mark that stands for spaces behind a `Replace`.
fn mark(normalizer: &NormalizerWrapper) -> Option<char> {
    let (pattern, content) = replaced(normalizer)?;
    let mut characters = content.chars();
    let mark = characters.next().filter(|mark| !mark.is_whitespace())?;
    (pattern["String"] == " " && characters.next().is_none()).then_some(mark)
}

/// Whether a cut's two sides are normalized alike together and apart.
fn is_known(normalizer: &NormalizerWrapper) -> bool {
    use NormalizerWrapper as N;
    match normalizer {
        N::BertNormalizer(_) | N::Lowercase(_) | N::StripNormalizer(_) | N::StripAccents(_) => true,
        N::NFC(_) | N::NFD(_) | N::NFKC(_) | N::NFKD(_) => true,
        N::Precompiled(_) | N::Prepend(_) => true,
        N::Replace(_) => replaced(normalizer)
            .is_some_and(|(pattern, content)| pattern["Regex"] == " {2,}" && content == " "),
        _ => false,
    }
}

/// Whether something is put before a text, which then stands where the text begins.
fn adds(normalizer: &NormalizerWrapper) -> bool {
    matches!(normalizer, NormalizerWrapper::Prepend(_))
}

fn spaces_ideographs(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::BertNormalizer(bert) => bert.handle_chinese_chars,
        _ => false,
    }
}

fn parts(pre_tokenizer: &PreTokenizerWrapper) -> &[PreTokenizerWrapper] {
    match pre_tokenizer {
        PreTokenizerWrapper::Sequence(sequence) => sequence.as_ref(),
        one => std::slice::from_ref(one),
    }
}

/// Whether words are what stands between white space, which is no part of them.
fn drops_white_space(pre_tokenizer: &PreTokenizerWrapper) -> bool {
    use PreTokenizerWrapper as P;
    let apart = |part: &&P| matches!(part, P::Punctuation(_) | P::Digits(_));
    matches!(
        parts(pre_tokenizer).iter().find(|part| !apart(part)),
        Some(P::BertPreTokenizer(_) | P::Whitespace(_) | P::WhitespaceSplit(_))
    )
}

/// The white space that ends words, if only what stands before it decides how that is split. What comes behind the component
/// that ends words sees them one at a time.
fn ends_words(pre_tokenizer: &PreTokenizerWrapper) -> Option<White> {
    use PreTokenizerWrapper as P;
    if drops_white_space(pre_tokenizer) {
        return Some(White::Any);
    }
    match parts(pre_tokenizer).first()? {
        P::ByteLevel(bytes) if bytes.use_regex => Some(White::Any),
        P::Split(split) if finds_words(split) => Some(White::NoBreak),
        P::Metaspace(metaspace) if metaspace.get_split() => Some(White::Space),
        _ => None,
    }
}

/// Whether a pattern is one of those that a text's words, white space and all, are cut by.
fn finds_words(split: &Split) -> bool {
    let all = match &split.pattern {
        SplitPattern::Regex(regex) => regex.ends_with(r"|\s+(?!\S)|\s+"),
        SplitPattern::String(_) => false,
    };
    all && split.behavior == SplitDelimiterBehavior::Isolated && !split.invert
}

/// Whether a text is one word whose tokens depend on nothing but those of the vocabulary that reach across a place.
fn is_one_word(tokenizer: &Tokenizer) -> bool {
    let adds = match tokenizer.get_model() {
        ModelWrapper::BPE(bpe) => !bpe.ignore_merges,
        ModelWrapper::Unigram(_) => true,
        _ => false,
    };
    // A Split at spaces finds none behind marks.
    let finds_nothing = |part: &PreTokenizerWrapper| match part {
        PreTokenizerWrapper::Split(split) => split.pattern == SplitPattern::String(" ".to_owned()),
        _ => false,
    };
    adds && tokenizer.get_pre_tokenizer().is_none_or(|whole| parts(whole).iter().all(finds_nothing))
}

/// The ideographs that no normalizer changes, bar the spaces round them.
fn is_ideograph(character: char) -> bool {
    matches!(character, '\u{4e00}'..='\u{9fff}')
}

/// All blocks of ideographs, and more.
fn is_east_asian(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// White space that every component takes as such; `clean_text` removes the control characters among it.
fn is_lasting_white_space(character: char) -> bool {
    character.is_whitespace()
        && (!character.is_control() || matches!(character, '\t' | '\n' | '\r'))
}

/// Whether a letter beyond ASCII leaves a letter behind, whichever normalizers there are: some
/// are marks, which are removed, some become a space and a mark, some an ideograph with spaces round it.
fn is_lasting_letter(character: char) -> bool {
    if !character.is_alphabetic() || is_east_asian(character) {
        return false;
    }
    let mut rest = NormalizedString::from(character.to_string());
    let normalized = NFKD.normalize(&mut rest).and_then(|()| StripAccents.normalize(&mut rest));
    let last = rest.get().chars().next_back();
    normalized.is_ok()
        && last
            .is_some_and(|c| !c.is_whitespace() && !c.is_ascii_punctuation() && !is_east_asian(c))
}

#[cfg(test)]
mod tests;
