//! Which kernels run on WebGPU? One file an operation, each one dispatch.
//!
//! Written in CubeCL's subset of Rust and compiled to WGSL at first use. Shapes are arguments, so that a kernel is
//! compiled once for a stored type, an activation or a head size, not once for a shape. Within the default limits of WebGPU, at most 256
//! invocations and 16 kilobytes of workgroup memory; half floats and subgroups only in variants of the products, which are measured
//! where an adapter has them.

mod activation;
mod attention;
mod codes;
mod cube;
mod finite;
mod four;
mod linear;
mod maxsim;
mod norm;
mod rope;

use burn::backend::DType;
use burn_wgpu::CubeTensor;
use cubecl::prelude::*;

pub(crate) use attention::attention;
pub(crate) use linear::{linear, variant};
pub(crate) use maxsim::{Documents, maxsim};
pub(crate) use norm::{add_layer_norm, layer_norm, normalize, sum_layer_norm};
pub(crate) use rope::rotate;

/// Most workgroups that WebGPU grants in one dimension.
const MAX_WORKGROUPS: usize = 65_535;

/// Vectors of four where rows divide into them, else scalars.
fn width(row: usize) -> usize {
    if row.is_multiple_of(4) { 4 } else { 1 }
}

/// The shape of a matrix.
fn matrix(tensor: &CubeTensor) -> [usize; 2] {
    let shape = tensor.meta.shape();
    assert_eq!(shape.num_dims(), 2, "a matrix is wanted: {tensor:?}");
    [shape[0], shape[1]]
}

/// A tensor as a kernel's argument: its plain buffer.
fn buffer(tensor: CubeTensor, dtype: DType) -> BufferArg {
    assert_eq!(tensor.dtype, dtype, "another type is wanted: {tensor:?}");
    assert!(tensor.is_contiguous(), "a kernel reads whole rows: {tensor:?}");
    tensor.into_buffer_arg()
}

fn floats(tensor: CubeTensor) -> BufferArg {
    buffer(tensor, DType::F32)
}

fn ints(tensor: CubeTensor) -> BufferArg {
    buffer(tensor, DType::I32)
}

/// 32-bit words, whatever they mean.
fn words(tensor: CubeTensor) -> BufferArg {
    assert_eq!(tensor.dtype.size(), size_of::<u32>(), "words of 32 bits are wanted: {tensor:?}");
    let dtype = tensor.dtype;
    buffer(tensor, dtype)
}

/// Floats, not yet written, beside another tensor.
fn output<const D: usize>(beside: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    let handle = beside.client.empty(shape.iter().product::<usize>() * size_of::<f32>());
    let (client, device) = (beside.client.clone(), beside.device.clone());
    CubeTensor::new_contiguous(client, device, shape.into(), handle, DType::F32)
}

/// Workgroups in two dimensions where one has too few; kernels number them `y · grid.x + x`.
fn grid(workgroups: usize) -> CubeCount {
    let y = workgroups.div_ceil(MAX_WORKGROUPS).max(1);
    let x = workgroups.div_ceil(y);
    CubeCount::Static(x as u32, y as u32, 1)
}
