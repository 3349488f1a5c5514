//! How do texts become vectors that leave the model? Batch after batch, as token embeddings or one vector a text.

use burn::tensor::Tensor;

use crate::device::read;
use crate::encoder::Watch;
use crate::error::{Error, Result};
use crate::late_interaction::batch::{EncodedBatch, Held, PlacedText, token_embeddings};
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::stream::{self, Batches, Begun, Consumer};
use crate::late_interaction::token_pooling::{TokenPooling, pool_each};
use crate::late_interaction::vectors::{self, Pooling};
use crate::observer::{Observer, Unobserved};
use crate::text::long_documents::LongDocuments;
use crate::text::texts::Texts;
use crate::text::token_batch::{TokenBatch, TokenSequence};
use crate::text_kind::TextKind;

/// Embeddings of several texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    pub embeddings: TokenEmbeddings,
    /// For each text, whether it had more tokens than the model takes.
    pub truncated: Vec<bool>,
}

/// How to encode.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EncodeOptions {
    pub pooling: Pooling,
    /// How many token embeddings of a document stay; `None`: as many as the checkpoint says, by default all. Queries keep theirs.
    pub token_pooling: Option<TokenPooling>,
    /// What becomes of documents that have more tokens than the model takes. Queries are cut.
    pub long_documents: LongDocuments,
}

impl From<Pooling> for EncodeOptions {
    fn from(pooling: Pooling) -> Self {
        Self { pooling, ..Self::default() }
    }
}

/// Encodes texts of one kind, and hands over what each batch gives.
///
/// # Errors
/// Those of tokenizing and encoding, and what `each` answers.
pub(crate) async fn encode_each<T: Texts + ?Sized>(
    model: &ColBert,
    kind: TextKind,
    texts: &T,
    options: EncodeOptions,
    observer: &mut impl Observer,
    each: impl FnMut(Encoded) -> Result<()>,
) -> Result<()> {
    let EncodeOptions { pooling, token_pooling, long_documents } = options;
    // Queries are few, so those that are empty are found before any is encoded; a document may be empty.
    if kind == TextKind::Query {
        for index in 0..texts.len() {
            model.tokenize(kind, index, &texts.text(index))?;
        }
    }
    // A pooling that cannot be had is refused before texts are encoded for it.
    pooling.config(model)?;
    check_token_pooling(token_pooling, pooling)?;
    let held = if pooling == Pooling::None { Held::Embeddings } else { Held::Hidden };
    let token_pooling = model.token_pooling(token_pooling).filter(|_| kind == TextKind::Document);
    let mut encoding = Encoding { model, pooling, token_pooling, each };
    let batches = Batches::new(model, kind, texts, long_documents, held);
    stream::run(batches, &mut encoding, observer).await
}

fn check_token_pooling(token_pooling: Option<TokenPooling>, pooling: Pooling) -> Result<()> {
    match token_pooling {
        Some(_) if pooling != Pooling::None => {
            Err(Error::argument("token_pooling", "wants an embedding a token: no other pooling"))
        }
        Some(token_pooling) => token_pooling.check(),
        None => Ok(()),
    }
}

/// Reads what is asked for of each batch.
struct Encoding<'m, F> {
    model: &'m ColBert,
    pooling: Pooling,
    token_pooling: Option<TokenPooling>,
    each: F,
}

impl<F: FnMut(Encoded) -> Result<()>> Consumer for Encoding<'_, F> {
    type Held = Vec<PlacedText>;

    fn begin(&mut self, batch: EncodedBatch<'_>) -> Begun<Self::Held> {
        let rows = match self.pooling {
            Pooling::None => batch.embeddings(),
            Pooling::Mean | Pooling::Cls | Pooling::Checkpoint => batch.hidden().clone(),
        };
        (batch.into_texts(), rows.flatten(0, 1))
    }

    async fn finish(
        &mut self,
        texts: Self::Held,
        rows: Vec<f32>,
        _: &mut impl Observer,
    ) -> Result<Option<Begun<Self::Held>>> {
        let embeddings = match self.pooling {
            Pooling::None => {
                let embeddings = token_embeddings(&texts, &rows, self.model.dimension())?;
                match self.token_pooling {
                    Some(pooling) => pool_each(&embeddings, pooling, |place| texts[place].index)?,
                    None => embeddings,
                }
            }
            _ => vectors::vectors(self.model, &texts, &rows, self.pooling).await?,
        };
        let truncated = texts.iter().map(PlacedText::truncated).collect();
        (self.each)(Encoded { embeddings, truncated }).map(|()| None)
    }
}

/// Every stage of one text, for tests and bug reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    pub tokens: TokenSequence,
    /// The embeddings' output, then each layer's, `[tokens, hidden]` each.
    pub hidden_states: Vec<Vec<f32>>,
    pub embeddings: TokenEmbeddings,
}

/// Every stage of one text, computed alone.
///
/// # Errors
/// As [`crate::text::tokenizer::Tokenizer::tokenize`], and [`crate::Error::NotFinite`], [`crate::Error::DeviceLost`].
pub(crate) async fn inspect(model: &ColBert, kind: TextKind, text: &str) -> Result<Inspection> {
    let tokens = model.tokenizer().tokenize(kind, 0, text)?;
    let mut states = States::default();
    model.hidden_states(&TokenBatch::new([&tokens]), &mut states, &mut Unobserved).await?;
    let hidden_states = states.read().await?;
    let texts = vec![PlacedText::whole(kind, 0, tokens.clone())];
    let batch = EncodedBatch::compute(model, texts, Held::Embeddings, &mut Unobserved).await?;
    Ok(Inspection { tokens, hidden_states, embeddings: batch.token_embeddings().await? })
}

/// Keeps the hidden states.
#[derive(Default)]
pub(crate) struct States(Vec<Tensor<2>>);

impl States {
    pub(crate) async fn read(self) -> Result<Vec<Vec<f32>>> {
        let mut states = Vec::new();
        for state in self.0 {
            states.push(read(state).await?);
        }
        Ok(states)
    }
}

impl Watch for States {
    fn hidden_state(&mut self, state: &Tensor<2>) {
        self.0.push(state.clone());
    }
}
