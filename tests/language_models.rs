//! The language models that read pages, ColPali's Gemma and ColQwen2's Qwen2, stage by stage the same as the reference libraries, whoever
//! saved the folder and with an adapter beside it: queries and pages, ids equal, hidden states of both towers within 1e-4 of their
//! largest value, embeddings within 1e-4.

mod common;

use std::fs;

use common::language::{Case, MODELS, Text, inspect};
use common::{difference, load, load_with};
use pollster::block_on;
use serde_json::{Value, json};
use tabrank::image::Picture;
use tabrank::{Error, Inspection, Overrides, PageOptions, Reranker, Similarity, Unobserved, score};

const TOLERANCE: f32 = 1e-4;

/// Every stage of a query that the reference has written under `name`.
fn compare(case: &Case, reranker: &Reranker, name: &str, query: &Text, tolerance: f32) {
    let Inspection { tokens, hidden_states, embeddings } = inspect(reranker, &query.text);
    assert_eq!(tokens.ids, query.ids, "ids of {name}");
    assert!(tokens.attention_mask.iter().all(|&seen| seen), "attention of {name}");
    assert!(tokens.embedding_mask.iter().all(|&yields| yields), "embeddings of {name}");
    let last = hidden_states.len() - 1;
    let mut compared = 0;
    for (layer, state) in hidden_states.iter().enumerate() {
        let layer = if layer == last { "norm".to_owned() } else { layer.to_string() };
        let Some(reference) = case.tensor(&format!("{name}.hidden.{layer}")) else {
            continue;
        };
        let largest = reference.iter().fold(1.0, |most: f32, value| most.max(value.abs()));
        let worst = difference(state, &reference) / largest;
        assert!(worst < tolerance, "hidden {layer} of {name}: {worst}");
        compared += 1;
    }
    assert!([0, hidden_states.len()].contains(&compared), "hidden states of {name}");
    let reference = case.tensor(&format!("{name}.embeddings")).unwrap();
    let worst = difference(embeddings.values(), &reference);
    assert!(worst < tolerance, "embeddings of {name}: {worst}");
}

/// What a page comes to, and how far it may be from what the reference made of it, over the largest value and 1.
fn check(name: &str, found: &[f32], reference: &[f32], tolerance: f32) {
    let largest = reference.iter().fold(1.0, |most: f32, value| most.max(value.abs()));
    let worst = difference(found, reference) / largest;
    assert!(worst < tolerance, "{name}: {worst}");
}

/// `0`, `1` and so on, and `norm` for the last.
fn named(states: &[Vec<f32>]) -> impl Iterator<Item = (String, &Vec<f32>)> {
    let last = states.len() - 1;
    let name = move |place| if place == last { "norm".to_owned() } else { format!("{place}") };
    (0..).map(name).zip(states)
}

#[test]
fn every_stage_of_a_query_equals_the_reference() {
    for model in MODELS {
        let case = Case::read(model);
        for saves in [&["checkpoint"][..], &["older", "checkpoint"]] {
            let reranker = load(&case.files(saves));
            assert_eq!(case.expected.queries.len(), 3);
            for (index, query) in case.expected.queries.iter().enumerate() {
                compare(&case, &reranker, &format!("query.{index}"), query, TOLERANCE);
            }
        }
    }
}

#[test]
fn queries_of_folders_of_colpali_engine_have_its_prompt() {
    for model in MODELS {
        let case = Case::read(model);
        let reranker = load(&case.files(&["engine"]));
        assert_eq!(case.expected.engine_queries.len(), 3);
        for (index, query) in case.expected.engine_queries.iter().enumerate() {
            compare(&case, &reranker, &format!("engine.query.{index}"), query, TOLERANCE);
        }
    }
}

#[test]
fn an_adapter_beside_the_weights_is_merged() {
    for model in MODELS {
        let case = Case::read(model);
        let reranker = load(&case.files(&["adapter", "engine"]));
        let query = &case.expected.engine_queries[0];
        compare(&case, &reranker, "adapter.query.0", query, TOLERANCE);
        // Without it the vectors are others.
        let plain = inspect(&load(&case.files(&["engine"])), &query.text).embeddings;
        let reference = case.tensor("adapter.query.0.embeddings").unwrap();
        assert!(difference(plain.values(), &reference) > 0.01);
    }
}

#[test]
fn every_stage_of_a_page_equals_the_reference() {
    for model in MODELS {
        let case = Case::read(model);
        for saves in [&["checkpoint"][..], &["older", "checkpoint"]] {
            let reranker = case.load_pages(saves);
            assert!(reranker.reads_pages());
            for (index, page) in case.expected.pages.iter().enumerate() {
                let at = format!("{model} {saves:?} page.{index}");
                let picture = case.picture(index);
                let found = block_on(reranker.inspect_page(&picture, PageOptions::default()));
                let found = found.unwrap();
                assert_eq!(found.tokens.ids, page.ids, "ids of {at}");
                assert_eq!(found.layout.tiles(), 1);
                let patches: Vec<u8> = found.page.patches.iter().map(|&is| u8::from(is)).collect();
                assert_eq!(patches, page.patches, "patches of {at}");
                let grid = page.grid.map_or([4, 4], |grid| grid.map(|side| side / 2));
                assert_eq!((found.page.grid, found.page.tile), (grid, None), "grid of {at}");
                assert_eq!(found.page.places().len(), grid[0] * grid[1]);
                let towers = [("vision", &found.tower[0]), ("hidden", &found.hidden_states)];
                for (tower, states) in towers {
                    for (layer, state) in named(states) {
                        let name = format!("page.{index}.{tower}.{layer}");
                        if let Some(reference) = case.tensor(&name) {
                            check(&format!("{at} {name}"), state, &reference, TOLERANCE);
                        }
                    }
                }
                if let Some(reference) = case.tensor(&format!("page.{index}.features")) {
                    check(&format!("{at} features"), &found.features, &reference, TOLERANCE);
                }
                let reference = case.tensor(&format!("page.{index}.embeddings")).unwrap();
                check(&at, found.page.embeddings.values(), &reference, TOLERANCE);
            }
        }
        assert!(
            case.tensor("page.0.features").is_some() && case.tensor("page.0.hidden.norm").is_some()
        );
        assert!(case.tensor("page.0.vision.norm").is_some());
    }
}

/// Their prompts are those of the engine, the numbers those of the weights.
#[test]
fn pages_of_folders_of_colpali_engine_equal_the_reference() {
    for model in MODELS {
        let case = Case::read(model);
        for saves in [&["engine"][..], &["adapter", "engine"]] {
            let reranker = case.load_pages(saves);
            let picture = case.picture(0);
            let found = block_on(reranker.inspect_page(&picture, PageOptions::default())).unwrap();
            let expected = &case.expected;
            let ids =
                expected.engine_pages.first().map_or(&expected.pages[0].ids, |page| &page.ids);
            assert_eq!(&found.tokens.ids, ids, "{model}");
            let name = match saves.len() {
                2 => "adapter.page.0.embeddings",
                _ if expected.engine_pages.is_empty() => "page.0.embeddings",
                _ => "engine.page.0.embeddings",
            };
            let reference = case.tensor(name).unwrap();
            check(
                &format!("{model} {name}"),
                found.page.embeddings.values(),
                &reference,
                TOLERANCE,
            );
        }
    }
}

#[test]
fn pages_score_as_in_the_reference() {
    for model in MODELS {
        let case = Case::read(model);
        let reranker = case.load_pages(&["checkpoint"]);
        let (query, row) = (&case.expected.queries[0].text, &case.expected.scores[0]);
        let query = inspect(&reranker, query).embeddings;
        for (index, expected) in row.iter().enumerate() {
            let options = PageOptions::default();
            let picture = case.picture(index);
            let page = block_on(reranker.encode_page(&picture, options, &mut Unobserved));
            let page = page.unwrap().embeddings;
            let found = score(query.values(), &page, Similarity::MaxSim).unwrap()[0];
            let relative = (found - expected).abs() / expected.abs();
            assert!(relative < TOLERANCE, "{model} page {index}: {found}, not {expected}");
        }
    }
}

#[test]
fn options_and_parts_of_pages_are_held_against_the_model() {
    let case = Case::read("colqwen2");
    let reranker = case.load_pages(&["checkpoint"]);
    let picture = case.picture(0);
    let fewer = PageOptions { longest_edge: Some(512), ..PageOptions::default() };
    let error = block_on(reranker.encode_page(&picture, fewer, &mut Unobserved)).unwrap_err();
    assert!(error.to_string().contains("longestEdge"), "{error}");
    let layout = reranker.page_tiles(&picture, PageOptions::default()).unwrap();
    let embed = |features| {
        let options = PageOptions::default();
        block_on(reranker.page_embeddings(features, &layout, options, &mut Unobserved))
    };
    assert!(embed(vec![0.0; 7]).unwrap_err().to_string().contains("features"));
    assert!(embed(vec![f32::NAN; 15 * 32]).is_err());
    assert!(embed(vec![0.5; 15 * 32]).is_ok());
    let long = Picture::from_rgb(4_000, 2, vec![0; 4_000 * 2 * 3]).unwrap();
    let error = reranker.page_tiles(&long, PageOptions::default()).unwrap_err();
    assert!(matches!(error, Error::PictureRatio { .. }), "{error}");
    let patches = PageOptions { only_patches: true, ..PageOptions::default() };
    let page = block_on(reranker.encode_page(&picture, patches, &mut Unobserved)).unwrap();
    assert!(page.patches.len() == 15 && page.patches.iter().all(|&is| is));
}

/// What an adapter's settings say beside what is computed.
#[test]
fn adapters_that_are_not_computed_are_refused_by_name() {
    let case = Case::read("colpali");
    let path = case.folder.join("adapter/adapter_config.json");
    let config: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut config = config.clone();
        change(&mut config);
        let mut files = case.files(&["adapter", "engine"]);
        files.insert("adapter_config.json", config.to_string().into_bytes()).unwrap();
        load_with(&files, Overrides::default()).err().map(|error| error.to_string())
    };
    assert_eq!(refusal(&|_| ()), None);
    // Fields of versions to come that say nothing.
    assert_eq!(refusal(&|config| config["of_later"] = json!(null)), None);
    assert_eq!(refusal(&|config| config["of_later"] = json!(false)), None);
    let proj = "custom_text_proj";
    for (change, culprit) in [
        (
            &(|config: &mut Value| config["peft_type"] = json!("LOHA")) as &dyn Fn(&mut Value),
            "peft_type",
        ),
        (&|config| config["use_dora"] = json!(true), "use_dora"),
        (&|config| config["of_later"] = json!(3), "of_later"),
        (&|config| config["bias"] = json!("all"), "bias"),
        (&|config| config["fan_in_fan_out"] = json!(true), "fan_in_fan_out"),
        (&|config| config["init_lora_weights"] = json!("pissa"), "init_lora_weights"),
        (&|config| config["r"] = json!(3), "lora_A"),
        (&|config| config["r"] = json!(0), "adapter_config.json: r"),
        (&|config| config["lora_alpha"] = Value::Null, "lora_alpha is missing"),
        (&|config| config["rank_pattern"] = json!({ proj: 2 }), "custom_text_proj.lora_A"),
        (&|config| config["alpha_pattern"] = json!({ "q_.*": 2 }), "alpha_pattern.q_.*"),
    ] {
        let found = refusal(change).unwrap_or_else(|| panic!("{culprit} was taken"));
        assert!(found.contains(culprit), "{found}, not {culprit}");
    }
}

/// The scale is that of peft: by the rank, or by its root, and of a module that a pattern names by that one's own.
#[test]
fn an_adapter_is_scaled_as_its_settings_say() {
    let case = Case::read("colpali");
    let path = case.folder.join("adapter/adapter_config.json");
    let config: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let query = &case.expected.engine_queries[0].text;
    let vectors = |change: &dyn Fn(&mut Value)| {
        let mut config = config.clone();
        change(&mut config);
        let mut files = case.files(&["adapter", "engine"]);
        files.insert("adapter_config.json", config.to_string().into_bytes()).unwrap();
        inspect(&load(&files), query).embeddings.values().to_vec()
    };
    // Its rank is 4 and its alpha 8.
    let own = vectors(&|_| ());
    let rooted = vectors(&|config| {
        (config["use_rslora"], config["lora_alpha"]) = (json!(true), json!(4));
    });
    assert_eq!(rooted, own);
    let elsewhere = vectors(&|config| {
        config["lora_alpha"] = json!(1);
        let modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
        config["alpha_pattern"] = modules.into_iter().map(|name| (name, 8)).collect();
        config["alpha_pattern"]["^custom_text_proj"] = json!(8);
    });
    assert_eq!(elsewhere, own);
    assert!(difference(&vectors(&|config| config["lora_alpha"] = json!(4)), &own) > 1e-3);
}
