//! Stages of a ranking, alone and one after the other: BM25 against bm25s, single vectors and MaxSim on embeddings against
//! sentence-transformers, and what holds of every pipeline.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use common::list::{DOCUMENTS, QUERY};
use common::stopper::Stopper;
use common::{Fixture, difference, fixtures, pairs};
use pollster::block_on;
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tabrank::stages::bm25::{self, QueryWords, Statistics};
use tabrank::{
    Bm25Options, EmbeddingsFile, Error, Explanation, Fusion, LongDocuments, Pooling, Query,
    RerankOptions, RerankOutput, Reranker, ResidualCodec, Similarity, StageKind, StageOptions,
    TextKind, TokenEmbeddings, Unobserved, score, score_compressed, similarity, token_similarities,
};

const TOLERANCE: f32 = 1e-5;

fn expected<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&fs::read(fixtures().join(name)).unwrap()).unwrap()
}

fn rerank(model: &Reranker, documents: &[&str], options: &RerankOptions) -> RerankOutput {
    block_on(model.rerank(QUERY, documents, options, &mut Unobserved)).unwrap()
}

fn refused(model: &Reranker, documents: &[&str], options: &RerankOptions) -> String {
    let error = block_on(model.rerank(QUERY, documents, options, &mut Unobserved)).unwrap_err();
    assert_eq!(error.code(), "INVALID_INPUT");
    error.to_string()
}

fn places(output: &RerankOutput) -> Vec<usize> {
    output.results.iter().map(|result| result.index).collect()
}

fn stages(stages: impl IntoIterator<Item = impl Into<StageOptions>>) -> RerankOptions {
    let stages = stages.into_iter().map(Into::into).collect();
    RerankOptions { stages, ..RerankOptions::default() }
}

fn bm25() -> StageKind {
    StageKind::Bm25(Bm25Options::default())
}

#[derive(Deserialize)]
struct Text {
    text: String,
    words: Vec<String>,
}

#[derive(Deserialize)]
struct Bm25Case {
    k1: f32,
    b: f32,
    scores: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Bm25Expected {
    documents: Vec<Text>,
    queries: Vec<Text>,
    cases: Vec<Bm25Case>,
}

#[test]
fn words_and_bm25_scores_equal_the_references() {
    let Bm25Expected { documents, queries, cases } = expected("bm25.json");
    for Text { text, words } in documents.iter().chain(&queries) {
        assert_eq!(&bm25::words(text).collect::<Vec<_>>(), words, "{text:?}");
    }
    let none: [&str; 0] = [];
    let words = QueryWords::new(queries.iter().map(|query| query.text.as_str()), none);
    let counted: Vec<_> = documents.iter().map(|document| words.count(&document.text)).collect();
    let mut statistics = Statistics::default();
    counted.iter().for_each(|document| statistics.add(document));
    for Bm25Case { k1, b, scores } in cases {
        let options = Bm25Options { k1, b, ..Bm25Options::default() };
        for (place, expected) in scores.iter().enumerate() {
            let query = words.weighted(place, &statistics, &options);
            let found: Vec<f32> = counted.iter().map(|document| query.score(document)).collect();
            let worst = difference(&found, expected);
            assert!(worst < TOLERANCE, "k1 {k1}, b {b}, {:?}: {worst}", queries[place].text);
            assert!(found.iter().all(|score| *score <= query.bound()));
        }
    }
}

#[test]
fn a_bm25_stage_counts_in_its_own_list() {
    let Bm25Expected { documents, queries, cases } = expected("bm25.json");
    let model = Fixture::read("plain").load();
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    let (query, scores) = (&queries[1].text, &cases[0].scores[1]);
    let output = block_on(model.rerank(query, &texts, &stages([bm25()]), &mut Unobserved)).unwrap();
    for result in &output.results {
        assert!((result.score - scores[result.index]).abs() < TOLERANCE);
    }
    assert!(output.bound.unwrap() > output.results[0].score);
    assert_eq!(output.truncated, vec![false; texts.len()], "nothing was cut: BM25 reads all");
    // Of two documents that are left, both hold the word.
    let options = stages([bm25().keeping(2), bm25().into()]);
    let output = rerank(&model, &["oil oil", "oil", "water"], &options);
    let [first, second] = [0, 1].map(|stage| output.results[0].stages[stage].score);
    assert!(first > second, "a word that every document holds weighs less");
}

#[test]
fn stop_words_play_no_part_and_words_in_capitals_are_the_same() {
    let model = Fixture::read("plain").load();
    let options = |stop_words: &[&str]| {
        let stop_words = stop_words.iter().map(|word| (*word).to_owned()).collect();
        stages([StageKind::Bm25(Bm25Options { stop_words, ..Bm25Options::default() })])
    };
    let scores = |documents: &[&str], options: &RerankOptions| -> Vec<f32> {
        let output = block_on(model.rerank("THE Oil", documents, options, &mut Unobserved));
        output.unwrap().results.into_iter().map(|result| result.score).collect()
    };
    let with = scores(&["oil the the", "water the"], &options(&["The"]));
    assert_eq!(with, scores(&["OIL", "water"], &options(&[])));
    assert_eq!(with[1].to_bits(), 0.0f32.to_bits(), "not minus zero");
    assert_ne!(with, scores(&["oil the the", "water the"], &options(&[])));
}

/// `cos_sim` of the vectors that `SentenceTransformer` gives, and of their mean.
#[test]
fn dense_scores_equal_sentence_transformers() {
    for (name, tensor, pooling) in [
        ("bi-encoder", "vector", Pooling::Checkpoint),
        ("plain", "pooled", Pooling::Checkpoint),
        ("pylate", "pooled", Pooling::Mean),
    ] {
        let fixture = Fixture::read(name);
        let model = fixture.load();
        let texts: Vec<&str> = fixture.expected.documents.iter().map(|d| d.text.as_str()).collect();
        for (place, query) in fixture.expected.queries.iter().enumerate() {
            if query.text.trim().is_empty() {
                continue;
            }
            let vector = fixture.tensor(&format!("query.{place}.{tensor}")).unwrap();
            let options = stages([StageKind::Dense(pooling)]);
            let output = block_on(model.rerank(&query.text, &texts, &options, &mut Unobserved));
            let output = output.unwrap();
            assert_eq!(output.bound, Some(1.0));
            for result in output.results {
                let of = fixture.tensor(&format!("document.{}.{tensor}", result.index)).unwrap();
                let worst = (result.score - cosine(&vector, &of)).abs();
                assert!(worst < 1e-4, "{name} {:?} × {}: {worst}", query.text, result.index);
            }
        }
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()) as f32
}

#[derive(Deserialize)]
struct SimilarityExpected {
    dimension: usize,
    queries: Vec<Vec<f32>>,
    documents: Vec<Vec<f32>>,
    maxsim: Vec<Vec<f32>>,
    meanmaxsim: Vec<Vec<f32>>,
}

fn embeddings(rows: &[Vec<f32>], dimension: usize) -> TokenEmbeddings {
    let lengths = rows.iter().map(|row| row.len() / dimension).collect();
    TokenEmbeddings::from_parts(rows.concat(), lengths, dimension).unwrap()
}

#[test]
fn similarities_of_embeddings_equal_sentence_transformers() {
    let SimilarityExpected { dimension, queries, documents, maxsim, meanmaxsim } =
        expected("similarity.json");
    let (queries, documents) = (embeddings(&queries, dimension), embeddings(&documents, dimension));
    for (name, expected) in [("maxsim", maxsim), ("meanmaxsim", meanmaxsim)] {
        let by = Similarity::from_name(name).unwrap();
        let found = similarity(&queries, &documents, by).unwrap();
        assert!(difference(&found.concat(), &expected.concat()) < TOLERANCE, "{name}");
    }
    let nothing = TokenEmbeddings::new(dimension);
    assert_eq!(similarity(&queries, &nothing, Similarity::MaxSim).unwrap(), [[0.0f32; 0]; 3]);
    let three = queries.texts().next().unwrap();
    let mean = score(three, &documents, Similarity::MeanMaxSim).unwrap();
    let sum = score(three, &documents, Similarity::MaxSim).unwrap();
    assert_eq!(mean, sum.iter().map(|score| score / 3.0).collect::<Vec<f32>>());
    assert!(similarity(&nothing, &documents, Similarity::MaxSim).unwrap().is_empty());
}

#[derive(Deserialize)]
struct VectorsExpected {
    /// By codec.
    scores: BTreeMap<String, Vec<Option<f32>>>,
}

#[test]
fn compressed_documents_score_as_numpy_decompresses_them() {
    let VectorsExpected { scores } = expected("vectors/pylate/expected.json");
    let bytes = |name: &str| fs::read(fixtures().join("vectors/pylate").join(name)).unwrap();
    let codec = ResidualCodec::read("codec", &bytes("codec.safetensors")).unwrap();
    let codecs = [Arc::new(codec)];
    let query = Fixture::read("pylate").tensor("query.3.embeddings").unwrap();
    for (name, scores) in scores {
        let file = bytes(&format!("{name}.safetensors"));
        let file = EmbeddingsFile::read(&name, &file, &codecs).unwrap();
        let found = score_compressed(&query, &file.embeddings, Similarity::MaxSim).unwrap();
        let pairs = found.iter().zip(scores).filter_map(|(found, score)| Some((found, score?)));
        let (found, scores): (Vec<f32>, Vec<f32>) = pairs.unzip();
        assert!(difference(&found, &scores) < TOLERANCE, "{name}");
        assert_eq!(scores.len(), 9);
    }
}

#[test]
fn token_similarities_are_what_maxsim_takes_the_most_of() {
    let SimilarityExpected { dimension, queries, documents, maxsim, .. } =
        expected("similarity.json");
    for (query, scores) in queries.iter().zip(&maxsim) {
        for (document, &score) in documents.iter().zip(scores) {
            let found = token_similarities(query, document, dimension).unwrap();
            let rows = found.chunks_exact(document.len() / dimension);
            let sum: f32 = rows.map(|row| row.iter().copied().fold(f32::MIN, f32::max)).sum();
            assert!((sum - score).abs() < TOLERANCE * 10.0, "{sum}, expected {score}");
        }
    }
    let error = |query: &[f32], document: &[f32]| {
        token_similarities(query, document, 2).unwrap_err().to_string()
    };
    let part = "embeddings are 3 values, which is no multiple of 2";
    assert_eq!(error(&[1.0; 3], &[1.0; 2]), format!("the query's {part}"));
    assert_eq!(error(&[1.0; 2], &[1.0; 3]), format!("the document's {part}"));
    assert_eq!(error(&[f32::NAN, 0.0], &[1.0; 2]), "a similarity of documents[0] is not finite");
}

#[test]
fn embeddings_that_cannot_be_scored_are_named() {
    let of = |rows: &[&[f32]], width| {
        let rows: Vec<Vec<f32>> = rows.iter().map(|row| row.to_vec()).collect();
        embeddings(&rows, width)
    };
    let error = |queries: &TokenEmbeddings, documents: &TokenEmbeddings| {
        similarity(queries, documents, Similarity::MaxSim).unwrap_err().to_string()
    };
    let good = of(&[&[1.0, 0.0], &[]], 2);
    assert_eq!(
        similarity(&good, &good, Similarity::MeanMaxSim).unwrap(),
        [[1.0, -1.0], [0.0, 0.0]]
    );
    let wide = of(&[&[1.0, 0.0, 0.0]], 3);
    assert_eq!(error(&good, &wide), "the queries' embeddings are 2 wide, and the documents' 3");
    let nan = of(&[&[1.0, 0.0], &[f32::NAN, 0.0]], 2);
    assert_eq!(error(&good, &nan), "an embedding of documents[1] is not finite");
    assert_eq!(error(&nan, &good), "an embedding of queries[1] is not finite");
    let error_of = |query: &[f32]| score(query, &good, Similarity::MaxSim).unwrap_err().to_string();
    assert_eq!(
        error_of(&[1.0; 3]),
        "the query's embeddings are 3 values, which is no multiple of 2"
    );
    assert_eq!(error_of(&[f32::INFINITY, 0.0]), "an embedding of query is not finite");
    let huge = of(&[&[f32::MAX, f32::MAX]], 2);
    assert_eq!(error(&huge, &huge), "the score of documents[0] is not finite");
}

#[test]
fn without_stages_the_model_s_own_ranks() {
    let model = Fixture::read("pylate").load();
    let alone = rerank(&model, &DOCUMENTS, &RerankOptions::default());
    assert_eq!(alone, rerank(&model, &DOCUMENTS, &stages([StageKind::Late])));
    for (rank, result) in (1..).zip(&alone.results) {
        let [stage] = result.stages[..] else { panic!("{result:?}") };
        assert_eq!((stage.rank, stage.score), (rank, result.score));
    }
}

/// A list of texts, some of them the same, with what somebody scored them by.
fn lists() -> impl Strategy<Value = Vec<(&'static str, Option<f64>)>> {
    let given = prop::option::of((0u8..4).prop_map(f64::from));
    prop::collection::vec((prop::sample::select(&DOCUMENTS[..]), given), 0..9)
}

fn some_stages() -> impl Strategy<Value = Vec<StageOptions>> {
    let kinds = [
        StageKind::Given,
        bm25(),
        StageKind::Dense(Pooling::Mean),
        StageKind::Dense(Pooling::Cls),
        StageKind::Late,
    ];
    let keep = prop::option::of(0usize..12);
    let stage = (prop::sample::select(kinds.to_vec()), keep)
        .prop_map(|(kind, keep)| StageOptions { kind, keep });
    prop::collection::vec(stage, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whether all stages run in one call, or each in its own on the texts that are left.
    #[test]
    fn stages_compose(list in lists(), all in some_stages()) {
        thread_local! { static MODEL: Reranker = Fixture::read("pylate").load(); }
        MODEL.with(|model| {
            let (texts, given): (Vec<&str>, Vec<Option<f64>>) = list.into_iter().unzip();
            let options = RerankOptions { given: given.clone(), ..stages(all.clone()) };
            let together = rerank(model, &texts, &options);
            let mut left: Vec<usize> = (0..texts.len()).collect();
            let mut said = vec![Vec::new(); texts.len()];
            for stage in all {
                let documents: Vec<&str> = left.iter().map(|&index| texts[index]).collect();
                let given = left.iter().map(|&index| given[index]).collect();
                let options = RerankOptions { given, ..stages([stage]) };
                let output = rerank(model, &documents, &options);
                for result in &output.results {
                    said[left[result.index]].extend(&result.stages);
                }
                left = output.results.iter().map(|result| left[result.index]).collect();
            }
            assert_eq!(places(&together), left);
            for result in &together.results {
                assert_eq!(result.stages, said[result.index]);
                assert_eq!(result.score, result.stages.last().unwrap().score);
            }
        });
    }

    /// Whether a model scores the documents in the call, or has before.
    #[test]
    fn scores_that_are_known_rank_as_the_model_s(
        list in lists(), all in some_stages(), top_k in prop::option::of(0usize..5),
        min_score in prop::option::of(-1.0f64..8.0), fuse in any::<bool>(),
    ) {
        thread_local! { static MODEL: Reranker = Fixture::read("pylate").load(); }
        MODEL.with(|model| {
            let (texts, given): (Vec<&str>, Vec<Option<f64>>) = list.into_iter().unzip();
            let fuse = fuse.then_some(Fusion::RECIPROCAL_RANKS);
            let options = RerankOptions { given, top_k, min_score, fuse, ..stages(all.clone()) };
            let known = all.iter().map(|stage| match stage.kind {
                StageKind::Dense(_) | StageKind::Late => {
                    let output = rerank(model, &texts, &stages([stage.kind.clone()]));
                    let mut scores = vec![f32::NAN; texts.len()];
                    output.results.iter().for_each(|result| scores[result.index] = result.score);
                    StageOptions { kind: StageKind::Scored(scores), keep: stage.keep }
                }
                _ => stage.clone(),
            });
            let scored = RerankOptions { stages: known.collect(), ..options.clone() };
            let ranked = |options| {
                let mut results = rerank(model, &texts, options).results;
                results.iter_mut().for_each(|result| result.same_as = None);
                results
            };
            assert_eq!(ranked(&scored), ranked(&options));
        });
    }

    /// Those of the encoder's pass, those that had to be encoded again, and copies.
    #[test]
    fn explanations_are_late_interaction_s(
        list in lists(), all in some_stages(), top_k in prop::option::of(0usize..5),
        fuse in any::<bool>(), diversify in any::<bool>(),
    ) {
        thread_local! { static MODEL: Reranker = Fixture::read("pylate").load(); }
        MODEL.with(|model| {
            let (texts, given): (Vec<&str>, Vec<Option<f64>>) = list.into_iter().unzip();
            let options = RerankOptions {
                given,
                top_k,
                explain: true,
                fuse: fuse.then_some(Fusion::RECIPROCAL_RANKS),
                diversify: diversify.then_some(0.5),
                ..stages(all)
            };
            let output = rerank(model, &texts, &options);
            assert_eq!(output.explanations.len(), output.results.len());
            for (result, explanation) in output.results.iter().zip(&output.explanations) {
                let alone = explain(model, texts[result.index]);
                assert_eq!(explanation, &alone);
                if let Some(first) = result.same_as {
                    assert!(texts[first] == texts[result.index] && first < result.index);
                }
            }
        });
    }
}

fn explain(model: &Reranker, document: &str) -> Explanation {
    block_on(model.explain(QUERY, document, LongDocuments::Cut, &mut Unobserved)).unwrap()
}

#[test]
fn a_given_score_that_is_missing_stands_behind() {
    let model = Fixture::read("plain").load();
    let options = |given: &[Option<f64>]| RerankOptions {
        given: given.to_vec(),
        ..stages([StageKind::Given])
    };
    let given = [Some(1.0), None, Some(-3.0), Some(7.5), Some(1.0), None];
    let output = rerank(&model, &DOCUMENTS[..6], &options(&given));
    assert_eq!(places(&output), [3, 0, 4, 2, 1, 5]);
    assert!(output.results[4].score <= -3.0 && output.results[4].score.is_finite());
    assert_eq!(places(&rerank(&model, &DOCUMENTS[..2], &options(&[None, None]))), [0, 1]);
    // Equal ones are those of both zeros.
    let zeros = [Some(-0.0), Some(0.0), Some(1.0)];
    assert_eq!(places(&rerank(&model, &DOCUMENTS[..3], &options(&zeros))), [2, 0, 1]);
    // Ten whole numbers apart, which single precision does not tell: Typesense's scores are such.
    let large = [Some(578_730_123_365_711_900.0), Some(578_730_123_365_712_000.0)];
    assert_eq!(places(&rerank(&model, &DOCUMENTS[..2], &options(&large))), [1, 0]);
}

#[test]
fn what_does_not_go_together_is_named() {
    let model = Fixture::read("plain").load();
    let with = |stage: StageKind| stages([StageKind::Late, stage]);
    let default = RerankOptions::default;
    let bm25 = |k1, b| with(StageKind::Bm25(Bm25Options { k1, b, ..Bm25Options::default() }));
    let cases = [
        (with(StageKind::Given), "stages[1] (given) has no given scores"),
        (RerankOptions { given: vec![None], ..default() }, "given has 1 scores for 2 documents"),
        (
            RerankOptions { given: vec![None, Some(f64::NAN)], ..default() },
            "given[1] is not finite",
        ),
        (RerankOptions { given: vec![Some(1e300), None], ..default() }, "given[0] is not finite"),
        (bm25(-1.0, 0.4), "stages[1] (bm25) has k1 -1; it is 0 or more"),
        (bm25(f32::INFINITY, 0.4), "stages[1] (bm25) has k1 inf; it is 0 or more"),
        (bm25(0.9, 1.5), "stages[1] (bm25) has b 1.5; it goes from 0 to 1"),
        (bm25(0.9, f32::NAN), "stages[1] (bm25) has b NaN; it goes from 0 to 1"),
        (with(StageKind::Dense(Pooling::None)), "stages[1] (dense) wants one vector a text"),
        (
            with(StageKind::CrossEncoder),
            "a crossEncoder stage needs a cross-encoder, and this model makes embeddings of queries and documents each by itself",
        ),
        (with(StageKind::Scored(vec![1.0])), "stages[1] (scored) has 1 scores for 2 documents"),
        (
            RerankOptions { fuse: Some(Fusion::StandardScores), ..default() },
            "fuse wants scores, and none are given",
        ),
        (
            RerankOptions { fuse: Some(Fusion::ReciprocalRanks { k: -1.0 }), ..default() },
            "fuse has k -1; it is 0 or more",
        ),
        (RerankOptions { min_score: Some(f64::NAN), ..default() }, "min_score is not a number"),
        (
            RerankOptions { diversify: Some(1.5), ..default() },
            "diversify is 1.5; it goes from 0 to 1",
        ),
    ];
    for (options, message) in cases {
        assert_eq!(refused(&model, &DOCUMENTS[..2], &options), message);
    }
}

#[test]
fn the_last_stage_s_order_is_fused_with_the_given_one() {
    let model = Fixture::read("plain").load();
    let documents = &DOCUMENTS[..4];
    let late = rerank(&model, documents, &RerankOptions::default());
    let given = vec![Some(4.0), None, Some(1.0), Some(9.0)];
    let fused = |fuse, given: &[Option<f64>]| {
        let (fuse, given) = (Some(fuse), given.to_vec());
        rerank(&model, documents, &RerankOptions { fuse, given, ..RerankOptions::default() })
    };
    let own = |index: usize| late.results.iter().find(|result| result.index == index).unwrap();
    let share = |rank: Option<usize>| rank.map_or(0.0, |rank| 1.0 / (60.0 + rank as f32));
    let check = |output: &RerankOutput, expected: &dyn Fn(usize) -> f32| {
        assert!(output.results.is_sorted_by(|a, b| a.fused >= b.fused));
        for result in &output.results {
            let worst = (result.fused.unwrap() - expected(result.index)).abs();
            assert!(worst < TOLERANCE, "{worst}");
            assert_eq!(result.score, own(result.index).score, "the last stage's");
        }
    };
    let ranks = [Some(2), None, Some(3), Some(1)];
    let output = fused(Fusion::RECIPROCAL_RANKS, &given);
    check(&output, &|index| share(ranks[index]) + share(Some(own(index).stages[0].rank)));
    // Without scores it is the order that they came in.
    let output = fused(Fusion::RECIPROCAL_RANKS, &[]);
    check(&output, &|index| share(Some(index + 1)) + share(Some(own(index).stages[0].rank)));

    let standard = |scores: [f32; 4]| {
        let mean = scores.iter().sum::<f32>() / 4.0;
        let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f32>() / 4.0;
        scores.map(|score| (score - mean) / variance.sqrt())
    };
    let scores = standard([0, 1, 2, 3].map(|index| own(index).score));
    let output = fused(Fusion::StandardScores, &given);
    let others = standard([4.0, 1.0, 1.0, 9.0]);
    check(&output, &|index| scores[index] + others[index]);
    let output = fused(Fusion::StandardScores, &[Some(3.0); 4]);
    check(&output, &|index| scores[index]);
    assert_eq!(places(&output), places(&late), "a list of equal scores changes nothing");
}

#[test]
fn scores_below_the_least_are_left_out() {
    let model = Fixture::read("pylate").load();
    let all = rerank(&model, &DOCUMENTS, &RerankOptions::default());
    let least = all.results[3].score;
    let options = RerankOptions { min_score: Some(least.into()), ..RerankOptions::default() };
    assert_eq!(rerank(&model, &DOCUMENTS, &options).results, all.results[..4]);
    // It is the last stage's score that counts, and what is left can be fewer than asked for.
    let two = || stages([StageKind::Late, bm25()]);
    let words = rerank(&model, &DOCUMENTS, &two());
    let least = words.results[2].score;
    let left: Vec<_> = words.results.into_iter().filter(|found| found.score >= least).collect();
    let options = RerankOptions { min_score: Some(least.into()), top_k: Some(7), ..two() };
    assert_eq!(rerank(&model, &DOCUMENTS, &options).results, left);
    assert!(left.len() < 7);
    // Times in milliseconds: single precision tells them apart by minutes.
    let given = [0.0, 1.0, 2.0].map(|more| Some(1_700_000_000_000.0 + more)).to_vec();
    let options =
        RerankOptions { given, min_score: Some(1_700_000_000_001.0), ..stages([StageKind::Given]) };
    assert_eq!(places(&rerank(&model, &DOCUMENTS[..3], &options)), [2, 1]);
}

#[test]
fn a_text_that_was_there_falls_behind_when_results_are_to_differ() {
    let model = Fixture::read("pylate").load();
    let documents = ["the price of oil", "the price of oil", "the war", "water"];
    let order = |diversify, stage: StageKind| {
        let options = RerankOptions { diversify, ..stages([stage]) };
        places(&rerank(&model, &documents, &options))
    };
    for stage in [StageKind::Late, bm25()] {
        let plain = order(None, stage.clone());
        assert_eq!(plain, order(Some(1.0), stage.clone()), "relevance alone");
        assert_eq!(plain[..2], [0, 1]);
        let different = order(Some(0.0), stage);
        assert_eq!((different[0], different[3]), (0, 1), "difference alone");
    }
    let options =
        RerankOptions { diversify: Some(0.02), top_k: Some(2), ..RerankOptions::default() };
    let best = rerank(&model, &documents, &options);
    assert_eq!(best.results.len(), 2);
    assert_ne!(best.results[1].index, 1);
}

#[test]
fn texts_that_are_the_same_are_encoded_once() {
    let model = Fixture::read("plain").load();
    let long = "oil crisis ".repeat(100);
    let mut documents = vec![long.as_str(); 40];
    documents.insert(1, "war");
    let mut observer = Stopper::at_pause(usize::MAX);
    let options = RerankOptions::default();
    let output = block_on(model.rerank(QUERY, &documents, &options, &mut observer)).unwrap();
    assert!(observer.batches <= 3, "{} batches of 40 long texts", observer.batches);
    assert_eq!(observer.done.last(), Some(&(41, 41)), "all of them are done");
    assert!(observer.done.is_sorted());
    let alone = rerank(&model, &[&long], &options).results[0].score;
    for result in &output.results {
        let copy = result.index > 1;
        assert_eq!(result.same_as, copy.then_some(0));
        assert!(result.index == 1 || (result.score == alone && output.truncated[0]));
    }
}

#[test]
fn a_query_of_embeddings_ranks_as_its_text() {
    let model = Fixture::read("pylate").load();
    let encoded = block_on(model.encode(TextKind::Query, &[QUERY], Pooling::None, &mut Unobserved));
    let encoded = encoded.unwrap().embeddings;
    let (values, dimension) = (encoded.values(), encoded.dimension());
    let query = Query::Embeddings { values, dimension };
    let options = RerankOptions { explain: true, top_k: Some(5), ..RerankOptions::default() };
    let output = block_on(model.rerank(query, &DOCUMENTS, &options, &mut Unobserved)).unwrap();
    let text = rerank(&model, &DOCUMENTS, &options);
    assert_eq!(output.results, text.results);
    assert_eq!(output.query_length, text.query_length);
    for (found, expected) in output.explanations.iter().zip(&text.explanations) {
        assert_eq!(found.matches.len(), expected.matches.len());
        for (found, expected) in found.matches.iter().zip(&expected.matches) {
            assert_eq!(found.similarity, expected.similarity);
            assert_eq!(found.document, expected.document);
            assert_eq!((found.query.id, found.query.range), (None, None));
            assert!(found.query.token.is_empty());
        }
    }

    let error = |values: &[f32], dimension, options: &RerankOptions| {
        let query = Query::Embeddings { values, dimension };
        block_on(model.rerank(query, &["war"], options, &mut Unobserved)).unwrap_err()
    };
    let default = RerankOptions::default();
    let wide = error(&[0.0; 6], 3, &default).to_string();
    assert_eq!(wide, format!("the query's embeddings are 3 wide, and the model's {dimension}"));
    let ragged = error(&values[1..], dimension, &default).to_string();
    assert!(ragged.contains("no multiple of"), "{ragged}");
    assert_eq!(error(&[], dimension, &default), Error::EmptyQuery { index: 0 });
    let mut bad = values.to_vec();
    bad[3] = f32::INFINITY;
    assert_eq!(error(&bad, dimension, &default).to_string(), "an embedding of query is not finite");
    for kind in [bm25(), StageKind::Dense(Pooling::Mean)] {
        let message = error(values, dimension, &stages([StageKind::Late, kind])).to_string();
        assert!(message.ends_with("reads the query's text, of which there are only embeddings"));
    }
}

#[test]
fn a_cross_encoder_ranks_behind_other_stages() {
    let model = pairs::Fixture::read("bert").load();
    let all = rerank(&model, &DOCUMENTS, &RerankOptions::default());
    assert_eq!(
        places(&all),
        places(&rerank(&model, &DOCUMENTS, &stages([StageKind::CrossEncoder])))
    );
    let options = stages([bm25().keeping(3), StageKind::CrossEncoder.into()]);
    let output = rerank(&model, &DOCUMENTS, &options);
    let words = rerank(&model, &DOCUMENTS, &stages([bm25().keeping(3)]));
    let mut left = places(&words);
    left.sort_by_key(|index| places(&all).iter().position(|place| place == index));
    assert_eq!(places(&output), left);
    let twice = rerank(&model, &["oil", "war", "oil"], &RerankOptions::default());
    let copy = twice.results.iter().find(|result| result.index == 2).unwrap();
    assert_eq!(copy.same_as, Some(0));
    for (options, what) in [
        (stages([StageKind::Late]), "a late stage"),
        (stages([StageKind::Dense(Pooling::Mean)]), "a dense stage"),
        (RerankOptions { explain: true, ..RerankOptions::default() }, "an explanation"),
        (RerankOptions { diversify: Some(0.5), ..RerankOptions::default() }, "diversify"),
    ] {
        let message = refused(&model, &DOCUMENTS, &options);
        assert!(message.starts_with(&format!("{what} needs embeddings")), "{message}");
    }
}

#[test]
fn a_pipeline_can_be_stopped_anywhere_and_its_progress_only_grows() {
    let model = Fixture::read("plain").load();
    let options = RerankOptions {
        explain: true,
        diversify: Some(0.5),
        ..stages([bm25().keeping(4), StageKind::Dense(Pooling::Mean).into(), bm25().into()])
    };
    let mut observer = Stopper::at_pause(usize::MAX);
    block_on(model.rerank(QUERY, &DOCUMENTS, &options, &mut observer)).unwrap();
    assert!(
        observer.done.is_sorted() && observer.done.last() == Some(&(4, 4)),
        "{:?}",
        observer.done
    );
    for pause in 1..=observer.pauses {
        let mut observer = Stopper::at_pause(pause);
        let stopped = block_on(model.rerank(QUERY, &DOCUMENTS, &options, &mut observer));
        assert_eq!(stopped.unwrap_err(), Error::Aborted);
        assert_eq!(observer.pauses, pause, "nothing goes on after the stop");
    }
}
