//! What a caller may watch, and stop, while a call runs. The library itself has no clock and no console.

use std::ops::ControlFlow;

use crate::error::{Error, Result};

/// A part of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Weights go to the device.
    Load,
    /// The device's numbers are compared with the CPU's.
    Check,
    /// The device's kernels are timed. What one of them does wrong is no fault of the device.
    Measure,
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
            Stage::Measure => "measure",
            Stage::Tokenize => "tokenize",
            Stage::Encode => "encode",
            Stage::Score => "score",
            Stage::Explain => "explain",
            Stage::Convert => "convert",
        }
    }
}

/// Told of each stage and batch. Break, from either of the asynchronous methods, stops the call with [`Error::Aborted`];
/// they are asynchronous so that a browser can take messages in between.
pub trait Observer {
    /// A stage begins, and ends the one before. Batch after batch passes through the stages, so that each comes again.
    fn stage(&mut self, stage: Stage);

    /// The stage of a ranking at this place begins, and ends the one before. What a model is asked once for several stages is part of
    /// the first of them.
    fn ranking(&mut self, _place: usize) {}

    /// `done` of `total` texts are ranked or encoded, or tensors converted.
    fn batch_done(&mut self, done: usize, total: usize) -> impl Future<Output = ControlFlow<()>>;

    /// A place where the call can stop: between the encoder's layers, between texts, between blocks of a weight.
    fn pause(&mut self) -> impl Future<Output = ControlFlow<()>> {
        std::future::ready(ControlFlow::Continue(()))
    }

    /// Milliseconds since some fixed moment.
    fn now_ms(&self) -> f64;
}

/// Tells the observer of a batch.
///
/// # Errors
/// [`Error::Aborted`].
pub(crate) async fn batch_done(
    observer: &mut impl Observer,
    done: usize,
    total: usize,
) -> Result<()> {
    go_on(observer.batch_done(done, total).await)
}

/// Lets the observer stop the call.
///
/// # Errors
/// [`Error::Aborted`].
pub(crate) async fn pause(observer: &mut impl Observer) -> Result<()> {
    go_on(observer.pause().await)
}

fn go_on(flow: ControlFlow<()>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Aborted),
    }
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
