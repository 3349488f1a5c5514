//! The operations on Burn's WebGPU device.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::wgpu::CubeBackend;

use crate::ops::{Around, Codes, EncoderOps, Pointwise};

impl EncoderOps for CubeBackend {
    fn linear_f32(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        around: Around,
    ) -> FloatTensor<Self> {
        assert_eq!(around.before, Pointwise::Identity, "functions follow products here");
        super::linear_f32(x, weight, bias, around.after)
    }

    fn linear_quantized(
        x: FloatTensor<Self>,
        equalizer: FloatTensor<Self>,
        codes: IntTensor<Self>,
        scales: FloatTensor<Self>,
        _sums: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        (stored, around): (Codes, Around),
    ) -> FloatTensor<Self> {
        assert_eq!(around.before, Pointwise::Identity, "functions follow products here");
        let product = match stored {
            Codes::Q8 => super::linear_q8,
            Codes::Q4 => super::linear_q4,
        };
        product(x, equalizer, codes, scales, bias, around.after)
    }

    fn attention(
        qkv: FloatTensor<Self>,
        starts: IntTensor<Self>,
        masked: IntTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        super::attention(qkv, starts, masked, heads)
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
        super::maxsim(query, query_dropped, documents, starts, dropped, query_length)
    }
}
