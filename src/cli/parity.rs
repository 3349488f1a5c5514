//! What does a conversion lose? The embeddings of a few sentences before and after, or a cross-encoder's scores of them.

use std::io::{self, Write};

use pollster::block_on;
use tabrank::{
    ModelKind, PairInspection, Pooling, Reranker, TextKind, TokenEmbeddings, Unobserved,
};

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

/// What a model makes of the sentences.
pub enum Outcome {
    /// Embeddings as queries, and as documents where those are texts.
    Embeddings(Vec<TokenEmbeddings>),
    /// Of each with each.
    Pairs(Vec<PairInspection>),
}

/// How far two models' outcomes are apart.
pub enum Parity {
    /// Cosines of embeddings.
    Embeddings { tokens: usize, mean: f64, worst: f64 },
    /// Correlation of what the heads give, which the score's function may hide; differences of scores.
    Pairs { pairs: usize, correlation: f64, mean: f64, worst: f64 },
}

impl Parity {
    /// 1 less how alike they are, 0 for the same.
    pub fn loss(&self) -> f64 {
        match self {
            Parity::Embeddings { mean, .. } => 1.0 - mean,
            Parity::Pairs { correlation, .. } => 1.0 - correlation,
        }
    }

    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Parity::Embeddings { tokens, mean, worst } => writeln!(
                out,
                "parity with the checkpoint over {tokens} tokens: mean cosine {mean:.6}, worst {worst:.6}"
            ),
            Parity::Pairs { pairs, correlation, mean, worst } => writeln!(
                out,
                "parity with the checkpoint over {pairs} pairs: correlation {correlation:.6}, scores differ by {mean:.6} in the mean, \
                 {worst:.6} at worst"
            ),
        }
    }
}

/// What a model makes of the sentences.
pub fn run(reranker: &Reranker) -> Result<Outcome, CliError> {
    if reranker.info().kind == ModelKind::CrossEncoder {
        let pairs =
            SENTENCES.iter().flat_map(|query| SENTENCES.iter().map(move |text| (query, text)));
        let inspect = |(query, text): (&&str, &&str)| block_on(reranker.inspect_pair(query, text));
        return Ok(Outcome::Pairs(pairs.map(inspect).collect::<Result<_, _>>()?));
    }
    let encode = |kind| {
        let encoded = block_on(reranker.encode(kind, SENTENCES, Pooling::None, &mut Unobserved));
        Ok(encoded?.embeddings)
    };
    let kinds = match reranker.info().pages_only {
        true => &[TextKind::Query][..],
        false => &[TextKind::Document, TextKind::Query],
    };
    Ok(Outcome::Embeddings(kinds.iter().copied().map(encode).collect::<Result<_, CliError>>()?))
}

/// Two models of one kind.
pub fn compare(expected: &Outcome, found: &Outcome) -> Parity {
    match (expected, found) {
        (Outcome::Embeddings(expected), Outcome::Embeddings(found)) => embeddings(expected, found),
        (Outcome::Pairs(expected), Outcome::Pairs(found)) => pairs(expected, found),
        _ => unreachable!("a bundle is of its checkpoint's kind"),
    }
}

/// Token by token.
fn embeddings(expected: &[TokenEmbeddings], found: &[TokenEmbeddings]) -> Parity {
    let (mut tokens, mut sum, mut worst) = (0, 0.0, 1.0f64);
    for (expected, found) in expected.iter().zip(found) {
        let width = expected.dimension();
        let pairs = expected.values().chunks_exact(width).zip(found.values().chunks_exact(width));
        for (a, b) in pairs {
            let cosine = cosine(a, b);
            tokens += 1;
            sum += cosine;
            worst = worst.min(cosine);
        }
    }
    Parity::Embeddings { tokens, mean: sum / tokens as f64, worst }
}

/// Embeddings of a model that weighs them are no unit vectors.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    product(a, b) / (product(a, a) * product(b, b)).sqrt().max(f64::MIN_POSITIVE)
}

fn pairs(expected: &[PairInspection], found: &[PairInspection]) -> Parity {
    let differences = expected.iter().zip(found).map(|(a, b)| f64::from((a.score - b.score).abs()));
    let differences: Vec<f64> = differences.collect();
    let logits = |pairs: &[PairInspection]| -> Vec<f64> {
        pairs.iter().map(|pair| f64::from(pair.logit)).collect()
    };
    Parity::Pairs {
        pairs: expected.len(),
        correlation: correlation(&logits(expected), &logits(found)),
        mean: mean(&differences),
        worst: differences.into_iter().fold(0.0, f64::max),
    }
}

/// Pearson's; no number where one of the two is the same throughout.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (of_a, of_b) = (mean(a), mean(b));
    let products = |x: &[f64], of_x: f64, y: &[f64], of_y: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - of_x) * (y - of_y)).sum()
    };
    let scale = products(a, of_a, a, of_a).sqrt() * products(b, of_b, b, of_b).sqrt();
    products(a, of_a, b, of_b) / scale
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_is_of_directions_alone() {
        assert!((cosine(&[3.0, 0.0], &[0.1, 0.1]) - 0.5f64.sqrt()).abs() < 1e-7);
        assert_eq!(cosine(&[0.0], &[1.0]), 0.0);
    }

    #[test]
    fn correlations_are_those_of_the_definition() {
        assert!((correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 1.0).abs() < 1e-12);
        assert!((correlation(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        // By hand: 3 / sqrt(2 · 6).
        let found = correlation(&[1.0, 2.0, 3.0], &[1.0, 2.0, 4.5]);
        assert!((found - 3.5 / (2.0f64 * 6.5).sqrt()).abs() < 1e-12, "{found}");
        assert!(correlation(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
    }
}
