//! Functions of whole rows: LayerNorm and the unit vectors that MaxSim compares.

use burn_wgpu::CubeTensor;
use cubecl::prelude::*;

use super::finite::{is_finite, or_nan};
use super::{floats, grid, matrix, output, width};

/// Invocations that share a row.
const LANES: usize = 16;
/// Rows of a workgroup.
const ROWS: usize = 4;

/// Norms below this one leave a vector shorter than 1 instead of dividing by nothing.
const SMALLEST_NORM: f32 = 1e-12;

/// LayerNorm of `x + residual`, both `[rows, size]`.
pub(crate) fn add_layer_norm(
    x: CubeTensor,
    residual: CubeTensor,
    gamma: CubeTensor,
    beta: CubeTensor,
    epsilon: f32,
) -> CubeTensor {
    assert_eq!(matrix(&x), matrix(&residual), "a sum is of equal shapes");
    launch_layer_norm(x, Some(residual), gamma, beta, epsilon)
}

/// `x + residual`, and LayerNorm of it.
pub(crate) fn sum_layer_norm(
    x: CubeTensor,
    residual: CubeTensor,
    gamma: CubeTensor,
    beta: CubeTensor,
    epsilon: f32,
) -> (CubeTensor, CubeTensor) {
    let [rows, size] = matrix(&x);
    assert_eq!(matrix(&residual), [rows, size], "a sum is of equal shapes");
    let (client, out) = (x.client.clone(), output(&x, [rows, size]));
    let sum = output(&x, [rows, size]);
    if rows * size > 0 {
        // SAFETY: as for `layer_norm_kernel`.
        unsafe {
            sum_layer_norm_kernel::launch_unchecked(
                &client,
                grid(rows.div_ceil(ROWS)),
                CubeDim::new_2d(LANES as u32, ROWS as u32),
                width(size),
                floats(x),
                floats(residual),
                floats(gamma),
                floats(beta),
                floats(sum.clone()),
                floats(out.clone()),
                rows,
                size / width(size),
                epsilon,
            );
        }
    }
    (sum, out)
}

/// `(x - mean) / sqrt(variance + epsilon) · gamma + beta` for each row of `x` `[rows, size]`, with the biased
/// variance.
pub(crate) fn layer_norm(
    x: CubeTensor,
    gamma: CubeTensor,
    beta: CubeTensor,
    epsilon: f32,
) -> CubeTensor {
    launch_layer_norm(x, None, gamma, beta, epsilon)
}

fn launch_layer_norm(
    x: CubeTensor,
    residual: Option<CubeTensor>,
    gamma: CubeTensor,
    beta: CubeTensor,
    epsilon: f32,
) -> CubeTensor {
    let [rows, size] = matrix(&x);
    let (client, out) = (x.client.clone(), output(&x, [rows, size]));
    if rows * size > 0 {
        let added = residual.is_some();
        // Without a residual the argument is there and is not read.
        let residual = residual.unwrap_or_else(|| x.clone());
        // SAFETY: the kernel keeps rows and columns within the shapes checked above.
        unsafe {
            layer_norm_kernel::launch_unchecked(
                &client,
                grid(rows.div_ceil(ROWS)),
                CubeDim::new_2d(LANES as u32, ROWS as u32),
                width(size),
                floats(x),
                floats(residual),
                floats(gamma),
                floats(beta),
                floats(out.clone()),
                rows,
                size / width(size),
                epsilon,
                added,
            );
        }
    }
    out
}

/// `x / max(‖x‖₂, 1e-12)` for each row of `x` `[rows, size]`.
pub(crate) fn normalize(x: CubeTensor) -> CubeTensor {
    let [rows, size] = matrix(&x);
    let (client, out) = (x.client.clone(), output(&x, [rows, size]));
    if rows * size > 0 {
        // SAFETY: the kernel keeps rows and columns within the shape.
        unsafe {
            normalize_kernel::launch_unchecked(
                &client,
                grid(rows.div_ceil(ROWS)),
                CubeDim::new_2d(LANES as u32, ROWS as u32),
                width(size),
                floats(x),
                floats(out.clone()),
                rows,
                size / width(size),
            );
        }
    }
    out
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn layer_norm_kernel<N: Size>(
    x: &[Vector<f32, N>],
    residual: &[Vector<f32, N>],
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    rows: usize,
    vectors: usize,
    epsilon: f32,
    #[comptime] added: bool,
) {
    let mut shared = Shared::<[f32]>::new_slice(LANES * ROWS);
    let row = row();
    // Every invocation must reach the barriers.
    let start = min(row, rows - 1) * vectors;
    let mean = mean::<N>(x, residual, start, vectors, added, &mut shared);
    sync_cube();
    let factor = factor::<N>(x, residual, start, vectors, mean, epsilon, added, &mut shared);
    if row < rows {
        let mut i = UNIT_POS_X as usize;
        while i < vectors {
            let value = value::<N>(x, residual, start + i, added);
            out[start + i] = normal::<N>(value, mean, factor) * gamma[i] + beta[i];
            i += LANES;
        }
    }
}

/// As [`layer_norm_kernel`], and writes the sum.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn sum_layer_norm_kernel<N: Size>(
    x: &[Vector<f32, N>],
    residual: &[Vector<f32, N>],
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    sum: &mut [Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    rows: usize,
    vectors: usize,
    epsilon: f32,
) {
    let mut shared = Shared::<[f32]>::new_slice(LANES * ROWS);
    let row = row();
    let start = min(row, rows - 1) * vectors;
    let mean = mean::<N>(x, residual, start, vectors, true, &mut shared);
    sync_cube();
    let factor = factor::<N>(x, residual, start, vectors, mean, epsilon, true, &mut shared);
    if row < rows {
        let mut i = UNIT_POS_X as usize;
        while i < vectors {
            let value = value::<N>(x, residual, start + i, true);
            sum[start + i] = value;
            out[start + i] = normal::<N>(value, mean, factor) * gamma[i] + beta[i];
            i += LANES;
        }
    }
}

#[cube(launch_unchecked)]
fn normalize_kernel<N: Size>(
    x: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    rows: usize,
    vectors: usize,
) {
    let mut shared = Shared::<[f32]>::new_slice(LANES * ROWS);
    let row = row();
    let start = min(row, rows - 1) * vectors;
    let mut squares = Vector::<f32, N>::new(0.0);
    let mut i = UNIT_POS_X as usize;
    while i < vectors {
        squares += x[start + i] * x[start + i];
        i += LANES;
    }
    let squares = row_sum::<N>(squares, &mut shared);
    let norm = or_nan(max(squares.sqrt(), SMALLEST_NORM), is_finite(squares));
    let norm = Vector::<f32, N>::new(norm);
    if row < rows {
        let mut i = UNIT_POS_X as usize;
        while i < vectors {
            out[start + i] = x[start + i] / norm;
            i += LANES;
        }
    }
}

/// This invocation's row.
#[cube]
fn row() -> usize {
    (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) as usize * ROWS + UNIT_POS_Y as usize
}

#[cube]
fn value<N: Size>(
    x: &[Vector<f32, N>],
    residual: &[Vector<f32, N>],
    position: usize,
    #[comptime] added: bool,
) -> Vector<f32, N> {
    if comptime!(added) { x[position] + residual[position] } else { x[position] }
}

/// A row's mean. One barrier.
#[cube]
fn mean<N: Size>(
    x: &[Vector<f32, N>],
    residual: &[Vector<f32, N>],
    start: usize,
    vectors: usize,
    #[comptime] added: bool,
    shared: &mut [f32],
) -> f32 {
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut i = UNIT_POS_X as usize;
    while i < vectors {
        sum += value::<N>(x, residual, start + i, added);
        i += LANES;
    }
    row_sum::<N>(sum, shared) / f32::cast_from(vectors * N::value())
}

/// One over the deviation from a row's mean. One barrier.
#[cube]
#[allow(clippy::too_many_arguments)]
fn factor<N: Size>(
    x: &[Vector<f32, N>],
    residual: &[Vector<f32, N>],
    start: usize,
    vectors: usize,
    mean: f32,
    epsilon: f32,
    #[comptime] added: bool,
    shared: &mut [f32],
) -> f32 {
    let mut squares = Vector::<f32, N>::new(0.0);
    let mut i = UNIT_POS_X as usize;
    while i < vectors {
        let centred = value::<N>(x, residual, start + i, added) - Vector::<f32, N>::new(mean);
        squares += centred * centred;
        i += LANES;
    }
    let variance = row_sum::<N>(squares, shared) / f32::cast_from(vectors * N::value());
    // One over infinity would make a number of any row.
    or_nan(1.0 / (variance + epsilon).sqrt(), is_finite(variance))
}

#[cube]
fn normal<N: Size>(value: Vector<f32, N>, mean: f32, factor: f32) -> Vector<f32, N> {
    (value - Vector::<f32, N>::new(mean)) * Vector::<f32, N>::new(factor)
}

/// The sum over a row's invocations, in each of them. One barrier: all read all.
#[cube]
fn row_sum<N: Size>(part: Vector<f32, N>, shared: &mut [f32]) -> f32 {
    let start = UNIT_POS_Y as usize * LANES;
    let mut own = 0.0f32;
    #[unroll]
    for i in 0..N::value() {
        own += part.extract(i);
    }
    shared[start + UNIT_POS_X as usize] = own;
    sync_cube();
    let mut sum = 0.0f32;
    #[unroll]
    for lane in 0..LANES {
        sum += shared[start + lane];
    }
    sum
}
