//! The special tokens that go round a text. At least one is needed: a text without any token would leave the encoder nothing
//! to attend to.

use serde_json::{Map, Value, json};
use tokenizers::PostProcessorWrapper;
use tokenizers::Tokenizer;
use tokenizers::processors::template::TemplateProcessing;

use super::{invalid, unsupported};
use crate::error::Result;
use crate::model::checkpoint::Fields;
use crate::model::config::ModelConfig;

/// Most pieces of a template, and most tokens of one.
const MOST: usize = 16;
const HINT: &str = "TemplateProcessing and BertProcessing are";

/// A place of a template: where the text stands, or a special token with its ids.
enum Piece {
    Text,
    Special(String, Vec<u32>),
}

/// `BertTokenizer`'s own: its first token, the text, its separator.
pub(super) fn of_bert(tokenizer: &Tokenizer, config: &ModelConfig) -> Result<PostProcessorWrapper> {
    let special = |name: &str| {
        let content = config.tokenizer.special_tokens.get(name);
        let id = content.and_then(|content| tokenizer.token_to_id(content));
        match content.zip(id) {
            Some((content, id)) => Ok(Piece::Special(content.to_owned(), vec![id])),
            None => Err(config.tokenizer.missing(name, "BertTokenizer needs it")),
        }
    };
    build(&[special("cls_token")?, Piece::Text, special("sep_token")?])
}

/// The file's own, known by its fields as the library knows it: it does not look at the type.
pub(super) fn read(parts: &Fields<'_>, rows: usize) -> Result<PostProcessorWrapper> {
    let part = parts.object("post_processor")?;
    let Some(part) = part else {
        return Err(parts.unsupported("post_processor", "(none)", HINT));
    };
    let framed = part.has("cls") && part.has("sep");
    let pieces = match part.string("type")? {
        None | Some("BertProcessing") if framed && !part.has("trim_offsets") => {
            vec![pair(&part, "cls", rows)?, Piece::Text, pair(&part, "sep", rows)?]
        }
        None | Some("TemplateProcessing") if !framed => pieces(&part, rows)?,
        other => {
            return Err(parts.unsupported(
                "post_processor",
                other.unwrap_or("RobertaProcessing"),
                HINT,
            ));
        }
    };
    let texts = pieces.iter().filter(|piece| matches!(piece, Piece::Text)).count();
    if texts != 1 || pieces.len() == 1 {
        return Err(invalid("post_processor needs one text and a special token".to_owned()));
    }
    build(&pieces)
}

/// A special token of BertProcessing: its name and its id.
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
