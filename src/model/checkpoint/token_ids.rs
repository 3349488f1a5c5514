//! How many rows do the tokens of `tokenizer.json` need? A walk over the file that keeps nothing of it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// One more than the highest id; 0 if the file is not one that says so: what is wrong with it is found when it is read.
pub(super) fn end(bytes: &[u8]) -> u64 {
    let Ok(file) = serde_json::from_slice::<File>(bytes) else {
        return 0;
    };
    let added = file.added_tokens.iter().map(|token| token.id.saturating_add(1)).max();
    added.unwrap_or(0).max(file.model.vocab.0)
}

#[derive(Deserialize)]
struct File {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Model {
    vocab: End,
}

#[derive(Deserialize)]
struct Added {
    id: u64,
}

/// One more than the highest id of a vocabulary.
struct End(u64);

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Highest)
    }
}

struct Highest;

impl<'de> Visitor<'de> for Highest {
    type Value = End;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("tokens and their ids")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<End, A::Error> {
        let mut end = 0;
        while let Some((_, id)) = map.next_entry::<serde::de::IgnoredAny, u64>()? {
            end = end.max(id.saturating_add(1));
        }
        Ok(End(end))
    }
}
