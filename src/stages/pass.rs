//! What does one pass of the encoder over a list tell? Each batch is encoded once, and all that is wanted of it is taken: MaxSim,
//! cosines of one vector a text, and vectors that stay. Texts that are the same pass through once.

use burn::tensor::Tensor;

use super::dense::{Dense, unit_vectors};
use super::late::Late;
use super::query::Encodable;
use super::told::Told;
use crate::error::Result;
use crate::late_interaction::batch::{EncodedBatch, Held, PlacedText};
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::stream::{self, Batches, Consumer};
use crate::late_interaction::vectors::Pooling;
use crate::observer::Observer;
use crate::ops::BatchEmbeddings;
use crate::text::duplicates::Duplicates;
use crate::text::long_documents::LongDocuments;
use crate::text::texts::Texts;
use crate::text_kind::TextKind;

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
}

/// Takes the documents at `places`, in the list's order, through the encoder. Of a GPU's numbers scores are read back, hidden states
/// for vectors, and embeddings for explanations alone.
///
/// # Errors
/// Those of tokenizing and encoding; a pooling that the checkpoint does not have.
pub(crate) async fn run<T: Texts + ?Sized>(
    model: &ColBert,
    query: &Encodable<'_>,
    documents: &T,
    places: &[usize],
    long: LongDocuments,
    wanted: &Wanted,
    observer: &mut impl Observer,
) -> Result<Told> {
    let mut pass = Pass::new(model, query, wanted)?;
    let mut duplicates = Duplicates::default();
    let held = if pass.reads_hidden() { Held::Hidden } else { Held::Embeddings };
    let mut batches = Batches::new(model, TextKind::Document, documents, long, held)
        .only(places, &mut duplicates);
    if let Encodable::Tokens(tokens) = query {
        batches = batches.behind(tokens.clone());
    }
    stream::run(batches, &mut pass, observer).await?;
    let explanations = pass.late.into_iter().flat_map(Late::into_explanations).collect();
    let copies = duplicates.into_copies();
    let query_truncated = matches!(query, Encodable::Tokens(tokens) if tokens.truncated);
    Ok(Told { copies, explanations, query_truncated, ..pass.told })
}

struct Pass<'a> {
    model: &'a ColBert,
    late: Option<Late<'a>>,
    dense: Vec<Dense>,
    means: bool,
    told: Told,
}

impl<'a> Pass<'a> {
    fn new(model: &'a ColBert, query: &Encodable<'_>, wanted: &Wanted) -> Result<Self> {
        let late = wanted.scores.then(|| Late::new(model, query, wanted.explained));
        let dense = wanted.dense.iter().map(|&pooling| Dense::new(model, pooling));
        let dense: Vec<Dense> = dense.collect::<Result<_>>()?;
        let told = Told { dense: vec![Vec::new(); dense.len()], ..Told::default() };
        Ok(Self { model, late, dense, means: wanted.means, told })
    }

    fn reads_hidden(&self) -> bool {
        self.means || !self.dense.is_empty()
    }
}

impl Consumer for Pass<'_> {
    type Held = (Vec<PlacedText>, Option<BatchEmbeddings>);

    fn begin(&mut self, batch: EncodedBatch<'_>) -> (Self::Held, Tensor<1>) {
        let mut wanted = Vec::new();
        let late = self.late.as_mut().map(|late| late.begin(&batch));
        let embeddings = late.map(|(embeddings, scores)| {
            wanted.push(scores);
            embeddings
        });
        if self.reads_hidden() {
            wanted.push(batch.hidden().clone().flatten(0, 1));
        }
        let values = if wanted.len() == 1 { wanted.remove(0) } else { Tensor::cat(wanted, 0) };
        ((batch.into_texts(), embeddings), values)
    }

    async fn finish(
        &mut self,
        (texts, embeddings): Self::Held,
        values: Vec<f32>,
        observer: &mut impl Observer,
    ) -> Result<()> {
        let told = &mut self.told;
        let documents = texts.iter().filter(|text| text.kind == TextKind::Document);
        for document in documents {
            told.read.push(document.index);
            told.truncated.push(document.truncated());
        }
        let mut hidden = values.as_slice();
        if let (Some(late), Some(embeddings)) = (&mut self.late, &embeddings) {
            let scores;
            (scores, hidden) = values.split_at(texts.len());
            told.scores.extend(late.finish(&texts, embeddings, scores, observer).await?);
        }
        for (dense, scores) in self.dense.iter_mut().zip(&mut told.dense) {
            scores.extend(dense.scores(self.model, &texts, hidden).await?);
        }
        if self.means {
            let vectors = unit_vectors(self.model, &texts, hidden, Pooling::Mean).await?;
            let documents =
                texts.iter().zip(vectors).filter(|(text, _)| text.kind == TextKind::Document);
            told.means.extend(documents.map(|(_, vector)| vector));
        }
        Ok(())
    }
}
