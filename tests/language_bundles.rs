//! Bundles of the language models that read pages: what they compute is what their checkpoints do, in every type of weights, with an
//! adapter merged, and pages need shards that texts do without.

mod common;

use std::collections::BTreeMap;

use common::crafted::{
    Crafted, MANIFEST, PAGES, Raw, converted, f32_tensor, read_tensors, write_tensors,
};
use common::language::{Case, MODELS, inspect, inspect_page};
use common::{difference, load, load_with};
use half::f16;
use pollster::block_on;
use safetensors::Dtype as Stored;
use serde_json::{Value, json};
use tabrank::{CheckpointFiles, Dtype, Overrides, PageOptions, Unobserved};

/// A bundle of a model's own folder, with what only pages need.
fn bundle(case: &Case, dtype: Dtype) -> Crafted {
    let mut files = case.files(&["checkpoint"]);
    files.take_pages();
    Crafted::new(converted(&files, dtype))
}

/// The mean cosine of vectors.
fn cosine(found: &[f32], expected: &[f32], width: usize) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let rows = found.chunks_exact(width).zip(expected.chunks_exact(width));
    let cosine = |(a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let cosines: Vec<f32> = rows.map(cosine).collect();
    cosines.iter().sum::<f32>() / cosines.len() as f32
}

fn mean_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    apart.sum::<f32>() / expected.len() as f32
}

/// An adapter is merged, and what the bundle computes of queries and pages is what its checkpoint does, as far as its type goes.
#[test]
fn a_bundle_computes_what_its_checkpoint_does() {
    for model in MODELS {
        let case = Case::read(model);
        for saves in [&["checkpoint"][..], &["adapter", "engine"]] {
            let mut files = case.files(saves);
            files.take_pages();
            let query = &case.expected.queries[2].text;
            let checkpoint = load(&files);
            let own = inspect(&checkpoint, query);
            let own_page = inspect_page(&checkpoint, &case.picture(0));
            let types = [
                (Dtype::F32, 1e-6, [0.999_999; 2]),
                (Dtype::F16, 1e-3, [0.999_999, 0.9999]),
                (Dtype::Q8, 0.05, [0.99, 0.9]),
                (Dtype::Q4, 0.2, [0.9, 0.5]),
            ];
            for (dtype, tolerance, [features, vectors]) in types {
                let bundle = Crafted::new(converted(&files, dtype));
                let bundle = bundle.open_taking(CheckpointFiles::take_pages).unwrap();
                assert!(bundle.get("adapter_config.json").is_none());
                let names: Vec<_> = bundle.tensors().unwrap();
                assert!(names.iter().all(|tensor| !tensor.name.contains("lora_")));
                let bundle = load(&bundle);
                let found = inspect(&bundle, query);
                assert_eq!(found.tokens, own.tokens);
                let mean = mean_difference(found.embeddings.values(), own.embeddings.values());
                assert!(mean < tolerance, "{model} {saves:?} {}: {mean}", dtype.name());
                let page = inspect_page(&bundle, &case.picture(0));
                assert_eq!(page.tokens, own_page.tokens);
                let (found, own) = (&page.page.embeddings, &own_page.page.embeddings);
                let width = own_page.features.len() / own_page.page.places().len();
                let near = [
                    cosine(&page.features, &own_page.features, width),
                    cosine(found.values(), own.values(), own.dimension()),
                ];
                println!("{model} {saves:?} {}: {near:?}", dtype.name());
                let is_near = near[0] > features && near[1] > vectors;
                assert!(is_near, "page of {model} {saves:?} {}: {near:?}", dtype.name());
            }
        }
    }
}

#[test]
fn texts_need_no_shard_of_pages_and_pages_can_come_later() {
    for model in MODELS {
        let case = Case::read(model);
        let (whole, picture) = (bundle(&case, Dtype::Q8), case.picture(0));
        let mut texts = whole.clone();
        texts.files.remove(PAGES);
        let mut reranker = load(&texts.open().unwrap());
        assert!(!reranker.reads_pages());
        let options = PageOptions::default();
        let error = block_on(reranker.encode_page(&picture, options, &mut Unobserved)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pages cannot be encoded yet: what the model needs for it was not loaded"
        );
        let strange = bundle(&case, Dtype::F16).open_taking(CheckpointFiles::take_pages_alone);
        let error = block_on(reranker.load_pages(&strange.unwrap(), &mut Unobserved)).unwrap_err();
        assert_eq!(error.to_string(), "files are not those that the model was loaded from");
        let mut pages = whole.clone();
        pages.files.retain(|name, _| !name.starts_with("weights-"));
        let pages = pages.open_taking(CheckpointFiles::take_pages_alone).unwrap();
        block_on(reranker.load_pages(&pages, &mut Unobserved)).unwrap();
        let both = load(&whole.open_taking(CheckpointFiles::take_pages).unwrap());
        let encoded = |reranker| inspect_page(reranker, &picture).page;
        assert_eq!(encoded(&reranker), encoded(&both));
    }
}

#[test]
fn what_only_pages_need_is_left_out_where_it_is_not_wanted() {
    for model in MODELS {
        let case = Case::read(model);
        let with = bundle(&case, Dtype::F32);
        let without = Crafted::new(converted(&case.files(&["checkpoint"]), Dtype::F32));
        assert!(!without.files.contains_key(PAGES));
        let manifest = |bundle: &Crafted| -> Value {
            serde_json::from_slice(&bundle.files[MANIFEST]).unwrap()
        };
        assert_eq!(manifest(&without)["pages"], Value::Null);
        assert_eq!(manifest(&with)["pages"][0]["name"], PAGES);
        assert_eq!(manifest(&with)["embedding_id"], manifest(&without)["embedding_id"]);
        let reranker = load(&without.open_taking(CheckpointFiles::take_pages).unwrap());
        assert!(!reranker.reads_pages());
        // A save of the text tower alone is converted all the same.
        let mut files = case.files(&["checkpoint"]);
        let mut tensors = read_tensors(files.get("model.safetensors").unwrap());
        tensors.retain(|name, _| !name.contains("vision_tower") && !name.contains("visual"));
        files.insert("model.safetensors", write_tensors(&tensors)).unwrap();
        files.take_pages();
        assert!(!Crafted::new(converted(&files, Dtype::F32)).files.contains_key(PAGES));
    }
}

/// Modules of the parts that see pages, by their names in colpali-engine's folders and adapters.
const SEEING: [&[&str]; 2] = [
    &[
        "model.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj",
        "model.vision_tower.vision_model.encoder.layers.1.mlp.fc2",
        "model.multi_modal_projector.linear",
    ],
    &["visual.blocks.0.attn.qkv", "visual.blocks.1.mlp.fc1", "visual.merger.mlp.2"],
];
const RANK: usize = 4;
/// `lora_alpha` over `r`, of the adapters' settings.
const SCALE: f64 = 2.0;

fn f32s(raw: &Raw) -> Vec<f32> {
    let halves = raw.2.chunks_exact(2).map(|b| f16::from_le_bytes(b.try_into().unwrap()).to_f32());
    match raw.0 {
        Stored::F16 => halves.collect(),
        _ => common::crafted::floats(raw),
    }
}

/// Some numbers, the same each time.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|place| ((place * 37 + seed * 11) % 101) as f32 / 200.0 - 0.25).collect()
}

/// An adapter of the modules, and the tensors that it makes of the base model's.
fn adapted(modules: &[&str], base: &BTreeMap<String, Raw>) -> [BTreeMap<String, Raw>; 2] {
    let (mut adapter, mut merged) = (BTreeMap::new(), base.clone());
    for (seed, module) in modules.iter().enumerate() {
        let name = format!("{module}.weight");
        let shape = base[&name].1.clone();
        let (a, b) = (numbers(RANK * shape[1], seed), numbers(shape[0] * RANK, seed + 50));
        let mut values = f32s(&base[&name]);
        for (row, values) in values.chunks_exact_mut(shape[1]).enumerate() {
            for (column, value) in values.iter_mut().enumerate() {
                let product =
                    |r| f64::from(b[row * RANK + r]) * f64::from(a[r * shape[1] + column]);
                let sum: f64 = (0..RANK).map(product).sum();
                *value = (f64::from(*value) + SCALE * sum) as f32;
            }
        }
        let part = |part: &str| format!("base_model.model.{module}.lora_{part}.weight");
        adapter.insert(part("A"), f32_tensor(vec![RANK, shape[1]], &a));
        adapter.insert(part("B"), f32_tensor(vec![shape[0], RANK], &b));
        merged.insert(name, f32_tensor(shape, &values));
    }
    [adapter, merged]
}

/// Against the same sums made by hand.
#[test]
fn an_adapter_of_the_tower_that_sees_is_merged_in_f32() {
    for (model, modules) in MODELS.into_iter().zip(SEEING) {
        let case = Case::read(model);
        let taking = |saves: &[&str]| {
            let mut files = case.files(saves);
            files.take_pages();
            files
        };
        let base = taking(&["engine"]);
        let own = read_tensors(base.get("model.safetensors").unwrap());
        let [adapter, merged] = adapted(modules, &own);
        let mut by_hand = base.clone();
        by_hand.insert("model.safetensors", write_tensors(&merged)).unwrap();
        let mut beside = taking(&["adapter", "engine"]);
        beside.insert("adapter_model.safetensors", write_tensors(&adapter)).unwrap();
        let bundle = Crafted::new(converted(&beside, Dtype::F32));
        let bundle = bundle.open_taking(CheckpointFiles::take_pages).unwrap();
        let picture = case.picture(0);
        let [found, expected, plain] =
            [&bundle, &by_hand, &base].map(|files| inspect_page(&load(files), &picture));
        assert!(difference(&found.features, &expected.features) < 1e-4, "{model}");
        let rows = |page: &tabrank::PageInspection| page.page.embeddings.values().to_vec();
        assert!(difference(&rows(&found), &rows(&expected)) < 1e-4, "{model}");
        assert!(difference(&plain.features, &expected.features) > 0.1, "{model}");
    }
}

/// What the shards for pages hold is held against what the settings call for, before anything is computed.
#[test]
fn page_shards_that_are_not_what_is_called_for_are_named() {
    type Change = fn(&mut BTreeMap<String, Raw>);
    let refusal = |bundle: &Crafted| {
        let files = bundle.open_taking(CheckpointFiles::take_pages);
        let loaded = files.and_then(|files| load_with(&files, Overrides::default()));
        let error = loaded.map(drop).expect_err("the bundle was taken");
        format!("{}: {error}", error.code())
    };
    let changes: [(Change, &str); 4] = [
        (|tensors| drop(tensors.pop_first()), "BUNDLE_INVALID"),
        (|tensors| drop(tensors.insert("more".to_owned(), f32_tensor(vec![1], &[1.0]))), "more"),
        (
            |tensors| {
                let last = tensors.keys().last().unwrap().clone();
                tensors.insert(last, f32_tensor(vec![3, 2], &[1.0; 6]));
            },
            "[3, 2]",
        ),
        (
            |tensors| {
                let (_, (_, _, bytes)) =
                    tensors.iter_mut().find(|(_, raw)| raw.0 == Stored::I8).unwrap();
                bytes[0] = 0x80;
            },
            "beyond ±63",
        ),
    ];
    for model in MODELS {
        let whole = bundle(&Case::read(model), Dtype::Q8);
        for (change, culprit) in changes {
            let found = refusal(&whole.clone().page_tensors(change));
            assert!(found.contains(culprit), "{model}: {found}, not {culprit}");
        }
        let mut absent = whole.clone();
        absent.files.remove(PAGES);
        assert!(refusal(&absent).contains(PAGES));
        let mut damaged = whole.clone();
        *damaged.files.get_mut(PAGES).unwrap().last_mut().unwrap() ^= 1;
        assert!(refusal(&damaged).contains("sha256"));
        let large = whole.clone().manifest(|m| m["pages"][0]["bytes"] = json!((16 << 20) + 1));
        assert!(refusal(&large).contains("pages[0].bytes"));
        let twice =
            whole.clone().manifest(|m| m["pages"][0]["name"] = m["weights"][0]["name"].clone());
        assert!(refusal(&twice).contains("pages[0].name"));
        let swapped = whole.clone().manifest(|m| m["pages"] = m["weights"].take());
        assert!(refusal(&swapped).starts_with("BUNDLE_INVALID"));
        // Settings of another tower call for other tensors.
        let mut config: Value = serde_json::from_slice(&whole.files["config.json"]).unwrap();
        let vision = &mut config["vlm_config"]["vision_config"];
        let depth = if model == "colpali" { "num_hidden_layers" } else { "depth" };
        vision[depth] = json!(40);
        let deeper = whole.clone().file("config.json", config.to_string().into_bytes());
        assert!(refusal(&deeper).starts_with("BUNDLE_INVALID"), "{}", refusal(&deeper));
    }
}
