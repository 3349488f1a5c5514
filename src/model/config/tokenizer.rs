//! The tokenizer's own switches: what the files beside `tokenizer.json` say.
//!
//! They are read as `AutoTokenizer` of transformers 5 reads them:
//!
//! - The class is `tokenizer_config.json`'s, else `config.json`'s, else the one of the architecture. `BertTokenizer`,
//!   `DistilBertTokenizer` and `RobertaTokenizer` take the vocabulary and the added tokens of `tokenizer.json` and make
//!   everything else themselves, from their own switches and special tokens, which have defaults. The general class takes
//!   `tokenizer.json` as it stands and has no defaults; a ModernBERT gets that one, whatever class its files name.
//! - `XLMRobertaTokenizer`, `CamembertTokenizer` and `GemmaTokenizer` are the general class with defaults for special tokens. Since version 5
//!   transformers makes their components anew as well, which changed the ids of checkpoints whose files hold others: here the
//!   file has the word, as it had when those were trained.
//! - Added tokens are those of `added_tokens_decoder`. Where `tokenizer_config.json` has no such field, they are those of
//!   `added_tokens.json` and of `tokenizer.json`, and `special_tokens_map.json` outranks the special tokens of
//!   `tokenizer_config.json`. Where it has one, neither of the two small files is read.
//! - Special tokens that are none of these are added behind them.
//!
//! Sources: `PreTrainedTokenizerBase`, `TokenizersBackend`, `AutoTokenizer` and the classes named above in transformers 5.3
//! and 5.24.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::special_tokens::{self, SpecialTokens, Token};
use crate::error::{Error, Result};
use crate::model::checkpoint::{CheckpointFiles, Fields};

const CLASSES: &str = "PreTrainedTokenizerFast and the classes of BERT, DistilBERT, RoBERTa, XLM-RoBERTa, CamemBERT and Gemma are";

/// What the files beside `tokenizer.json` say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenizerConfig {
    /// The file that says most of it.
    #[serde(skip)]
    pub file: String,
    /// `model_max_length`; `None` for no limit.
    pub model_max_length: Option<usize>,
    pub class: TokenizerClass,
    pub special_tokens: SpecialTokens,
    /// Tokens to add, by their ids.
    pub added: BTreeMap<u64, Token>,
    /// Whether the added tokens of `tokenizer.json` are among those.
    pub takes_own_added: bool,
    /// Whether special tokens that a text spells out are text (`split_special_tokens`).
    pub splits_special_tokens: bool,
    /// Whether texts are said to be cut on the right; else `tokenizer.json` has the word.
    pub cuts_right: bool,
    /// Whether texts are said to be filled up on the right; else `tokenizer.json` has the word.
    pub fills_right: bool,
    /// Whether the model is told which text of a pair a token is of; `None` where versions of transformers differ. A model of
    /// single texts never is.
    #[serde(skip)]
    pub passes_types: Option<bool>,
}

/// Who makes the components round the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum TokenizerClass {
    /// `BertTokenizer` and `DistilBertTokenizer` their own.
    Bert(BertNormalization),
    /// `RobertaTokenizer` its own.
    Roberta(RobertaSwitches),
    /// `tokenizer.json` says what they are.
    General,
}

impl TokenizerClass {
    /// Whether `tokenizer.json` counts as a whole, not its vocabulary alone.
    pub fn takes_the_file(&self) -> bool {
        matches!(self, TokenizerClass::General)
    }
}

/// `RobertaTokenizer`'s switches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RobertaSwitches {
    /// Whether a text's first word is like one behind white space.
    pub add_prefix_space: bool,
    /// Whether the white space before a word belongs to no token's offsets.
    pub trim_offsets: bool,
}

/// `BertTokenizer`'s switches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BertNormalization {
    pub do_lower_case: bool,
    pub strip_accents: Option<bool>,
    pub tokenize_chinese_chars: bool,
}

impl TokenizerConfig {
    pub(super) fn from_files(files: &CheckpointFiles, root: &str) -> Result<Self> {
        let file = format!("{root}tokenizer_config.json");
        let class_file = format!("{root}config.json");
        let visual = files.visual()?.is_some();
        let empty = Fields::parse(&file, b"{}")?;
        let config = files.fields(&file)?.unwrap_or(empty);
        let name = match visual {
            true => ClassName::General,
            false => class_name(&config, files.fields(&class_file)?.as_ref())?,
        };
        refuse_unread(&config)?;
        let decoder = config.object("added_tokens_decoder")?;
        let takes_own_added = !config.has("added_tokens_decoder");
        let mut special_tokens = SpecialTokens::read(&config, name.defaults())?;
        let map_file = format!("{root}special_tokens_map.json");
        if let Some(map) = files.fields(&map_file)?.filter(|_| takes_own_added) {
            special_tokens.outrank(&map)?;
        }
        let added_file = format!("{root}added_tokens.json");
        let added = match decoder {
            Some(decoder) => decoded(&decoder)?,
            None => match files.fields(&added_file)?.filter(|_| takes_own_added) {
                Some(map) => numbered(&map, &special_tokens)?,
                None => BTreeMap::new(),
            },
        };
        Ok(Self {
            model_max_length: model_max_length(&config)?,
            passes_types: passes_types(&config, name)?,
            class: name.class(&config)?,
            special_tokens,
            added,
            takes_own_added,
            splits_special_tokens: config.bool("split_special_tokens")?.unwrap_or(false),
            cuts_right: says_right(&config, "truncation_side")?,
            // A model of pages sees no padding, and its positions are relative.
            fills_right: !visual && says_right(&config, "padding_side")?,
            file: file.clone(),
        })
    }

    /// The error for one of these files' tokens.
    pub(crate) fn bad_token(&self, content: &str, reason: &str) -> Error {
        let name = self.special_tokens.name_of(content).unwrap_or("the added token");
        Error::InvalidField {
            file: self.file.clone(),
            field: name.to_owned(),
            reason: format!("{content:?} {reason}"),
        }
    }

    /// The error for a field that something else needs.
    pub(crate) fn missing(&self, field: &str, need: &str) -> Error {
        Error::InvalidField {
            file: self.file.clone(),
            field: field.to_owned(),
            reason: format!("is missing; {need}"),
        }
    }
}

/// The classes of transformers that are read.
#[derive(Clone, Copy, PartialEq)]
enum ClassName {
    Bert,
    DistilBert,
    Roberta,
    XlmRoberta,
    Gemma,
    General,
}

impl ClassName {
    /// What special tokens are called where no file says it.
    fn defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            ClassName::Bert | ClassName::DistilBert => special_tokens::BERT,
            ClassName::Roberta | ClassName::XlmRoberta => special_tokens::ROBERTA,
            ClassName::Gemma => special_tokens::GEMMA,
            ClassName::General => &[],
        }
    }

    fn class(self, config: &Fields<'_>) -> Result<TokenizerClass> {
        Ok(match self {
            ClassName::Bert | ClassName::DistilBert => {
                TokenizerClass::Bert(bert_normalization(config)?)
            }
            ClassName::Roberta => TokenizerClass::Roberta(RobertaSwitches {
                add_prefix_space: config.bool("add_prefix_space")?.unwrap_or(false),
                trim_offsets: config.bool("trim_offsets")?.unwrap_or(true),
            }),
            ClassName::XlmRoberta | ClassName::Gemma | ClassName::General => {
                TokenizerClass::General
            }
        })
    }
}

/// The class that reads a checkpoint's files.
fn class_name(config: &Fields<'_>, model: Option<&Fields<'_>>) -> Result<ClassName> {
    let model_type = model.map(|model| model.string("model_type")).transpose()?.flatten();
    if model_type == Some("modernbert") {
        return Ok(ClassName::General);
    }
    let own = config.string("tokenizer_class")?;
    let (fields, class) = match (own, model) {
        (None, Some(model)) => (model, model.string("tokenizer_class")?),
        _ => (config, own),
    };
    Ok(match class {
        Some("BertTokenizer" | "BertTokenizerFast") => ClassName::Bert,
        Some("DistilBertTokenizer" | "DistilBertTokenizerFast") => ClassName::DistilBert,
        Some("RobertaTokenizer" | "RobertaTokenizerFast") => ClassName::Roberta,
        Some("XLMRobertaTokenizer" | "XLMRobertaTokenizerFast") => ClassName::XlmRoberta,
        Some("CamembertTokenizer" | "CamembertTokenizerFast") => ClassName::XlmRoberta,
        Some("GemmaTokenizer" | "GemmaTokenizerFast") => ClassName::Gemma,
        Some("PreTrainedTokenizerFast" | "TokenizersBackend") => ClassName::General,
        Some(other) => return Err(fields.unsupported("tokenizer_class", other, CLASSES)),
        None => match model_type {
            Some("roberta") => ClassName::Roberta,
            Some("xlm-roberta" | "camembert") => ClassName::XlmRoberta,
            _ => ClassName::Bert,
        },
    })
}

/// Refuses what changes the tokenizer in a way that nothing here computes.
fn refuse_unread(config: &Fields<'_>) -> Result<()> {
    if let Some(files) = config.strings("fast_tokenizer_files")?
        && let Some(other) = files.iter().find(|file| *file != "tokenizer.json")
    {
        return Err(config.unsupported("fast_tokenizer_files", other, "tokenizer.json alone is"));
    }
    for field in ["init_inputs", "model_specific_special_tokens"] {
        let holds = |value: &Value| match value {
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => true,
        };
        if config.value(field).is_some_and(holds) {
            return Err(config.unsupported(field, "a value", "an empty one is"));
        }
    }
    Ok(())
}

/// The classes have defaults, which that of the general class has changed.
fn passes_types(config: &Fields<'_>, name: ClassName) -> Result<Option<bool>> {
    let inputs = config.strings("model_input_names")?;
    Ok(match (inputs, name) {
        (Some(inputs), _) => Some(inputs.iter().any(|input| input == "token_type_ids")),
        (None, ClassName::Bert) => Some(true),
        (None, ClassName::General) => None,
        (None, _) => Some(false),
    })
}

/// transformers writes "no limit" as a number far beyond any length; `max_len` is the field's old name.
fn model_max_length(config: &Fields<'_>) -> Result<Option<usize>> {
    let field = if config.has("model_max_length") { "model_max_length" } else { "max_len" };
    let value = config.float(field)?;
    if value.is_none_or(|value| value > 1e6) {
        return Ok(None);
    }
    config.count(field, 1_000_000)
}

/// The side at which texts are cut, or filled up: at the left the end of a text would stay, and positions would follow from
/// the batch.
fn says_right(config: &Fields<'_>, field: &str) -> Result<bool> {
    match config.string(field)? {
        None => Ok(false),
        Some("right") => Ok(true),
        Some(other) => Err(config.unsupported(field, other, "right is")),
    }
}

fn bert_normalization(config: &Fields<'_>) -> Result<BertNormalization> {
    Ok(BertNormalization {
        do_lower_case: config.bool("do_lower_case")?.unwrap_or(true),
        strip_accents: config.bool("strip_accents")?,
        tokenize_chinese_chars: config.bool("tokenize_chinese_chars")?.unwrap_or(true),
    })
}

/// `added_tokens_decoder`: tokens by their ids.
fn decoded(decoder: &Fields<'_>) -> Result<BTreeMap<u64, Token>> {
    let mut added = BTreeMap::new();
    for name in decoder.names() {
        let id = name.parse().map_err(|_| decoder.invalid(name, "is no id"))?;
        let token = decoder.required(name, decoder.object(name)?)?;
        added.insert(id, Token::read(&token, false)?);
    }
    Ok(added)
}

/// `added_tokens.json`: ids by their tokens.
fn numbered(map: &Fields<'_>, special_tokens: &SpecialTokens) -> Result<BTreeMap<u64, Token>> {
    let mut added = BTreeMap::new();
    for content in map.names() {
        let id = map.value(content).and_then(Value::as_u64);
        let special = special_tokens.all().any(|token| token.content == content);
        added.insert(map.required(content, id)?, Token::plain(content, special));
    }
    Ok(added)
}
