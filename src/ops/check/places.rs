//! What models of pages take besides: norms by squares, places by rows and columns, shared keys.

use burn::tensor::Device;

use super::{Difference, ROUNDING, Random, plain, read, relative};
use crate::ops::{self, Angles, Axis, Place, tensor};

/// Heads of queries, of keys, and their width.
const HEADS: [[usize; 3]; 4] = [[1, 1, 2], [8, 1, 256], [12, 2, 128], [16, 16, 80]];
const TOKENS: usize = 23;

pub(super) async fn check(device: &Device, random: &mut Random) -> Result<Vec<Difference>, String> {
    let mut found = Vec::new();
    for [heads, shared, width] in HEADS {
        found.push(check_rms_norm(device, heads * width, random).await?);
        found.push(check_turn(device, heads, width, random).await?);
        found.push(check_shared(device, [heads, shared, width], random).await?);
    }
    Ok(found)
}

async fn check_rms_norm(
    device: &Device,
    width: usize,
    random: &mut Random,
) -> Result<Difference, String> {
    let (x, gamma) = (random.values(TOKENS * width), random.values(width));
    let expected = plain::rms_norm(&x, &gamma, 1e-6);
    let gamma = tensor(gamma, [width], device);
    let found = ops::rms_norm(tensor(x, [TOKENS, width], device), &gamma, 1e-6);
    let relative = relative(&read(found).await?, &expected);
    Ok(Difference {
        operation: "norm by squares",
        shape: format!("[{TOKENS}, {width}]"),
        relative,
        allowed: ROUNDING,
    })
}

async fn check_turn(
    device: &Device,
    heads: usize,
    width: usize,
    random: &mut Random,
) -> Result<Difference, String> {
    let x = random.values(TOKENS * heads * width);
    let pairs = width / 2;
    let axes: Vec<Axis> =
        (0..pairs).map(|i| Axis::of_pair(random.below(3), 1e6, i, pairs)).collect();
    let places: Vec<Place> =
        (0..TOKENS).map(|_| [0; 3].map(|_| random.below(2_000) as u32)).collect();
    let expected = plain::turned_by(&x, &places, &axes);
    let angles = Angles::new(&places, &axes, device);
    let found = ops::turn(tensor(x, [TOKENS, heads * width], device), &angles);
    let relative = relative(&read(found).await?, &expected);
    Ok(Difference {
        operation: "turn",
        shape: format!("{heads} heads of {width}"),
        relative,
        allowed: ROUNDING,
    })
}

async fn check_shared(
    device: &Device,
    [heads, shared, width]: [usize; 3],
    random: &mut Random,
) -> Result<Difference, String> {
    let widths = [heads * width, shared * width, shared * width];
    let parts = widths.map(|columns| random.values(TOKENS * columns));
    let expected = plain::shared(parts.each_ref().map(Vec::as_slice), heads, width);
    let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
    let mut parts = parts.into_iter().zip(widths);
    let mut next = || {
        let (values, columns) = parts.next().expect("there are three");
        tensor(values, [TOKENS, columns], device)
    };
    let (query, key, value) = (next(), next(), next());
    let relative = relative(&read(ops::shared(query, key, value, heads)).await?, &expected);
    Ok(Difference {
        operation: "shared keys",
        shape: format!("{heads} heads, {shared} of keys, of {width}"),
        relative,
        allowed: 0.0,
    })
}
