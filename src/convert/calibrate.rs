//! How large is each input channel of each product? Measured on random tokens, so that no texts are needed: what the
//! layers make large they make large of any input.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::device;
use crate::error::{Error, Result};
use crate::late_interaction::colbert::{ColBert, Keep};
use crate::model::checkpoint::CheckpointFiles;
use crate::model::config::ModelConfig;
use crate::observer::{Observer, batch_done, pause};
use crate::random::SplitMix64;
use crate::text::token_batch::{TokenBatch, TokenSequence};
use crate::text::tokenizer::Tokenizer;

/// Sequences that the encoder is shown.
pub(super) const SEQUENCES: usize = 8;
/// Tokens of each, special ones included.
const LENGTH: usize = 128;
const SEED: u64 = 1;

/// Root mean square of each input channel, by the first name of each product.
pub(super) type Calibration = HashMap<String, Vec<f32>>;

/// Runs the model in f32. The observer is told of each sequence, as a part of `total`.
///
/// # Errors
/// [`Error::Overflow`] for a model that gives no numbers; what the files say wrongly; [`Error::Aborted`].
pub(super) async fn run(
    files: &CheckpointFiles,
    config: &ModelConfig,
    total: usize,
    observer: &mut impl Observer,
) -> Result<Calibration> {
    pause(observer).await?;
    let tokenizer = Arc::new(Tokenizer::load(files, config, &mut Vec::new())?);
    let sequences = sequences(&tokenizer, config)?;
    pause(observer).await?;
    let cpu = device::cpu();
    let model = ColBert::load(files, config, tokenizer, &cpu, Keep::Tensors, observer).await?;
    let mut sums: HashMap<String, Vec<f64>> = HashMap::new();
    for (done, sequence) in sequences.iter().enumerate() {
        let batch = TokenBatch::new([sequence]);
        let mut squares = Vec::new();
        let embeddings = model
            .watched(
                &batch,
                &mut |name, input| {
                    squares.push((name.to_owned(), (input.clone() * input.clone()).sum_dim(0)));
                },
                observer,
            )
            .await?;
        for (name, squares) in squares {
            let squares = device::read(squares).await?;
            expect_finite(&squares, || format!("the input of {name}"))?;
            let sum = sums.entry(name).or_insert_with(|| vec![0.0; squares.len()]);
            sum.iter_mut().zip(squares).for_each(|(sum, square)| *sum += f64::from(square));
        }
        let embeddings = device::read(embeddings).await?;
        expect_finite(&embeddings, || "an embedding".to_owned())?;
        batch_done(observer, done + 1, total).await?;
    }
    let tokens: usize = sequences.iter().map(TokenSequence::len).sum();
    let root = |sum: f64| (sum / tokens as f64).sqrt() as f32;
    Ok(sums.into_iter().map(|(name, sum)| (name, sum.into_iter().map(root).collect())).collect())
}

fn expect_finite(values: &[f32], what: impl FnOnce() -> String) -> Result<()> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(Error::Overflow { what: what() }),
    }
}

/// Random tokens between the special ones that go round every text.
fn sequences(tokenizer: &Tokenizer, config: &ModelConfig) -> Result<Vec<TokenSequence>> {
    let (before, after) = tokenizer.frame()?;
    let special = tokenizer.special_ids();
    let vocabulary = config.encoder.vocab_size();
    let length = LENGTH.min(config.encoder.max_length());
    let content = length.saturating_sub(before.len() + after.len()).max(1);
    let mut random = SplitMix64(SEED);
    let mut sequence = || {
        let content = random_ids(&mut random, content, vocabulary, &special);
        let ids = [&before[..], &content, &after].concat();
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

/// Ids below `vocabulary`, each as likely; no special ones, unless there are no others.
fn random_ids(
    random: &mut SplitMix64,
    count: usize,
    vocabulary: usize,
    special: &HashSet<u32>,
) -> Vec<u32> {
    let none_left = special.len() >= vocabulary;
    let any = std::iter::repeat_with(|| (((random.next() >> 32) * vocabulary as u64) >> 32) as u32);
    any.filter(|id| none_left || !special.contains(id)).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the Python of the search drew, for the vocabulary of all-MiniLM-L6-v2.
    #[test]
    fn ids_are_those_of_the_reference() {
        let special = HashSet::from([0, 100, 101, 102, 103]);
        let mut random = SplitMix64(SEED);
        let ids = random_ids(&mut random, 8 * 126, 30_522, &special);
        assert_eq!(ids[..8], [17292, 22762, 29636, 13562, 13559, 23285, 26778, 15965]);
        assert_eq!(ids[8 * 126 - 3..], [6678, 1155, 26483]);
    }

    #[test]
    fn a_vocabulary_of_special_tokens_alone_ends() {
        assert_eq!(random_ids(&mut SplitMix64(SEED), 3, 2, &HashSet::from([0, 1])).len(), 3);
    }
}
