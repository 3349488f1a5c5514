//! Queries of models whose documents are pages, stage by stage the same as the reference libraries: ids and masks equal, hidden states
//! within 1e-4 of their largest value, embeddings within 1e-4, scores of pages within 1e-4 relative.

mod common;

use std::fs;
use std::path::PathBuf;

use common::{difference, fixtures, gather, load, load_with};
use pollster::block_on;
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::{Value, json};
use tabrank::{
    CheckpointFiles, Codec, ConvertOptions, DeviceChoice, DocumentEmbeddings, Dtype, Error,
    Inspection, LoadOptions, Overrides, Pooling, RerankOptions, RerankOutput, Reranker, Similarity,
    Source, SpelledTokens, TextKind, TokenEmbeddings, Unobserved, convert, token_similarities,
};

const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Expected {
    queries: Vec<Query>,
    #[serde(default)]
    pages: Vec<Page>,
    /// `None` for a query of which no token counts.
    scores: Vec<Option<Vec<f32>>>,
    #[serde(default)]
    maps: Vec<Map>,
}

#[derive(Deserialize)]
struct Query {
    text: String,
    ids: Vec<u32>,
    #[serde(default)]
    attention_mask: Vec<u8>,
    #[serde(default)]
    embedding_mask: Vec<u8>,
}

#[derive(Deserialize)]
struct Page {
    patches: Vec<u8>,
    rows: usize,
    columns: usize,
}

/// A similarity map of one query over one page.
#[derive(Deserialize)]
struct Map {
    page: usize,
    query: usize,
    grid: [usize; 2],
    /// A row for each query token, in it the grid's patches row by row.
    maps: Vec<Vec<f32>>,
}

/// Everything but the checkpoint of a model of pages.
struct Visual {
    folder: PathBuf,
    expected: Expected,
    tensors: Vec<u8>,
}

impl Visual {
    fn read(name: &str) -> Self {
        let folder = fixtures().join("visual").join(name);
        let json = fs::read(folder.join("expected.json")).unwrap();
        let expected = serde_json::from_slice(&json).unwrap();
        let tensors = fs::read(folder.join("expected.safetensors")).unwrap();
        Self { folder, expected, tensors }
    }

    /// The checkpoint, with another save's files laid over it.
    fn files(&self, over: &str) -> CheckpointFiles {
        let folders = [over, "checkpoint"].map(|save| self.folder.join(save));
        gather(|name| folders.iter().find_map(|folder| fs::read(folder.join(name)).ok())).unwrap()
    }

    fn tensor(&self, name: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.tensors).unwrap();
        let view = tensors.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let values = view.data().chunks_exact(4);
        values.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    /// The pages' embeddings as the reference has them.
    fn pages(&self, dimension: usize) -> TokenEmbeddings {
        let mut pages = TokenEmbeddings::new(dimension);
        for index in 0..self.expected.pages.len() {
            pages.push(&self.tensor(&format!("page.{index}.embeddings")));
        }
        pages
    }
}

/// Hidden states against those of query `index`.
fn compare_states(visual: &Visual, index: usize, states: &[Vec<f32>]) {
    let last = states.len() - 1;
    for (layer, state) in states.iter().enumerate() {
        let layer = if layer == last { "norm".to_owned() } else { layer.to_string() };
        let reference = visual.tensor(&format!("query.{index}.hidden.{layer}"));
        let largest = reference.iter().fold(1.0, |most: f32, value| most.max(value.abs()));
        let worst = difference(state, &reference) / largest;
        assert!(worst < TOLERANCE, "hidden {layer} of query {index}: {worst}");
    }
}

const SAVES: [&str; 4] = ["checkpoint", "older", "engine", "sentence-transformers"];

fn inspect(reranker: &Reranker, query: &str) -> Inspection {
    block_on(reranker.inspect(TextKind::Query, query)).unwrap()
}

fn bits(mask: &[bool]) -> Vec<u8> {
    mask.iter().map(|&set| u8::from(set)).collect()
}

/// Ranks pages that came with their embeddings.
fn rank(reranker: &Reranker, query: &str, pages: &TokenEmbeddings, explain: bool) -> RerankOutput {
    let texts = vec![""; pages.len()];
    let mut embeddings = DocumentEmbeddings::new(texts.len());
    let places: Vec<usize> = (0..texts.len()).collect();
    embeddings.add(Codec::F32.compress(pages).unwrap(), &places, None).unwrap();
    let options = RerankOptions { embeddings, explain, ..RerankOptions::default() };
    block_on(reranker.rerank(query, &texts, &options, &mut Unobserved)).unwrap()
}

#[test]
fn every_stage_of_a_query_equals_the_reference() {
    let visual = Visual::read("colmodernvbert");
    for save in SAVES {
        let reranker = load(&visual.files(save));
        assert!(reranker.info().late_interaction && reranker.info().pages_only);
        for (index, query) in visual.expected.queries.iter().enumerate() {
            let at = format!("{save} query {index}");
            let Inspection { tokens, hidden_states, embeddings } = inspect(&reranker, &query.text);
            assert_eq!(tokens.ids, query.ids, "ids of {at}");
            assert_eq!(bits(&tokens.attention_mask), query.attention_mask, "attention of {at}");
            assert!(tokens.embedding_mask.iter().all(|&yields| yields), "embeddings of {at}");
            compare_states(&visual, index, &hidden_states);
            let reference = visual.tensor(&format!("query.{index}.embeddings"));
            let worst = difference(embeddings.values(), &reference);
            assert!(worst < TOLERANCE, "embeddings of {at}: {worst}");
        }
    }
}

#[test]
fn pages_that_came_with_embeddings_score_as_in_the_reference() {
    let visual = Visual::read("colmodernvbert");
    let reranker = load(&visual.files("checkpoint"));
    let pages = visual.pages(reranker.info().dimension);
    for (query, row) in visual.expected.queries.iter().zip(&visual.expected.scores) {
        if query.text.is_empty() {
            continue;
        }
        let output = rank(&reranker, &query.text, &pages, false);
        assert_eq!(output.results.len(), pages.len());
        assert_eq!(output.bound, Some(query.ids.len() as f32));
        let row = row.as_ref().unwrap();
        for result in output.results {
            let expected = row[result.index];
            let relative = (result.score - expected).abs() / expected.abs().max(1.0);
            assert!(relative < TOLERANCE, "{:?} × {}: {relative}", query.text, result.index);
        }
    }
}

/// The row of a page's embeddings that each place of its grid has, row by row: tiles come row by row, their patches too.
fn rows_of_grid(page: &Page, [rows, columns]: [usize; 2]) -> Vec<usize> {
    let patches: Vec<usize> =
        (0..).zip(&page.patches).filter(|(_, is)| **is == 1).map(|p| p.0).collect();
    let side = rows / page.rows;
    let place = |row: usize, column: usize| {
        let tile = row / side * page.columns + column / side;
        patches[(tile * side + row % side) * side + column % side]
    };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(r, c)| place(r, c))
        .collect()
}

#[test]
fn each_token_s_map_of_a_page_equals_the_reference() {
    let visual = Visual::read("colmodernvbert");
    let reranker = load(&visual.files("checkpoint"));
    let dimension = reranker.info().dimension;
    assert!(visual.expected.maps.len() >= 7);
    for map in &visual.expected.maps {
        let query = inspect(&reranker, &visual.expected.queries[map.query].text).embeddings;
        let page = visual.tensor(&format!("page.{}.embeddings", map.page));
        let all = token_similarities(query.values(), &page, dimension).unwrap();
        let places = rows_of_grid(&visual.expected.pages[map.page], map.grid);
        for (row, expected) in all.chunks_exact(page.len() / dimension).zip(&map.maps) {
            let found: Vec<f32> = places.iter().map(|&place| row[place]).collect();
            let worst = difference(&found, expected);
            assert!(worst < TOLERANCE, "page {} query {}: {worst}", map.page, map.query);
        }
    }
}

/// Explained, a page's matches are rows of what came with it.
#[test]
fn an_explanation_names_the_best_row_of_each_token() {
    let visual = Visual::read("colmodernvbert");
    let reranker = load(&visual.files("checkpoint"));
    let pages = visual.pages(reranker.info().dimension);
    let query = &visual.expected.queries[0];
    let output = rank(&reranker, &query.text, &pages, true);
    let embeddings = inspect(&reranker, &query.text).embeddings;
    for (result, explanation) in output.results.iter().zip(&output.explanations) {
        assert_eq!(explanation.matches.len(), query.ids.len());
        let page = pages.texts().nth(result.index).unwrap();
        let all = token_similarities(embeddings.values(), page, pages.dimension()).unwrap();
        let rows = all.chunks_exact(page.len() / pages.dimension());
        for (row, matched) in rows.zip(&explanation.matches) {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(row[matched.document.row], most);
            assert!((matched.similarity - most).abs() < 1e-5);
        }
        let sum: f32 = explanation.matches.iter().map(|matched| matched.similarity).sum();
        assert!((explanation.score - sum).abs() < 1e-3);
    }
}

#[test]
fn texts_of_documents_are_refused_before_anything_is_encoded() {
    let visual = Visual::read("colmodernvbert");
    let reranker = load(&visual.files("checkpoint"));
    let options = RerankOptions::default();
    let ranked = block_on(reranker.rerank("oil", &["a page", "text"], &options, &mut Unobserved));
    assert_eq!(ranked.unwrap_err(), Error::PagesOnly { index: 0 });
    let texts = ["text"];
    let mut observer = Unobserved;
    let encoded = reranker.encode(TextKind::Document, &texts, Pooling::None, &mut observer);
    let error = block_on(encoded).unwrap_err();
    assert_eq!((error.code(), error), ("INVALID_INPUT", Error::PagesOnly { index: 0 }));
}

#[test]
fn a_query_that_spells_out_a_page_s_token_is_refused() {
    let visual = Visual::read("colmodernvbert");
    let reranker = load(&visual.files("checkpoint"));
    let query = "what is in <image>?";
    let error = block_on(reranker.inspect(TextKind::Query, query)).unwrap_err();
    assert!(matches!(error, Error::Tokenize { kind: TextKind::Query, .. }), "{error}");
    let options = LoadOptions {
        device: DeviceChoice::Cpu,
        spelled_tokens: SpelledTokens::Text,
        ..LoadOptions::default()
    };
    let files = visual.files("checkpoint");
    let reranker = block_on(Reranker::load(files, &options, &mut Unobserved)).unwrap();
    let tokens = inspect(&reranker, query).tokens;
    assert_eq!(tokens.ids[tokens.len() - 11..tokens.len() - 1], [774; 10]);
}

/// A long query is cut at its text: the tokens behind it stay.
#[test]
fn what_stands_behind_a_query_is_not_cut() {
    let visual = Visual::read("colmodernvbert");
    let files = visual.files("checkpoint");
    let overrides = Overrides { query_length: Some(20), ..Overrides::default() };
    let reranker = load_with(&files, overrides).unwrap();
    let query = &visual.expected.queries[0];
    let tokens = inspect(&reranker, &query.text).tokens;
    assert!(tokens.truncated);
    assert_eq!(tokens.ids, [&query.ids[..9], &query.ids[query.ids.len() - 11..]].concat());
    assert!(tokens.offsets[9..].iter().all(Option::is_none));
    let overrides = Overrides { query_length: Some(12), ..Overrides::default() };
    assert!(load_with(&files, overrides).is_err());
}

#[test]
fn settings_of_documents_have_no_place_here() {
    let visual = Visual::read("colmodernvbert");
    let files = visual.files("checkpoint");
    for overrides in [
        Overrides { document_length: Some(9), ..Overrides::default() },
        Overrides { document_prefix: Some("x".to_owned()), ..Overrides::default() },
        Overrides { do_query_expansion: Some(false), ..Overrides::default() },
        Overrides { skiplist_words: Some(Vec::new()), ..Overrides::default() },
    ] {
        let error = load_with(&files, overrides).err().unwrap();
        assert!(error.to_string().contains("whose documents are pages"), "{error}");
    }
}

/// The parts that see pages stay behind, and what the bundle computes is what its checkpoint does, as far as its type goes.
#[test]
fn a_bundle_holds_the_text_tower_alone() {
    let visual = Visual::read("colmodernvbert");
    for save in SAVES {
        let files = visual.files(save);
        let own = load(&files);
        for (dtype, least) in
            [(Dtype::F32, 0.999_999), (Dtype::F16, 0.9999), (Dtype::Q8, 0.99), (Dtype::Q4, 0.8)]
        {
            let source = Source::default();
            let options = ConvertOptions { dtype, source, overrides: Overrides::default() };
            let bundle = block_on(convert(files.clone(), &options, &mut Unobserved)).unwrap();
            let bundle = CheckpointFiles::from_bundle(&bundle).unwrap();
            let names = bundle.tensors().unwrap().into_iter().map(|tensor| tensor.name);
            assert!(
                names
                    .into_iter()
                    .all(|name| !name.contains("vision") && !name.contains("connector"))
            );
            let reranker = load(&bundle);
            assert_eq!(reranker.info().dtype, dtype);
            let query = &visual.expected.queries[0].text;
            let found = inspect(&reranker, query);
            let expected = inspect(&own, query);
            assert_eq!(found.tokens, expected.tokens);
            let products = found.embeddings.values().iter().zip(expected.embeddings.values());
            let cosines: f32 = products.map(|(a, b)| a * b).sum();
            let mean = cosines / found.tokens.len() as f32;
            assert!(mean > least, "{save} {}: {mean}", dtype.name());
        }
    }
}

/// What the settings of these folders could say beside it.
#[test]
fn what_is_not_computed_is_refused_by_name() {
    let visual = Visual::read("colmodernvbert");
    let config: Value =
        serde_json::from_slice(&fs::read(visual.folder.join("checkpoint/config.json")).unwrap())
            .unwrap();
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut config = config.clone();
        change(&mut config);
        let checkpoint = visual.folder.join("checkpoint");
        let files = gather(|name| match name {
            "config.json" => Some(config.to_string().into_bytes()),
            _ => fs::read(checkpoint.join(name)).ok(),
        });
        let found = files.and_then(|files| load_with(&files, Overrides::default()).map(drop));
        found.unwrap_err().to_string()
    };
    for (change, culprit) in [
        (
            &(|config: &mut Value| config["vlm_config"]["model_type"] = json!("idefics3"))
                as &dyn Fn(&mut Value),
            "config.json: vlm_config.model_type \"idefics3\"",
        ),
        (&|config| config["vlm_config"] = Value::Null, "config.json: vlm_config is missing"),
        (
            &|config| config["vlm_config"]["text_config"]["model_type"] = json!("llama"),
            "config.json: vlm_config.text_config.model_type \"llama\"",
        ),
        (
            &|config| config["vlm_config"]["text_config"]["is_causal"] = json!(true),
            "config.json: vlm_config.text_config.is_causal",
        ),
        (&|config| config["embedding_dim"] = json!(12), "embedding_proj_layer.weight"),
        (&|config| config["model_type"] = json!("colidefics3"), "config.json: model_type"),
        (
            &|config| {
                config["model_type"] = json!("modernvbert");
                config["architectures"] = json!(["ModernVBertForMaskedLM"]);
            },
            "config.json: architectures \"ModernVBertForMaskedLM\"",
        ),
    ] {
        let found = refusal(change);
        assert!(found.contains(culprit), "{found}, not {culprit}");
    }
}

/// sentence-transformers with the code that comes with the model, which nothing here runs.
#[test]
fn every_stage_of_a_weighed_query_equals_the_reference() {
    let visual = Visual::read("colnanovdr");
    let reranker = load(&visual.files("checkpoint"));
    let info = reranker.info();
    assert!(info.late_interaction && info.pages_only && info.normalized);
    assert_eq!((info.similarity, info.dimension), (Similarity::MeanMaxSim, 20));
    for (index, query) in visual.expected.queries.iter().enumerate() {
        let Inspection { tokens, hidden_states, embeddings } = inspect(&reranker, &query.text);
        assert_eq!(tokens.ids, query.ids, "ids of query {index}");
        assert_eq!(bits(&tokens.embedding_mask), query.embedding_mask, "mask of query {index}");
        compare_states(&visual, index, &hidden_states);
        let reference = visual.tensor(&format!("query.{index}.embeddings"));
        let worst = difference(embeddings.values(), &reference);
        assert!(worst < TOLERANCE, "embeddings of query {index}: {worst}");
        let norm = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>().sqrt();
        let whole: f32 = embeddings.values().chunks_exact(20).map(norm).sum();
        assert!(embeddings.values().is_empty() || (whole - 1.0).abs() < TOLERANCE, "{whole}");
    }
}

/// Queries of several lengths together weigh as each does alone.
#[test]
fn weights_do_not_depend_on_neighbours() {
    let visual = Visual::read("colnanovdr");
    let reranker = load(&visual.files("checkpoint"));
    let queries: Vec<&str> = visual.expected.queries.iter().map(|q| q.text.as_str()).collect();
    let queries: Vec<&str> = queries.into_iter().filter(|query| !query.is_empty()).collect();
    let mut observer = Unobserved;
    let together = reranker.encode(TextKind::Query, &queries, Pooling::None, &mut observer);
    let together = block_on(together).unwrap().embeddings;
    for (query, rows) in queries.iter().zip(together.texts()) {
        assert_eq!(inspect(&reranker, query).embeddings.values(), rows, "{query:?}");
    }
}

/// The score is a mean; divided by the most that it can be it is the sum of the similarities that the factors weigh.
#[test]
fn a_weighed_query_scores_pages_as_in_the_reference() {
    let visual = Visual::read("colnanovdr");
    let reranker = load(&visual.files("checkpoint"));
    let mut pages = TokenEmbeddings::new(20);
    (0..3).for_each(|page| pages.push(&visual.tensor(&format!("page.{page}"))));
    pages.push(&[]);
    for (index, query) in visual.expected.queries.iter().enumerate() {
        let Some(row) = &visual.expected.scores[index] else {
            let options = RerankOptions::default();
            let texts = [""; 0];
            let mut observer = Unobserved;
            let ranked = reranker.rerank(&query.text, &texts, &options, &mut observer);
            assert_eq!(block_on(ranked).unwrap_err(), Error::EmptyQuery { index: 0 });
            continue;
        };
        let counted = query.embedding_mask.iter().filter(|&&mask| mask == 1).count() as f32;
        let output = rank(&reranker, &query.text, &pages, true);
        let bound = output.bound.unwrap();
        assert!((bound - 1.0 / counted).abs() < 1e-7, "{bound}");
        for (result, explanation) in output.results.iter().zip(&output.explanations) {
            assert_eq!(explanation.score, result.score);
            let sum: f32 = explanation.matches.iter().map(|matched| matched.similarity).sum();
            match row.get(result.index) {
                Some(expected) => {
                    assert!((result.score - expected).abs() < 1e-6, "query {index}: {result:?}");
                    assert!((result.score / bound - sum).abs() < 1e-5, "query {index}: {sum}");
                }
                None => assert_eq!(result.score, -bound, "a page without embeddings is last"),
            }
        }
        assert_eq!(output.results.last().unwrap().index, 3);
    }
}

#[test]
fn a_query_of_dropped_tokens_alone_is_empty() {
    let reranker = load(&Visual::read("colnanovdr").files("checkpoint"));
    let options = RerankOptions::default();
    let ranked = block_on(reranker.rerank("[SEP]", &[""; 0], &options, &mut Unobserved));
    assert_eq!(ranked.unwrap_err(), Error::EmptyQuery { index: 0 });
}

#[test]
fn a_bundle_weighs_as_its_checkpoint_does() {
    let visual = Visual::read("colnanovdr");
    let files = visual.files("checkpoint");
    let query = &visual.expected.queries[0].text;
    let expected = inspect(&load(&files), query).embeddings;
    for (dtype, tolerance) in
        [(Dtype::F32, 1e-6), (Dtype::F16, 1e-3), (Dtype::Q8, 0.05), (Dtype::Q4, 0.2)]
    {
        let options =
            ConvertOptions { dtype, source: Source::default(), overrides: Overrides::default() };
        let bundle = block_on(convert(files.clone(), &options, &mut Unobserved)).unwrap();
        let reranker = load(&CheckpointFiles::from_bundle(&bundle).unwrap());
        let found = inspect(&reranker, query).embeddings;
        let worst = difference(found.values(), expected.values());
        assert!(worst < tolerance, "{}: {worst}", dtype.name());
        assert_eq!(reranker.info().similarity, Similarity::MeanMaxSim);
    }
}

/// The code that comes with such a folder is not looked at: what its settings say is what is computed, or refused.
#[test]
fn other_weights_of_tokens_are_refused_by_name() {
    let visual = Visual::read("colnanovdr");
    let checkpoint = visual.folder.join("checkpoint");
    let refusal = |file: &str, field: &str, value: Value| {
        let files = gather(|name| {
            let bytes = fs::read(checkpoint.join(name)).ok()?;
            if name != file {
                return Some(bytes);
            }
            let mut json: Value = serde_json::from_slice(&bytes).unwrap();
            match json.as_array_mut() {
                Some(modules) => modules[3]["type"] = value.clone(),
                None => json[field] = value.clone(),
            }
            Some(json.to_string().into_bytes())
        });
        let found = files.and_then(|files| load_with(&files, Overrides::default()).map(drop));
        found.unwrap_err().to_string()
    };
    let weighting = "3_ColNanoVDRWeighting/config.json";
    for (file, field, value, culprit) in [
        ("modules.json", "", json!("colnanovdr_weighting.Other"), "[3].type"),
        ("modules.json", "", json!("elsewhere.ColNanoVDRWeighting"), "[3].type"),
        (weighting, "learn_weights", json!(false), "learn_weights"),
        (weighting, "hidden_dim", json!(25), "hidden_dim is 25, and hidden_size 24"),
        (weighting, "hidden_name", json!("sentence_embedding"), "hidden_name"),
        (weighting, "mv_name", json!("token_embeddings"), "mv_name"),
        (weighting, "mv_name", json!("others"), "module_output_name"),
        (weighting, "special_token_ids", json!([-1]), "special_token_ids"),
        (
            "2_Normalize/config.json",
            "module_input_name",
            json!("token_embeddings"),
            "module_input_name",
        ),
        (
            "1_Dense/config.json",
            "module_output_name",
            json!("token_embeddings"),
            "module_output_name",
        ),
        (
            "config_sentence_transformers.json",
            "similarity_fn_name",
            json!("xtr"),
            "maxsim and meanmaxsim are",
        ),
    ] {
        let found = refusal(file, field, value);
        assert!(found.contains(culprit), "{found}, not {culprit}");
    }
}

/// With a centroid for nearly every token the codes lose little, and a sum would be some times the mean.
#[cfg(feature = "cli")]
#[test]
fn an_index_is_searched_by_the_models_own_score() {
    use common::command::{checkpoint, tabrank, text};
    use tabrank::{EmbeddingsFile, EmbeddingsInfo};
    let visual = Visual::read("colnanovdr");
    let mut pages = TokenEmbeddings::new(20);
    (0..3).for_each(|page| pages.push(&visual.tensor(&format!("page.{page}"))));
    let compressed = Codec::F32.compress(&pages).unwrap();
    let model = checkpoint("visual/colnanovdr");
    let embedding_id = load(&visual.files("checkpoint")).info().embedding_id.clone();
    let info = EmbeddingsInfo { embedding_id: Some(embedding_id), token_pooling: None };
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let assert = tabrank(arguments).current_dir(folder.path()).assert().success();
        text(&assert.get_output().stdout)
    };
    fs::write(folder.path().join("rows"), EmbeddingsFile::new(compressed, info).write()).unwrap();
    let ids: String = (0..3).map(|page| format!("{{\"id\":\"{page}\"}}\n")).collect();
    fs::write(folder.path().join("ids.jsonl"), ids).unwrap();
    run(&["index", "build", "--embeddings", "rows", "ids.jsonl", "-o", "x", "--nbits", "8"]);
    let all = ["--n-ivf-probe", "999", "--n-full-scores", "999"];
    for (query, row) in visual.expected.queries.iter().zip(&visual.expected.scores) {
        let Some(row) = row else { continue };
        let asked = ["index", "search", "x", "--model", &model, "--query", &query.text];
        let lines = run(&[&asked[..], &all].concat());
        assert_eq!(lines.lines().count(), 3);
        for line in lines.lines() {
            let found: serde_json::Value = serde_json::from_str(line).unwrap();
            let page: usize = found["id"].as_str().unwrap().parse().unwrap();
            let (score, expected) = (found["score"].as_f64().unwrap() as f32, row[page]);
            let apart = (score - expected).abs() / expected.abs();
            assert!(apart < 0.1, "{:?}, page {page}: {score}, not {expected}", query.text);
        }
    }
}

/// Convert, inspect, verify and encode, as on the command line.
#[cfg(feature = "cli")]
#[test]
fn the_command_line_takes_models_of_pages() {
    use common::command::{checkpoint, tabrank, text};
    let folder = tempfile::tempdir().unwrap();
    for (case, says) in [
        ("visual/colmodernvbert", "documents are pages"),
        ("visual/colnanovdr", "a score is the mean over the query's tokens, meanmaxsim"),
    ] {
        let bundle = folder.path().join(case.replace('/', "-")).display().to_string();
        let convert = ["convert", &checkpoint(case), "--dtype", "q8", "-o", &bundle];
        let assert = tabrank(&convert).assert().success();
        let all = [&assert.get_output().stdout[..], &assert.get_output().stderr].concat();
        assert!(text(&all).contains("mean cosine 0.99"), "{}", text(&all));
        tabrank(&["verify", &bundle]).assert().success();
        let told = tabrank(&["inspect", &bundle]).assert().success();
        let told = text(&told.get_output().stdout);
        assert!(told.contains(says) && told.contains("documents are pages"), "{told}");
        let query = ["encode", "--model", &bundle, "--kind", "query"];
        let encoded = tabrank(&query).write_stdin("{\"text\":\"oil\"}\n").assert().success();
        assert!(!encoded.get_output().stdout.is_empty());
        let encode = ["encode", "--model", &bundle];
        let refused = tabrank(&encode).write_stdin("{\"text\":\"oil\"}\n").assert().failure();
        let said = text(&refused.get_output().stderr);
        assert!(said.contains("its documents are pages"), "{said}");
    }
}
