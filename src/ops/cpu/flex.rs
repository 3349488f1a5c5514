//! The operations on Burn's CPU device: its tensors are plain memory.

use std::borrow::Cow;

use burn::backend::Flex;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::TensorData;

use crate::ops::cpu::{self, CodedQuery, Factors, Heads, Ragged, apply};
use crate::ops::profile::{self, Part};
use crate::ops::{
    Around, CodedRows, EncoderOps, PackedMatrix, PackedRows, PackedWeight, Quantized,
    ResidualTables, Rotation,
};

impl EncoderOps for Flex {
    fn linear(
        x: FloatTensor<Self>,
        weight: PackedWeight<Self>,
        around: Around,
    ) -> FloatTensor<Self> {
        let Around { before, after } = around;
        let (values, bias) = (floats(&x), floats(&weight.bias));
        let out = match &weight.matrix {
            PackedMatrix::F32(matrix) => {
                let inputs = width(&x) / before.halves();
                cpu::linear_f32(values, inputs, floats(matrix), bias, before)
            }
            PackedMatrix::Q8(parts) => {
                let (equalizer, factors) = factors(parts, bias);
                cpu::linear_q8(values, equalizer, parts.codes.bytes(), factors, before)
            }
            PackedMatrix::Q4(parts) => {
                let (equalizer, factors) = factors(parts, bias);
                cpu::linear_q4(values, equalizer, parts.codes.bytes(), factors, before)
            }
        };
        rows(apply(after, out, bias.len()), bias.len() / after.halves())
    }

    fn attention(
        qkv: FloatTensor<Self>,
        starts: IntTensor<Self>,
        masked: IntTensor<Self>,
        rotation: Rotation<Self>,
        heads: usize,
        window: Option<usize>,
    ) -> FloatTensor<Self> {
        let texts = Ragged { starts: starts.storage(), masked: masked.storage() };
        let rotation = match &rotation {
            Rotation::Absent => None,
            Rotation::Table(table) => Some(floats(table)),
        };
        let heads = Heads { count: heads, rotation, window };
        let out = profile::time(Part::Attention, || cpu::attention(floats(&qkv), texts, heads));
        rows(out, width(&qkv) / 3)
    }

    fn add_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let (gamma, beta) = (floats(&gamma), floats(&beta));
        let out = profile::time(Part::Norms, || {
            cpu::add_layer_norm(floats(&x), floats(&residual), gamma, beta, epsilon)
        });
        rows(out, gamma.len())
    }

    fn sum_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (gamma, beta) = (floats(&gamma), floats(&beta));
        let [sum, norm] = profile::time(Part::Norms, || {
            cpu::sum_layer_norm(floats(&x), floats(&residual), gamma, beta, epsilon)
        });
        (rows(sum, gamma.len()), rows(norm, gamma.len()))
    }

    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let (gamma, beta) = (floats(&gamma), floats(&beta));
        let out = profile::time(Part::Norms, || {
            cpu::layer_norm(floats(&x).to_vec(), gamma, beta, epsilon)
        });
        rows(out, gamma.len())
    }

    fn normalize(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let width = width(&x);
        rows(profile::time(Part::Norms, || cpu::normalize(floats(&x).to_vec(), width)), width)
    }

    fn maxsim(
        query: FloatTensor<Self>,
        query_dropped: IntTensor<Self>,
        documents: FloatTensor<Self>,
        starts: IntTensor<Self>,
        dropped: IntTensor<Self>,
        query_length: usize,
    ) -> FloatTensor<Self> {
        let width = width(&query);
        let query = kept_query(&query, &query_dropped, query_length);
        let (documents, dropped): (_, &[i32]) = (floats(&documents), dropped.storage());
        let starts: &[i32] = starts.storage();
        let document = |range: &[i32]| {
            let (start, end) = (range[0] as usize, range[1] as usize);
            cpu::kept(&documents[start * width..end * width], &dropped[start..end], width)
        };
        let documents: Vec<Cow<'_, [f32]>> = starts.windows(2).map(document).collect();
        let documents: Vec<_> = documents.iter().map(|rows| CodedRows::F32(rows)).collect();
        vector(CodedQuery::new(&query, width).scores(&documents))
    }

    fn maxsim_coded(
        query: FloatTensor<Self>,
        query_dropped: IntTensor<Self>,
        documents: PackedRows<Self>,
        starts: IntTensor<Self>,
        query_length: usize,
    ) -> FloatTensor<Self> {
        let width = width(&query);
        let query = kept_query(&query, &query_dropped, query_length);
        let (rows, tables) = coded(&documents, width);
        let query = match tables {
            None => CodedQuery::new(&query, width),
            Some(tables) => CodedQuery::new(&query, width).with_tables(tables),
        };
        let starts: &[i32] = starts.storage();
        let ranges = starts.windows(2).map(|range| range[0] as usize..range[1] as usize);
        let documents: Vec<_> = ranges.map(|range| query.slice(rows, range)).collect();
        vector(query.scores(&documents))
    }
}

/// A quantized matrix's equalizer, and what turns its sums into outputs.
fn factors<'a>(parts: &'a Quantized<Flex>, bias: &'a [f32]) -> (&'a [f32], Factors<'a>) {
    let (scales, sums) = (floats(&parts.scales), parts.sums.storage());
    (floats(&parts.equalizer), Factors { scales, sums, bias })
}

/// The rows of a query's first text that are not dropped.
fn kept_query<'a>(
    query: &'a FlexTensor,
    dropped: &'a IntTensor<Flex>,
    length: usize,
) -> Cow<'a, [f32]> {
    let (width, dropped): (_, &[i32]) = (width(query), dropped.storage());
    cpu::kept(&floats(query)[..length * width], &dropped[..length], width)
}

/// Documents' codes as plain memory.
fn coded(rows: &PackedRows<Flex>, dimension: usize) -> (CodedRows<'_>, Option<ResidualTables<'_>>) {
    match rows {
        PackedRows::F32(values) => (CodedRows::F32(floats(values)), None),
        PackedRows::F16(bits) => (CodedRows::F16(bits.storage()), None),
        PackedRows::Int8 { codes, scales } => {
            (CodedRows::Int8 { codes: codes.storage(), scales: floats(scales) }, None)
        }
        PackedRows::Binary(bytes) => (CodedRows::Binary(bytes.storage()), None),
        PackedRows::Residual { codes, residuals, centroids, weights, nbits } => {
            let (centroids, weights) = (floats(centroids), floats(weights));
            let tables = ResidualTables { dimension, nbits: *nbits, centroids, weights };
            let (codes, residuals) = (codes.storage(), residuals.storage());
            (CodedRows::Residual { codes, residuals }, Some(tables))
        }
        PackedRows::Words { .. } => unreachable!("rows are made for their device"),
    }
}

type FlexTensor = FloatTensor<Flex>;

fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("all tensors of these operations are made whole and in f32")
}

/// Length of the last axis.
fn width(tensor: &FlexTensor) -> usize {
    let shape = tensor.layout().shape();
    shape[shape.num_dims() - 1]
}

fn vector(values: Vec<f32>) -> FlexTensor {
    let shape = [values.len()];
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn rows(values: Vec<f32>, width: usize) -> FlexTensor {
    let shape = [values.len() / width, width];
    FlexTensor::from_data(TensorData::new(values, shape))
}
