//! How large is each input channel of each product? Measured on random tokens, so that no texts are needed: what the
//! layers make large they make large of any input.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use burn::tensor::Tensor as Numbers;

use crate::device;
use crate::encoder::{Embeddings, Head, Layer, last_norm};
use crate::error::{Error, Result};
use crate::late_interaction::colbert::Projection;
use crate::model::bundle::{Tensor, TensorKind, Tensors};
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::{DenseConfig, EncoderConfig, HeadStep, ModelConfig};
use crate::observer::{Observer, pause};
use crate::random::SplitMix64;
use crate::text::token_batch::{TokenBatch, TokenSequence};
use crate::text::tokenizer::Tokenizer;

/// Sequences that the encoder is shown.
const SEQUENCES: usize = 8;
/// Tokens of each, special ones included.
const LENGTH: usize = 128;
const SEED: u64 = 1;

/// Root mean square of each input channel, by the first name of each product.
pub(super) type Sizes = HashMap<String, Vec<f32>>;

/// Sums of the squares of each input channel, by the first name of each product.
#[derive(Default)]
pub(super) struct Sums(HashMap<String, Vec<f64>>);

impl Sums {
    /// Adds those of some tokens, `[1, channels]` a product.
    ///
    /// # Errors
    /// [`Error::Overflow`].
    pub(super) async fn add(&mut self, squares: Vec<(String, Numbers<2>)>) -> Result<()> {
        for (name, squares) in squares {
            let squares = device::read(squares).await?;
            expect_finite(&squares, || format!("the input of {name}"))?;
            let sum = self.0.entry(name).or_insert_with(|| vec![0.0; squares.len()]);
            sum.iter_mut().zip(squares).for_each(|(sum, square)| *sum += f64::from(square));
        }
        Ok(())
    }

    /// Of as many tokens.
    pub(super) fn sizes(self, tokens: usize) -> Sizes {
        let root = |sum: f64| (sum / tokens as f64).sqrt() as f32;
        let sizes = |sums: Vec<f64>| sums.into_iter().map(root).collect();
        self.0.into_iter().map(|(name, sums)| (name, sizes(sums))).collect()
    }
}

/// The random sequences on their way through the model in f32, a layer at a time.
pub(super) struct Calibration<'a> {
    config: &'a ModelConfig,
    /// The backbone with a table of the rows in `ids` alone.
    encoder: EncoderConfig,
    /// The sequences' tokens, in order, each once.
    ids: Vec<u32>,
    /// Their rows of the table, as far as it has passed.
    table: Vec<f32>,
    /// Of the sequences, tokens standing for their places in `ids`.
    batches: Vec<TokenBatch>,
    hidden: Vec<Numbers<2>>,
    /// Tensors that are in no layer, until they are needed.
    others: Tensors,
}

impl<'a> Calibration<'a> {
    /// Draws the sequences.
    ///
    /// # Errors
    /// What the tokenizer's file says wrongly; [`Error::Aborted`].
    pub(super) async fn new(
        files: &CheckpointFiles,
        config: &'a ModelConfig,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        pause(observer).await?;
        let tokenizer = Tokenizer::load(files, config, &mut Vec::new())?;
        let sequences = sequences(&tokenizer, config)?;
        pause(observer).await?;
        // The id that is not counted keeps its place.
        let first = config.encoder.uncounted().map_or(0, |id| id.saturating_add(1));
        let first = 0..first.min(config.encoder.vocab_size()) as u32;
        let all = sequences.iter().flat_map(|sequence| sequence.ids.iter().copied());
        let ids: BTreeSet<u32> = all.chain(first).collect();
        let ids: Vec<u32> = ids.into_iter().collect();
        let mut batches: Vec<TokenBatch> =
            sequences.iter().map(|sequence| TokenBatch::new([sequence])).collect();
        for id in batches.iter_mut().flat_map(|batch| &mut batch.ids) {
            *id = ids.binary_search(id).expect("all ids are among them") as u32;
        }
        let encoder = config.encoder.with_vocab_size(ids.len());
        let (table, hidden, others) = (Vec::new(), Vec::new(), Tensors::default());
        Ok(Self { config, encoder, ids, table, batches, hidden, others })
    }

    /// Keeps what is needed of some rows of the table, `[rows, columns]`. They come in order.
    pub(super) fn rows(&mut self, rows: Range<usize>, values: &[f32]) {
        let columns = values.len() / rows.len();
        let needed = self.ids.iter().map(|&id| id as usize).filter(|id| rows.contains(id));
        for row in needed {
            let start = (row - rows.start) * columns;
            self.table.extend_from_slice(&values[start..start + columns]);
        }
    }

    /// Keeps tensors that are in no layer.
    pub(super) fn others(&mut self, tensors: Tensors) {
        self.others.extend(tensors);
    }

    /// Takes the sequences to the first layer.
    fn embed(&mut self) -> Result<()> {
        let shape = vec![self.ids.len(), self.config.encoder.hidden_size()];
        let table = Tensor::f32(shape, std::mem::take(&mut self.table));
        let mut tensors = std::mem::take(&mut self.others);
        tensors.extend([(self.table_name(), table)].into_iter().collect());
        let tensors = RefCell::new(tensors);
        let weights = Weights::of_tensors(&tensors, "").keeping(false);
        let embeddings = Embeddings::load(&self.encoder, &weights, &device::cpu())?;
        self.hidden = self.batches.iter().map(|batch| embeddings.forward(batch)).collect();
        // What stands behind the layers may have come in front of them.
        self.others = tensors.into_inner();
        Ok(())
    }

    fn table_name(&self) -> String {
        let tensors = self.config.encoder.tensors();
        let table = tensors.into_iter().find(|spec| spec.kind == TensorKind::Table);
        table.expect("a backbone has a table").name
    }

    /// Takes the sequences through a layer; the sizes of its products' inputs.
    ///
    /// # Errors
    /// [`Error::Overflow`] for a model that gives no numbers; [`Error::Aborted`].
    pub(super) async fn layer(
        &mut self,
        index: usize,
        weights: &Weights<'_>,
        observer: &mut impl Observer,
    ) -> Result<Sizes> {
        if self.hidden.is_empty() {
            self.embed()?;
        }
        let longest = self.batches.iter().map(|batch| batch.ids.len()).max().unwrap_or(0);
        let layer = Layer::load(&self.encoder, weights, index, longest, &device::cpu())?;
        let mut sums = Sums::default();
        for (batch, hidden) in self.batches.iter().zip(&mut self.hidden) {
            let mut squares = Vec::new();
            let mut each = |name: &str, input: &Numbers<2>| {
                squares.push((name.to_owned(), (input.clone() * input.clone()).sum_dim(0)));
            };
            *hidden = layer.inputs(hidden.clone(), batch, &mut each, observer).await?;
            sums.add(squares).await?;
        }
        Ok(sums.sizes(self.batches.iter().map(|batch| batch.ids.len()).sum()))
    }

    /// Whether the sequences' embeddings or scores are numbers.
    ///
    /// # Errors
    /// [`Error::Overflow`].
    pub(super) async fn finish(self) -> Result<()> {
        let (tensors, cpu) = (RefCell::new(self.others), device::cpu());
        let norm = last_norm(&self.encoder, &Weights::of_tensors(&tensors, ""), &cpu)?;
        let layout = self.config.layout;
        let steps = self.config.projection.iter().map(|step| {
            let weights =
                |dense: &DenseConfig| Ok(Weights::of_tensors(&tensors, dense.tensor_path(layout)));
            Projection::load(step, weights, &cpu)
        });
        let steps = steps.collect::<Result<Vec<_>>>()?;
        let head = self.config.head.as_ref().map(|head| {
            let weights = |step: &HeadStep| Ok(Weights::of_tensors(&tensors, step.tensor_path()));
            Head::load(head, weights, &cpu)
        });
        let head = head.transpose()?;
        for hidden in self.hidden {
            let hidden = norm.as_ref().map_or(hidden.clone(), |norm| norm.forward(hidden));
            // Each token's, as of several tokens what is pooled is no number where one is none.
            let (outcome, what) = match &head {
                Some(head) => (head.logits(hidden), "a score"),
                None => (steps.iter().fold(hidden, |x, step| step.forward(x)), "an embedding"),
            };
            expect_finite(&device::read(outcome).await?, || what.to_owned())?;
        }
        Ok(())
    }
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
