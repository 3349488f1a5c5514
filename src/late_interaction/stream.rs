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
use crate::text::duplicates::Duplicates;
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
    duplicates: Option<&'a mut Duplicates>,
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
        let (places, duplicates) = (None, None);
        Self { model, kind, texts, long, held, places, duplicates, next: 0, done: 0, batching }
    }

    /// Reads only the texts at some places, each of those that are the same once.
    pub(crate) fn only(mut self, places: &'a [usize], duplicates: &'a mut Duplicates) -> Self {
        (self.places, self.duplicates) = (Some(places), Some(duplicates));
        self
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
        while self.next < self.len() {
            pause(observer).await?;
            let read = self.read()?;
            self.next += 1;
            let Some(text) = read else { continue };
            let cost = cost(&text);
            if let Some(batch) = self.batching.push(text, cost) {
                self.done = self.next - 1;
                return Ok(batch);
            }
        }
        self.done = self.next;
        Ok(self.batching.finish())
    }

    /// How many texts pass through.
    fn len(&self) -> usize {
        self.places.map_or(self.texts.len(), <[usize]>::len)
    }

    /// The next text; nothing if it came before.
    fn read(&mut self) -> Result<Option<PlacedText>> {
        let index = self.places.map_or(self.next, |places| places[self.next]);
        let text = self.texts.text(index);
        let duplicates = self.duplicates.as_mut();
        match duplicates.is_some_and(|before| before.is_copy(self.texts, index, &text)) {
            true => Ok(None),
            false => self.tokenized(index, &text).map(Some),
        }
    }

    fn tokenized(&self, index: usize, text: &str) -> Result<PlacedText> {
        let kind = self.kind;
        match kind {
            TextKind::Query => {
                Ok(PlacedText::whole(kind, index, self.model.tokenize(kind, index, text)?))
            }
            TextKind::Document => {
                let windows = self.model.tokenizer().windows(index, text, self.long)?;
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
    let total = batches.len();
    let mut begun: Option<Begun<C::Held>> = None;
    while let Some(batch) = batches.next(observer).await? {
        let done = batches.done;
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
