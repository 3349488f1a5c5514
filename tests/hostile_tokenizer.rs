//! Damaged and hostile tokenizer files: each is refused at once, with an error that names the culprit, or does no harm.

mod common;

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use common::Fixture;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tabrank::text::tokenizer::Tokenizer;
use tabrank::{CheckpointFiles, Error, ModelConfig, TextKind};

const FILE: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";

/// Which class the checkpoint names: the general one takes `tokenizer.json` as it stands.
#[derive(Clone, Copy)]
enum Class {
    General,
    Bert,
}
use Class::{Bert, General};

/// A plain checkpoint with changes to `tokenizer.json`.
fn changed(class: Class, change: impl FnOnce(&mut Value)) -> CheckpointFiles {
    let mut files = Fixture::read("plain").files;
    let mut value: Value = serde_json::from_slice(files.get(FILE).unwrap()).unwrap();
    change(&mut value);
    files.insert(FILE, value.to_string().into_bytes()).unwrap();
    if let General = class {
        set(&mut files, CONFIG, &json!({"tokenizer_class": "PreTrainedTokenizerFast"}));
    }
    files
}

fn set(files: &mut CheckpointFiles, name: &str, value: &Value) {
    files.insert(name, value.to_string().into_bytes()).unwrap();
}

fn load(files: &CheckpointFiles) -> Result<Tokenizer, Error> {
    Tokenizer::load(files, &ModelConfig::from_files(files)?, &mut Vec::new())
}

/// Makes a token of the vocabulary an added one, under another name.
fn add(tokenizer: &mut Value, content: &str, [lstrip, rstrip]: [bool; 2]) {
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
    let (name, id) = vocabulary
        .iter()
        .rfind(|(name, _)| name.starts_with("##"))
        .map(|(n, id)| (n.clone(), id.clone()))
        .unwrap();
    vocabulary.shift_remove(&name);
    vocabulary.insert(content.to_owned(), id.clone());
    tokenizer["added_tokens"].as_array_mut().unwrap().push(json!({
        "id": id, "content": content, "normalized": true, "special": false, "single_word": false,
        "lstrip": lstrip, "rstrip": rstrip,
    }));
}

/// Added tokens in any number.
fn many(tokenizer: &mut Value, count: usize, content: impl Fn(usize) -> String) {
    let token = |n: usize| json!({"id": 592 + n, "content": content(n)});
    tokenizer["added_tokens"] = (0..count).map(token).collect();
}

fn nested(depth: usize, name: &str) -> Value {
    (0..depth)
        .fold(json!({"type": "Lowercase"}), |inner, _| json!({"type": "Sequence", name: [inner]}))
}

type Change = fn(&mut Value);

/// Each with what the error names.
const REFUSED: &[(Class, Change, &str)] = &[
    // Templates.
    (
        General,
        |t| t["post_processor"]["single"][0]["SpecialToken"]["id"] = json!("[ABSENT]"),
        "[ABSENT]",
    ),
    (General, |t| t["post_processor"]["single"] = json!([]), "post_processor"),
    (
        General,
        |t| t["post_processor"]["single"] = json!([{"Sequence": {"id": "A", "type_id": 0}}]),
        "post_processor",
    ),
    (
        General,
        |t| t["post_processor"]["single"] = json!([{"Sequence": {"id": "B", "type_id": 0}}]),
        "post_processor",
    ),
    (
        General,
        |t| {
            t["post_processor"]["single"] =
                vec![json!({"SpecialToken": {"id": "[CLS]", "type_id": 0}}); 100].into()
        },
        "100 pieces",
    ),
    (
        General,
        |t| t["post_processor"]["special_tokens"]["[CLS]"]["ids"] = vec![json!(1); 100_000].into(),
        "16 ids",
    ),
    (
        General,
        |t| t["post_processor"]["special_tokens"]["[CLS]"]["ids"] = json!([4_000_000_000u64]),
        "4000000000",
    ),
    (General, |t| t["post_processor"]["special_tokens"]["[CLS]"]["ids"] = json!([]), "16 ids"),
    (General, |t| t["post_processor"]["special_tokens"] = json!(1), "special_tokens"),
    (General, |t| t["post_processor"] = Value::Null, "post_processor"),
    (
        General,
        |t| {
            t["post_processor"] =
                json!({"type": "BertProcessing", "cls": ["[CLS]", 592], "sep": ["[SEP]", 7]})
        },
        "592",
    ),
    (
        General,
        |t| t["post_processor"] = json!({"type": "BertProcessing", "cls": [], "sep": 7}),
        "post_processor.cls",
    ),
    (General, |t| t["post_processor"] = json!({"type": "ByteLevel"}), "ByteLevel"),
    // Models.
    (
        General,
        |t| t["model"] = json!({"type": "BPE", "vocab": {"a": 0}, "merges": ["aaaa bbbb"]}),
        "WordPiece",
    ),
    (Bert, |t| t["model"] = json!({"vocab": {"a": 0}, "merges": ["aaaa bbbb"]}), "WordPiece"),
    (General, |t| t["model"] = json!({"type": "Unigram", "vocab": {}, "unk_id": 7}), "WordPiece"),
    (Bert, |t| t["model"] = Value::Null, "model"),
    (Bert, |t| t["model"]["vocab"]["evil"] = json!(4_000_000_000u64), "4000000000"),
    (Bert, |t| t["model"]["vocab"]["evil"] = json!(-1), "-1"),
    (Bert, |t| t["model"]["vocab"]["evil"] = json!(1.5), "1.5"),
    (Bert, |t| t["model"]["vocab"]["evil"] = json!({"id": 7}), "evil"),
    (Bert, |t| t["model"]["vocab"]["evil"] = json!(7), "two tokens have id 7"),
    (Bert, |t| t["model"]["vocab"]["e".repeat(5_000)] = json!(7), "4096"),
    (Bert, |t| t["model"]["vocab"] = json!([["a", 0.0]]), "model.vocab"),
    (Bert, |t| t["model"]["vocab"] = json!({}), "[UNK]"),
    (
        Bert,
        |t| {
            t["model"]["vocab"] =
                (0..300_000).map(|n| (n.to_string(), json!(n))).collect::<Map<_, _>>().into()
        },
        "592 rows",
    ),
    (General, |t| t["model"]["unk_token"] = json!("[NONE]"), "[NONE]"),
    (
        General,
        |t| t["model"]["continuing_subword_prefix"] = json!("#".repeat(40_000_000)),
        "40000000 bytes",
    ),
    (General, |t| t["model"]["max_input_chars_per_word"] = json!(1e12), "max_input_chars_per_word"),
    (General, |t| t["model"]["max_input_chars_per_word"] = json!(100_000), "100000"),
    (General, |t| t["model"]["max_input_chars_per_word"] = json!(0), "max_input_chars_per_word"),
    // Added tokens.
    (General, |t| t["added_tokens"] = json!([{"id": 3, "content": ""}]), "content"),
    (General, |t| t["added_tokens"] = json!([{"content": "[PAD]"}]), "id"),
    (General, |t| t["added_tokens"] = json!([7]), "added_tokens"),
    (Bert, |t| t["added_tokens"] = json!({"[PAD]": 7}), "added_tokens"),
    (Bert, |t| t["added_tokens"][0]["id"] = json!(580), "gap"),
    (Bert, |t| t["added_tokens"][0]["id"] = json!(u64::MAX), "gap"),
    (Bert, |t| t["added_tokens"][0]["content"] = json!("[NEW]"), "gap"),
    (Bert, |t| t["added_tokens"][0]["rstrip"] = json!("yes"), "rstrip"),
    (General, |t| add(t, "\u{200b}", [false, true]), "200b"),
    (Bert, |t| add(t, "\u{200d}", [false, false]), "200d"),
    (Bert, |t| add(t, "\u{301}\u{302}", [false, false]), "content"),
    (General, |t| add(t, "  ", [true, true]), "\"  \""),
    (
        Bert,
        |t| {
            add(t, " x", [false, false]);
            add(t, "y", [false, true]);
        },
        "\" x\"",
    ),
    (
        Bert,
        |t| {
            add(t, "É", [false, false]);
            add(t, "é", [false, false]);
        },
        "alike",
    ),
    (Bert, |t| many(t, 60_000, |n| format!("token{n}")), "60000"),
    (Bert, |t| many(t, 500, |n| n.to_string().repeat(2_000)), "1048576"),
    (Bert, |t| many(t, 10, |n| format!("token{n}")), "592 rows"),
    // Components.
    (General, |t| t["pre_tokenizer"] = json!({"type": "FixedLength", "length": 0}), "FixedLength"),
    (
        General,
        |t| t["pre_tokenizer"] = json!({"type": "Sequence", "pre_tokenizers": [{"type": "BertPreTokenizer"}], "pretokenizers": [{"type": "FixedLength", "length": 0}]}),
        "FixedLength",
    ),
    (
        General,
        |t| t["pre_tokenizer"] = json!({"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": false}),
        "Split",
    ),
    (
        General,
        |t| t["pre_tokenizer"] = json!({"type": "Metaspace", "replacement": ""}),
        "Metaspace",
    ),
    (
        General,
        |t| t["pre_tokenizer"] = json!({"type": "Punctuation", "behavior": "Explode"}),
        "Explode",
    ),
    (General, |t| t["pre_tokenizer"] = json!("BertPreTokenizer"), "pre_tokenizer"),
    (General, |t| t["pre_tokenizer"] = nested(40, "pretokenizers"), "Lowercase"),
    (
        General,
        |t| {
            t["normalizer"] =
                json!({"type": "Sequence", "normalizers": vec![json!({"type": "NFD"}); 1_000]})
        },
        "16 components",
    ),
    (
        General,
        |t| t["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": "////"}),
        "Precompiled",
    ),
    (
        General,
        |t| {
            t["normalizer"] =
                json!({"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": "x"})
        },
        "Replace",
    ),
    (
        General,
        |t| t["normalizer"] = json!({"type": "Prepend", "prepend": "x".repeat(1_000_000)}),
        "Prepend",
    ),
    (General, |t| t["normalizer"] = json!({"type": "Strip"}), "strip_left"),
    (General, |t| t["normalizer"] = json!({"type": 7}), "type"),
    (General, |t| t["normalizer"] = vec![json!(0); 1_000_000].into(), "524288"),
    // The rest.
    (Bert, |t| t["truncation"] = json!({"direction": "Up"}), "truncation.direction"),
    (Bert, |t| t["padding"] = json!({"direction": "Left"}), "padding.direction"),
    (Bert, |t| t["truncation"] = json!(3), "truncation"),
    (Bert, |t| t["version"] = json!("9.9"), "9.9"),
    (Bert, |t| t["extra"] = vec![json!([]); 1_000_000].into(), "extra"),
    (Bert, |t| *t = json!([]), "tokenizer.json"),
    (Bert, |t| *t = json!({}), "model"),
];

const HARMLESS: &[(Class, Change)] = &[
    (Bert, |t| t["pre_tokenizer"] = json!({"type": "FixedLength", "length": 0})),
    (Bert, |t| t["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": "////"})),
    (Bert, |t| t["post_processor"]["single"][0]["SpecialToken"]["id"] = json!("[ABSENT]")),
    (Bert, |t| t["post_processor"] = Value::Null),
    (Bert, |t| t["model"]["continuing_subword_prefix"] = json!("#".repeat(40_000_000))),
    (Bert, |t| t["model"]["max_input_chars_per_word"] = json!(1_000_000)),
    (General, |t| t["padding"] = json!({"strategy": {"Fixed": 100_000_000}, "direction": "Right"})),
    (General, |t| {
        t["truncation"] = json!({"max_length": 1, "strategy": "LongestFirst", "stride": 5})
    }),
    (General, |t| t["decoder"] = vec![json!([]); 1_000_000].into()),
    (General, |t| t["normalizer"] = nested(40, "normalizers")),
    (General, |t| t["normalizer"]["normalizers"] = json!([{"type": "Precompiled"}])),
    (General, |t| t["post_processor"]["pair"] = json!([])),
    (General, |t| add(t, "\u{200b}!", [true, true])),
    (General, |t| add(t, " x", [true, false])),
];

/// Longest time that a load takes, in a build without optimization on a busy machine.
const LONGEST: Duration = Duration::from_secs(5);

#[test]
fn hostile_tokenizers_are_refused() {
    let mut longest = Duration::ZERO;
    for (index, (class, change, culprit)) in REFUSED.iter().enumerate() {
        let files = changed(*class, change);
        let start = Instant::now();
        let error = load(&files).err().unwrap_or_else(|| panic!("{index}: {culprit} was taken"));
        let took = start.elapsed();
        let text = error.to_string();
        assert!(error.code().starts_with("CHECKPOINT_"), "{index}: {text}");
        assert!(text.contains(culprit), "{index}: {text:.300} does not mention {culprit:?}");
        assert!(text.len() < 1_000, "{index}: {} bytes of message", text.len());
        assert!(took < LONGEST, "{index}: {took:?} for {culprit:?}");
        longest = longest.max(took);
    }
    println!("the longest of {} refusals took {longest:?}", REFUSED.len());
}

#[test]
fn odd_tokenizers_do_no_harm() {
    for (index, (class, change)) in HARMLESS.iter().enumerate() {
        let start = Instant::now();
        let tokenizer =
            load(&changed(*class, change)).unwrap_or_else(|error| panic!("{index}: {error}"));
        let text = "oil price ".repeat(2_000);
        assert!(tokenizer.tokenize(TextKind::Document, 0, &text).unwrap().truncated, "{index}");
        assert!(start.elapsed() < LONGEST, "{index}: {:?}", start.elapsed());
    }
}

#[test]
fn hostile_files_beside_the_tokenizer_are_refused() {
    let mut many = Map::new();
    (0..60_000).for_each(|n| {
        many.insert((592 + n).to_string(), json!({"content": format!("token{n}")}));
    });
    let cases = [
        (CONFIG, json!({"added_tokens_decoder": {"x": {"content": "[NEW]"}}}), "no id"),
        (CONFIG, json!({"added_tokens_decoder": {"7": "[NEW]"}}), "7"),
        (CONFIG, json!({"added_tokens_decoder": {"7": {}}}), "content"),
        (
            CONFIG,
            json!({"added_tokens_decoder": {"1000000000000": {"content": "[NEW]"}}}),
            "tokenizer_config.json: the added token \"[NEW]\" has an id that leaves a gap",
        ),
        (CONFIG, json!({"added_tokens_decoder": {"592": {"content": "[NEW]"}}}), "592 rows"),
        (
            CONFIG,
            json!({"added_tokens_decoder": {"592": {"content": "\u{ad}", "special": false}}}),
            "content",
        ),
        (CONFIG, json!({"added_tokens_decoder": many}), "60005"),
        (CONFIG, json!({"added_tokens_decoder": 7}), "added_tokens_decoder"),
        (CONFIG, json!({"additional_special_tokens": "[NEW]"}), "additional_special_tokens"),
        (CONFIG, json!({"extra_special_tokens": [7]}), "extra_special_tokens"),
        (CONFIG, json!({"extra_special_tokens": [""]}), "content"),
        (CONFIG, json!({"extra_special_tokens": ["[NEW]"]}), "[NEW]"),
        (CONFIG, json!({"mask_token": 7}), "mask_token"),
        (
            CONFIG,
            json!({"mask_token": "[NEW]"}),
            "tokenizer_config.json: mask_token \"[NEW]\" has id 592",
        ),
        (CONFIG, json!({"cls_token": null}), "cls_token"),
        (CONFIG, json!({"unk_token": null}), "unk_token"),
        (CONFIG, json!({"tokenizer_class": "GPT2Tokenizer"}), "GPT2Tokenizer"),
        (CONFIG, json!({"truncation_side": "up"}), "truncation_side"),
        (CONFIG, json!({"padding_side": "left"}), "padding_side"),
        (CONFIG, json!({"model_max_length": -1}), "model_max_length"),
        ("special_tokens_map.json", json!({"do_lower_case": false}), "do_lower_case"),
        ("special_tokens_map.json", json!({"mask_token": {"content": 7}}), "content"),
        ("added_tokens.json", json!({"[NEW]": "592"}), "[NEW]"),
        ("added_tokens.json", json!({"[NEW]": 592}), "592 rows"),
        ("added_tokens.json", json!([]), "added_tokens.json"),
    ];
    for (index, (name, value, culprit)) in cases.iter().enumerate() {
        let mut files = Fixture::read("plain").files;
        files.insert_missing("special_tokens_map.json").unwrap();
        set(&mut files, name, value);
        let error = load(&files).err().unwrap_or_else(|| panic!("{index}: {culprit} was taken"));
        let text = error.to_string();
        assert!(error.code().starts_with("CHECKPOINT_"), "{index}: {text}");
        assert!(text.contains(culprit), "{index}: {text} does not mention {culprit:?}");
    }
}

/// A tokenizer that is full: all rows have tokens, tens of thousands of them added.
#[test]
fn a_full_tokenizer_loads() {
    let added = 20_000;
    let mut files = changed(Bert, |t| {
        many(t, added, |n| format!("token{n}x"));
        let own = [(0, "[PAD]"), (5, "[UNK]"), (6, "[CLS]"), (7, "[SEP]"), (8, "[MASK]")];
        let list = t["added_tokens"].as_array_mut().unwrap();
        list.extend(
            own.map(|(id, content)| json!({"id": id, "content": content, "special": true})),
        );
    });
    let mut config: Value = serde_json::from_slice(files.get("config.json").unwrap()).unwrap();
    config["vocab_size"] = json!(592 + added);
    set(&mut files, "config.json", &config);
    let start = Instant::now();
    let tokenizer = load(&files).unwrap();
    assert!(start.elapsed() < LONGEST, "{:?}", start.elapsed());
    println!("{added} added tokens load in {:?}", start.elapsed());
    let text = "token7x token19999x oil".repeat(1_000);
    let ids = tokenizer.tokenize(TextKind::Document, 0, &text).unwrap().ids;
    assert_eq!(ids[1..3], [599, 592 + 19_999]);
}

/// Contents that added tokens are made of, and pieces of texts.
const PIECES: &[&str] = &[
    "a",
    "B",
    "é",
    "e\u{301}",
    "\u{301}",
    "\u{200b}",
    "\u{200d}",
    " ",
    "  ",
    "\u{a0}",
    "\n",
    "[CLS]",
    "[MASK]",
    "##",
    "中",
    "İ",
    "ß",
    "ﬁ",
    "\u{0}",
    "\u{fffd}",
    "👩\u{200d}👧",
    "1",
    ".",
    "-",
    "\u{ad}",
    "\u{3000}",
    "\u{1c}",
    "\u{85}",
    "ͅ",
    "Σ",
];

fn content() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 1..4).prop_map(|pieces| pieces.concat())
}

fn normalizer() -> impl Strategy<Value = Value> {
    let kinds = ["Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"];
    let plain = prop::sample::select(kinds.to_vec()).prop_map(|kind| json!({"type": kind}));
    let strip = any::<[bool; 2]>()
        .prop_map(|on| json!({"type": "Strip", "strip_left": on[0], "strip_right": on[1]}));
    let bert = (any::<[bool; 3]>(), any::<Option<bool>>()).prop_map(|(on, accents)| json!({
        "clean_text": on[0], "handle_chinese_chars": on[1], "lowercase": on[2], "strip_accents": accents,
    }));
    prop::collection::vec(prop_oneof![plain, strip, bert], 0..4)
        .prop_map(|list| json!({"type": "Sequence", "normalizers": list}))
}

fn pre_tokenizer() -> impl Strategy<Value = Value> {
    let kinds = ["BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Punctuation"];
    let behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];
    let plain = prop::sample::select(kinds.to_vec()).prop_map(|kind| json!({"type": kind}));
    let marks = prop::sample::select(behaviors.to_vec())
        .prop_map(|behavior| json!({"type": "Punctuation", "behavior": behavior}));
    let digits = any::<bool>().prop_map(|on| json!({"type": "Digits", "individual_digits": on}));
    prop::collection::vec(prop_oneof![plain, marks, digits], 0..4)
        .prop_map(|list| json!({"type": "Sequence", "pretokenizers": list}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever loads takes every text.
    #[test]
    fn no_tokenizer_that_loads_panics(
        normalizer in normalizer(),
        pre_tokenizer in pre_tokenizer(),
        added in prop::collection::vec((content(), any::<[bool; 5]>()), 0..4),
        prefix in prop::sample::select(vec!["##", "", "x", "é"]),
        texts in prop::collection::vec(prop::collection::vec(0..PIECES.len() + 4, 0..12), 4),
    ) {
        let mut files = changed(General, |t| {
            t["normalizer"] = normalizer;
            t["pre_tokenizer"] = pre_tokenizer;
            t["model"]["continuing_subword_prefix"] = json!(prefix);
            let list = t["added_tokens"].as_array_mut().unwrap();
            list.extend(added.iter().enumerate().map(|(n, (content, [lstrip, rstrip, single_word, normalized, special]))| json!({
                "id": 592 + n, "content": content, "lstrip": lstrip, "rstrip": rstrip, "single_word": single_word,
                "normalized": normalized, "special": special,
            })));
        });
        let mut config: Value = serde_json::from_slice(files.get("config.json").unwrap()).unwrap();
        config["vocab_size"] = json!(600);
        set(&mut files, "config.json", &config);
        let Ok(tokenizer) = load(&files) else { return Ok(()) };
        for text in &texts {
            let piece = |&n: &usize| PIECES.get(n).copied().or(added.get(n.wrapping_sub(PIECES.len())).map(|(c, _)| c.as_str()));
            let text: String = text.iter().filter_map(piece).collect();
            let took = catch_unwind(|| tokenizer.tokenize(TextKind::Document, 0, &text).map(|sequence| sequence.offsets));
            let offsets = took.unwrap_or_else(|_| panic!("{text:?} with {added:?}")).unwrap();
            for (start, end) in offsets.into_iter().flatten() {
                prop_assert!(text.get(start..end).is_some(), "{start}..{end} of {text:?}");
            }
        }
    }
}
