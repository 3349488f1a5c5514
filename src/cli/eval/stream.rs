//! How do texts pass through several models at once? Batch after batch, in step.

use std::time::{Duration, Instant};

use pollster::block_on;
use tabrank::stages::dense;
use tabrank::{LongDocuments, Pooling, Reranker, TextKind, TokenEmbeddings};

use super::data::Text;
use crate::cli::progress::Progress;
use crate::cli::{CliError, jsonl, say_truncated};

/// What texts pass through.
pub struct Encoders<'a> {
    pub models: &'a [Reranker],
    pub pooling: Pooling,
    pub long_documents: LongDocuments,
}

/// A batch of texts: the place of the first, the first model's pooled vectors at length 1, if there are any, and every model's embeddings.
pub struct Batch<'a> {
    pub first: usize,
    pub pooled: &'a TokenEmbeddings,
    pub tokens: &'a [TokenEmbeddings],
}

impl Encoders<'_> {
    /// Takes texts through all models and hands each batch over. Answers how long the first model took.
    ///
    /// # Errors
    /// Those of the models, models that do not cut their batches at the same places, and what `each` answers.
    pub fn each(
        &self,
        what: &'static str,
        kind: TextKind,
        texts: &[Text],
        mut each: impl FnMut(Batch<'_>) -> Result<(), CliError>,
    ) -> Result<Duration, CliError> {
        let located = |error| jsonl::located(error, kind, |index| &texts[index].place);
        let mut progress = Progress::new(what, texts.len());
        let (mut truncated, mut spent) = (0, Duration::ZERO);
        let batches = |model| Reranker::batches(model, kind, texts, self.long_documents);
        let streams: Result<Vec<_>, _> = self.models.iter().map(batches).collect();
        let mut streams = streams.map_err(located)?;
        loop {
            let start = Instant::now();
            let first = block_on(streams[0].next(&mut progress)).map_err(located)?;
            let Some(first) = first else {
                say_truncated(truncated, texts.len());
                return Ok(spent);
            };
            truncated += first.truncated();
            let range = first.range();
            let pooled = unit(&block_on(first.vectors(self.pooling)).map_err(located)?);
            let mut tokens = vec![block_on(first.token_embeddings()).map_err(located)?];
            spent += start.elapsed();
            for stream in &mut streams[1..] {
                // Models with one tokenizer cut their batches at the same places.
                let batch = block_on(stream.next(&mut progress)).map_err(located)?;
                let batch = batch.filter(|batch| batch.range() == range);
                let batch = batch.ok_or(CliError::NotComparable)?;
                tokens.push(block_on(batch.token_embeddings()).map_err(located)?);
            }
            each(Batch { first: range.start, pooled: &pooled, tokens: &tokens })?;
            progress.update(range.end, texts.len());
        }
    }
}

/// The vectors at length 1, so that their product is the cosine.
fn unit(vectors: &TokenEmbeddings) -> TokenEmbeddings {
    let mut unit = TokenEmbeddings::new(vectors.dimension());
    vectors.texts().for_each(|vector| unit.push(&dense::unit(vector)));
    unit
}
