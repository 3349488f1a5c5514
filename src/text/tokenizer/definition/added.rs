//! Tokens that are looked for in a text before it is split into words.
//!
//! The library panics at some texts if an added token normalizes to nothing, which it then finds within every letter, or starts
//! with white space that the token before it has taken already (`rstrip`).

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use tokenizers::{AddedToken, Model, NormalizedString, Normalizer, Tokenizer};

use super::{FILE, invalid, unsupported};
use crate::error::{Error, Result};
use crate::model::checkpoint::Fields;
use crate::model::config::{ModelConfig, Token, TokenizerConfig};

/// Most added tokens. Domain vocabularies of tens of thousands of words are added this way.
pub(super) const MOST: usize = 50_000;
/// Most bytes of all of them together: the automaton that finds them has a state for each.
const MOST_BYTES: usize = 1 << 20;

/// Adds the tokens to a tokenizer whose other parts are in place.
pub(super) fn add(
    tokenizer: &mut Tokenizer,
    parts: &Fields<'_>,
    config: &ModelConfig,
) -> Result<()> {
    let own = own(parts)?;
    check_amount(own.iter().map(|(_, token)| token).chain(config.tokenizer.added.values()))?;
    let numbered = numbered(&own, &config.tokenizer);
    let mut tokens = ordered(&own, &numbered, &config.tokenizer);
    register_prefixes(tokenizer, &mut tokens, config)?;
    check_amount(tokens.iter())?;
    let said = Said::new(&own, &numbered, config);
    said.check_contents(tokenizer, &tokens)?;
    let added = tokenizer.add_tokens(tokens.iter().map(added));
    added.map_err(|error| invalid(format!("added_tokens: {error}")))?;
    tokens.iter().try_for_each(|token| said.check_id(tokenizer, &token.content))
}

fn check_amount<'a>(tokens: impl Iterator<Item = &'a Token>) -> Result<()> {
    let (mut count, mut bytes) = (0, 0);
    tokens.for_each(|token| (count, bytes) = (count + 1, bytes + token.content.len()));
    if count > MOST {
        return Err(unsupported("added_tokens", count.to_string(), "at most 50000 are"));
    }
    if bytes > MOST_BYTES {
        let found = format!("{bytes} bytes of tokens");
        return Err(unsupported("added_tokens", found, "at most 1048576 are"));
    }
    Ok(())
}

/// The tokens that have ids, by those: the own ones of `tokenizer.json` outrank the others.
fn numbered<'a>(own: &'a [(u64, Token)], config: &'a TokenizerConfig) -> BTreeMap<u64, &'a Token> {
    let mut numbered: BTreeMap<u64, &Token> = BTreeMap::new();
    numbered.extend(config.added.iter().map(|(&id, token)| (id, token)));
    if config.takes_own_added {
        numbered.extend(own.iter().map(|(id, token)| (*id, token)));
    }
    numbered
}

/// All tokens in the order in which they are added. The classes that make their own components start from the vocabulary
/// alone, the general class from the tokens of `tokenizer.json`, in the file's order; a token that comes again takes the later
/// switches.
fn ordered(
    own: &[(u64, Token)],
    numbered: &BTreeMap<u64, &Token>,
    config: &TokenizerConfig,
) -> Vec<Token> {
    let first = own.iter().filter(|_| config.class.takes_the_file());
    let first: Vec<Token> = first.map(|(_, token)| resolved(token)).collect();
    let there: HashSet<&Token> = first.iter().collect();
    let mut more: Vec<Token> = numbered
        .values()
        .filter(|token| !there.contains(&resolved(token)))
        .map(|&token| token.clone())
        .collect();
    let mut known: HashSet<String> =
        first.iter().chain(&more).map(|token| token.content.clone()).collect();
    let named = config.special_tokens.all().filter(|token| known.insert(token.content.clone()));
    more.extend(named.cloned());
    for token in &mut more {
        token.special |= config.special_tokens.name_of(&token.content).is_some();
    }
    first.iter().chain(&more).map(resolved).collect()
}

/// A token that says whether it is looked for in the normalized text.
fn resolved(token: &Token) -> Token {
    let normalized = Some(token.normalized.unwrap_or(!token.special));
    Token { normalized, ..token.clone() }
}

fn added(token: &Token) -> AddedToken {
    AddedToken::from(token.content.as_str(), token.special)
        .single_word(token.single_word)
        .lstrip(token.lstrip)
        .rstrip(token.rstrip)
        .normalized(token.normalized.unwrap_or(!token.special))
}

/// Makes each kind's prefix one token, as PyLate's `add_tokens` does for prefixes that are not added
/// tokens yet: then the prefix as text equals the marker's id, which the checkpoint was trained with.
fn register_prefixes(
    tokenizer: &Tokenizer,
    tokens: &mut Vec<Token>,
    config: &ModelConfig,
) -> Result<()> {
    if !config.text.prefixes_are_tokens {
        return Ok(());
    }
    let (file, fields) = config.layout.marker_fields();
    let prefixes = [&config.text.query_prefix, &config.text.document_prefix];
    let options = ["query_prefix", "document_prefix"];
    for ((prefix, field), option) in prefixes.into_iter().zip(fields).zip(options) {
        // PyLate's "[Q] " is one token with its space.
        let word = prefix.trim();
        if word.is_empty() {
            continue;
        }
        let names = [prefix.as_str(), word];
        if tokens.iter().any(|token| names.contains(&token.content.as_str())) {
            continue;
        }
        if tokenizer.get_model().token_to_id(word).is_none() {
            let reason = format!("{prefix:?} is no token of this checkpoint's vocabulary");
            config.overridden.refuse_if_set(option, &reason)?;
            return Err(Error::InvalidField {
                file: file.to_owned(),
                field: field.to_owned(),
                reason: format!("{prefix:?} is not in the vocabulary of tokenizer.json"),
            });
        }
        tokens.push(Token { normalized: Some(true), ..Token::plain(word, false) });
    }
    Ok(())
}

/// What of a token is looked for.
fn sought(tokenizer: &Tokenizer, token: &Token) -> Result<String> {
    let mut sought = NormalizedString::from(token.content.as_str());
    if let (Some(true), Some(normalizer)) = (token.normalized, tokenizer.get_normalizer()) {
        normalizer.normalize(&mut sought).map_err(|error| invalid(error.to_string()))?;
    }
    Ok(sought.get().to_owned())
}

/// What the files say of the tokens, for checks and for whom to blame.
struct Said<'a> {
    config: &'a TokenizerConfig,
    ids: HashMap<&'a str, u64>,
    /// The tokens of `tokenizer.json`.
    own: HashSet<&'a str>,
    rows: usize,
}

impl<'a> Said<'a> {
    fn new(
        own: &'a [(u64, Token)],
        numbered: &BTreeMap<u64, &'a Token>,
        config: &'a ModelConfig,
    ) -> Self {
        let first = own.iter().filter(|_| config.tokenizer.class.takes_the_file());
        let mut ids: HashMap<&str, u64> =
            first.map(|(id, token)| (token.content.as_str(), *id)).collect();
        ids.extend(numbered.iter().map(|(&id, token)| (token.content.as_str(), id)));
        Self {
            config: &config.tokenizer,
            ids,
            own: own.iter().map(|(_, token)| token.content.as_str()).collect(),
            rows: config.encoder.vocab_size(),
        }
    }

    fn refuse<T>(&self, content: &str, reason: &str) -> Result<T> {
        Err(match self.own.contains(content) {
            true => invalid(format!("the added token {content:?} {reason}")),
            false => self.config.bad_token(content, reason),
        })
    }

    /// What is looked for has a content, no white space at its start that another token may have taken, and one token that it
    /// stands for: of two the library takes any.
    fn check_contents(&self, tokenizer: &Tokenizer, tokens: &[Token]) -> Result<()> {
        let last: HashMap<&str, &Token> =
            tokens.iter().map(|token| (token.content.as_str(), token)).collect();
        let takes_white_space = last.values().any(|token| token.rstrip);
        let mut all = HashSet::new();
        for (content, token) in last {
            let sought = sought(tokenizer, token)?;
            if sought.is_empty() || takes_white_space && sought.starts_with(char::is_whitespace) {
                return self.refuse(content, "has no content of its own");
            }
            if !all.insert((token.normalized, sought)) {
                return self.refuse(content, "and another one are looked for alike");
            }
        }
        Ok(())
    }

    /// The library numbers tokens that are not in the vocabulary by itself, from the vocabulary's size on.
    fn check_id(&self, tokenizer: &Tokenizer, content: &str) -> Result<()> {
        let Some(id) = tokenizer.token_to_id(content) else {
            return self.refuse(content, "has no id");
        };
        let said = self.ids.get(content).is_none_or(|&said| said == u64::from(id));
        let other = tokenizer.get_model().id_to_token(id).is_some_and(|token| token != content);
        if other || !said {
            return self.refuse(content, "has an id that leaves a gap");
        }
        let rows = self.rows;
        match (id as usize) < rows {
            true => Ok(()),
            false => self
                .refuse(content, &format!("has id {id}; the model's vocabulary has {rows} rows")),
        }
    }
}

/// The tokens of `tokenizer.json` with their ids.
fn own(parts: &Fields<'_>) -> Result<Vec<(u64, Token)>> {
    let Some(value) = parts.value("added_tokens") else {
        return Ok(Vec::new());
    };
    let list = value.as_array().ok_or_else(|| parts.invalid("added_tokens", "is not a list"))?;
    list.iter()
        .map(|value| {
            let Value::Object(map) = value else {
                return Err(parts.invalid("added_tokens", "holds something that is no object"));
            };
            let fields = Fields::of(FILE, map.clone());
            let id = fields.value("id").and_then(Value::as_u64);
            let id = id.ok_or_else(|| invalid("an added token has no id".to_owned()))?;
            Ok((id, Token::read(&fields, false)?))
        })
        .collect()
}
