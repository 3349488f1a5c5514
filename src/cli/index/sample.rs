//! Which codec suits a collection? One that is trained on some of its documents: those whose hash with the seed is least, so that their
//! order makes no difference.

use std::collections::BinaryHeap;
use std::num::NonZeroUsize;
use std::rc::Rc;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use pollster::block_on;
use sha2::{Digest, Sha256};
use tabrank::late_interaction::codec::{Codec, CompressedEmbeddings};
use tabrank::{ResidualCodec, TrainOptions};

use super::documents::Input;
use super::ids::Ids;
use super::origin::{Origin, Told};
use crate::cli::encode::{Batch, Item, Mark, Sink};
use crate::cli::progress::Progress;
use crate::cli::{CliError, say};

/// Tokens of the sample for each centroid, at least, unless somebody asks for more centroids.
const TOKENS_PER_CENTROID: f64 = 16.0;

/// How a codec is trained.
#[derive(clap::Args)]
pub struct TrainingArgs {
    /// Bits of each number of a residual: 1, 2, 4 or 8. A token takes `dimension * nbits / 8 + 4` bytes; more bits find more of what exact
    /// MaxSim would, and a query fetches more.
    #[arg(long, default_value = "2", value_parser = nbits(), conflicts_with = "codec")]
    nbits: usize,
    /// Number of centroids: more of them make lists shorter and embeddings more exact, and the codec, which each page loads once, larger by
    /// `dimension * 2` bytes each [default: the power of two below 16 times the root of the collection's tokens, and below a 16th of the
    /// sample's].
    #[arg(long, value_name = "K", conflicts_with = "codec")]
    centroids: Option<NonZeroUsize>,
    /// Of the random numbers that choose the sample, the first centroids, and the documents that buckets are made of.
    #[arg(long, default_value_t = TrainOptions::default().seed, conflicts_with = "codec")]
    seed: u64,
    /// Documents that the codec is trained on, at most. Their embeddings are in memory meanwhile. A collection of more than 20,000 has
    /// more of its best found with a larger sample, since that has tokens for more centroids.
    #[arg(long, value_name = "DOCUMENTS", default_value = "4096", conflicts_with = "codec")]
    sample: NonZeroUsize,
}

fn nbits() -> impl TypedValueParser<Value = usize> {
    PossibleValuesParser::new(["1", "2", "4", "8"])
        .map(|text| text.parse().expect("these are numbers"))
}

impl TrainingArgs {
    /// All that a codec follows from beside the documents and the model.
    pub fn said(&self) -> String {
        let Self { nbits, centroids, seed, sample } = self;
        let centroids = centroids.map_or("the usual".to_owned(), |count| count.to_string());
        format!("{nbits} bits, {centroids} centroids, seed {seed}, {sample} documents")
    }

    /// Trains one, and tells which input it is of.
    ///
    /// # Errors
    /// Those of the documents, of the model, and too few tokens.
    pub fn train(
        &self,
        origin: &Origin,
        input: &Input<'_>,
    ) -> Result<(ResidualCodec, Mark), CliError> {
        let (items, mark) = self.drawn(input)?;
        let settings = origin.settings(Codec::F16)?;
        let mut sample = Sample(CompressedEmbeddings::new(Codec::F16, settings.dimension)?);
        let told = Told { progress: Progress::of_stream("sample", None), read: Rc::default() };
        origin.encode(&settings, told, &items, &mut sample)?;
        let tokens: usize = sample.0.lengths().iter().sum();
        let options = TrainOptions {
            nbits: self.nbits,
            centroids: self
                .centroids
                .map(NonZeroUsize::get)
                .or_else(|| usual(tokens, items.len(), mark.texts)),
            seed: self.seed,
            embedding_id: settings.info.embedding_id.clone(),
        };
        let mut progress = Progress::new("train", tokens);
        Ok((block_on(ResidualCodec::train(&sample.0, &options, &mut progress))?, mark))
    }

    /// The documents whose hashes are least, and which input they are of.
    fn drawn(&self, input: &Input<'_>) -> Result<(Vec<Item>, Mark), CliError> {
        let mut texts = input.texts(input.source()?, Ids::default())?;
        let mut heap = BinaryHeap::new();
        loop {
            let stretch = texts.stretch()?;
            for item in stretch.items {
                heap.push(Drawn { hash: self.hash(&item), item });
                if heap.len() > self.sample.get() {
                    heap.pop();
                }
            }
            if stretch.is_last {
                break;
            }
        }
        let items = heap.into_sorted_vec().into_iter().map(|drawn| drawn.item);
        Ok((items.collect(), texts.mark()))
    }

    fn hash(&self, item: &Item) -> [u8; 32] {
        let id = item.id.as_ref().expect("documents have ids");
        Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(id).finalize().into()
    }
}

/// As many centroids as suit a collection of which this is a sample; none where it has too few tokens to say. Where a larger sample would
/// have more of them, the user is told.
fn usual(tokens: usize, sampled: usize, documents: u64) -> Option<usize> {
    let each = tokens as f64 / sampled as f64;
    let suited = power_below(16.0 * (each * documents as f64).sqrt())?;
    let possible = power_below(tokens as f64 / TOKENS_PER_CENTROID)?;
    if possible < suited && (sampled as u64) < documents {
        let needed = (suited as f64 * TOKENS_PER_CENTROID / each).ceil();
        say(format_args!(
            "warning: the sample has tokens for {possible} centroids, and {suited} suit a collection of this size: searches find more of \
             it with --sample {}, which takes longer to train",
            documents.min(needed as u64)
        ));
    }
    Some(suited.min(possible))
}

fn power_below(count: f64) -> Option<usize> {
    (count >= 1.0).then(|| 2f64.powf(count.log2().floor()) as usize)
}

struct Drawn {
    hash: [u8; 32],
    item: Item,
}

impl PartialEq for Drawn {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Drawn {}

impl PartialOrd for Drawn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Drawn {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.hash.cmp(&other.hash)
    }
}

/// Embeddings of the sample.
struct Sample(CompressedEmbeddings);

impl Sink for Sample {
    fn take(&mut self, batch: &Batch<'_>) -> Result<(), CliError> {
        Ok(self.0.extend(batch.compressed)?)
    }

    fn rest(&mut self, _: Mark) -> Result<(), CliError> {
        Ok(())
    }
}
