//! How does JavaScript have a file decoded that its browser decodes in another way than the reference, or not at all? By a module of
//! its own, the only thing in which is this: it is fetched when such a file comes. TIFF, JPEGs in CMYK, and PNGs whose alpha or 16
//! bits a canvas would change.

use js_sys::{Error as JsError, Reflect};
use wasm_bindgen::prelude::*;

use crate::image::{Picture, decode};

/// A file's pixels.
#[wasm_bindgen]
pub struct DecodedPicture(Picture);

#[wasm_bindgen]
impl DecodedPicture {
    /// Of a whole file.
    ///
    /// # Errors
    /// JavaScript's `Error` with the `code` of [`crate::Error::code`].
    #[wasm_bindgen(constructor)]
    pub fn new(file: &[u8]) -> Result<DecodedPicture, JsValue> {
        decode(file).map(Self).map_err(|error| {
            let object = JsError::new(&error.to_string());
            Reflect::set(&object, &"code".into(), &error.code().into())
                .expect("a fresh error takes any property");
            object.into()
        })
    }

    #[wasm_bindgen(getter)]
    pub fn width(&self) -> usize {
        self.0.width()
    }

    #[wasm_bindgen(getter)]
    pub fn height(&self) -> usize {
        self.0.height()
    }

    /// Red, green, blue and 255 of each pixel, as a canvas gives them. The picture is gone afterwards.
    #[wasm_bindgen(js_name = intoRgba)]
    pub fn into_rgba(self) -> Vec<u8> {
        let (pixels, _) = self.0.pixels().as_chunks::<3>();
        pixels.iter().flat_map(|&[red, green, blue]| [red, green, blue, 255]).collect()
    }
}
