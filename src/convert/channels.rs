//! Which factor moves between the weights and the inputs of a product, and what is each channel worth?
//!
//! The input is multiplied by the factor where it is quantized, so nothing in front of the product has to take it in: what attention
//! gives, what a gate gives and what enters a pre-norm body's first layer are equalized like the output of a LayerNorm. Folding it
//! into the rows of the values or of the gating half, each of which has a scale of its own, would gain nothing.

use std::collections::HashMap;

use super::calibrate::Sizes;
use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::{Product, Role};
use crate::observer::{Observer, pause};

/// Weight and input of a channel, as exponents: `equalizer = weight^weight_exponent / input^input_exponent`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exponents {
    pub input: f64,
    pub weight: f64,
}

/// Smallest channel that counts, as a share of the mean: a dead channel must not take all the range.
const FLOOR: f64 = 1e-3;

/// Found by a search over all-MiniLM-L6-v2 for the smallest error of its embeddings, at q8 and q4 alike.
fn exponents(role: Role) -> Option<Exponents> {
    let (input, weight) = match role {
        Role::Attention => (0.5, 0.25),
        Role::AttentionOutput => (0.25, 0.25),
        Role::Up => (0.25, 0.5),
        Role::Down => (0.25, 0.75),
        Role::Projection => return None,
    };
    Some(Exponents { input, weight })
}

/// Equalizer and importance of the input channels of every product that was calibrated.
#[derive(Default)]
pub(super) struct Channels {
    /// By the names of weights, each with its place in `products`.
    places: HashMap<String, usize>,
    products: Vec<(Option<Vec<f32>>, Vec<f32>)>,
}

impl Channels {
    /// Works them out from the weights and the sizes of the inputs.
    pub(super) async fn of(
        products: impl Iterator<Item = Product>,
        weights: &Weights<'_>,
        sizes: &Sizes,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let mut channels = Self::default();
        for product in products {
            pause(observer).await?;
            let Some(rms) = sizes.get(&product.names[0]) else {
                continue;
            };
            let equalizer = match exponents(product.role) {
                Some(exponents) => equalize(&product, weights, rms, exponents)?,
                None => None,
            };
            let factor = |column: usize| equalizer.as_ref().map_or(1.0, |e| e[column]);
            let size = |(column, rms): (usize, &f32)| rms * factor(column);
            let importance = squares(rms.iter().enumerate().map(size).collect());
            let place = channels.products.len();
            channels.products.push((equalizer, importance));
            let names = product.names.iter().map(|name| (format!("{name}.weight"), place));
            channels.places.extend(names);
        }
        Ok(channels)
    }

    /// Equalizer and importance of the input channels of a weight, as far as it has them.
    pub(super) fn get(&self, name: &str) -> (Option<&[f32]>, Option<&[f32]>) {
        match self.places.get(name) {
            Some(&place) => {
                let (equalizer, importance) = &self.products[place];
                (equalizer.as_deref(), Some(importance))
            }
            None => (None, None),
        }
    }
}

/// Squares of sizes, by a power of two that brings the largest to between 1 and 4, so that none is lost or infinite in f32 that
/// counts beside it.
fn squares(mut sizes: Vec<f32>) -> Vec<f32> {
    let largest = sizes.iter().fold(f32::MIN_POSITIVE, |largest, &size| largest.max(size));
    let power = f32::from_bits(largest.to_bits() & f32::INFINITY.to_bits());
    sizes.iter_mut().for_each(|size| *size = (*size / power).powi(2));
    sizes
}

fn equalize(
    product: &Product,
    weights: &Weights<'_>,
    rms: &[f32],
    exponents: Exponents,
) -> Result<Option<Vec<f32>>> {
    let shape = [product.rows, product.columns];
    let mut rows = Vec::new();
    for name in &product.names {
        rows.extend(weights.read(&format!("{name}.weight"), &shape)?);
    }
    Ok(equalizer(&rows, rms, exponents))
}

/// The factor of each input channel, with a geometric mean of 1: `weight^b / input^a` with the root mean squares of the
/// channel in the weights `[rows, columns]` and in the inputs `[columns]`. `None` where they give no positive numbers.
pub fn equalizer(weights: &[f32], rms: &[f32], exponents: Exponents) -> Option<Vec<f32>> {
    let columns = rms.len();
    let mut squares = vec![0.0f64; columns];
    for row in weights.chunks_exact(columns) {
        for (sum, &weight) in squares.iter_mut().zip(row) {
            *sum += f64::from(weight) * f64::from(weight);
        }
    }
    let rows = (weights.len() / columns) as f64;
    let weights = floored(squares.iter().map(|sum| (sum / rows).sqrt()).collect());
    let inputs = floored(rms.iter().map(|&x| f64::from(x)).collect());
    let logarithms: Vec<f64> = weights
        .iter()
        .zip(&inputs)
        .map(|(w, x)| exponents.weight * w.ln() - exponents.input * x.ln())
        .collect();
    let mean = mean(&logarithms);
    let factors: Vec<f32> = logarithms.iter().map(|log| (log - mean).exp() as f32).collect();
    factors.iter().all(|factor| factor.is_normal()).then_some(factors)
}

fn floored(mut sizes: Vec<f64>) -> Vec<f64> {
    let floor = FLOOR * mean(&sizes);
    sizes.iter_mut().for_each(|size| *size = size.max(floor));
    sizes
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
