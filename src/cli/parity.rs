//! What does a conversion lose? The embeddings of a few sentences before and after.

use pollster::block_on;
use tabrank::{Pooling, Reranker, TextKind, TokenEmbeddings, Unobserved};

use super::CliError;

/// Prose, numbers, names, code and other scripts.
const SENTENCES: &[&str] = &[
    "The bridge was opened in 1932 and carries eight lanes of traffic across the harbour.",
    "Which vitamins does the body make by itself, and which must come from food?",
    "Water boils at a lower temperature on a mountain because the air presses less on it.",
    "The committee rejected the proposal by seven votes to five after a long debate.",
    "for (let i = 0; i < items.length; i++) { total += items[i].price * 1.19; }",
    "Ada Lovelace published the first algorithm meant for a machine, in a note to a translation.",
    "Die Straße war nass, aber niemand hatte einen Schirm dabei.",
    "Symptoms include fever (38.5 °C), a dry cough, and loss of smell; see section 4.2.",
];

/// Cosines of embeddings with those of the checkpoint.
pub struct Parity {
    pub tokens: usize,
    pub mean: f64,
    pub worst: f64,
}

/// The sentences' embeddings, as documents and as queries.
pub fn encode(reranker: &Reranker) -> Result<[TokenEmbeddings; 2], CliError> {
    let encode = |kind| block_on(reranker.encode(kind, SENTENCES, Pooling::None, &mut Unobserved));
    Ok([encode(TextKind::Document)?.embeddings, encode(TextKind::Query)?.embeddings])
}

/// Token by token; embeddings have length 1.
pub fn compare(expected: &[TokenEmbeddings; 2], found: &[TokenEmbeddings; 2]) -> Parity {
    let (mut tokens, mut sum, mut worst) = (0, 0.0, 1.0f64);
    for (expected, found) in expected.iter().zip(found) {
        let width = expected.dimension();
        let pairs = expected.values().chunks_exact(width).zip(found.values().chunks_exact(width));
        for (a, b) in pairs {
            let cosine: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            tokens += 1;
            sum += cosine;
            worst = worst.min(cosine);
        }
    }
    Parity { tokens, mean: sum / tokens as f64, worst }
}
