//! Progress on stderr: a bar on a terminal, a line now and then elsewhere.

use std::fmt::Display;
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
    /// What is counted.
    unit: &'static str,
    start: Instant,
    last_line: Instant,
    end: Option<Instant>,
}

impl Progress {
    /// Begins a task over `total` texts.
    pub fn new(what: &'static str, total: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
                .expect("the template is well formed");
            ProgressBar::new(total as u64).with_style(style).with_message(what)
        });
        Self {
            bar,
            what,
            unit: "texts",
            start: Instant::now(),
            last_line: Instant::now(),
            end: None,
        }
    }

    /// The same of a task for which there is time until then, if it has an end.
    pub fn until(mut self, end: Option<Instant>) -> Self {
        self.end = end;
        self
    }

    /// The same of a task that counts something else.
    pub fn counting(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Begins a task over texts of which nobody knows how many there are; `bytes` of the input, if that is known.
    pub fn of_stream(what: &'static str, bytes: Option<u64>) -> Self {
        let mut progress = Self::new(what, 0);
        // A bar would stand among the records.
        progress.bar = progress.bar.take().filter(|_| !std::io::stdout().is_terminal());
        if let Some(bar) = &progress.bar {
            let template = match bytes {
                Some(_) => "{msg} {wide_bar} {percent} % {eta}",
                None => "{spinner} {msg}",
            };
            bar.set_style(ProgressStyle::with_template(template).expect("it is well formed"));
            bar.set_length(bytes.unwrap_or(0));
        }
        progress
    }

    /// `texts` are finished, for which `bytes` of the input were read.
    pub fn advance(&mut self, texts: u64, bytes: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{}: {texts} {}", self.what, self.unit));
                bar.set_position(bytes);
            }
            None => {
                let unit = self.unit;
                self.line(format_args!("{texts} {unit}"));
            }
        }
    }

    /// `done` of `total` are finished.
    pub fn update(&mut self, done: usize, total: usize) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            }
            None => self.line(format_args!("{done} of {total}")),
        }
    }

    fn line(&mut self, done: impl Display) {
        if self.last_line.elapsed() >= BETWEEN_LINES {
            say(format_args!("{}: {done}", self.what));
            self.last_line = Instant::now();
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

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }

    fn now_ms(&self) -> f64 {
        self.start.elapsed().as_secs_f64() * 1e3
    }
}
