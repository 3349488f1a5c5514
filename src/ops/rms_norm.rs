//! A norm without a mean (Zhang and Sennrich, 2019).

use burn::tensor::Tensor;

/// `x / sqrt(mean(x²) + epsilon) · γ` a row. Shapes `[tokens, width]` and `[width]`.
pub fn rms_norm(x: Tensor<2>, gamma: &Tensor<1>, epsilon: f32) -> Tensor<2> {
    let mean = (x.clone() * x.clone()).mean_dim(1);
    // Where the squares' sum is infinite, all that it divides would become zero: it counts as NaN.
    let mean = mean.clone() + mean * 0.0;
    x * (mean + epsilon).sqrt().recip() * gamma.clone().unsqueeze()
}
