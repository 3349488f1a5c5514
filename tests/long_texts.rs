//! Texts of 4,096 and 8,192 tokens agree with transformers' ModernBERT: `tests/reference/long_texts.py`.

mod common;

use std::fs;

use common::{fixtures, gather};
use pollster::block_on;
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::{Map, Value};
use tabrank::{
    CheckpointFiles, DeviceChoice, LoadOptions, LongDocuments, Overrides, RerankOptions, Reranker,
    TextKind, Unobserved,
};

const TOLERANCE: f32 = 1e-3;

#[derive(Deserialize)]
struct Expected {
    paragraphs: usize,
    /// Positions whose hidden states are kept, from the end where they are negative.
    rows: Vec<isize>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    length: usize,
    /// Fields of `config.json` that are not the fixture's.
    config: Map<String, Value>,
    first_ids: Vec<u32>,
    last_ids: Vec<u32>,
    id_sum: u32,
}

fn expected() -> Expected {
    let file = fs::read(fixtures().join("long-texts/expected.json")).unwrap();
    serde_json::from_slice(&file).unwrap()
}

fn text(paragraphs: usize) -> String {
    let corpus = fixtures().with_file_name("data").join("squad-dev-a/corpus.jsonl");
    let corpus = fs::read_to_string(corpus).unwrap();
    let texts = corpus.lines().take(paragraphs).map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["text"].as_str().unwrap().to_owned()
    });
    texts.collect::<Vec<_>>().join(" ")
}

fn files(config: &Map<String, Value>) -> CheckpointFiles {
    let folder = fixtures().join("modernbert-wide/checkpoint");
    let edited = |bytes: Vec<u8>| {
        let mut fields: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
        fields.extend(config.clone());
        Value::from(fields).to_string().into_bytes()
    };
    let read = |name: &str| {
        let bytes = fs::read(folder.join(name)).ok()?;
        Some(if name == "config.json" { edited(bytes) } else { bytes })
    };
    gather(read).unwrap()
}

fn load(case: &Case) -> Reranker {
    let overrides = Overrides { document_length: Some(case.length), ..Overrides::default() };
    let device = DeviceChoice::Cpu;
    let options = LoadOptions { device, overrides, ..LoadOptions::default() };
    block_on(Reranker::load(files(&case.config), &options, &mut Unobserved)).unwrap()
}

#[test]
fn every_hidden_state_of_a_long_text_agrees_with_the_reference() {
    let expected = expected();
    let text = text(expected.paragraphs);
    let bytes = fs::read(fixtures().join("long-texts/expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let reference = |name: String| -> Vec<f32> {
        let values = tensors.tensor(&name).unwrap().data().chunks_exact(4);
        values.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    for (index, case) in expected.cases.iter().enumerate() {
        let Case { length, first_ids, last_ids, id_sum, .. } = case;
        let model = load(case);
        let inspection = block_on(model.inspect(TextKind::Document, &text)).unwrap();
        let ids = &inspection.tokens.ids;
        assert_eq!(ids.len(), *length);
        assert!(ids.starts_with(first_ids) && ids.ends_with(last_ids));
        assert_eq!(ids.iter().sum::<u32>(), *id_sum);
        assert_eq!(inspection.hidden_states.len(), 2);
        for (layer, state) in inspection.hidden_states.iter().enumerate() {
            let width = state.len() / length;
            let row = |row: &isize| {
                let row = row.rem_euclid(*length as isize) as usize;
                state[row * width..(row + 1) * width].to_vec()
            };
            let rows: Vec<f32> = expected.rows.iter().flat_map(row).collect();
            let mut mean = vec![0.0f64; width];
            for row in state.chunks_exact(width) {
                mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
            }
            let mean: Vec<f32> = mean.iter().map(|sum| (sum / *length as f64) as f32).collect();
            for (what, found) in [("rows", rows), ("mean", mean)] {
                let worst =
                    common::difference(&found, &reference(format!("{index}.{layer}.{what}")));
                assert!(worst < TOLERANCE, "{what} of layer {layer} in case {index}: {worst}");
            }
        }
    }
}

/// As a whole a text is encoded in steps, beside others in batches, and explained to its end.
#[test]
fn a_long_text_is_ranked_and_explained_to_its_end() {
    let expected = expected();
    let text = text(expected.paragraphs);
    let model = load(&expected.cases[0]);
    let options = RerankOptions { explain: true, ..RerankOptions::default() };
    let documents = ["oil", text.as_str(), "war"];
    let query = "the price of oil in 1973, and what came of it";
    let output = block_on(model.rerank(query, &documents, &options, &mut Unobserved)).unwrap();
    let place = output.results.iter().position(|result| result.index == 1).unwrap();
    let alone = block_on(model.explain(query, &text, LongDocuments::Cut, &mut Unobserved)).unwrap();
    assert_eq!(output.explanations[place], alone);
    assert!(alone.truncated);
    let end = alone.matches.iter().filter_map(|found| Some(found.document.range?.1)).max();
    assert!(end.unwrap() > text.len() / 8, "{end:?}");
}
