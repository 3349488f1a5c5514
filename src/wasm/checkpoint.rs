//! A checkpoint's or a bundle's files, and conversion of the one into the other.

use js_sys::Uint8Array;
use tsify::Ts;
use wasm_bindgen::prelude::*;

use super::answers::WantedFile;
use super::observer::{JsHooks, JsObserver};
use super::options::{ConvertSettings, Dtype};
use super::{from_js, throw, to_js};
use crate::{CheckpointFiles, Error};

/// The files of one checkpoint folder or bundle, gathered by name.
#[wasm_bindgen]
#[derive(Default)]
pub struct Checkpoint {
    pub(super) files: CheckpointFiles,
    /// The bytes of a bundle that `convert` made.
    made: Vec<(String, Vec<u8>)>,
}

#[wasm_bindgen]
impl Checkpoint {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Files to fetch next; empty when the checkpoint is complete.
    pub fn wanted(&self) -> Result<Vec<Ts<WantedFile>>, JsValue> {
        let wanted = self.files.wanted().map_err(throw)?;
        Ok(wanted.into_iter().map(|file| to_js(&file.into())).collect())
    }

    /// Takes the bytes of a file. A bundle's are held against its manifest first.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), JsValue> {
        self.files.insert(name, bytes).map_err(throw)
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

    /// Names of the files of a bundle that `convert` made, the manifest first; empty for others.
    pub fn names(&self) -> Vec<String> {
        self.made.iter().map(|(name, _)| name.clone()).collect()
    }

    /// A copy of one of them.
    pub fn file(&self, name: &str) -> Result<Uint8Array, JsValue> {
        let made = self.made.iter().find(|(made, _)| made == name);
        let (_, bytes) = made.ok_or_else(|| throw(Error::FileName { name: name.to_owned() }))?;
        Ok(Uint8Array::from(bytes.as_slice()))
    }
}

/// Makes a bundle of a complete checkpoint, which it takes. The bundle is ready to be loaded, and until then its files
/// can be read.
#[wasm_bindgen]
pub async fn convert(
    checkpoint: Checkpoint,
    options: Ts<ConvertSettings>,
    hooks: JsHooks,
) -> Result<Checkpoint, JsValue> {
    let options = from_js(options)?.into();
    let bundle = crate::convert::convert(checkpoint.files, &options, &mut JsObserver::new(hooks))
        .await
        .map_err(throw)?;
    let files = CheckpointFiles::from_bundle(&bundle).map_err(throw)?;
    Ok(Checkpoint { files, made: bundle.files })
}
