//! What does one pass of the encoder over a list tell? Each batch is encoded once, and all that is wanted of it is taken: MaxSim,
//! cosines of one vector a text, and vectors that stay. Texts that are the same pass through once, and those that bring embeddings
//! along only for what those do not tell.

use std::ops::Add;

use burn::tensor::Tensor;

use super::dense::{Dense, unit};
use super::in_memory::in_memory;
use super::late::Late;
use super::options::RerankOptions;
use super::precomputed::{Coded, LONGEST};
use super::query::Encodable;
use super::told::Told;
use crate::device;
use crate::error::Result;
use crate::late_interaction::batch::{
    EncodedBatch, Held as OnDevice, PlacedText, token_embeddings,
};
use crate::late_interaction::codec::Codec;
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::stream::{Batches, Begun, Consumer, Reads};
use crate::late_interaction::token_pooling::{TokenPooling, pool};
use crate::late_interaction::vectors::Pooling;
use crate::observer::{InTime, Observer, Stage, pause};
use crate::ops::{BatchEmbeddings, tensor};
use crate::text::duplicates::Duplicates;
use crate::text::texts::Texts;
use crate::text_kind::TextKind;

/// Most numbers of a batch of documents that bring embeddings along, unless one has more: a CPU is done with them in some
/// milliseconds.
const BATCH_VALUES: usize = 1 << 22;

/// What is wanted of a pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Wanted {
    /// MaxSim.
    pub(crate) scores: bool,
    /// How many of the documents that are best by MaxSim are explained, if any.
    pub(crate) explained: Option<usize>,
    pub(crate) dense: Vec<Pooling>,
    /// Whether a mean vector of each document stays.
    pub(crate) means: bool,
    /// Which scores the observer is told as they come, if any.
    pub(crate) tells: Option<Tells>,
}

/// Scores that are told as they come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tells {
    /// Of which of the poolings; `None`: MaxSim.
    pub(crate) dense: Option<usize>,
    /// What they do not go beyond.
    pub(crate) bound: Option<f32>,
}

/// Takes the documents at `places` through the encoder, in this order, as far as there is time. Of a GPU's numbers scores are read back, hidden states
/// for vectors, and embeddings for explanations, means, pooling and those that are kept.
///
/// # Errors
/// Those of tokenizing and encoding; a pooling that the checkpoint does not have.
pub(crate) async fn run<T: Texts + ?Sized>(
    model: &ColBert,
    query: &Encodable<'_>,
    documents: &T,
    places: &[usize],
    options: &RerankOptions,
    wanted: &Wanted,
    observer: &mut impl Observer,
) -> Result<Told> {
    let mut pass = Pass::new(model, query, documents, options, wanted)?;
    pass.take(query, places, observer).await?;
    let explanations = pass.late.into_iter().flat_map(Late::into_explanations).collect();
    let query_truncated = matches!(query, Encodable::Tokens(tokens) if tokens.truncated);
    Ok(Told { explanations, query_truncated, ..pass.told.sorted() })
}

struct Pass<'a, T: ?Sized> {
    model: &'a ColBert,
    documents: &'a T,
    options: &'a RerankOptions,
    /// How many embeddings of what is encoded stay.
    pooling: Option<TokenPooling>,
    /// What these go through before they are scored, if through any.
    codec: Option<Codec>,
    late: Option<Late<'a>>,
    dense: Vec<Dense>,
    means: bool,
    tells: Option<Tells>,
    /// Of how many of those that were read cosines were told.
    dense_told: usize,
    told: Told,
}

impl<'a, T: Texts + ?Sized> Pass<'a, T> {
    fn new(
        model: &'a ColBert,
        query: &Encodable<'_>,
        documents: &'a T,
        options: &'a RerankOptions,
        wanted: &Wanted,
    ) -> Result<Self> {
        let pooling = model.token_pooling(options.token_pooling);
        let codec = options.keep.clone().or(pooling.map(|_| Codec::F32));
        let late = wanted.scores.then(|| Late::new(model, query, wanted.explained));
        let dense = wanted.dense.iter().map(|&pooling| Dense::new(model, pooling));
        let dense: Vec<Dense> = dense.collect::<Result<_>>()?;
        let told = Told { dense: vec![Vec::new(); dense.len()], ..Told::default() };
        let (means, tells) = (wanted.means, wanted.tells);
        Ok(Self {
            model,
            documents,
            options,
            pooling,
            codec,
            late,
            dense,
            means,
            tells,
            dense_told: 0,
            told,
        })
    }

    /// Takes the documents at `places`.
    async fn take(
        &mut self,
        query: &Encodable<'_>,
        places: &[usize],
        observer: &mut impl Observer,
    ) -> Result<()> {
        let mut in_time = InTime::new(observer);
        let duplicates = self.duplicates(places, &mut in_time).await;
        let Some(duplicates) = in_time.had(duplicates)? else { return Ok(()) };
        let (encoded, brought): (Vec<usize>, Vec<usize>) =
            places.iter().partition(|&&index| self.is_encoded(index));
        let encoded = duplicates.once(encoded);
        let counted = encoded.len() + duplicates.once(brought).len();
        let brought = places.iter().copied().filter(|&index| self.options.embeddings.has(index));
        let brought = duplicates.once(brought);
        self.told.copies = duplicates.into_copies();
        let mut reads = Reads::new(places.len());
        reads.skip(places.len() - counted);
        let (long, held) = (self.options.long_documents, self.held());
        let mut batches =
            Batches::new(self.model, TextKind::Document, self.documents, long, held).only(&encoded);
        if let Encodable::Tokens(tokens) = query {
            batches = batches.behind(tokens.clone());
        }
        if reads.take(batches, self, observer).await? && self.wants_embeddings() {
            self.take_brought(&brought, &mut reads, observer).await?;
        }
        reads.finish(self, observer).await
    }

    /// Which of the documents at `places` are the same, found in the list's order: first among those that are encoded.
    async fn duplicates(
        &self,
        places: &[usize],
        observer: &mut impl Observer,
    ) -> Result<Duplicates> {
        let brought = &self.options.embeddings;
        let mut duplicates = Duplicates::default();
        let mut places = places.to_vec();
        places.sort_unstable_by_key(|&index| (!self.is_encoded(index), index));
        for index in places {
            pause(observer).await?;
            let same = |first| brought.rows(first) == brought.rows(index);
            if self.is_encoded(index) || !self.documents.text(index).is_empty() {
                duplicates.take(self.documents, index, same);
            }
        }
        Ok(duplicates)
    }

    fn held(&self) -> OnDevice {
        if self.dense.is_empty() { OnDevice::Embeddings } else { OnDevice::Hidden }
    }

    fn wants_embeddings(&self) -> bool {
        self.means || self.late.is_some()
    }

    /// Whether embeddings of what is encoded are read back.
    fn reads_embeddings(&self, texts: &[PlacedText]) -> bool {
        self.means || (self.late.is_some() && self.compresses(texts))
    }

    /// Whether some of these texts are scored by codes of what is encoded.
    fn compresses(&self, texts: &[PlacedText]) -> bool {
        self.codec.is_some() && texts.iter().any(|text| self.is_fresh(text))
    }

    /// One vector a text is made of what the encoder gives, whatever the text brings along.
    fn is_encoded(&self, index: usize) -> bool {
        !self.dense.is_empty() || !self.options.embeddings.has(index)
    }

    /// Whether a text's own embeddings count.
    fn is_fresh(&self, text: &PlacedText) -> bool {
        is_fresh(text, self.options)
    }

    /// Takes the embeddings that the documents at `places` bring along, as far as there is time.
    async fn take_brought(
        &mut self,
        places: &[usize],
        reads: &mut Reads<Held>,
        observer: &mut impl Observer,
    ) -> Result<()> {
        let brought = &self.options.embeddings;
        for batch in brought.batches(places, BATCH_VALUES) {
            pause(observer).await?;
            if observer.is_over() {
                break;
            }
            observer.stage(Stage::Score);
            let counted = batch.iter().filter(|&&index| !self.is_encoded(index)).count();
            let mut documents = brought.gather(&batch)?;
            if self.model.is_normalized() {
                self.told.rescaled.extend(documents.rescale(brought));
            }
            let begun = self.begin_coded(documents, false);
            reads.push(begun, counted, self, observer).await?;
        }
        Ok(())
    }

    fn begin_coded(&self, documents: Coded, fresh: bool) -> Begun<Held> {
        let values = match &self.late {
            Some(late) => late.begin_coded(&documents.embeddings),
            None => tensor(Vec::new(), [0], &device::cpu()),
        };
        (Held::Coded { documents, fresh }, values)
    }

    /// Takes the embeddings `rows` of texts that were encoded: answers what is to be scored of them.
    fn take_rows(&mut self, texts: &[PlacedText], rows: &[f32]) -> Result<Option<Begun<Held>>> {
        let dimension = self.model.dimension();
        let all = token_embeddings(texts, rows, dimension)?;
        let (mut indices, mut fresh) = (Vec::new(), TokenEmbeddings::new(dimension));
        for (text, rows) in texts.iter().zip(all.texts()).filter(|(text, _)| self.is_fresh(text)) {
            indices.push(text.index);
            match self.pooling {
                Some(pooling) => fresh.push(&pool(rows, dimension, pooling, text.index)?),
                None => fresh.push(rows),
            }
        }
        let Some(codec) = &self.codec else {
            self.take_means(&indices, &fresh);
            return Ok(None);
        };
        if indices.is_empty() {
            return Ok(None);
        }
        let mut embeddings = codec.compress(&fresh)?;
        if self.model.is_normalized() {
            // What a codec has rounded up is as long in a later call, which takes it for somebody else's.
            embeddings.normalize_long(LONGEST);
        }
        Ok(Some(self.begin_coded(Coded { indices, embeddings }, true)))
    }

    fn take_means(&mut self, indices: &[usize], embeddings: &TokenEmbeddings) {
        if self.means {
            let means = embeddings.texts().map(|rows| mean(rows, embeddings.dimension()));
            self.told.means.extend(indices.iter().copied().zip(means));
        }
    }

    /// Takes MaxSim of some documents.
    fn take_scores(&mut self, scores: Vec<(usize, f32)>, observer: &mut impl Observer) {
        if let Some(Tells { dense: None, bound }) = self.tells {
            self.told.tell(&scores, bound, observer);
        }
        self.told.scores.extend(scores);
    }

    /// Tells the cosines of the documents that were read last.
    fn tell_dense(&mut self, observer: &mut impl Observer) {
        if let Some(Tells { dense: Some(column), bound }) = self.tells {
            let Told { read, dense, .. } = &self.told;
            let scores = read.iter().copied().zip(dense[column].iter().copied());
            let scores: Vec<_> = scores.skip(self.dense_told).collect();
            self.dense_told = read.len();
            self.told.tell(&scores, bound, observer);
        }
    }

    async fn finish_encoded(
        &mut self,
        texts: Vec<PlacedText>,
        embeddings: Option<Box<BatchEmbeddings>>,
        values: Vec<f32>,
        observer: &mut impl Observer,
    ) -> Result<Option<Begun<Held>>> {
        let documents = texts.iter().filter(|text| text.kind == TextKind::Document);
        for document in documents {
            self.told.read.push(document.index);
            self.told.truncated.push(document.truncated());
        }
        self.told.cost = texts.iter().map(PlacedText::cost).fold(self.told.cost, Add::add);
        let rows: usize = texts.iter().map(PlacedText::rows).sum();
        let values = values.as_slice();
        let (scores, values) = values.split_at(embeddings.as_ref().map_or(0, |_| texts.len()));
        let reads = self.reads_embeddings(&texts);
        let read = if reads { rows * self.model.dimension() } else { 0 };
        let (rows, hidden) = values.split_at(read);
        if let (Some(late), Some(embeddings)) = (&mut self.late, &embeddings) {
            let options = self.options;
            let is_wanted = |text: &PlacedText| is_fresh(text, options);
            let scores = late.finish(&texts, is_wanted, embeddings, scores, observer).await?;
            self.take_scores(scores, observer);
        }
        for (dense, scores) in self.dense.iter_mut().zip(&mut self.told.dense) {
            scores.extend(dense.scores(self.model, &texts, hidden).await?);
        }
        self.tell_dense(observer);
        match reads {
            true => self.take_rows(&texts, rows),
            false => Ok(None),
        }
    }

    async fn finish_coded(
        &mut self,
        documents: Coded,
        fresh: bool,
        values: Vec<f32>,
        observer: &mut impl Observer,
    ) -> Result<()> {
        if self.means {
            self.take_means(&documents.indices, &documents.embeddings.decompress());
        }
        if let Some(late) = &mut self.late {
            let (model, texts, options) = (self.model, self.documents, self.options);
            let in_memory = |index| in_memory(model, texts, options, &documents, index);
            let scores = late.finish_coded(&documents.indices, in_memory, values, observer).await?;
            self.take_scores(scores, observer);
        }
        match fresh && self.options.keep.is_some() {
            true => self.told.keep(&documents.indices, &documents.embeddings),
            false => Ok(()),
        }
    }
}

/// Whether a text is a document that brings no embeddings along.
fn is_fresh(text: &PlacedText, options: &RerankOptions) -> bool {
    text.kind == TextKind::Document && !options.embeddings.has(text.index)
}

/// What is kept of a batch until its values have been read.
enum Held {
    Encoded {
        texts: Vec<PlacedText>,
        embeddings: Option<Box<BatchEmbeddings>>,
    },
    /// `fresh` if they were encoded in this pass.
    Coded {
        documents: Coded,
        fresh: bool,
    },
}

impl<T: Texts + ?Sized> Consumer for Pass<'_, T> {
    type Held = Held;

    fn begin(&mut self, batch: EncodedBatch<'_>) -> Begun<Held> {
        let (mut wanted, mut embeddings) = (Vec::new(), None);
        let texts = batch.model_and_texts().1;
        let (reads, compresses) = (self.reads_embeddings(texts), self.compresses(texts));
        match (&mut self.late, compresses) {
            (Some(late), false) => {
                let (rows, scores) = late.begin(&batch);
                wanted.push(scores);
                embeddings = Some(Box::new(rows));
            }
            (Some(late), true) => late.meet(&batch),
            (None, _) => {}
        }
        if reads {
            wanted.push(batch.embeddings().flatten(0, 1));
        }
        if !self.dense.is_empty() {
            wanted.push(batch.hidden().clone().flatten(0, 1));
        }
        let values = if wanted.len() == 1 { wanted.remove(0) } else { Tensor::cat(wanted, 0) };
        (Held::Encoded { texts: batch.into_texts(), embeddings }, values)
    }

    async fn finish(
        &mut self,
        held: Held,
        values: Vec<f32>,
        observer: &mut impl Observer,
    ) -> Result<Option<Begun<Held>>> {
        match held {
            Held::Encoded { texts, embeddings } => {
                self.finish_encoded(texts, embeddings, values, observer).await
            }
            Held::Coded { documents, fresh } => {
                self.finish_coded(documents, fresh, values, observer).await.map(|()| None)
            }
        }
    }
}

/// The mean of rows, at length 1.
fn mean(rows: &[f32], dimension: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dimension];
    for row in rows.chunks_exact(dimension) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    unit(&sum)
}
