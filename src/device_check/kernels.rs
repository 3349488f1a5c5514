//! With which kernels is a GPU checked, and used? A kernel that was the fastest before is checked as it is used. Else the plain one shows
//! that the GPU is right; then all are timed, and the fastest has to show that it is right too.

use super::{Canary, CheckReport, Checked, Checking};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::config::{ModelConfig, Product};
use crate::model::quantize::Dtype;
use crate::observer::{Observer, Stage};
pub use crate::ops::variants::Kernel;
use crate::ops::variants::{Trial, choose, fastest, name, names};

/// How products are computed on a GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuKernel {
    /// The kernel's name.
    pub variant: &'static str,
    /// What was timed, the fastest first; nothing where nothing had to be.
    pub trials: Vec<Trial>,
}

/// What kernels depend on.
pub(crate) struct Products<'a> {
    device: &'a Device,
    dtype: Dtype,
    /// Of the first layer, each `[outputs, inputs]`.
    layer: Vec<[usize; 2]>,
}

impl<'a> Products<'a> {
    pub(crate) fn new(device: &'a Device, dtype: Dtype, config: &ModelConfig) -> Self {
        let shape = |product: &Product| [product.rows * product.names.len(), product.columns];
        let products = config.encoder.products();
        let count = products.len() / config.encoder.layers();
        Self { device, dtype, layer: products.iter().take(count).map(shape).collect() }
    }

    /// Whether there is a kernel of this name, which then computes the products.
    fn choose(&self, variant: &str) -> bool {
        choose(self.device, self.dtype, variant)
    }

    fn kernel(&self, trials: Vec<Trial>) -> GpuKernel {
        GpuKernel { variant: name(self.dtype), trials }
    }
}

/// Checks a GPU with the kernel that is wanted.
///
/// # Errors
/// Those of [`Checking::run`].
pub(crate) async fn check_with<M: Checked>(
    wanted: &Kernel,
    products: &Products<'_>,
    checking: &Checking<'_, M>,
    observer: &mut impl Observer,
) -> Result<(CheckReport, Canary, GpuKernel)> {
    let plain = names(products.device, products.dtype)[0];
    let known = match wanted {
        Kernel::Named(variant) => products.choose(variant),
        Kernel::Plain => products.choose(plain),
        Kernel::Fastest => false,
    };
    if !known {
        products.choose(plain);
    }
    observer.stage(Stage::Check);
    let (report, canary) = checking.run(observer).await?;
    if known {
        return Ok((report, canary, products.kernel(Vec::new())));
    }
    observer.stage(Stage::Measure);
    let clock = || observer.now_ms();
    let trials = fastest(products.device, products.dtype, &products.layer, clock).await;
    observer.stage(Stage::Check);
    if name(products.dtype) == plain {
        return Ok((report, canary, products.kernel(trials)));
    }
    let (report, canary) = match checking.run(observer).await {
        Err(Error::DeviceRejected { .. }) => {
            products.choose(plain);
            (report, canary)
        }
        other => other?,
    };
    Ok((report, canary, products.kernel(trials)))
}
