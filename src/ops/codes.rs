//! How do codes lie on their device?

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, ExtensionType};
use burn::tensor::{Device, Element, Int, Tensor, TensorData};

use super::{CodedRows, ResidualTables, is_cpu, plain, tensor};

/// Most bytes of a part's codes: half of what every WebGPU device binds.
const PART_BYTES: usize = 64 << 20;
/// Most rows of a part: few enough for a slow GPU to be done with them in a fraction of a second.
const PART_ROWS: usize = 1 << 18;

/// How a row is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    F32,
    F16,
    Int8,
    Binary,
    Residual { nbits: usize },
}

impl Coding {
    /// # Panics
    /// If residual codes have no tables.
    pub(super) fn new(rows: CodedRows<'_>, tables: Option<&DeviceTables>) -> Self {
        match rows {
            CodedRows::F32(_) => Self::F32,
            CodedRows::F16(_) => Self::F16,
            CodedRows::Int8 { .. } => Self::Int8,
            CodedRows::Binary(_) => Self::Binary,
            CodedRows::Residual { .. } => {
                Self::Residual { nbits: tables.expect("residual codes have tables").nbits }
            }
        }
    }

    /// Numbers of a row as it came: values, codes or bytes.
    pub(super) fn width(self, dimension: usize) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Int8 => dimension,
            Self::Binary => dimension.div_ceil(8),
            Self::Residual { nbits } => dimension * nbits / 8,
        }
    }

    /// Rows that a dispatch takes at most.
    pub(super) fn part_rows(self, dimension: usize) -> usize {
        (PART_BYTES / (4 * dimension)).clamp(1, PART_ROWS)
    }
}

/// A residual codec's centroids and weights, on the device.
#[derive(Clone)]
pub struct DeviceTables {
    nbits: usize,
    /// How many centroids there are.
    count: usize,
    /// `[centroids, dimension]`.
    centroids: Tensor<2>,
    /// `[2^nbits]`.
    weights: Tensor<1>,
    /// Both in memory, of a device that takes decoded rows.
    plain: Option<(Vec<f32>, Vec<f32>)>,
}

impl DeviceTables {
    /// Puts them there.
    ///
    /// # Panics
    /// If the tables are not of the sizes that [`ResidualTables`] states.
    pub fn new(tables: ResidualTables<'_>, device: &Device) -> Self {
        let ResidualTables { dimension, nbits, centroids, weights } = tables;
        assert_eq!(weights.len(), 1 << nbits, "a weight for each bucket");
        let count = centroids.len() / dimension;
        Self {
            nbits,
            count,
            centroids: tensor(centroids.to_vec(), [count, dimension], device),
            weights: tensor(weights.to_vec(), [weights.len()], device),
            plain: (!is_cpu(device)).then(|| (centroids.to_vec(), weights.to_vec())),
        }
    }
}

/// Rows by their coding, as they came.
#[derive(Clone, ExtensionType)]
pub(crate) enum PackedRows<B: Backend> {
    F32(FloatTensor<B>),
    /// Bits of half floats.
    F16(IntTensor<B>),
    Int8 {
        codes: IntTensor<B>,
        scales: FloatTensor<B>,
    },
    Binary(IntTensor<B>),
    Residual {
        codes: IntTensor<B>,
        residuals: IntTensor<B>,
        centroids: FloatTensor<B>,
        weights: FloatTensor<B>,
        nbits: usize,
    },
}

impl PackedRows<Dispatch> {
    /// # Panics
    /// If a code has no centroid.
    pub(super) fn new(
        rows: CodedRows<'_>,
        dimension: usize,
        tables: Option<&DeviceTables>,
        device: &Device,
    ) -> Self {
        if !is_cpu(device) {
            return Self::decoded(rows, dimension, tables, device);
        }
        match rows {
            CodedRows::F32(values) => Self::F32(vector(values, device).into_dispatch()),
            CodedRows::F16(bits) => Self::F16(numbers(bits, device).into_dispatch()),
            CodedRows::Int8 { codes, scales } => Self::Int8 {
                codes: numbers(codes, device).into_dispatch(),
                scales: vector(scales, device).into_dispatch(),
            },
            CodedRows::Binary(bytes) => Self::Binary(numbers(bytes, device).into_dispatch()),
            CodedRows::Residual { codes, residuals } => {
                let tables = tables.expect("residual codes have tables");
                let known = |&code: &u32| (code as usize) < tables.count;
                assert!(codes.iter().all(known), "a code has its centroid");
                Self::Residual {
                    codes: numbers(codes, device).into_dispatch(),
                    residuals: numbers(residuals, device).into_dispatch(),
                    centroids: tables.centroids.clone().into_dispatch(),
                    weights: tables.weights.clone().into_dispatch(),
                    nbits: tables.nbits,
                }
            }
        }
    }

    fn decoded(
        rows: CodedRows<'_>,
        dimension: usize,
        tables: Option<&DeviceTables>,
        device: &Device,
    ) -> Self {
        let plain = tables.and_then(|tables| {
            let (centroids, weights) = tables.plain.as_ref()?;
            Some(ResidualTables { dimension, nbits: tables.nbits, centroids, weights })
        });
        let values = plain::decoded(rows, dimension, plain);
        let shape = [values.len() / dimension, dimension];
        Self::F32(tensor(values, shape, device).into_dispatch())
    }
}

fn vector(values: &[f32], device: &Device) -> Tensor<1> {
    tensor(values.to_vec(), [values.len()], device)
}

/// Whole numbers as they are.
fn numbers<E: Element>(values: &[E], device: &Device) -> Tensor<1, Int> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (device, E::dtype()))
}
