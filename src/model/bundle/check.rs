//! Are a bundle's tensors those that its configuration calls for, stored as the format says?

use std::collections::BTreeSet;

use super::tensors::{
    Data::{F16, F32, I8, U8},
    Tensor, Tensors, invalid,
};
use crate::error::{Error, Result};
use crate::model::quantize::{Dtype, NIBBLE_ZERO, PRODUCT_CODE, Q4_BLOCK, Q8_BLOCK, TABLE_CODE};

/// Most names that an error lists.
const MAX_NAMES: usize = 10;

/// What a tensor is for, which decides how it may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorKind {
    /// A matrix whose rows are looked up.
    Table,
    /// A matrix that is multiplied.
    Product,
    /// A large table that is added as it is, a matrix of a cross-encoder's head or the one that pixels go through: F16, or F32 in a
    /// bundle of f32.
    Half,
    /// All else, always F32.
    Plain,
}

/// A tensor that a configuration calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    pub name: String,
    pub shape: Vec<usize>,
    pub kind: TensorKind,
}

impl Tensors {
    /// Holds the tensors against what a configuration calls for.
    ///
    /// # Errors
    /// [`Error::BundleTensors`], [`Error::TensorShape`], [`Error::BundleTensor`].
    pub(crate) fn check(&self, specs: &[TensorSpec], dtype: Dtype) -> Result<()> {
        let mut extra: BTreeSet<&str> = self.iter().map(|(name, _)| name.as_str()).collect();
        let mut missing = Vec::new();
        for spec in specs {
            let Some(tensor) = self.get(&spec.name) else {
                missing.push(spec.name.clone());
                continue;
            };
            extra.remove(spec.name.as_str());
            let scale = self.get(&format!("{}.scale", spec.name)).map(Tensor::shape);
            for companion in companions(spec, tensor, scale, dtype)? {
                let name = format!("{}.{}", spec.name, companion.suffix);
                match self.get(&name) {
                    Some(found) => companion.check(&name, found)?,
                    None if companion.optional => {}
                    None => missing.push(name.clone()),
                }
                extra.remove(name.as_str());
            }
        }
        if missing.is_empty() && extra.is_empty() {
            return self.check_claim(dtype);
        }
        missing.truncate(MAX_NAMES);
        let extra = extra.into_iter().take(MAX_NAMES).map(str::to_owned).collect();
        Err(Error::BundleTensors { missing, extra })
    }
}

impl Tensors {
    /// Of the types only q4 allows another beside it, and then not alone.
    fn check_claim(&self, dtype: Dtype) -> Result<()> {
        let is_q4 = |(_, tensor): (&String, &Tensor)| matches!(tensor.data, U8(_));
        match dtype == Dtype::Q4 && !self.iter().any(is_q4) {
            true => Err(Error::BundleManifest {
                field: "dtype".to_owned(),
                reason: "is q4, and no matrix is stored so".to_owned(),
            }),
            false => Ok(()),
        }
    }
}

/// A tensor that belongs to a quantized matrix.
struct Companion {
    suffix: &'static str,
    shape: Vec<usize>,
    half: bool,
    optional: bool,
    /// Whether a value that is not positive, or is too small for f32's full precision, is an error.
    positive: bool,
}

impl Companion {
    fn check(&self, name: &str, tensor: &Tensor) -> Result<()> {
        expect_shape(name, &self.shape, &tensor.shape)?;
        match (&tensor.data, self.half) {
            (F16(_), true) => Ok(()),
            (F32(values), false) if !self.positive || values.iter().all(is_factor) => Ok(()),
            (F32(_), false) => {
                Err(invalid(name, "holds a value that is zero, negative or subnormal"))
            }
            (other, _) => Err(invalid(name, &format!("has type {}", other.name()))),
        }
    }
}

/// Whether something can be divided by it.
fn is_factor(value: &f32) -> bool {
    value.is_normal() && value.is_sign_positive()
}

/// Checks a tensor and says what must stand beside it, where `scale` is the shape of the scales that do.
fn companions(
    spec: &TensorSpec,
    tensor: &Tensor,
    scale: Option<&[usize]>,
    dtype: Dtype,
) -> Result<Vec<Companion>> {
    let stored = match (&tensor.data, spec.kind) {
        (F32(_), TensorKind::Plain) => Some(Dtype::F32),
        (F16(_), TensorKind::Half) => Some(Dtype::F16),
        (F32(_), TensorKind::Half) => Some(Dtype::F32),
        (_, TensorKind::Plain | TensorKind::Half) => None,
        (F32(_), _) => Some(Dtype::F32),
        (F16(_), _) => Some(Dtype::F16),
        (I8(_), _) => Some(Dtype::Q8),
        (U8(_), _) => Some(Dtype::Q4),
    };
    let stored = stored.filter(|&stored| {
        matches!(spec.kind, TensorKind::Plain | TensorKind::Half)
            || stored == dtype
            || (stored, dtype) == (Dtype::Q8, Dtype::Q4)
    });
    let stored = stored.ok_or_else(|| {
        let reason = format!("has type {} in a bundle of {}", tensor.dtype(), dtype.name());
        invalid(&spec.name, &reason)
    })?;
    match stored {
        Dtype::Q4 => {
            let shape = [spec.shape[0], spec.shape[1].div_ceil(2)];
            expect_shape(&spec.name, &shape, &tensor.shape)?;
        }
        Dtype::F32 | Dtype::F16 | Dtype::Q8 => {
            expect_shape(&spec.name, &spec.shape, &tensor.shape)?;
        }
    }
    check_codes(spec, tensor)?;
    Ok(match stored {
        Dtype::F32 | Dtype::F16 => Vec::new(),
        Dtype::Q8 | Dtype::Q4 => quantized(spec, stored, scale),
    })
}

/// `scale` is the shape of the scales that are there.
fn quantized(spec: &TensorSpec, stored: Dtype, scale: Option<&[usize]>) -> Vec<Companion> {
    let (rows, columns) = (spec.shape[0], spec.shape[1]);
    let several = spec.kind == TensorKind::Product && columns > Q8_BLOCK;
    let (shape, half) = match stored {
        Dtype::Q4 => (vec![rows, columns.div_ceil(Q4_BLOCK)], true),
        _ if several && scale != Some(&[rows]) => (vec![rows, columns.div_ceil(Q8_BLOCK)], true),
        _ => (vec![rows], false),
    };
    let mut companions =
        vec![Companion { suffix: "scale", shape, half, optional: false, positive: !half }];
    if spec.kind == TensorKind::Product {
        companions.push(Companion {
            suffix: "equalizer",
            shape: vec![columns],
            half: false,
            optional: true,
            positive: true,
        });
    }
    companions
}

/// Codes out of range would overflow the sums of a product, and one behind a row's last would count in some.
fn check_codes(spec: &TensorSpec, tensor: &Tensor) -> Result<()> {
    let codes = match &tensor.data {
        I8(codes) => codes,
        U8(bytes) if !spec.shape[1].is_multiple_of(2) => {
            let mut last = bytes.chunks_exact(tensor.shape[1]).map(|row| row[row.len() - 1] >> 4);
            return match last.all(|code| code == NIBBLE_ZERO) {
                true => Ok(()),
                false => Err(invalid(&spec.name, "holds a code behind a row's last")),
            };
        }
        _ => return Ok(()),
    };
    let limit = match spec.kind {
        TensorKind::Product => PRODUCT_CODE,
        TensorKind::Table | TensorKind::Half | TensorKind::Plain => TABLE_CODE,
    };
    match codes.iter().all(|code| code.unsigned_abs() <= limit.unsigned_abs()) {
        true => Ok(()),
        false => Err(invalid(&spec.name, &format!("holds a code beyond ±{limit}"))),
    }
}

fn expect_shape(name: &str, expected: &[usize], found: &[usize]) -> Result<()> {
    match expected == found {
        true => Ok(()),
        false => Err(Error::TensorShape {
            name: name.to_owned(),
            expected: expected.to_vec(),
            found: found.to_vec(),
        }),
    }
}
