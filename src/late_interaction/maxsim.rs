//! How well does a document answer the query?
//!
//! ```text
//! Score(Q, D) = Σᵢ maxⱼ qᵢ · dⱼ        (Khattab & Zaharia, "ColBERT", SIGIR 2020)
//! ```
//!
//! over the query's embeddings `qᵢ` and the document's real embeddings `dⱼ`, summed in f32. Padding
//! is masked before the maximum. PyLate's `rank.rerank` pads documents with zeros instead, so that its
//! maxima never fall below zero; the two differ only where all of a document's embeddings point away
//! from a query's.
//!
//! Computed on the CPU, wherever the embeddings come from: they are read back to be scored, cut and explained, and scoring takes
//! milliseconds.
//!
//! A document without embeddings scores `-|Q|`, the least that unit vectors can reach, so that it
//! stands last.

use burn::tensor::{Bool, Device, Tensor, TensorData};

use crate::batching;
use crate::device::{cpu, read};
use crate::error::Result;
use crate::late_interaction::embeddings::TokenEmbeddings;

/// Most document embeddings that are scored at once; bounds memory on the device.
const BATCH_EMBEDDINGS: usize = 16_384;

/// Scores every document against one query (`[length, dimension]`, row-major), in the documents' order.
///
/// # Errors
/// [`crate::Error::DeviceLost`].
///
/// # Panics
/// If the query's width is not the documents': both come from one model.
pub async fn maxsim(query: &[f32], documents: &TokenEmbeddings) -> Result<Vec<f32>> {
    let device = &cpu();
    let dimension = documents.dimension();
    assert_eq!(query.len() % dimension, 0, "query and documents have one width");
    let query_length = query.len() / dimension;
    let mut scores = vec![-(query_length as f32); documents.len()];
    if query_length == 0 {
        return Ok(vec![0.0; documents.len()]);
    }
    let query =
        Tensor::<2>::from_data(TensorData::new(query.to_vec(), [query_length, dimension]), device)
            .transpose()
            .unsqueeze::<3>();
    let texts: Vec<&[f32]> = documents.texts().collect();
    for indices in batching::by_length(documents.lengths(), BATCH_EMBEDDINGS) {
        let batch: Vec<&[f32]> = indices.iter().map(|&index| texts[index]).collect();
        let values = read(batch_scores(&query, &batch, dimension, device)).await?;
        for (index, score) in indices.into_iter().zip(values) {
            scores[index] = score;
        }
    }
    Ok(scores)
}

/// `query` is `[1, dimension, query length]`; answers `[documents]`.
fn batch_scores(
    query: &Tensor<3>,
    documents: &[&[f32]],
    dimension: usize,
    device: &Device,
) -> Tensor<1> {
    let count = documents.len();
    let longest = documents.iter().map(|d| d.len()).max().unwrap_or(0) / dimension;
    let mut padded = Vec::with_capacity(count * longest * dimension);
    let mut padding = Vec::with_capacity(count * longest);
    for document in documents {
        padded.extend_from_slice(document);
        padded.resize(padded.len().next_multiple_of(longest * dimension), 0.0);
        padding.extend((0..longest).map(|position| position >= document.len() / dimension));
    }
    let query_length = query.dims()[2];
    let similarities =
        Tensor::<3>::from_data(TensorData::new(padded, [1, count * longest, dimension]), device)
            .matmul(query.clone())
            .reshape([count, longest, query_length]);
    let similarities = match padding.contains(&true) {
        false => similarities,
        true => {
            let mask = TensorData::new(padding, [count, longest, 1]);
            let mask = Tensor::<3, Bool>::from_data(mask, device);
            similarities.mask_fill(mask.expand([count, longest, query_length]), f32::MIN)
        }
    };
    similarities.max_dim(1).sum_dim(2).reshape([count])
}
