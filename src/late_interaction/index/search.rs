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
//!
//! What each setting costs and finds, of queries with 2 bits a number and parts of 16 KB: the share of the ten best of exhaustive MaxSim
//! over the same codes, and the bytes of lists and of documents that a query reads. On the left 10,000 synthetic documents of 60 tokens at
//! width 96, of 200 topics, 8,192 centroids; on the right the 1,065 paragraphs of `tests/data/squad-dev-a` by all-MiniLM-L6-v2, of 155 tokens at width 384,
//! 4,096 centroids.
//!
//! | `n_ivf_probe` | `n_full_scores` | found | lists | documents | found | lists | documents |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | 4 | 64 | 0.923 | 99 KB | 375 KB | 0.936 | 74 KB | 1,092 KB |
//! | 8 | 64 | 0.983 | 110 KB | 328 KB | 0.974 | 79 KB | 1,103 KB |
//! | 16 | 64 | 0.997 | 140 KB | 324 KB | 0.991 | 81 KB | 1,106 KB |
//! | 32 | 64 | 0.999 | 288 KB | 326 KB | 0.995 | 82 KB | 1,110 KB |
//! | 16 | 16 | 0.668 | 140 KB | 111 KB | 0.866 | 81 KB | 278 KB |
//! | 16 | 32 | 0.888 | 140 KB | 138 KB | 0.959 | 81 KB | 556 KB |
//! | 16 | 128 | 0.999 | 140 KB | 1,148 KB | 0.997 | 81 KB | 2,200 KB |
//! | 16 | 256 | 0.999 | 140 KB | 2,654 KB | 1.000 | 81 KB | 4,356 KB |
//!
//! PLAID's 8 probes are few where they alone make the approximate score, and lists are the smaller part of the bytes: 16 are the default. In parts
//! of 32 KB the third row is 227 and 553 KB, and 82 and 1,357 KB; of 64 KB, on the left, 328 and 976 KB. A part is a request: of 16 KB,
//! 30 of them on the left and 69 on the right.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::documents::DocumentsPart;
use super::lists;
use super::manifest::{IndexManifest, IndexPart};
use super::query::{Candidate, Query};
use crate::error::Result;
use crate::late_interaction::codec::ResidualCodec;

/// How an index is searched. Names are PyLate's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchOptions {
    /// Most hits.
    pub top_k: usize,
    /// Centroids that are probed for each query token. More of them find more documents, tell better ones from worse by their approximate
    /// scores, and read more lists. With all centroids every document that has embeddings is listed.
    pub n_ivf_probe: usize,
    /// Documents whose embeddings are read and scored, and at least `top_k`: most of a query's bytes. More of them make up for approximate
    /// scores that are wrong. Stanford's engine scores a fourth of as many in full.
    pub n_full_scores: usize,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { top_k: 10, n_ivf_probe: 16, n_full_scores: 64 }
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
    query: Query,
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

impl Search {
    pub(super) fn new(
        manifest: Arc<IndexManifest>,
        codec: Arc<ResidualCodec>,
        query: &[f32],
        options: &SearchOptions,
    ) -> Result<Self> {
        let query = Query::new(codec, query, options)?;
        let step = Step::Done { hits: Vec::new() };
        let mut search = Self { manifest, query, step };
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
    /// [`crate::Error::Integrity`] or [`crate::Error::IndexPart`], and the part is still wanted; [`crate::Error::NotFinite`].
    pub fn give(&mut self, file: &str, bytes: &[u8]) -> Result<()> {
        self.manifest.verify(file, bytes)?;
        match &mut self.step {
            Step::Lists { wanted, lists } => {
                let Some(part) = wanted.get(file) else { return Ok(()) };
                let probed = self.query.probed();
                let read = lists::read(part, bytes, self.manifest.documents, &probed)?;
                for (centroid, list) in read {
                    lists.entry(centroid).or_default().extend(list);
                }
                wanted.remove(file);
            }
            Step::Documents { wanted, candidates, found } => {
                let Some(part) = wanted.get(file) else { return Ok(()) };
                let (first, last) = part.bounds();
                let read = DocumentsPart::read(part, bytes, &self.query.codec)?;
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
                let candidates = self.query.candidates(lists);
                self.want_documents(candidates);
                self.go_on()
            }
            Step::Documents { wanted, found, .. } if wanted.is_empty() => {
                let hits = self.query.hits(found)?;
                self.step = Step::Done { hits };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn want_lists(&mut self) {
        let mut wanted = BTreeMap::new();
        for centroid in self.query.probed() {
            let parts = &self.manifest.lists;
            let first = parts.partition_point(|part| part.bounds().1 < centroid);
            let holding = parts[first..].iter().take_while(|part| part.bounds().0 <= centroid);
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
}
