//! Which inner loops are ours, and how does each device run them?
//!
//! | operation | on the CPU | on WebGPU |
//! | --- | --- | --- |
//! | [`Linear`] | q8 and q4 by exact byte products, f32 by panels | weights widened inside the product |
//! | [`attention`] | a tile of queries against all keys | online softmax |
//! | [`add_layer_norm`], [`layer_norm`], [`normalize`] | one pass a row | one dispatch |
//!
//! Texts lie under each other without padding, `[tokens, width]`, so that no operation needs to know of a batch but
//! [`attention`], which is told where each text begins. [`plain`] holds the definitions as loops; [`check`] holds the
//! fast versions against them.

pub mod check;
mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
mod linear;
pub mod plain;
pub mod profile;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

pub use linear::{Linear, feed_forward};

use cpu::Ragged;
use profile::Part;

/// A pointwise function, with PyTorch's definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pointwise {
    Identity,
    /// By the error function, not its tanh approximation.
    Gelu,
    Relu,
    Silu,
    Tanh,
    Sigmoid,
}

/// The operations by device. Shapes are those of the functions that call them.
///
/// Packed weights lie as `Linear` lays them out for the device. `before` is applied to a product's input, `after`
/// to its output; WebGPU takes `after` alone.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"))]
pub(crate) trait EncoderOps: Backend {
    fn linear_f32(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        before: Pointwise,
        after: Pointwise,
    ) -> FloatTensor<Self>;

    fn linear_q8(
        x: FloatTensor<Self>,
        equalizer: FloatTensor<Self>,
        codes: IntTensor<Self>,
        scales: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        before: Pointwise,
        after: Pointwise,
    ) -> FloatTensor<Self>;

    fn linear_q4(
        x: FloatTensor<Self>,
        equalizer: FloatTensor<Self>,
        codes: IntTensor<Self>,
        scales: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        before: Pointwise,
        after: Pointwise,
    ) -> FloatTensor<Self>;

    fn attention(
        qkv: FloatTensor<Self>,
        starts: IntTensor<Self>,
        masked: IntTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self>;

    fn add_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;

    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;

    fn normalize(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Where each text of a ragged batch begins, and which tokens are not attended to.
#[derive(Debug, Clone)]
pub struct Bounds {
    starts: Tensor<1, Int>,
    masked: Tensor<1, Int>,
}

impl Bounds {
    /// `lengths` of the texts, and for each token of all of them whether it may be attended to.
    pub fn new(lengths: &[usize], attended: &[bool], device: &Device) -> Self {
        let mut starts = vec![0i32];
        for &length in lengths {
            starts.push(starts[starts.len() - 1] + length as i32);
        }
        let masked = attended.iter().map(|&attended| i32::from(!attended)).collect();
        let vector = |values: Vec<i32>| {
            let length = values.len();
            integers(values, [length], device)
        };
        Self { starts: vector(starts), masked: vector(masked) }
    }
}

/// `softmax(Q·Kᵀ / √d) · V` in `heads` heads, within each text. `qkv` `[tokens, 3 · hidden]` holds query, key and value
/// side by side; answers `[tokens, hidden]`. A query that may attend to nothing gets zeros.
pub fn attention(qkv: Tensor<2>, bounds: &Bounds, heads: usize) -> Tensor<2> {
    let (starts, masked) = (bounds.starts.clone(), bounds.masked.clone());
    Tensor::from_dispatch(Dispatch::attention(
        qkv.into_dispatch(),
        starts.into_dispatch(),
        masked.into_dispatch(),
        heads,
    ))
}

/// `(s - mean) / sqrt(var + epsilon) · γ + β` of `s = x + residual` over each row, with the biased variance. Shapes
/// `[tokens, width]` and `[width]`.
pub fn add_layer_norm(
    x: Tensor<2>,
    residual: Tensor<2>,
    gamma: &Tensor<1>,
    beta: &Tensor<1>,
    epsilon: f32,
) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::add_layer_norm(
        x.into_dispatch(),
        residual.into_dispatch(),
        gamma.clone().into_dispatch(),
        beta.clone().into_dispatch(),
        epsilon,
    ))
}

/// As [`add_layer_norm`] without a residual.
pub fn layer_norm(x: Tensor<2>, gamma: &Tensor<1>, beta: &Tensor<1>, epsilon: f32) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::layer_norm(
        x.into_dispatch(),
        gamma.clone().into_dispatch(),
        beta.clone().into_dispatch(),
        epsilon,
    ))
}

/// `x / max(‖x‖₂, 1e-12)` a row, as `torch.nn.functional.normalize`.
pub fn normalize(x: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::normalize(x.into_dispatch()))
}

/// A tensor from row-major values.
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// 32-bit whole numbers; Burn's CPU device would else widen them.
fn integers<const D: usize>(
    values: Vec<i32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::I32))
}

/// Whether the device is Burn's CPU.
fn is_cpu(device: &Device) -> bool {
    *device == Device::flex()
}

impl EncoderOps for Flex {
    fn linear_f32(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        before: Pointwise,
        after: Pointwise,
    ) -> FloatTensor<Self> {
        let inputs = width(&x);
        let out = cpu::linear_f32(floats(&x), inputs, floats(&weight), floats(&bias), before);
        rows(cpu::apply(after, out), floats(&bias).len())
    }

    fn linear_q8(
        x: FloatTensor<Self>,
        equalizer: FloatTensor<Self>,
        codes: IntTensor<Self>,
        scales: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        before: Pointwise,
        after: Pointwise,
    ) -> FloatTensor<Self> {
        let parts = [floats(&scales), floats(&sums), floats(&bias)];
        let out = cpu::linear_q8(floats(&x), floats(&equalizer), codes.bytes(), parts, before);
        rows(cpu::apply(after, out), parts[2].len())
    }

    fn linear_q4(
        x: FloatTensor<Self>,
        equalizer: FloatTensor<Self>,
        codes: IntTensor<Self>,
        scales: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        before: Pointwise,
        after: Pointwise,
    ) -> FloatTensor<Self> {
        let parts = [floats(&scales), floats(&sums), floats(&bias)];
        let out = cpu::linear_q4(floats(&x), floats(&equalizer), codes.bytes(), parts, before);
        rows(cpu::apply(after, out), parts[2].len())
    }

    fn attention(
        qkv: FloatTensor<Self>,
        starts: IntTensor<Self>,
        masked: IntTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        let texts = Ragged { starts: starts.storage(), masked: masked.storage() };
        let out = profile::time(Part::Attention, || cpu::attention(floats(&qkv), texts, heads));
        rows(out, width(&qkv) / 3)
    }

    fn add_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let (gamma, beta) = (floats(&gamma), floats(&beta));
        let out = profile::time(Part::Norms, || {
            cpu::add_layer_norm(floats(&x), floats(&residual), gamma, beta, epsilon)
        });
        rows(out, gamma.len())
    }

    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let (gamma, beta) = (floats(&gamma), floats(&beta));
        let out = profile::time(Part::Norms, || {
            cpu::layer_norm(floats(&x).to_vec(), gamma, beta, epsilon)
        });
        rows(out, gamma.len())
    }

    fn normalize(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let width = width(&x);
        rows(profile::time(Part::Norms, || cpu::normalize(floats(&x).to_vec(), width)), width)
    }
}

type FlexTensor = FloatTensor<Flex>;

fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("all tensors of these operations are made whole and in f32")
}

/// Length of the last axis.
fn width(tensor: &FlexTensor) -> usize {
    let shape = tensor.layout().shape();
    shape[shape.num_dims() - 1]
}

fn rows(values: Vec<f32>, width: usize) -> FlexTensor {
    let shape = [values.len() / width, width];
    FlexTensor::from_data(TensorData::new(values, shape))
}

#[cfg(feature = "gpu")]
impl EncoderOps for burn::backend::wgpu::CubeBackend {
    fn linear_f32(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        before: Pointwise,
        after: Pointwise,
    ) -> FloatTensor<Self> {
        assert_eq!(before, Pointwise::Identity, "functions follow products on WebGPU");
        kernel::linear_f32(x, weight, bias, after)
    }

    fn linear_q8(
        x: FloatTensor<Self>,
        equalizer: FloatTensor<Self>,
        codes: IntTensor<Self>,
        scales: FloatTensor<Self>,
        _sums: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        before: Pointwise,
        after: Pointwise,
    ) -> FloatTensor<Self> {
        assert_eq!(before, Pointwise::Identity, "functions follow products on WebGPU");
        kernel::linear_q8(x, equalizer, codes, scales, bias, after)
    }

    fn linear_q4(
        x: FloatTensor<Self>,
        equalizer: FloatTensor<Self>,
        codes: IntTensor<Self>,
        scales: FloatTensor<Self>,
        _sums: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        before: Pointwise,
        after: Pointwise,
    ) -> FloatTensor<Self> {
        assert_eq!(before, Pointwise::Identity, "functions follow products on WebGPU");
        kernel::linear_q4(x, equalizer, codes, scales, bias, after)
    }

    fn attention(
        qkv: FloatTensor<Self>,
        starts: IntTensor<Self>,
        masked: IntTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        kernel::attention(qkv, starts, masked, heads)
    }

    fn add_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        kernel::add_layer_norm(x, residual, gamma, beta, epsilon)
    }

    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        kernel::layer_norm(x, gamma, beta, epsilon)
    }

    fn normalize(x: FloatTensor<Self>) -> FloatTensor<Self> {
        kernel::normalize(x)
    }
}
