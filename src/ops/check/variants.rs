//! Does every kernel that a device has for products compute what they are?

use burn::tensor::Device;

use super::{Difference, Random, check_feed_forward, check_linear, q4, q8};
use crate::model::activation::Activation;
use crate::model::quantize::{Dtype, Matrix};
use crate::ops::Gate;
use crate::ops::variants::{choose, name, names};
use crate::random::SplitMix64;

/// Rows, inputs and outputs: of several workgroups and of one, of a part of a slab and of whole ones, and what tiles leave to the plain
/// kernel.
const PRODUCTS: [[usize; 3]; 4] = [[97, 136, 260], [65, 40, 132], [150, 384, 36], [33, 66, 64]];
/// Of half floats, which have 11 bits: of each product, and of each sum on the way to that of a slab.
const HALF_FLOATS: f64 = 4e-3;

/// Holds the chosen kernel for weights of a type against its definition.
///
/// # Errors
/// What the device says when its results cannot be read.
pub(crate) async fn check_variant(
    device: &Device,
    dtype: Dtype,
    seed: u64,
) -> Result<Vec<Difference>, String> {
    let mut random = Random(SplitMix64(seed));
    let mut found = Vec::new();
    for shape in PRODUCTS {
        let matrix = matrix(dtype, shape, &mut random);
        let mut difference = check_linear(device, shape[0], &matrix, &mut random).await?;
        let variant = name(dtype);
        difference.shape = format!("{}, {variant}", difference.shape);
        if variant.ends_with("f16") {
            difference.allowed = HALF_FLOATS;
        }
        found.push(difference);
    }
    Ok(found)
}

/// Every kernel of `device`.
pub(super) async fn check(device: &Device, random: &mut Random) -> Result<Vec<Difference>, String> {
    let mut found = Vec::new();
    for dtype in [Dtype::F32, Dtype::Q8, Dtype::Q4] {
        let before = name(dtype);
        for variant in names(device, dtype) {
            choose(device, dtype, variant);
            found.extend(check_variant(device, dtype, random.next()).await?);
            if dtype == Dtype::F32 {
                found.extend(check_gates(device, random).await?);
            }
        }
        choose(device, dtype, before);
    }
    Ok(found)
}

/// Both halves of a gate lie in one workgroup.
async fn check_gates(device: &Device, random: &mut Random) -> Result<Vec<Difference>, String> {
    let mut found = Vec::new();
    for (shape, gated) in PRODUCTS.into_iter().zip([true, false]) {
        let gate = Gate { function: Activation::Gelu, gated };
        found.push(check_feed_forward(device, shape, gate, random).await?);
    }
    Ok(found)
}

/// Of `[outputs, inputs]`, with numbers that are always the same.
pub(crate) fn any_matrix(dtype: Dtype, [outputs, inputs]: [usize; 2]) -> Matrix {
    matrix(dtype, [1, inputs, outputs], &mut Random(SplitMix64(1)))
}

fn matrix(dtype: Dtype, shape: [usize; 3], random: &mut Random) -> Matrix {
    let [_, columns, rows] = shape;
    match dtype {
        Dtype::F32 | Dtype::F16 => Matrix::f32(rows, columns, random.values(rows * columns)),
        Dtype::Q8 => q8(shape, random),
        Dtype::Q4 => q4(shape, random),
    }
}
