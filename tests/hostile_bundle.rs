//! Damaged and hostile bundles: each is refused with an error that names the culprit, and nothing panics, whatever the
//! bytes.

mod common;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use common::Fixture;
use common::crafted::{Crafted, MANIFEST, Raw, SHARD, converted, f32_tensor};
use pollster::block_on;
use proptest::prelude::*;
use safetensors::Dtype as Stored;
use serde_json::{Value, json};
use tabrank::{CheckpointFiles, Dtype, Error, LoadOptions, Reranker, Unobserved};

static PYLATE: LazyLock<[Crafted; 4]> = LazyLock::new(|| {
    let files = Fixture::read("pylate").files;
    Dtype::ALL.map(|dtype| Crafted::new(converted(&files, dtype)))
});

fn bundle(dtype: Dtype) -> Crafted {
    let place = Dtype::ALL.iter().position(|&other| other == dtype).unwrap();
    PYLATE[place].clone()
}

fn outcome(bundle: &Crafted) -> Result<(), Error> {
    let files = bundle.open()?;
    block_on(Reranker::load(files, &LoadOptions::default(), &mut Unobserved)).map(|_| ())
}

/// The error must carry `code` and mention `culprit`.
fn check(bundle: &Crafted, code: &str, culprit: &str) {
    let error = outcome(bundle).expect_err("the bundle was taken");
    let text = error.to_string();
    assert_eq!(error.code(), code, "{text}");
    assert!(text.contains(culprit), "{text:?} does not mention {culprit:?}");
}

#[test]
fn manifests_are_refused_by_field() {
    type Change = fn(&mut Value);
    let cases: &[(Change, &str)] = &[
        (|m| m["format"] = json!("zip"), "format"),
        (|m| m["format"] = Value::Null, "format"),
        (|m| m["version"] = json!(1.0), "version"),
        (|m| m["version"] = json!("1"), "version"),
        (|m| m["version"] = json!("1.x"), "version"),
        (|m| m["dtype"] = json!("q5"), "dtype"),
        (|m| m["dtype"] = json!("q4"), "dtype is q4, and no matrix"),
        (|m| m["source"] = json!("here"), "source"),
        (|m| m["source"]["license"] = json!(["mit"]), "source.license"),
        (|m| m["files"] = json!({}), "files"),
        (|m| m["weights"] = Value::Null, "weights"),
        (|m| m["files"][1] = json!(3), "files[1]"),
        (|m| m["files"][1]["name"] = json!(3), "files[1].name"),
        (|m| m["files"][1]["name"] = m["files"][0]["name"].clone(), "files[1].name"),
        (|m| m["files"][1]["name"] = json!("tabrank.json"), "files[1].name"),
        (|m| m["files"][1]["name"] = json!("a.safetensors"), "files[1].name"),
        (|m| m["weights"][0]["name"] = json!("weights.bin"), "weights[0].name"),
        (|m| m["weights"][0]["bytes"] = json!(-1), "weights[0].bytes"),
        (|m| m["weights"][0]["bytes"] = json!(1.5), "weights[0].bytes"),
        (|m| m["weights"][0]["bytes"] = json!((16 << 20) + 1), "weights[0].bytes"),
        (|m| m["weights"][0]["sha256"] = json!("A".repeat(64)), "weights[0].sha256"),
        (|m| m["weights"][0]["sha256"] = json!("a".repeat(63)), "weights[0].sha256"),
        (|m| m["files"][1]["bytes"] = json!(u64::MAX), "files have"),
        (|m| *m = json!([]), "manifest"),
    ];
    for (change, field) in cases {
        check(&bundle(Dtype::Q8).manifest(change), "BUNDLE_INVALID", field);
    }
    let newer = bundle(Dtype::Q8).manifest(|m| m["version"] = json!("4.0"));
    check(&newer, "BUNDLE_VERSION", "4.0");
    check(&newer, "BUNDLE_VERSION", "tabrank convert");
}

#[test]
fn a_bundle_s_own_overrides_are_refused_by_field() {
    let with = |version: &'static str, overrides: Value| {
        bundle(Dtype::Q8).manifest(|m| {
            m["version"] = json!(version);
            m["overrides"] = overrides;
        })
    };
    // A reader of the first version would pass them over.
    check(
        &with("1.0", json!({"query_length": 8})),
        "BUNDLE_INVALID",
        "overrides needs version 2.0",
    );
    for (overrides, field) in [
        (json!([]), "overrides is"),
        (json!({"query_maxlen": 8}), "overrides is"),
        (json!({"query_length": -1}), "overrides is"),
        (json!({"query_length": "8"}), "overrides is"),
        (json!({"skiplist_words": [1]}), "overrides is"),
        (json!({"query_length": 0}), "overrides.query_length is 0"),
        (json!({"query_length": 1_000}), "overrides.query_length is 1000"),
        (json!({"document_length": u64::MAX}), "overrides.document_length"),
        (json!({"document_length": 2}), "overrides.document_length"),
        (json!({"query_prefix": "[absent] "}), "overrides.query_prefix"),
        (json!({"expansion_token": "absent"}), "overrides.expansion_token"),
    ] {
        check(&with("2.0", overrides), "BUNDLE_INVALID", field);
    }
}

#[test]
fn manifests_that_readers_could_disagree_on_are_refused() {
    let manifest = String::from_utf8(bundle(Dtype::Q8).files[MANIFEST].clone()).unwrap();
    let twice = manifest.replacen('{', "{\"dtype\":\"q4\",", 1);
    let inner = manifest.replacen("\"name\"", "\"bytes\":1,\"name\"", 1);
    let nested =
        manifest.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(40), "]".repeat(40)), 1);
    let endless = "[".repeat(100_000);
    let large = manifest.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(1 << 20)), 1);
    for (text, culprit) in [
        (twice, "dtype"),
        (inner, "bytes"),
        (nested, "deep"),
        (endless, "deep"),
        (large, "at most"),
        (format!("{manifest}{{}}"), "trailing"),
        ("<!doctype html>".to_owned(), "manifest"),
        (String::new(), "manifest"),
    ] {
        let mut crafted = bundle(Dtype::Q8);
        crafted.files.insert(MANIFEST.to_owned(), text.into_bytes());
        check(&crafted, "BUNDLE_INVALID", culprit);
    }
}

#[test]
fn names_outside_the_folder_are_refused() {
    for name in ["../a.json", "/a.json", "https://a/b.json", "a\\b", "data:,a", "a/./b", "", "a b"]
    {
        let crafted = bundle(Dtype::Q8).manifest(|m| m["files"][0]["name"] = json!(name));
        check(&crafted, "CHECKPOINT_INVALID", "not the name of a file");
    }
}

#[test]
fn files_that_are_not_the_listed_ones_are_refused_before_they_are_read() {
    let replaced = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut crafted = bundle(Dtype::Q8);
        change(crafted.files.get_mut(name).unwrap());
        crafted
    };
    for name in [SHARD, "config.json", "tokenizer.json"] {
        let flipped = replaced(name, &|bytes| bytes[100] ^= 1);
        check(&flipped, "INTEGRITY_FAILED", name);
        check(&flipped, "INTEGRITY_FAILED", "sha256");
        let cut = replaced(name, &|bytes| bytes.truncate(50));
        check(&cut, "INTEGRITY_FAILED", "found 50 bytes");
        let page = replaced(name, &|bytes| *bytes = b"<!doctype html>".to_vec());
        check(&page, "INTEGRITY_FAILED", name);
        let mut gone = bundle(Dtype::Q8);
        gone.files.remove(name);
        check(&gone, "CHECKPOINT_INVALID", name);
    }
    let mut files = CheckpointFiles::new();
    files.insert(MANIFEST, bundle(Dtype::Q8).files[MANIFEST].clone()).unwrap();
    let error = files.insert("more.json", b"{}".to_vec()).unwrap_err();
    assert_eq!(error.code(), "BUNDLE_INVALID");
}

#[test]
fn shards_that_are_no_safetensors_are_refused() {
    let whole = |bytes: Vec<u8>| bundle(Dtype::Q8).file(SHARD, bytes);
    check(&whole(b"\x80\x02}q\x00.".to_vec()), "CHECKPOINT_INVALID", SHARD);
    check(&whole(Vec::new()), "CHECKPOINT_INVALID", SHARD);
    let endless = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    check(&whole(endless), "CHECKPOINT_INVALID", "header");
    check(&bundle(Dtype::Q8).shard(|b| b.truncate(b.len() - 1)), "CHECKPOINT_INVALID", SHARD);
    check(&bundle(Dtype::Q8).shard(|b| b.push(0)), "CHECKPOINT_INVALID", SHARD);
    const NORM: &str = "embeddings.LayerNorm.weight";
    let header = |change: fn(&mut Value)| bundle(Dtype::Q8).header(change);
    outcome(&header(|h| h["__metadata__"] = json!({"harmless": "x"}))).unwrap();
    let changes: &[fn(&mut Value)] = &[
        |h| h[NORM]["shape"] = json!([1u64 << 62, 4]),
        |h| h[NORM]["shape"] = json!([33]),
        |h| h[NORM]["shape"] = json!([-1]),
        |h| h[NORM]["data_offsets"][1] = json!(u64::MAX),
        |h| h[NORM]["data_offsets"][0] = json!(1),
        |h| h[NORM]["dtype"] = json!("I32x"),
    ];
    for change in changes {
        check(&header(*change), "CHECKPOINT_INVALID", SHARD);
    }
}

type Change = fn(&mut BTreeMap<String, Raw>);

const QUERY: &str = "encoder.layer.0.attention.self.query.weight";
const WORDS: &str = "embeddings.word_embeddings.weight";
const NORM: &str = "embeddings.LayerNorm.bias";

fn get<'a>(tensors: &'a mut BTreeMap<String, Raw>, name: &str) -> &'a mut Raw {
    tensors.get_mut(name).unwrap()
}

fn set_f32(raw: &mut Raw, place: usize, value: f32) {
    raw.2[4 * place..4 * place + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn tensors_of_another_set_type_or_range_are_refused_by_name() {
    let (scale, equalizer) = (format!("{QUERY}.scale"), format!("{QUERY}.equalizer"));
    let cases: &[(Dtype, Change, &str)] = &[
        (Dtype::Q8, |t| drop(t.remove(NORM)), NORM),
        (Dtype::Q8, |t| drop(t.remove(&format!("{QUERY}.scale"))), &scale),
        (Dtype::Q8, |t| drop(t.insert("evil".to_owned(), f32_tensor(vec![1], &[0.0]))), "evil"),
        (
            Dtype::F32,
            |t| drop(t.insert(format!("{QUERY}.scale"), f32_tensor(vec![32], &[1.0; 32]))),
            &scale,
        ),
        (
            Dtype::Q8,
            |t| drop(t.insert(format!("{WORDS}.equalizer"), f32_tensor(vec![32], &[1.0; 32]))),
            WORDS,
        ),
        (Dtype::Q8, |t| get(t, NORM).1 = vec![1, 32], NORM),
        (Dtype::Q8, |t| get(t, NORM).1 = vec![1, 1, 32], "rank 3"),
        (Dtype::Q8, |t| get(t, NORM).0 = Stored::I32, "I32"),
        (Dtype::Q8, |t| drop(t.insert(NORM.to_owned(), (Stored::I8, vec![32], vec![0; 32]))), NORM),
        (Dtype::Q8, |t| drop(t.insert("x".to_owned(), (Stored::I8, vec![0], vec![]))), "nothing"),
        (Dtype::Q8, |t| get(t, QUERY).1 = vec![16, 64], QUERY),
        (Dtype::Q8, |t| get(t, QUERY).2[5] = 64, QUERY),
        (Dtype::Q8, |t| get(t, QUERY).2[5] = 192, QUERY),
        (Dtype::Q8, |t| get(t, WORDS).2[5] = 128, WORDS),
        (Dtype::Q8, |t| set_f32(get(t, &format!("{QUERY}.scale")), 3, f32::NAN), &scale),
        (Dtype::Q8, |t| set_f32(get(t, &format!("{QUERY}.scale")), 3, -1.0), &scale),
        (
            Dtype::Q8,
            |t| set_f32(get(t, &format!("{QUERY}.equalizer")), 3, f32::INFINITY),
            &equalizer,
        ),
        (Dtype::Q8, |t| get(t, &format!("{QUERY}.scale")).1 = vec![32, 1], &scale),
        (
            Dtype::Q8,
            |t| drop(t.insert(QUERY.to_owned(), f32_tensor(vec![32, 32], &[0.0; 1024]))),
            QUERY,
        ),
        (Dtype::Q8, |t| get(t, QUERY).0 = Stored::U8, QUERY),
        (Dtype::Q4, |t| get(t, QUERY).1 = vec![16, 32], QUERY),
        (
            Dtype::Q4,
            |t| get(t, &format!("{QUERY}.scale")).2[..2].copy_from_slice(&[0, 0x7c]),
            &scale,
        ),
        (Dtype::F16, |t| get(t, QUERY).2[..2].copy_from_slice(&[0, 0x7e]), QUERY),
        (Dtype::F32, |t| set_f32(get(t, QUERY), 0, f32::NAN), QUERY),
    ];
    for (place, (dtype, change, culprit)) in cases.iter().enumerate() {
        let error = outcome(&bundle(*dtype).tensors(change)).expect_err("the bundle was taken");
        let text = error.to_string();
        assert!(["BUNDLE_INVALID", "CHECKPOINT_INVALID"].contains(&error.code()), "{text}");
        assert!(text.contains(culprit), "case {place}: {text:?} does not mention {culprit:?}");
    }
}

#[test]
fn scales_of_blocks_of_another_shape_type_or_range_are_refused_by_name() {
    const NAME: &str = "layers.0.attn.Wqkv.weight.scale";
    let bundle = Crafted::new(converted(&Fixture::read("modernbert-wide").files, Dtype::Q8));
    outcome(&bundle).expect("as it is, it is taken");
    let set = |half: [u8; 2]| move |raw: &mut Raw| raw.2[6..8].copy_from_slice(&half);
    let cases: &[&dyn Fn(&mut Raw)] = &[
        // Infinite, negative infinite, and no number.
        &set([0x00, 0x7c]),
        &set([0x00, 0xfc]),
        &set([0x01, 0x7e]),
        &|raw| raw.1 = vec![raw.1[0] * raw.1[1]],
        &|raw| raw.1.reverse(),
        &|raw| raw.1 = vec![raw.1[0] / 2, raw.1[1] * 2],
        &|raw| *raw = (Stored::F16, vec![raw.1[0]], raw.2[..2 * raw.1[0]].to_vec()),
        &|raw| *raw = (Stored::F16, vec![raw.1[0], 1], raw.2[..2 * raw.1[0]].to_vec()),
        &|raw| *raw = f32_tensor(raw.1.clone(), &vec![0.01; raw.1[0] * raw.1[1]]),
        &|raw| *raw = f32_tensor(vec![raw.1[0]], &vec![f32::NAN; raw.1[0]]),
        &|raw| *raw = f32_tensor(vec![raw.1[0]], &vec![-0.01; raw.1[0]]),
        &|raw| *raw = (Stored::U8, vec![raw.1[0], 2 * raw.1[1]], raw.2.clone()),
        &|raw| raw.0 = Stored::BF16,
    ];
    for (place, change) in cases.iter().enumerate() {
        let error = outcome(&bundle.clone().tensors(|tensors| change(get(tensors, NAME))))
            .err()
            .unwrap_or_else(|| panic!("case {place}: the bundle was taken"));
        let text = error.to_string();
        assert!(["BUNDLE_INVALID", "CHECKPOINT_INVALID"].contains(&error.code()), "{text}");
        assert!(text.contains(NAME), "case {place}: {text:?}");
    }
    let error = outcome(&bundle.tensors(|tensors| drop(tensors.remove(NAME)))).unwrap_err();
    assert!(error.to_string().contains(NAME), "{error}");
}

#[test]
fn at_most_ten_missing_tensors_are_listed() {
    let error = outcome(&bundle(Dtype::Q8).tensors(BTreeMap::clear)).unwrap_err();
    let Error::BundleTensors { missing, extra } = error else { panic!("{error}") };
    assert_eq!((missing.len(), extra.len()), (10, 0));
}

#[test]
fn a_configuration_of_another_model_is_refused() {
    let config = |field: &str, value: Value| {
        let crafted = bundle(Dtype::Q8);
        let mut config: Value = serde_json::from_slice(&crafted.files["config.json"]).unwrap();
        config[field] = value;
        crafted.file("config.json", config.to_string().into_bytes())
    };
    check(&config("num_hidden_layers", json!(1)), "BUNDLE_INVALID", "encoder.layer.1");
    check(&config("num_hidden_layers", json!(3)), "BUNDLE_INVALID", "encoder.layer.2");
    check(&config("vocab_size", json!(100_000)), "CHECKPOINT_INVALID", WORDS);
    check(&config("hidden_size", json!(1_000_000_000)), "CHECKPOINT_UNSUPPORTED", "hidden_size");
}

/// The rows of a cut tensor, under names that do not fit together.
#[test]
fn parts_of_a_tensor_follow_each_other() {
    let parts = |names: [&str; 2], widths: [usize; 2]| {
        bundle(Dtype::Q8).tensors(|tensors| {
            let (dtype, _, bytes) = tensors.remove(WORDS).unwrap();
            let half = bytes.len() / 2;
            for (name, (width, bytes)) in names.iter().zip(widths.iter().zip(bytes.chunks(half))) {
                let shape = vec![half / width, *width];
                tensors.insert(format!("{WORDS}{name}"), (dtype, shape, bytes.to_vec()));
            }
        })
    };
    let rows = bundle(Dtype::Q8).open().unwrap().tensors().unwrap();
    let rows = rows.iter().find(|tensor| tensor.name == WORDS).unwrap().shape[0];
    let (half, all) = (rows / 2, rows);
    let (first, second) = (format!("[0:{half}]"), format!("[{half}:{all}]"));
    outcome(&parts([&first, &second], [32, 32])).unwrap();
    let late = format!("[{}:{}]", half + 1, all + 1);
    for (names, widths, culprit) in [
        ([first.as_str(), late.as_str()], [32, 32], "rows"),
        ([&late, &second], [32, 32], "rows"),
        ([&first, &format!("[{half}:{}]", all + 1)], [32, 32], "rows"),
        ([&first, &format!("[{all}:{half}]")], [32, 32], "rows"),
        ([&first, &format!("[{half}:{}]", all + half)], [32, 16], "widths"),
        ([&first, ""], [32, 32], "twice"),
    ] {
        check(&parts(names, widths), "BUNDLE_INVALID", culprit);
    }
    for name in ["[1:x]".to_owned(), format!("[0{half}:{all}]"), format!("[+{half}:{all}]")] {
        assert!(outcome(&parts([&first, &name], [32, 32])).is_err(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_files_never_panic(file in 0..3usize, bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let mut crafted = bundle(Dtype::Q4);
        if file == 0 {
            crafted.files.insert(MANIFEST.to_owned(), bytes);
        } else {
            crafted = crafted.file(["config.json", SHARD][file - 1], bytes);
        }
        prop_assert!(outcome(&crafted).is_err());
    }

    #[test]
    fn flipped_bytes_of_manifests_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut crafted = bundle(Dtype::Q8);
        let manifest = crafted.files.get_mut(MANIFEST).unwrap();
        let at = at.index(manifest.len());
        manifest[at] = byte;
        let _ = outcome(&crafted);
    }

    /// The header is what a reader trusts, so half of the flips hit it.
    #[test]
    fn flipped_bytes_of_hashed_shards_never_panic(
        dtype in 0..4usize, header in any::<bool>(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let crafted = bundle(Dtype::ALL[dtype]).shard(|bytes| {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize + 8;
            let at = at.index(if header { length } else { bytes.len() });
            bytes[at] = byte;
        });
        let _ = outcome(&crafted);
    }
}
