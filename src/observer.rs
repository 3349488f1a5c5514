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
    /// the first of them. `left`: the documents that it ranks, by their places in the caller's list, in the order that they have by then.
    fn ranking(&mut self, _place: usize, _left: &[usize]) {}

    /// The last stage of a ranking has scored some documents, each at its place in the caller's list. `bound`: the most that such a score
    /// can be, as in [`crate::RerankOutput`].
    fn scored(&mut self, _scores: &[(usize, f32)], _bound: Option<f32>) {}

    /// Whether the time for a ranking is over: it answers with what it has scored so far. Asked wherever it can stop.
    fn is_over(&self) -> bool {
        false
    }

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

/// Stops what it watches, as an abort does, where the time is over.
pub(crate) struct InTime<'o, O> {
    observer: &'o mut O,
    is_over: bool,
}

impl<'o, O: Observer> InTime<'o, O> {
    pub(crate) fn new(observer: &'o mut O) -> Self {
        Self { observer, is_over: false }
    }

    /// What came of it; nothing where the time was over first.
    ///
    /// # Errors
    /// The result's own.
    pub(crate) fn had<T>(&self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Err(Error::Aborted) if self.is_over => Ok(None),
            result => result.map(Some),
        }
    }

    fn unless_over(&mut self, flow: ControlFlow<()>) -> ControlFlow<()> {
        self.is_over = flow.is_continue() && self.observer.is_over();
        if self.is_over { ControlFlow::Break(()) } else { flow }
    }
}

impl<O: Observer> Observer for InTime<'_, O> {
    fn stage(&mut self, stage: Stage) {
        self.observer.stage(stage);
    }

    fn scored(&mut self, scores: &[(usize, f32)], bound: Option<f32>) {
        self.observer.scored(scores, bound);
    }

    async fn batch_done(&mut self, done: usize, total: usize) -> ControlFlow<()> {
        let flow = self.observer.batch_done(done, total).await;
        self.unless_over(flow)
    }

    async fn pause(&mut self) -> ControlFlow<()> {
        let flow = self.observer.pause().await;
        self.unless_over(flow)
    }

    fn now_ms(&self) -> f64 {
        self.observer.now_ms()
    }
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
