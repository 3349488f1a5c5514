//! One document's embeddings in JSON: `{"codec", "dimension", "embeddingId", "codecId", "tokenPooling", …}` and the tensors that a file of the
//! codec has (see [`tabrank::late_interaction::codec::file`]), their little-endian bytes in base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use tabrank::late_interaction::codec::file::{EmbeddingsInfo, planes};
use tabrank::late_interaction::codec::{CompressedEmbeddings, DocumentRows};

/// A document as it is written. What it does not have is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentJson<'a> {
    codec: &'static str,
    dimension: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    codec_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_pooling: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scales: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    codes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    residuals: Option<String>,
}

impl<'a> DocumentJson<'a> {
    /// Of the rows of a document in a list.
    pub fn new(
        list: &'a CompressedEmbeddings,
        rows: DocumentRows<'_>,
        info: &'a EmbeddingsInfo,
    ) -> Self {
        let mut planes = planes(rows).into_iter().map(|bytes| BASE64_STANDARD.encode(bytes));
        let (first, second) = (planes.next(), planes.next());
        let codec = list.codec();
        let (embeddings, codes, scales, residuals) = match codec.residual() {
            Some(_) => (None, first, None, second),
            None => (first, None, second, None),
        };
        Self {
            codec: codec.name(),
            dimension: list.dimension(),
            embedding_id: info.embedding_id.as_deref(),
            codec_id: codec.residual().map(|codec| codec.id()),
            token_pooling: info.token_pooling.as_deref(),
            embeddings,
            scales,
            codes,
            residuals,
        }
    }
}
