//! How well do a document's words cover the query's?
//!
//! ```text
//! Score(Q, D) = Σ  idf(w) · tf / (tf + k1 · (1 − b + b · |D| / mean))        over the words w of Q, each as often as it stands there
//! idf(w)      = ln(1 + (N − df + 0.5) / (df + 0.5))
//! ```
//!
//! with `tf` the times that `w` stands in `D`, `|D|` the words of `D`, `mean` those of a document on average, and `df` the documents
//! with `w` of `N`. It is Lucene's form: the factor `k1 + 1` of Robertson's, which changes no order, is left out, so that no word gives
//! more than its weight `idf`, which is never below zero (Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020).
//!
//! Words are those of Unicode's word boundaries (UAX #29) that hold a letter or a digit, in lower case, parted at apostrophes. What is not there: stemming,
//! compounds, accents that fold, normal forms, and dictionaries for scripts without spaces: a Chinese character is a word, and so is
//! a whole Thai phrase. Stop words count like others unless the caller names them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation as _;

use crate::error::Result;
use crate::observer::{Observer, Stage, pause};
use crate::text::texts::Texts;

/// How BM25 counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Bm25Options {
    /// How much a word's second and later times add; from 0, nothing.
    pub k1: f32,
    /// How much the length of a document takes off; from 0, nothing, to 1.
    pub b: f32,
    /// Words that play no part, neither in the length.
    pub stop_words: Vec<String>,
}

/// Lucene's and Anserini's for passages.
impl Default for Bm25Options {
    fn default() -> Self {
        Self { k1: 0.9, b: 0.4, stop_words: Vec::new() }
    }
}

impl Bm25Options {
    /// # Errors
    /// What is out of range.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { k1, b, .. } = self;
        if !(k1.is_finite() && *k1 >= 0.0) {
            return Err(format!("has k1 {k1}; it is 0 or more"));
        }
        match (0.0..=1.0).contains(b) {
            true => Ok(()),
            false => Err(format!("has b {b}; it goes from 0 to 1")),
        }
    }
}

/// What ends a word: a query for Tesla finds Tesla's, and one for école finds l'école.
const APOSTROPHES: [char; 3] = ['\'', '\u{2019}', '\u{ff07}'];

/// A text's words in their order, in lower case.
pub fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let parts = text.unicode_words().flat_map(|word| word.split(APOSTROPHES));
    // A Hebrew letter may end with one.
    parts.filter(|word| !word.is_empty()).map(|word| {
        let low = word.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        if low { Cow::Borrowed(word) } else { Cow::Owned(word.to_lowercase()) }
    })
}

/// The words of some queries.
pub struct QueryWords {
    stop_words: HashSet<String>,
    /// Number of each word.
    numbers: HashMap<String, usize>,
    /// Each query's words by their numbers, each with the times that it stands there.
    queries: Vec<Vec<(usize, f64)>>,
}

impl QueryWords {
    /// Reads the queries.
    pub fn new<'q>(
        queries: impl IntoIterator<Item = &'q str>,
        stop_words: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Self {
        let stop_words = stop_words.into_iter().map(|word| word.as_ref().to_lowercase()).collect();
        let mut all = Self { stop_words, numbers: HashMap::new(), queries: Vec::new() };
        queries.into_iter().for_each(|query| all.add(query));
        all
    }

    fn add(&mut self, query: &str) {
        let mut times: BTreeMap<usize, f64> = BTreeMap::new();
        for word in words(query).filter(|word| !self.stop_words.contains(word.as_ref())) {
            let next = self.numbers.len();
            let number = *self.numbers.entry(word.into_owned()).or_insert(next);
            *times.entry(number).or_default() += 1.0;
        }
        self.queries.push(times.into_iter().collect());
    }

    /// Counts the words of a document that are a query's.
    pub fn count(&self, document: &str) -> WordCounts {
        let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
        let mut length = 0;
        for word in words(document).filter(|word| !self.stop_words.contains(word.as_ref())) {
            length += 1;
            if let Some(&number) = self.numbers.get(word.as_ref()) {
                *counts.entry(number).or_default() += 1;
            }
        }
        WordCounts { length, counts: counts.into_iter().collect() }
    }

    /// A query as documents are scored by it; `place` counts the queries.
    ///
    /// # Panics
    /// If there are not as many queries.
    pub fn weighted(
        &self,
        place: usize,
        statistics: &Statistics,
        options: &Bm25Options,
    ) -> WeightedQuery {
        let weights = self.queries[place].iter();
        WeightedQuery {
            weights: weights.map(|&(word, times)| (word, times * statistics.idf(word))).collect(),
            k1: options.k1.into(),
            b: options.b.into(),
            mean: statistics.words as f64 / statistics.documents.max(1) as f64,
        }
    }
}

/// What is kept of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordCounts {
    length: usize,
    /// Times of each word that is a query's, by its number.
    counts: Vec<(usize, u32)>,
}

/// What is known of all documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    documents: u64,
    words: u64,
    /// Documents with each word, by its number.
    frequencies: Vec<u64>,
}

impl Statistics {
    /// Takes a document.
    pub fn add(&mut self, document: &WordCounts) {
        self.documents += 1;
        self.words += document.length as u64;
        if let Some((last, _)) = document.counts.last() {
            self.frequencies.resize(self.frequencies.len().max(last + 1), 0);
        }
        document.counts.iter().for_each(|&(word, _)| self.frequencies[word] += 1);
    }

    fn idf(&self, word: usize) -> f64 {
        let frequency = self.frequencies.get(word).copied().unwrap_or(0) as f64;
        (1.0 + (self.documents as f64 - frequency + 0.5) / (frequency + 0.5)).ln()
    }
}

/// A query's words with their weights.
#[derive(Debug, Clone)]
pub struct WeightedQuery {
    weights: Vec<(usize, f64)>,
    k1: f64,
    b: f64,
    mean: f64,
}

impl WeightedQuery {
    /// A document's score.
    pub fn score(&self, document: &WordCounts) -> f32 {
        // Without a word in any document there is nothing to be longer than.
        let longer = if self.mean > 0.0 { document.length as f64 / self.mean } else { 1.0 };
        let slack = self.k1 * (1.0 - self.b + self.b * longer);
        let found = self.weights.iter().filter_map(|&(word, weight)| {
            let place = document.counts.binary_search_by_key(&word, |(number, _)| *number).ok()?;
            let times = f64::from(document.counts[place].1);
            Some(weight * times / (times + slack))
        });
        sum(found)
    }

    /// What no score goes beyond.
    pub fn bound(&self) -> f32 {
        sum(self.weights.iter().map(|(_, weight)| *weight))
    }
}

/// Of nothing it is zero, where Rust's own has a minus.
fn sum(shares: impl Iterator<Item = f64>) -> f32 {
    shares.fold(0.0, |sum, share| sum + share) as f32
}

/// Scores the documents at some places by the words of those alone, each read once. Answers also what no score goes beyond.
///
/// # Errors
/// [`crate::Error::Aborted`].
pub(crate) async fn scores<T: Texts + ?Sized>(
    query: &str,
    documents: &T,
    places: impl Iterator<Item = usize>,
    options: &Bm25Options,
    observer: &mut impl Observer,
) -> Result<(Vec<f32>, f32)> {
    observer.stage(Stage::Tokenize);
    let words = QueryWords::new([query], &options.stop_words);
    let mut statistics = Statistics::default();
    let mut counted = Vec::with_capacity(places.size_hint().0);
    for place in places {
        pause(observer).await?;
        let counts = words.count(&documents.text(place));
        statistics.add(&counts);
        counted.push(counts);
    }
    observer.stage(Stage::Score);
    let query = words.weighted(0, &statistics, options);
    Ok((counted.iter().map(|document| query.score(document)).collect(), query.bound()))
}
