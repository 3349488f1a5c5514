//! Tensors by name, out of one or several safetensors files.

use std::collections::{BTreeMap, BTreeSet};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::CheckpointFiles;
use super::fields::Fields;
use crate::error::{Error, Result};
use crate::quantize::Matrix;

/// The tensors of a checkpoint's backbone, or of one of its Dense modules. Borrows the files' bytes.
pub struct Weights<'a> {
    /// The file, or the first of several: what a missing tensor is reported against.
    file: String,
    tensors: BTreeMap<String, TensorView<'a>>,
    /// What this save puts before the backbone's names, e.g. `bert.`.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    /// Reads the headers of `names`.
    ///
    /// # Errors
    /// [`Error::MissingFile`], [`Error::InvalidSafetensors`].
    pub fn open(files: &'a CheckpointFiles, names: &[String]) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for name in names {
            let bytes = files
                .get(name)
                .ok_or_else(|| Error::MissingFile { name: name.clone(), hint: "" })?;
            let invalid = |reason: String| Error::InvalidSafetensors { file: name.clone(), reason };
            let parsed = SafeTensors::deserialize(bytes).map_err(|e| invalid(e.to_string()))?;
            for (tensor, view) in parsed.tensors() {
                if tensors.insert(tensor.clone(), view).is_some() {
                    return Err(invalid(format!("tensor {tensor} is in two files")));
                }
            }
        }
        Ok(Self { file: names.first().cloned().unwrap_or_default(), tensors, prefix: "" })
    }

    /// Takes names with or without `prefix`, whichever this save has, told by the tensor `probe`.
    pub fn with_prefix(mut self, prefix: &'static str, probe: &str) -> Self {
        if self.tensors.contains_key(&format!("{prefix}{probe}")) {
            self.prefix = prefix;
        }
        self
    }

    /// Whether there is a tensor of this name (below the prefix).
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(&self.full(name))
    }

    /// A tensor of the backbone as f32, row-major.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::TensorType`], [`Error::TensorNotFinite`].
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.read_full(&self.full(name), shape)
    }

    /// A weight `[rows, columns]` of the backbone.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn matrix(&self, name: &str, [rows, columns]: [usize; 2]) -> Result<Matrix> {
        self.matrix_full(&self.full(name), [rows, columns])
    }

    /// A weight that stands outside the prefix.
    pub fn matrix_full(&self, name: &str, [rows, columns]: [usize; 2]) -> Result<Matrix> {
        Ok(Matrix::f32(rows, columns, self.read_full(name, &[rows, columns])?))
    }

    /// The error for products of one input that are stored in different ways.
    pub(crate) fn not_alike(&self, names: &[String]) -> Error {
        Error::InvalidSafetensors {
            file: self.file.clone(),
            reason: format!("{} differ in type or equalizer", names.join(", ")),
        }
    }

    /// A tensor that stands outside the prefix, such as Stanford's projection.
    pub fn read_full(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let view = self.view(name)?;
        if view.shape() != shape {
            return Err(Error::TensorShape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: view.shape().to_vec(),
            });
        }
        let values = to_f32(view).ok_or_else(|| Error::TensorType {
            name: name.to_owned(),
            found: format!("{:?}", view.dtype()),
        })?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::TensorNotFinite { name: name.to_owned() });
        }
        Ok(values)
    }

    /// Shape of a tensor that stands outside the prefix.
    pub fn shape_full(&self, name: &str) -> Result<&[usize]> {
        Ok(self.view(name)?.shape())
    }

    /// Name of the type that most of the weights are stored in, e.g. `f32`.
    pub fn dtype(&self) -> String {
        let largest = self.tensors.values().max_by_key(|view| view.data().len());
        largest.map_or_else(String::new, |view| format!("{:?}", view.dtype()).to_lowercase())
    }

    /// Bytes of all tensors.
    pub fn byte_len(&self) -> usize {
        self.tensors.values().map(|view| view.data().len()).sum()
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn view(&self, name: &str) -> Result<&TensorView<'a>> {
        self.tensors
            .get(name)
            .ok_or_else(|| Error::MissingTensor { file: self.file.clone(), name: name.to_owned() })
    }
}

/// `None`: a type that is not read.
fn to_f32(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => {
            data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        }
        Dtype::F16 => {
            data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        Dtype::BF16 => {
            data.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        _ => return None,
    })
}

/// The files that an index (`model.safetensors.index.json`) spreads the tensors over.
pub(crate) fn shards(index: &str, bytes: &[u8]) -> Result<BTreeSet<String>> {
    let fields = Fields::parse(index, bytes)?;
    let map = fields.required("weight_map", fields.object("weight_map")?)?;
    let mut shards = BTreeSet::new();
    for tensor in map.names() {
        let shard = map.required(tensor, map.string(tensor)?)?;
        shards.insert(shard.to_owned());
    }
    Ok(shards)
}
