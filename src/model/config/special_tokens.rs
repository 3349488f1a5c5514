//! Special tokens by the names that transformers gives them.

use serde::Serialize;
use serde_json::Value;

use crate::error::Result;
use crate::model::checkpoint::Fields;

/// The named ones in the order in which they are added.
const NAMES: &[&str] =
    &["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
/// What `BertTokenizer` calls them.
pub(super) const BERT: &[(&str, &str)] = &[
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];
/// What `RobertaTokenizer` and `XLMRobertaTokenizer` call them.
pub(super) const ROBERTA: &[(&str, &str)] = &[
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("unk_token", "<unk>"),
    ("sep_token", "</s>"),
    ("pad_token", "<pad>"),
    ("cls_token", "<s>"),
    ("mask_token", "<mask>"),
];
/// What `GemmaTokenizer` calls them.
pub(super) const GEMMA: &[(&str, &str)] = &[
    ("bos_token", "<bos>"),
    ("eos_token", "<eos>"),
    ("unk_token", "<unk>"),
    ("pad_token", "<pad>"),
    ("mask_token", "<mask>"),
];
const LISTS: &[&str] = &["additional_special_tokens", "extra_special_tokens"];

/// A token that is looked for in a text before the text is split into words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Token {
    pub content: String,
    pub single_word: bool,
    pub lstrip: bool,
    pub rstrip: bool,
    /// Whether it is looked for in the normalized text; `None`: unless it is special.
    pub normalized: Option<bool>,
    pub special: bool,
}

impl Token {
    /// A token without switches.
    pub fn plain(content: &str, special: bool) -> Self {
        let content = content.to_owned();
        Self {
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: None,
            special,
        }
    }

    /// A token with its switches; all but the content have defaults. `special` outranks its own.
    pub(crate) fn read(fields: &Fields<'_>, special: bool) -> Result<Self> {
        let content = fields.required("content", fields.string("content")?)?;
        let switch = |field: &str| Ok(fields.bool(field)?.unwrap_or(false));
        Ok(Self {
            single_word: switch("single_word")?,
            lstrip: switch("lstrip")?,
            rstrip: switch("rstrip")?,
            normalized: fields.bool("normalized")?,
            ..Self::plain(content, special || switch("special")?)
        })
    }
}

/// The special tokens that a tokenizer's settings name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpecialTokens {
    /// By their names, in the order in which they are added.
    named: Vec<(String, Token)>,
    additional: Option<Vec<Token>>,
    extra: Option<Vec<Token>>,
}

impl SpecialTokens {
    /// Those of `tokenizer_config.json`; `defaults` stand in for what it does not name.
    pub(super) fn read(config: &Fields<'_>, defaults: &[(&str, &str)]) -> Result<Self> {
        let mut tokens = Self { named: Vec::new(), additional: None, extra: None };
        for (name, content) in defaults.iter().filter(|(name, _)| !config.has(name)) {
            tokens.name(name, Token::plain(content, true));
        }
        tokens.take(config)?;
        // The old name of the list counts where the new one is empty.
        let named_anew = tokens.extra.as_ref().is_some_and(|list| !list.is_empty());
        match tokens.additional.take() {
            Some(list) if !named_anew => tokens.extra = Some(list),
            _ => {}
        }
        Ok(tokens)
    }

    /// Takes what `special_tokens_map.json` says in place of what is there.
    pub(super) fn outrank(&mut self, map: &Fields<'_>) -> Result<()> {
        let known = |name: &str| name.ends_with("_token") || LISTS.contains(&name);
        if let Some(other) = map.names().find(|name| !known(name)) {
            return Err(map.unsupported("special_tokens_map", other, "special tokens alone are"));
        }
        let before = self.extra.take();
        self.take(map)?;
        self.extra = match (before, self.extra.take(), self.additional.take()) {
            (Some(mut list), Some(more), _) => {
                list.extend(more);
                Some(list)
            }
            (None, None, additional) => additional,
            (before, extra, _) => before.or(extra),
        };
        Ok(())
    }

    /// All of them in the order in which they are added.
    pub fn all(&self) -> impl Iterator<Item = &Token> {
        let named = self.named.iter().map(|(_, token)| token);
        named.chain(self.extra.iter().flatten())
    }

    /// The token of a name, e.g. `mask_token`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, token) = self.named.iter().find(|(own, _)| own == name)?;
        Some(&token.content)
    }

    /// The name of a token, e.g. `mask_token`; `None` if it has none.
    pub fn name_of(&self, content: &str) -> Option<&str> {
        let (name, _) = self.named.iter().find(|(_, token)| token.content == content)?;
        Some(name)
    }

    fn take(&mut self, fields: &Fields<'_>) -> Result<()> {
        // Other names that end so can hold switches of other classes (`add_bos_token`).
        let is_token = |name: &&str| {
            NAMES.contains(name)
                || name.ends_with("_token")
                    && fields
                        .value(name)
                        .is_some_and(|value| value.is_string() || value.is_object())
        };
        for name in fields.names().filter(is_token) {
            if let Some(token) = special_token(fields, name)? {
                self.name(name, token);
            }
        }
        for (list, name) in [&mut self.additional, &mut self.extra].into_iter().zip(LISTS) {
            match fields.value(name) {
                Some(Value::Object(_)) => {}
                Some(_) => *list = Some(listed(fields, name)?),
                None => {}
            }
        }
        if let Some(Value::Object(_)) = fields.value("extra_special_tokens")
            && let Some(own) = fields.object("extra_special_tokens")?
        {
            for name in own.names() {
                let token = own.required(name, special_token(&own, name)?)?;
                self.name(name, token);
            }
        }
        Ok(())
    }

    fn name(&mut self, name: &str, token: Token) {
        let place = |name: &str| NAMES.iter().position(|own| *own == name).unwrap_or(NAMES.len());
        self.named.retain(|(own, _)| own != name);
        let at = self.named.partition_point(|(own, _)| place(own) <= place(name));
        self.named.insert(at, (name.to_owned(), token));
    }
}

/// A special token is a string, or an object with its `content`.
fn special_token(fields: &Fields<'_>, name: &str) -> Result<Option<Token>> {
    match fields.value(name) {
        Some(Value::Object(_)) => {
            let object = fields.required(name, fields.object(name)?)?;
            Ok(Some(Token::read(&object, true)?))
        }
        _ => Ok(fields.string(name)?.map(|content| Token::plain(content, true))),
    }
}

/// A list of special tokens, each a string or an object with its `content`.
fn listed(fields: &Fields<'_>, name: &str) -> Result<Vec<Token>> {
    let list = fields.value(name).and_then(Value::as_array);
    let list = list.ok_or_else(|| fields.invalid(name, "is not a list"))?;
    list.iter()
        .map(|token| match token {
            Value::String(content) => Ok(Token::plain(content, true)),
            Value::Object(map) => Token::read(&Fields::of(fields.file(), map.clone()), true),
            _ => Err(fields.invalid(name, "holds something that is no token")),
        })
        .collect()
}
