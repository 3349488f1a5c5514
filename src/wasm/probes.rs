//! What is there for tests, benches and bug reports alone.

use std::sync::Arc;

use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use super::options::{Device, Simd};
use super::{from_js, now_ms, throw, to_js};
use crate::device::read;
use crate::late_interaction::codec::residual::ResidualParts;
use crate::late_interaction::codec::{Codec, CompressedEmbeddings, ResidualCodec, Rows};
use crate::late_interaction::coded::{Tables, on_device};
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::maxsim::maxsim_compressed;
use crate::ops::check::{Difference, check};
use crate::ops::{BatchEmbeddings, maxsim_coded, tensor};
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

/// A query and documents of one length in a codec, whose numbers look random and are always the same, for MaxSim alone.
#[wasm_bindgen]
pub struct TimedMaxsim {
    query: Vec<f32>,
    documents: CompressedEmbeddings,
}

#[wasm_bindgen]
impl TimedMaxsim {
    /// `residual` codes have 2 bits.
    #[wasm_bindgen(constructor)]
    pub fn new(
        codec: &str,
        query_rows: usize,
        documents: usize,
        document_rows: usize,
        dimension: usize,
    ) -> Result<TimedMaxsim, JsValue> {
        let mut random = Random(SplitMix64(1));
        let query = random.values(query_rows * dimension);
        let lengths = vec![document_rows; documents];
        let documents = match Codec::from_name(codec) {
            Some(codec) => {
                let mut embeddings = TokenEmbeddings::new(dimension);
                let mut push = |rows: usize| embeddings.push(&random.values(rows * dimension));
                lengths.into_iter().for_each(&mut push);
                codec.compress(&embeddings)
            }
            None => random.residual(lengths, dimension),
        };
        Ok(Self { query, documents: documents.map_err(throw)? })
    }

    /// Milliseconds of each repetition, on the CPU.
    #[wasm_bindgen(js_name = onCpu)]
    pub fn on_cpu(&self, repetitions: usize) -> Vec<f64> {
        let time = |_| {
            let start = now_ms();
            std::hint::black_box(maxsim_compressed(&self.query, &self.documents));
            now_ms() - start
        };
        (0..repetitions).map(time).collect()
    }

    /// Milliseconds of each repetition, on WebGPU, where the documents are; the scores are read back.
    #[wasm_bindgen(js_name = onWebgpu)]
    pub async fn on_webgpu(&self, repetitions: usize) -> Result<Vec<f64>, JsValue> {
        let device = crate::device::webgpu().await.map_err(throw)?;
        let documents = on_device(&self.documents, &Tables::default(), &device);
        let dimension = self.documents.dimension();
        let rows = self.query.len() / dimension;
        let query = tensor(self.query.clone(), [rows, dimension], &device);
        let query = BatchEmbeddings::new(query, &[rows], &vec![true; rows]);
        let mut times = Vec::with_capacity(repetitions);
        for _ in 0..repetitions {
            let start = now_ms();
            read(maxsim_coded(&query, &documents)).await.map_err(throw)?;
            times.push(now_ms() - start);
        }
        Ok(times)
    }
}

/// Of the residual codec.
const CENTROIDS: usize = 8_192;

struct Random(SplitMix64);

impl Random {
    /// Within ±1.
    fn values(&mut self, count: usize) -> Vec<f32> {
        let one = |bits: u64| (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        (0..count).map(|_| one(self.0.next())).collect()
    }

    fn residual(
        &mut self,
        lengths: Vec<usize>,
        dimension: usize,
    ) -> Result<CompressedEmbeddings, Error> {
        let rows: usize = lengths.iter().sum();
        let codec = ResidualCodec::new(ResidualParts {
            dimension,
            nbits: 2,
            centroids: self.values(CENTROIDS * dimension),
            cutoffs: vec![-0.5, 0.0, 0.5],
            weights: vec![-0.75, -0.25, 0.25, 0.75],
            ..ResidualParts::default()
        })?;
        let codes = (0..rows).map(|_| self.0.next() as u32 % CENTROIDS as u32).collect();
        let residuals = (0..rows * dimension / 4).map(|_| self.0.next() as u8).collect();
        let rows = Rows::Residual { codes, residuals };
        CompressedEmbeddings::from_parts(Codec::Residual(Arc::new(codec)), dimension, lengths, rows)
    }
}
