//! JavaScript's list of texts, each copied into this memory when its turn comes.

use std::borrow::Cow;

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::JsTextList;
use crate::Texts;

/// An array of strings.
pub(super) struct JsTexts(Array);

impl JsTexts {
    pub(super) fn new(list: JsTextList) -> Self {
        Self(list.unchecked_into())
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
