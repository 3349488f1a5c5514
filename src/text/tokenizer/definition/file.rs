//! `tokenizer.json`, read once: the vocabulary straight into the library's table, and of everything else as much as a tokenizer
//! has. Reading ends at the first thing that is wrong, or too much.

use std::fmt;

use serde::Deserialize;
use serde::de::{
    self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::{Map, Number, Value};

use super::{FILE, invalid, unsupported};
use crate::error::{Error, Result};
use crate::model::checkpoint::not_json;

/// Most values in all parts together but the vocabulary: as many as [`super::added::MOST`] tokens with their switches have.
const MOST_VALUES: usize = 1 << 19;
/// Longest token of a vocabulary, in bytes.
const LONGEST_TOKEN: usize = 4_096;
/// Most merges. The largest vocabularies have six hundred thousand.
const MOST_MERGES: usize = 1 << 20;

/// The parts of the file that say something about ids.
const PARTS: &[&str] = &[
    "version",
    "truncation",
    "padding",
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
];

/// What is left of the file beside the vocabulary.
#[derive(Default)]
pub(super) struct File {
    pub parts: Map<String, Value>,
    /// The model without its vocabulary.
    pub model: Option<Map<String, Value>>,
    /// The vocabulary of a model that scores its tokens: their place is their id.
    pub scored: Option<Vec<(String, f64)>>,
    /// Pairs of tokens that become one, the first of all first.
    pub merges: Vec<(String, String)>,
}

/// Reads the file; the tokens go to `vocabulary`, whose ids are held against the `rows` of the model's table.
pub(super) fn read(
    bytes: &[u8],
    rows: usize,
    vocabulary: &mut impl Extend<(String, u32)>,
) -> Result<File> {
    let mut reader = Reader {
        file: File::default(),
        left: MOST_VALUES,
        taken: vec![false; rows],
        problem: None,
    };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = Whole(&mut reader, vocabulary).deserialize(&mut json).and_then(|()| json.end());
    match (reader.problem, read) {
        (Some(problem), _) => Err(problem),
        (None, Ok(())) => Ok(reader.file),
        (None, Err(error)) => Err(not_json(FILE, bytes, &error)),
    }
}

struct Reader {
    file: File,
    /// How many more values are kept.
    left: usize,
    /// Which rows have a token.
    taken: Vec<bool>,
    /// What is wrong; nothing behind it is read.
    problem: Option<Error>,
}

impl Reader {
    /// Ends the reading.
    fn refuse<T, E: de::Error>(&mut self, problem: Error) -> Result<T, E> {
        self.problem = Some(problem);
        Err(E::custom("refused"))
    }

    /// Whether another value may be kept.
    fn count<E: de::Error>(&mut self) -> Result<(), E> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                let (field, found) =
                    ("values beside the vocabulary", format!("more than {MOST_VALUES}"));
                return self.refuse(unsupported(field, found, "no tokenizer has as many"));
            }
        }
        Ok(())
    }

    /// The id of a token.
    fn id<E: de::Error>(&mut self, token: &str, id: &Value) -> Result<u32, E> {
        let rows = self.taken.len();
        if token.len() > LONGEST_TOKEN {
            let found = format!("a token of {} bytes", token.len());
            let hint = "tokens of at most 4096 bytes are";
            return self.refuse(unsupported("model.vocab", found, hint));
        }
        let place = id.as_u64().and_then(|id| u32::try_from(id).ok());
        let Some(place) = place.filter(|&place| (place as usize) < rows) else {
            return self.refuse(invalid(format!(
                "token {token:?} has id {id}; the model's vocabulary has {rows} rows"
            )));
        };
        match std::mem::replace(&mut self.taken[place as usize], true) {
            true => self.refuse(invalid(format!("two tokens have id {place}"))),
            false => Ok(place),
        }
    }
}

/// The outermost object.
struct Whole<'a, V>(&'a mut Reader, &'a mut V);

impl<'de, V: Extend<(String, u32)>> DeserializeSeed<'de> for Whole<'_, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, V: Extend<(String, u32)>> Visitor<'de> for Whole<'_, V> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(reader, vocabulary) = self;
        while let Some(name) = map.next_key::<String>()? {
            if name == "model" {
                reader.file.model = Some(Map::new());
                map.next_value_seed(Model(reader, vocabulary))?;
            } else if PARTS.contains(&name.as_str()) {
                let value = map.next_value_seed(Kept(reader))?;
                reader.file.parts.insert(name, value);
            } else if name == "decoder" {
                map.next_value::<IgnoredAny>()?;
            } else {
                return reader.refuse(unsupported("part", name, "the parts of a tokenizer are"));
            }
        }
        Ok(())
    }
}

/// The object `model`.
struct Model<'a, V>(&'a mut Reader, &'a mut V);

impl<'de, V: Extend<(String, u32)>> DeserializeSeed<'de> for Model<'_, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, V: Extend<(String, u32)>> Visitor<'de> for Model<'_, V> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("model to be an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(reader, vocabulary) = self;
        while let Some(name) = map.next_key::<String>()? {
            if name == "vocab" {
                map.next_value_seed(Vocabulary(reader, vocabulary))?;
            } else if name == "merges" {
                map.next_value_seed(Merges(reader))?;
                reader.file.model.get_or_insert_default().insert(name, Value::Bool(true));
            } else {
                let value = map.next_value_seed(Kept(reader))?;
                reader.file.model.get_or_insert_default().insert(name, value);
            }
        }
        Ok(())
    }
}

/// The vocabulary: tokens and their ids, or tokens and their scores.
struct Vocabulary<'a, V>(&'a mut Reader, &'a mut V);

impl<'de, V: Extend<(String, u32)>> DeserializeSeed<'de> for Vocabulary<'_, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, V: Extend<(String, u32)>> Visitor<'de> for Vocabulary<'_, V> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("model.vocab to hold tokens and their ids, or tokens and their scores")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let Self(reader, _) = self;
        let mut scored: Vec<(String, f64)> = Vec::new();
        while let Some((token, score)) = seq.next_element::<(String, f64)>()? {
            reader.id(&token, &Value::from(scored.len()))?;
            scored.push((token, score));
        }
        reader.file.scored = Some(scored);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(reader, vocabulary) = self;
        while let Some(token) = map.next_key::<String>()? {
            // An id is one value, whatever it is.
            reader.left += 1;
            let id = map.next_value_seed(Kept(reader))?;
            let id = reader.id(&token, &id)?;
            vocabulary.extend(Some((token, id)));
        }
        Ok(())
    }
}

/// The merges.
struct Merges<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Merges<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Merges<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("model.merges to be a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        while let Some(Merge(pair)) = seq.next_element()? {
            if reader.file.merges.len() == MOST_MERGES {
                let found = format!("more than {MOST_MERGES}");
                return reader.refuse(unsupported("model.merges", found, "fewer are"));
            }
            reader.file.merges.extend(pair);
        }
        Ok(())
    }
}

/// A merge in either spelling: a list of two, or both with a space between them. The first line of the file that they once
/// stood in is none.
struct Merge(Option<(String, String)>);

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Pair)
    }
}

struct Pair;

impl<'de> Visitor<'de> for Pair {
    type Value = Merge;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("model.merges to hold pairs of tokens")
    }

    fn visit_str<E: de::Error>(self, line: &str) -> Result<Merge, E> {
        if line.starts_with("#version") {
            return Ok(Merge(None));
        }
        match line.split_once(' ') {
            Some((first, second)) if !second.contains(' ') => {
                Ok(Merge(Some((first.to_owned(), second.to_owned()))))
            }
            _ => Err(E::invalid_value(Unexpected::Other("no pair"), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merge, A::Error> {
        let pair = seq.next_element()?.zip(seq.next_element()?);
        match (pair, seq.next_element::<IgnoredAny>()?) {
            (Some(pair), None) => Ok(Merge(Some(pair))),
            _ => Err(de::Error::invalid_value(Unexpected::Other("no pair"), &self)),
        }
    }
}

/// A value, if one more may be kept.
struct Kept<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Kept<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        self.0.count()?;
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Kept<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let Self(reader) = self;
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Kept(reader))? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Self(reader) = self;
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Kept(reader))?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}
