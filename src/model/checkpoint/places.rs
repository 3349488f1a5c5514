//! Where does each tensor lie in a weight file? A safetensors file's header says it, so that no more of the file need be in
//! memory than what is read of it.
//!
//! ```text
//! N           8 bytes, little-endian: length of the header
//! header      N bytes of JSON: of each tensor its type, its shape and its place in the data
//! data        the tensors without gaps, row-major, little-endian
//! ```

use std::ops::Range;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{self, Metadata};

use super::CheckpointFiles;
use super::adapter::LowRank;
use super::weights::TensorInfo;
use crate::error::{Error, Result};
use crate::model::contents::found_instead;

/// Bytes that say how long the header is.
const PREFIX: usize = 8;
/// Longest header, in bytes; a model of a thousand tensors has about 100 kB.
const MAX_HEADER: u64 = 16 << 20;

/// A tensor in a weight file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(super) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// From the file's start.
    pub(crate) bytes: Range<u64>,
    /// What an adapter adds to it.
    pub(super) low: Option<Arc<LowRank>>,
}

impl Place {
    pub(super) fn byte_len(&self) -> usize {
        (self.bytes.end - self.bytes.start) as usize
    }

    pub(crate) fn info(&self, name: &str) -> TensorInfo {
        TensorInfo {
            name: name.to_owned(),
            dtype: format!("{:?}", self.dtype),
            shape: self.shape.clone(),
            bytes: self.byte_len(),
        }
    }

    /// The shape of the numbers, if it is to be `expected`: a convolution's kernel is a matrix too, with a row a filter.
    pub(super) fn meant_shape(&self, expected: &[usize]) -> Vec<usize> {
        match (self.shape.as_slice(), expected) {
            (&[rows, ref rest @ ..], &[_, columns])
                if rest.len() > 2
                    && rest.iter().try_fold(1usize, |all, &size| all.checked_mul(size))
                        == Some(columns) =>
            {
                vec![rows, columns]
            }
            (shape, _) => shape.to_vec(),
        }
    }

    /// The bytes of some rows of a matrix.
    pub(crate) fn rows(&self, rows: Range<usize>) -> Range<u64> {
        let row = self.shape[1..].iter().product::<usize>() * self.dtype.bitsize() / 8;
        let at = |row_index: usize| self.bytes.start + (row_index * row) as u64;
        at(rows.start)..at(rows.end)
    }

    /// The numbers of some rows, whose bytes these are, with what an adapter adds to them.
    ///
    /// # Errors
    /// As [`Place::values`], and what reading the adapter answers.
    pub(crate) fn adapted(
        &self,
        files: &CheckpointFiles,
        name: &str,
        rows: Range<usize>,
        bytes: &[u8],
    ) -> Result<Vec<f32>> {
        let mut values = self.values(name, bytes)?;
        if let Some(low) = &self.low {
            low.add(files, rows, &mut values)?;
        }
        Ok(values)
    }

    /// The numbers that some of its bytes hold.
    ///
    /// # Errors
    /// [`Error::TensorType`], [`Error::TensorNotFinite`], naming the tensor.
    pub(super) fn values(&self, name: &str, bytes: &[u8]) -> Result<Vec<f32>> {
        let values = to_f32(self.dtype, bytes).ok_or_else(|| Error::TensorType {
            name: name.to_owned(),
            found: format!("{:?}", self.dtype),
        })?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(Error::TensorNotFinite { name: name.to_owned() }),
        }
    }
}

/// `None`: a type that is not read.
fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F16 => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => {
            bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect()
        }
        _ => return None,
    })
}

/// Where a file's data begins, by its first bytes: at least 8, and more where a user is to hear what else the file is.
///
/// # Errors
/// [`Error::OtherFile`], [`Error::InvalidSafetensors`].
pub fn header_end(file: &str, start: &[u8]) -> Result<u64> {
    let length = start.first_chunk::<PREFIX>().map(|prefix| u64::from_le_bytes(*prefix));
    match length {
        Some(length) if length <= MAX_HEADER => Ok(PREFIX as u64 + length),
        Some(length) => {
            let reason = format!("its header has {length} bytes; at most {MAX_HEADER} are taken");
            Err(invalid(file, start, reason))
        }
        None => Err(invalid(file, start, "it ends before its header".to_owned())),
    }
}

/// Names and places of the tensors of a file of `size` bytes, by all in front of its data, or more.
///
/// # Errors
/// As [`header_end`].
pub(super) fn places(file: &str, start: &[u8], size: u64) -> Result<Vec<(String, Place)>> {
    let end = header_end(file, start)?;
    let wrong = |reason: String| invalid(file, start, reason);
    let header = start
        .get(PREFIX..end as usize)
        .ok_or_else(|| wrong("it ends within its header".to_owned()))?;
    let metadata: Metadata =
        serde_json::from_slice(header).map_err(|error| wrong(error.to_string()))?;
    let mut tensors: Vec<(String, &tensor::TensorInfo)> = metadata.tensors().into_iter().collect();
    tensors.sort_by(|(a, one), (b, other)| (one.data_offsets, a).cmp(&(other.data_offsets, b)));
    let mut places = Vec::with_capacity(tensors.len());
    let mut reached = 0;
    for (name, info) in tensors {
        let (from, to) = info.data_offsets;
        if from != reached || Some(to) != byte_len(info).and_then(|length| from.checked_add(length))
        {
            return Err(wrong(format!("tensor {name} is not where or as large as it should be")));
        }
        reached = to;
        let bytes = end + from as u64..end + to as u64;
        let (file, dtype, shape) = (file.to_owned(), info.dtype, info.shape.clone());
        places.push((name, Place { file, dtype, shape, bytes, low: None }));
    }
    let expected = end + reached as u64;
    match expected == size {
        true => Ok(places),
        false => Err(wrong(format!("it has {size} bytes, and by its header {expected}"))),
    }
}

/// `None`: more than can be counted, or not a whole number of bytes.
fn byte_len(info: &tensor::TensorInfo) -> Option<usize> {
    let count = info.shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size))?;
    let bits = count.checked_mul(info.dtype.bitsize())?;
    bits.is_multiple_of(8).then_some(bits / 8)
}

fn invalid(file: &str, start: &[u8], reason: String) -> Error {
    match found_instead(start) {
        Some(found) => Error::OtherFile { file: file.to_owned(), found },
        None => Error::InvalidSafetensors { file: file.to_owned(), reason },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use safetensors::SafeTensors;
    use safetensors::tensor::TensorView;

    use super::*;

    /// A file of tensors `[rows, 2]` that the crate has written.
    fn file(rows: &[(String, usize, Dtype)]) -> Vec<u8> {
        let size = |&(_, rows, dtype): &(String, usize, Dtype)| 2 * rows * dtype.bitsize() / 8;
        let bytes: Vec<Vec<u8>> = rows
            .iter()
            .enumerate()
            .map(|(seed, row)| (0..size(row)).map(|i| (7 * i + seed) as u8).collect())
            .collect();
        let views = rows.iter().zip(&bytes).map(|((name, rows, dtype), bytes)| {
            (name, TensorView::new(*dtype, vec![*rows, 2], bytes).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    /// A file with this header and `data` bytes behind it.
    fn with_header(header: &str, data: usize) -> Vec<u8> {
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &vec![0; data]].concat()
    }

    fn refusal(bytes: &[u8], size: u64) -> String {
        places("w.safetensors", bytes, size).unwrap_err().to_string()
    }

    proptest! {
        /// What the crate reads out of the whole file lies where the header alone says it does, row by row.
        #[test]
        fn tensors_lie_where_the_crate_finds_them(
            rows in proptest::collection::btree_map("[a-c]{1,3}", (0usize..5, 0usize..4), 0..6),
        ) {
            let types = [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::I64];
            let rows: Vec<_> =
                rows.into_iter().map(|(name, (rows, dtype))| (name, rows, types[dtype])).collect();
            let bytes = file(&rows);
            let whole = SafeTensors::deserialize(&bytes).unwrap();
            let end = header_end("w", &bytes[..8]).unwrap() as usize;
            let found = places("w", &bytes[..end], bytes.len() as u64).unwrap();
            prop_assert_eq!(found.len(), rows.len());
            let slice = |range: Range<u64>| &bytes[range.start as usize..range.end as usize];
            for (name, place) in found {
                let view = whole.tensor(&name).unwrap();
                prop_assert_eq!(view.shape(), place.shape.as_slice());
                prop_assert_eq!(view.data(), slice(place.bytes.clone()));
                let rows = (0..place.shape[0]).flat_map(|row| slice(place.rows(row..row + 1)).to_vec());
                prop_assert_eq!(view.data(), rows.collect::<Vec<u8>>());
            }
        }

        /// The crate takes and refuses the same headers, whatever becomes of one; and nothing panics.
        #[test]
        fn what_the_crate_refuses_is_refused(at in 0usize..200, byte in any::<u8>(), cut in 0usize..400) {
            let mut bytes = file(&[("a".to_owned(), 2, Dtype::F32), ("b".to_owned(), 3, Dtype::F16)]);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len().saturating_sub(cut % 3));
            let taken = places("w", &bytes, bytes.len() as u64).is_ok();
            prop_assert_eq!(taken, SafeTensors::deserialize(&bytes).is_ok());
        }
    }

    /// The crate's words, or ours.
    const MISPLACED: &[&str] = &["is not where or as large as it should be", "offset"];

    #[test]
    fn hostile_headers_are_refused_with_what_is_wrong() {
        let tensor = |from: u64, to: u64| {
            format!(r#"{{"dtype":"F32","shape":[2],"data_offsets":[{from},{to}]}}"#)
        };
        let two = |a: &str, b: &str| with_header(&format!(r#"{{"a":{a},"b":{b}}}"#), 16);
        let long = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        let cases: [(Vec<u8>, &[&str]); 10] = [
            (long, &["its header has 18446744073709551615 bytes; at most 16777216"]),
            (vec![1, 2, 3], &["it ends before its header"]),
            (with_header("{}  ", 0)[..10].to_vec(), &["it ends within its header"]),
            (two(&tensor(0, 8), &tensor(12, 20)), MISPLACED),
            (two(&tensor(0, 8), &tensor(4, 12)), MISPLACED),
            (two(&tensor(0, 8), &tensor(0, 8)), MISPLACED),
            (two(&tensor(8, 0), &tensor(8, 16)), MISPLACED),
            (two(&tensor(0, 12), &tensor(12, 20)), MISPLACED),
            (with_header("{}", 5), &["it has 15 bytes, and by its header 10"]),
            (with_header("{]", 0), &["w.safetensors is not a valid safetensors file"]),
        ];
        for (bytes, reasons) in cases {
            let found = refusal(&bytes, bytes.len() as u64);
            assert!(reasons.iter().any(|reason| found.contains(reason)), "{reasons:?}: {found}");
        }
        let bomb = r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#;
        assert!(refusal(&with_header(bomb, 0), 90).contains("w.safetensors"));
    }
}
