//! The operations on Burn's WebGPU device.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::wgpu::CubeBackend;

use crate::ops::{Around, Codes, EncoderOps, Gate, Pointwise, Rotation};

impl EncoderOps for CubeBackend {
    fn linear_f32(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        around: Around,
    ) -> FloatTensor<Self> {
        super::linear_f32(x, weight, bias, function(around))
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
        let product = match stored {
            Codes::Q8 => super::linear_q8,
            Codes::Q4 => super::linear_q4,
        };
        product(x, equalizer, codes, scales, bias, function(around))
    }

    fn attention(
        qkv: FloatTensor<Self>,
        starts: IntTensor<Self>,
        masked: IntTensor<Self>,
        rotation: Rotation<Self>,
        heads: usize,
        window: Option<usize>,
    ) -> FloatTensor<Self> {
        assert!(matches!(rotation, Rotation::Absent) && window.is_none(), "BERT has neither");
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

    fn sum_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let sum = Self::float_add(x, residual);
        (sum.clone(), super::layer_norm(sum, gamma, beta, epsilon))
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

/// The function that follows a product here.
fn function(around: Around) -> Pointwise {
    assert_eq!(around.before, Gate::NONE, "functions follow products here");
    assert!(!around.after.gated, "BERT has no gate");
    around.after.function
}
