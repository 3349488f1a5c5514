//! How near are packed rows? Without unpacking them: tables say what each byte of a row adds to its similarities.
//!
//! A byte is added to [`LANES`] similarities at once, and bytes in order, so that sums are the same everywhere. The tables of a
//! query of 32 rows of 128 values have half a megabyte for rows of signs, and are made in less time than one document takes.

use super::codes::larger;

/// Rows of the query whose similarities are computed side by side: as many as a line of the cache holds.
const LANES: usize = 16;
/// Most tables of a query, of 16 KB each: larger ones would be read from memory.
const MOST: usize = 512;

/// What each value of a byte adds to some similarities.
#[derive(Debug, Clone)]
#[repr(align(64))]
struct Table([[f32; LANES]; 256]);

/// A query's tables: `[⌈rows / LANES⌉, bytes of a document's row]`.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    tables: Vec<Table>,
    bytes: usize,
}

impl Tables {
    /// For rows `[length, dimension]` of a query, and what the bits of each byte stand for; nothing if there would be too many.
    pub(super) fn new<const N: usize>(
        rows: &[f32],
        dimension: usize,
        values: &[[f32; N]; 256],
    ) -> Option<Self> {
        let bytes = dimension.div_ceil(N);
        if (rows.len() / dimension).div_ceil(LANES) * bytes > MOST {
            return None;
        }
        let mut tables = Vec::new();
        for rows in rows.chunks(LANES * dimension) {
            for first in (0..dimension).step_by(N) {
                // Zero behind the last row, and behind a row's last value.
                let mut inputs = [[0.0; LANES]; N];
                for (lane, row) in rows.chunks_exact(dimension).enumerate() {
                    let each = inputs.iter_mut().zip(&row[first..]);
                    each.for_each(|(input, &value)| input[lane] = value);
                }
                tables.push(Table::new(&inputs, values));
            }
        }
        Some(Self { tables, bytes })
    }

    /// The largest sum of each row of the query, over a document's rows.
    pub(super) fn nearest(&self, document: &[u8]) -> impl Iterator<Item = f32> {
        self.tables.chunks_exact(self.bytes).flat_map(|tables| nearest(tables, document))
    }
}

impl Table {
    /// By halves of a byte.
    fn new<const N: usize>(inputs: &[[f32; LANES]; N], values: &[[f32; N]; 256]) -> Self {
        let (high, low) = inputs.split_at(N / 2);
        let high: [_; 16] = std::array::from_fn(|half| sums(high, &values[half << 4][..N / 2]));
        let low: [_; 16] = std::array::from_fn(|half| sums(low, &values[half][N / 2..]));
        Self(std::array::from_fn(|byte| {
            let (high, low) = (&high[byte >> 4], &low[byte & 15]);
            std::array::from_fn(|lane| high[lane] + low[lane])
        }))
    }
}

fn sums(inputs: &[[f32; LANES]], values: &[f32]) -> [f32; LANES] {
    inputs.iter().zip(values).fold([0.0; LANES], |sums, (inputs, value)| {
        std::array::from_fn(|lane| sums[lane] + inputs[lane] * value)
    })
}

#[inline(never)]
fn nearest(tables: &[Table], document: &[u8]) -> [f32; LANES] {
    let mut most = [f32::NEG_INFINITY; LANES];
    for row in document.chunks_exact(tables.len()) {
        let mut sums = [0.0; LANES];
        for (Table(table), &byte) in tables.iter().zip(row) {
            let table = &table[usize::from(byte)];
            (0..LANES).for_each(|lane| sums[lane] += table[lane]);
        }
        (0..LANES).for_each(|lane| most[lane] = larger(sums[lane], most[lane]));
    }
    most
}

#[cfg(test)]
mod tests {
    use super::super::CodedQuery;
    use crate::ops::{CodedRows, plain};
    use crate::random::SplitMix64;

    #[test]
    fn rows_of_signs_score_as_unpacked_ones() {
        let mut random = SplitMix64(3);
        // The last have no tables.
        for (queries, count, dimension) in [
            (1, 1, 1usize),
            (5, 40, 7),
            (16, 9, 48),
            (17, 300, 129),
            (40, 30, 1_000),
            (300, 20, 500),
        ] {
            let mut value = || (random.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
            let query: Vec<f32> = (0..queries * dimension).map(|_| value()).collect();
            let bytes: Vec<u8> =
                (0..count * dimension.div_ceil(8)).map(|_| random.next() as u8).collect();
            let rows = CodedRows::Binary(&bytes);
            let expected = plain::maxsim(&query, &plain::decoded(rows, dimension, None), dimension);
            let found = CodedQuery::new(&query, dimension).score(rows);
            assert!(
                (f64::from(found) - expected).abs() < 1e-6 * expected.abs(),
                "{found}, not {expected}: {queries} x {dimension}"
            );
        }
    }
}
