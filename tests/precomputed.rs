//! Documents that bring embeddings along, beside others that bring texts: what they score, what comes back to be brought along later,
//! and what is refused.

mod common;

use std::sync::Arc;

use common::list::{DOCUMENTS, QUERY};
use common::stopper::Stopper;
use common::{Fixture, pairs};
use pollster::block_on;
use proptest::prelude::*;
use tabrank::{
    Bm25Options, Codec, CompressedEmbeddings, DocumentEmbeddings, Error, Explanation, Fusion, Kept,
    Pooling, Query, RerankOptions, RerankOutput, Reranker, ResidualCodec, ResidualParts, Rows,
    Similarity, Stage, StageKind, StageOptions, TextKind, TokenEmbeddings, TokenPooling,
    Unobserved, score, score_compressed,
};

fn rerank(model: &Reranker, documents: &[&str], options: &RerankOptions) -> RerankOutput {
    block_on(model.rerank(QUERY, documents, options, &mut Unobserved)).unwrap()
}

fn refused(model: &Reranker, documents: &[&str], options: &RerankOptions) -> Error {
    block_on(model.rerank(QUERY, documents, options, &mut Unobserved)).unwrap_err()
}

fn encode(model: &Reranker, kind: TextKind, texts: &[&str]) -> TokenEmbeddings {
    block_on(model.encode(kind, texts, Pooling::None, &mut Unobserved)).unwrap().embeddings
}

/// What the model makes of some of the texts, stored by a codec, and brought along by those.
fn bring(model: &Reranker, codec: &Codec, texts: &[&str], places: &[usize]) -> DocumentEmbeddings {
    let mut all = DocumentEmbeddings::new(texts.len());
    let own: Vec<&str> = places.iter().map(|&place| texts[place]).collect();
    let embeddings = codec.compress(&encode(model, TextKind::Document, &own)).unwrap();
    all.add(embeddings, places, Some(&model.info().embedding_id)).unwrap();
    all
}

fn with(embeddings: DocumentEmbeddings) -> RerankOptions {
    RerankOptions { embeddings, ..RerankOptions::default() }
}

/// A score for each document, in the list's order.
fn scores(output: &RerankOutput) -> Vec<f32> {
    let mut results: Vec<_> = output.results.iter().collect();
    results.sort_by_key(|result| result.index);
    results.into_iter().map(|result| result.score).collect()
}

fn every() -> Vec<usize> {
    (0..DOCUMENTS.len()).collect()
}

/// Centroids at some of the embeddings, and a bucket for each quarter of what is left.
fn residual(model: &Reranker, nbits: usize) -> Codec {
    let embeddings = encode(model, TextKind::Document, &DOCUMENTS);
    let dimension = embeddings.dimension();
    let centroids = embeddings.values()[..8 * dimension].to_vec();
    let buckets = 1 << nbits;
    let at = |place: usize, part: f32| (place as f32 + part) / buckets as f32 * 0.8 - 0.4;
    let codec = ResidualCodec::new(ResidualParts {
        dimension,
        nbits,
        centroids,
        cutoffs: (1..buckets).map(|place| at(place, 0.0)).collect(),
        weights: (0..buckets).map(|place| at(place, 0.5)).collect(),
        ..ResidualParts::default()
    });
    Codec::Residual(Arc::new(codec.unwrap()))
}

fn codecs(model: &Reranker) -> [Codec; 6] {
    [Codec::F32, Codec::F16, Codec::Int8, Codec::Binary, residual(model, 1), residual(model, 2)]
}

/// Of each codec: MaxSim of what the codes stand for, and the same whatever stands beside a document in its list.
#[test]
fn documents_are_scored_by_what_their_codes_stand_for() {
    for name in ["pylate", "stanford"] {
        let model = Fixture::read(name).load();
        let query = encode(&model, TextKind::Query, &[QUERY]);
        let texts = scores(&rerank(&model, &DOCUMENTS, &RerankOptions::default()));
        for codec in codecs(&model) {
            let of_codes = codec.compress(&encode(&model, TextKind::Document, &DOCUMENTS)).unwrap();
            let expected =
                score(query.values(), &of_codes.decompress(), Similarity::MaxSim).unwrap();
            let all = scores(&rerank(
                &model,
                &[""; 8],
                &with(bring(&model, &codec, &DOCUMENTS, &every())),
            ));
            let some = [1, 2, 4, 7];
            let mixed = with(bring(&model, &codec, &DOCUMENTS, &some));
            let mixed = scores(&rerank(&model, &DOCUMENTS, &mixed));
            for index in every() {
                let worst = (all[index] - expected[index]).abs() / expected[index].abs().max(1.0);
                assert!(worst < 1e-4, "{name}, {}, {index}: {worst}", codec.name());
                let alone = if some.contains(&index) { &all } else { &texts };
                assert_eq!(mixed[index], alone[index], "{name}, {}, {index}", codec.name());
            }
        }
    }
}

/// A list of texts, and for each whether it brings its embeddings instead.
fn lists() -> impl Strategy<Value = Vec<(&'static str, bool)>> {
    prop::collection::vec((prop::sample::select(&DOCUMENTS[..]), any::<bool>()), 0..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is asked of a list, and whether a document brings its text or what the model makes of it.
    #[test]
    fn a_mixed_list_ranks_as_its_texts(
        list in lists(), top_k in prop::option::of(0usize..9), keep in prop::option::of(0usize..9),
        fuse in any::<bool>(), diversify in any::<bool>(), least in prop::option::of(0.0f64..8.0),
        explain in any::<bool>(),
    ) {
        thread_local! { static MODEL: Reranker = Fixture::read("pylate").load(); }
        MODEL.with(|model| {
            let (texts, brings): (Vec<&str>, Vec<bool>) = list.into_iter().unzip();
            let places: Vec<usize> = (0..texts.len()).filter(|&place| brings[place]).collect();
            let options = RerankOptions {
                stages: vec![StageOptions { kind: StageKind::Late, keep }],
                top_k,
                min_score: least,
                fuse: fuse.then_some(Fusion::RECIPROCAL_RANKS),
                diversify: diversify.then_some(0.5),
                explain,
                ..RerankOptions::default()
            };
            let mut expected = rerank(model, &texts, &options);
            let embeddings = bring(model, &Codec::F32, &texts, &places);
            let own = |place: usize| if brings[place] { "" } else { texts[place] };
            let own: Vec<&str> = (0..texts.len()).map(own).collect();
            let mut found = rerank(model, &own, &RerankOptions { embeddings, ..options });
            // Of documents without a text nobody knows that they read the same.
            expected.results.iter_mut().chain(&mut found.results).for_each(|r| r.same_as = None);
            assert_eq!(found.results, expected.results);
            assert_eq!(found.bound, expected.bound);
            let similarities = |output: &RerankOutput| -> Vec<Vec<(f32, usize)>> {
                let of = |found: &Explanation| -> Vec<(f32, usize)> {
                    found.matches.iter().map(|m| (m.similarity, m.document.row)).collect()
                };
                output.explanations.iter().map(of).collect()
            };
            assert_eq!(similarities(&found), similarities(&expected));
        });
    }

    /// What was asked before never changes a score.
    #[test]
    fn what_is_kept_scores_the_same_in_a_later_call(
        list in lists(), place in 0usize..6, pooled in any::<bool>(),
    ) {
        thread_local! { static MODEL: Reranker = Fixture::read("pylate").load(); }
        MODEL.with(|model| {
            let codec = codecs(model)[place].clone();
            // An empty text is none where embeddings come along: its explanation has no tokens.
            let list = list.into_iter().filter(|(text, _)| !text.is_empty());
            let (texts, fresh): (Vec<&str>, Vec<bool>) = list.unzip();
            let options = || RerankOptions {
                keep: Some(codec.clone()),
                token_pooling: pooled.then(|| TokenPooling::by(2.0)),
                explain: true,
                ..RerankOptions::default()
            };
            let first = rerank(model, &texts, &options());
            let kept = first.kept.as_ref();
            assert_eq!(kept.map(|kept| kept.embeddings.codec()), kept.map(|_| &codec));
            assert!(kept.is_some() || texts.is_empty());
            // Some of them come along, the others are encoded again, among fewer.
            let embeddings = brought(kept, &texts, &fresh);
            let mut second = rerank(model, &texts, &RerankOptions { embeddings, ..options() });
            let mut encoded: Vec<usize> = second.kept.iter().flat_map(|k| k.indices.clone()).collect();
            encoded.sort_unstable();
            assert!(encoded.iter().all(|&index| fresh[index]), "{encoded:?}");
            assert!(second.cost.tokens <= first.cost.tokens);
            (second.kept, second.cost) = (None, first.cost);
            second.results.iter_mut().for_each(|result| result.same_as = None);
            let mut first = first;
            first.kept = None;
            first.results.iter_mut().for_each(|result| result.same_as = None);
            assert_eq!(second, first);
        });
    }
}

/// What was kept, for the texts that are not to be encoded again: those that read the same bring the same.
fn brought(kept: Option<&Kept>, texts: &[&str], fresh: &[bool]) -> DocumentEmbeddings {
    let mut all = DocumentEmbeddings::new(texts.len());
    let Some(Kept { indices, embeddings, .. }) = kept else { return all };
    let codec = embeddings.codec().clone();
    let mut own = CompressedEmbeddings::new(codec, embeddings.dimension()).unwrap();
    let mut places = Vec::new();
    for (place, text) in texts.iter().enumerate().filter(|(place, _)| !fresh[*place]) {
        let first = indices.iter().position(|&index| texts[index] == *text).unwrap();
        own.push(embeddings.lengths()[first], embeddings.document(first)).unwrap();
        places.push(place);
    }
    all.add(own, &places, None).unwrap();
    all
}

#[test]
fn what_is_kept_is_what_the_codec_makes_of_the_model_s_embeddings() {
    let fixture = Fixture::read("pylate");
    let model = fixture.load();
    let long = "oil crisis of the war ".repeat(40);
    let texts = ["the oil crisis", "water", "the oil crisis", &long];
    for codec in codecs(&model) {
        let mut options = with(bring(&model, &Codec::F32, &texts, &[1]));
        (options.keep, options.top_k) = (Some(codec.clone()), Some(1));
        let kept = rerank(&model, &texts, &options).kept.unwrap();
        assert_eq!(kept.indices, [0, 3], "neither what came along nor a copy");
        assert_eq!(kept.truncated, [false, true]);
        let of = encode(&model, TextKind::Document, &[texts[0], texts[3]]);
        assert_eq!(kept.embeddings, codec.compress(&of).unwrap());
    }
    let options = RerankOptions {
        keep: Some(Codec::Int8),
        ..with(bring(&model, &Codec::Int8, &texts, &[0, 1, 2, 3]))
    };
    assert_eq!(rerank(&model, &texts, &options).kept, None, "nothing was encoded");
    assert_eq!(rerank(&model, &texts, &RerankOptions::default()).kept, None, "nobody asked");
    let wrong = ResidualCodec::new(ResidualParts {
        dimension: 8,
        nbits: 1,
        centroids: vec![0.0; 8],
        cutoffs: vec![0.0],
        weights: vec![-0.1, 0.1],
        ..ResidualParts::default()
    });
    let keep = Some(Codec::Residual(Arc::new(wrong.unwrap())));
    let error = refused(&model, &texts, &RerankOptions { keep, ..RerankOptions::default() });
    assert_eq!(error.code(), "INVALID_INPUT");
}

/// Late interaction is asked of the documents that BM25 leaves; of those that `diversify` or an explanation reads besides, each is
/// kept once.
#[test]
fn what_later_stages_read_is_kept_once() {
    let model = Fixture::read("pylate").load();
    let of = |output: &RerankOutput| {
        let mut indices = output.kept.clone().unwrap().indices;
        indices.sort_unstable();
        indices
    };
    let bm25 = || StageKind::Bm25(Bm25Options::default());
    let keep = || RerankOptions { keep: Some(Codec::Int8), ..RerankOptions::default() };
    let stages = vec![bm25().keeping(4), StageKind::Late.into()];
    let output = rerank(&model, &DOCUMENTS, &RerankOptions { stages, ..keep() });
    let mut left: Vec<usize> = output.results.iter().map(|result| result.index).collect();
    left.sort_unstable();
    assert_eq!(of(&output), left);
    let stages = vec![bm25().into()];
    let alone = RerankOptions { diversify: Some(0.5), stages: stages.clone(), ..keep() };
    assert_eq!(of(&rerank(&model, &DOCUMENTS, &alone)), every());
    let explained = RerankOptions { explain: true, top_k: Some(3), stages, ..keep() };
    assert_eq!(of(&rerank(&model, &DOCUMENTS, &explained)).len(), 3);
    // The best by BM25 behind late interaction are not those that it has explained.
    let stages = vec![StageKind::Late.into(), bm25().keeping(2)];
    let again = RerankOptions { explain: true, stages, ..keep() };
    assert_eq!(of(&rerank(&model, &DOCUMENTS, &again)), every());
}

#[test]
fn codes_score_without_a_model_as_what_they_stand_for() {
    let model = Fixture::read("pylate").load();
    let query = encode(&model, TextKind::Query, &[QUERY]);
    let texts = encode(&model, TextKind::Document, &DOCUMENTS);
    for codec in codecs(&model) {
        let codes = codec.compress(&texts).unwrap();
        for by in [Similarity::MaxSim, Similarity::MeanMaxSim] {
            let found = score_compressed(query.values(), &codes, by).unwrap();
            let expected = score(query.values(), &codes.decompress(), by).unwrap();
            assert!(common::difference(&found, &expected) < 1e-4, "{}", codec.name());
        }
        let error = |query: &[f32]| {
            score_compressed(query, &codes, Similarity::MaxSim).unwrap_err().to_string()
        };
        assert_eq!(score_compressed(&[], &codes, Similarity::MaxSim).unwrap(), [0.0; 8]);
        assert!(error(&query.values()[1..]).contains("no multiple of"));
        assert_eq!(
            error(&vec![f32::NAN; codes.dimension()]),
            "an embedding of query is not finite"
        );
    }
    let huge = TokenEmbeddings::from_parts(vec![f32::MAX; 2], vec![0, 1], 2).unwrap();
    let codes = Codec::F32.compress(&huge).unwrap();
    let error = score_compressed(&[f32::MAX; 2], &codes, Similarity::MaxSim).unwrap_err();
    assert_eq!(error.to_string(), "the score of documents[1] is not finite");
}

#[test]
fn pooled_documents_score_as_their_pooled_embeddings() {
    let model = Fixture::read("pylate").load();
    let pooling = TokenPooling { normalize: false, ..TokenPooling::by(2.0) };
    let query = encode(&model, TextKind::Query, &[QUERY]);
    let options = tabrank::EncodeOptions {
        token_pooling: Some(pooling),
        ..tabrank::EncodeOptions::default()
    };
    let pooled = block_on(model.encode(TextKind::Document, &DOCUMENTS, options, &mut Unobserved));
    let pooled = pooled.unwrap().embeddings;
    let expected = score(query.values(), &pooled, Similarity::MaxSim).unwrap();
    let options =
        RerankOptions { token_pooling: Some(pooling), explain: true, ..RerankOptions::default() };
    let output = rerank(&model, &DOCUMENTS, &options);
    assert!(common::difference(&scores(&output), &expected) < 1e-5);
    assert_eq!(output.kept, None);
    for (result, explanation) in output.results.iter().zip(&output.explanations) {
        for found in &explanation.matches {
            assert!(found.document.row < pooled.lengths()[result.index]);
            let is_token = found.document.id.is_some();
            let whole = encode(&model, TextKind::Document, &[DOCUMENTS[result.index]]);
            assert_eq!(is_token, whole.lengths() == [pooled.lengths()[result.index]]);
        }
    }
    let bad = RerankOptions { token_pooling: Some(TokenPooling::by(0.5)), ..options };
    assert_eq!(refused(&model, &DOCUMENTS, &bad).code(), "INVALID_INPUT");
}

#[test]
fn what_is_not_the_model_s_is_refused_naming_the_document() {
    let model = Fixture::read("pylate").load();
    let dimension = model.info().dimension;
    let row = |width: usize| {
        let rows = TokenEmbeddings::from_parts(vec![0.1; width], vec![1], width).unwrap();
        Codec::F32.compress(&rows).unwrap()
    };
    let of = |width, id: Option<&str>| {
        let mut all = DocumentEmbeddings::new(2);
        all.add(row(dimension), &[0], None).unwrap();
        all.add(row(width), &[1], id).unwrap();
        with(all)
    };
    let error = refused(&model, &["", ""], &of(dimension + 1, None));
    assert_eq!(error.code(), "MODEL_MISMATCH");
    let wide = format!("are {} wide, and the model's {dimension}", dimension + 1);
    assert_eq!(error.to_string(), format!("the embeddings of documents[1] {wide}"));
    let error = refused(&model, &["", ""], &of(dimension, Some("v1-other")));
    assert_eq!(error.code(), "MODEL_MISMATCH");
    let id = &model.info().embedding_id;
    let other = format!("are of \"v1-other\", and this model's of {id:?}");
    assert_eq!(error.to_string(), format!("the embeddings of documents[1] {other}"));

    let most = (1 << 24) / dimension;
    let bits = Rows::Binary(vec![0; (most + 1) * dimension.div_ceil(8)]);
    let long = CompressedEmbeddings::from_parts(Codec::Binary, dimension, vec![most + 1], bits);
    let mut all = DocumentEmbeddings::new(1);
    all.add(long.unwrap(), &[0], None).unwrap();
    let long = format!("has {} embeddings, and {most} are scored at most", most + 1);
    assert_eq!(refused(&model, &[""], &with(all)).to_string(), format!("documents[0] {long}"));

    let error = refused(&model, &["", "", ""], &of(dimension, None));
    assert_eq!(error.to_string(), "embeddings are for 2 documents, not for 3");
    let mut all = DocumentEmbeddings::new(2);
    let mut add = |places: &[usize]| all.add(row(dimension), places, None).unwrap_err().to_string();
    assert_eq!(add(&[2]), "documents[2] has embeddings, and there are 2 documents");
    assert_eq!(add(&[0, 1]), "embeddings are 1 for 2 documents");
    all.add(row(dimension), &[1], None).unwrap();
    let twice = all.add(row(dimension), &[1], None).unwrap_err().to_string();
    assert_eq!(twice, "documents[1] has embeddings twice");
}

#[test]
fn a_stage_that_reads_texts_names_the_document_that_has_none() {
    let model = Fixture::read("pylate").load();
    let options = |kind: StageKind| RerankOptions {
        stages: vec![StageKind::Late.into(), kind.into()],
        ..with(bring(&model, &Codec::Int8, &DOCUMENTS, &[0, 2]))
    };
    let texts = ["the oil crisis", "water", "", "", "war", "war", "war", "water"];
    let bm25 = StageKind::Bm25(Bm25Options::default());
    for kind in [bm25, StageKind::Dense(Pooling::Mean)] {
        let expected = format!(
            "documents[2] has embeddings and no text, which stages[1] ({}) reads",
            kind.name()
        );
        assert_eq!(refused(&model, &texts, &options(kind)).to_string(), expected);
    }
    let cross = pairs::Fixture::read("bert").load();
    for (asked, what) in [
        (with(bring(&model, &Codec::F32, &DOCUMENTS, &[1])), "a document that brings embeddings"),
        (
            RerankOptions { keep: Some(Codec::Int8), ..RerankOptions::default() },
            "keeping embeddings",
        ),
        (
            RerankOptions {
                token_pooling: Some(TokenPooling::by(2.0)),
                ..RerankOptions::default()
            },
            "token pooling",
        ),
    ] {
        let message = refused(&cross, &DOCUMENTS, &asked).to_string();
        assert!(message.starts_with(&format!("{what} needs embeddings")), "{message}");
    }
}

/// One vector a text is the encoder's, MaxSim that of what came along.
#[test]
fn a_dense_stage_reads_the_texts_of_documents_that_bring_embeddings() {
    let model = Fixture::read("pylate").load();
    let stages = vec![StageKind::Dense(Pooling::Mean).into(), StageKind::Late.into()];
    let plain = RerankOptions { stages, ..RerankOptions::default() };
    let documents = DOCUMENTS.map(|text| if text.is_empty() { "city" } else { text });
    let texts = rerank(&model, &documents, &plain);
    // Those of other texts: the last one's of the first, and so on.
    let mut all = DocumentEmbeddings::new(8);
    let reversed: Vec<&str> = documents.into_iter().rev().collect();
    let embeddings = Codec::F32.compress(&encode(&model, TextKind::Document, &reversed)).unwrap();
    all.add(embeddings, &every(), None).unwrap();
    let output = rerank(&model, &documents, &RerankOptions { embeddings: all, ..plain });
    let of = |output: &RerankOutput, index: usize, stage: usize| {
        output.results.iter().find(|result| result.index == index).unwrap().stages[stage].score
    };
    for index in every() {
        assert_eq!(of(&output, index, 0), of(&texts, index, 0));
        assert_eq!(of(&output, index, 1), of(&texts, 7 - index, 1));
    }
}

#[test]
fn nobody_can_buy_a_rank_with_long_rows() {
    let fixture = Fixture::read("sentence-transformers");
    let model = fixture.load();
    let unit = encode(&model, TextKind::Document, &["the war", "the oil crisis", "water"]);
    let scaled_by = |codec: Codec, by: [f32; 3]| {
        let rows = unit.texts().zip(by).flat_map(|(rows, by)| rows.iter().map(move |x| x * by));
        let lengths = unit.lengths().to_vec();
        let rows = TokenEmbeddings::from_parts(rows.collect(), lengths, unit.dimension());
        let mut all = DocumentEmbeddings::new(3);
        all.add(codec.compress(&rows.unwrap()).unwrap(), &every()[..3], None).unwrap();
        with(all)
    };
    let scaled = |by| scaled_by(Codec::F32, by);
    let plain = rerank(&model, &["", "", ""], &scaled([1.0; 3]));
    assert!(plain.warnings.is_empty());
    for (codec, tolerance) in [(Codec::F32, 1e-5), (Codec::F16, 1e-2), (Codec::Int8, 1e-1)] {
        let long = rerank(&model, &["", "", ""], &scaled_by(codec, [1.0, 1e4, 2.0]));
        assert!(common::difference(&scores(&plain), &scores(&long)) < tolerance);
        let [warning] = &long.warnings[..] else { panic!("{:?}", long.warnings) };
        assert_eq!(warning.code, "EMBEDDINGS_RESCALED");
        assert!(warning.message.starts_with("2 of the documents"), "{}", warning.message);
        assert!(warning.message.contains("documents[1] is the first"), "{}", warning.message);
    }
    // Means of unit vectors are shorter, and stay so; a hundredth more is rounding.
    let short = rerank(&model, &["", "", ""], &scaled([0.5, 1.0, 1.009]));
    assert!((scores(&short)[0] - scores(&plain)[0] / 2.0).abs() < 1e-5);
    assert!(short.warnings.is_empty());

    let mut files = fixture.files;
    let mut modules: Vec<serde_json::Value> =
        serde_json::from_slice(files.get("modules.json").unwrap()).unwrap();
    modules.pop();
    files.insert("modules.json", serde_json::to_vec(&modules).unwrap()).unwrap();
    let any_length = common::load(&files);
    let [one, ten] =
        [1.0, 10.0].map(|by| rerank(&any_length, &["", "", ""], &scaled([by, 1.0, 1.0])));
    assert!((scores(&ten)[0] - scores(&one)[0] * 10.0).abs() < 1e-3 * scores(&ten)[0].abs());
    assert!(ten.warnings.is_empty());
}

#[test]
fn explanations_name_tokens_where_there_is_a_text_and_rows_where_there_is_none() {
    let model = Fixture::read("stanford").load();
    let options = RerankOptions { explain: true, ..RerankOptions::default() };
    let expected = rerank(&model, &DOCUMENTS, &options);
    let embeddings = bring(&model, &Codec::F32, &DOCUMENTS, &every());
    let mut options = RerankOptions { embeddings, ..options };
    let with_texts = rerank(&model, &DOCUMENTS, &options);
    let nonempty = |output: &RerankOutput| -> Vec<Explanation> {
        let each = output.results.iter().zip(&output.explanations);
        each.filter(|(result, _)| result.index != 3).map(|(_, found)| found.clone()).collect()
    };
    assert_eq!(nonempty(&with_texts), nonempty(&expected));
    let without = rerank(&model, &[""; 8], &options);
    for (found, expected) in without.explanations.iter().zip(&expected.explanations) {
        for (found, expected) in found.matches.iter().zip(&expected.matches) {
            assert_eq!((found.document.id, found.document.range), (None, None));
            assert!(found.document.token.is_empty());
            assert_eq!(found.document.row, expected.document.row);
            assert_eq!(found.query, expected.query);
        }
    }
    // Another text's tokens are not those of the rows.
    let other = "the war of the city and the price of water ".repeat(2);
    let other = rerank(&model, &[other.as_str(); 8], &options);
    assert!(other.explanations.iter().flat_map(|e| &e.matches).all(|m| m.document.id.is_none()));
    // Of the best alone.
    options.top_k = Some(2);
    assert_eq!(rerank(&model, &DOCUMENTS, &options).explanations, expected.explanations[..2]);
}

#[test]
fn texts_that_are_the_same_are_so_with_the_same_embeddings() {
    let model = Fixture::read("plain").load();
    let texts = ["war", "oil", "war", "war", "oil", ""];
    let same_as = |options: &RerankOptions| -> Vec<Option<usize>> {
        let output = rerank(&model, &texts, options);
        let mut results: Vec<_> = output.results.iter().collect();
        results.sort_by_key(|result| result.index);
        results.into_iter().map(|result| result.same_as).collect()
    };
    let all = bring(&model, &Codec::Int8, &texts, &every()[..6]);
    assert_eq!(same_as(&with(all)), [None, None, Some(0), Some(0), Some(1), None]);
    let some = bring(&model, &Codec::Int8, &texts, &[1, 2]);
    assert_eq!(same_as(&with(some)), [None, None, None, Some(0), None, None]);
    let mut others = DocumentEmbeddings::new(6);
    let rows = encode(&model, TextKind::Document, &["war", "war war", "war"]);
    others.add(Codec::F32.compress(&rows).unwrap(), &[0, 2, 3], None).unwrap();
    assert_eq!(same_as(&with(others)), [None, None, None, Some(0), Some(1), None]);
}

#[test]
fn a_list_that_brings_all_embeddings_encodes_the_query_alone() {
    let model = Fixture::read("plain").load();
    let long = "oil crisis ".repeat(100);
    let texts = [long.as_str(); 40];
    let embeddings = bring(&model, &Codec::Int8, &texts, &(0..40).collect::<Vec<_>>());
    let options = with(embeddings);
    let mut observer = Stopper::at_pause(usize::MAX);
    block_on(model.rerank(QUERY, &[""; 40], &options, &mut observer)).unwrap();
    assert_eq!(observer.stages.iter().filter(|stage| **stage == Stage::Tokenize).count(), 2);
    assert_eq!(observer.done, [(0, 40), (40, 40)]);
    // Before the query's score, in its layers, for each document, and before theirs.
    assert_eq!(observer.pauses, 1 + 2 * model.info().layers + 40 + 1);

    let query = encode(&model, TextKind::Query, &[QUERY]);
    let (values, dimension) = (query.values(), query.dimension());
    let query = Query::Embeddings { values, dimension };
    let mut observer = Stopper::at_pause(usize::MAX);
    let given = block_on(model.rerank(query, &[""; 40], &options, &mut observer)).unwrap();
    assert_eq!((&observer.done[..], observer.pauses), (&[(40, 40)][..], 40 + 1));
    assert_eq!(given.results, rerank(&model, &[""; 40], &options).results);
}

#[test]
fn a_mixed_list_can_be_stopped_anywhere_and_its_progress_only_grows() {
    let model = Fixture::read("plain").load();
    let mut embeddings = DocumentEmbeddings::new(8);
    for (codec, places) in [(Codec::F32, [0, 3]), (Codec::Binary, [1, 6])] {
        let texts = places.map(|place| DOCUMENTS[place]);
        let rows = codec.compress(&encode(&model, TextKind::Document, &texts)).unwrap();
        embeddings.add(rows, &places, None).unwrap();
    }
    let keep = Some(Codec::Int8);
    for options in [
        RerankOptions { explain: true, ..with(embeddings.clone()) },
        RerankOptions { keep, diversify: Some(0.5), explain: true, ..with(embeddings) },
    ] {
        let mut observer = Stopper::at_pause(usize::MAX);
        block_on(model.rerank(QUERY, &DOCUMENTS, &options, &mut observer)).unwrap();
        assert_eq!(observer.done, [(4, 8), (6, 8), (8, 8)]);
        for pause in 1..=observer.pauses {
            let mut observer = Stopper::at_pause(pause);
            let stopped = block_on(model.rerank(QUERY, &DOCUMENTS, &options, &mut observer));
            assert_eq!(stopped.unwrap_err(), Error::Aborted);
            assert_eq!(observer.pauses, pause, "nothing goes on after the stop");
        }
        for batch in 1..=3 {
            let mut observer = Stopper::at_batch(batch);
            let stopped = block_on(model.rerank(QUERY, &DOCUMENTS, &options, &mut observer));
            assert_eq!(stopped.unwrap_err(), Error::Aborted);
            assert_eq!(observer.batches, batch);
        }
    }
}
