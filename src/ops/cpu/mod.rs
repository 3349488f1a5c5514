//! The operations on plain memory: wasm SIMD in the browser, the platform's own instructions natively.
//!
//! A product's weights lie in panels of outputs, so that the inner loop reads them in order. A
//! row of activations is quantized alone, and every output is summed over its inputs in order: a text's
//! numbers never depend on which texts are computed beside it. Integer products are exact, so they are
//! equal on all instruction sets.

mod attention;
#[allow(unsafe_code)]
mod codes;
#[allow(unsafe_code)]
mod dot;
#[allow(unsafe_code)]
mod encode;
#[allow(unsafe_code)]
mod f32;
// Miri takes these files without Burn: see scripts/miri.
#[cfg(not(miri))]
mod flex;
pub mod forms;
mod lines;
mod maxsim;
mod nearest;
mod norm;
mod panels;
mod pointwise;
mod q4;
mod q8;
mod quantize;
mod rows;
mod screen;
mod tables;
mod unpack;
mod vectors;

pub(crate) use attention::{Heads, Ragged, attention};
pub(crate) use f32::linear_f32;
pub(super) use f32::pack_f32;
pub use maxsim::CodedQuery;
use maxsim::kept;
pub use nearest::Nearest;
use norm::{add_layer_norm, layer_norm, normalize, sum_layer_norm};

pub(crate) use panels::{Factors, Product, pack_factors};
pub(crate) use q4::{feed_forward_q4, linear_q4};
pub(super) use q4::{pack_q4, sums_q4};
pub(crate) use q8::{feed_forward_q8, linear_q8};
pub(super) use q8::{pack_q8, sums_q8};

use crate::ops::Gate;
use rows::for_blocks;

/// Outputs that are computed side by side in f32, and similarities of codes.
pub(crate) const PANEL: usize = 8;
/// Rows whose products with a panel are computed before the next panel is read: a batch's in wasm, so that weights come once.
const ROWS: usize = 264;

/// Rows of `width` values after `gate`.
fn apply(gate: Gate, values: Vec<f32>, width: usize) -> Vec<f32> {
    if gate == Gate::NONE {
        return values;
    }
    let mut out = vec![0.0; values.len() / gate.halves()];
    let (inputs, outputs) = (width, width / gate.halves());
    for_blocks(&mut out, outputs, ROWS, |first, rows| {
        let values = values[first * inputs..].chunks_exact(inputs);
        values.zip(rows.chunks_exact_mut(outputs)).for_each(|(x, y)| pointwise::apply(gate, x, y));
    });
    out
}
