//! A ranking that tells its scores as they come, and one whose time is over at any moment: both against the ranking that is left alone.

mod common;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use common::list::{DOCUMENTS, QUERY};
use common::{Fixture, pairs};
use pollster::block_on;
use tabrank::{
    Bm25Options, Codec, DocumentEmbeddings, LongDocuments, Observer, Pooling, RerankOptions,
    RerankOutput, RerankResult, Reranker, Stage, StageKind, StageOptions, TextKind, Unobserved,
};

/// Notes what it hears, and says from a question on that the time is over.
#[derive(Default)]
struct Listener {
    left: Vec<Vec<usize>>,
    scored: Vec<Vec<(usize, f32)>>,
    bounds: Vec<Option<f32>>,
    questions: Cell<usize>,
    over_at: Option<usize>,
}

impl Listener {
    fn over_at(question: usize) -> Self {
        Self { over_at: Some(question), ..Self::default() }
    }

    fn told(&self) -> BTreeMap<usize, f32> {
        self.scored.concat().into_iter().collect()
    }
}

impl Observer for Listener {
    fn stage(&mut self, _: Stage) {}

    fn ranking(&mut self, place: usize, left: &[usize]) {
        assert_eq!(place, self.left.len());
        self.left.push(left.to_vec());
    }

    fn scored(&mut self, scores: &[(usize, f32)], bound: Option<f32>) {
        self.scored.push(scores.to_vec());
        self.bounds.push(bound);
    }

    async fn batch_done(&mut self, _: usize, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn is_over(&self) -> bool {
        self.questions.set(self.questions.get() + 1);
        self.over_at.is_some_and(|question| self.questions.get() >= question)
    }

    fn now_ms(&self) -> f64 {
        0.0
    }
}

fn rerank<O: Observer>(
    model: &Reranker,
    documents: &[&str],
    options: &RerankOptions,
    observer: &mut O,
) -> RerankOutput {
    block_on(model.rerank(QUERY, documents, options, observer)).unwrap()
}

fn stages(stages: impl IntoIterator<Item = impl Into<StageOptions>>) -> RerankOptions {
    let stages = stages.into_iter().map(Into::into).collect();
    RerankOptions { stages, ..windows() }
}

/// More than a batch takes each, so that they come one at a time, with a copy of one among them.
fn long() -> Vec<String> {
    let long = DOCUMENTS.iter().enumerate();
    let many = |(place, text): (usize, &&str)| {
        let words = format!("{text} {place} city ");
        words.repeat(300 / words.split_whitespace().count())
    };
    let mut long: Vec<String> = long.map(many).collect();
    long.push(long[2].clone());
    long
}

/// What takes all of them.
fn windows() -> RerankOptions {
    let most = NonZeroUsize::new(64).unwrap();
    let long_documents = LongDocuments::Windows { overlap: None, most };
    RerankOptions { long_documents, ..RerankOptions::default() }
}

fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// What `given` says backwards: the last of the list first.
fn backwards(documents: usize) -> Vec<Option<f64>> {
    (0..documents).map(|index| Some(index as f64)).collect()
}

#[test]
fn scores_are_told_once_as_they_come_from_the_top_of_the_list_that_is_ranked() {
    let model = Fixture::read("pylate").load();
    let long = long();
    let documents = borrowed(&long);
    let last = |kind: StageKind| RerankOptions {
        given: backwards(documents.len()),
        explain: true,
        ..stages([StageKind::Given, kind])
    };
    for options in [last(StageKind::Late), last(StageKind::Dense(Pooling::Mean))] {
        let mut listener = Listener::default();
        let output = rerank(&model, &documents, &options, &mut listener);
        assert_eq!(output, rerank(&model, &documents, &options, &mut Unobserved));
        let order: Vec<usize> = (0..documents.len()).rev().collect();
        assert_eq!(listener.left, [(0..documents.len()).collect(), order]);
        assert!(listener.scored.len() > 3, "{:?}", listener.scored);
        assert!(listener.bounds.iter().all(|bound| *bound == output.bound));
        let found: BTreeMap<usize, f32> =
            output.results.iter().map(|result| (result.index, result.score)).collect();
        assert_eq!(listener.told(), found);
        assert_eq!(listener.scored.concat().len(), documents.len(), "each once");
        let mut firsts: Vec<usize> = listener.scored.concat().iter().map(|told| told.0).collect();
        firsts.retain(|&index| index != 8);
        // The copy at the end of the list is read by its first, which so comes before the others.
        assert_eq!(firsts, [2, 7, 6, 5, 4, 3, 1, 0]);
    }
}

#[test]
fn the_order_in_which_documents_are_read_changes_nothing() {
    let model = Fixture::read("pylate").load();
    let long = long();
    let documents = borrowed(&long);
    let options = |stages: Vec<StageOptions>| RerankOptions {
        stages,
        given: backwards(documents.len()),
        explain: true,
        diversify: Some(0.5),
        keep: Some(Codec::Int8),
        ..windows()
    };
    let dense = || StageKind::Dense(Pooling::Mean).into();
    let read = [StageKind::Late.into(), dense()];
    let forwards = rerank(&model, &documents, &options(read.to_vec()), &mut Unobserved);
    let first = [StageKind::Given.into()].into_iter().chain(read).collect();
    let backwards = rerank(&model, &documents, &options(first), &mut Unobserved);
    for (output, other) in [(&backwards, &forwards), (&forwards, &backwards)] {
        for (result, explanation) in output.results.iter().zip(&output.explanations) {
            let place = other.results.iter().position(|found| found.index == result.index);
            assert_eq!(explanation, &other.explanations[place.unwrap()]);
        }
    }
    let told = |result: &RerankResult| (result.index, result.score.to_bits(), result.same_as);
    // Those that are equal keep the order that the stage before gave them.
    let each = |output: &RerankOutput| output.results.iter().map(told).collect::<BTreeSet<_>>();
    assert_eq!(each(&backwards), each(&forwards));
    assert_eq!(backwards.truncated, forwards.truncated);
    let kept = |output: &RerankOutput| output.kept.clone().unwrap().indices.into_iter().collect();
    let [there, expected]: [BTreeSet<usize>; 2] = [kept(&backwards), kept(&forwards)];
    assert_eq!(there, expected);
}

/// All that a ranking may say whose time was over at some moment, held against the one that had time for all.
fn check(output: &RerankOutput, full: &RerankOutput, order: &[usize]) {
    let scored: BTreeSet<usize> = output.results.iter().map(|result| result.index).collect();
    let expected: Vec<_> =
        full.results.iter().filter(|result| scored.contains(&result.index)).collect();
    for (found, expected) in output.results.iter().zip(&expected) {
        let told = |result: &RerankResult| (result.index, result.score, result.same_as);
        assert_eq!(told(found), told(expected));
    }
    assert_eq!(output.results.len(), expected.len());
    let behind: Vec<usize> = output.unscored.iter().map(|document| document.index).collect();
    let rest: Vec<usize> = order.iter().copied().filter(|index| !scored.contains(index)).collect();
    assert_eq!(behind, rest);
    assert_eq!(output.unscored_count, rest.len());
    assert_eq!(output.truncated.len(), output.results.len());
}

#[test]
fn whenever_time_is_over_what_was_scored_is_ranked_and_the_others_follow_in_their_order() {
    let model = Fixture::read("pylate").load();
    let long = long();
    let documents = borrowed(&long);
    let options = RerankOptions { explain: true, ..windows() };
    let order: Vec<usize> = (0..documents.len()).collect();
    let mut listener = Listener::default();
    let full = rerank(&model, &documents, &options, &mut listener);
    let questions = listener.questions.get();
    let mut counts = BTreeSet::new();
    for question in (1..=questions + 1).rev().step_by(2) {
        let mut listener = Listener::over_at(question);
        let output = rerank(&model, &documents, &options, &mut listener);
        check(&output, &full, &order);
        let told = output.results.iter().map(|result| (result.index, result.score)).collect();
        assert_eq!(listener.told(), told);
        for (explanation, result) in output.explanations.iter().zip(&output.results) {
            let place = full.results.iter().position(|other| other.index == result.index);
            assert_eq!(explanation, &full.explanations[place.unwrap()]);
        }
        assert_eq!(output.explanations.len(), output.results.len());
        assert!(output.cost.tokens <= full.cost.tokens);
        counts.insert(output.results.len());
    }
    // The copy comes with its first, the third.
    assert_eq!(counts, BTreeSet::from([0, 1, 2, 4, 5, 6, 7, 8, 9]));
}

#[test]
fn a_stage_ranks_what_those_before_it_had_time_for() {
    let model = Fixture::read("pylate").load();
    let long = long();
    let documents = borrowed(&long);
    let dense = StageKind::Dense(Pooling::Mean);
    let bm25 = StageKind::Bm25(Bm25Options::default());
    let options = RerankOptions {
        given: backwards(documents.len()),
        top_k: Some(5),
        ..stages([bm25.into(), dense.keeping(6), StageKind::Late.into(), StageKind::Given.into()])
    };
    let mut listener = Listener::default();
    let full = rerank(&model, &documents, &options, &mut listener);
    assert!(full.unscored.is_empty());
    let mut lengths = BTreeSet::new();
    for question in (1..=listener.questions.get()).step_by(2) {
        let output = rerank(&model, &documents, &options, &mut Listener::over_at(question));
        assert_eq!(output.results.len() + output.unscored.len(), 5);
        for result in &output.results {
            assert_eq!(result.stages.len(), 4, "whoever has the last score has all");
        }
        for document in &output.unscored {
            lengths.insert(document.stages.len());
        }
        assert!(output.unscored_count >= output.unscored.len());
    }
    assert_eq!(lengths, BTreeSet::from([0, 1]), "before BM25 was done, and before the model was");
}

#[test]
fn what_comes_behind_the_stages_is_made_of_what_was_scored() {
    let model = Fixture::read("pylate").load();
    let long = long();
    let documents = borrowed(&long);
    let options = RerankOptions {
        given: backwards(documents.len()),
        fuse: Some(tabrank::Fusion::RECIPROCAL_RANKS),
        diversify: Some(0.5),
        min_score: Some(f64::MAX),
        ..stages([StageKind::Late])
    };
    let mut listener = Listener::default();
    assert!(rerank(&model, &documents, &options, &mut listener).results.is_empty());
    let half = listener.questions.get() / 2;
    let output = rerank(&model, &documents, &options, &mut Listener::over_at(half));
    assert!(output.results.is_empty(), "all that were scored are below the least score");
    assert!(!output.unscored.is_empty() && output.unscored.len() < documents.len());
    let options = RerankOptions { min_score: None, ..options };
    let output = rerank(&model, &documents, &options, &mut Listener::over_at(half));
    let (scored, count) = (&output.results, output.results.len());
    assert!(count > 0 && scored.iter().all(|result| result.fused.is_some()));
    let first: Vec<&str> = documents[..count - 1].to_vec();
    let alone = RerankOptions { given: backwards(first.len()), ..options };
    let alone = rerank(&model, &first, &alone, &mut Unobserved);
    if count == alone.results.len() {
        assert_eq!(scored, &alone.results);
    }
}

#[test]
fn documents_that_bring_embeddings_come_by_the_batch_too() {
    let model = Fixture::read("pylate").load();
    let mut encoded =
        block_on(model.encode(TextKind::Document, &DOCUMENTS, Pooling::None, &mut Unobserved))
            .unwrap()
            .embeddings;
    let mut brought = DocumentEmbeddings::new(DOCUMENTS.len());
    let places: Vec<usize> = (0..DOCUMENTS.len()).filter(|place| place % 2 == 0).collect();
    let mut some = tabrank::TokenEmbeddings::new(encoded.dimension());
    places.iter().for_each(|&place| some.push(encoded.texts().nth(place).unwrap()));
    encoded = some;
    brought.add(Codec::F32.compress(&encoded).unwrap(), &places, None).unwrap();
    let options = RerankOptions { embeddings: brought, ..RerankOptions::default() };
    let mut listener = Listener::default();
    let full = rerank(&model, &DOCUMENTS, &options, &mut listener);
    assert_eq!(listener.told().len(), DOCUMENTS.len());
    let mut counts = BTreeSet::new();
    for question in 1..=listener.questions.get() + 1 {
        let output = rerank(&model, &DOCUMENTS, &options, &mut Listener::over_at(question));
        check(&output, &full, &(0..DOCUMENTS.len()).collect::<Vec<_>>());
        counts.insert(output.results.len());
    }
    assert_eq!(counts, BTreeSet::from([0, 4, 8]), "the encoded ones first");
}

#[test]
fn a_cross_encoder_stops_between_its_batches() {
    let model = pairs::Fixture::read("bert").load();
    let many: Vec<String> =
        (0..200).map(|place| format!("water and oil {}", place % 150)).collect();
    let documents = borrowed(&many);
    let options = RerankOptions::default();
    let mut listener = Listener::default();
    let full = rerank(&model, &documents, &options, &mut listener);
    assert_eq!(listener.told().len(), documents.len());
    let mut counts = BTreeSet::new();
    for question in (1..=listener.questions.get() + 1).rev().step_by(7) {
        let mut listener = Listener::over_at(question);
        let output = rerank(&model, &documents, &options, &mut listener);
        check(&output, &full, &(0..documents.len()).collect::<Vec<_>>());
        assert_eq!(listener.told().len(), output.results.len());
        counts.insert(output.results.len());
    }
    assert!(counts.len() > 2 && counts.contains(&0) && counts.contains(&200), "{counts:?}");
}
