//! Which form of the byte product is the fastest here?
//!
//! All forms give the same integers. Where a platform has several, which one is faster depends on the processor, which says so only by
//! the time that it takes: see [`measure`]. In wasm code is slow until the engine has compiled it well, and clocks are coarse: a form
//! counts by its best of several samples, each of many products.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::ROWS;
use super::dot::{BlockTile, Code, FORMS, OUTPUTS, Panel, Range, block_tiles};
use super::panels::{Values, multiply};
use super::quantize::{Quantized, quantize};
use crate::model::quantize::{PRODUCT_CODE, Q8_BLOCK};
use crate::ops::Gate;
use crate::random::SplitMix64;

/// Inputs and panels of the product that is measured, which fits the cache.
const INPUTS: usize = 384;
const PANELS: usize = 8;
/// Samples of each form, and how long one takes at least, in milliseconds.
const SAMPLES: usize = 8;
const SAMPLE: f64 = 2.5;

/// The place in [`FORMS`] of the one that is used.
static FORM: AtomicUsize = AtomicUsize::new(0);

/// A form and what it reaches, in billions of multiplications and additions a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FormSpeed {
    /// The instruction that it is made of.
    pub form: &'static str,
    pub gops: f64,
}

/// The forms that this platform has.
pub fn forms() -> &'static [&'static str] {
    &FORMS
}

/// The form that is used.
pub fn form() -> &'static str {
    FORMS[FORM.load(Relaxed)]
}

/// Uses a form from now on; false if there is none of this name.
pub fn use_form(name: &str) -> bool {
    let place = FORMS.iter().position(|form| *form == name);
    place.inspect(|&place| FORM.store(place, Relaxed)).is_some()
}

/// The tile of the form that is used.
pub(super) fn tile(range: Range) -> BlockTile {
    block_tiles(FORM.load(Relaxed), range)
}

/// What each form reaches, by a clock in milliseconds: some 20 ms a form.
pub fn measure(clock: impl Fn() -> f64) -> Vec<FormSpeed> {
    let product = Product::new();
    let mut speeds: Vec<_> = FORMS.iter().map(|&form| FormSpeed { form, gops: 0.0 }).collect();
    for _ in 0..SAMPLES {
        for (place, speed) in speeds.iter_mut().enumerate() {
            let tile = block_tiles(place, Range::Q8);
            speed.gops = speed.gops.max(product.sample(tile, &clock));
        }
    }
    speeds
}

/// A product whose numbers look random.
struct Product {
    activations: Quantized,
    codes: Vec<Code>,
    scales: Vec<f32>,
    sums: Vec<i32>,
}

impl Product {
    fn new() -> Self {
        let mut random = SplitMix64(1);
        let mut below = |limit: u64| (random.next() % limit) as i16;
        let x: Vec<f32> =
            (0..ROWS * INPUTS).map(|_| f32::from(below(1_000)) / 500.0 - 1.0).collect();
        let span = 2 * PRODUCT_CODE as u64 + 1;
        let code = |value: i16| (value - i16::from(PRODUCT_CODE)) as Code;
        let codes = (0..PANELS * OUTPUTS * INPUTS).map(|_| code(below(span))).collect();
        let factors = PANELS * OUTPUTS * (INPUTS / Q8_BLOCK);
        Self {
            activations: quantize(&x, &[1.0; INPUTS], Gate::NONE, Q8_BLOCK),
            codes,
            scales: vec![0.01; factors],
            sums: vec![1; factors],
        }
    }

    /// Billions of operations a second.
    fn sample(&self, tile: BlockTile, clock: impl Fn() -> f64) -> f64 {
        let (start, mut operations) = (clock(), 0);
        loop {
            self.multiply(tile);
            operations += 2 * ROWS * INPUTS * PANELS * OUTPUTS;
            let time = clock() - start;
            if time >= SAMPLE {
                return operations as f64 / time / 1e6;
            }
        }
    }

    fn multiply(&self, tile: BlockTile) {
        let factors = OUTPUTS * self.activations.blocks;
        let mut values = Values::new();
        let parts = self.scales.chunks_exact(factors).zip(self.sums.chunks_exact(factors));
        for (codes, (scales, sums)) in self.codes.chunks_exact(INPUTS * OUTPUTS).zip(parts) {
            let panel = Panel { codes, scales, sums };
            multiply(&self.activations, panel, tile, &mut values, |_, values| {
                std::hint::black_box(values);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "it measures")]
    fn every_form_is_measured_and_can_be_used() {
        let ticks = Cell::new(0.0);
        let clock = || ticks.replace(ticks.get() + 1.0);
        let speeds = measure(clock);
        assert_eq!(speeds.iter().map(|speed| speed.form).collect::<Vec<_>>(), forms());
        assert!(speeds.iter().all(|speed| speed.gops > 0.0), "{speeds:?}");
        assert!(forms().iter().all(|name| use_form(name) && form() == *name));
        assert!(!use_form("fastest"));
        assert!(use_form(forms()[0]));
    }
}
