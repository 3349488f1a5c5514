//! Which kernel multiplies fastest on a GPU? Those that a device has are tried on the products of a model's layer; what was found once can
//! be chosen by its name.

use burn::tensor::{Device, Tensor};

use super::check::{Difference, any_matrix, check_variant, read};
#[cfg(feature = "gpu")]
pub(crate) use super::kernel::variant::{choose, name, names};
use super::{Linear, tensor};
use crate::model::quantize::Dtype;

/// Rows of a product that is timed: of a full batch.
const ROWS: usize = 1_024;
/// Milliseconds between two looks at the clock, as browsers' clocks are coarse, and the most layers between them.
const LOOK: f64 = 20.0;
const MOST_LAYERS: usize = 64;
/// Times a kernel is looked at, of which the shortest counts.
const LOOKS: usize = 3;
/// Milliseconds of a layer above which no other kernel is tried: so slow is an adapter in software.
const PATIENCE: f64 = 200.0;

/// Which kernel is to multiply on a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kernel {
    /// The one that every device runs.
    #[default]
    Plain,
    /// The one of this name, which was the fastest before; that has to be found out anew where the device has none of this name.
    Named(String),
    /// The fastest, which takes some tenths of a second to find out.
    Fastest,
}

/// How long a kernel takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub variant: &'static str,
    /// Milliseconds of a layer's products, of 1,024 tokens.
    pub ms: f64,
}

#[cfg(not(feature = "gpu"))]
mod none {
    use super::{Device, Dtype};

    /// Has all products of weights of this type computed by the kernel of this name; whether the device has it.
    pub(crate) fn choose(_: &Device, _: Dtype, _: &str) -> bool {
        false
    }

    /// Names of the kernels that a device has for weights of a type.
    pub(crate) fn names(_: &Device, _: Dtype) -> Vec<&'static str> {
        Vec::new()
    }

    /// The name of the kernel that computes products of weights of a type.
    pub(crate) fn name(_: Dtype) -> &'static str {
        ""
    }
}
#[cfg(not(feature = "gpu"))]
pub(crate) use none::{choose, name, names};

/// Times the kernels that compute what they should, on a layer's products, each of `[outputs, inputs]`, the fastest first, and chooses
/// it. One that a device cannot run is passed over.
pub(crate) async fn fastest(
    device: &Device,
    dtype: Dtype,
    layer: &[[usize; 2]],
    clock: impl Fn() -> f64,
) -> Vec<Trial> {
    let before = name(dtype);
    let layer: Vec<Timed> = layer.iter().map(|&shape| Timed::new(device, dtype, shape)).collect();
    let mut trials: Vec<Trial> = Vec::new();
    for (seed, variant) in names(device, dtype).into_iter().enumerate() {
        choose(device, dtype, variant);
        // Other numbers each time: what one kernel left behind must not pass for another's.
        let found = check_variant(device, dtype, seed as u64).await;
        if !found.is_ok_and(|found| found.iter().all(Difference::is_fine)) {
            continue;
        }
        if let Ok(ms) = time(&layer, &clock).await {
            trials.push(Trial { variant, ms });
        }
        if trials.iter().any(|trial| trial.ms > PATIENCE) {
            break;
        }
    }
    trials.sort_by(|a, b| a.ms.total_cmp(&b.ms));
    choose(device, dtype, trials.first().map_or(before, |trial| trial.variant));
    trials
}

/// A product to be timed.
struct Timed {
    weight: Linear,
    x: Tensor<2>,
}

impl Timed {
    fn new(device: &Device, dtype: Dtype, [outputs, inputs]: [usize; 2]) -> Self {
        let weight = Linear::new(any_matrix(dtype, [outputs, inputs]), None, device);
        Self { weight, x: tensor(vec![0.5; ROWS * inputs], [ROWS, inputs], device) }
    }
}

/// Milliseconds of the products, the least of a few looks.
async fn time(layer: &[Timed], clock: &impl Fn() -> f64) -> Result<f64, String> {
    let (mut least, mut looks, mut layers) = (f64::INFINITY, 0, 1);
    // The first time is the compiler's.
    multiply(layer, 1).await?;
    while looks < LOOKS {
        let start = clock();
        multiply(layer, layers).await?;
        let took = clock() - start;
        if took < LOOK && layers < MOST_LAYERS {
            layers *= 2;
            continue;
        }
        least = least.min(took / layers as f64);
        looks += 1;
        if least > PATIENCE {
            break;
        }
    }
    Ok(least)
}

/// Waits for the products, some times over.
async fn multiply(layer: &[Timed], times: usize) -> Result<(), String> {
    let products = (0..times).flat_map(|_| layer);
    let outputs = products.map(|Timed { weight, x }| weight.forward(x.clone()));
    let last = outputs.reduce(|_, next| next).expect("a layer multiplies");
    read(last.slice([0..1, 0..1])).await.map(drop)
}
