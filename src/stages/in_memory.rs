//! Which tokens are a document's embeddings of, where those are in memory?

use super::options::RerankOptions;
use super::precomputed::Coded;
use crate::error::Result;
use crate::late_interaction::batch::PlacedText;
use crate::late_interaction::colbert::ColBert;
use crate::text::texts::Texts;
use crate::text::token_batch::TokenSequence;
use crate::text_kind::TextKind;

/// A document's embeddings in memory, for its explanation.
pub(crate) struct InMemory {
    /// If they are known, and there are as many that yield one as there are embeddings.
    pub(crate) tokens: Option<TokenSequence>,
    pub(crate) truncated: bool,
    /// `[length, dimension]`.
    pub(crate) embeddings: Vec<f32>,
}

/// A document that was scored by its codes. The tokens of its text, if it has one, are its embeddings' where they are as many.
///
/// # Errors
/// Those of tokenizing.
pub(crate) fn in_memory<T: Texts + ?Sized>(
    model: &ColBert,
    texts: &T,
    options: &RerankOptions,
    documents: &Coded,
    index: usize,
) -> Result<InMemory> {
    let place = documents.indices.iter().position(|&other| other == index);
    let place = place.expect("it is one of these");
    let embeddings = documents.embeddings.decompress_document(place);
    let text = texts.text(index);
    if text.is_empty() && options.embeddings.has(index) {
        return Ok(InMemory { tokens: None, truncated: false, embeddings });
    }
    let windows = model.tokenizer().windows(index, &text, options.long_documents)?;
    let text = PlacedText { kind: TextKind::Document, index, windows };
    let (tokens, truncated) = (text.tokens(), text.truncated());
    let fits = tokens.embedded().count() == documents.embeddings.lengths()[place];
    Ok(InMemory { tokens: fits.then_some(tokens), truncated, embeddings })
}
