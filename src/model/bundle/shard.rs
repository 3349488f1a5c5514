//! One shard: a safetensors file into tensors of their own, so that its bytes can go.

use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::tensors::{Data, Tensor, Tensors};
use crate::error::{Error, Result};

/// Longest header, in bytes; a model's thousand names take a tenth.
const MAX_HEADER: u64 = 1 << 20;

/// Adds the tensors of a shard.
///
/// # Errors
/// [`Error::InvalidSafetensors`], [`Error::BundleTensor`].
pub(super) fn read(file: &str, bytes: &[u8], tensors: &mut Tensors) -> Result<()> {
    let invalid = |reason: String| Error::InvalidSafetensors { file: file.to_owned(), reason };
    let header = bytes.first_chunk().map(|start| u64::from_le_bytes(*start));
    if header.is_some_and(|length| length > MAX_HEADER) {
        return Err(invalid(format!("its header is longer than {MAX_HEADER} bytes")));
    }
    let parsed = SafeTensors::deserialize(bytes).map_err(|error| invalid(error.to_string()))?;
    for (name, view) in parsed.iter() {
        tensors.insert(name, tensor(name, &view)?)?;
    }
    Ok(())
}

fn tensor(name: &str, view: &TensorView<'_>) -> Result<Tensor> {
    let invalid = |reason: String| Error::BundleTensor { name: name.to_owned(), reason };
    let shape = view.shape().to_vec();
    if !(1..=2).contains(&shape.len()) {
        return Err(invalid(format!("has rank {}; 1 and 2 are taken", shape.len())));
    }
    if shape.contains(&0) {
        return Err(invalid(format!("has shape {shape:?}, which holds nothing")));
    }
    let (bytes, size) = (view.data(), view.dtype().bitsize() as u64 / 8);
    // In 64 bits with checks: on wasm a product of two sizes can wrap round.
    let needed = shape.iter().try_fold(size, |n, &d| n.checked_mul(d as u64));
    if needed != Some(bytes.len() as u64) {
        return Err(invalid(format!("has shape {shape:?} and {} bytes", bytes.len())));
    }
    let data = match view.dtype() {
        Dtype::F32 => Data::F32(chunks(bytes, f32::from_le_bytes)),
        Dtype::F16 => Data::F16(chunks(bytes, f16::from_le_bytes)),
        Dtype::I8 => Data::I8(chunks(bytes, i8::from_le_bytes)),
        Dtype::U8 => Data::U8(bytes.to_vec()),
        other => return Err(invalid(format!("has type {other:?}; F32, F16, I8 and U8 are taken"))),
    };
    match data.is_finite() {
        true => Ok(Tensor { shape, data }),
        false => Err(Error::TensorNotFinite { name: name.to_owned() }),
    }
}

fn chunks<const N: usize, T>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (whole, _) = bytes.as_chunks::<N>();
    whole.iter().map(|chunk| value(*chunk)).collect()
}

/// A shard's bytes.
pub(super) fn write(tensors: &[(String, Tensor)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|(_, tensor)| tensor.data.to_bytes()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        let dtype = match tensor.data {
            Data::F32(_) => Dtype::F32,
            Data::F16(_) => Dtype::F16,
            Data::I8(_) => Dtype::I8,
            Data::U8(_) => Dtype::U8,
        };
        let view = TensorView::new(dtype, tensor.shape.clone(), bytes);
        (name, view.expect("a tensor has the bytes of its shape"))
    });
    safetensors::serialize(views, None).expect("names of tensors make a header")
}
