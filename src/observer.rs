//! What a caller may watch, and stop, while a call runs. The library itself has no clock and no console.

use std::ops::ControlFlow;

/// A part of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Weights go to the device.
    Load,
    /// The device's numbers are compared with the CPU's.
    Check,
    Tokenize,
    Encode,
    Score,
    Explain,
    /// A checkpoint becomes a bundle.
    Convert,
}

impl Stage {
    /// Lower-case name, as callers in JavaScript get it.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Load => "load",
            Stage::Check => "check",
            Stage::Tokenize => "tokenize",
            Stage::Encode => "encode",
            Stage::Score => "score",
            Stage::Explain => "explain",
            Stage::Convert => "convert",
        }
    }
}

/// Told of each stage and batch.
pub trait Observer {
    /// A stage begins, and ends the one before.
    fn stage(&mut self, stage: Stage);

    /// `done` of `total` texts are encoded, or tensors and calibration texts converted. Break stops the call with [`crate::Error::Aborted`].
    ///
    /// Asynchronous so that a browser can take messages in between.
    fn batch_done(&mut self, done: usize, total: usize) -> impl Future<Output = ControlFlow<()>>;

    /// Milliseconds since some fixed moment.
    fn now_ms(&self) -> f64;
}

/// Watches nothing and never stops. Its clock stands still.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn stage(&mut self, _: Stage) {}

    async fn batch_done(&mut self, _: usize, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn now_ms(&self) -> f64 {
        0.0
    }
}
