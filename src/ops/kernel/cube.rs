//! The operations on Burn's WebGPU device.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_wgpu::CubeBackend;

use super::Documents;
use crate::ops::Coding;
use crate::ops::{EncoderOps, Gate, HeadOptions, PackedRows, PackedWeight, Rotation};

impl EncoderOps for CubeBackend {
    fn linear(x: FloatTensor<Self>, weight: PackedWeight<Self>, then: Gate) -> FloatTensor<Self> {
        super::linear(x, weight, then)
    }

    fn feed_forward(
        x: FloatTensor<Self>,
        up: PackedWeight<Self>,
        between: Gate,
        down: PackedWeight<Self>,
    ) -> FloatTensor<Self> {
        super::linear(super::linear(x, up, between), down, Gate::NONE)
    }

    fn attention(
        qkv: FloatTensor<Self>,
        starts: IntTensor<Self>,
        masked: IntTensor<Self>,
        rotation: Rotation<Self>,
        HeadOptions { count, window, causal, .. }: HeadOptions,
    ) -> FloatTensor<Self> {
        let qkv = match rotation {
            Rotation::Absent => qkv,
            Rotation::Table(table) => super::rotate(qkv, table, starts.clone()),
        };
        super::attention(qkv, starts, masked, count, window, causal)
    }

    fn add_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        super::add_layer_norm(x, residual, gamma, beta, epsilon)
    }

    fn sum_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        super::sum_layer_norm(x, residual, gamma, beta, epsilon)
    }

    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        super::layer_norm(x, gamma, beta, epsilon)
    }

    fn normalize(x: FloatTensor<Self>) -> FloatTensor<Self> {
        super::normalize(x)
    }

    fn maxsim(
        query: FloatTensor<Self>,
        query_dropped: IntTensor<Self>,
        documents: FloatTensor<Self>,
        starts: IntTensor<Self>,
        dropped: IntTensor<Self>,
        query_length: usize,
    ) -> FloatTensor<Self> {
        let documents = Documents {
            words: documents.clone(),
            coding: Coding::F32,
            tables: documents,
            starts,
            dropped: Some(dropped),
        };
        super::maxsim(query, query_dropped, documents, query_length)
    }

    fn maxsim_coded(
        query: FloatTensor<Self>,
        query_dropped: IntTensor<Self>,
        documents: PackedRows<Self>,
        starts: IntTensor<Self>,
        query_length: usize,
    ) -> FloatTensor<Self> {
        let PackedRows::Words { words, coding, tables } = documents else {
            unreachable!("rows are made for their device");
        };
        let documents = Documents { words, coding, tables, starts, dropped: None };
        super::maxsim(query, query_dropped, documents, query_length)
    }
}
