//! The operations on Burn's CPU device: its tensors are plain memory.

use std::borrow::Cow;

use burn::backend::Flex;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::TensorData;

use crate::ops::cpu::{self, CodedQuery, Factors, Heads, Product, Ragged, apply};
use crate::ops::profile::{self, Part};
use crate::ops::{
    CodedRows, EncoderOps, Gate, HeadOptions, PackedMatrix, PackedRows, PackedWeight, Quantized,
    ResidualTables, Rotation,
};

impl EncoderOps for Flex {
    fn linear(x: FloatTensor<Self>, weight: PackedWeight<Self>, then: Gate) -> FloatTensor<Self> {
        let out = linear(&x, &weight, Gate::NONE);
        let outputs = weight.outputs();
        rows(apply(then, out, outputs), outputs / then.halves())
    }

    fn feed_forward(
        x: FloatTensor<Self>,
        up: PackedWeight<Self>,
        between: Gate,
        down: PackedWeight<Self>,
    ) -> FloatTensor<Self> {
        let biases = [floats(&up.bias), floats(&down.bias)];
        let values = floats(&x);
        let out = match (&up.matrix, &down.matrix) {
            (PackedMatrix::Q8(first), PackedMatrix::Q8(second)) => {
                let [first, second] = [product(first, biases[0]), product(second, biases[1])];
                cpu::feed_forward_q8(values, first, between, second)
            }
            (PackedMatrix::Q4(first), PackedMatrix::Q4(second)) => {
                let [first, second] = [product(first, biases[0]), product(second, biases[1])];
                cpu::feed_forward_q4(values, first, between, second)
            }
            _ => linear(&rows(linear(&x, &up, Gate::NONE), up.outputs()), &down, between),
        };
        rows(out, down.outputs())
    }

    fn attention(
        qkv: FloatTensor<Self>,
        starts: IntTensor<Self>,
        masked: IntTensor<Self>,
        rotation: Rotation<Self>,
        heads: HeadOptions,
    ) -> FloatTensor<Self> {
        let texts = Ragged { starts: starts.storage(), masked: masked.storage() };
        let rotation = match &rotation {
            Rotation::Absent => None,
            Rotation::Table(table) => Some(floats(table)),
        };
        let HeadOptions { count, window, causal, coded } = heads;
        let heads = Heads { count, rotation, window, causal, coded };
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

impl PackedWeight<Flex> {
    fn outputs(&self) -> usize {
        floats(&self.bias).len()
    }
}

/// The product of what `gate` makes of `x`.
fn linear(x: &FlexTensor, weight: &PackedWeight<Flex>, gate: Gate) -> Vec<f32> {
    let (values, bias) = (floats(x), floats(&weight.bias));
    match &weight.matrix {
        PackedMatrix::F32(matrix) => {
            cpu::linear_f32(values, width(x) / gate.halves(), floats(matrix), bias, gate)
        }
        PackedMatrix::Q8(parts) => cpu::linear_q8(values, gate, product(parts, bias)),
        PackedMatrix::Q4(parts) => cpu::linear_q4(values, gate, product(parts, bias)),
    }
}

fn product<'a>(parts: &'a Quantized<Flex>, bias: &'a [f32]) -> Product<'a> {
    Product {
        equalizer: floats(&parts.equalizer),
        packed: parts.codes.bytes(),
        factors: Factors { scales: floats(&parts.scales), sums: parts.sums.storage(), bias },
    }
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
