//! Safetensors files whose tensors are taken by name, type and shape.
//!
//! A header is at most a mebibyte long and has no name twice; tensors lie behind each other without gaps or overlaps, up to the
//! file's last byte.

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::model::bundle::strict_json;
use crate::model::contents::found_instead;

/// Longest header, in bytes.
const MAX_HEADER: u64 = 1 << 20;

/// A file that is being read.
pub(super) struct Container<'a> {
    file: &'a str,
    header: Metadata,
    metadata: Map<String, Value>,
    data: &'a [u8],
}

impl<'a> Container<'a> {
    /// Reads the header of a file; `file` is how errors name it.
    ///
    /// # Errors
    /// [`Error::InvalidVectors`].
    pub(super) fn open(file: &'a str, bytes: &'a [u8]) -> Result<Self> {
        let invalid = |reason: String| {
            Error::vectors(
                file,
                match found_instead(bytes) {
                    Some(found) => format!("is {found}"),
                    None => format!("is not a valid safetensors file: {reason}"),
                },
            )
        };
        let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
        let length = length.ok_or_else(|| invalid("it ends before its header".to_owned()))?;
        if length > MAX_HEADER {
            return Err(invalid(format!("its header is longer than {MAX_HEADER} bytes")));
        }
        let (header, data) = bytes[8..]
            .split_at_checked(length as usize)
            .ok_or_else(|| invalid("it ends within its header".to_owned()))?;
        let mut header = strict_json(header).map_err(invalid)?;
        let metadata = match header.as_object_mut().and_then(|all| all.remove("__metadata__")) {
            Some(Value::Object(metadata)) => metadata,
            None => Map::new(),
            Some(_) => return Err(invalid("__metadata__ is no object".to_owned())),
        };
        let header: Metadata =
            serde_json::from_value(header).map_err(|error| invalid(error.to_string()))?;
        if header.data_len() != data.len() {
            let reason = format!("its tensors take {} bytes of {}", header.data_len(), data.len());
            return Err(invalid(reason));
        }
        Ok(Self { file, header, metadata, data })
    }

    /// What is wrong with a field or a tensor of this file.
    pub(super) fn wrong(&self, name: &str, reason: impl Into<String>) -> Error {
        Error::vectors(format!("{}: {name}", self.file), reason)
    }

    /// Holds format and version against those that are read.
    pub(super) fn check_format(&self, format: &str) -> Result<()> {
        for (field, expected) in [("format", format), ("version", "1")] {
            match self.text(field)? {
                Some(found) if found == expected => {}
                Some(found) => {
                    let reason = format!("is {found:?}; {expected:?} is read");
                    return Err(self.wrong(field, reason));
                }
                None => return Err(self.wrong(field, format!("is missing; {expected:?} is read"))),
            }
        }
        Ok(())
    }

    /// A field of the metadata.
    pub(super) fn text(&self, field: &str) -> Result<Option<&str>> {
        match self.metadata.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(field, "is no string")),
        }
    }

    /// A field of the metadata that has to be there.
    pub(super) fn needed(&self, field: &str) -> Result<&str> {
        self.text(field)?.ok_or_else(|| self.wrong(field, "is missing"))
    }

    /// A whole number of the metadata.
    pub(super) fn number(&self, field: &str) -> Result<usize> {
        let text = self.needed(field)?;
        // Others would take a sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or_else(|| {
            self.wrong(
                field,
                format!("is {text:?}, which is no whole number of this machine's size"),
            )
        })
    }

    /// Shape and bytes of a tensor of this type and rank, if it is there.
    fn tensor<const RANK: usize>(
        &self,
        name: &str,
        dtype: Dtype,
    ) -> Result<Option<([usize; RANK], &'a [u8])>> {
        let Some(info) = self.header.info(name) else { return Ok(None) };
        let found = (info.dtype, <[usize; RANK]>::try_from(info.shape.as_slice()));
        let (begin, end) = info.data_offsets;
        match found {
            (found, Ok(shape)) if found == dtype => Ok(Some((shape, &self.data[begin..end]))),
            (found, _) => {
                let reason = format!(
                    "is {found:?} of shape {:?}; {dtype:?} of rank {RANK} is read",
                    info.shape
                );
                Err(self.wrong(name, reason))
            }
        }
    }

    /// Whether a tensor of this name is there, of this type.
    pub(super) fn is_of(&self, name: &str, dtype: Dtype) -> bool {
        self.header.info(name).is_some_and(|info| info.dtype == dtype)
    }

    /// Size of a tensor; 0 if it is not there.
    pub(super) fn bytes(&self, name: &str) -> usize {
        self.header.info(name).map_or(0, |info| info.data_offsets.1 - info.data_offsets.0)
    }

    /// The numbers of a tensor, if it is there.
    pub(super) fn find<T: Stored, const RANK: usize>(
        &self,
        name: &str,
    ) -> Result<Option<([usize; RANK], Vec<T>)>> {
        let tensor = self.tensor(name, T::DTYPE)?;
        Ok(tensor.map(|(shape, bytes)| (shape, T::read(bytes))))
    }

    /// The numbers of a tensor.
    pub(super) fn take<T: Stored, const RANK: usize>(
        &self,
        name: &str,
    ) -> Result<([usize; RANK], Vec<T>)> {
        self.find(name)?.ok_or_else(|| self.wrong(name, "is missing"))
    }

    /// A tensor whose shape is known, if it is there.
    pub(super) fn find_shaped<T: Stored, const RANK: usize>(
        &self,
        name: &str,
        shape: [usize; RANK],
    ) -> Result<Option<Vec<T>>> {
        match self.find(name)? {
            Some((found, _)) if found != shape => {
                Err(self.wrong(name, format!("has shape {found:?}, not {shape:?}")))
            }
            found => Ok(found.map(|(_, values)| values)),
        }
    }
}

/// Numbers of a tensor, little-endian.
pub(super) trait Stored: Sized {
    const DTYPE: Dtype;
    fn read(bytes: &[u8]) -> Vec<Self>;
    fn write(values: &[Self]) -> Vec<u8>;
}

macro_rules! stored {
    ($($number:ty: $dtype:ident),*) => { $(
        impl Stored for $number {
            const DTYPE: Dtype = Dtype::$dtype;

            fn read(bytes: &[u8]) -> Vec<Self> {
                bytes.as_chunks().0.iter().map(|bytes| Self::from_le_bytes(*bytes)).collect()
            }

            fn write(values: &[Self]) -> Vec<u8> {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
        }
    )* };
}

// The bits of a half are what is stored of it.
stored!(f32: F32, u32: U32, u16: F16, i8: I8, u8: U8);

/// Name, type and shape of a tensor of a file that is being written.
pub(super) struct Described {
    pub(super) name: &'static str,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<u64>,
}

/// All in front of the data of such tensors, in their order: with its length first, and spaces behind it up to a multiple of eight.
pub(super) fn header(metadata: &[(&str, String)], tensors: &[Described]) -> Vec<u8> {
    let metadata: Map<String, Value> =
        metadata.iter().map(|(field, text)| ((*field).to_owned(), json!(text))).collect();
    let mut header = Map::from_iter([("__metadata__".to_owned(), Value::Object(metadata))]);
    let mut end = 0;
    for Described { name, dtype, shape } in tensors {
        let begin = end;
        end += shape.iter().product::<u64>() * dtype.bitsize() as u64 / 8;
        let tensor = json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]});
        header.insert((*name).to_owned(), tensor);
    }
    let mut text = Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes(), text.as_slice()].concat()
}
