//! Where are tensors computed? The only place that knows which of Burn's devices were built.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

pub(crate) use burn::tensor::Device;
use burn::tensor::Tensor;

use crate::error::{Error, Result};

/// What the caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// WebGPU where it is there, computes what the CPU computes, and is faster; else the CPU.
    #[default]
    Auto,
    Cpu,
    /// WebGPU, or an error.
    WebGpu,
}

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    Cpu,
    WebGpu,
}

impl DeviceKind {
    /// The name that callers know: `cpu` or `webgpu`.
    pub fn name(self) -> &'static str {
        match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::WebGpu => "webgpu",
        }
    }
}

/// Most tokens of a batch on a GPU, unless one text has more: what is submitted at a time, so that no driver takes a long batch
/// for a hang (Windows resets a GPU after two seconds, a browser after ten).
pub(crate) const GPU_BATCH_TOKENS: usize = 1_024;
/// On the CPU more tokens do not make products faster, only larger, and each layer longer. One thread's batch fits its cache: what lies
/// between the products of a layer has six kilobytes a token in MiniLM.
const CPU_BATCH_TOKENS: usize = if cfg!(target_arch = "wasm32") { 256 } else { 512 };

/// Most tokens of a batch of several texts.
pub(crate) fn batch_tokens(device: &Device) -> usize {
    if *device == cpu() { CPU_BATCH_TOKENS } else { GPU_BATCH_TOKENS }
}

/// Burn's CPU device: wasm SIMD in the browser, the platform's own instructions natively.
pub(crate) fn cpu() -> Device {
    Device::flex()
}

/// Burn's WebGPU device. It is registered once and cannot be set up again, so all models of a process
/// (in the browser: of an instance) share it.
///
/// # Errors
/// [`Error::WebGpuUnavailable`].
#[cfg(feature = "gpu")]
pub(crate) async fn webgpu() -> Result<Device> {
    static DEVICE: std::sync::OnceLock<Device> = std::sync::OnceLock::new();
    if let Some(device) = DEVICE.get() {
        return Ok(device.clone());
    }
    let device = Device::wgpu_options()
        // A batch of twelve layers is submitted at once.
        .tasks_max(128)
        .init_async()
        .await
        .map_err(|error| Error::WebGpuUnavailable { reason: error.to_string() })?;
    Ok(DEVICE.get_or_init(|| device).clone())
}

#[cfg(not(feature = "gpu"))]
pub(crate) async fn webgpu() -> Result<Device> {
    Err(Error::WebGpuUnavailable { reason: "this build leaves it out".to_owned() })
}

/// Reads a tensor back, row-major. The asynchronous call is the only one that works in a browser.
///
/// # Errors
/// [`Error::DeviceLost`].
pub(crate) async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let lost = |reason: String| Error::DeviceLost { reason };
    let data = tensor.into_data_async().await.map_err(|error| lost(format!("{error:?}")))?;
    data.try_into_vec::<f32>().map_err(|error| lost(format!("{error:?}")))
}

/// A tensor that is on its way back. The device has been asked for it, and what it is asked after that does not hold it up.
pub(crate) enum Reading {
    Ready(Result<Vec<f32>>),
    Pending(Pin<Box<dyn Future<Output = Result<Vec<f32>>>>>),
}

impl Reading {
    /// Asks the device for a tensor.
    pub(crate) async fn begin<const D: usize>(tensor: Tensor<D>) -> Self {
        let mut reading = Box::pin(read(tensor));
        match poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
            Poll::Ready(values) => Reading::Ready(values),
            Poll::Pending => Reading::Pending(reading),
        }
    }

    /// Whether nothing is waited for.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Reading::Ready(_))
    }

    /// The values, row-major.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub(crate) async fn finish(self) -> Result<Vec<f32>> {
        match self {
            Reading::Ready(values) => values,
            Reading::Pending(reading) => reading.await,
        }
    }
}
