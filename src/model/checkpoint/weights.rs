//! Tensors by name, out of one or several safetensors files, or of a bundle.

use std::collections::{BTreeMap, BTreeSet};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::CheckpointFiles;
use super::fields::Fields;
use crate::error::{Error, Result};
use crate::model::bundle::{Bundle, Tensor};
use crate::model::contents::found_instead;
use crate::model::quantize::Matrix;

/// Most files that an index spreads the tensors over.
const MAX_SHARDS: usize = 256;

/// The tensors of a model's backbone, or of one of its Dense modules.
pub struct Weights<'a> {
    /// The file, or the first of several: what a missing tensor is reported against.
    file: String,
    tensors: Stored<'a>,
    /// What this save puts before the backbone's names, e.g. `bert.`.
    prefix: &'static str,
    keep: bool,
}

/// Where tensors lie.
enum Stored<'a> {
    /// In the bytes of a checkpoint's files.
    Files(BTreeMap<String, TensorView<'a>>),
    /// In a bundle, behind `path`.
    Bundle { bundle: &'a Bundle, path: String },
}

/// A stored tensor, without its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    pub name: String,
    /// The type as safetensors names it, e.g. `F32`.
    pub dtype: String,
    pub shape: Vec<usize>,
    pub bytes: usize,
}

impl<'a> Weights<'a> {
    /// Reads the headers of `names`: the backbone's files or one Dense module's, a bundle standing in for them.
    ///
    /// # Errors
    /// [`Error::MissingFile`], [`Error::InvalidSafetensors`].
    pub fn open(files: &'a CheckpointFiles, names: &[String]) -> Result<Self> {
        let file = names.first().cloned().unwrap_or_default();
        let tensors = match &files.bundle {
            Some(bundle) => {
                let backbone = files.backbone_files()? == names;
                let folder = file.rfind('/').map_or("", |slash| &file[..=slash]);
                let path = if backbone { "" } else { folder }.to_owned();
                Stored::Bundle { bundle, path }
            }
            None => Stored::Files(views(files, names)?),
        };
        Ok(Self { file, tensors, prefix: "", keep: true })
    }

    /// Takes names with or without `prefix`, whichever this save has, told by the tensor `probe`.
    pub fn with_prefix(mut self, prefix: &'static str, probe: &str) -> Self {
        if self.shape(&format!("{prefix}{probe}"), &[]).is_some() {
            self.prefix = prefix;
        }
        self
    }

    /// With `keep` false, what is read from a bundle is gone from it, so that its memory is freed while the model is
    /// built. A checkpoint's files stay.
    pub fn keeping(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// Whether there is a tensor of this name (below the prefix).
    pub fn contains(&self, name: &str) -> bool {
        self.shape(&self.full(name), &[]).is_some()
    }

    /// A tensor of the backbone as f32, row-major, whatever it is stored in.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::TensorType`], [`Error::TensorNotFinite`].
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.read_full(&self.full(name), shape)
    }

    /// The error for products of one input that are stored in different ways.
    pub(crate) fn not_alike(&self, names: &[String]) -> Error {
        Error::InvalidSafetensors {
            file: self.file.clone(),
            reason: format!("{} differ in type or equalizer", names.join(", ")),
        }
    }

    /// A tensor that stands outside the prefix, such as Stanford's projection.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn read_full(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.expect_shape(name, shape)?;
        match &self.tensors {
            Stored::Files(views) => values(name, &views[name]),
            Stored::Bundle { bundle, path } => {
                let (name, mut tensors) = (format!("{path}{name}"), bundle.tensors.borrow_mut());
                let plain = tensors.get(&name).is_some_and(|tensor| tensor.dtype() == "F32");
                let values = match plain {
                    true => tensors.values(&name, self.keep),
                    // Nothing but matrices is stored in another type.
                    false => {
                        let columns = shape.last().copied().unwrap_or(0);
                        tensors.matrix(&name, columns, self.keep).map(|matrix| matrix.to_f32())
                    }
                };
                values.ok_or_else(|| self.missing(&name))
            }
        }
    }

    /// A matrix `[rows, columns]` of the backbone as it is stored; of a checkpoint as f32.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Matrix> {
        self.matrix_full(&self.full(name), shape)
    }

    /// A matrix that stands outside the prefix.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn matrix_full(&self, name: &str, [rows, columns]: [usize; 2]) -> Result<Matrix> {
        self.expect_shape(name, &[rows, columns])?;
        match &self.tensors {
            Stored::Files(views) => Ok(Matrix::f32(rows, columns, values(name, &views[name])?)),
            Stored::Bundle { bundle, path } => {
                let name = format!("{path}{name}");
                let matrix = bundle.tensors.borrow_mut().matrix(&name, columns, self.keep);
                matrix.ok_or_else(|| self.missing(&name))
            }
        }
    }

    /// Shape of a tensor that stands outside the prefix.
    ///
    /// # Errors
    /// [`Error::MissingTensor`].
    pub fn shape_full(&self, name: &str) -> Result<Vec<usize>> {
        self.shape(name, &[]).ok_or_else(|| self.missing(name))
    }

    /// Bytes of all tensors; of a bundle, those of the whole model.
    pub fn byte_len(&self) -> usize {
        match &self.tensors {
            Stored::Files(views) => views.values().map(|view| view.data().len()).sum(),
            Stored::Bundle { bundle, .. } => bundle.tensors.borrow().byte_len(),
        }
    }

    /// All tensors, in order of their names; of a bundle, those of the whole model.
    pub fn tensors(&self) -> Vec<TensorInfo> {
        match &self.tensors {
            Stored::Files(views) => {
                views.iter().map(|(name, view)| view_info(name, view)).collect()
            }
            Stored::Bundle { bundle, .. } => {
                let tensors = bundle.tensors.borrow();
                let info = |(name, tensor): (&String, &Tensor)| TensorInfo {
                    name: name.clone(),
                    dtype: tensor.dtype().to_owned(),
                    shape: tensor.shape().to_vec(),
                    bytes: tensor.byte_len(),
                };
                tensors.iter().map(info).collect()
            }
        }
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The shape that a tensor means, however it is stored; where it may be the `expected` one, that.
    fn shape(&self, name: &str, expected: &[usize]) -> Option<Vec<usize>> {
        match &self.tensors {
            Stored::Files(views) => Some(views.get(name)?.shape().to_vec()),
            Stored::Bundle { bundle, path } => {
                let tensors = bundle.tensors.borrow();
                Some(tensors.get(&format!("{path}{name}"))?.meant_shape(expected))
            }
        }
    }

    fn expect_shape(&self, name: &str, expected: &[usize]) -> Result<()> {
        let found = self.shape(name, expected).ok_or_else(|| self.missing(name))?;
        match found == expected {
            true => Ok(()),
            false => {
                let (name, expected) = (name.to_owned(), expected.to_vec());
                Err(Error::TensorShape { name, expected, found })
            }
        }
    }

    fn missing(&self, name: &str) -> Error {
        Error::MissingTensor { file: self.file.clone(), name: name.to_owned() }
    }
}

fn views<'a>(
    files: &'a CheckpointFiles,
    names: &[String],
) -> Result<BTreeMap<String, TensorView<'a>>> {
    let mut tensors = BTreeMap::new();
    for name in names {
        let bytes =
            files.get(name).ok_or_else(|| Error::MissingFile { name: name.clone(), hint: "" })?;
        let invalid = |reason: String| Error::InvalidSafetensors { file: name.clone(), reason };
        let parsed =
            SafeTensors::deserialize(bytes).map_err(|error| match found_instead(bytes) {
                Some(found) => Error::OtherFile { file: name.clone(), found },
                None => invalid(error.to_string()),
            })?;
        for (tensor, view) in parsed.tensors() {
            if tensors.insert(tensor.clone(), view).is_some() {
                return Err(invalid(format!("tensor {tensor} is in two files")));
            }
        }
    }
    Ok(tensors)
}

fn view_info(name: &str, view: &TensorView<'_>) -> TensorInfo {
    TensorInfo {
        name: name.to_owned(),
        dtype: format!("{:?}", view.dtype()),
        shape: view.shape().to_vec(),
        bytes: view.data().len(),
    }
}

fn values(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>> {
    let values = to_f32(view).ok_or_else(|| Error::TensorType {
        name: name.to_owned(),
        found: format!("{:?}", view.dtype()),
    })?;
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => Err(Error::TensorNotFinite { name: name.to_owned() }),
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
    if shards.len() > MAX_SHARDS {
        return Err(Error::Limit {
            file: index.to_owned(),
            field: "the number of weight files".to_owned(),
            value: shards.len().to_string(),
            limit: MAX_SHARDS,
        });
    }
    Ok(shards)
}
