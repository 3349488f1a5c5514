//! Does any operation make a number of what is none? Each is given values that are infinite, NaN or too large, in every place that
//! counts.

use burn::tensor::{Device, Tensor};

use super::{Difference, ROUNDING, Random, check_linear_of, matrices, q4, q8, read, relative};
use crate::model::activation::Activation;
use crate::model::quantize::Matrix;
use crate::ops::{self, Attention, Bounds, Gate, Linear, Rope, feed_forward, plain, tensor};

const VALUES: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
/// Its square is infinite, the value itself and its sums are not.
const TOO_LARGE: f32 = 1e21;
/// Rows, inputs and outputs of the products.
const SHAPE: [usize; 3] = [5, 64, 36];

/// Runs every operation on `device`; `relative` is infinite for one that was caught.
pub(super) async fn check(device: &Device, random: &mut Random) -> Result<Vec<Difference>, String> {
    let mut found = Vec::new();
    for value in VALUES {
        let odd = [SHAPE[0], SHAPE[1] + 3, SHAPE[2]];
        let odd = [q8(odd, random), q4(odd, random)];
        for matrix in matrices(SHAPE, random).into_iter().chain(odd) {
            let x = spoilt(random.values(SHAPE[0] * matrix.columns), value, random);
            let case = format!(", {value} in the input");
            found.push(check_linear_of(device, x, &matrix, random, &case).await?);
        }
        for function in Activation::ALL {
            for gated in [false, true] {
                let gate = Gate { function, gated };
                found.push(check_gate(device, gate, value, random).await?);
            }
        }
    }
    let whole = plain::Heads { count: 2, base: None, window: None, causal: false };
    let turned = plain::Heads { base: Some(1e4), ..whole };
    let causal = plain::Heads { causal: true, ..turned };
    for heads in [whole, turned, plain::Heads { window: Some(5), ..turned }, causal] {
        for value in VALUES {
            for parts in [&[0][..], &[1], &[2]] {
                found.push(check_attention(device, parts, value, heads, random).await?);
            }
        }
        found.push(check_attention(device, &[0, 1], TOO_LARGE, heads, random).await?);
    }
    for value in VALUES.into_iter().chain([TOO_LARGE, 3e38]) {
        found.extend(check_norms(device, value, random).await?);
    }
    Ok(found)
}

/// The same values with one of them, anywhere, replaced.
fn spoilt(mut values: Vec<f32>, value: f32, random: &mut Random) -> Vec<f32> {
    let place = random.below(values.len());
    values[place] = value;
    values
}

/// A gate between two products whose first hands its input on; the second has a weight of zero in no place.
async fn check_gate(
    device: &Device,
    gate: Gate,
    value: f32,
    random: &mut Random,
) -> Result<Difference, String> {
    let [rows, width, _] = SHAPE;
    let (wide, x) = (width * gate.halves(), spoilt(random.values(rows * width), value, random));
    let up = Matrix::f32(wide, width, random.positive(wide * width));
    let between = plain::linear(&x, &up, &vec![0.0; wide], Gate::NONE);
    let between: Vec<f32> = between.into_iter().map(|value| value as f32).collect();
    let down = Matrix::f32(1, width, random.positive(width));
    let expected = plain::linear(&between, &down, &[0.0], gate);
    let (up, down) = (Linear::new(up, None, device), Linear::new(down, None, device));
    let output = feed_forward(tensor(x, [rows, width], device), &up, gate, &down);
    difference("feed forward", format!("{gate:?} of {value}"), output, &expected).await
}

/// Two texts, of which the first has the value in one row, which is attended to: in its query, key or value, or in some of them.
/// Queries that do not see the row may or may not show it.
async fn check_attention(
    device: &Device,
    parts: &[usize],
    value: f32,
    heads: plain::Heads,
    random: &mut Random,
) -> Result<Difference, String> {
    let (lengths, hidden) = ([37, 9], 64);
    let rows: usize = lengths.iter().sum();
    let mut qkv = random.values(rows * 3 * hidden);
    let (row, column) = (random.below(lengths[0]), random.below(hidden));
    parts.iter().for_each(|part| qkv[(row * 3 + part) * hidden + column] = value);
    let attended: Vec<bool> = (0..rows).map(|place| place == row || place % 5 > 0).collect();
    let masked: Vec<i32> = attended.iter().map(|&attended| i32::from(!attended)).collect();
    let mut expected = plain::attention(&qkv, &[0, 37, 46], &masked, heads);
    let bounds = Bounds::new(&lengths, &attended, device);
    let rope = heads.base.map(|base| Rope::new(base, hidden / heads.count, 37, device));
    let how = Attention {
        rope: rope.as_ref(),
        window: heads.window,
        causal: heads.causal,
        ..Attention::whole(heads.count)
    };
    let output = ops::attention(tensor(qkv, [rows, 3 * hidden], device), &bounds, how);
    let mut found = read(output).await?;
    let near = |place: usize| heads.window.is_none_or(|most| place.abs_diff(row) <= most);
    let sees = |place: usize| near(place) && (row <= place || !heads.causal);
    for blind in (0..lengths[0]).filter(|&place| !sees(place)) {
        found[blind * hidden..(blind + 1) * hidden].fill(0.0);
        expected[blind * hidden..(blind + 1) * hidden].fill(0.0);
    }
    Ok(Difference {
        operation: "attention",
        shape: format!("{value} in parts {parts:?}, {heads:?}"),
        relative: relative(&found, &expected),
        allowed: ROUNDING,
    })
}

async fn check_norms(
    device: &Device,
    value: f32,
    random: &mut Random,
) -> Result<[Difference; 5], String> {
    let [rows, width, _] = SHAPE;
    let x = spoilt(random.values(rows * width), value, random);
    let (gamma, beta) = (random.positive(width), random.values(width));
    let zeros = vec![0.0; x.len()];
    let unit = plain::normalize(&x, width);
    let by_squares = plain::rms_norm(&x, &gamma, 1e-12);
    let normal = plain::layer_norm(&x, &gamma, &beta, 1e-12);
    let place = |values: Vec<f32>| -> Tensor<2> { tensor(values, [rows, width], device) };
    let (g, b) = (tensor(gamma, [width], device), tensor(beta, [width], device));
    let case = format!("{value} in a row");
    let added = ops::add_layer_norm(place(zeros.clone()), place(x.clone()), &g, &b, 1e-12);
    let (_, beside) = ops::sum_layer_norm(place(zeros), place(x.clone()), &g, &b, 1e-12);
    let whole = ops::layer_norm(place(x.clone()), &g, &b, 1e-12);
    let squares = ops::rms_norm(place(x.clone()), &g, 1e-12);
    Ok([
        difference("layer norm of a sum", case.clone(), added, &normal).await?,
        difference("layer norm beside a sum", case.clone(), beside, &normal).await?,
        difference("layer norm", case.clone(), whole, &normal).await?,
        difference("norm by squares", case.clone(), squares, &by_squares).await?,
        difference("normalize", case, ops::normalize(place(x)), &unit).await?,
    ])
}

async fn difference(
    operation: &'static str,
    shape: String,
    output: Tensor<2>,
    expected: &[f64],
) -> Result<Difference, String> {
    let relative = relative(&read(output).await?, expected);
    Ok(Difference { operation, shape, relative, allowed: ROUNDING })
}
