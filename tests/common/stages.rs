//! Where do the library and its reference part? Each stage of the way from text to score, over all texts of a case.

use std::collections::BTreeMap;
use std::fmt;

use pollster::block_on;
use tabrank::{Inspection, Pooling, RerankOptions, Reranker, TextKind, Unobserved};

use super::{Expected, ExpectedText, Fixture, difference};

/// Of hidden states relative to the largest value of each, of embeddings absolute, of scores relative.
const TOLERANCE: f32 = 1e-4;
/// As the suite that publishes the scores takes it.
const PUBLISHED_TOLERANCE: f32 = 1e-3;

/// One stage: in how many places it was compared, and where it is worst.
pub struct Stage {
    pub name: String,
    tolerance: f32,
    compared: usize,
    worst: f32,
    at: String,
}

impl Stage {
    fn new(name: impl Into<String>, tolerance: f32) -> Self {
        Self { name: name.into(), tolerance, compared: 0, worst: 0.0, at: String::new() }
    }

    fn add(&mut self, difference: f32, at: impl fmt::Display) {
        self.compared += 1;
        // A difference that is no number is the worst there is.
        let difference = if difference.is_nan() { f32::INFINITY } else { difference };
        if self.at.is_empty() || difference > self.worst {
            self.worst = difference;
            self.at = at.to_string();
        }
    }

    pub fn parts(&self) -> bool {
        self.worst > self.tolerance
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.parts() { "DIFFERS" } else { "same" };
        let Self { name, compared, worst, at, .. } = self;
        write!(f, "{name:<18} {verdict:<8} {compared:>4} compared, worst {worst:.1e} at {at}")
    }
}

/// The stages in the order in which a text goes through them.
pub fn compare(fixture: &Fixture, reranker: &Reranker) -> Vec<Stage> {
    let mut tokens =
        ["ids", "attention", "kept tokens", "offsets"].map(|name| Stage::new(name, 0.0));
    let mut states = BTreeMap::new();
    let mut embeddings = Stage::new("embeddings", TOLERANCE);
    for (kind, index, expected) in fixture.expected.texts() {
        let at = format!("{kind} {index}");
        let inspection = block_on(reranker.inspect(kind, &expected.text)).unwrap();
        compare_tokens(&mut tokens, &inspection, expected, &at);
        compare_states(&mut states, fixture, &inspection, &at.replace(' ', "."));
        if kind == TextKind::Query && is_blank(expected) {
            continue;
        }
        let reference = fixture.tensor(&format!("{kind}.{index}.embeddings")).unwrap();
        let found = encode(reranker, kind, &expected.text);
        embeddings.add(differs(&found, &reference), &at);
    }
    let mut stages: Vec<Stage> = tokens.into_iter().chain(states.into_values()).collect();
    stages.push(embeddings);
    stages.extend(compare_scores(fixture, reranker));
    stages
}

impl Expected {
    /// Kind, index and what is expected of every text.
    pub fn texts(&self) -> impl Iterator<Item = (TextKind, usize, &ExpectedText)> {
        let sides = [(TextKind::Query, &self.queries), (TextKind::Document, &self.documents)];
        sides.into_iter().flat_map(|(kind, texts)| {
            texts.iter().enumerate().map(move |(index, text)| (kind, index, text))
        })
    }
}

/// The library takes no query without a word.
fn is_blank(text: &ExpectedText) -> bool {
    text.text.trim().is_empty()
}

fn compare_tokens(
    [ids, attention, kept, offsets]: &mut [Stage; 4],
    inspection: &Inspection,
    expected: &ExpectedText,
    at: &str,
) {
    let tokens = &inspection.tokens;
    let bits = |mask: &[bool]| mask.iter().map(|&set| u8::from(set)).collect::<Vec<_>>();
    let places: Vec<_> =
        tokens.offsets.iter().map(|&range| code_points(&expected.text, range)).collect();
    let add = |stage: &mut Stage, same: bool| stage.add(f32::from(u8::from(!same)), at);
    add(ids, tokens.ids == expected.ids);
    add(attention, bits(&tokens.attention_mask) == expected.attention_mask);
    add(kept, bits(&tokens.embedding_mask) == expected.embedding_mask);
    add(offsets, places == expected.offsets);
}

fn compare_states(
    stages: &mut BTreeMap<usize, Stage>,
    fixture: &Fixture,
    inspection: &Inspection,
    tensor: &str,
) {
    for (layer, state) in inspection.hidden_states.iter().enumerate() {
        let Some(reference) = fixture.tensor(&format!("{tensor}.hidden.{layer}")) else { continue };
        let largest = reference.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
        let stage = stages
            .entry(layer)
            .or_insert_with(|| Stage::new(format!("hidden states {layer}"), TOLERANCE));
        stage.add(differs(state, &reference) / largest, tensor.replace('.', " "));
    }
}

fn compare_scores(fixture: &Fixture, reranker: &Reranker) -> Vec<Stage> {
    let Expected { queries, documents, scores, published, .. } = &fixture.expected;
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    let mut stages = vec![Stage::new("scores", TOLERANCE)];
    for (index, (query, row)) in queries.iter().zip(scores).enumerate() {
        if is_blank(query) {
            continue;
        }
        let found = score(reranker, &query.text, &texts);
        for (document, expected) in row.iter().enumerate() {
            let Some(expected) = expected else { continue };
            stages[0].add(
                relative(found[document], *expected),
                format_args!("query {index}, document {document}"),
            );
        }
        if let (1, Some(published)) = (stages.len(), published) {
            let mut stage = Stage::new("published scores", PUBLISHED_TOLERANCE);
            for (document, expected) in published.iter().enumerate() {
                stage
                    .add(relative(found[document], *expected), format_args!("document {document}"));
            }
            stages.push(stage);
        }
    }
    stages
}

fn score(reranker: &Reranker, query: &str, documents: &[&str]) -> Vec<f32> {
    let (options, mut observer) = (RerankOptions::default(), Unobserved);
    let output = reranker.rerank(query, documents, &options, &mut observer);
    let mut scores = vec![f32::NAN; documents.len()];
    for result in block_on(output).unwrap().results {
        scores[result.index] = result.score;
    }
    scores
}

fn encode(reranker: &Reranker, kind: TextKind, text: &str) -> Vec<f32> {
    let mut observer = Unobserved;
    let texts = [text];
    let encoded = reranker.encode(kind, &texts, Pooling::None, &mut observer);
    block_on(encoded).unwrap().embeddings.values().to_vec()
}

fn relative(found: f32, expected: f32) -> f32 {
    (found - expected).abs() / expected.abs().max(1.0)
}

/// Largest absolute difference; of another length, all there is.
fn differs(found: &[f32], reference: &[f32]) -> f32 {
    if found.len() == reference.len() { difference(found, reference) } else { f32::INFINITY }
}

/// The reference counts code points, and writes (0, 0) where a token holds nothing of the text.
pub fn code_points(text: &str, range: Option<(usize, usize)>) -> (usize, usize) {
    let count = |byte: usize| text[..byte].chars().count();
    let range = range.filter(|(start, end)| start < end);
    range.map_or((0, 0), |(start, end)| (count(start), count(end)))
}
