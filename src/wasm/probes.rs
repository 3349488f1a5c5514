//! What is there for tests, benches and bug reports alone.

use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use super::options::{Device, Simd};
use super::{from_js, now_ms, throw, to_js};
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::maxsim::maxsim;
use crate::ops::check::{Difference, check};
use crate::random::SplitMix64;
use crate::{DeviceKind, Error};

/// Every code that an error of this module can carry.
#[wasm_bindgen(js_name = errorCodes)]
pub fn error_codes() -> Vec<String> {
    Error::CODES.iter().map(|code| (*code).to_owned()).collect()
}

/// Which instructions the CPU's kernels of this module use.
#[wasm_bindgen]
pub fn simd() -> Ts<Simd> {
    to_js(&if cfg!(feature = "relaxed-simd") { Simd::Relaxed } else { Simd::Simd128 })
}

/// How far an operation was from its definition, over the largest expected value, and how far it may be.
#[derive(Tsify, Serialize)]
pub struct OperationDifference {
    operation: &'static str,
    shape: String,
    relative: f64,
    allowed: f64,
}

impl From<Difference> for OperationDifference {
    fn from(difference: Difference) -> Self {
        let Difference { operation, shape, relative, allowed } = difference;
        Self { operation, shape, relative, allowed }
    }
}

/// Holds every operation of a device against its definition, over random inputs, for tests and bug reports.
#[wasm_bindgen(js_name = checkOperations)]
pub async fn check_operations(
    device: Ts<Device>,
    seed: u32,
) -> Result<Vec<Ts<OperationDifference>>, JsValue> {
    let device = match from_js(device)?.into() {
        DeviceKind::WebGpu => crate::device::webgpu().await.map_err(throw)?,
        DeviceKind::Cpu => crate::device::cpu(),
    };
    let differences = check(&device, u64::from(seed))
        .await
        .map_err(|reason| throw(Error::DeviceLost { reason }))?;
    Ok(differences.into_iter().map(|difference| to_js(&difference.into())).collect())
}

/// Milliseconds of MaxSim alone, on the CPU, of each repetition: a query against documents of one length, whose numbers
/// look random and are always the same.
#[wasm_bindgen(js_name = timeMaxsim)]
pub fn time_maxsim(
    query_rows: usize,
    documents: usize,
    document_rows: usize,
    dimension: usize,
    repetitions: usize,
) -> Vec<f64> {
    let mut random = SplitMix64(1);
    let mut rows = |count: usize| -> Vec<f32> {
        let one = |bits: u64| (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        (0..count * dimension).map(|_| one(random.next())).collect()
    };
    let query = rows(query_rows);
    let mut texts = TokenEmbeddings::new(dimension);
    (0..documents).for_each(|_| texts.push(&rows(document_rows)));
    let time = |_| {
        let start = now_ms();
        std::hint::black_box(maxsim(&query, &texts));
        now_ms() - start
    };
    (0..repetitions).map(time).collect()
}
