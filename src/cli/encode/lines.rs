//! Records on stdout: a JSON object a line, each with the embeddings of one text, written when its batch is done.

use std::io::{self, Write};

use serde::Serialize;
use tabrank::late_interaction::codec::file::EmbeddingsInfo;

use super::texts::Mark;
use super::{Batch, Sink};
use crate::cli::CliError;
use crate::cli::document_json::DocumentJson;

/// Where records go.
pub struct Lines<'a> {
    pub info: &'a EmbeddingsInfo,
}

/// What a record says beside its embeddings.
#[derive(Serialize)]
struct Said {
    index: u32,
    truncated: bool,
}

impl Sink for Lines<'_> {
    fn take(&mut self, batch: &Batch<'_>) -> Result<(), CliError> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut texts = batch.texts().zip(batch.compressed.documents());
        let written = texts.try_for_each(|((item, _, truncated), rows)| {
            let document = DocumentJson::new(batch.compressed, rows, self.info);
            let said = Said { index: item.index, truncated };
            let parts = item.id.iter().cloned().chain([fields(&said), fields(&document)]);
            writeln!(out, "{{{}}}", parts.collect::<Vec<_>>().join(","))
        });
        written.and_then(|()| out.flush()).map_err(CliError::Stdout)
    }

    fn rest(&mut self, _: Mark) -> Result<(), CliError> {
        Ok(())
    }
}

/// The fields of an object as they stand in it.
fn fields(object: &impl Serialize) -> String {
    let object = serde_json::to_string(object).expect("it is of numbers and strings");
    object[1..object.len() - 1].to_owned()
}
