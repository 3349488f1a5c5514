//! Progress on stderr: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tabrank::{Observer, Stage};

use super::say;

const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Counts texts of one task.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    start: Instant,
    last_line: Instant,
}

impl Progress {
    /// Begins a task over `total` texts.
    pub fn new(what: &'static str, total: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
                .expect("the template is well formed");
            ProgressBar::new(total as u64).with_style(style).with_message(what)
        });
        Self { bar, what, start: Instant::now(), last_line: Instant::now() }
    }

    /// `done` of `total` are finished.
    pub fn update(&mut self, done: usize, total: usize) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            }
            None if self.last_line.elapsed() >= BETWEEN_LINES => {
                say(format_args!("{}: {done} of {total}", self.what));
                self.last_line = Instant::now();
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn stage(&mut self, _: Stage) {}

    async fn batch_done(&mut self, done: usize, total: usize) -> ControlFlow<()> {
        self.update(done, total);
        ControlFlow::Continue(())
    }

    fn now_ms(&self) -> f64 {
        self.start.elapsed().as_secs_f64() * 1e3
    }
}
