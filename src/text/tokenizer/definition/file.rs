//! `tokenizer.json`, read once from end to end: the vocabulary straight into the library's table, of everything else no more
//! than a tokenizer has. A file of millions of brackets costs a walk over its bytes and no memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{FILE, invalid, unsupported};
use crate::error::{Error, Result};

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
    read.map_err(|error| Error::InvalidJson { file: FILE.to_owned(), reason: error.to_string() })?;
    match reader.problem {
        Some(problem) => Err(problem),
        None => Ok(reader.file),
    }
}

struct Reader {
    file: File,
    /// How many more values are kept.
    left: usize,
    /// Which rows have a token.
    taken: Vec<bool>,
    /// The first thing that is wrong; what follows is passed over.
    problem: Option<Error>,
}

impl Reader {
    fn refuse(&mut self, problem: impl FnOnce() -> Error) {
        self.problem.get_or_insert_with(problem);
    }

    /// Whether another value may be kept.
    fn keeps(&mut self) -> bool {
        if self.left == 0 {
            let found = format!("more than {MOST_VALUES}");
            self.refuse(|| {
                unsupported("values beside the vocabulary", found, "no tokenizer has as many")
            });
        }
        self.left = self.left.saturating_sub(1);
        self.problem.is_none()
    }

    /// The id of a token that may be kept.
    fn id(&mut self, token: &str, id: &Value) -> Option<u32> {
        let rows = self.taken.len();
        if token.len() > LONGEST_TOKEN {
            let found = format!("a token of {} bytes", token.len());
            self.refuse(|| unsupported("model.vocab", found, "tokens of at most 4096 bytes are"));
        }
        let place = id.as_u64().and_then(|id| usize::try_from(id).ok()).filter(|&id| id < rows);
        let Some(place) = place else {
            let reason =
                format!("token {token:?} has id {id}; the model's vocabulary has {rows} rows");
            self.refuse(|| invalid(reason));
            return None;
        };
        if std::mem::replace(&mut self.taken[place], true) {
            self.refuse(|| invalid(format!("two tokens have id {place}")));
        }
        self.problem.is_none().then(|| u32::try_from(place).ok()).flatten()
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
            } else {
                if name != "decoder" {
                    reader.refuse(|| unsupported("part", name, "the parts of a tokenizer are"));
                }
                map.next_value::<IgnoredAny>()?;
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
            if let Some(id) = reader.id(&token, &id) {
                vocabulary.extend(Some((token, id)));
            }
        }
        Ok(())
    }
}

/// A value, of which only so much is kept as is left.
struct Kept<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Kept<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        match self.0.keeps() {
            true => json.deserialize_any(self),
            false => json.deserialize_any(IgnoredAny).map(|IgnoredAny| Value::Null),
        }
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
            if reader.problem.is_none() {
                list.push(value);
            }
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Self(reader) = self;
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Kept(reader))?;
            if reader.problem.is_none() {
                fields.insert(name, value);
            }
        }
        Ok(Value::Object(fields))
    }
}
