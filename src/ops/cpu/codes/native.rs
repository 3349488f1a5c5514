//! By loops that become vector instructions.

use super::super::vectors::widest;
use super::*;

pub(in super::super) fn widened<'c>(codes: &'c [i8], _: &'c mut [Activation]) -> &'c [Activation] {
    codes
}

/// A bit for each lane whose similarity, which may be off by `slack`, may be the least or larger.
#[inline(always)]
pub(in super::super) fn near(similarities: &[f32; PANEL], slack: f32, least: &[f32; PANEL]) -> u32 {
    let lanes = similarities.iter().zip(least).enumerate();
    lanes.fold(0, |lanes, (lane, (similarity, least))| {
        lanes | u32::from(similarity + slack >= *least) << lane
    })
}

widest! {
    pub(in super::super) fn extent(row: &[f32]) -> [f32; 2] {
        let (mut most, mut squares) = ([0.0; LANES], [0.0; LANES]);
        let (chunks, rest) = row.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                most[lane] = larger(chunk[lane].abs(), most[lane]);
                squares[lane] += chunk[lane] * chunk[lane];
            }
        }
        let [last, last_squares] = rest::extent(rest);
        [larger(last, folded(most, larger)), last_squares + folded(squares, add)]
    }
}

widest! {
    pub(in super::super) fn encode(row: &[f32], inverse: f32, codes: &mut [Activation]) -> Totals {
        let (chunks, rest) = row.as_chunks::<LANES>();
        let (places, last) = codes.as_chunks_mut::<LANES>();
        let (mut sums, mut squares, mut largest) = ([0i32; LANES], [0i32; LANES], [0u32; LANES]);
        for (chunk, place) in chunks.iter().zip(places) {
            for lane in 0..LANES {
                let code = code(chunk[lane], inverse);
                place[lane] = code as Activation;
                sums[lane] = sums[lane].wrapping_add(code);
                squares[lane] = squares[lane].wrapping_add(code.wrapping_mul(code));
                largest[lane] = largest[lane].max(code.unsigned_abs());
            }
        }
        let totals = Totals {
            sum: folded(sums, i32::wrapping_add),
            squares: folded(squares, i32::wrapping_add),
            largest: folded(largest, u32::max),
        };
        totals.and(rest::encode(rest, inverse, last))
    }
}

widest! {
    pub(in super::super) fn totals(rows: &[i8]) -> [Totals; SIDE] {
        let inputs = rows.len() / SIDE;
        std::array::from_fn(|row| {
            let (chunks, rest) = rows[row * inputs..][..inputs].as_chunks::<LANES>();
            let (mut sums, mut squares) = ([0; LANES], [0; LANES]);
            for chunk in chunks {
                for lane in 0..LANES {
                    let code = i32::from(chunk[lane]);
                    sums[lane] += code;
                    squares[lane] += code * code;
                }
            }
            let add = |a: i32, b: i32| a + b;
            let totals = Totals { sum: folded(sums, add), squares: folded(squares, add), largest: 0 };
            totals.and(rest::totals(rest))
        })
    }
}
