//! Embeddings that come in with a call: typed arrays, all of them checked.

use std::collections::HashSet;
use std::sync::Arc;

use tsify::Ts;
use wasm_bindgen::prelude::*;

use super::answers::CodecInfo;
use super::{invalid_input, throw, to_js};
use crate::late_interaction::codec::{Codec, CompressedEmbeddings, ResidualCodec, Rows};
use crate::{DocumentEmbeddings, Error, TextKind};

/// A residual codec's tables, in this memory.
#[wasm_bindgen]
pub struct ResidualCodecHandle {
    codec: Arc<ResidualCodec>,
}

#[wasm_bindgen]
impl ResidualCodecHandle {
    /// Reads a codec's file.
    #[wasm_bindgen(constructor)]
    pub fn new(file: &[u8]) -> Result<ResidualCodecHandle, JsValue> {
        let codec = ResidualCodec::read("the codec", file).map_err(throw)?;
        Ok(Self { codec: Arc::new(codec) })
    }

    #[wasm_bindgen(getter)]
    pub fn info(&self) -> Ts<CodecInfo> {
        to_js(&CodecInfo::from(&*self.codec))
    }
}

/// Embeddings of some documents of a list, gathered by codec.
#[wasm_bindgen]
#[derive(Default)]
pub struct DocumentVectors {
    groups: Vec<Group>,
}

/// Embeddings by one codec, and whose they are.
pub(super) struct Group {
    pub(super) embeddings: CompressedEmbeddings,
    /// A place for each.
    pub(super) places: Vec<usize>,
}

#[wasm_bindgen]
impl DocumentVectors {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows of documents by a codec other than `residual`, document after document: `lengths` of each, and its place in the list.
    /// `scales` of `int8` alone. `codes` are little-endian.
    pub fn add(
        &mut self,
        codec: &str,
        dimension: usize,
        lengths: &[u32],
        places: &[u32],
        codes: &[u8],
        scales: Option<Vec<f32>>,
    ) -> Result<(), JsValue> {
        let codec = Codec::from_name(codec)
            .ok_or_else(|| invalid_input("codec is none of f32, f16, int8 and binary"))?;
        let planes = Planes { codes, scales: scales.as_deref(), residuals: None };
        self.take(codec, dimension, lengths, places, planes)
    }

    /// As `add`, by a residual codec.
    #[wasm_bindgen(js_name = addResidual)]
    pub fn add_residual(
        &mut self,
        codec: &ResidualCodecHandle,
        lengths: &[u32],
        places: &[u32],
        codes: &[u8],
        residuals: &[u8],
    ) -> Result<(), JsValue> {
        let dimension = codec.codec.dimension();
        let planes = Planes { codes, scales: None, residuals: Some(residuals) };
        self.take(Codec::Residual(codec.codec.clone()), dimension, lengths, places, planes)
    }
}

impl DocumentVectors {
    fn take(
        &mut self,
        codec: Codec,
        dimension: usize,
        lengths: &[u32],
        places: &[u32],
        planes: Planes<'_>,
    ) -> Result<(), JsValue> {
        let sizes = |numbers: &[u32]| numbers.iter().map(|&number| number as usize).collect();
        let (lengths, places): (Vec<usize>, Vec<usize>) = (sizes(lengths), sizes(places));
        if lengths.len() != places.len() {
            return Err(invalid_input("lengths and places are not as many"));
        }
        let embeddings =
            planes.embeddings(&codec, dimension, lengths.clone()).map_err(|error| {
                throw(planes.culprit(&codec, dimension, &lengths, &places).unwrap_or(error))
            })?;
        self.groups.push(Group { embeddings, places });
        Ok(())
    }

    /// Those of so many documents, all of one width and each once.
    pub(super) fn into_groups(self, documents: usize) -> Result<Vec<Group>, JsValue> {
        let width = |group: &Group| group.embeddings.dimension();
        let one_width = self.groups.is_sorted_by(|a, b| width(a) == width(b));
        let places = || self.groups.iter().flat_map(|group| &group.places);
        let known: HashSet<&usize> = places().filter(|&&place| place < documents).collect();
        match one_width && known.len() == documents && places().count() == documents {
            true => Ok(self.groups),
            false => Err(invalid_input("embeddings are not those of the documents")),
        }
    }

    /// For a list of so many documents.
    pub(super) fn into_embeddings(self, documents: usize) -> Result<DocumentEmbeddings, JsValue> {
        let mut all = DocumentEmbeddings::new(documents);
        for Group { embeddings, places } in self.groups {
            all.add(embeddings, &places, None).map_err(throw)?;
        }
        Ok(all)
    }
}

/// The arrays of some rows.
#[derive(Clone, Copy)]
struct Planes<'a> {
    codes: &'a [u8],
    scales: Option<&'a [f32]>,
    residuals: Option<&'a [u8]>,
}

impl Planes<'_> {
    fn embeddings(
        self,
        codec: &Codec,
        dimension: usize,
        lengths: Vec<usize>,
    ) -> Result<CompressedEmbeddings, Error> {
        let rows = self.rows(codec)?;
        CompressedEmbeddings::from_parts(codec.clone(), dimension, lengths, rows)
    }

    fn rows(self, codec: &Codec) -> Result<Rows, Error> {
        let codes = self.codes;
        Ok(match codec {
            Codec::F32 => Rows::F32(numbers(codes, f32::from_le_bytes)?),
            Codec::F16 => Rows::F16(numbers(codes, u16::from_le_bytes)?),
            Codec::Int8 => Rows::Int8 {
                codes: numbers(codes, i8::from_le_bytes)?,
                scales: self.scales.unwrap_or_default().to_vec(),
            },
            Codec::Binary => Rows::Binary(codes.to_vec()),
            Codec::Residual(_) => Rows::Residual {
                codes: numbers(codes, u32::from_le_bytes)?,
                residuals: self.residuals.unwrap_or_default().to_vec(),
            },
        })
    }

    /// Why the first document is refused that would be if it came alone.
    fn culprit(
        self,
        codec: &Codec,
        dimension: usize,
        lengths: &[usize],
        places: &[usize],
    ) -> Option<Error> {
        let mut rest = self;
        for (&length, &index) in lengths.iter().zip(places) {
            let own = rest.split_off(length, codec, dimension)?;
            if let Err(error) = own.embeddings(codec, dimension, vec![length]) {
                return Some(error.in_file(&TextKind::Document.place(index)));
            }
        }
        None
    }

    /// Takes the first rows off, if there are as many.
    fn split_off(&mut self, rows: usize, codec: &Codec, dimension: usize) -> Option<Self> {
        let beside = codec.residual().map_or(0, |codec| codec.residual_bytes());
        let width = match codec {
            Codec::Int8 => dimension,
            _ => codec.row_bytes(dimension) - beside,
        };
        let mut own = *self;
        (own.codes, self.codes) = self.codes.split_at_checked(rows.checked_mul(width)?)?;
        if let Some(scales) = self.scales {
            let (first, rest) = scales.split_at_checked(rows)?;
            (own.scales, self.scales) = (Some(first), Some(rest));
        }
        if let Some(residuals) = self.residuals {
            let (first, rest) = residuals.split_at_checked(rows.checked_mul(beside)?)?;
            (own.residuals, self.residuals) = (Some(first), Some(rest));
        }
        Some(own)
    }
}

fn numbers<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Result<Vec<T>, Error> {
    let (numbers, rest) = bytes.as_chunks();
    match rest.is_empty() {
        true => Ok(numbers.iter().map(|&number| read(number)).collect()),
        false => Err(Error::argument("embeddings", format!("are no whole numbers of {N} bytes"))),
    }
}
