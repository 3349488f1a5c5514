//! Attention by products of codes of 7 bits: of queries with keys, and of weights with values.
//!
//! They are products with q8 weights: queries and weights are the activations, keys and values what they are multiplied by, coded anew for
//! each text. The keys' mean is taken off each, which takes the same off all scores of a query, so that its weights stay: what all keys
//! have in common would take most of their codes (SageAttention, Zhang et al., 2024).

use super::super::dot::{Activation, Code, OUTPUTS, STEP};
use super::super::encode::encode_weight;
use super::super::lines::Lines;
use super::super::panels::{Columns, Factors};
use super::super::q8::Codes;
use super::super::quantize::Quantized;
use super::super::vectors::widest;
use super::{Head, QUERIES};
use crate::model::quantize::Q8_BLOCK;

/// What is taken off a code as [`encode_weight`] writes it.
const OFFSET: Code = 64;

impl Head<'_> {
    /// Whether heads are as wide as blocks are. What is masked must not be in a mean, nor in a block.
    pub(super) fn is_coded(&self) -> bool {
        self.heads.coded && !self.some_masked && self.width.is_multiple_of(Q8_BLOCK)
    }

    /// As [`Head::attend`].
    pub(super) fn attend_coded(&self, out: &mut [f32]) {
        let padded = self.keys.len().next_multiple_of(Q8_BLOCK);
        let keys = Coded::new(&self.keys_off_their_mean(), self.width);
        let values = Coded::new(&self.values_by_column(padded), padded);
        let (mut scored, mut summed) = (keys.columns(), values.columns());
        let mut scores = vec![0.0; QUERIES * padded];
        let mut sums = vec![0.0; QUERIES * self.width];
        for first in self.queries.clone().step_by(QUERIES) {
            let rows = first..self.queries.end.min(first + QUERIES);
            let mut queries = Quantized::new(rows.len(), self.width, Q8_BLOCK);
            let own = self.queries(rows.clone(), self.scale());
            for (row, query) in own.chunks_exact(self.width).enumerate() {
                queries.write_plain(row, query);
            }
            scored.write(&queries, 0..self.keys.len(), &mut scores, padded);
            let mut weights = Quantized::new(rows.len(), padded, Q8_BLOCK);
            let mut totals = [0.0; QUERIES];
            for (place, row) in rows.enumerate() {
                let scores = &mut scores[place * padded..][..padded];
                totals[place] = self.softmax(row, 0, scores);
                weights.write_plain(place, scores);
            }
            summed.write(&weights, 0..self.width, &mut sums, self.width);
            self.write(first, &sums, self.width, &totals, out);
        }
    }

    /// `[keys, width]`.
    fn keys_off_their_mean(&self) -> Vec<f32> {
        let mut keys = vec![0.0; self.keys.len() * self.width];
        let mut mean = vec![0.0; self.width];
        for (row, key) in self.keys.clone().zip(keys.chunks_exact_mut(self.width)) {
            self.turned(row, 1, 1.0, key);
            mean.iter_mut().zip(key).for_each(|(sum, value)| *sum += *value);
        }
        mean.iter_mut().for_each(|sum| *sum /= self.keys.len() as f32);
        for key in keys.chunks_exact_mut(self.width) {
            key.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
        }
        keys
    }

    /// `[width, padded]`, zero behind the last key.
    fn values_by_column(&self, padded: usize) -> Vec<f32> {
        let mut columns = vec![0.0; self.width * padded];
        for (place, row) in self.keys.clone().enumerate() {
            for (column, value) in self.row(row, 2).iter().enumerate() {
                columns[column * padded + place] = *value;
            }
        }
        columns
    }
}

/// A weight `[outputs, inputs]` in whole blocks, packed as those of a model are.
struct Coded {
    codes: Lines<Code>,
    scales: Vec<f32>,
    sums: Vec<i32>,
    /// Zeros.
    bias: Vec<f32>,
    blocks: usize,
}

impl Coded {
    fn new(values: &[f32], inputs: usize) -> Self {
        let (outputs, blocks) = (values.len() / inputs, inputs / Q8_BLOCK);
        let padded = outputs.next_multiple_of(OUTPUTS);
        let mut coded = Self {
            codes: Lines::zeros(padded * inputs),
            scales: vec![0.0; padded * blocks],
            sums: vec![0; padded * blocks],
            bias: vec![0.0; outputs],
            blocks,
        };
        for (output, row) in values.chunks_exact(inputs).enumerate() {
            for (block, values) in row.as_chunks::<Q8_BLOCK>().0.iter().enumerate() {
                coded.write(output, block, values);
            }
        }
        coded
    }

    fn write(&mut self, output: usize, block: usize, values: &[f32; Q8_BLOCK]) {
        let mut codes = [0; Q8_BLOCK];
        let scale = weight_codes(values, &mut codes);
        let (panel, lane) = (output / OUTPUTS, output % OUTPUTS);
        let place = panel * self.blocks + block;
        self.scales[place * OUTPUTS + lane] = scale;
        self.sums[place * OUTPUTS + lane] = -codes.iter().map(|&code| i32::from(code)).sum::<i32>();
        let start = (place * Q8_BLOCK * OUTPUTS) + lane * STEP;
        for (step, codes) in codes.as_chunks::<STEP>().0.iter().enumerate() {
            self.codes[start + step * OUTPUTS * STEP..][..STEP].copy_from_slice(codes);
        }
    }

    fn columns(&self) -> Columns<'_, Codes<'_>> {
        let factors = Factors { scales: &self.scales, sums: &self.sums, bias: &self.bias };
        Columns::new(self.blocks * Q8_BLOCK, bytemuck::cast_slice(&self.codes), factors)
    }
}

widest! {
    /// Writes a block's codes, and answers their scale.
    fn weight_codes(values: &[f32; Q8_BLOCK], codes: &mut [Activation; Q8_BLOCK]) -> f32 {
        let scale = encode_weight(values, codes);
        codes.iter_mut().for_each(|code| *code -= OFFSET);
        scale
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Heads, Ragged, attention};
    use crate::random::SplitMix64;

    const COUNT: usize = 2;
    const HIDDEN: usize = COUNT * 64;

    fn attended(qkv: &[f32], starts: &[i32], coded: bool) -> Vec<f32> {
        let masked = vec![0; qkv.len() / (3 * HIDDEN)];
        let heads = Heads { count: COUNT, rotation: None, window: None, causal: false, coded };
        attention(qkv, Ragged { starts, masked: &masked }, heads)
    }

    /// Of each row; keys have much in common.
    fn qkv(rows: usize) -> Vec<f32> {
        let mut random = SplitMix64(7);
        let mut value = || (random.next() % 4_001) as f32 / 1_000.0 - 2.0;
        let mut values: Vec<f32> = (0..rows * 3 * HIDDEN).map(|_| value()).collect();
        for row in values.chunks_exact_mut(3 * HIDDEN) {
            row[HIDDEN..2 * HIDDEN].iter_mut().step_by(9).for_each(|key| *key += 40.0);
        }
        values
    }

    #[test]
    fn codes_cost_little() {
        let (rows, starts) = (if cfg!(miri) { 70 } else { 300 }, |rows: usize| [0, rows as i32]);
        let qkv = qkv(rows);
        let [exact, coded] = [false, true].map(|coded| attended(&qkv, &starts(rows), coded));
        let length = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
        let apart: Vec<f32> = exact.iter().zip(&coded).map(|(a, b)| a - b).collect();
        let share = length(&apart) / length(&exact);
        assert!(share > 0.0 && share < 0.04, "{share}");
    }

    #[test]
    fn a_text_does_not_depend_on_what_is_beside_it() {
        let qkv = qkv(140);
        let both = attended(&qkv, &[0, 65, 140], true);
        let alone = attended(&qkv[65 * 3 * HIDDEN..], &[0, 75], true);
        assert_eq!(both[65 * HIDDEN..], alone);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for part in 0..3 {
                let mut qkv = qkv(70);
                qkv[(3 * 30 + part) * HIDDEN + 5] = value;
                let [exact, coded] = [false, true].map(|coded| attended(&qkv, &[0, 70], coded));
                let lost =
                    exact.iter().zip(&coded).filter(|(a, b)| !a.is_finite() && b.is_finite());
                assert_eq!(lost.count(), 0, "{value} in part {part}");
                assert!(exact.iter().any(|value| !value.is_finite()));
            }
        }
    }
}
