//! How do texts pass through a model? Batch after batch: each is tokenized, encoded, taken over by a `Consumer` and
//! let go, so that memory does not grow with the number of texts.
//!
//! What a device computes on its own is read one batch late: it works on the next one meanwhile.

use std::collections::VecDeque;

use burn::tensor::Tensor;

use crate::batching::Batching;
use crate::device::Reading;
use crate::error::{Error, Result};
use crate::late_interaction::batch::{EncodedBatch, Held, PlacedText};
use crate::late_interaction::colbert::ColBert;
use crate::observer::{InTime, Observer, Stage, batch_done, pause};
use crate::text::long_documents::LongDocuments;
use crate::text::texts::Texts;
use crate::text::token_batch::TokenSequence;
use crate::text_kind::TextKind;

/// Texts of one kind on their way through a model.
pub struct Batches<'a, T: ?Sized> {
    model: &'a ColBert,
    kind: TextKind,
    texts: &'a T,
    long: LongDocuments,
    held: Held,
    /// Of the texts that are read, if not all are.
    places: Option<&'a [usize]>,
    next: usize,
    /// Texts up to the end of the batches that have been handed out.
    done: usize,
    batching: Batching<PlacedText>,
}

impl<'a, T: Texts + ?Sized> Batches<'a, T> {
    /// `texts` from the first one on. Of queries none is long: they are cut.
    pub(crate) fn new(
        model: &'a ColBert,
        kind: TextKind,
        texts: &'a T,
        long: LongDocuments,
        held: Held,
    ) -> Self {
        let batching = Batching::new(model.batch_limits());
        Self { model, kind, texts, long, held, places: None, next: 0, done: 0, batching }
    }

    /// Reads only the texts at some places, in their order.
    pub(crate) fn only(mut self, places: &'a [usize]) -> Self {
        self.places = Some(places);
        self
    }

    /// Puts a query in front of the documents, in the first batch: a GPU is asked once for both.
    pub(crate) fn behind(mut self, tokens: TokenSequence) -> Self {
        let query = PlacedText::whole(TextKind::Query, 0, tokens);
        let cost = query.cost();
        assert!(self.batching.push(query, cost).is_none(), "nothing comes before the query");
        self
    }

    /// The next batch, `None` after the last.
    ///
    /// # Errors
    /// Those of tokenizing, and [`crate::Error::Aborted`].
    pub async fn next(&mut self, observer: &mut impl Observer) -> Result<Option<EncodedBatch<'a>>> {
        observer.stage(Stage::Tokenize);
        let texts = self.gather(observer).await?;
        if texts.is_empty() {
            return Ok(None);
        }
        observer.stage(Stage::Encode);
        EncodedBatch::compute(self.model, texts, self.held, observer).await.map(Some)
    }

    async fn gather(&mut self, observer: &mut impl Observer) -> Result<Vec<PlacedText>> {
        while self.next < self.len() {
            pause(observer).await?;
            let text = self.read()?;
            self.next += 1;
            let cost = text.cost();
            if let Some(batch) = self.batching.push(text, cost) {
                self.done = self.next - 1;
                return Ok(batch);
            }
        }
        self.done = self.next;
        Ok(self.batching.finish())
    }

    /// How many texts pass through.
    pub(crate) fn len(&self) -> usize {
        self.places.map_or(self.texts.len(), <[usize]>::len)
    }

    /// The next text.
    fn read(&self) -> Result<PlacedText> {
        let index = self.places.map_or(self.next, |places| places[self.next]);
        let (kind, text) = (self.kind, self.texts.text(index));
        match kind {
            TextKind::Query => {
                Ok(PlacedText::whole(kind, index, self.model.tokenize(kind, index, &text)?))
            }
            TextKind::Document => {
                let windows = self.model.tokenizer().windows(index, &text, self.long)?;
                Ok(PlacedText { kind, index, windows })
            }
        }
    }
}

/// Takes over what a model makes of texts.
pub(crate) trait Consumer {
    /// What is kept of a batch until its values have been read.
    type Held;

    /// Begins with a batch.
    fn begin(&mut self, batch: EncodedBatch<'_>) -> Begun<Self::Held>;

    /// Takes the values; answers what follows from them, if that has to be read as well.
    async fn finish(
        &mut self,
        held: Self::Held,
        values: Vec<f32>,
        observer: &mut impl Observer,
    ) -> Result<Option<Begun<Self::Held>>>;
}

/// What is kept of a batch, and the values that are to be read of it.
pub(crate) type Begun<H> = (H, Tensor<1>);

/// Takes all batches through the model and to the consumer.
///
/// # Errors
/// Those of tokenizing and of the consumer, [`crate::Error::DeviceLost`] and [`crate::Error::Aborted`].
pub(crate) async fn run<T: Texts + ?Sized, C: Consumer>(
    batches: Batches<'_, T>,
    consumer: &mut C,
    observer: &mut impl Observer,
) -> Result<()> {
    let mut reads = Reads::new(batches.len());
    match reads.take(batches, consumer, observer).await? {
        true => reads.finish(consumer, observer).await,
        false => Err(Error::Aborted),
    }
}

/// Batches whose values are being read, in the order in which the device was asked for them.
pub(crate) struct Reads<H> {
    batches: VecDeque<Read<H>>,
    done: usize,
    total: usize,
}

struct Read<H> {
    held: H,
    values: Reading,
    /// Texts that are done with it.
    texts: usize,
}

impl<H> Reads<H> {
    /// None yet of so many texts.
    pub(crate) fn new(total: usize) -> Self {
        Self { batches: VecDeque::new(), done: 0, total }
    }

    /// With so many texts nothing is to be done.
    pub(crate) fn skip(&mut self, texts: usize) {
        self.done += texts;
    }

    /// Takes batches through the model, and answers whether there was time for all. The values of the last ones may not have been read.
    ///
    /// # Errors
    /// As [`run`].
    pub(crate) async fn take<T: Texts + ?Sized, C: Consumer<Held = H>>(
        &mut self,
        mut batches: Batches<'_, T>,
        consumer: &mut C,
        observer: &mut impl Observer,
    ) -> Result<bool> {
        let mut done = 0;
        loop {
            let mut in_time = InTime::new(observer);
            let next = batches.next(&mut in_time).await;
            let Some(next) = in_time.had(next)? else { return Ok(false) };
            let Some(batch) = next else { return Ok(true) };
            pause(observer).await?;
            observer.stage(Stage::Score);
            let begun = consumer.begin(batch);
            let texts = batches.done - done;
            done = batches.done;
            self.push(begun, texts, consumer, observer).await?;
        }
    }

    /// Takes a batch that has been begun, with which so many texts are done, and the values of those before it.
    ///
    /// # Errors
    /// As [`run`].
    pub(crate) async fn push(
        &mut self,
        (held, values): Begun<H>,
        texts: usize,
        consumer: &mut impl Consumer<Held = H>,
        observer: &mut impl Observer,
    ) -> Result<()> {
        let before = self.batches.len();
        let values = Reading::begin(values).await;
        let ready = values.is_ready();
        self.batches.push_back(Read { held, values, texts });
        for _ in 0..before {
            self.finish_first(consumer, observer).await?;
        }
        match ready {
            true => self.finish(consumer, observer).await,
            false => Ok(()),
        }
    }

    /// Takes the values that are left.
    ///
    /// # Errors
    /// As [`run`].
    pub(crate) async fn finish(
        &mut self,
        consumer: &mut impl Consumer<Held = H>,
        observer: &mut impl Observer,
    ) -> Result<()> {
        while !self.batches.is_empty() {
            self.finish_first(consumer, observer).await?;
        }
        Ok(())
    }

    async fn finish_first(
        &mut self,
        consumer: &mut impl Consumer<Held = H>,
        observer: &mut impl Observer,
    ) -> Result<()> {
        let Some(Read { held, values, texts }) = self.batches.pop_front() else {
            return Ok(());
        };
        if !values.is_ready() {
            // What a device is waited for is the encoder's work, nearly all of it.
            observer.stage(Stage::Encode);
        }
        let values = values.finish().await?;
        observer.stage(Stage::Score);
        if let Some((held, values)) = consumer.finish(held, values, observer).await? {
            let values = Reading::begin(values).await;
            self.batches.push_back(Read { held, values, texts });
            return pause(observer).await;
        }
        self.done += texts;
        observer.stage(Stage::Encode);
        batch_done(observer, self.done, self.total).await
    }
}
