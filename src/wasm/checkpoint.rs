//! A checkpoint's or a bundle's files, and conversion of the one into the other.

use js_sys::{Array, Uint8Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use super::{
    JsConvertSettings, JsHooks, JsObserver, JsWantedFiles, from_js, invalid_input, set, throw,
};
use crate::{CheckpointFiles, ConvertOptions, Dtype, Error, Overrides, Source};

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
    pub fn wanted(&self) -> Result<JsWantedFiles, JsValue> {
        let wanted: Array = self
            .files
            .wanted()
            .map_err(throw)?
            .into_iter()
            .map(|file| {
                let object = js_sys::Object::new();
                set(&object, "name", file.name);
                set(&object, "optional", file.optional);
                if let Some(integrity) = file.integrity {
                    set(&object, "bytes", integrity.bytes as f64);
                    set(&object, "sha256", integrity.sha256);
                }
                JsValue::from(object)
            })
            .collect();
        Ok(wanted.unchecked_into())
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
    pub fn dtype(&self) -> Option<String> {
        self.files.manifest().map(|manifest| manifest.dtype.name().to_owned())
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
    options: JsConvertSettings,
    hooks: JsHooks,
) -> Result<Checkpoint, JsValue> {
    #[derive(Deserialize)]
    struct Settings {
        dtype: String,
        repository: Option<String>,
        revision: Option<String>,
        license: Option<String>,
    }
    let settings: Settings = from_js(options.into())?;
    let dtype = Dtype::from_name(&settings.dtype).ok_or_else(|| {
        invalid_input(&format!("dtype {:?} is none of f32, f16, q8 and q4", settings.dtype))
    })?;
    let Settings { repository, revision, license, .. } = settings;
    let source = Source { repository, revision, license };
    let options = ConvertOptions { dtype, source, overrides: Overrides::default() };
    let bundle = crate::convert::convert(checkpoint.files, &options, &mut JsObserver::new(hooks))
        .await
        .map_err(throw)?;
    let files = CheckpointFiles::from_bundle(&bundle).map_err(throw)?;
    Ok(Checkpoint { files, made: bundle.files })
}
