//! A product's weight, packed for its device.

use burn::backend::Dispatch;
use burn::tensor::{Device, Int, Tensor};

use super::{Around, Codes, EncoderOps as _, Gate, cpu, integers, is_cpu, tensor};
use crate::model::quantize::{BLOCK, Matrix, Values};

/// `x·Wᵀ + b` with a weight `[out, in]` of any stored type.
pub struct Linear {
    weight: Weight,
    bias: Tensor<1>,
    on_cpu: bool,
}

enum Weight {
    F32(Box<Tensor<2>>),
    Quantized(Codes, Box<Quantized>),
}

struct Quantized {
    equalizer: Tensor<1>,
    codes: Tensor<2, Int>,
    scales: Tensor<2>,
    /// Each output's sum of weights, for the middle of the activations' range; empty on WebGPU.
    sums: Tensor<1>,
}

impl Linear {
    /// Packs a weight and its bias `[out]`, zero where there is none.
    ///
    /// # Panics
    /// If the bias is not as long as the weight has rows.
    pub fn new(matrix: Matrix, bias: Option<Vec<f32>>, device: &Device) -> Self {
        let outputs = matrix.rows;
        let bias = bias.unwrap_or_else(|| vec![0.0; outputs]);
        assert_eq!(bias.len(), outputs, "a bias for each output");
        let on_cpu = is_cpu(device);
        let weight = match on_cpu {
            true => Weight::on_cpu(matrix, device),
            false => Weight::on_gpu(matrix, device),
        };
        Self { weight, bias: vector(bias, device), on_cpu }
    }

    /// `[tokens, in]` → `[tokens, out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward_then(x, Gate::NONE)
    }

    /// As [`Linear::forward`], and the function or the gate of it, which leaves half as many values.
    pub fn forward_then(&self, x: Tensor<2>, then: impl Into<Gate>) -> Tensor<2> {
        self.run(x, Around { before: Gate::NONE, after: then.into() })
    }

    fn run(&self, x: Tensor<2>, around: Around) -> Tensor<2> {
        let (x, bias) = (x.into_dispatch(), self.bias.clone().into_dispatch());
        Tensor::from_dispatch(match &self.weight {
            Weight::F32(weight) => {
                Dispatch::linear_f32(x, (**weight).clone().into_dispatch(), bias, around)
            }
            Weight::Quantized(stored, parts) => Dispatch::linear_quantized(
                x,
                parts.equalizer.clone().into_dispatch(),
                parts.codes.clone().into_dispatch(),
                parts.scales.clone().into_dispatch(),
                parts.sums.clone().into_dispatch(),
                bias,
                (*stored, around),
            ),
        })
    }
}

/// `down(between(up(x)))`: the function is computed where it costs least, with the quantization that follows it on the CPU, in
/// the first product on WebGPU.
pub fn feed_forward(
    x: Tensor<2>,
    up: &Linear,
    between: impl Into<Gate>,
    down: &Linear,
) -> Tensor<2> {
    let between = between.into();
    match up.on_cpu {
        true => down.run(up.forward(x), Around { before: between, after: Gate::NONE }),
        false => down.forward(up.forward_then(x, between)),
    }
}

impl Weight {
    fn f32(weight: Tensor<2>) -> Self {
        Weight::F32(Box::new(weight))
    }

    fn quantized(codes: Codes, parts: Quantized) -> Self {
        Weight::Quantized(codes, Box::new(parts))
    }

    fn on_cpu(matrix: Matrix, device: &Device) -> Self {
        let Matrix { columns, values, equalizer, .. } = matrix;
        let equalizer = vector(equalizer.unwrap_or_else(|| vec![1.0; columns]), device);
        match values {
            Values::F32(values) => Weight::f32(row(cpu::pack_f32(&values, columns), device)),
            Values::F16(values) => {
                let values: Vec<f32> = values.into_iter().map(|value| value.to_f32()).collect();
                Weight::f32(row(cpu::pack_f32(&values, columns), device))
            }
            Values::Q8 { codes, scales } => {
                let sum = |row: &[i8]| row.iter().map(|&code| i32::from(code)).sum::<i32>() as f32;
                let sums = codes.chunks_exact(columns).map(sum).collect();
                Weight::quantized(
                    Codes::Q8,
                    Quantized {
                        equalizer,
                        codes: words(cpu::pack_q8(&codes, columns), device),
                        scales: row(scales, device),
                        sums: vector(sums, device),
                    },
                )
            }
            Values::Q4 { nibbles, scales } => {
                let scales: Vec<f32> = scales.into_iter().map(|scale| scale.to_f32()).collect();
                let sums = cpu::row_sums(&nibbles, &scales, columns);
                Weight::quantized(
                    Codes::Q4,
                    Quantized {
                        equalizer,
                        codes: words(cpu::pack_q4(&nibbles, columns), device),
                        scales: row(cpu::pack_scales(&scales, columns), device),
                        sums: vector(sums, device),
                    },
                )
            }
        }
    }

    /// Columns side by side, so that neighbouring invocations read neighbouring words: f32 `[in, out]`, q8 `[in / 4,
    /// out]` words of four codes, q4 `[in / 8, out]` words of eight, first in the lowest bits; q4 scales `[in / 32, out]`.
    /// Behind the last input a word has any code: its input is zero.
    fn on_gpu(matrix: Matrix, device: &Device) -> Self {
        let Matrix { rows, columns, values, equalizer } = matrix;
        let equalizer = vector(equalizer.unwrap_or_else(|| vec![1.0; columns]), device);
        let sums = || vector(vec![0.0], device);
        match values {
            Values::F32(values) => {
                Weight::f32(tensor(transpose(&values, rows, columns), [columns, rows], device))
            }
            Values::F16(values) => {
                let values: Vec<f32> = values.into_iter().map(|value| value.to_f32()).collect();
                Weight::f32(tensor(transpose(&values, rows, columns), [columns, rows], device))
            }
            Values::Q8 { codes, scales } => Weight::quantized(
                Codes::Q8,
                Quantized {
                    equalizer,
                    codes: columns_of_words(&codes, rows, columns, device),
                    scales: row(scales, device),
                    sums: sums(),
                },
            ),
            Values::Q4 { nibbles, scales } => {
                let scales: Vec<f32> = scales.into_iter().map(|scale| scale.to_f32()).collect();
                let nibbles: Vec<i8> = nibbles.into_iter().map(|byte| byte as i8).collect();
                let blocks = columns.div_ceil(BLOCK);
                Weight::quantized(
                    Codes::Q4,
                    Quantized {
                        equalizer,
                        codes: columns_of_words(&nibbles, rows, columns.div_ceil(2), device),
                        scales: tensor(transpose(&scales, rows, blocks), [blocks, rows], device),
                        sums: sums(),
                    },
                )
            }
        }
    }
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
