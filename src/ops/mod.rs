//! Which inner loops are ours, and how does each device run them?
//!
//! | operation | on the CPU | on WebGPU |
//! | --- | --- | --- |
//! | [`Linear`] | q8 and q4 by exact byte products, f32 by panels | weights widened inside the product, by the kernel that the adapter is fastest with: [`variants`] |
//! | [`feed_forward`] | some hidden values at a time become codes, and are nowhere else | the gate at the end of the first product |
//! | [`attention()`] | a tile of queries against the keys that one of them sees, turned when packed | turned in place, then online softmax |
//! | [`add_layer_norm`], [`sum_layer_norm`], [`layer_norm`], [`normalize`] | one pass a row | one dispatch |
//! | [`maxsim()`] | products of 8-bit codes say which rows may be nearest, f32 which is | a tile of products at a time, then its maximum |
//! | [`maxsim_coded`] | the same, codes as they are | the same kernel, codes widened in registers |
//!
//! What only models take that run on the CPU alone is made of Burn's own operations, which every device has: [`rms_norm()`], [`turn()`],
//! [`shared()`].
//!
//! Texts lie under each other without padding, `[tokens, width]`, so that no operation needs to know of a batch but
//! [`attention()`] and [`maxsim()`], which are told where each text begins. [`plain`] holds the definitions as loops; [`check`] holds the
//! fast versions against them.

mod attention;
pub mod check;
mod coded;
mod coded_rows;
mod codes;
mod cpu;
mod gate;
#[cfg(feature = "gpu")]
#[allow(unsafe_code)]
mod kernel;
mod linear;
mod maxsim;
pub mod plain;
pub mod profile;
mod rms_norm;
mod shared;
mod turn;
pub mod variants;
mod weight;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

pub use attention::{Attention, Bounds, Rope, attention};
use attention::{HeadOptions, Rotation};
pub use coded::{CodedBatch, maxsim_coded};
pub use coded_rows::{CodedRows, ResidualTables};
pub(crate) use codes::Coding;
use codes::PackedRows;
pub use codes::{DeviceTables, LONGEST_DOCUMENT};
pub use cpu::{CodedQuery, Nearest, forms};
pub use gate::Gate;
pub use linear::{Linear, feed_forward};
pub use maxsim::{BatchEmbeddings, maxsim, scores};
pub use rms_norm::rms_norm;
pub use shared::shared;
pub use turn::{Angles, Axis, Place, turn};
use weight::{PackedMatrix, PackedWeight, Quantized};

/// The operations by device. Shapes are those of the functions that call them.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"))]
pub(crate) trait EncoderOps: Backend {
    fn linear(
        x: FloatTensor<Self>,
        #[extension_type] weight: PackedWeight<Self>,
        then: Gate,
    ) -> FloatTensor<Self>;

    fn feed_forward(
        x: FloatTensor<Self>,
        #[extension_type] up: PackedWeight<Self>,
        between: Gate,
        #[extension_type] down: PackedWeight<Self>,
    ) -> FloatTensor<Self>;

    fn attention(
        qkv: FloatTensor<Self>,
        starts: IntTensor<Self>,
        masked: IntTensor<Self>,
        #[extension_type] rotation: Rotation<Self>,
        heads: HeadOptions,
    ) -> FloatTensor<Self>;

    fn add_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;

    fn sum_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;

    fn normalize(x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn maxsim(
        query: FloatTensor<Self>,
        query_dropped: IntTensor<Self>,
        documents: FloatTensor<Self>,
        starts: IntTensor<Self>,
        dropped: IntTensor<Self>,
        query_length: usize,
    ) -> FloatTensor<Self>;

    fn maxsim_coded(
        query: FloatTensor<Self>,
        query_dropped: IntTensor<Self>,
        #[extension_type] documents: PackedRows<Self>,
        starts: IntTensor<Self>,
        query_length: usize,
    ) -> FloatTensor<Self>;
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

/// `x + residual`, and [`layer_norm`] of it.
pub fn sum_layer_norm(
    x: Tensor<2>,
    residual: Tensor<2>,
    gamma: &Tensor<1>,
    beta: &Tensor<1>,
    epsilon: f32,
) -> (Tensor<2>, Tensor<2>) {
    let (sum, norm) = Dispatch::sum_layer_norm(
        x.into_dispatch(),
        residual.into_dispatch(),
        gamma.clone().into_dispatch(),
        beta.clone().into_dispatch(),
        epsilon,
    );
    (Tensor::from_dispatch(sum), Tensor::from_dispatch(norm))
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

/// Where texts of these `lengths` begin, with the end of the last, and 1 for each token that is not `wanted`.
fn ragged(lengths: &[usize], wanted: &[bool], device: &Device) -> (Tensor<1, Int>, Tensor<1, Int>) {
    let mut starts = vec![0i32];
    for &length in lengths {
        starts.push(starts[starts.len() - 1] + length as i32);
    }
    let unwanted = wanted.iter().map(|&wanted| i32::from(!wanted)).collect();
    let vector = |values: Vec<i32>| {
        let length = values.len();
        integers(values, [length], device)
    };
    (vector(starts), vector(unwanted))
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
