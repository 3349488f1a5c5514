//! How large is each input channel of each product? Measured on random tokens, so that no texts are needed: what the
//! layers make large they make large of any input.

use std::collections::HashMap;

use crate::checkpoint::{CheckpointFiles, Weights};
use crate::config::ModelConfig;
use crate::device;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::token_batch::{TokenBatch, TokenSequence};
use crate::tokenizer::Tokenizer;

/// Sequences that the encoder is shown.
pub(super) const SEQUENCES: usize = 8;
/// Tokens of each, special ones included.
const LENGTH: usize = 128;
const SEED: u64 = 1;

/// Root mean square of each input channel, by the first name of each product.
pub(super) type Calibration = HashMap<String, Vec<f32>>;

/// Runs the encoder in f32. The observer is told of each sequence, as a part of `total`.
pub(super) async fn run(
    files: &CheckpointFiles,
    config: &ModelConfig,
    total: usize,
    observer: &mut impl Observer,
) -> Result<Calibration> {
    let tokenizer = Tokenizer::load(files, config, &mut Vec::new())?;
    let sequences = sequences(&tokenizer, config)?;
    let weights = Weights::open(files, &files.backbone_files()?)?;
    let encoder = Encoder::load(&config.encoder, weights, &device::cpu())?;
    let mut sums: HashMap<String, Vec<f64>> = HashMap::new();
    for (done, sequence) in sequences.iter().enumerate() {
        let batch = TokenBatch::new([sequence]);
        let mut squares = Vec::new();
        encoder.inputs(&batch, &mut |name, input| {
            squares.push((name.to_owned(), (input.clone() * input.clone()).sum_dim(0)));
        });
        for (name, squares) in squares {
            let squares = device::read(squares).await?;
            let sum = sums.entry(name).or_insert_with(|| vec![0.0; squares.len()]);
            sum.iter_mut().zip(squares).for_each(|(sum, square)| *sum += f64::from(square));
        }
        if observer.batch_done(done + 1, total).await.is_break() {
            return Err(Error::Aborted);
        }
    }
    let tokens: usize = sequences.iter().map(TokenSequence::len).sum();
    let root = |sum: f64| (sum / tokens as f64).sqrt() as f32;
    Ok(sums.into_iter().map(|(name, sum)| (name, sum.into_iter().map(root).collect())).collect())
}

/// Random tokens between the special ones that go round every text.
fn sequences(tokenizer: &Tokenizer, config: &ModelConfig) -> Result<Vec<TokenSequence>> {
    let (before, after) = tokenizer.frame()?;
    let vocabulary = config.encoder.vocab_size() as u64;
    let special = tokenizer.special_ids();
    let length = LENGTH.min(config.encoder.max_length());
    let content = length.saturating_sub(before.len() + after.len()).max(1);
    let mut random = SplitMix64(SEED);
    let mut next = || loop {
        let id = (((random.next() >> 32) * vocabulary) >> 32) as u32;
        if !special.contains(&id) || special.len() as u64 >= vocabulary {
            return id;
        }
    };
    let mut sequence = || {
        let content = (0..content).map(|_| next());
        let ids: Vec<u32> =
            before.iter().copied().chain(content).chain(after.iter().copied()).collect();
        let all = vec![true; ids.len()];
        TokenSequence {
            offsets: vec![None; ids.len()],
            attention_mask: all.clone(),
            embedding_mask: all,
            truncated: false,
            ids,
        }
    };
    Ok((0..SEQUENCES).map(|_| sequence()).collect())
}

/// Steele, Lea and Flood, 2014: the same numbers everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
