//! Where does the encoder's time go? The library has no clock: without one from the caller nothing is measured.

use std::cell::{Cell, RefCell};

/// What is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Products, without the quantization of their inputs.
    Products,
    Attention,
    /// LayerNorm and L2 normalisation, with residuals.
    Norms,
    /// Quantization of activations, with the pointwise function in front of it.
    Quantize,
}

/// Milliseconds of each part, in the order of [`Part`].
pub type Times = [f64; 4];

/// A clock in milliseconds.
pub type Clock = fn() -> f64;

thread_local! {
    static CLOCK: Cell<Option<Clock>> = const { Cell::new(None) };
    static TIMES: RefCell<Times> = const { RefCell::new([0.0; 4]) };
}

/// Begins to measure this thread's work on the CPU device, from zero.
pub fn start(clock: Clock) {
    TIMES.with(|times| *times.borrow_mut() = [0.0; 4]);
    CLOCK.set(Some(clock));
}

/// Ends measuring.
pub fn stop() -> Times {
    CLOCK.set(None);
    TIMES.with(|times| *times.borrow())
}

/// Does `work`, and adds its time to `part`.
pub(crate) fn time<T>(part: Part, work: impl FnOnce() -> T) -> T {
    let Some(clock) = CLOCK.get() else {
        return work();
    };
    let start = clock();
    let result = work();
    TIMES.with(|times| times.borrow_mut()[part as usize] += clock() - start);
    result
}
