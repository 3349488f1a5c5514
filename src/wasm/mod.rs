//! How does JavaScript call this? The only module that knows of wasm-bindgen.
//!
//! Bulk data crosses as flat typed arrays, small objects through serde. TypeScript's types are made of the structs that cross:
//! [`options`], [`ranking`] and [`answers`]. Errors are JavaScript `Error`s with the stable `code` of [`Error::code`]. The TypeScript of
//! `pkg/` is the only caller.
//!
//! | question | where |
//! | --- | --- |
//! | How is a checkpoint gathered, and converted? | `checkpoint` |
//! | What does a loaded model do? | `engine` |
//! | How do embeddings score that are there already? | `scored` |
//! | How is an index searched? | `index` |
//! | Which form of the byte product runs? | `forms` |
//! | What goes in, and what comes out? | `options`, `ranking`, `answers` |
//! | How does the caller watch and stop a call? | `observer` |
//! | How do a query and texts come in? | `texts` |
//! | How does a page come in, and what becomes of it? | `pages` |
//! | How do embeddings of documents come in? | `vectors` |
//! | What is there for tests and benches alone? | `probes` |

mod answers;
mod checkpoint;
mod engine;
mod forms;
mod index;
mod observer;
mod options;
mod pages;
mod probes;
mod ranking;
mod scored;
mod texts;
mod vectors;

use js_sys::{Function, Reflect};
use serde::{Serialize, de::DeserializeOwned};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::Error;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Runs once, before any other call.
#[wasm_bindgen(start)]
fn start() {
    // SAFETY: the linker makes this function; it takes nothing and is meant to be called once. Left to
    // itself, the linker calls it in front of every exported function instead, and the compiler crates
    // under Burn register thousands of items in it: that made each small call cost milliseconds.
    unsafe { __wasm_call_ctors() };
    // Until a caller takes panics over, they go to the console.
    console_error_panic_hook::set_once();
}

/// Calls `callback` with the text and place of a panic, and leaves the console alone: a panic's text can
/// quote a user's. The instance is dead afterwards.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(callback: Function) {
    /// The hook wants `Send`; a wasm instance without threads has one thread.
    struct OneThread(Function);
    // SAFETY: this module is built without atomics, so that no other thread can exist in it.
    unsafe impl Send for OneThread {}
    unsafe impl Sync for OneThread {}
    impl OneThread {
        fn call(&self, text: &str) {
            // A callback that throws must not hide the panic; there is nobody else to tell.
            let _ = self.0.call1(&JsValue::NULL, &JsValue::from_str(text));
        }
    }
    let callback = OneThread(callback);
    std::panic::set_hook(Box::new(move |info| callback.call(&info.to_string())));
}

fn set(object: &js_sys::Object, name: &str, value: impl Into<JsValue>) {
    Reflect::set(object, &JsValue::from_str(name), &value.into())
        .expect("a fresh plain object takes any property");
}

fn to_js<T: Tsify + Serialize>(value: &T) -> Ts<T> {
    Ts::from_rust(value).expect("plain structs serialize")
}

fn from_js<T: Tsify + DeserializeOwned>(value: Ts<T>) -> Result<T, JsValue> {
    T::from_js(value).map_err(|error| invalid_input(&error.to_string()))
}

fn now_ms() -> f64 {
    let worker = js_sys::global().unchecked_into::<web_sys::WorkerGlobalScope>();
    worker.performance().map_or_else(js_sys::Date::now, |performance| performance.now())
}

fn invalid_input(message: &str) -> JsValue {
    let object = js_sys::Error::new(message);
    set(object.as_ref(), "code", "INVALID_INPUT");
    object.into()
}

/// An error of ours as JavaScript's, with its code.
fn throw(error: Error) -> JsValue {
    let message = match &error {
        Error::Override { option, reason } => {
            format!("overrides.{} {reason}", options::camel_case(option))
        }
        error => error.to_string(),
    };
    let object = js_sys::Error::new(&message);
    set(object.as_ref(), "code", error.code());
    object.into()
}
