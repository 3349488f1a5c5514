//! Which documents answer a query best? In steps that each tell which parts they need, so that files, a page and a test search alike.
//!
//! ```text
//! 1   the inner products of each query token with all centroids; the n_ivf_probe largest are probed
//! 2   parts with the lists of the probed centroids
//! 3   a document's approximate score: of each query token the best probed centroid that lists it, else the least of the probed
//!     ones; the n_full_scores best are candidates, ties by number
//! 4   parts with the candidates
//! 5   MaxSim of the embeddings that their codes stand for; the top_k best are hits, ties by number
//! ```
//!
//! Step 3 is how WARP imputes what was not probed (Scheerer et al., 2025); PLAID (Santhanam et al., 2022) sums over the centroids of all of a
//! document's tokens, which here would be to fetch the documents. A document that none of the probed centroids lists is no hit, and one
//! without embeddings never is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::documents::DocumentsPart;
use super::lists;
use super::manifest::{IndexManifest, IndexPart};
use crate::error::{Error, Result};
use crate::late_interaction::codec::{Codec, CompressedEmbeddings, ResidualCodec};
use crate::late_interaction::maxsim::maxsim_compressed;
use crate::text_kind::TextKind;

/// How an index is searched. Names are PyLate's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchOptions {
    /// Most hits.
    pub top_k: usize,
    /// Centroids that are probed for each query token.
    pub n_ivf_probe: usize,
    /// Documents whose embeddings are fetched and scored, and at least `top_k`.
    pub n_full_scores: usize,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { top_k: 10, n_ivf_probe: 8, n_full_scores: 64 }
    }
}

/// A document that answers the query.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub id: String,
    /// MaxSim.
    pub score: f32,
    /// Its number in this state of the index.
    pub document: u32,
}

/// A search that goes on as parts are given.
#[derive(Debug, Clone)]
pub struct Search {
    manifest: Arc<IndexManifest>,
    codec: Arc<ResidualCodec>,
    query: Vec<f32>,
    options: SearchOptions,
    /// The probed centroids of each query token and their products, largest first.
    probed: Vec<Vec<(u32, f32)>>,
    step: Step,
}

/// What is waited for, and what has come.
#[derive(Debug, Clone)]
enum Step {
    Lists {
        wanted: BTreeMap<String, IndexPart>,
        lists: HashMap<u32, Vec<u32>>,
    },
    Documents {
        wanted: BTreeMap<String, IndexPart>,
        candidates: BTreeSet<u32>,
        found: BTreeMap<u32, Candidate>,
    },
    Done {
        hits: Vec<Hit>,
    },
}

/// A document that came.
#[derive(Debug, Clone)]
struct Candidate {
    id: String,
    embeddings: CompressedEmbeddings,
}

impl Search {
    pub(super) fn new(
        manifest: Arc<IndexManifest>,
        codec: Arc<ResidualCodec>,
        query: &[f32],
        options: &SearchOptions,
    ) -> Result<Self> {
        if !query.len().is_multiple_of(manifest.dimension) {
            let reason = format!("is no rows of {}", manifest.dimension);
            return Err(Error::argument("query", reason));
        }
        if query.iter().any(|value| !value.is_finite()) {
            return Err(Error::argument("query", "holds a number that is not finite"));
        }
        if options.n_ivf_probe == 0 {
            return Err(Error::argument("n_ivf_probe", "is 0"));
        }
        let probed = match options.top_k {
            0 => Vec::new(),
            _ => codec.largest(query, options.n_ivf_probe),
        };
        let step = Step::Done { hits: Vec::new() };
        let (query, options) = (query.to_vec(), options.clone());
        let mut search = Self { manifest, codec, query, options, probed, step };
        search.want_lists();
        Ok(search)
    }

    /// The parts that are needed next; none once the hits are there.
    pub fn wanted(&self) -> Vec<String> {
        match &self.step {
            Step::Lists { wanted, .. } | Step::Documents { wanted, .. } => {
                wanted.keys().cloned().collect()
            }
            Step::Done { .. } => Vec::new(),
        }
    }

    /// Takes a part that is wanted. One that is not, or not any more, is passed over.
    ///
    /// # Errors
    /// [`Error::Integrity`] or [`Error::IndexPart`], and the part is still wanted; [`Error::NotFinite`].
    pub fn give(&mut self, file: &str, bytes: &[u8]) -> Result<()> {
        self.manifest.verify(file, bytes)?;
        match &mut self.step {
            Step::Lists { wanted, lists } => {
                let Some(part) = wanted.get(file) else { return Ok(()) };
                let probed: BTreeSet<u32> =
                    self.probed.iter().flatten().map(|(centroid, _)| *centroid).collect();
                let read = lists::read(part, bytes, self.manifest.documents, &probed)?;
                for (centroid, list) in read {
                    lists.entry(centroid).or_default().extend(list);
                }
                wanted.remove(file);
            }
            Step::Documents { wanted, candidates, found } => {
                let Some(part) = wanted.get(file) else { return Ok(()) };
                let (first, last) = part.bounds();
                let read = DocumentsPart::read(part, bytes, &self.codec)?;
                for &document in candidates.range(first..=last) {
                    let place = (document - first) as usize;
                    let (id, embeddings) =
                        (read.ids[place].clone(), read.embeddings.select([place]));
                    found.insert(document, Candidate { id, embeddings });
                }
                wanted.remove(file);
            }
            Step::Done { .. } => {}
        }
        self.go_on()
    }

    /// Best first; empty until nothing is wanted any more.
    pub fn hits(&self) -> &[Hit] {
        match &self.step {
            Step::Done { hits } => hits,
            Step::Lists { .. } | Step::Documents { .. } => &[],
        }
    }

    /// The next step, once all that this one waits for has come.
    fn go_on(&mut self) -> Result<()> {
        match &self.step {
            Step::Lists { wanted, lists } if wanted.is_empty() => {
                let candidates = self.candidates(lists);
                self.want_documents(candidates);
                self.go_on()
            }
            Step::Documents { wanted, found, .. } if wanted.is_empty() => {
                let hits = self.scored(found)?;
                self.step = Step::Done { hits };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn want_lists(&mut self) {
        let mut wanted = BTreeMap::new();
        for (centroid, _) in self.probed.iter().flatten() {
            let parts = &self.manifest.lists;
            let first = parts.partition_point(|part| part.bounds().1 < *centroid);
            let holding = parts[first..].iter().take_while(|part| part.bounds().0 <= *centroid);
            wanted.extend(holding.map(|part| (part.file.clone(), part.clone())));
        }
        self.step = match wanted.is_empty() {
            true => Step::Done { hits: Vec::new() },
            false => Step::Lists { wanted, lists: HashMap::new() },
        };
    }

    fn want_documents(&mut self, candidates: BTreeSet<u32>) {
        let mut wanted = BTreeMap::new();
        for candidate in &candidates {
            let parts = &self.manifest.document_parts;
            let part = &parts[parts.partition_point(|part| part.bounds().1 < *candidate)];
            wanted.insert(part.file.clone(), part.clone());
        }
        self.step = Step::Documents { wanted, candidates, found: BTreeMap::new() };
    }

    /// The documents with the best approximate scores.
    fn candidates(&self, lists: &HashMap<u32, Vec<u32>>) -> BTreeSet<u32> {
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

    fn scored(&self, found: &BTreeMap<u32, Candidate>) -> Result<Vec<Hit>> {
        let codec = Codec::Residual(self.codec.clone());
        let mut embeddings = CompressedEmbeddings::new(codec, self.manifest.dimension)?;
        found.values().try_for_each(|candidate| embeddings.extend(&candidate.embeddings))?;
        let scores = maxsim_compressed(&self.query, &embeddings);
        let mut hits = Vec::with_capacity(scores.len());
        for ((&document, candidate), score) in found.iter().zip(scores) {
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
