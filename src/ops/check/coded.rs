//! Is a score of codes that of the rows which they stand for?

use burn::tensor::Device;
use half::f16;

use super::{Difference, ROUNDING, Random, Texts, WIDTHS, read, relative};
use crate::ops::{
    self, CodedBatch, CodedRows, Coding, DeviceTables, ResidualTables, maxsim_coded, plain,
};
use crate::random::SplitMix64;

const CODINGS: [Coding; 8] = [
    Coding::F32,
    Coding::F16,
    Coding::Int8,
    Coding::Binary,
    Coding::Residual { nbits: 1 },
    Coding::Residual { nbits: 2 },
    Coding::Residual { nbits: 4 },
    Coding::Residual { nbits: 8 },
];
const CENTROIDS: usize = 5;

/// A query of the usual length against a few documents of one coding, on `device`.
///
/// # Errors
/// What the device says when its results cannot be read.
pub async fn check_coding(
    device: &Device,
    coding: Coding,
    width: usize,
) -> Result<Difference, String> {
    let (mut random, lengths) = (Random(SplitMix64(1)), [37, 0, 5]);
    let query = Texts::new(vec![32], width, &mut random);
    let codes = Codes::new(coding, width, lengths.iter().sum(), &mut random);
    check_codes(device, &query, &codes, &lengths, "").await
}

/// Runs every codec on `device`.
pub(super) async fn check(device: &Device, random: &mut Random) -> Result<Vec<Difference>, String> {
    let mut found = Vec::new();
    for width in WIDTHS.into_iter().chain([8, 50]) {
        let query = Texts::query(width, random);
        let lengths = [1 + random.below(70), 0, 1, 3, 0, 33 + random.below(70), 2];
        for codes in Codes::all(width, lengths.iter().sum(), random) {
            found.push(check_codes(device, &query, &codes, &lengths, "").await?);
        }
    }
    // Longer than any tile, and longer than a pass.
    let (query, lengths) = (Texts::query(48, random), [1_100, 0, 5]);
    for mut codes in Codes::all(48, lengths.iter().sum(), random) {
        found.push(check_codes(device, &query, &codes, &lengths, "").await?);
        found.push(check_apart(device, &query, &codes, &lengths).await?);
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e21, 3e38] {
            let case = format!(", {value} in a row");
            if codes.spoil(1_101, 48, value) {
                found.push(check_codes(device, &query, &codes, &lengths, &case).await?);
            }
        }
    }
    found.extend(check_nothing(device, random).await?);
    found.push(check_half_floats(device).await?);
    Ok(found)
}

async fn check_codes(
    device: &Device,
    query: &Texts,
    codes: &Codes,
    lengths: &[usize],
    case: &str,
) -> Result<Difference, String> {
    let (width, first) = (query.width, &query.kept()[0]);
    let rows = plain::decoded(codes.rows(), width, codes.tables());
    let embeds = vec![true; lengths.iter().sum()];
    let documents = Texts { rows, embeds, lengths: lengths.to_vec(), width };
    let expected: Vec<f64> =
        documents.kept().iter().map(|document| plain::maxsim(first, document, width)).collect();
    let scores = scores(query, codes, lengths, usize::MAX, device).await?;
    let rows = query.lengths[0];
    Ok(Difference {
        operation: "maxsim of codes",
        shape: format!("{rows} against {lengths:?} of {width}, {}{case}", codes.name()),
        relative: relative(&scores, &expected),
        allowed: ROUNDING,
    })
}

/// Scores are the same to the bit where the list is cut.
async fn check_apart(
    device: &Device,
    query: &Texts,
    codes: &Codes,
    lengths: &[usize],
) -> Result<Difference, String> {
    let whole = scores(query, codes, lengths, usize::MAX, device).await?;
    let whole: Vec<f64> = whole.into_iter().map(f64::from).collect();
    let cut = scores(query, codes, lengths, 1, device).await?;
    Ok(Difference {
        operation: "maxsim of codes",
        shape: format!("{lengths:?} of {}, document by document", codes.name()),
        relative: relative(&cut, &whole),
        allowed: 0.0,
    })
}

/// No documents, none with a row, and a query without one.
async fn check_nothing(device: &Device, random: &mut Random) -> Result<Vec<Difference>, String> {
    let (mut query, mut found) = (Texts::query(8, random), Vec::new());
    for lengths in [&[][..], &[0, 0], &[2, 0]] {
        for codes in Codes::all(8, lengths.iter().sum(), random) {
            found.push(check_codes(device, &query, &codes, lengths, "").await?);
        }
    }
    query.embeds.fill(false);
    for codes in Codes::all(8, 2, random) {
        found.push(check_codes(device, &query, &codes, &[2, 0], ", no query").await?);
    }
    Ok(found)
}

/// Every half float there is, as a document of its own: more than the workgroups of one dimension.
async fn check_half_floats(device: &Device) -> Result<Difference, String> {
    let query = Texts { rows: vec![1.0], lengths: vec![1], embeds: vec![true], width: 1 };
    let codes = Codes::F16((0..=u16::MAX).collect());
    let found = scores(&query, &codes, &[1; 1 << 16], usize::MAX, device).await?;
    let expected: Vec<f64> = (0..=u16::MAX).map(|bits| f16::from_bits(bits).to_f64()).collect();
    Ok(Difference {
        operation: "maxsim of codes",
        shape: "every half float".to_owned(),
        relative: relative(&found, &expected),
        allowed: 0.0,
    })
}

/// `limit` is that of rows in a dispatch.
async fn scores(
    query: &Texts,
    codes: &Codes,
    lengths: &[usize],
    limit: usize,
    device: &Device,
) -> Result<Vec<f32>, String> {
    let tables = codes.tables().map(|tables| DeviceTables::new(tables, device));
    let documents =
        CodedBatch::cut(codes.rows(), lengths, query.width, tables.as_ref(), device, limit);
    Ok(ops::scores(read(maxsim_coded(&query.place(device), &documents)).await?))
}

/// Rows of one width in one codec.
enum Codes {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Int8(Vec<i8>, Vec<f32>),
    Binary(Vec<u8>),
    Residual { codes: Vec<u32>, residuals: Vec<u8>, tables: Tables },
}

struct Tables {
    width: usize,
    nbits: usize,
    centroids: Vec<f32>,
    weights: Vec<f32>,
}

impl Codes {
    /// Every codec that has rows of this width.
    fn all(width: usize, rows: usize, random: &mut Random) -> Vec<Self> {
        let whole = |coding: &Coding| match coding {
            Coding::Residual { nbits } => (width * nbits).is_multiple_of(8),
            _ => true,
        };
        let codings = CODINGS.into_iter().filter(whole);
        codings.map(|coding| Self::new(coding, width, rows, random)).collect()
    }

    fn new(coding: Coding, width: usize, rows: usize, random: &mut Random) -> Self {
        let count = rows * width;
        match coding {
            Coding::F32 => Self::F32(random.values(count)),
            Coding::F16 => {
                let bits =
                    random.values(count).into_iter().map(|value| f16::from_f32(value).to_bits());
                Self::F16(bits.collect())
            }
            Coding::Int8 => {
                let codes = (0..count).map(|_| (random.below(255) as i16 - 127) as i8).collect();
                Self::Int8(codes, random.positive(rows))
            }
            Coding::Binary => Self::Binary(random.bytes(rows * width.div_ceil(8))),
            Coding::Residual { nbits } => Self::Residual {
                codes: (0..rows).map(|_| random.below(CENTROIDS) as u32).collect(),
                residuals: random.bytes(count * nbits / 8),
                tables: Tables {
                    width,
                    nbits,
                    centroids: random.values(CENTROIDS * width),
                    weights: random.values(1 << nbits),
                },
            },
        }
    }

    /// Puts `value` into what one row of `width` stands for; whether there are codes for that.
    fn spoil(&mut self, row: usize, width: usize, value: f32) -> bool {
        match self {
            Self::F32(values) => values[row * width] = value,
            Self::F16(bits) => bits[row * width] = f16::from_f32(value).to_bits(),
            Self::Int8(_, scales) => scales[row] = value,
            Self::Binary(_) => return false,
            Self::Residual { codes, tables, .. } => {
                codes[row] = (tables.centroids.len() / width) as u32;
                tables.centroids.extend(vec![value; width]);
            }
        }
        true
    }

    fn rows(&self) -> CodedRows<'_> {
        match self {
            Self::F32(values) => CodedRows::F32(values),
            Self::F16(bits) => CodedRows::F16(bits),
            Self::Int8(codes, scales) => CodedRows::Int8 { codes, scales },
            Self::Binary(bytes) => CodedRows::Binary(bytes),
            Self::Residual { codes, residuals, .. } => CodedRows::Residual { codes, residuals },
        }
    }

    fn tables(&self) -> Option<ResidualTables<'_>> {
        match self {
            Self::Residual { tables, .. } => Some(ResidualTables {
                dimension: tables.width,
                nbits: tables.nbits,
                centroids: &tables.centroids,
                weights: &tables.weights,
            }),
            _ => None,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::F32(_) => "f32".to_owned(),
            Self::F16(_) => "f16".to_owned(),
            Self::Int8(..) => "int8".to_owned(),
            Self::Binary(_) => "binary".to_owned(),
            Self::Residual { tables, .. } => format!("residual of {} bits", tables.nbits),
        }
    }
}
