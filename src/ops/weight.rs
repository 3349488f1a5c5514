//! How does a weight lie on its device?

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, ExtensionType};
use burn::tensor::{Device, Int, Tensor};
use half::f16;

use super::{cpu, integers, is_cpu, tensor};
use crate::model::quantize::{Matrix, Q4_BLOCK, Q8_BLOCK, Values};

/// A product's weight and bias, laid out for the device: see `on_cpu` and `on_gpu`.
#[derive(Clone, ExtensionType)]
pub(crate) struct PackedWeight<B: Backend> {
    #[extension_type]
    pub(crate) matrix: PackedMatrix<B>,
    /// `[out]`.
    pub(crate) bias: FloatTensor<B>,
}

/// By stored type; half floats are widened.
#[derive(Clone, ExtensionType)]
pub(crate) enum PackedMatrix<B: Backend> {
    F32(FloatTensor<B>),
    Q8(#[extension_type] Quantized<B>),
    Q4(#[extension_type] Quantized<B>),
}

#[derive(Clone, ExtensionType)]
pub(crate) struct Quantized<B: Backend> {
    /// What an input is multiplied by, `[in]`.
    pub(crate) equalizer: FloatTensor<B>,
    /// Words of several codes.
    pub(crate) codes: IntTensor<B>,
    pub(crate) scales: FloatTensor<B>,
    /// Less the sum of each block's codes, for what zero is as an activation; a single zero on WebGPU.
    pub(crate) sums: IntTensor<B>,
}

impl PackedWeight<Dispatch> {
    pub(super) fn new(matrix: Matrix, bias: Vec<f32>, device: &Device) -> Self {
        let matrix = match is_cpu(device) {
            true => PackedMatrix::on_cpu(matrix, device),
            false => PackedMatrix::on_gpu(matrix, device),
        };
        Self { matrix, bias: vector(bias, device).into_dispatch() }
    }
}

impl PackedMatrix<Dispatch> {
    /// In panels, see `cpu`.
    fn on_cpu(matrix: Matrix, device: &Device) -> Self {
        let Matrix { rows, columns, values, equalizer } = matrix;
        let equalizer = equalizer.unwrap_or_else(|| vec![1.0; columns]);
        match values {
            Values::F32(values) => Self::f32(row(cpu::pack_f32(&values, columns), device)),
            Values::F16(values) => Self::f32(row(cpu::pack_f32(&widened(values), columns), device)),
            Values::Q8 { codes, scales } => {
                let blocks = columns.div_ceil(Q8_BLOCK);
                let scales = row(cpu::pack_factors(&spread(scales, rows, blocks), blocks), device);
                let sums = cpu::pack_factors(&cpu::sums_q8(&codes, columns), blocks);
                let codes = words(cpu::pack_q8(&codes, columns), device);
                Self::Q8(Quantized::new(equalizer, codes, scales, sums))
            }
            Values::Q4 { nibbles, scales } => {
                let blocks = columns.div_ceil(Q4_BLOCK);
                let scales = row(cpu::pack_factors(&widened(scales), blocks), device);
                let sums = cpu::pack_factors(&cpu::sums_q4(&nibbles, columns), blocks);
                let codes = words(cpu::pack_q4(&nibbles, columns), device);
                Self::Q4(Quantized::new(equalizer, codes, scales, sums))
            }
        }
    }

    /// Columns side by side, so that neighbouring invocations read neighbouring words: f32 `[in, out]`, q8 `[in / 4,
    /// out]` words of four codes, q4 `[in / 8, out]` words of eight, first in the lowest bits; scales `[in / 64, out]` and `[in / 32,
    /// out]`.
    /// Behind the last input a word has any code: its input is zero.
    fn on_gpu(matrix: Matrix, device: &Device) -> Self {
        let Matrix { rows, columns, values, equalizer } = matrix;
        let equalizer = equalizer.unwrap_or_else(|| vec![1.0; columns]);
        let transposed = |values: &[f32], columns: usize| {
            tensor(transpose(values, rows, columns), [columns, rows], device)
        };
        match values {
            Values::F32(values) => Self::f32(transposed(&values, columns)),
            Values::F16(values) => Self::f32(transposed(&widened(values), columns)),
            Values::Q8 { codes, scales } => {
                let blocks = columns.div_ceil(Q8_BLOCK);
                let codes = columns_of_words(&codes, rows, columns, device);
                let scales = transposed(&spread(scales, rows, blocks), blocks);
                Self::Q8(Quantized::new(equalizer, codes, scales, vec![0]))
            }
            Values::Q4 { nibbles, scales } => {
                let nibbles: Vec<i8> = nibbles.into_iter().map(|byte| byte as i8).collect();
                let codes = columns_of_words(&nibbles, rows, columns.div_ceil(2), device);
                let scales = transposed(&widened(scales), columns.div_ceil(Q4_BLOCK));
                Self::Q4(Quantized::new(equalizer, codes, scales, vec![0]))
            }
        }
    }

    fn f32(values: Tensor<2>) -> Self {
        Self::F32(values.into_dispatch())
    }
}

impl Quantized<Dispatch> {
    fn new(equalizer: Vec<f32>, codes: Tensor<2, Int>, scales: Tensor<2>, sums: Vec<i32>) -> Self {
        let (device, length) = (scales.device(), sums.len());
        Self {
            equalizer: vector(equalizer, &device).into_dispatch(),
            codes: codes.into_dispatch(),
            scales: scales.into_dispatch(),
            sums: integers(sums, [length], &device).into_dispatch(),
        }
    }
}

/// One scale a row for each of its blocks.
fn spread(scales: Vec<f32>, rows: usize, blocks: usize) -> Vec<f32> {
    match scales.len() == rows {
        true => scales.iter().flat_map(|&scale| std::iter::repeat_n(scale, blocks)).collect(),
        false => scales,
    }
}

fn widened(values: Vec<f16>) -> Vec<f32> {
    values.into_iter().map(f16::to_f32).collect()
}

fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let length = values.len();
    tensor(values, [length], device)
}

fn row(values: Vec<f32>, device: &Device) -> Tensor<2> {
    let length = values.len();
    tensor(values, [1, length], device)
}

/// Bytes as 32-bit words, in memory as they were.
fn words(mut bytes: Vec<u8>, device: &Device) -> Tensor<2, Int> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let words: Vec<i32> =
        bytes.as_chunks::<4>().0.iter().map(|&word| i32::from_ne_bytes(word)).collect();
    let length = words.len();
    integers(words, [1, length], device)
}

/// `[rows, width]` bytes → `[width / 4, rows]` words, little-endian, zero behind the last byte.
fn columns_of_words(bytes: &[i8], rows: usize, width: usize, device: &Device) -> Tensor<2, Int> {
    let byte = |row: usize, place: usize| match place < width {
        true => bytes[row * width + place] as u8,
        false => 0,
    };
    let count = width.div_ceil(4);
    let words = (0..count).flat_map(|word| (0..rows).map(move |row| (word, row)));
    let words = words
        .map(|(word, row)| i32::from_le_bytes(std::array::from_fn(|i| byte(row, 4 * word + i))))
        .collect();
    integers(words, [count, rows], device)
}

fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    for (row, line) in values.chunks_exact(columns).enumerate() {
        for (column, value) in line.iter().enumerate() {
            out[column * rows + row] = *value;
        }
    }
    out
}
