//! Which texts do stages read, and are those there?

use super::options::{RerankOptions, StageKind, StageOptions};
use super::query::Query;
use crate::error::{Error, Result};
use crate::text::texts::Texts;
use crate::text_kind::TextKind;

/// Refuses embeddings as the query where a stage reads its text.
///
/// # Errors
/// [`Error::Argument`].
pub(crate) fn check_query(query: Query<'_>, stages: &[StageOptions]) -> Result<()> {
    let reads = |kind: &StageKind| matches!(kind, StageKind::Bm25(_) | StageKind::Dense(_));
    let reading = stages.iter().position(|stage| reads(&stage.kind));
    match (query, reading) {
        (Query::Embeddings { .. }, Some(place)) => {
            let argument = format!("stages[{place}] ({})", stages[place].kind.name());
            let reason = "reads the query's text, of which there are only embeddings";
            Err(Error::argument(argument, reason))
        }
        _ => Ok(()),
    }
}

/// Refuses documents that bring no text where a stage reads it.
///
/// # Errors
/// [`Error::Argument`].
pub(crate) fn check_texts<T: Texts + ?Sized>(
    documents: &T,
    options: &RerankOptions,
    stages: &[StageOptions],
) -> Result<()> {
    let reads = |kind: &StageKind| {
        matches!(kind, StageKind::Bm25(_) | StageKind::Dense(_) | StageKind::CrossEncoder)
    };
    let Some(place) = stages.iter().position(|stage| reads(&stage.kind)) else {
        return Ok(());
    };
    let is_mute =
        |&index: &usize| options.embeddings.has(index) && documents.text(index).is_empty();
    match (0..documents.len()).find(is_mute) {
        Some(index) => {
            let name = stages[place].kind.name();
            let reason =
                format!("has embeddings and no text, which stages[{place}] ({name}) reads");
            Err(Error::argument(TextKind::Document.place(index), reason))
        }
        None => Ok(()),
    }
}
