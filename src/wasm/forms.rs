//! Which form of the byte product runs?

use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use super::{now_ms, to_js};
use crate::ops::forms::{self, FormSpeed};

/// A form of the byte product, by the instruction that it is made of, and what it reaches.
#[derive(Tsify, Serialize)]
pub struct ProductForm {
    form: &'static str,
    /// Billions of multiplications and additions a second.
    gops: f64,
}

impl From<FormSpeed> for ProductForm {
    fn from(FormSpeed { form, gops }: FormSpeed) -> Self {
        Self { form, gops }
    }
}

/// The forms that this module has; all give the same numbers.
#[wasm_bindgen(js_name = productForms)]
pub fn product_forms() -> Vec<String> {
    forms::forms().iter().map(|&form| form.to_owned()).collect()
}

/// The form that is used.
#[wasm_bindgen(js_name = productForm)]
pub fn product_form() -> String {
    forms::form().to_owned()
}

/// Uses a form from now on; false if there is none of this name.
#[wasm_bindgen(js_name = useProductForm)]
pub fn use_product_form(name: &str) -> bool {
    forms::use_form(name)
}

/// Measures the forms, some 20 ms each.
#[wasm_bindgen(js_name = measureProductForms)]
pub fn measure_product_forms() -> Vec<Ts<ProductForm>> {
    forms::measure(now_ms).into_iter().map(|speed| to_js(&speed.into())).collect()
}
