//! The façade: order, ties, batch neighbours, explanations, what is refused.

mod common;

use common::crafted::{self, Crafted};
use common::stopper::Stopper;
use common::{Fixture, difference};
use pollster::block_on;
use tabrank::{
    CheckpointFiles, DeviceChoice, Dtype, Error, LoadOptions, LongDocuments, Pooling,
    RerankOptions, RerankOutput, Reranker, SpelledTokens, Stage, TextKind, Unobserved,
};

fn rerank(
    model: &Reranker,
    query: &str,
    documents: &[&str],
    options: &RerankOptions,
) -> RerankOutput {
    block_on(model.rerank(query, documents, options, &mut Unobserved)).unwrap()
}

fn encode(model: &Reranker, texts: &[&str]) -> Vec<Vec<f32>> {
    let mut observer = Unobserved;
    let encoded = model.encode(TextKind::Document, texts, Pooling::None, &mut observer);
    block_on(encoded).unwrap().embeddings.texts().map(<[f32]>::to_vec).collect()
}

#[test]
fn the_best_come_first_and_equal_documents_keep_their_order() {
    let model = Fixture::read("pylate").load();
    let documents = ["the oil crisis", "water", "the oil crisis", "", "war and oil"];
    let all = rerank(&model, "the oil crisis", &documents, &RerankOptions::default());
    assert_eq!(all.results.len(), documents.len());
    for pair in all.results.windows(2) {
        let tie = pair[0].score == pair[1].score && pair[0].index < pair[1].index;
        assert!(pair[0].score > pair[1].score || tie);
    }
    let place = |index| all.results.iter().position(|result| result.index == index).unwrap();
    assert_eq!(place(0) + 1, place(2), "equal documents stand in the order they came in");
    let best = rerank(
        &model,
        "the oil crisis",
        &documents,
        &RerankOptions { top_k: Some(2), explain: false, ..RerankOptions::default() },
    );
    assert_eq!(best.results, all.results[..2]);
    assert!(rerank(&model, "oil", &[], &RerankOptions::default()).results.is_empty());
}

#[test]
fn embeddings_do_not_depend_on_the_neighbours() {
    let model = Fixture::read("sentence-transformers").load();
    let long = "oil crisis of the war in the city ".repeat(20);
    let batch = ["oil", &long, "the war", "", "water and oil", &long[..40], "a", "city"];
    let together = encode(&model, &batch);
    let reversed: Vec<&str> = batch.iter().rev().copied().collect();
    let backwards = encode(&model, &reversed);
    for (index, text) in batch.iter().enumerate() {
        let alone = encode(&model, &[text]);
        assert!(difference(&alone[0], &together[index]) < 1e-5, "{index} in a batch");
        assert!(
            difference(&alone[0], &backwards[batch.len() - 1 - index]) < 1e-5,
            "{index} reversed"
        );
    }
}

#[test]
fn an_explanation_adds_up_to_the_score_and_points_into_the_text() {
    let model = Fixture::read("stanford").load();
    let document = "👩‍🔬 The Oil crisis — é water!";
    let options = RerankOptions { explain: true, ..RerankOptions::default() };
    let output = rerank(&model, "oil crisis", &[document, "war"], &options);
    assert_eq!(output.explanations.len(), 2);
    for (result, explanation) in output.results.iter().zip(&output.explanations) {
        assert_eq!(explanation.score, result.score);
        assert_eq!(explanation.matches.len(), output.query_length);
        let shares: f32 = explanation.matches.iter().map(|found| found.share).sum();
        assert!((shares - 1.0).abs() < 1e-3, "shares add up to {shares}");
        let sum: f32 = explanation.matches.iter().map(|found| found.similarity).sum();
        assert!((sum - explanation.score).abs() < 1e-4);
    }
    let explanation =
        block_on(model.explain("oil", document, LongDocuments::Cut, &mut Unobserved)).unwrap();
    let texts: Vec<&str> = explanation
        .matches
        .iter()
        .filter_map(|found| found.document.range)
        .map(|(start, end)| &document[start..end])
        .collect();
    assert!(texts.iter().all(|text| !text.contains(' ')), "{texts:?} are single words");
}

#[test]
fn an_explanation_names_the_rows_that_it_compares() {
    // It drops punctuation, so that rows and tokens part.
    let model = Fixture::read("stanford").load();
    let document = "oil, war, water: the price";
    let mut observer = Unobserved;
    let query = model.encode(TextKind::Query, &["water price"], Pooling::None, &mut observer);
    let query = block_on(query).unwrap().embeddings;
    let rows = encode(&model, &[document]).remove(0);
    let row = |values: &[f32], row: usize| -> Vec<f32> {
        values.chunks_exact(query.dimension()).nth(row).unwrap().to_vec()
    };
    let explanation = model.explain("water price", document, LongDocuments::Cut, &mut observer);
    for (place, found) in block_on(explanation).unwrap().matches.iter().enumerate() {
        assert_eq!(found.query.row, place);
        let (asked, matched) = (row(query.values(), place), row(&rows, found.document.row));
        let similarity: f32 = asked.iter().zip(&matched).map(|(a, b)| a * b).sum();
        assert!((similarity - found.similarity).abs() < 1e-5, "{place}: {found:?}");
    }
}

#[test]
fn a_text_that_is_cut_says_so_wherever_it_is_read() {
    let model = Fixture::read("stanford").load();
    let long = "oil crisis ".repeat(300);
    let texts = ["oil crisis", long.as_str()];
    for (query, query_truncated) in [(texts[0], false), (texts[1], true)] {
        let options = RerankOptions { explain: true, ..RerankOptions::default() };
        let output = rerank(&model, query, &texts, &options);
        assert_eq!(output.query_truncated, query_truncated);
        for ((result, truncated), explanation) in
            output.results.iter().zip(&output.truncated).zip(&output.explanations)
        {
            assert_eq!(*truncated, result.index == 1);
            assert_eq!(explanation.truncated, *truncated);
            assert_eq!(explanation.query_truncated, query_truncated);
        }
    }
    let mut observer = Unobserved;
    for kind in [TextKind::Query, TextKind::Document] {
        let encoded = model.encode(kind, &texts, Pooling::None, &mut observer);
        assert_eq!(block_on(encoded).unwrap().truncated, [false, true], "{kind}");
    }
}

#[test]
fn a_document_without_embeddings_ranks_last_with_a_finite_score() {
    // A skiplist with the special tokens themselves leaves an empty document nothing.
    let mut files = Fixture::read("pylate").files;
    let name = "config_sentence_transformers.json";
    let mut config: serde_json::Value = serde_json::from_slice(files.get(name).unwrap()).unwrap();
    config["skiplist_words"] = serde_json::json!(["[CLS]", "[SEP]", "[D] "]);
    files.insert(name, config.to_string().into_bytes()).unwrap();
    let model = common::load(&files);
    let output = rerank(
        &model,
        "oil",
        &["", "war"],
        &RerankOptions { explain: true, ..RerankOptions::default() },
    );
    assert_eq!(output.results[1].index, 0);
    assert_eq!(output.results[1].score, -(output.query_length as f32));
    assert!(output.explanations[1].matches.is_empty());
    assert_eq!(output.explanations[1].score, output.results[1].score);
}

#[test]
fn empty_queries_are_refused_and_long_texts_cut() {
    let model = Fixture::read("plain").load();
    for query in ["", "  \n\t", "\u{200b}", "\u{1}\u{200d} \u{301}"] {
        let error =
            block_on(model.rerank(query, &["a"], &RerankOptions::default(), &mut Unobserved));
        assert_eq!(error.unwrap_err(), Error::EmptyQuery { index: 0 });
    }
    let huge = "a ".repeat(3 << 20);
    let documents = ["a", huge.as_str()];
    let output = rerank(&model, "a", &documents, &RerankOptions::default());
    let long = output.results.iter().position(|result| result.index == 1).unwrap();
    assert_eq!([output.truncated[long], output.truncated[1 - long]], [true, false]);
    let mut observer = Stopper::at_batch(1);
    let queries = model.encode(TextKind::Query, &["oil", " "], Pooling::None, &mut observer);
    assert_eq!(block_on(queries).unwrap_err(), Error::EmptyQuery { index: 1 });
    assert!(observer.stages.is_empty(), "a call that will fail does not start");
}

#[test]
fn an_observer_can_stop_a_call_between_batches() {
    let model = Fixture::read("plain").load();
    let long = "oil crisis ".repeat(100);
    let documents = vec![long.as_str(); 64];
    let mut observer = Stopper::at_batch(1);
    let stopped =
        block_on(model.rerank("oil", &documents, &RerankOptions::default(), &mut observer));
    assert_eq!(stopped.unwrap_err(), Error::Aborted);
    assert_eq!(observer.batches, 1);
    assert_eq!(
        observer.stages,
        [Stage::Tokenize, Stage::Encode, Stage::Score, Stage::Score, Stage::Encode]
    );
}

#[test]
fn an_observer_can_stop_a_call_at_every_text_and_layer() {
    let model = Fixture::read("plain").load();
    let documents = ["oil", "war", "water"];
    let mut observer = Stopper::at_pause(usize::MAX);
    let options = RerankOptions::default();
    block_on(model.rerank("oil", &documents, &options, &mut observer)).unwrap();
    // One batch: a pause before each document is held against the others, before its tokens, before and within each layer, and before the
    // scores.
    assert_eq!(observer.pauses, 2 * documents.len() + 2 * model.info().layers + 1);
    for pause in 1..=observer.pauses {
        let mut observer = Stopper::at_pause(pause);
        let stopped = block_on(model.rerank("oil", &documents, &options, &mut observer));
        assert_eq!(stopped.unwrap_err(), Error::Aborted);
        assert_eq!(observer.pauses, pause, "nothing goes on after the stop");
    }
}

/// The dot product of a unit vector with itself may round to more than one.
#[test]
fn what_is_shown_of_equal_texts_is_within_what_is_promised() {
    let model = Fixture::read("plain").load();
    let texts: Vec<String> = (0..40).map(|i| format!("the price of war {i}")).collect();
    let options = RerankOptions { top_k: Some(1), explain: true, ..RerankOptions::default() };
    let mut beyond = false;
    for text in &texts {
        let output = rerank(&model, text, &[text], &options);
        let (score, explanation) = (output.results[0].score, &output.explanations[0]);
        assert_eq!(explanation.score.to_bits(), score.to_bits());
        let matches = &explanation.matches;
        assert!(matches.iter().all(|found| found.similarity.abs() <= 1.0), "{matches:?}");
        let shares: f32 = matches.iter().map(|found| found.share).sum();
        assert!((shares * score - score).abs() < 1e-5 * score);
        let rows = &encode(&model, &[text])[0];
        let squares =
            rows.chunks(model.info().dimension).map(|row| row.iter().map(|x| x * x).sum());
        beyond |= squares.fold(0.0, f32::max) > 1.0;
    }
    assert!(beyond, "no product rounds beyond its limit: the texts show nothing");
}

#[test]
fn a_folder_without_the_last_step_has_no_unit_vectors_and_says_so() {
    let fixture = Fixture::read("sentence-transformers");
    assert!(fixture.load().info().normalized);
    let mut files = fixture.files;
    let mut modules: Vec<serde_json::Value> =
        serde_json::from_slice(files.get("modules.json").unwrap()).unwrap();
    modules.pop();
    files.insert("modules.json", serde_json::to_vec(&modules).unwrap()).unwrap();
    let model = common::load(&files);
    assert!(!model.info().normalized);
    let text = "the price of war";
    let options = RerankOptions { explain: true, ..RerankOptions::default() };
    let output = rerank(&model, text, &[text], &options);
    let most = output.explanations[0].matches.iter().map(|found| found.similarity.abs());
    assert!(most.fold(0.0, f32::max) > 1.1, "{output:?}");
}

#[test]
fn batches_do_not_show_in_a_ranking() {
    let model = Fixture::read("pylate").load();
    let documents: Vec<String> = (0..300)
        .map(|i| format!("the oil crisis of {i} {}", "war and water ".repeat(i % 40)))
        .collect();
    let options = RerankOptions { top_k: Some(7), explain: true, ..RerankOptions::default() };
    let mut observer = Stopper::at_pause(usize::MAX);
    let best = block_on(model.rerank("oil 17", &documents, &options, &mut observer)).unwrap();
    assert!(observer.batches > 10, "only {} batches", observer.batches);
    assert!(observer.done.is_sorted() && observer.done.last() == Some(&(300, 300)));
    let mut alone: Vec<(usize, f32)> = documents
        .iter()
        .map(|document| rerank(&model, "oil 17", &[document], &RerankOptions::default()))
        .map(|output| output.results[0].score)
        .enumerate()
        .collect();
    alone.sort_by(|a, b| b.1.total_cmp(&a.1));
    let found: Vec<(usize, f32)> = best.results.iter().map(|r| (r.index, r.score)).collect();
    assert_eq!(found, alone[..7], "f32 is equal bit for bit in any company");
    for (result, explanation) in best.results.iter().zip(&best.explanations) {
        let document = &documents[result.index];
        let expected =
            block_on(model.explain("oil 17", document, LongDocuments::Cut, &mut Unobserved))
                .unwrap();
        assert_eq!(explanation, &expected);
    }
}

#[test]
fn what_is_not_finite_is_named() {
    // With weights as large as these the last layer's numbers are infinite or NaN.
    let bundle = crafted::converted(&Fixture::read("plain").files, Dtype::F32);
    let files = Crafted::new(bundle).tensors(|tensors| {
        let name = "encoder.layer.1.output.LayerNorm.weight";
        let shape = tensors[name].1.clone();
        let values = vec![f32::MAX; shape[0]];
        tensors.insert(name.to_owned(), crafted::f32_tensor(shape, &values));
    });
    let model = common::load(&files.open().unwrap());
    let error = block_on(model.rerank("oil", &["war"], &RerankOptions::default(), &mut Unobserved));
    assert_eq!(error.unwrap_err().to_string(), "an embedding of query is not finite");
    let mut observer = Unobserved;
    let encoded = model.encode(TextKind::Document, &["oil", "war"], Pooling::None, &mut observer);
    assert_eq!(
        block_on(encoded).unwrap_err().to_string(),
        "an embedding of documents[0] is not finite"
    );
}

#[test]
fn what_a_gpu_cannot_hold_is_refused_before_it_is_asked_for() {
    let files = Fixture::read("plain").files;
    let load = |dtype, device, limit| {
        let files = crafted::converted(&files, dtype);
        let files = CheckpointFiles::from_bundle(&files).unwrap();
        let gpu_buffer_limit = Some(limit);
        let options = LoadOptions { device, gpu_buffer_limit, ..LoadOptions::default() };
        block_on(Reranker::load(files, &options, &mut Unobserved))
    };
    // Two layers of 32, 64 wide between them: a batch of 1,024 tokens takes 3 · 32 values each, far more than any weight.
    let batch = 1_024 * 3 * 32 * 4;
    for dtype in Dtype::ALL {
        let error = load(dtype, DeviceChoice::WebGpu, batch - 1).err().unwrap();
        assert_eq!(error.code(), "WEBGPU_UNAVAILABLE");
        let figures = format!(
            "a batch of 1024 tokens takes {batch} bytes in one buffer, and the GPU reads {} at most",
            batch - 1
        );
        assert!(error.to_string().contains(&figures), "{error}");
        let model = load(dtype, DeviceChoice::Auto, batch - 1).unwrap();
        assert!(model.warnings().iter().any(|warning| warning.message.contains(&figures)));
        // With room for it the device is asked for, which this build has not.
        let error = load(dtype, DeviceChoice::WebGpu, batch).err().unwrap();
        assert!(error.to_string().contains("this build leaves it out"), "{error}");
    }
}

#[test]
fn every_error_code_is_in_the_list() {
    let mut sorted = Error::CODES.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, Error::CODES);
    for error in [
        Error::EmptyQuery { index: 0 },
        Error::Aborted,
        Error::DeviceLost { reason: String::new() },
    ] {
        assert!(Error::CODES.contains(&error.code()));
    }
}

/// Nobody can lift a document by special tokens in its text, if the caller wants them to be text.
#[test]
fn spelled_special_tokens_do_not_change_a_rank() {
    let files = Fixture::read("pylate").files;
    let options = LoadOptions {
        device: DeviceChoice::Cpu,
        spelled_tokens: SpelledTokens::Text,
        ..LoadOptions::default()
    };
    let text = block_on(Reranker::load(files, &options, &mut Unobserved)).unwrap();
    let parse = Fixture::read("pylate").load();
    let score = |model: &Reranker, document: &str| {
        rerank(model, "the oil crisis", &[document], &RerankOptions::default()).results[0].score
    };
    for token in ["[MASK]", "[CLS]", "[SEP]", "[Q] ", "[D] ", "[unused0]"] {
        let spelled = format!("water {}", token.repeat(50));
        let escaped = spelled.replace('[', "[ ").replace(']', " ]");
        assert_eq!(score(&text, &spelled), score(&text, &escaped), "{token}");
        assert_eq!(score(&text, &escaped), score(&parse, &escaped), "{token}");
    }
    let spelled = format!("water {}", "[MASK]".repeat(50));
    assert_ne!(score(&parse, &spelled), score(&text, &spelled), "the references parse them");
}
