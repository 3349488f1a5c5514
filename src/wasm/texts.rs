//! JavaScript's list of texts, each copied into this memory when its turn comes.

use std::borrow::Cow;

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::invalid_input;
use crate::Texts;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "string[]")]
    pub type JsTextList;
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
