//! Is a score of codes that of the rows which they stand for?

use burn::tensor::Device;
use half::f16;

use super::{Difference, ROUNDING, Random, Texts, WIDTHS, read, relative};
use crate::ops::{self, CodedBatch, CodedRows, DeviceTables, ResidualTables, maxsim_coded, plain};

/// Bits of a bucket.
const NBITS: [usize; 4] = [1, 2, 4, 8];
const CENTROIDS: usize = 5;

/// Runs every codec on `device`.
pub(super) async fn check(device: &Device, random: &mut Random) -> Result<Vec<Difference>, String> {
    let mut found = Vec::new();
    for width in WIDTHS.into_iter().chain([8, 50]) {
        let query = Texts::query(width, random);
        let lengths = [1 + random.below(70), 0, 1, 3, 0, 33 + random.below(70), 2];
        for codes in Codes::all(width, lengths.iter().sum(), random) {
            found.push(check_codes(device, &query, &codes, &lengths).await?);
        }
    }
    Ok(found)
}

async fn check_codes(
    device: &Device,
    query: &Texts,
    codes: &Codes,
    lengths: &[usize],
) -> Result<Difference, String> {
    let width = query.width;
    let rows = plain::decoded(codes.rows(), width, codes.tables());
    let documents =
        Texts { rows, embeds: vec![true; lengths.iter().sum()], lengths: lengths.to_vec(), width };
    let first = &query.kept()[0];
    let expected: Vec<f64> =
        documents.kept().iter().map(|document| plain::maxsim(first, document, width)).collect();
    let tables = codes.tables().map(|tables| DeviceTables::new(tables, device));
    let batch = CodedBatch::new(codes.rows(), lengths, width, tables.as_ref(), device);
    let scores = read(maxsim_coded(&query.place(device), &batch)).await?;
    Ok(Difference {
        operation: "maxsim of codes",
        shape: format!("{} against {lengths:?} of {width}, {}", query.lengths[0], codes.name()),
        relative: relative(&ops::scores(scores), &expected),
        allowed: ROUNDING,
    })
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
        let count = rows * width;
        let f16s = random.values(count).into_iter().map(|value| f16::from_f32(value).to_bits());
        let mut all = vec![Self::F16(f16s.collect()), Self::F32(random.values(count))];
        let codes = (0..count).map(|_| (random.below(255) as i16 - 127) as i8).collect();
        all.push(Self::Int8(codes, random.positive(rows)));
        all.push(Self::Binary(random.bytes(rows * width.div_ceil(8))));
        let nbits = NBITS.into_iter().filter(|nbits| (width * nbits).is_multiple_of(8));
        all.extend(nbits.map(|nbits| Self::residual(width, nbits, rows, random)));
        all
    }

    fn residual(width: usize, nbits: usize, rows: usize, random: &mut Random) -> Self {
        let (centroids, weights) = (random.values(CENTROIDS * width), random.values(1 << nbits));
        let codes = (0..rows).map(|_| random.below(CENTROIDS) as u32).collect();
        let residuals = random.bytes(rows * width * nbits / 8);
        Self::Residual { codes, residuals, tables: Tables { width, nbits, centroids, weights } }
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
