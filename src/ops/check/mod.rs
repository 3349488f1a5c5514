//! Do the fast versions compute what the plain loops compute? On any device, over random inputs of awkward shapes.

mod coded;
mod forms;
mod not_finite;
mod places;
mod variants;

pub(crate) use coded::check_coding;
pub(crate) use variants::{any_matrix, check_variant};

use burn::tensor::{Device, Tensor};
use half::f16;

use super::{
    Attention, BatchEmbeddings, Bounds, Gate, Linear, Rope, feed_forward, is_cpu, plain, tensor,
};
use crate::model::activation::Activation;
use crate::model::quantize::{Matrix, NIBBLE_ZERO, PRODUCT_CODE, Q4_BLOCK, Q8_BLOCK, Values};
use crate::random::SplitMix64;

/// How far an operation was from its definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub operation: &'static str,
    /// The shapes it was given.
    pub shape: String,
    /// Largest difference of a value, over the largest magnitude of the expected ones, or over 1.
    pub relative: f64,
    /// The most that is allowed; 0 where equal bits are due.
    pub allowed: f64,
}

impl Difference {
    /// Whether it is allowed.
    pub fn is_fine(&self) -> bool {
        self.relative <= self.allowed
    }
}

/// Rows, inputs and outputs of the products.
const SHAPES: [[usize; 3]; 8] = [
    [1, 32, 1],
    [3, 64, 4],
    [7, 32, 10],
    [2, 384, 36],
    [33, 96, 100],
    [5, 1_536, 17],
    [97, 128, 24],
    [13, 384, 384],
];
/// Heads and their widths.
const HEADS: [(usize, usize); 8] =
    [(1, 16), (2, 32), (3, 20), (1, 128), (12, 32), (4, 7), (5, 48), (2, 64)];
/// Widths of embeddings.
const WIDTHS: [usize; 6] = [1, 7, 48, 96, 128, 384];
/// What codes of 7 bits may lose in attention.
const CODED: f64 = 0.06;
/// What f32 may lose over some thousand terms.
const ROUNDING: f64 = 2e-5;

/// Runs every operation on `device` with inputs that follow from `seed`.
///
/// # Errors
/// What the device says when its results cannot be read.
pub async fn check(device: &Device, seed: u64) -> Result<Vec<Difference>, String> {
    let mut random = Random(SplitMix64(seed));
    let mut found = Vec::new();
    for (index, shape) in SHAPES.into_iter().enumerate() {
        for matrix in matrices(shape, &mut random) {
            found.push(check_linear(device, shape[0], &matrix, &mut random).await?);
        }
        // Quantized products take any number of inputs.
        let odd = [shape[0], shape[1] + 1 + index, shape[2]];
        let by_rows = one_scale_a_row(q8(odd, &mut random));
        for matrix in [q8(odd, &mut random), by_rows, q4(odd, &mut random)] {
            found.push(check_linear(device, shape[0], &matrix, &mut random).await?);
        }
        found.push(check_norms(device, shape, &mut random).await?);
    }
    for (function, shape) in Activation::ALL.into_iter().zip(SHAPES.into_iter().cycle()) {
        for gated in [false, true] {
            let gate = Gate { function, gated };
            found.push(check_feed_forward(device, shape, gate, &mut random).await?);
        }
    }
    for (index, (count, width)) in HEADS.into_iter().enumerate() {
        let base = [10_000.0, 160_000.0][index % 2];
        let window = 3 * index;
        for base in [None, width.is_multiple_of(2).then_some(base)] {
            for (window, causal) in [(None, false), (None, true), (Some(window), index % 2 == 1)] {
                let heads = plain::Heads { count, base, window, causal };
                let lengths: Vec<usize> = (0..5).map(|_| 1 + random.below(70)).collect();
                found.push(check_attention(device, &lengths, heads, width, &mut random).await?);
            }
        }
    }
    // Longer than what the CPU takes at once, and as much as a GPU takes two queries at a time of.
    for (count, width, lengths) in [(1, 8, &[3, 1_100][..]), (16, 4, &[258, 1, 263])] {
        for (window, causal) in [(None, false), (None, true), (Some(40), false)] {
            let heads = plain::Heads { count, base: Some(1e4), window, causal };
            found.push(check_attention(device, lengths, heads, width, &mut random).await?);
        }
    }
    for (count, width, lengths) in [(2, 64, &[1, 65, 300][..]), (1, 128, &[70]), (3, 40, &[90])] {
        found.push(check_coded_attention(device, lengths, count, width, &mut random).await?);
    }
    for width in WIDTHS {
        let mut documents = Texts::documents(width, &mut random);
        found.push(check_maxsim(device, &documents, &documents, "one batch").await?);
        let mut query = Texts::query(width, &mut random);
        found.push(check_maxsim(device, &query, &documents, "two batches").await?);
        found.push(check_alone(device, &query, &documents).await?);
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38] {
            documents.spoil(4, value);
            documents.spoil_dropped(5, value);
            query.spoil_dropped(0, value);
            found.push(check_maxsim(device, &query, &documents, "not finite").await?);
        }
        query.spoil(0, f32::NAN);
        found.push(check_maxsim(device, &query, &documents, "a query that is not finite").await?);
    }
    found.extend(variants::check(device, &mut random).await?);
    if is_cpu(device) {
        found.extend(forms::check(device, &mut random).await?);
    }
    found.extend(coded::check(device, &mut random).await?);
    found.extend(places::check(device, &mut random).await?);
    found.extend(not_finite::check(device, &mut random).await?);
    Ok(found)
}

async fn check_linear(
    device: &Device,
    rows: usize,
    matrix: &Matrix,
    random: &mut Random,
) -> Result<Difference, String> {
    let x = random.values(rows * matrix.columns);
    check_linear_of(device, x, matrix, random, "").await
}

async fn check_linear_of(
    device: &Device,
    x: Vec<f32>,
    matrix: &Matrix,
    random: &mut Random,
    case: &str,
) -> Result<Difference, String> {
    let rows = x.len() / matrix.columns;
    let bias = random.values(matrix.rows);
    let linear = Linear::new(matrix.clone(), Some(bias.clone()), device);
    let output = linear.forward(tensor(x.clone(), [rows, matrix.columns], device));
    let quantized = matches!(matrix.values, Values::Q8 { .. } | Values::Q4 { .. });
    let exact = quantized && is_cpu(device);
    let expected: Vec<f64> = match exact {
        true => plain::quantized_linear(&x, matrix, &bias).into_iter().map(f64::from).collect(),
        false => plain::linear(&x, matrix, &bias, Gate::NONE),
    };
    Ok(Difference {
        operation: match matrix.values {
            Values::F32(_) => "linear f32",
            Values::F16(_) => "linear f16",
            Values::Q8 { .. } => "linear q8",
            Values::Q4 { .. } => "linear q4",
        },
        shape: format!("{rows} x {} x {}{case}", matrix.columns, matrix.rows),
        relative: relative(&read(output).await?, &expected),
        allowed: if exact { 0.0 } else { ROUNDING },
    })
}

/// Two products with a function or a gate between them.
async fn check_feed_forward(
    device: &Device,
    [rows, inputs, outputs]: [usize; 3],
    gate: Gate,
    random: &mut Random,
) -> Result<Difference, String> {
    let x = random.values(rows * inputs);
    let wide = outputs * gate.halves();
    let up = Matrix::f32(wide, inputs, random.values(wide * inputs));
    let down = Matrix::f32(3, outputs, random.values(3 * outputs));
    let bias = random.values(wide);
    let between = plain::linear(&x, &up, &bias, Gate::NONE);
    let between: Vec<f32> = between.into_iter().map(|value| value as f32).collect();
    let expected = plain::linear(&between, &down, &[0.0; 3], gate);
    let (up, down) = (Linear::new(up, Some(bias), device), Linear::new(down, None, device));
    let place = || tensor(x.clone(), [rows, inputs], device);
    let output = read(feed_forward(place(), &up, gate, &down)).await?;
    let apart = read(down.forward(up.forward_then(place(), gate))).await?;
    Ok(Difference {
        operation: "feed forward",
        shape: format!("{rows} x {inputs} x {outputs}, {gate:?}"),
        relative: relative(&output, &expected).max(relative(&apart, &expected)),
        allowed: ROUNDING,
    })
}

async fn check_norms(
    device: &Device,
    [rows, width, _]: [usize; 3],
    random: &mut Random,
) -> Result<Difference, String> {
    let (x, residual) = (random.values(rows * width), random.values(rows * width));
    let (gamma, beta) = (random.values(width), random.values(width));
    let sum: Vec<f32> = x.iter().zip(&residual).map(|(a, b)| a + b).collect();
    let expected = plain::layer_norm(&sum, &gamma, &beta, 1e-12);
    let exact: Vec<f64> = sum.iter().map(|&value| f64::from(value)).collect();
    let g: Tensor<1> = tensor(gamma, [width], device);
    let b: Tensor<1> = tensor(beta, [width], device);
    let place = |values: Vec<f32>| tensor(values, [rows, width], device);
    let (both, norm) =
        super::sum_layer_norm(place(x.clone()), place(residual.clone()), &g, &b, 1e-12);
    let added = super::add_layer_norm(place(x), place(residual), &g, &b, 1e-12);
    let whole = super::layer_norm(place(sum), &g, &b, 1e-12);
    let unit = read(super::normalize(whole.clone())).await?;
    let norms = unit.chunks_exact(width).map(|row| row.iter().map(|v| v * v).sum::<f32>().sqrt());
    let off_one = norms.map(|norm| f64::from((norm - 1.0).abs())).fold(0.0, f64::max);
    let relative = [
        relative(&read(both).await?, &exact),
        relative(&read(norm).await?, &expected),
        relative(&read(added).await?, &expected),
        relative(&read(whole).await?, &expected),
        off_one,
    ];
    Ok(Difference {
        operation: "norms",
        shape: format!("{rows} x {width}"),
        relative: relative.into_iter().fold(0.0, f64::max),
        allowed: ROUNDING,
    })
}

async fn check_attention(
    device: &Device,
    lengths: &[usize],
    heads: plain::Heads,
    width: usize,
    random: &mut Random,
) -> Result<Difference, String> {
    let rows: usize = lengths.iter().sum();
    let hidden = heads.count * width;
    let qkv = random.values(rows * 3 * hidden);
    let attended: Vec<bool> = (0..rows).map(|row| row < 1 || random.below(5) > 0).collect();
    let masked: Vec<i32> = attended.iter().map(|&a| i32::from(!a)).collect();
    let starts = starts_of(lengths);
    let expected = plain::attention(&qkv, &starts, &masked, heads);
    let bounds = Bounds::new(lengths, &attended, device);
    let longest = lengths.iter().copied().fold(0, usize::max);
    let rope = heads.base.map(|base| Rope::new(base, width, longest, device));
    let how = Attention {
        rope: rope.as_ref(),
        window: heads.window,
        causal: heads.causal,
        ..Attention::whole(heads.count)
    };
    let qkv = tensor(qkv, [rows, 3 * hidden], device);
    // An input that is held elsewhere stays as it is.
    let first = read(super::attention(qkv.clone(), &bounds, how)).await?;
    let second = read(super::attention(qkv, &bounds, how)).await?;
    Ok(Difference {
        operation: "attention",
        shape: format!("{lengths:?}, {heads:?} of {width}"),
        relative: relative(&first, &expected).max(relative(&second, &expected)),
        allowed: ROUNDING,
    })
}

/// First row of each text, and behind the last one's end.
fn starts_of(lengths: &[usize]) -> Vec<i32> {
    let mut starts = vec![0];
    lengths.iter().for_each(|&n| starts.push(starts[starts.len() - 1] + n as i32));
    starts
}

/// Of texts of which all attend to all.
async fn check_coded_attention(
    device: &Device,
    lengths: &[usize],
    count: usize,
    width: usize,
    random: &mut Random,
) -> Result<Difference, String> {
    let (rows, hidden) = (lengths.iter().sum(), count * width);
    let qkv = random.values(rows * 3 * hidden);
    let starts = starts_of(lengths);
    let heads = plain::Heads { count, base: None, window: None, causal: false };
    let expected = plain::attention(&qkv, &starts, &vec![0; rows], heads);
    let bounds = Bounds::new(lengths, &vec![true; rows], device);
    let how = Attention { coded: true, ..Attention::whole(count) };
    let qkv = tensor(qkv, [rows, 3 * hidden], device);
    let found = read(super::attention(qkv, &bounds, how)).await?;
    Ok(Difference {
        operation: "attention by codes",
        shape: format!("{lengths:?}, {count} of {width}"),
        relative: relative(&found, &expected),
        allowed: CODED,
    })
}

async fn check_maxsim(
    device: &Device,
    query: &Texts,
    documents: &Texts,
    case: &str,
) -> Result<Difference, String> {
    let (width, first) = (query.width, &query.kept()[0]);
    let expected: Vec<f64> =
        documents.kept().iter().map(|document| plain::maxsim(first, document, width)).collect();
    let scores = super::maxsim(&query.place(device), &documents.place(device));
    let lengths = &documents.lengths;
    Ok(Difference {
        operation: "maxsim",
        shape: format!("{} against {lengths:?} of {width}, {case}", query.lengths[0]),
        relative: relative(&super::scores(read(scores).await?), &expected),
        allowed: ROUNDING,
    })
}

/// The score of a document without its neighbours is the same to the bit.
async fn check_alone(
    device: &Device,
    query: &Texts,
    documents: &Texts,
) -> Result<Difference, String> {
    let text = documents.lengths.len() - 1;
    let rows = documents.start(text);
    let alone = Texts {
        rows: documents.rows[rows * documents.width..].to_vec(),
        lengths: vec![documents.lengths[text]],
        embeds: documents.embeds[rows..].to_vec(),
        width: documents.width,
    };
    let query = query.place(device);
    let all = read(super::maxsim(&query, &documents.place(device))).await?;
    let found = read(super::maxsim(&query, &alone.place(device))).await?;
    Ok(Difference {
        operation: "maxsim",
        shape: format!("a document of {:?} alone and among others", alone.lengths),
        relative: relative(&found, &[f64::from(all[text])]),
        allowed: 0.0,
    })
}

/// A ragged batch of embeddings.
struct Texts {
    rows: Vec<f32>,
    lengths: Vec<usize>,
    embeds: Vec<bool>,
    width: usize,
}

impl Texts {
    /// Every length that is awkward, and a text of which every token is dropped.
    fn documents(width: usize, random: &mut Random) -> Self {
        let mut lengths = vec![1 + random.below(70), 0, 1, 3, 2];
        lengths.extend((0..3).map(|_| 1 + random.below(70)));
        let mut texts = Self::new(lengths, width, random);
        let all = texts.start(3)..texts.start(4);
        texts.embeds[all].fill(false);
        texts
    }

    /// A query, and a text behind it that takes no part.
    fn query(width: usize, random: &mut Random) -> Self {
        Self::new(vec![2 + random.below(69), 5], width, random)
    }

    fn new(lengths: Vec<usize>, width: usize, random: &mut Random) -> Self {
        let tokens = lengths.iter().sum();
        let embeds = (0..tokens).map(|_| random.below(5) > 0).collect();
        Self { rows: random.values(tokens * width), lengths, embeds, width }
    }

    fn start(&self, text: usize) -> usize {
        self.lengths[..text].iter().sum()
    }

    /// Puts `value` into a row of `text` that counts.
    fn spoil(&mut self, text: usize, value: f32) {
        let row = self.start(text + 1) - 1;
        self.rows[row * self.width] = value;
        self.embeds[row] = true;
    }

    /// Puts `value` into a row of `text` that does not count.
    fn spoil_dropped(&mut self, text: usize, value: f32) {
        let row = self.start(text);
        self.rows[row * self.width] = value;
        self.embeds[row] = false;
    }

    /// The rows of each text that count.
    fn kept(&self) -> Vec<Vec<f32>> {
        let row = |row: usize| &self.rows[row * self.width..(row + 1) * self.width];
        let kept = |text: usize| {
            let rows = self.start(text)..self.start(text + 1);
            rows.filter(|&i| self.embeds[i]).flat_map(row).copied().collect()
        };
        (0..self.lengths.len()).map(kept).collect()
    }

    fn place(&self, device: &Device) -> BatchEmbeddings {
        let rows = tensor(self.rows.clone(), [self.embeds.len(), self.width], device);
        BatchEmbeddings::new(rows, &self.lengths, &self.embeds)
    }
}

fn matrices(shape: [usize; 3], random: &mut Random) -> [Matrix; 4] {
    let [_, columns, rows] = shape;
    let count = rows * columns;
    let f16s = |values: Vec<f32>| values.into_iter().map(f16::from_f32).collect();
    let matrix = |values, equalizer| Matrix { rows, columns, values, equalizer };
    [
        Matrix::f32(rows, columns, random.values(count)),
        matrix(Values::F16(f16s(random.values(count))), None),
        q8(shape, random),
        q4(shape, random),
    ]
}

fn q4([_, columns, rows]: [usize; 3], random: &mut Random) -> Matrix {
    let mut nibbles: Vec<u8> =
        (0..rows * columns.div_ceil(2)).map(|_| random.below(256) as u8).collect();
    if !columns.is_multiple_of(2) {
        let rows = nibbles.chunks_exact_mut(columns.div_ceil(2));
        rows.for_each(|row| row[columns / 2] = (row[columns / 2] & 15) | NIBBLE_ZERO << 4);
    }
    let scales = random.values(rows * columns.div_ceil(Q4_BLOCK));
    let scales = scales.into_iter().map(f16::from_f32).collect();
    let equalizer = Some(random.positive(columns));
    Matrix { rows, columns, values: Values::Q4 { nibbles, scales }, equalizer }
}

fn q8([_, columns, rows]: [usize; 3], random: &mut Random) -> Matrix {
    let span = 2 * PRODUCT_CODE as usize + 1;
    let codes = (0..rows * columns).map(|_| random.below(span) as i8 - PRODUCT_CODE).collect();
    let scales = random.positive(rows * columns.div_ceil(Q8_BLOCK));
    let values = Values::Q8 { codes, scales };
    Matrix { rows, columns, values, equalizer: Some(random.positive(columns)) }
}

/// As it is in bundles before version 3.
fn one_scale_a_row(mut matrix: Matrix) -> Matrix {
    if let Values::Q8 { scales, .. } = &mut matrix.values {
        scales.truncate(matrix.rows);
    }
    matrix
}

fn relative(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "an operation answered with another shape");
    // Inputs are of the order of one: so is what rounding loses where all outputs happen to be small.
    let finite = expected.iter().filter(|value| value.is_finite());
    let largest = finite.fold(1.0, |most: f64, value| most.max(value.abs()));
    let difference = |(found, expected): (&f32, &f64)| {
        match (found.is_finite(), expected.is_finite()) {
            (true, true) => (f64::from(*found) - expected).abs() / largest,
            // What is not finite is right where it is due, and nowhere else.
            (false, false) => 0.0,
            _ => f64::INFINITY,
        }
    };
    found.iter().zip(expected).map(difference).fold(0.0, f64::max)
}

pub(super) async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, String> {
    let data = tensor.into_data_async().await.map_err(|error| format!("{error:?}"))?;
    data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
}

struct Random(SplitMix64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0.next()
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Within ±2, with an outlier now and then.
    fn values(&mut self, count: usize) -> Vec<f32> {
        let one = |bits: u64| (bits >> 40) as f32 / (1u64 << 22) as f32 - 2.0;
        let scale = |bits: u64| if bits.is_multiple_of(97) { 5.0 } else { 1.0 };
        (0..count).map(|_| self.next()).map(|bits| one(bits) * scale(bits)).collect()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    fn positive(&mut self, count: usize) -> Vec<f32> {
        self.values(count).into_iter().map(|value| 0.25 + value.abs()).collect()
    }
}
