//! Queries and keys of a ragged batch, turned by their places in their texts.
//!
//! In a dispatch of its own: inside the attention each query would turn every key again.

use burn_wgpu::CubeTensor;
use cubecl::prelude::*;

use super::attention::text_of;
use super::{floats, grid, ints, matrix, width};

/// Invocations of a workgroup.
const GROUP: usize = 64;

/// `qkv` `[tokens, 3 · hidden]` with its queries and keys turned, in place where nothing else holds it; `table` `[positions,
/// width of a head]` has the cosines and then the sines of each place's angles, `starts` `[texts + 1]` is where each text's
/// tokens begin, and their end.
pub(crate) fn rotate(qkv: CubeTensor, table: CubeTensor, starts: CubeTensor) -> CubeTensor {
    let qkv = if qkv.can_mut() { qkv } else { qkv.copy() };
    let ([tokens, triple], [_, size]) = (matrix(&qkv), matrix(&table));
    let (half, texts) = (size / 2, starts.meta.shape()[0] - 1);
    let heads = 2 * triple / 3 / size;
    assert_eq!(heads * size * 3, 2 * triple, "queries and keys are whole heads");
    let points = tokens * heads * half / width(half);
    if points > 0 {
        // SAFETY: the kernel keeps points within the shape; the caller has a place for each token of a text.
        unsafe {
            rotate_kernel::launch_unchecked(
                &qkv.client,
                grid(points.div_ceil(GROUP)),
                CubeDim::new_1d(GROUP as u32),
                width(half),
                floats(qkv.clone()),
                floats(table),
                ints(starts),
                points,
                texts,
                heads,
                half / width(half),
                triple / width(half),
            );
        }
    }
    qkv
}

/// An invocation turns a vector of points. `half` and `stride` count vectors.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn rotate_kernel<N: Size>(
    qkv: &mut [Vector<f32, N>],
    table: &[Vector<f32, N>],
    starts: &[i32],
    points: usize,
    texts: usize,
    heads: usize,
    half: usize,
    stride: usize,
) {
    let point = ((CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) * CUBE_DIM_X + UNIT_POS_X) as usize;
    if point >= points {
        terminate!();
    }
    let token = point / (heads * half);
    let head = point / half % heads;
    let i = point % half;
    let place = token - starts[text_of(starts, texts, token)] as usize;
    let (cosine, sine) = (table[place * 2 * half + i], table[place * 2 * half + half + i]);
    let start = token * stride + head * 2 * half + i;
    let (x, y) = (qkv[start], qkv[start + half]);
    qkv[start] = x * cosine - y * sine;
    qkv[start + half] = y * cosine + x * sine;
}
