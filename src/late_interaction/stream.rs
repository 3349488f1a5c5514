//! How do texts pass through a model? Batch after batch: each is tokenized, encoded, taken over by a [`Consumer`] and
//! let go, so that memory does not grow with the number of texts.
//!
//! What a device computes on its own is read one batch late: it works on the next one meanwhile.

use burn::tensor::Tensor;

use crate::batching::{Batching, Cost};
use crate::device::Reading;
use crate::error::Result;
use crate::late_interaction::batch::{EncodedBatch, Held, PlacedText};
use crate::late_interaction::colbert::ColBert;
use crate::observer::{Observer, Stage, batch_done, pause};
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
    next: usize,
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
        Self { model, kind, texts, long, held, next: 0, batching }
    }

    /// Puts a query in front of the documents, in the first batch: a GPU is asked once for both.
    pub(crate) fn behind(mut self, tokens: TokenSequence) -> Self {
        let query = PlacedText::whole(TextKind::Query, 0, tokens);
        let cost = cost(&query);
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
        while self.next < self.texts.len() {
            pause(observer).await?;
            let text = self.tokenized(self.next)?;
            self.next += 1;
            let cost = cost(&text);
            if let Some(batch) = self.batching.push(text, cost) {
                return Ok(batch);
            }
        }
        Ok(self.batching.finish())
    }

    fn tokenized(&self, index: usize) -> Result<PlacedText> {
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

fn cost(text: &PlacedText) -> Cost {
    text.windows.iter().map(|window| Cost::of(window.tokens.len())).sum()
}

/// Takes over what a model makes of texts.
pub(crate) trait Consumer {
    /// What is kept of a batch until its values have been read.
    type Held;

    /// Begins with a batch; answers the values that are to be read.
    fn begin(&mut self, batch: EncodedBatch<'_>) -> (Self::Held, Tensor<1>);

    /// Takes the values.
    async fn finish(
        &mut self,
        held: Self::Held,
        values: Vec<f32>,
        observer: &mut impl Observer,
    ) -> Result<()>;
}

/// Takes all batches through the model and to the consumer.
///
/// # Errors
/// Those of tokenizing and of the consumer, [`crate::Error::DeviceLost`] and [`crate::Error::Aborted`].
pub(crate) async fn run<T: Texts + ?Sized, C: Consumer>(
    mut batches: Batches<'_, T>,
    consumer: &mut C,
    observer: &mut impl Observer,
) -> Result<()> {
    let total = batches.texts.len();
    let mut done = 0;
    let mut begun: Option<Begun<C::Held>> = None;
    while let Some(batch) = batches.next(observer).await? {
        done = batch.end_of(batches.kind).unwrap_or(done);
        pause(observer).await?;
        observer.stage(Stage::Score);
        let (held, values) = consumer.begin(batch);
        let next = Begun { held, values: Reading::begin(values).await, done };
        if let Some(previous) = begun.take() {
            previous.finish(consumer, total, observer).await?;
        }
        match next.values.is_ready() {
            true => next.finish(consumer, total, observer).await?,
            false => begun = Some(next),
        }
    }
    match begun {
        Some(last) => last.finish(consumer, total, observer).await,
        None => Ok(()),
    }
}

/// A batch whose values are being read.
struct Begun<H> {
    held: H,
    values: Reading,
    /// Texts up to its end.
    done: usize,
}

impl<H> Begun<H> {
    async fn finish(
        self,
        consumer: &mut impl Consumer<Held = H>,
        total: usize,
        observer: &mut impl Observer,
    ) -> Result<()> {
        if !self.values.is_ready() {
            // What a device is waited for is the encoder's work, nearly all of it.
            observer.stage(Stage::Encode);
        }
        let values = self.values.finish().await?;
        observer.stage(Stage::Score);
        consumer.finish(self.held, values, observer).await?;
        observer.stage(Stage::Encode);
        batch_done(observer, self.done, total).await
    }
}
