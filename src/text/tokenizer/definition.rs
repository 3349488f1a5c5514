//! `tokenizer.json`, checked before the tokenizers crate sees it.
//!
//! The crate panics or runs out of memory on some crafted files (a template that names an absent
//! special token, fixed padding of a hundred million tokens), so only known components pass, each
//! with its fields checked; truncation and padding are dropped, since they are ours to do.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::model::checkpoint::Fields;
use crate::model::config::{BertNormalization, LowerCase, ModelConfig};

const FILE: &str = "tokenizer.json";
/// Longest token of a vocabulary, in bytes.
const MAX_TOKEN: usize = 4_096;
/// Most components of a Sequence.
const MAX_SEQUENCE: usize = 16;

const NORMALIZERS: &[&str] =
    &["BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Strip"];
const PRE_TOKENIZERS: &[&str] =
    &["BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Punctuation", "Digits"];

/// Builds the tokenizer that `tokenizer.json` and the checkpoint's other files describe.
pub(super) fn build(bytes: &[u8], config: &ModelConfig) -> Result<tokenizers::Tokenizer> {
    let fields = Fields::parse(FILE, bytes)?;
    let vocabulary = vocabulary(&fields, config.encoder.vocab_size())?;
    let mut added = added_tokens(&fields, config.encoder.vocab_size())?;
    register_prefixes(&mut added, &vocabulary, config)?;
    let (normalizer, pre_tokenizer) = match &config.tokenizer.bert {
        Some(switches) => (bert_normalizer(switches), json!({"type": "BertPreTokenizer"})),
        None => (
            component(&fields, "normalizer", NORMALIZERS)?,
            component(&fields, "pre_tokenizer", PRE_TOKENIZERS)?,
        ),
    };
    let normalizer =
        match config.text.lower_case == LowerCase::Normalizer && !lower_cases(&normalizer) {
            true => lower_case_first(normalizer),
            false => normalizer,
        };
    let definition = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor(&fields, &vocabulary, &added)?,
        "decoder": null,
        "model": word_piece(&fields, vocabulary)?,
    });
    let tokenizer = tokenizers::Tokenizer::from_bytes(definition.to_string())
        .map_err(|error| invalid(error.to_string()))?;
    check_added(&tokenizer, &added)?;
    Ok(tokenizer)
}

/// The crate numbers added tokens by itself where the file's ids leave a gap. It panics at some texts
/// if an added token normalizes to nothing, which it then finds within every letter, or is white
/// space that the token before it has taken already (`rstrip`) and wants more of it (`lstrip`).
fn check_added(tokenizer: &tokenizers::Tokenizer, added: &[Value]) -> Result<()> {
    for token in added {
        let content = token["content"].as_str().unwrap_or_default();
        let id = tokenizer.token_to_id(content);
        if id.map(u64::from) != token["id"].as_u64() {
            return Err(invalid(format!(
                "the added token {content:?} has an id that leaves a gap"
            )));
        }
        let normalized = id.and_then(|id| tokenizer.id_to_token(id)).unwrap_or_default();
        if normalized.is_empty() || (normalized.trim().is_empty() && token["lstrip"] == true) {
            return Err(invalid(format!("the added token {content:?} has no content of its own")));
        }
    }
    Ok(())
}

/// The WordPiece vocabulary: every id has a row in the model's table.
fn vocabulary(fields: &Fields<'_>, rows: usize) -> Result<Map<String, Value>> {
    let model = fields.required("model", fields.object("model")?)?;
    match model.string("type")? {
        Some("WordPiece") => {}
        other => {
            return Err(model.unsupported("model.type", other.unwrap_or("(none)"), "WordPiece is"));
        }
    }
    let vocabulary = match model.value("vocab") {
        Some(Value::Object(vocabulary)) => vocabulary.clone(),
        _ => return Err(model.invalid("model.vocab", "is not an object")),
    };
    for (token, id) in &vocabulary {
        check_token(token, id, rows)?;
    }
    Ok(vocabulary)
}

fn check_token(token: &str, id: &Value, rows: usize) -> Result<()> {
    if token.len() > MAX_TOKEN {
        return Err(invalid(format!("a token has {} bytes", token.len())));
    }
    match id.as_u64() {
        Some(id) if (id as usize) < rows && id <= u64::from(u32::MAX) => Ok(()),
        _ => Err(invalid(format!(
            "token {token:?} has id {id}; the model's vocabulary has {rows} rows"
        ))),
    }
}

fn word_piece(fields: &Fields<'_>, vocabulary: Map<String, Value>) -> Result<Value> {
    let model = fields.required("model", fields.object("model")?)?;
    let unknown = model.required("unk_token", model.string("unk_token")?)?;
    if !vocabulary.contains_key(unknown) {
        return Err(invalid(format!("the vocabulary lacks the unknown token {unknown:?}")));
    }
    let longest = model.count("max_input_chars_per_word", 1_000)?.unwrap_or(100);
    let prefix = model.string("continuing_subword_prefix")?.unwrap_or("##");
    Ok(json!({
        "type": "WordPiece",
        "unk_token": unknown,
        "continuing_subword_prefix": prefix,
        "max_input_chars_per_word": longest,
        "vocab": vocabulary,
    }))
}

fn added_tokens(fields: &Fields<'_>, rows: usize) -> Result<Vec<Value>> {
    let list = match fields.value("added_tokens") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list.clone(),
        Some(_) => return Err(invalid("added_tokens is not a list".to_owned())),
    };
    for token in &list {
        let content = token["content"].as_str().filter(|content| !content.is_empty());
        let content = content.ok_or_else(|| invalid("an added token has no content".to_owned()))?;
        check_token(content, &token["id"], rows)?;
    }
    Ok(list)
}

/// Makes each kind's prefix one token, as PyLate's `add_tokens` does for prefixes that are not added
/// tokens yet: then the prefix as text equals the marker's id, which the checkpoint was trained with.
fn register_prefixes(
    added: &mut Vec<Value>,
    vocabulary: &Map<String, Value>,
    config: &ModelConfig,
) -> Result<()> {
    if !config.text.prefixes_are_tokens {
        return Ok(());
    }
    for prefix in [&config.text.query_prefix, &config.text.document_prefix] {
        // PyLate's "[Q] " is one token with its space; Stanford's "[unused0] " is a token and a space.
        let Some(word) = prefix.split_whitespace().next() else {
            continue;
        };
        let names = [prefix.as_str(), word];
        if added.iter().any(|token| names.iter().any(|name| token["content"] == **name)) {
            continue;
        }
        let Some(id) = vocabulary.get(word) else {
            return Err(invalid(format!("the marker {prefix:?} is not in the vocabulary")));
        };
        added.push(json!({
            "id": id, "content": word, "special": false, "normalized": true,
            "single_word": false, "lstrip": false, "rstrip": false,
        }));
    }
    // The crate wants added tokens in the order of their ids.
    added.sort_by_key(|token| token["id"].as_u64());
    Ok(())
}

fn bert_normalizer(switches: &BertNormalization) -> Value {
    json!({
        "type": "BertNormalizer",
        "clean_text": true,
        "handle_chinese_chars": switches.tokenize_chinese_chars,
        "strip_accents": switches.strip_accents,
        "lowercase": switches.do_lower_case,
    })
}

fn lower_cases(normalizer: &Value) -> bool {
    match normalizer["type"].as_str() {
        Some("Lowercase") => true,
        Some("BertNormalizer") => normalizer["lowercase"] == true,
        Some("Sequence") => {
            normalizer["normalizers"].as_array().is_some_and(|list| list.iter().any(lower_cases))
        }
        _ => false,
    }
}

fn lower_case_first(normalizer: Value) -> Value {
    let mut list = vec![json!({"type": "Lowercase"})];
    if !normalizer.is_null() {
        list.push(normalizer);
    }
    json!({"type": "Sequence", "normalizers": list})
}

/// A component of known kind, or one Sequence of such: its list is `normalizers` or `pretokenizers`.
fn component(fields: &Fields<'_>, field: &'static str, allowed: &[&str]) -> Result<Value> {
    let Some(value) = fields.value(field) else {
        return Ok(Value::Null);
    };
    let parts = match value["type"].as_str() {
        Some("Sequence") => value
            .get(format!("{}s", field.replace('_', "")))
            .and_then(Value::as_array)
            .filter(|list| list.len() <= MAX_SEQUENCE)
            .ok_or_else(|| fields.invalid(field, "is not a short Sequence"))?
            .as_slice(),
        _ => std::slice::from_ref(value),
    };
    for part in parts {
        let kind = part["type"].as_str().unwrap_or("(none)");
        if !allowed.contains(&kind) {
            return Err(fields.unsupported(field, kind, "the components of BERT tokenizers are"));
        }
    }
    Ok(value.clone())
}

/// The template that puts special tokens round a text. At least one is needed: a text without any
/// token would leave the encoder nothing to attend to.
fn post_processor(
    fields: &Fields<'_>,
    vocabulary: &Map<String, Value>,
    added: &[Value],
) -> Result<Value> {
    let id_of = |token: &str| {
        let added = added.iter().find(|entry| entry["content"] == token);
        added
            .map(|entry| entry["id"].clone())
            .or_else(|| vocabulary.get(token).cloned())
            .ok_or_else(|| invalid(format!("the special token {token:?} is not in the vocabulary")))
    };
    let value = fields.value("post_processor").unwrap_or(&Value::Null);
    let names = match value["type"].as_str() {
        Some("TemplateProcessing") => template_names(&value["single"])?,
        Some("BertProcessing") => {
            let name = |field: &str| value[field][0].as_str().map(str::to_owned);
            vec![name("cls"), None, name("sep")]
        }
        other => {
            return Err(fields.unsupported(
                "post_processor",
                other.unwrap_or("(none)"),
                "TemplateProcessing and BertProcessing are",
            ));
        }
    };
    let (mut single, mut special) = (Vec::new(), Map::new());
    for name in &names {
        match name {
            None => single.push(json!({"Sequence": {"id": "A", "type_id": 0}})),
            Some(name) => {
                single.push(json!({"SpecialToken": {"id": name, "type_id": 0}}));
                special.insert(
                    name.clone(),
                    json!({"id": name, "ids": [id_of(name)?], "tokens": [name]}),
                );
            }
        }
    }
    let texts = names.iter().filter(|name| name.is_none()).count();
    if texts != 1 || special.is_empty() {
        return Err(invalid("post_processor needs one text and a special token".to_owned()));
    }
    // The crate wants a template for pairs as well; it is never used.
    let pair =
        json!([{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}]);
    Ok(
        json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}),
    )
}

/// The special tokens of a template in order, `None` where the text stands.
fn template_names(single: &Value) -> Result<Vec<Option<String>>> {
    let pieces = single
        .as_array()
        .filter(|pieces| pieces.len() <= MAX_SEQUENCE)
        .ok_or_else(|| invalid("post_processor.single is not a short list".to_owned()))?;
    pieces
        .iter()
        .map(|piece| {
            if piece["Sequence"]["id"] == "A" && piece["Sequence"]["type_id"] == 0 {
                return Ok(None);
            }
            match (piece["SpecialToken"]["id"].as_str(), &piece["SpecialToken"]["type_id"]) {
                (Some(name), type_id) if type_id == 0 => Ok(Some(name.to_owned())),
                _ => Err(invalid(format!("post_processor.single holds {piece}"))),
            }
        })
        .collect()
}

fn invalid(reason: String) -> Error {
    Error::InvalidTokenizer { reason }
}
