//! Embeddings that an object brings along, in the forms of `docs/vectors.md`: a record under "embeddings" or its fields beside the object's
//! own, rows of numbers, next-plaid's "embeddings_b64" with "shape", and Qdrant's "vector".

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tabrank::late_interaction::codec::{Codec, CompressedEmbeddings, ResidualCodec, Rows};

use super::brought::Group;
use crate::cli::CliError;
use crate::cli::fields::Fields;
use crate::cli::input::Place;
use crate::cli::jsonl::Record;

/// One object's rows, of which the codec's tables and perhaps the width are not known yet.
pub struct GivenRows {
    rows: Rows,
    dimension: Option<usize>,
    codec_id: Option<String>,
    embedding_id: Option<String>,
    place: Place,
}

impl GivenRows {
    /// Those of an object; `None` where it brings none.
    ///
    /// # Errors
    /// What is wrong with them, and where the object is.
    pub fn of(record: &Record) -> Result<Option<Self>, CliError> {
        let (fields, place) = (&record.fields, &record.place);
        let Some(own) = value(fields, "embeddings") else {
            let is_beside = value(fields, "embeddings_b64").is_some()
                || text(fields, "codec", place)?.as_deref() == Some("residual");
            return match is_beside {
                true => Self::of_fields(fields, place).map(Some),
                false => Self::of_vector(fields, place),
            };
        };
        match own.get().as_bytes()[0] {
            b'{' => Self::of_fields(&parsed(own, "embeddings", place)?, place).map(Some),
            b'"' => Self::of_fields(fields, place).map(Some),
            b'[' if are_rows(own) => Self::of_fields(fields, place).map(Some),
            // One vector is no late interaction's.
            b'[' => Ok(None),
            _ => Err(wrong(place, "embeddings", "are neither an object, nor base64, nor rows")),
        }
    }

    /// Qdrant's answer: rows, or rows by a name.
    fn of_vector(fields: &Fields, place: &Place) -> Result<Option<Self>, CliError> {
        let Some(vector) = value(fields, "vector") else { return Ok(None) };
        let named: Fields;
        let found: Vec<&RawValue> = match vector.get().as_bytes()[0] {
            b'{' => {
                named = parsed(vector, "vector", place)?;
                named.values().filter(|vector| are_rows(vector)).collect()
            }
            _ => Some(vector).into_iter().filter(|vector| are_rows(vector)).collect(),
        };
        match found[..] {
            [] => Ok(None),
            [rows] => {
                let (values, dimension) = array(rows, "vector", true, place)?;
                Ok(Some(Self::plain(Rows::F32(values), dimension, place)))
            }
            _ => Err(wrong(place, "vector", "has rows under several names")),
        }
    }

    fn of_fields(fields: &Fields, place: &Place) -> Result<Self, CliError> {
        if let Some(rows) = value(fields, "embeddings_b64") {
            let (values, _) = array::<f32>(rows, "embeddings_b64", true, place)?;
            let shape =
                value(fields, "shape").ok_or_else(|| wrong(place, "shape", "is missing"))?;
            let [rows, dimension]: [usize; 2] = parsed(shape, "shape", place)?;
            return match rows.checked_mul(dimension) {
                Some(count) if count == values.len() && count > 0 => {
                    Ok(Self::plain(Rows::F32(values), Some(dimension), place))
                }
                _ => Err(wrong(place, "shape", "is not that of the embeddings")),
            };
        }
        let codec = text(fields, "codec", place)?;
        let plane = |name| {
            let found = value(fields, name).ok_or_else(|| wrong(place, name, "is missing"));
            found.map(|found| (found, name))
        };
        let (embeddings, scales) = (|| plane("embeddings"), || plane("scales"));
        let (rows, width) = match codec.as_deref().unwrap_or("f32") {
            "f32" => of(embeddings()?, true, place, Rows::F32)?,
            "f16" => of(embeddings()?, true, place, Rows::F16)?,
            "binary" => (of(embeddings()?, true, place, Rows::Binary)?.0, None),
            "int8" => {
                let (raw, name) = scales()?;
                let scales = array(raw, name, false, place)?.0;
                of(embeddings()?, true, place, |codes| Rows::Int8 { codes, scales })?
            }
            "residual" => {
                let (raw, name) = plane("codes")?;
                let codes = array(raw, name, false, place)?.0;
                let residual = |residuals| Rows::Residual { codes, residuals };
                (of(plane("residuals")?, true, place, residual)?.0, None)
            }
            _ => return Err(wrong(place, "codec", "is none of f32, f16, int8, binary, residual")),
        };
        let dimension = value(fields, "dimension");
        let dimension = dimension.map(|raw| parsed(raw, "dimension", place)).transpose()?;
        Ok(Self {
            rows,
            dimension: dimension.or(width),
            codec_id: text(fields, "codecId", place)?,
            embedding_id: text(fields, "embeddingId", place)?,
            place: place.clone(),
        })
    }

    fn plain(rows: Rows, dimension: Option<usize>, place: &Place) -> Self {
        let place = place.clone();
        Self { rows, dimension, codec_id: None, embedding_id: None, place }
    }

    /// The embeddings, for a model whose rows have a width.
    ///
    /// # Errors
    /// Arrays that do not go with each other, and a residual codec that was not given.
    pub fn resolve(self, width: usize, codecs: &[Arc<ResidualCodec>]) -> Result<Group, CliError> {
        let dimension = self.dimension.unwrap_or(width);
        let codec = match &self.rows {
            Rows::F32(_) => Codec::F32,
            Rows::F16(_) => Codec::F16,
            Rows::Int8 { .. } => Codec::Int8,
            Rows::Binary(_) => Codec::Binary,
            Rows::Residual { .. } => Codec::Residual(self.residual(codecs)?),
        };
        let length = match &self.rows {
            Rows::F32(values) => values.len() / dimension.max(1),
            Rows::F16(values) => values.len() / dimension.max(1),
            Rows::Int8 { scales, .. } => scales.len(),
            Rows::Binary(bytes) => bytes.len() / dimension.div_ceil(8).max(1),
            Rows::Residual { codes, .. } => codes.len(),
        };
        let found = CompressedEmbeddings::from_parts(codec, dimension, vec![length], self.rows);
        let embeddings = found.map_err(|error| self.place.wrong(error.to_string()))?;
        Ok(Group { embeddings, embedding_id: self.embedding_id })
    }

    fn residual(&self, codecs: &[Arc<ResidualCodec>]) -> Result<Arc<ResidualCodec>, CliError> {
        let found = match (&self.codec_id, codecs) {
            (Some(id), _) => codecs.iter().find(|codec| codec.id() == id),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let reason = match (&self.codec_id, codecs) {
            (None, [_, ..]) => "is missing, and several --codec are given",
            _ => "is that of no --codec",
        };
        found.cloned().ok_or_else(|| wrong(&self.place, "codecId", reason))
    }
}

/// A number of an array.
trait Number: Sized {
    const BYTES: usize;
    /// Little-endian.
    fn from_bytes(bytes: &[u8]) -> Self;
    /// Of JSON, if it is one of these; halves are written as their bits alone.
    fn from_json(number: f64) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ty: $least:expr, $most:expr, $cast:ty);*) => { $(
        impl Number for $number {
            const BYTES: usize = size_of::<$number>();

            fn from_bytes(bytes: &[u8]) -> Self {
                <$number>::from_le_bytes(bytes.try_into().expect("as many as one has"))
            }

            fn from_json(number: f64) -> Option<Self> {
                let fits = number.fract() == 0.0 && ($least..=$most).contains(&number);
                fits.then_some(number as $cast as $number)
            }
        }
    )* };
}

// Vespa's cells of 8 bits are bytes with a sign.
numbers!(i8: -127.0, 127.0, i8; u8: -128.0, 255.0, i16; u32: 0.0, 4_294_967_295.0, u32; u16: 1.0, 0.0, u16);

impl Number for f32 {
    const BYTES: usize = 4;

    fn from_bytes(bytes: &[u8]) -> Self {
        f32::from_le_bytes(bytes.try_into().expect("as many as one has"))
    }

    fn from_json(number: f64) -> Option<Self> {
        Some(number as f32).filter(|number| number.is_finite())
    }
}

fn of<T: Number>(
    (raw, name): (&RawValue, &str),
    nested: bool,
    place: &Place,
    rows: impl FnOnce(Vec<T>) -> Rows,
) -> Result<(Rows, Option<usize>), CliError> {
    let (numbers, width) = array(raw, name, nested, place)?;
    Ok((rows(numbers), width))
}

/// The numbers of an array in base64, a list of them, or `nested` rows, and the rows' width.
fn array<T: Number>(
    raw: &RawValue,
    name: &str,
    nested: bool,
    place: &Place,
) -> Result<(Vec<T>, Option<usize>), CliError> {
    if raw.get().starts_with('"') {
        let text: String = parsed(raw, name, place)?;
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| wrong(place, name, "is no base64"))?;
        if bytes.len() % T::BYTES != 0 {
            return Err(wrong(place, name, "ends within a number"));
        }
        return Ok((bytes.chunks_exact(T::BYTES).map(T::from_bytes).collect(), None));
    }
    let rows: Vec<Vec<f64>> = match nested {
        true => parsed(raw, name, place)?,
        false => vec![parsed(raw, name, place)?],
    };
    let width = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|row| row.len() != width) {
        return Err(wrong(place, name, "has rows of several lengths"));
    }
    let numbers: Option<Vec<T>> = rows.into_iter().flatten().map(T::from_json).collect();
    let numbers = numbers.ok_or_else(|| wrong(place, name, "has a number that is out of range"))?;
    Ok((numbers, Some(width).filter(|&width| nested && width > 0)))
}

/// A field that is there, and not null.
fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a RawValue> {
    fields.get(name).filter(|value| value.get() != "null")
}

fn text(fields: &Fields, name: &str, place: &Place) -> Result<Option<String>, CliError> {
    value(fields, name).map(|raw| parsed(raw, name, place)).transpose()
}

fn parsed<T: DeserializeOwned>(raw: &RawValue, name: &str, place: &Place) -> Result<T, CliError> {
    serde_json::from_str(raw.get()).map_err(|_| wrong(place, name, "is of another kind"))
}

/// Whether it is an array of arrays, or empty.
fn are_rows(raw: &RawValue) -> bool {
    let inner = raw.get().strip_prefix('[').map(|inner| inner.trim_start().as_bytes()[0]);
    inner.is_some_and(|first| first == b'[' || first == b']')
}

fn wrong(place: &Place, name: &str, reason: &str) -> CliError {
    place.wrong(format!("{name:?} {reason}"))
}
