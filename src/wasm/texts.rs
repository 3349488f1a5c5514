//! A call's query, and JavaScript's list of texts, each copied into this memory when its turn comes.

use std::borrow::Cow;

use js_sys::{Array, Float32Array};
use wasm_bindgen::prelude::*;

use super::invalid_input;
use crate::{Query, Texts};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "string[]")]
    pub type JsTextList;

    #[wasm_bindgen(typescript_type = "string | Float32Array")]
    pub type JsQuery;
}

/// A query in this memory.
pub(super) enum AskedQuery {
    Text(String),
    Embeddings { values: Vec<f32>, dimension: usize },
}

impl AskedQuery {
    /// `dimension`: the model's.
    pub(super) fn new(query: JsQuery, dimension: usize) -> Result<Self, JsValue> {
        if let Some(text) = query.as_string() {
            return Ok(AskedQuery::Text(text));
        }
        let values: Float32Array = query
            .dyn_into()
            .map_err(|_| invalid_input("the query is neither a text nor embeddings"))?;
        Ok(AskedQuery::Embeddings { values: values.to_vec(), dimension })
    }

    pub(super) fn as_query(&self) -> Query<'_> {
        match self {
            AskedQuery::Text(text) => Query::Text(text),
            AskedQuery::Embeddings { values, dimension } => {
                Query::Embeddings { values, dimension: *dimension }
            }
        }
    }

    /// Embeddings have none.
    pub(super) fn text(&self) -> &str {
        match self {
            AskedQuery::Text(text) => text,
            AskedQuery::Embeddings { .. } => "",
        }
    }
}

/// An array of strings.
pub(super) struct JsTexts(Array);

impl JsTexts {
    pub(super) fn new(list: JsTextList) -> Result<Self, JsValue> {
        list.dyn_into().map(Self).map_err(|_| invalid_input("the texts are no array"))
    }
}

impl Texts for JsTexts {
    fn len(&self) -> usize {
        self.0.length() as usize
    }

    /// Half a surrogate pair becomes U+FFFD, as wherever strings cross. What is no string is empty: the caller's types rule it out.
    fn text(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(self.0.get(index as u32).as_string().unwrap_or_default())
    }
}
