//! The special tokens that go round a text, and round the two of a pair. At least one is needed: a text without any token would
//! leave the encoder nothing to attend to. A model of pages has tokens of its own behind each query, and may do without.

use serde_json::{Map, Value, json};
use tokenizers::PostProcessorWrapper;
use tokenizers::Tokenizer;
use tokenizers::processors::template::TemplateProcessing;

use super::super::offsets::Trim;
use super::super::pairs::{PairPiece, PairTemplate};
use super::{FILE, invalid, unsupported};
use crate::error::Result;
use crate::model::checkpoint::Fields;
use crate::model::config::{EncoderConfig, ModelConfig, TokenizerClass};

/// Most pieces of a template, and most tokens of one.
const MOST: usize = 16;
const HINT: &str = "TemplateProcessing, BertProcessing and RobertaProcessing are";
const SEQUENCE: &str = "ByteLevel and one of the others behind it are";

/// A place of a template: where a text stands, or a special token with its ids.
#[derive(Clone)]
enum Piece {
    Text,
    /// That of a pair's second text.
    Second,
    Special(String, Vec<u32>),
}

/// What goes round a text, and whether white space counts in the offsets of its words.
pub(super) struct Template {
    /// `None` where nothing goes round a text.
    pub processor: Option<PostProcessorWrapper>,
    pub trim: Option<Trim>,
    /// What goes round the texts of a pair, if the model reads any.
    pub pair: Option<PairTemplate>,
}

/// A template's pieces, each with the type of its tokens.
type Typed = Vec<(Piece, usize)>;

impl Template {
    /// That of the class that reads the files.
    pub(super) fn read(
        parts: &Fields<'_>,
        tokenizer: &Tokenizer,
        config: &ModelConfig,
    ) -> Result<Self> {
        if let Some(trim) = unframed(parts, config)? {
            return Ok(Self { processor: None, trim, pair: None });
        }
        let wants_pair = config.head.is_some();
        let (pieces, pair, trim) = match &config.tokenizer.class {
            TokenizerClass::Bert(_) => {
                let pieces = of_class(tokenizer, config, "BertTokenizer needs it")?;
                let pair = framed_pair(&pieces, false);
                (pieces, Some(pair), None)
            }
            TokenizerClass::Roberta(switches) => {
                let trim = Trim { add_prefix_space: switches.add_prefix_space };
                let pieces = of_class(tokenizer, config, "RobertaTokenizer needs it")?;
                let pair = framed_pair(&pieces, true);
                (pieces, Some(pair), switches.trim_offsets.then_some(trim))
            }
            TokenizerClass::General => of_file(parts, config.encoder.vocab_size(), wants_pair)?,
        };
        let texts = pieces.iter().filter(|piece| matches!(piece, Piece::Text)).count();
        if texts != 1 || pieces.len() == 1 {
            return Err(invalid("post_processor needs one text and a special token".to_owned()));
        }
        let pair = pair.filter(|_| wants_pair).map(|pair| of_pair(pair, config)).transpose()?;
        Ok(Self { processor: Some(build(&pieces)?), trim, pair })
    }
}

/// Whether a model of pages puts nothing round a text: as its processor says, or as the file does, and then whether white space
/// counts in offsets.
fn unframed(parts: &Fields<'_>, config: &ModelConfig) -> Result<Option<Option<Trim>>> {
    let Some(pages) = config.text.pages.as_ref().filter(|pages| !pages.suffix.is_empty()) else {
        return Ok(None);
    };
    if pages.bare {
        return Ok(Some(None));
    }
    match parts.object("post_processor")? {
        Some(part) if part.string("type")? == Some("ByteLevel") => trimmed(&part).map(Some),
        _ => Ok(None),
    }
}

/// The pair of a class that frames a text by its first token and its separator. RoBERTa's separator stands twice between the
/// texts, and all its tokens are of one type.
fn framed_pair(single: &[Piece], roberta: bool) -> Typed {
    let (first, separator) = (single[0].clone(), single[single.len() - 1].clone());
    let second = usize::from(!roberta);
    let mut pair = vec![(first, 0), (Piece::Text, 0), (separator.clone(), 0)];
    if roberta {
        pair.push((separator.clone(), 0));
    }
    pair.extend([(Piece::Second, second), (separator, second)]);
    pair
}

/// Both texts stand in it once. Types count where the encoder is told them.
fn of_pair(pieces: Typed, config: &ModelConfig) -> Result<PairTemplate> {
    let types = config.head.as_ref().is_some_and(|head| head.types);
    let rows = match &config.encoder {
        EncoderConfig::Bert(bert) if types => bert.type_vocab_size.unwrap_or(0),
        _ => usize::MAX,
    };
    if let Some((_, kind)) = pieces.iter().find(|(_, kind)| *kind >= rows) {
        let reason = format!("post_processor.pair has type {kind}; the model has {rows}");
        return Err(invalid(reason));
    }
    let pieces = pieces.into_iter().map(|(piece, kind)| {
        let piece = match piece {
            Piece::Text => PairPiece::First,
            Piece::Second => PairPiece::Second,
            Piece::Special(_, ids) => PairPiece::Special(ids),
        };
        (piece, if types { kind } else { 0 })
    });
    PairTemplate::new(pieces.collect()).ok_or_else(|| {
        invalid("post_processor.pair needs each of two texts once and a special token".to_owned())
    })
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

/// What goes round a text and, if that is wanted, round the texts of a pair, and whether white space counts.
type Read = (Vec<Piece>, Option<Typed>, Option<Trim>);

/// The file's own: the only one of a Sequence that has tokens, behind `ByteLevel`.
fn of_file(parts: &Fields<'_>, rows: usize, wants_pair: bool) -> Result<Read> {
    let part = parts.object("post_processor")?;
    let Some(part) = part else {
        return Err(parts.unsupported("post_processor", "(none)", HINT));
    };
    if part.string("type")? != Some("Sequence") {
        return of_part(parts, &part, rows, wants_pair);
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
            let (pieces, pair, trim) = of_part(parts, &second, rows, wants_pair)?;
            Ok((pieces, pair, trim.or(trimmed(&first)?)))
        }
        other => {
            let found = format!("a Sequence of {}", other.len());
            Err(unsupported("post_processor", found, SEQUENCE))
        }
    }
}

/// Known by its fields as the library knows it: it does not look at the type.
fn of_part(parts: &Fields<'_>, part: &Fields<'_>, rows: usize, wants_pair: bool) -> Result<Read> {
    let framed = part.has("cls") && part.has("sep");
    let trims = part.has("trim_offsets") && part.has("add_prefix_space");
    let frame = |trim, roberta| {
        let pieces = vec![token(part, "cls", rows)?, Piece::Text, token(part, "sep", rows)?];
        let pair = framed_pair(&pieces, roberta);
        Ok((pieces, Some(pair), trim))
    };
    match part.string("type")? {
        None | Some("RobertaProcessing") if framed && trims => frame(trimmed(part)?, true),
        None | Some("BertProcessing") if framed && !part.has("trim_offsets") => frame(None, false),
        None | Some("TemplateProcessing") if !framed => {
            let pair = wants_pair.then(|| pieces(part, "pair", rows)).transpose()?;
            Ok((single(part, rows)?, pair, None))
        }
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
fn token(part: &Fields<'_>, field: &str, rows: usize) -> Result<Piece> {
    match part.value(field).and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::String(name), id]) => {
            Ok(Piece::Special(name.clone(), vec![id_of(name, id, rows)?]))
        }
        _ => Err(part.invalid(field, "is not a token and its id")),
    }
}

/// A lone text's, all of whose tokens are of one type.
fn single(part: &Fields<'_>, rows: usize) -> Result<Vec<Piece>> {
    let typed = pieces(part, "single", rows)?;
    match typed.iter().any(|(piece, kind)| *kind != 0 || matches!(piece, Piece::Second)) {
        true => {
            Err(invalid("post_processor.single holds another text, or another type".to_owned()))
        }
        false => Ok(typed.into_iter().map(|(piece, _)| piece).collect()),
    }
}

fn pieces(part: &Fields<'_>, field: &str, rows: usize) -> Result<Typed> {
    let special = part.object("special_tokens")?;
    let special = part.required("special_tokens", special)?;
    let list = part.value(field).and_then(Value::as_array);
    let list = part.required(field, list)?;
    let field = format!("post_processor.{field}");
    if list.len() > MOST {
        let found = format!("{} pieces", list.len());
        return Err(unsupported(&field, found, "at most 16 are"));
    }
    list.iter().map(|value| piece(value, &field, &special, rows)).collect()
}

fn piece(value: &Value, field: &str, special: &Fields<'_>, rows: usize) -> Result<(Piece, usize)> {
    let other = || invalid(format!("{field} holds {value}"));
    let (text, token) = (&value["Sequence"], &value["SpecialToken"]);
    let body = if text.is_object() { text } else { token };
    let kind = body["type_id"].as_u64().filter(|&kind| kind < MOST as u64).ok_or_else(other)?;
    let (id, kind) = (body["id"].as_str().ok_or_else(other)?, kind as usize);
    if text.is_object() {
        return match id {
            "A" => Ok((Piece::Text, kind)),
            "B" => Ok((Piece::Second, kind)),
            _ => Err(other()),
        };
    }
    let entry = special
        .object(id)?
        .ok_or_else(|| invalid(format!("post_processor: special_tokens lacks {id:?}")))?;
    let ids =
        entry.value("ids").and_then(Value::as_array).filter(|ids| (1..=MOST).contains(&ids.len()));
    let ids =
        ids.ok_or_else(|| invalid(format!("post_processor: {id:?} needs 1 to {MOST} ids")))?;
    let ids = ids.iter().map(|number| id_of(id, number, rows)).collect::<Result<_>>()?;
    Ok((Piece::Special(id.to_owned(), ids), kind))
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
            Piece::Text | Piece::Second => single.push(text("A")),
            Piece::Special(name, ids) => {
                single.push(json!({"SpecialToken": {"id": name, "type_id": 0}}));
                let names = vec![name; ids.len()];
                special.insert(name.clone(), json!({"id": name, "ids": ids, "tokens": names}));
            }
        }
    }
    // The library wants a template for pairs as well; it is never used, as pairs are cut before they are put together.
    let pair = [text("A"), text("B")];
    let template = json!({"single": single, "pair": pair, "special_tokens": special});
    let template: TemplateProcessing = serde_json::from_value(template)
        .map_err(|error| invalid(format!("post_processor: {error}")))?;
    Ok(template.into())
}
