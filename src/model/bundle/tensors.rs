//! A bundle's tensors as they are stored, by name, until the model takes them.

use std::collections::BTreeMap;

use half::f16;

use crate::error::{Error, Result};
use crate::model::quantize::{Matrix, Q4_BLOCK, Values};
use Data::{F16, F32, I8, U8};

/// The numbers of a stored tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    F32(Vec<f32>),
    F16(Vec<f16>),
    I8(Vec<i8>),
    U8(Vec<u8>),
}

impl Data {
    pub(super) fn is_finite(&self) -> bool {
        match self {
            F32(values) => values.iter().all(|value| value.is_finite()),
            F16(values) => values.iter().all(|value| value.is_finite()),
            I8(_) | U8(_) => true,
        }
    }

    /// Bytes of one number.
    pub(super) fn size(&self) -> usize {
        match self {
            F32(_) => 4,
            F16(_) => 2,
            I8(_) | U8(_) => 1,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            F16(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            I8(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            U8(values) => values.clone(),
        }
    }

    /// Name as safetensors writes it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            F32(_) => "F32",
            F16(_) => "F16",
            I8(_) => "I8",
            U8(_) => "U8",
        }
    }

    /// How many numbers there are.
    fn len(&self) -> usize {
        match self {
            F32(values) => values.len(),
            F16(values) => values.len(),
            I8(values) => values.len(),
            U8(values) => values.len(),
        }
    }

    /// Makes room for so many more, so that appending them moves nothing.
    fn reserve(&mut self, more: usize) {
        match self {
            F32(values) => values.reserve_exact(more),
            F16(values) => values.reserve_exact(more),
            I8(values) => values.reserve_exact(more),
            U8(values) => values.reserve_exact(more),
        }
    }

    /// Moves `more` behind these; false if it is of another type.
    fn append(&mut self, more: Data) -> bool {
        match (self, more) {
            (F32(all), F32(more)) => all.extend(more),
            (F16(all), F16(more)) => all.extend(more),
            (I8(all), I8(more)) => all.extend(more),
            (U8(all), U8(more)) => all.extend(more),
            _ => return false,
        }
        true
    }

    /// A range of the numbers.
    pub(super) fn part(&self, places: std::ops::Range<usize>) -> Data {
        match self {
            F32(values) => F32(values[places].to_vec()),
            F16(values) => F16(values[places].to_vec()),
            I8(values) => I8(values[places].to_vec()),
            U8(values) => U8(values[places].to_vec()),
        }
    }
}

/// A tensor of rank 1 or 2; `data` has one number for each place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
}

impl Tensor {
    pub(crate) fn f32(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { shape, data: F32(values) }
    }

    /// The numbers of an F32 tensor.
    pub(crate) fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            F32(values) => Some(values),
            _ => None,
        }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The shape of the numbers, if it is to be `expected`: a q4 byte holds two, the last of a row perhaps one.
    pub(crate) fn meant_shape(&self, expected: &[usize]) -> Vec<usize> {
        match (&self.data, self.shape.as_slice(), expected) {
            (U8(_), &[rows, bytes], &[_, columns]) if columns.div_ceil(2) == bytes => {
                vec![rows, columns]
            }
            (U8(_), &[rows, bytes], _) => vec![rows, 2 * bytes],
            (_, shape, _) => shape.to_vec(),
        }
    }

    pub(crate) fn dtype(&self) -> &'static str {
        self.data.name()
    }

    pub(crate) fn byte_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.data.size()
    }
}

/// Tensors by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tensors {
    whole: BTreeMap<String, Tensor>,
    /// By name and first row, until all shards are read.
    parts: BTreeMap<String, BTreeMap<usize, Tensor>>,
}

impl FromIterator<(String, Tensor)> for Tensors {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(tensors: I) -> Self {
        Self { whole: tensors.into_iter().collect(), parts: BTreeMap::new() }
    }
}

impl Tensors {
    /// Adds a tensor, or rows of one.
    pub(super) fn insert(&mut self, name: &str, tensor: Tensor) -> Result<()> {
        let twice = match part_of(name) {
            None => self.whole.insert(name.to_owned(), tensor).is_some(),
            Some((whole, start, end)) => {
                if end.checked_sub(start) != Some(tensor.shape[0]) {
                    return Err(invalid(name, &format!("has {} rows", tensor.shape[0])));
                }
                let parts = self.parts.entry(whole.to_owned()).or_default();
                parts.insert(start, tensor).is_some()
            }
        };
        if twice { Err(invalid(name, "is there twice")) } else { Ok(()) }
    }

    /// Puts cut tensors together.
    pub(super) fn join_parts(&mut self) -> Result<()> {
        for (name, parts) in std::mem::take(&mut self.parts) {
            let tensor = join(&name, parts)?;
            if self.whole.insert(name.clone(), tensor).is_some() {
                return Err(invalid(&name, "is there twice"));
            }
        }
        Ok(())
    }

    /// Moves the tensors of another collection here.
    pub(crate) fn extend(&mut self, more: Tensors) {
        self.whole.extend(more.whole);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Tensor> {
        self.whole.get(name)
    }

    /// In order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.whole.iter()
    }

    /// Bytes of all tensors.
    pub(crate) fn byte_len(&self) -> usize {
        self.whole.values().map(Tensor::byte_len).sum()
    }

    /// A matrix of `columns` as it is stored; `None` if it is not there. Unless `keep`, it is gone afterwards.
    pub(crate) fn matrix(&mut self, name: &str, columns: usize, keep: bool) -> Option<Matrix> {
        let tensor = self.tensor(name, keep)?;
        let rows = tensor.shape[0];
        let values = match tensor.data {
            F32(values) => Values::F32(values),
            F16(values) => Values::F16(values),
            I8(codes) => {
                let scales = match self.tensor(&format!("{name}.scale"), keep)?.data {
                    F32(scales) => scales,
                    F16(scales) => scales.into_iter().map(f16::to_f32).collect(),
                    I8(_) | U8(_) => return None,
                };
                Values::Q8 { codes, scales }
            }
            U8(nibbles) => {
                let F16(scales) = self.tensor(&format!("{name}.scale"), keep)?.data else {
                    return None;
                };
                Values::Q4 { nibbles, scales }
            }
        };
        let equalizer = match self.tensor(&format!("{name}.equalizer"), keep) {
            Some(Tensor { data: F32(equalizer), .. }) => Some(equalizer),
            _ => None,
        };
        Some(Matrix { rows, columns, values, equalizer })
    }

    /// An F32 tensor's values. Unless `keep`, they are gone afterwards.
    pub(crate) fn values(&mut self, name: &str, keep: bool) -> Option<Vec<f32>> {
        match self.tensor(name, keep)?.data {
            F32(values) => Some(values),
            _ => None,
        }
    }

    fn tensor(&mut self, name: &str, keep: bool) -> Option<Tensor> {
        if keep { self.whole.get(name).cloned() } else { self.whole.remove(name) }
    }
}

/// `X`, first row and end of `X[first:end]`.
fn part_of(name: &str) -> Option<(&str, usize, usize)> {
    let (whole, range) = name.strip_suffix(']')?.rsplit_once('[')?;
    let (start, end) = range.split_once(':')?;
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    // One spelling only: no signs, no leading zeros.
    (part_name(whole, start, end) == name).then_some((whole, start, end))
}

/// The name of the rows `start..end` of a tensor.
pub(super) fn part_name(name: &str, start: usize, end: usize) -> String {
    format!("{name}[{start}:{end}]")
}

fn join(name: &str, parts: BTreeMap<usize, Tensor>) -> Result<Tensor> {
    let count: usize = parts.values().map(|part| part.data.len()).sum();
    let mut joined: Option<Tensor> = None;
    for (start, mut part) in parts {
        let rows = joined.as_ref().map_or(0, |tensor| tensor.shape[0]);
        if start != rows {
            return Err(invalid(name, &format!("has rows up to {rows} and then from {start}")));
        }
        let Some(tensor) = &mut joined else {
            part.data.reserve(count - part.data.len());
            joined = Some(part);
            continue;
        };
        let alike = tensor.shape[1..] == part.shape[1..];
        tensor.shape[0] += part.shape[0];
        if !alike || !tensor.data.append(part.data) {
            return Err(invalid(name, "has parts of different types or widths"));
        }
    }
    Ok(joined.expect("a cut tensor has a part"))
}

/// The tensors that a matrix `name` is stored as.
pub(crate) fn store(name: &str, matrix: Matrix) -> Vec<(String, Tensor)> {
    let (rows, columns) = (matrix.rows, matrix.columns);
    let mut scale = None;
    let tensor = match matrix.values {
        Values::F32(values) => Tensor::f32(vec![rows, columns], values),
        Values::F16(values) => Tensor { shape: vec![rows, columns], data: F16(values) },
        Values::Q8 { codes, scales } => {
            scale = Some(match scales.len() == rows {
                true => Tensor::f32(vec![rows], scales),
                false => Tensor {
                    shape: vec![rows, scales.len() / rows],
                    data: F16(scales.into_iter().map(f16::from_f32).collect()),
                },
            });
            Tensor { shape: vec![rows, columns], data: I8(codes) }
        }
        Values::Q4 { nibbles, scales } => {
            let blocks = columns.div_ceil(Q4_BLOCK);
            scale = Some(Tensor { shape: vec![rows, blocks], data: F16(scales) });
            Tensor { shape: vec![rows, columns.div_ceil(2)], data: U8(nibbles) }
        }
    };
    let equalizer = matrix.equalizer.map(|values| Tensor::f32(vec![columns], values));
    let beside = [("scale", scale), ("equalizer", equalizer)];
    let beside = beside.into_iter().filter_map(|(suffix, tensor)| Some((suffix, tensor?)));
    let mut stored = vec![(name.to_owned(), tensor)];
    stored.extend(beside.map(|(suffix, tensor)| (format!("{name}.{suffix}"), tensor)));
    stored
}

pub(super) fn invalid(name: &str, reason: &str) -> Error {
    Error::BundleTensor { name: name.to_owned(), reason: reason.to_owned() }
}
