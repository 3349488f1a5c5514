//! `tokenizer.json`, read once: the vocabulary straight into the library's table, and of everything else as much as a tokenizer
//! has. Reading ends at the first thing that is wrong, or too much.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{FILE, invalid, unsupported};
use crate::error::{Error, Result};
use crate::model::checkpoint::not_json;

/// Most values in all parts together but the vocabulary: as many as [`super::added::MOST`] tokens with their switches have.
const MOST_VALUES: usize = 1 << 19;
/// Longest token of a vocabulary, in bytes.
const LONGEST_TOKEN: usize = 4_096;

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
            return self.refuse(unsupported(
                "model.vocab",
                found,
                "tokens of at most 4096 bytes are",
            ));
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
                map.next_value::<IgnoredAny>()?;
                reader.file.model.get_or_insert_default().insert(name, Value::Bool(true));
            } else {
                let value = map.next_value_seed(Kept(reader))?;
                reader.file.model.get_or_insert_default().insert(name, value);
            }
        }
        Ok(())
    }
}

/// The vocabulary: tokens and their ids.
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
        out.write_str("model.vocab to be an object of tokens and their ids")
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
