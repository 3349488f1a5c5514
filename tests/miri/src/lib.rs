//! Do the raw reads of the operations stay within their slices? Every operation on plain memory against its definition, as Miri runs
//! it: over shapes whose last tile, step and block are short, with inputs that end where their allocation ends.
//!
//! The files are the crate's own. Attention, norms and MaxSim have no raw reads but those of the products under them.

#![allow(dead_code, unused_imports, reason = "the crate's own use is wider")]

#[path = "../../../src/ops/cpu/mod.rs"]
mod cpu_files;
#[path = "../../../src/ops/coded_rows.rs"]
mod coded_rows_file;
#[path = "../../../src/ops/plain.rs"]
mod plain_file;
#[path = "../../../src/ops/gate.rs"]
mod gate_file;
#[path = "../../../src/ops/profile.rs"]
mod profile_file;
#[path = "../../../src/model/activation.rs"]
mod activation_file;
#[path = "../../../src/model/quantize.rs"]
mod quantize_file;
#[path = "../../../src/random.rs"]
mod random;

mod model {
    pub(crate) use crate::activation_file as activation;
    pub(crate) use crate::quantize_file as quantize;
}

mod ops {
    pub(crate) use crate::coded_rows_file::{CodedRows, ResidualTables};
    pub(crate) use crate::cpu_files as cpu;
    pub(crate) use crate::plain_file as plain;
    pub(crate) use crate::gate_file::Gate;
    pub(crate) use crate::profile_file as profile;
}

#[cfg(test)]
mod tests {
    use half::f16;

    use crate::model::activation::Activation;
    use crate::model::quantize::{Matrix, NIBBLE_ZERO, PRODUCT_CODE, Q4_BLOCK, Q8_BLOCK, Values};
    use crate::ops::{CodedRows, Gate, cpu, plain};
    use crate::random::SplitMix64;

    /// Rows, inputs and outputs.
    const SHAPES: [[usize; 3]; 6] =
        [[1, 4, 1], [1, 33, 9], [9, 32, 8], [4, 75, 17], [13, 64, 3], [3, 7, 8]];

    struct Random(SplitMix64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0.next() % limit
        }

        fn values(&mut self, count: usize) -> Vec<f32> {
            (0..count).map(|_| self.below(4_001) as f32 / 1_000.0 - 2.0).collect()
        }
    }

    fn random() -> Random {
        Random(SplitMix64(1))
    }

    fn close(found: &[f32], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let difference = (f64::from(*found) - expected).abs();
            assert!(difference <= 1e-4 * expected.abs().max(1.0), "{found}, not {expected}");
        }
    }

    #[test]
    fn products_of_f32() {
        let mut random = random();
        for [rows, inputs, outputs] in SHAPES {
            let (x, bias) = (random.values(rows * inputs), random.values(outputs));
            let weights = Matrix::f32(outputs, inputs, random.values(outputs * inputs));
            let packed = cpu::pack_f32(&weights.to_f32(), inputs);
            let gate = Gate { function: Activation::Gelu, gated: true };
            let wide = random.values(2 * rows * inputs);
            for (x, gate) in [(&x, Activation::Gelu.into()), (&wide, gate)] {
                let found = cpu::linear_f32(x, inputs, &packed, &bias, gate);
                close(&found, &plain::linear(x, &weights, &bias, gate));
            }
        }
    }

    #[test]
    fn products_of_q8() {
        let mut random = random();
        for [rows, inputs, outputs] in SHAPES {
            let (x, bias) = (random.values(rows * inputs), random.values(outputs));
            let span = 2 * PRODUCT_CODE as u64 + 1;
            let codes: Vec<i8> = (0..outputs * inputs)
                .map(|_| random.below(span) as i8 - PRODUCT_CODE)
                .collect();
            let blocks = inputs.div_ceil(Q8_BLOCK);
            let scales = vec![0.01; outputs * blocks];
            let packed = cpu::pack_q8(&codes, inputs);
            let sums = cpu::pack_factors(&cpu::sums_q8(&codes, inputs), blocks);
            let panels = cpu::pack_factors(&scales, blocks);
            let factors = cpu::Factors { scales: &panels, sums: &sums, bias: &bias };
            let equalizer = vec![1.0; inputs];
            let found = cpu::linear_q8(&x, Gate::NONE, cpu::Product { equalizer: &equalizer, packed: &packed, factors });
            let values = Values::Q8 { codes, scales };
            let weights = Matrix { rows: outputs, columns: inputs, values, equalizer: None };
            assert_eq!(found, plain::quantized_linear(&x, &weights, &bias));
        }
    }

    #[test]
    fn products_of_q4() {
        let mut random = random();
        for [rows, inputs, outputs] in SHAPES {
            let (x, bias) = (random.values(rows * inputs), random.values(outputs));
            let bytes = inputs.div_ceil(2);
            let mut nibbles: Vec<u8> =
                (0..outputs * bytes).map(|_| random.below(256) as u8).collect();
            if inputs % 2 == 1 {
                let last = nibbles.chunks_exact_mut(bytes);
                last.for_each(|row| row[bytes - 1] = row[bytes - 1] & 15 | NIBBLE_ZERO << 4);
            }
            let blocks = inputs.div_ceil(Q4_BLOCK);
            let scales = vec![f16::from_f32(0.25); outputs * blocks];
            let packed = cpu::pack_q4(&nibbles, inputs);
            let sums = cpu::pack_factors(&cpu::sums_q4(&nibbles, inputs), blocks);
            let panels = cpu::pack_factors(&vec![0.25; outputs * blocks], blocks);
            let factors = cpu::Factors { scales: &panels, sums: &sums, bias: &bias };
            let equalizer = vec![1.0; inputs];
            let found = cpu::linear_q4(&x, Gate::NONE, cpu::Product { equalizer: &equalizer, packed: &packed, factors });
            let values = Values::Q4 { nibbles, scales };
            let weights = Matrix { rows: outputs, columns: inputs, values, equalizer: None };
            assert_eq!(found, plain::quantized_linear(&x, &weights, &bias));
        }
    }

    #[test]
    fn attention() {
        let (lengths, hidden) = ([5usize, 0, 9], 14);
        let rows: usize = lengths.iter().sum();
        let qkv = random().values(rows * 3 * hidden);
        let starts = [0, 5, 5, 14];
        let masked: Vec<i32> = (0..rows).map(|row| i32::from(row % 4 == 3)).collect();
        let texts = cpu::Ragged { starts: &starts, masked: &masked };
        for window in [None, Some(2)] {
            let heads = cpu::Heads { count: 2, rotation: None, window };
            let found = cpu::attention(&qkv, texts, heads);
            let heads = plain::Heads { count: 2, base: None, window };
            close(&found, &plain::attention(&qkv, &starts, &masked, heads));
        }
    }

    #[test]
    fn maxsim() {
        let mut random = random();
        for dimension in [1, 7, 16, 35] {
            let (query, document) = (random.values(9 * dimension), random.values(35 * dimension));
            let query_of = cpu::CodedQuery::new(&query, dimension);
            let score = query_of.score(CodedRows::F32(&document));
            close(&[score], &[plain::maxsim(&query, &document, dimension)]);
            let codes: Vec<i8> =
                (0..35 * dimension).map(|_| random.below(256) as u8 as i8).collect();
            let rows = CodedRows::Int8 { codes: &codes, scales: &[0.01; 35] };
            let decoded = plain::decoded(rows, dimension, None);
            close(&[query_of.score(rows)], &[plain::maxsim(&query, &decoded, dimension)]);
        }
    }
}
