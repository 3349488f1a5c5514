//! What `Split` and `Replace` look for: a text as it stands, or a regular expression.
//!
//! A crafted expression takes time that grows with the square of a text, or worse, and the engine is not the one that the
//! Python package is built with, which reads some expressions differently. So only those are taken that tokenizers are known
//! to have: each takes time in proportion to a text, and finds the same in both engines.

use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::pre_tokenizers::split::SplitPattern;

use super::unsupported;
use crate::error::Result;
use crate::model::checkpoint::Fields;

/// Longest text that is looked for, in bytes.
const LONGEST: usize = 64;
/// Runs of white space or digits, GPT-2's words, and those of cl100k, Qwen 2, o200k and their kin.
const KNOWN: &[&str] = &[
    " +",
    " {2,}",
    r"\s",
    r"\s+",
    r"\d",
    r"\d+",
    r"\p{N}",
    r"\p{N}{1,3}",
    r"[\r\n]",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
];

/// What is looked for.
pub(super) enum Pattern {
    Text(String),
    Expression(String),
}

impl Pattern {
    /// The fewest bytes that it finds.
    pub(super) fn shortest(&self) -> usize {
        match self {
            Pattern::Text(text) => text.len(),
            Pattern::Expression(_) => 1,
        }
    }

    pub(super) fn replaced(self) -> ReplacePattern {
        match self {
            Pattern::Text(text) => ReplacePattern::String(text),
            Pattern::Expression(expression) => ReplacePattern::Regex(expression),
        }
    }

    pub(super) fn split(self) -> SplitPattern {
        match self {
            Pattern::Text(text) => SplitPattern::String(text),
            Pattern::Expression(expression) => SplitPattern::Regex(expression),
        }
    }
}

/// A component's pattern.
pub(super) fn read(fields: &Fields<'_>) -> Result<Pattern> {
    let pattern = fields.required("pattern", fields.object("pattern")?)?;
    match (pattern.string("String")?, pattern.string("Regex")?) {
        (Some(text), None) if (1..=LONGEST).contains(&text.len()) => {
            Ok(Pattern::Text(text.to_owned()))
        }
        (Some(text), None) => {
            let found = format!("a text of {} bytes", text.len());
            Err(unsupported("pattern.String", found, "1 to 64 are"))
        }
        (None, Some(known)) if KNOWN.contains(&known) => Ok(Pattern::Expression(known.to_owned())),
        (None, Some(other)) => {
            let found = other.chars().take(LONGEST).collect::<String>();
            let hint =
                "runs of spaces or digits and the words of GPT-2, cl100k, Qwen 2 and o200k are";
            Err(pattern.unsupported("Regex", &found, hint))
        }
        _ => Err(fields.invalid("pattern", "needs either String or Regex")),
    }
}
