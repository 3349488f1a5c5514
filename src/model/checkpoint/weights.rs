//! Tensors by name, out of one or several safetensors files, or of a bundle.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::fields::Fields;
use super::places::Place;
use super::{CheckpointFiles, adapter};
use crate::error::{Error, Result};
use crate::model::bundle::{Tensor, Tensors};
use crate::model::quantize::Matrix;

/// Most files that an index spreads the tensors over.
const MAX_SHARDS: usize = 256;

/// The tensors of a model's backbone, or of one of its Dense modules.
pub struct Weights<'a> {
    /// The file, or the first of several: what a missing tensor is reported against.
    file: String,
    tensors: Stored<'a>,
    /// What this save puts before the backbone's names, e.g. `bert.`.
    prefix: String,
    /// What stands in this save in place of the start of some names.
    renamed: Option<[&'static str; 2]>,
    keep: bool,
}

/// Where tensors lie.
enum Stored<'a> {
    /// In a checkpoint's files.
    Files { files: &'a CheckpointFiles, places: BTreeMap<String, Place> },
    /// Among tensors that are stored as in a bundle, behind `path`.
    Tensors { tensors: &'a RefCell<Tensors>, path: String },
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
                Stored::Tensors { tensors: &bundle.tensors, path }
            }
            None => Stored::Files { files, places: adapted_places(files, names)? },
        };
        Ok(Self { file, tensors, prefix: String::new(), renamed: None, keep: true })
    }

    /// Tensors that only pages need, behind whatever this save puts before the name `probe`; of a bundle those of its own shards.
    ///
    /// # Errors
    /// As [`Weights::open`]; [`Error::MissingTensor`] where there are none.
    pub(crate) fn open_pages(files: &'a CheckpointFiles, probe: &str) -> Result<Self> {
        let names = files.backbone_files()?;
        let Some(bundle) = &files.bundle else {
            return Self::open(files, &names)?.behind("", probe);
        };
        let mut weights = Self::of_tensors(&bundle.pages, "");
        weights.file = names.into_iter().next().unwrap_or_default();
        match weights.contains(probe) {
            true => Ok(weights),
            false => Err(weights.missing(probe)),
        }
    }

    /// Tensors that are in memory under their names in a bundle, behind `path`.
    pub(crate) fn of_tensors(tensors: &'a RefCell<Tensors>, path: &str) -> Self {
        let tensors = Stored::Tensors { tensors, path: path.to_owned() };
        Self { file: String::new(), tensors, prefix: String::new(), renamed: None, keep: true }
    }

    /// Where a tensor of the backbone lies in its file.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`]; of a bundle the first, whatever it holds.
    pub(crate) fn place(&self, name: &str, shape: &[usize]) -> Result<&Place> {
        match &self.tensors {
            Stored::Files { places, .. } => {
                let name = self.full(name);
                self.expect_shape(&name, shape)?;
                Ok(&places[&name])
            }
            Stored::Tensors { .. } => Err(self.missing(name)),
        }
    }

    /// Takes names with or without `prefix`, whichever this save has, told by the tensor `probe`.
    pub fn with_prefix(mut self, prefix: &str, probe: &str) -> Self {
        if self.shape(&format!("{prefix}{probe}"), &[]).is_some() {
            self.prefix = prefix.to_owned();
        }
        self
    }

    /// Takes names behind `part`, with all that stands before it in this save: where, the tensor `probe` tells, of which there must be
    /// one. A bundle's names have nothing before them.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::InvalidField`].
    pub(crate) fn behind(mut self, part: &str, probe: &str) -> Result<Self> {
        let Stored::Files { places, .. } = &self.tensors else {
            return Ok(self);
        };
        let sought = format!("{part}{probe}");
        let before = |name: &str| {
            let before = name.strip_suffix(sought.as_str())?;
            (before.is_empty() || before.ends_with('.')).then(|| before.to_owned())
        };
        let mut found = places.keys().filter_map(|name| before(name));
        match (found.next(), found.next()) {
            (None, _) => Err(self.missing(&sought)),
            (Some(before), None) => {
                self.prefix = format!("{before}{part}");
                Ok(self)
            }
            (Some(before), Some(other)) => Err(Error::InvalidField {
                file: self.file.clone(),
                field: format!("tensor {other}{sought}"),
                reason: format!("is there beside {before}{sought}"),
            }),
        }
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

    /// Holds the kernel of a convolution, which is read as a matrix, against its own shape; of a bundle nothing, which has the matrix.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`].
    pub(crate) fn expect_kernel(&self, name: &str, shape: &[usize]) -> Result<()> {
        match &self.tensors {
            Stored::Files { places, .. } => {
                let name = self.full(name);
                let found = &places.get(&name).ok_or_else(|| self.missing(&name))?.shape;
                match found == shape {
                    true => Ok(()),
                    false => {
                        let (expected, found) = (shape.to_vec(), found.clone());
                        Err(Error::TensorShape { name, expected, found })
                    }
                }
            }
            Stored::Tensors { .. } => Ok(()),
        }
    }

    /// What the code that came with the first models of pages calls a tensor, if this save has it so.
    pub(crate) fn older(&self, name: &str) -> Option<String> {
        let older = format!("{}.proj.weight", name.strip_suffix(".weight")?);
        self.contains(&older).then_some(older)
    }

    /// The error for products of one input that are stored in different ways.
    pub(crate) fn not_alike(&self, names: &[String]) -> Error {
        Error::InvalidSafetensors {
            file: self.file.clone(),
            reason: format!("{} differ in type or equalizer", names.join(", ")),
        }
    }

    fn read_full(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.expect_shape(name, shape)?;
        match &self.tensors {
            Stored::Files { files, places } => values(files, name, &places[name]),
            Stored::Tensors { tensors, path } => {
                let (name, mut tensors) = (format!("{path}{name}"), tensors.borrow_mut());
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

    fn matrix_full(&self, name: &str, [rows, columns]: [usize; 2]) -> Result<Matrix> {
        self.expect_shape(name, &[rows, columns])?;
        match &self.tensors {
            Stored::Files { files, places } => {
                Ok(Matrix::f32(rows, columns, values(files, name, &places[name])?))
            }
            Stored::Tensors { tensors, path } => {
                let name = format!("{path}{name}");
                let matrix = tensors.borrow_mut().matrix(&name, columns, self.keep);
                matrix.ok_or_else(|| self.missing(&name))
            }
        }
    }

    /// Shape of a tensor.
    ///
    /// # Errors
    /// [`Error::MissingTensor`].
    pub fn shape_of(&self, name: &str) -> Result<Vec<usize>> {
        self.shape(&self.full(name), &[]).ok_or_else(|| self.missing(name))
    }

    /// Bytes of all tensors; of a bundle, those of the whole model.
    pub fn byte_len(&self) -> usize {
        match &self.tensors {
            Stored::Files { places, .. } => places.values().map(Place::byte_len).sum(),
            Stored::Tensors { tensors, .. } => tensors.borrow().byte_len(),
        }
    }

    /// All tensors, in order of their names; of a bundle, those of the whole model.
    pub fn tensors(&self) -> Vec<TensorInfo> {
        match &self.tensors {
            Stored::Files { places, .. } => {
                places.iter().map(|(name, place)| place.info(name)).collect()
            }
            Stored::Tensors { tensors, .. } => {
                let tensors = tensors.borrow();
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

    /// Takes names that begin with `new` where `old` is asked for.
    pub(crate) fn renamed(mut self, old: &'static str, new: &'static str) -> Self {
        self.renamed = Some([old, new]);
        self
    }

    fn full(&self, name: &str) -> String {
        match self.renamed.and_then(|[old, new]| Some([new, name.strip_prefix(old)?])) {
            Some([new, rest]) => format!("{}{new}{rest}", self.prefix),
            None => format!("{}{name}", self.prefix),
        }
    }

    /// The shape that a tensor means, however it is stored; where it may be the `expected` one, that.
    fn shape(&self, name: &str, expected: &[usize]) -> Option<Vec<usize>> {
        match &self.tensors {
            Stored::Files { places, .. } => Some(places.get(name)?.meant_shape(expected)),
            Stored::Tensors { tensors, path } => {
                let tensors = tensors.borrow();
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

fn values(files: &CheckpointFiles, name: &str, place: &Place) -> Result<Vec<f32>> {
    let rows = 0..place.shape.first().copied().unwrap_or(0);
    place.adapted(files, name, rows, &files.bytes(&place.file, place.bytes.clone())?)
}

/// The tensors of several files by name; of the backbone's, as an adapter beside them makes them.
fn adapted_places(files: &CheckpointFiles, names: &[String]) -> Result<BTreeMap<String, Place>> {
    let mut tensors = places(files, names)?;
    if files.is_adapted()? && files.backbone_files()? == names {
        adapter::apply(files, &mut tensors)?;
    }
    Ok(tensors)
}

/// The tensors of several files by name.
fn places(files: &CheckpointFiles, names: &[String]) -> Result<BTreeMap<String, Place>> {
    let mut tensors: BTreeMap<String, Place> = BTreeMap::new();
    for file in names {
        for (tensor, place) in files.places(file)? {
            if let Some(other) = tensors.insert(tensor.clone(), place) {
                let (field, reason) =
                    (format!("tensor {tensor}"), format!("is in {} too", other.file));
                return Err(Error::InvalidField { file: file.clone(), field, reason });
            }
        }
    }
    Ok(tensors)
}

/// Whether an index can be of this file: `model.safetensors.index.json` of files that end in `.safetensors`.
fn is_of(index: &str, shard: &str) -> bool {
    let kind = index.strip_suffix(".index.json").and_then(|whole| Some(whole.rsplit_once('.')?.1));
    kind.is_none_or(|kind| shard.rsplit_once('.').is_some_and(|(_, other)| other == kind))
}

/// The files that an index (`model.safetensors.index.json`) spreads the tensors over.
pub(crate) fn shards(index: &str, bytes: &[u8]) -> Result<BTreeSet<String>> {
    let fields = Fields::parse(index, bytes)?;
    let map = fields.required("weight_map", fields.object("weight_map")?)?;
    let mut shards = BTreeSet::new();
    for tensor in map.names() {
        let shard = map.required(tensor, map.string(tensor)?)?;
        if !is_of(index, shard) {
            return Err(map.invalid(
                tensor,
                &format!("is said to be in {shard}, which is no file of its kind"),
            ));
        }
        shards.insert(shard.to_owned());
    }
    if shards.is_empty() {
        return Err(fields.invalid("weight_map", "names no file"));
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
