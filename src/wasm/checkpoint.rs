//! A checkpoint's or a bundle's files, and conversion of the one into the other.

use std::ops::Range;

use js_sys::{Function, Promise, Uint8Array};
use tsify::Ts;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::answers::WantedFile;
use super::observer::{JsHooks, JsObserver};
use super::options::{ConvertSettings, Dtype};
use super::{from_js, throw, to_js};
use crate::convert::{Coming, Fetch, convert_from};
use crate::{CheckpointFiles, Error, Reranker};

/// The files of one checkpoint folder or bundle, gathered by name.
#[wasm_bindgen]
#[derive(Default)]
pub struct Checkpoint {
    pub(super) files: CheckpointFiles,
}

#[wasm_bindgen]
impl Checkpoint {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wants what pages need too, or that alone, for a model that is loaded already; of a checkpoint it lies in the same files.
    #[wasm_bindgen(js_name = wantPages)]
    pub fn want_pages(&mut self, alone: bool) {
        match alone {
            true => self.files.take_pages_alone(),
            false => self.files.take_pages(),
        }
    }

    /// Files to fetch next; empty when the checkpoint is complete.
    pub fn wanted(&self) -> Result<Vec<Ts<WantedFile>>, JsValue> {
        let wanted = self.files.wanted().map_err(throw)?;
        Ok(wanted.into_iter().map(|file| to_js(&file.into())).collect())
    }

    /// Takes the bytes of a file. A bundle's are held against its manifest first, by the SHA-256 that the caller has computed, if it has.
    pub fn add(
        &mut self,
        name: &str,
        bytes: Vec<u8>,
        sha256: Option<String>,
    ) -> Result<(), JsValue> {
        self.files.insert_hashed(name, bytes, sha256).map_err(throw)
    }

    /// Takes all in front of the tensors of a checkpoint's weight file of this size.
    #[wasm_bindgen(js_name = addHeader)]
    pub fn add_header(&mut self, name: &str, header: Vec<u8>, size: f64) -> Result<(), JsValue> {
        self.files.insert_header(name, header, size as u64).map_err(throw)
    }

    /// Notes that the folder has no such file.
    #[wasm_bindgen(js_name = addMissing)]
    pub fn add_missing(&mut self, name: &str) -> Result<(), JsValue> {
        self.files.insert_missing(name).map_err(throw)
    }

    /// Whether a manifest was added.
    #[wasm_bindgen(getter, js_name = isBundle)]
    pub fn is_bundle(&self) -> bool {
        self.files.manifest().is_some()
    }

    /// The type of a bundle's matrices.
    #[wasm_bindgen(getter)]
    pub fn dtype(&self) -> Option<Ts<Dtype>> {
        self.files.manifest().map(|manifest| to_js(&manifest.dtype.into()))
    }

    /// Throws where the weights, in f32, are more than the memory is taken to hold.
    #[wasm_bindgen(js_name = requireRoom)]
    pub fn require_room(&self) -> Result<(), JsValue> {
        Reranker::require_room(&self.files).map_err(throw)
    }
}

/// The files of a bundle that `convert` made.
#[wasm_bindgen]
pub struct MadeBundle {
    files: Vec<(String, Vec<u8>)>,
}

#[wasm_bindgen]
impl MadeBundle {
    /// Names of those that were not taken yet, the manifest first.
    pub fn names(&self) -> Vec<String> {
        self.files.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Moves a file's bytes out.
    pub fn take(&mut self, name: &str) -> Result<Uint8Array, JsValue> {
        let place = self.files.iter().position(|(made, _)| made == name);
        let place = place.ok_or_else(|| throw(Error::FileName { name: name.to_owned() }))?;
        Ok(Uint8Array::from(self.files.remove(place).1.as_slice()))
    }
}

/// Calls a function of JavaScript's with a file's name and the places where its bytes begin and end; it answers a promise of them.
struct JsFetch(Function);

impl Fetch for JsFetch {
    fn fetch(&self, file: &str, range: Range<u64>) -> Coming {
        let [start, end] = [range.start, range.end].map(|place| JsValue::from(place as f64));
        let promise = self.0.call3(&JsValue::NULL, &JsValue::from_str(file), &start, &end);
        let name = file.to_owned();
        Box::pin(async move {
            let failed =
                |_| Error::Read { file: name.clone(), reason: "the caller failed".to_owned() };
            let promise: Promise = promise.and_then(JsCast::dyn_into).map_err(failed)?;
            let bytes: Uint8Array =
                JsFuture::from(promise).await.and_then(JsCast::dyn_into).map_err(failed)?;
            match u64::from(bytes.length()) == range.end - range.start {
                true => Ok(bytes.to_vec()),
                false => Err(failed(JsValue::NULL)),
            }
        })
    }
}

/// Makes a bundle of a checkpoint, which it takes. What of its weights was not added is asked of `read`.
#[wasm_bindgen]
pub async fn convert(
    checkpoint: Checkpoint,
    options: Ts<ConvertSettings>,
    hooks: JsHooks,
    #[wasm_bindgen(
        unchecked_param_type = "(file: string, start: number, end: number) => Promise<Uint8Array>"
    )]
    read: Function,
) -> Result<MadeBundle, JsValue> {
    let options = from_js(options)?.into();
    let mut observer = JsObserver::new(hooks);
    let bundle = convert_from(checkpoint.files, &JsFetch(read), &options, &mut observer).await;
    Ok(MadeBundle { files: bundle.map_err(throw)?.files })
}
