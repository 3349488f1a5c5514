//! Does the tokenizer take every text?
//!
//! [`super::definition`] rules out what is known to make the tokenizers library panic. This is the second net: a load encodes
//! texts of all kinds, so that what still panics does so at the load, natively as an error that names the file, in a browser as
//! the end of the worker that loads, and never at somebody's first text.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Tokenizer, invalid};
use crate::error::Result;
use crate::text_kind::TextKind;

/// Texts at which tokenizers go wrong: nothing, white space, marks without a letter, characters that normalizers remove, split,
/// join or lengthen, the stand-in for half a surrogate pair, other planes, words that are too long.
const TEXTS: &[&str] = &[
    "",
    " \t\r\n\u{a0}\u{3000}\u{1c}",
    "The oil price, 12.50 $ (in 1973)!",
    "\u{301}\u{308} e\u{301}\u{200b}\u{200d}\u{feff}\u{ad}\0\u{7}\u{fffd}",
    "\u{202e}abc\u{202c} \u{378}\u{e000}\u{10ffff}",
    "İSTANBUL Ǆ ﬁ ß ΟΔΟΣ 가\u{11a8} ½",
    "中文かな한글 \u{20bb7}野",
    "👩\u{200d}👩\u{200d}👧 👍🏽 🇫🇷 ❤\u{fe0f}",
];
/// Most bytes of the text that holds all of it again and again: it is as long as a text's first window.
const MOST: usize = 16 << 10;
/// Most added tokens that are looked for, glued to each other and to letters.
const MOST_ADDED: usize = 256;

impl Tokenizer {
    /// Encodes texts of all kinds, at full length too.
    pub(super) fn probe(&self) -> Result<()> {
        let added = self.inner.get_added_tokens_decoder();
        let mut ids: Vec<&u32> = added.keys().collect();
        ids.sort_unstable();
        let contents = ids.iter().take(MOST_ADDED).map(|id| added[id].content.as_str());
        let contents: Vec<&str> = contents.collect();
        let texts =
            [contents.concat(), contents.join(" "), contents.join("a"), contents.join(" a ")];
        let all = [TEXTS.join("a"), texts[1..].concat(), "long".repeat(100)].concat();
        for kind in [TextKind::Query, TextKind::Document] {
            let length = self.side(kind).content_length.saturating_mul(16).min(MOST);
            let full = all.repeat(length / all.len() + 1);
            let texts = texts.iter().map(String::as_str).chain([full.as_str()]);
            TEXTS.iter().copied().chain(texts).try_for_each(|text| self.take(kind, text))?;
        }
        Ok(())
    }

    fn take(&self, kind: TextKind, text: &str) -> Result<()> {
        // What a panic leaves behind is not used again: the load ends.
        match catch_unwind(AssertUnwindSafe(|| self.sequence(kind, 0, text))) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(invalid(format!("a text cannot be tokenized: {error}"))),
            Err(_) => Err(invalid("the tokenizer panics at some texts".to_owned())),
        }
    }
}
