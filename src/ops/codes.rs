//! How do codes lie on their device?

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, ExtensionType};
use burn::tensor::{Device, Element, Int, Tensor, TensorData};

use bytemuck::{cast_slice, cast_slice_mut};

use super::{CodedRows, ResidualTables, integers, is_cpu, tensor};

/// Most bytes of a part's codes: half of what every WebGPU device binds.
const PART_BYTES: usize = 64 << 20;
/// Most rows of a part: few enough for a slow GPU to be done with them in a fraction of a second.
const PART_ROWS: usize = 1 << 18;

/// Numbers that a document's embeddings may have: in any codec its codes are within what every WebGPU device binds.
pub const LONGEST_DOCUMENT: usize = 1 << 24;

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

    /// Bytes of a row as it came, without its scale or code.
    fn bytes(self, dimension: usize) -> usize {
        let size = match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Int8 | Self::Binary | Self::Residual { .. } => 1,
        };
        size * self.width(dimension)
    }

    /// 32-bit words of a row on WebGPU: see `kernel/codes.rs`.
    pub(super) fn words(self, dimension: usize) -> usize {
        match self {
            Self::F32 => dimension,
            Self::F16 => 2 * dimension.div_ceil(4),
            Self::Int8 | Self::Residual { .. } => 1 + self.width(dimension).div_ceil(4),
            Self::Binary => self.width(dimension).div_ceil(4),
        }
    }

    /// Rows that a dispatch takes at most.
    pub(super) fn part_rows(self, dimension: usize) -> usize {
        (PART_BYTES / (4 * self.words(dimension))).clamp(1, PART_ROWS)
    }

    /// Bits of a bucket, of residual codes.
    pub(super) fn nbits(self) -> usize {
        match self {
            Self::Residual { nbits } => nbits,
            _ => unreachable!("other codes have no buckets"),
        }
    }

    /// How many patterns of bits have their weights looked up: those of half a byte or of a byte.
    pub(super) fn patterns(self) -> usize {
        if self.nbits() == 1 { 16 } else { 256 }
    }
}

/// A residual codec's centroids and weights, on their device.
#[derive(Clone)]
pub struct DeviceTables {
    nbits: usize,
    /// How many centroids there are.
    count: usize,
    placed: PlacedTables,
}

#[derive(Clone)]
enum PlacedTables {
    /// `[centroids · dimension]` and `[2^nbits]`.
    OnCpu(Box<[Tensor<1>; 2]>),
    /// `[patterns + centroids · ⌈dimension / 4⌉, 4]`: see `kernel/codes.rs`.
    OnGpu(Box<Tensor<2>>),
}

impl DeviceTables {
    /// Puts them there.
    ///
    /// # Panics
    /// If the tables are not of the sizes that [`ResidualTables`] states.
    pub fn new(tables: ResidualTables<'_>, device: &Device) -> Self {
        let ResidualTables { dimension, nbits, centroids, weights } = tables;
        assert_eq!(weights.len(), 1 << nbits, "a weight for each bucket");
        assert_eq!(centroids.len() % dimension, 0, "whole centroids");
        let placed = match is_cpu(device) {
            true => {
                PlacedTables::OnCpu(Box::new([centroids, weights].map(|of| vector(of, device))))
            }
            false => {
                let mut rows = patterns(tables);
                centroids.chunks_exact(dimension).for_each(|centroid| {
                    rows.extend_from_slice(centroid);
                    rows.resize(rows.len().next_multiple_of(4), 0.0);
                });
                let count = rows.len() / 4;
                PlacedTables::OnGpu(Box::new(tensor(rows, [count, 4], device)))
            }
        };
        Self { nbits, count: centroids.len() / dimension, placed }
    }
}

/// The weights of the buckets in each pattern of bits, four values a pattern, zero where it has fewer.
fn patterns(tables: ResidualTables<'_>) -> Vec<f32> {
    let coding = Coding::Residual { nbits: tables.nbits };
    let (patterns, values) = (coding.patterns(), 8 / tables.nbits);
    let value = |pattern: usize, place: usize| match place < values {
        // The half of a byte is looked up as the upper one.
        true => tables.weights[tables.bucket(&[(pattern * 256 / patterns) as u8], place)],
        false => 0.0,
    };
    (0..patterns).flat_map(|pattern| (0..4).map(move |place| value(pattern, place))).collect()
}

/// Rows of one coding: on the CPU as they came, on WebGPU in words.
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
    /// `[rows, words of a row]`, and the tables of residual codes.
    Words {
        words: IntTensor<B>,
        coding: Coding,
        tables: FloatTensor<B>,
    },
}

impl PackedRows<Dispatch> {
    /// # Panics
    /// If a code has no centroid, or the tables are another device's.
    pub(super) fn new(
        rows: CodedRows<'_>,
        dimension: usize,
        tables: Option<&DeviceTables>,
        device: &Device,
    ) -> Self {
        if let (CodedRows::Residual { codes, .. }, Some(tables)) = (rows, tables) {
            let known = |&code: &u32| (code as usize) < tables.count;
            assert!(codes.iter().all(known), "a code has its centroid");
        }
        match is_cpu(device) {
            true => Self::on_cpu(rows, tables, device),
            false => Self::on_gpu(rows, dimension, tables, device),
        }
    }

    fn on_cpu(rows: CodedRows<'_>, tables: Option<&DeviceTables>, device: &Device) -> Self {
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
                let PlacedTables::OnCpu(placed) = tables.placed.clone() else {
                    panic!("the tables are another device's");
                };
                let [centroids, weights] = *placed;
                Self::Residual {
                    codes: numbers(codes, device).into_dispatch(),
                    residuals: numbers(residuals, device).into_dispatch(),
                    centroids: centroids.into_dispatch(),
                    weights: weights.into_dispatch(),
                    nbits: tables.nbits,
                }
            }
        }
    }

    fn on_gpu(
        rows: CodedRows<'_>,
        dimension: usize,
        tables: Option<&DeviceTables>,
        device: &Device,
    ) -> Self {
        let coding = Coding::new(rows, tables);
        let words = words(rows, coding, dimension);
        let shape = [words.len() / coding.words(dimension), coding.words(dimension)];
        let tables = match tables.map(|tables| &tables.placed) {
            Some(PlacedTables::OnGpu(tables)) => (**tables).clone(),
            Some(PlacedTables::OnCpu(_)) => panic!("the tables are another device's"),
            None => tensor(vec![0.0; 4], [1, 4], device),
        };
        Self::Words {
            words: integers(words, shape, device).into_dispatch(),
            coding,
            tables: tables.into_dispatch(),
        }
    }
}

/// Rows of whole words, each behind its scale or its centroid where it has one.
fn words(rows: CodedRows<'_>, coding: Coding, dimension: usize) -> Vec<i32> {
    let (bytes, headers): (&[u8], Option<&[u8]>) = match rows {
        CodedRows::F32(values) => (cast_slice(values), None),
        CodedRows::F16(bits) => (cast_slice(bits), None),
        CodedRows::Int8 { codes, scales } => (cast_slice(codes), Some(cast_slice(scales))),
        CodedRows::Binary(bytes) => (bytes, None),
        CodedRows::Residual { codes, residuals } => (residuals, Some(cast_slice(codes))),
    };
    let (width, words) = (coding.bytes(dimension), coding.words(dimension));
    let mut out = vec![0i32; bytes.len() / width * words];
    let head = if headers.is_some() { 4 } else { 0 };
    let each = cast_slice_mut::<_, u8>(&mut out).chunks_exact_mut(4 * words);
    for (row, (out, bytes)) in each.zip(bytes.chunks_exact(width)).enumerate() {
        if let Some(headers) = headers {
            out[..4].copy_from_slice(&headers[4 * row..4 * row + 4]);
        }
        out[head..head + width].copy_from_slice(bytes);
    }
    out
}

fn vector(values: &[f32], device: &Device) -> Tensor<1> {
    tensor(values.to_vec(), [values.len()], device)
}

/// Whole numbers as they are.
fn numbers<E: Element>(values: &[E], device: &Device) -> Tensor<1, Int> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (device, E::dtype()))
}
