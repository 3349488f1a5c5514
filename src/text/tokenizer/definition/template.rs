//! The special tokens that go round a text. At least one is needed: a text without any token would leave the encoder nothing
//! to attend to.

use serde_json::{Map, Value, json};
use tokenizers::PostProcessorWrapper;
use tokenizers::Tokenizer;
use tokenizers::processors::template::TemplateProcessing;

use super::super::offsets::Trim;
use super::{FILE, invalid, unsupported};
use crate::error::Result;
use crate::model::checkpoint::Fields;
use crate::model::config::{ModelConfig, TokenizerClass};

/// Most pieces of a template, and most tokens of one.
const MOST: usize = 16;
const HINT: &str = "TemplateProcessing, BertProcessing and RobertaProcessing are";
const SEQUENCE: &str = "ByteLevel and one of the others behind it are";

/// A place of a template: where the text stands, or a special token with its ids.
enum Piece {
    Text,
    Special(String, Vec<u32>),
}

/// What goes round a text, and whether white space counts in the offsets of its words.
pub(super) struct Template {
    pub processor: PostProcessorWrapper,
    pub trim: Option<Trim>,
}

impl Template {
    /// That of the class that reads the files.
    pub(super) fn read(
        parts: &Fields<'_>,
        tokenizer: &Tokenizer,
        config: &ModelConfig,
    ) -> Result<Self> {
        let (pieces, trim) = match &config.tokenizer.class {
            TokenizerClass::Bert(_) => {
                (of_class(tokenizer, config, "BertTokenizer needs it")?, None)
            }
            TokenizerClass::Roberta(switches) => {
                let trim = Trim { add_prefix_space: switches.add_prefix_space };
                let pieces = of_class(tokenizer, config, "RobertaTokenizer needs it")?;
                (pieces, switches.trim_offsets.then_some(trim))
            }
            TokenizerClass::General => of_file(parts, config.encoder.vocab_size())?,
        };
        let texts = pieces.iter().filter(|piece| matches!(piece, Piece::Text)).count();
        if texts != 1 || pieces.len() == 1 {
            return Err(invalid("post_processor needs one text and a special token".to_owned()));
        }
        Ok(Self { processor: build(&pieces)?, trim })
    }
}

/// The classes' own: their first token, the text, their separator.
fn of_class(tokenizer: &Tokenizer, config: &ModelConfig, need: &str) -> Result<Vec<Piece>> {
    let special = |name: &str| {
        let content = config.tokenizer.special_tokens.get(name);
        let id = content.and_then(|content| tokenizer.token_to_id(content));
        match content.zip(id) {
            Some((content, id)) => Ok(Piece::Special(content.to_owned(), vec![id])),
            None => Err(config.tokenizer.missing(name, need)),
        }
    };
    Ok(vec![special("cls_token")?, Piece::Text, special("sep_token")?])
}

/// The file's own: the only one of a Sequence that has tokens, behind `ByteLevel`.
fn of_file(parts: &Fields<'_>, rows: usize) -> Result<(Vec<Piece>, Option<Trim>)> {
    let part = parts.object("post_processor")?;
    let Some(part) = part else {
        return Err(parts.unsupported("post_processor", "(none)", HINT));
    };
    if part.string("type")? != Some("Sequence") {
        return of_part(parts, &part, rows);
    }
    let list = part.value("processors").and_then(Value::as_array);
    match part.required("processors", list)?.as_slice() {
        [Value::Object(first), Value::Object(second)] => {
            let (first, second) =
                (Fields::of(FILE, first.clone()), Fields::of(FILE, second.clone()));
            match first.string("type")? {
                Some("ByteLevel") => {}
                other => {
                    return Err(first.unsupported(
                        "post_processor",
                        other.unwrap_or("(none)"),
                        SEQUENCE,
                    ));
                }
            }
            let (pieces, trim) = of_part(parts, &second, rows)?;
            Ok((pieces, trim.or(trimmed(&first)?)))
        }
        other => {
            let found = format!("a Sequence of {}", other.len());
            Err(unsupported("post_processor", found, SEQUENCE))
        }
    }
}

/// Known by its fields as the library knows it: it does not look at the type.
fn of_part(
    parts: &Fields<'_>,
    part: &Fields<'_>,
    rows: usize,
) -> Result<(Vec<Piece>, Option<Trim>)> {
    let framed = part.has("cls") && part.has("sep");
    let trims = part.has("trim_offsets") && part.has("add_prefix_space");
    let pair = || Ok(vec![pair(part, "cls", rows)?, Piece::Text, pair(part, "sep", rows)?]);
    match part.string("type")? {
        None | Some("RobertaProcessing") if framed && trims => Ok((pair()?, trimmed(part)?)),
        None | Some("BertProcessing") if framed && !part.has("trim_offsets") => Ok((pair()?, None)),
        None | Some("TemplateProcessing") if !framed => Ok((pieces(part, rows)?, None)),
        other => Err(parts.unsupported("post_processor", other.unwrap_or("another kind"), HINT)),
    }
}

/// Whether white space at a token's ends is left out of its offsets.
fn trimmed(part: &Fields<'_>) -> Result<Option<Trim>> {
    let switch = |name: &str| part.required(name, part.bool(name)?);
    let trim = Trim { add_prefix_space: switch("add_prefix_space")? };
    Ok(switch("trim_offsets")?.then_some(trim))
}

/// A special token of BertProcessing and RobertaProcessing: its name and its id.
fn pair(part: &Fields<'_>, field: &str, rows: usize) -> Result<Piece> {
    match part.value(field).and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::String(name), id]) => {
            Ok(Piece::Special(name.clone(), vec![id_of(name, id, rows)?]))
        }
        _ => Err(part.invalid(field, "is not a token and its id")),
    }
}

fn pieces(part: &Fields<'_>, rows: usize) -> Result<Vec<Piece>> {
    let special = part.object("special_tokens")?;
    let special = part.required("special_tokens", special)?;
    let single = part.value("single").and_then(Value::as_array);
    let single = part.required("single", single)?;
    if single.len() > MOST {
        let found = format!("{} pieces", single.len());
        return Err(unsupported("post_processor.single", found, "at most 16 are"));
    }
    single.iter().map(|value| piece(value, &special, rows)).collect()
}

fn piece(value: &Value, special: &Fields<'_>, rows: usize) -> Result<Piece> {
    let other = || invalid(format!("post_processor.single holds {value}"));
    let (text, token) = (&value["Sequence"], &value["SpecialToken"]);
    let body = if text.is_object() { text } else { token };
    let id = body["id"].as_str().filter(|_| body["type_id"] == 0).ok_or_else(other)?;
    if text.is_object() {
        return if id == "A" { Ok(Piece::Text) } else { Err(other()) };
    }
    let entry = special
        .object(id)?
        .ok_or_else(|| invalid(format!("post_processor: special_tokens lacks {id:?}")))?;
    let ids =
        entry.value("ids").and_then(Value::as_array).filter(|ids| (1..=MOST).contains(&ids.len()));
    let ids =
        ids.ok_or_else(|| invalid(format!("post_processor: {id:?} needs 1 to {MOST} ids")))?;
    Ok(Piece::Special(
        id.to_owned(),
        ids.iter().map(|number| id_of(id, number, rows)).collect::<Result<_>>()?,
    ))
}

/// An id that has a row in the model's table.
fn id_of(name: &str, id: &Value, rows: usize) -> Result<u32> {
    let number = id.as_u64().filter(|&number| number < rows as u64);
    number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
        invalid(format!(
            "special token {name:?} has id {id}; the model's vocabulary has {rows} rows"
        ))
    })
}

fn build(pieces: &[Piece]) -> Result<PostProcessorWrapper> {
    let text = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    let (mut single, mut special) = (Vec::new(), Map::new());
    for piece in pieces {
        match piece {
            Piece::Text => single.push(text("A")),
            Piece::Special(name, ids) => {
                single.push(json!({"SpecialToken": {"id": name, "type_id": 0}}));
                let names = vec![name; ids.len()];
                special.insert(name.clone(), json!({"id": name, "ids": ids, "tokens": names}));
            }
        }
    }
    // The library wants a template for pairs as well; it is never used.
    let pair = [text("A"), text("B")];
    let template = json!({"single": single, "pair": pair, "special_tokens": special});
    let template: TemplateProcessing = serde_json::from_value(template)
        .map_err(|error| invalid(format!("post_processor: {error}")))?;
    Ok(template.into())
}
