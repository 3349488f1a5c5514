//! An object's fields to the letter: in their order, numbers with all their digits, names that come twice.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Name and value.
pub type Field = (Box<RawValue>, Box<RawValue>);

/// Names and values as they were written.
pub struct Fields(Vec<Field>);

impl Fields {
    /// The value of a name; of several the last, as JSON parsers take it.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rev().find(|(raw, _)| is(raw, name)).map(|(_, value)| &**value)
    }

    /// All values, in their order.
    pub fn values(&self) -> impl Iterator<Item = &RawValue> {
        self.0.iter().map(|(_, value)| &**value)
    }

    /// The fields of some names, and the rest.
    pub fn split(&self, names: &[&str]) -> (Vec<&Field>, Vec<&Field>) {
        self.0.iter().partition(|(raw, _)| names.iter().any(|name| is(raw, name)))
    }
}

/// Fields as they stand in an object.
pub fn join(fields: &[&Field]) -> String {
    let fields =
        fields.iter().map(|(name, value)| format!("{}:{}", name.get(), one_line(value.get())));
    fields.collect::<Vec<_>>().join(",")
}

fn is(raw: &RawValue, name: &str) -> bool {
    let raw = raw.get();
    match raw.contains('\\') {
        true => serde_json::from_str::<String>(raw).is_ok_and(|found| found == name),
        false => raw[1..raw.len() - 1] == *name,
    }
}

/// A value that came over several lines, in one: without white space between its parts.
fn one_line(value: &str) -> Cow<'_, str> {
    if !value.contains(['\n', '\r']) {
        return value.into();
    }
    let (mut within, mut escaped) = (false, false);
    let keep = |c: &char| {
        let keep = within || !c.is_ascii_whitespace();
        within ^= *c == '"' && !escaped;
        escaped = within && *c == '\\' && !escaped;
        keep
    };
    value.chars().filter(keep).collect()
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}
