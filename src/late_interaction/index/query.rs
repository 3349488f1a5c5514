//! What a search computes, wherever lists and documents come from: centroids to probe, candidates, hits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::search::{Hit, SearchOptions};
use crate::error::{Error, Result};
use crate::late_interaction::codec::{Codec, CompressedEmbeddings, ResidualCodec};
use crate::late_interaction::maxsim::maxsim_compressed;
use crate::text_kind::TextKind;

/// The embeddings of a query, and the centroids that are probed for them.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) codec: Arc<ResidualCodec>,
    values: Vec<f32>,
    options: SearchOptions,
    /// The probed centroids of each query token and their products, largest first.
    probed: Vec<Vec<(u32, f32)>>,
}

/// A document that came.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) id: String,
    pub(super) embeddings: CompressedEmbeddings,
}

impl Query {
    /// # Errors
    /// [`Error::Argument`]: these are no finite rows of the codec's width, or a setting is 0 that may not be.
    pub(super) fn new(
        codec: Arc<ResidualCodec>,
        values: &[f32],
        options: &SearchOptions,
    ) -> Result<Self> {
        if !values.len().is_multiple_of(codec.dimension()) {
            let reason = format!("is no rows of {}", codec.dimension());
            return Err(Error::argument("query", reason));
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::argument("query", "holds a number that is not finite"));
        }
        if options.n_ivf_probe == 0 {
            return Err(Error::argument("n_ivf_probe", "is 0"));
        }
        let probed = match options.top_k {
            0 => Vec::new(),
            _ => codec.largest(values, options.n_ivf_probe),
        };
        let (values, options) = (values.to_vec(), options.clone());
        Ok(Self { codec, values, options, probed })
    }

    /// The centroids whose lists are needed.
    pub(super) fn probed(&self) -> BTreeSet<u32> {
        self.probed.iter().flatten().map(|(centroid, _)| *centroid).collect()
    }

    /// The documents with the best approximate scores.
    pub(super) fn candidates(&self, lists: &HashMap<u32, Vec<u32>>) -> BTreeSet<u32> {
        // Of each document what it has above the least, and the token that was looked at last.
        let mut gains: HashMap<u32, (f32, usize)> = HashMap::new();
        for (token, probed) in self.probed.iter().enumerate() {
            let least = probed.last().map_or(0.0, |(_, product)| *product);
            for (centroid, product) in probed {
                for &document in lists.get(centroid).into_iter().flatten() {
                    let (gain, last) = gains.entry(document).or_insert((0.0, usize::MAX));
                    if *last != token {
                        (*gain, *last) = (*gain + (product - least), token);
                    }
                }
            }
        }
        let mut ranked: Vec<(u32, f32)> =
            gains.into_iter().map(|(document, (gain, _))| (document, gain)).collect();
        ranked.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked.truncate(self.options.n_full_scores.max(self.options.top_k));
        ranked.into_iter().map(|(document, _)| document).collect()
    }

    /// The hits among the candidates, by their numbers.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub(super) fn hits(&self, candidates: &BTreeMap<u32, Candidate>) -> Result<Vec<Hit>> {
        let codec = Codec::Residual(self.codec.clone());
        let mut embeddings = CompressedEmbeddings::new(codec, self.codec.dimension())?;
        candidates.values().try_for_each(|candidate| embeddings.extend(&candidate.embeddings))?;
        let scores = maxsim_compressed(&self.values, &embeddings);
        let mut hits = Vec::with_capacity(scores.len());
        for ((&document, candidate), score) in candidates.iter().zip(scores) {
            if !score.is_finite() {
                let (what, kind) = ("the score", TextKind::Document);
                return Err(Error::NotFinite { what, kind, index: document as usize });
            }
            hits.push(Hit { id: candidate.id.clone(), score, document });
        }
        hits.sort_unstable_by(|a, b| {
            let falling = (b.score + 0.0).total_cmp(&(a.score + 0.0));
            falling.then(a.document.cmp(&b.document))
        });
        hits.truncate(self.options.top_k);
        Ok(hits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::late_interaction::codec::residual::ResidualParts;

    const DIMENSION: usize = 8;
    const DOCUMENTS: u32 = 30;

    /// Small whole numbers, so that sums are exact in any order.
    fn numbers(count: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec((-3..4i8).prop_map(f32::from), count * DIMENSION)
    }

    fn codec(centroids: Vec<f32>) -> Arc<ResidualCodec> {
        let (cutoffs, weights) = (vec![0.0], vec![-0.1, 0.1]);
        let parts = ResidualParts {
            dimension: DIMENSION,
            nbits: 1,
            centroids,
            cutoffs,
            weights,
            ..ResidualParts::default()
        };
        Arc::new(ResidualCodec::new(parts).expect("a codec"))
    }

    proptest! {
        /// By the sum over the tokens of the best probed centroid that lists a document, or else the least.
        #[test]
        fn candidates_are_those_with_the_best_approximate_scores(
            centroids in numbers(12),
            query in numbers(3),
            n_ivf_probe in 1usize..14,
            n_full_scores in 1usize..40,
            listed in prop::collection::vec(prop::collection::btree_set(0..DOCUMENTS, 0..12), 12),
        ) {
            let options = SearchOptions { top_k: 1, n_ivf_probe, n_full_scores };
            let made = Query::new(codec(centroids.clone()), &query, &options).expect("a query");
            let probed = made.probed();
            let lists: HashMap<u32, Vec<u32>> = probed.iter()
                .map(|&centroid| (centroid, listed[centroid as usize].iter().copied().collect()))
                .collect();
            let mut expected: Vec<(f32, u32)> = (0..DOCUMENTS)
                .filter(|document| probed.iter().any(|&c| listed[c as usize].contains(document)))
                .map(|document| {
                    let tokens = query.chunks(DIMENSION).map(|token| {
                        let mut products: Vec<(f32, usize)> = centroids.chunks(DIMENSION)
                            .map(|row| token.iter().zip(row).map(|(a, b)| a * b).sum())
                            .zip(0..)
                            .collect();
                        products.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                        products.truncate(n_ivf_probe);
                        let lists = |(_, place): &&(f32, usize)| listed[*place].contains(&document);
                        products.iter().find(lists).or(products.last()).expect("one is probed").0
                    });
                    (tokens.sum(), document)
                })
                .collect();
            expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            expected.truncate(n_full_scores);
            let expected: BTreeSet<u32> = expected.into_iter().map(|(_, document)| document).collect();
            prop_assert_eq!(made.candidates(&lists), expected);
        }
    }
}
