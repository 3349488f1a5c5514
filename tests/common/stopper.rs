//! An observer that notes and stops.

use std::ops::ControlFlow;

use tabrank::{Observer, Stage};

/// Notes what it is told, and stops at a batch or a pause.
pub struct Stopper {
    pub stages: Vec<Stage>,
    pub batches: usize,
    pub done: Vec<(usize, usize)>,
    pub pauses: usize,
    stop_at: (usize, usize),
}

impl Stopper {
    pub fn at_batch(batch: usize) -> Self {
        Self {
            stages: Vec::new(),
            batches: 0,
            done: Vec::new(),
            pauses: 0,
            stop_at: (batch, usize::MAX),
        }
    }

    pub fn at_pause(pause: usize) -> Self {
        Self { stop_at: (usize::MAX, pause), ..Self::at_batch(0) }
    }
}

impl Observer for Stopper {
    fn stage(&mut self, stage: Stage) {
        self.stages.push(stage);
    }

    async fn batch_done(&mut self, done: usize, total: usize) -> ControlFlow<()> {
        self.batches += 1;
        self.done.push((done, total));
        if self.batches < self.stop_at.0 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    async fn pause(&mut self) -> ControlFlow<()> {
        self.pauses += 1;
        if self.pauses < self.stop_at.1 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn now_ms(&self) -> f64 {
        0.0
    }
}
