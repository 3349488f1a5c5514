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
    Inspection, LoadOptions, Overrides, Pooling, RerankOptions, RerankOutput, Reranker, Source,
    SpelledTokens, TextKind, TokenEmbeddings, Unobserved, convert, token_similarities,
};

const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Expected {
    queries: Vec<Query>,
    pages: Vec<Page>,
    scores: Vec<Vec<f32>>,
    maps: Vec<Map>,
}

#[derive(Deserialize)]
struct Query {
    text: String,
    ids: Vec<u32>,
    attention_mask: Vec<u8>,
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
            let last = hidden_states.len() - 1;
            for (layer, state) in hidden_states.iter().enumerate() {
                let layer = if layer == last { "norm".to_owned() } else { layer.to_string() };
                let reference = visual.tensor(&format!("query.{index}.hidden.{layer}"));
                let largest = reference.iter().fold(1.0, |most: f32, value| most.max(value.abs()));
                let worst = difference(state, &reference) / largest;
                assert!(worst < TOLERANCE, "hidden {layer} of {at}: {worst}");
            }
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
