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

/// A small model that merges.
fn bpe(merges: Value) -> Value {
    json!({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": merges})
}

fn bpe_with(tokenizer: &mut Value, field: &str, value: Value) {
    tokenizer["model"] = bpe(json!([["a", "b"]]));
    tokenizer["model"][field] = value;
}

fn unigram(tokenizer: &mut Value, vocabulary: Value, unknown: Value) {
    tokenizer["model"] = json!({"type": "Unigram", "vocab": vocabulary, "unk_id": unknown});
}

/// `Precompiled` with a table of these units and texts.
fn charsmap(units: &[u32], texts: &str) -> Value {
    let mut bytes = (4 * units.len() as u32).to_le_bytes().to_vec();
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.extend(texts.as_bytes());
    json!({"type": "Precompiled", "precompiled_charsmap": base64(&bytes)})
}

/// The table that makes "é" of "a", and "x" of nothing, with a change: the root's children are in the first 256 places, and
/// the leaf's text in the second.
fn one_rule(change: impl FnOnce(&mut [u32], &mut String)) -> Value {
    let (mut units, mut texts) = (vec![0; 512], "xé\0".to_owned());
    units[97] = (97 ^ 256) << 10 | 1 << 8 | 97;
    units[256] = 1;
    change(&mut units, &mut texts);
    charsmap(&units, &texts)
}

fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = digits[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
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
    (
        General,
        |t| t["post_processor"] = json!({"type": "Sequence", "processors": []}),
        "Sequence of 0",
    ),
    (
        General,
        |t| {
            t["post_processor"] = json!({"type": "Sequence", "processors": [t["post_processor"], {"type": "ByteLevel"}]})
        },
        "TemplateProcessing",
    ),
    (
        General,
        |t| t["post_processor"] = json!({"type": "RobertaProcessing", "cls": ["[CLS]", 6], "sep": ["[SEP]", 7], "trim_offsets": 1, "add_prefix_space": true}),
        "trim_offsets",
    ),
    // Models.
    (
        General,
        |t| t["model"] = json!({"type": "BPE", "vocab": {"a": 0}, "merges": ["aaaa bbbb"]}),
        "merge 0 needs \"aaaa\"",
    ),
    (Bert, |t| t["model"] = json!({"vocab": {"a": 0}, "merges": []}), "WordPiece is"),
    (General, |t| t["model"] = json!({"type": "WordLevel", "vocab": {"a": 0}}), "WordLevel"),
    (General, |t| t["model"] = bpe(json!(["a b", "ab b"])), "\"abb\""),
    (General, |t| t["model"] = bpe(json!(["a b", ["b"]])), "model.merges"),
    (General, |t| t["model"] = bpe(json!(["a b c"])), "model.merges"),
    (General, |t| t["model"] = bpe(json!("a b")), "merges"),
    (General, |t| t["model"] = bpe(vec![json!("a b"); 1_100_000].into()), "1048576"),
    (
        General,
        |t| {
            t["model"] = model(&t["model"], 1, [false; 3]);
            t["model"]["unk_token"] = json!("[NONE]");
        },
        "[NONE]",
    ),
    (General, |t| bpe_with(t, "dropout", json!(0.1)), "dropout"),
    (General, |t| bpe_with(t, "end_of_word_suffix", json!("</w>")), "end_of_word_suffix"),
    (
        General,
        |t| bpe_with(t, "continuing_subword_prefix", json!("é")),
        "continuing_subword_prefix",
    ),
    (General, |t| bpe_with(t, "byte_fallback", json!("yes")), "byte_fallback"),
    (General, |t| bpe_with(t, "vocab", json!({"a": 0, "b": 0, "ab": 2})), "two tokens have id 0"),
    (General, |t| bpe_with(t, "vocab", json!([["a", 0.0]])), "model.vocab"),
    (General, |t| t["model"] = json!({"type": "Unigram", "vocab": {}, "unk_id": 7}), "model.vocab"),
    (General, |t| unigram(t, json!([["a", -1.0]]), json!(7)), "unk_id"),
    (General, |t| unigram(t, json!([["a", -1.0]]), Value::Null), "unk_id"),
    (General, |t| unigram(t, json!([["a", -1.0]]), json!(-1)), "unk_id"),
    (General, |t| unigram(t, json!([]), json!(0)), "unk_id"),
    (General, |t| unigram(t, json!([["a", 1e300]]), json!(0)), "score 1e300"),
    (General, |t| unigram(t, json!([["a", -2e9]]), json!(0)), "score -2e9"),
    (General, |t| unigram(t, json!([["a", null]]), json!(0)), "f64"),
    (General, |t| unigram(t, json!([["a", "NaN"]]), json!(0)), "f64"),
    (General, |t| unigram(t, json!([["a"]]), json!(0)), "tuple"),
    (General, |t| unigram(t, json!(["a"]), json!(0)), "tuple"),
    (General, |t| unigram(t, json!([["a".repeat(200), -1.0]]), json!(0)), "128 bytes"),
    (
        General,
        |t| unigram(t, (0..600).map(|n| json!([n.to_string(), -1.0])).collect(), json!(0)),
        "592 rows",
    ),
    (Bert, |t| t["model"] = Value::Null, "model"),
    (Bert, |t| t["model"]["vocab"]["evil"] = json!(4_000_000_000u64), "4000000000"),
    (Bert, |t| t["model"]["vocab"]["evil"] = json!(-1), "-1"),
    (Bert, |t| t["model"]["vocab"]["evil"] = json!(1.5), "1.5"),
    (Bert, |t| t["model"]["vocab"]["evil"] = json!({"id": 7}), "evil"),
    (Bert, |t| t["model"]["vocab"]["evil"] = json!(7), "two tokens have id 7"),
    (Bert, |t| t["model"]["vocab"]["e".repeat(5_000)] = json!(7), "4096"),
    (Bert, |t| t["model"]["vocab"] = json!([["a", 0.0]]), "model.vocab"),
    (
        Bert,
        |t| t["model"] = json!({"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": 0}),
        "WordPiece is",
    ),
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
        "Regex \"(a+)+$\"",
    ),
    (
        General,
        |t| t["pre_tokenizer"] = json!({"type": "Metaspace", "replacement": ""}),
        "replacement",
    ),
    (
        General,
        |t| {
            t["pre_tokenizer"] =
                json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "last"})
        },
        "prepend_scheme",
    ),
    (
        General,
        |t| {
            t["pre_tokenizer"] =
                json!({"type": "Metaspace", "replacement": "▁", "add_prefix_space": false})
        },
        "add_prefix_space",
    ),
    (General, |t| t["pre_tokenizer"] = json!({"type": "ByteLevel"}), "add_prefix_space"),
    (
        General,
        |t| t["pre_tokenizer"] = json!({"type": "Split", "pattern": {"String": ""}, "behavior": "Removed", "invert": false}),
        "pattern.String",
    ),
    (General, |t| t["pre_tokenizer"] = json!({"type": "Split", "pattern": " "}), "pattern"),
    (
        General,
        |t| t["pre_tokenizer"] = json!({"type": "Split", "pattern": {"String": "a", "Regex": "a"}}),
        "pattern",
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
        "precompiled_charsmap",
    ),
    (General, |t| t["normalizer"] = json!({"type": "Precompiled"}), "precompiled_charsmap"),
    (General, |t| t["normalizer"] = charsmap(&[0; 255], ""), "precompiled_charsmap"),
    (General, |t| t["normalizer"] = charsmap(&[], ""), "precompiled_charsmap"),
    // A child beyond the table, a text beyond the texts, a text that begins within a character, and one that is far too long.
    (
        General,
        |t| t["normalizer"] = one_rule(|units, _| units[97] |= 0xfff << 10),
        "precompiled_charsmap",
    ),
    (
        General,
        |t| t["normalizer"] = one_rule(|units, _| units[256] = 9_999),
        "precompiled_charsmap",
    ),
    (General, |t| t["normalizer"] = one_rule(|units, _| units[256] = 2), "precompiled_charsmap"),
    (
        General,
        |t| t["normalizer"] = one_rule(|_, texts| *texts = "x".repeat(100_000)),
        "99999 times",
    ),
    (
        General,
        |t| {
            t["normalizer"] = json!({"type": "Sequence", "normalizers": vec![
                json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaa"}); 3
            ]})
        },
        "144 times",
    ),
    (
        General,
        |t| {
            t["normalizer"] =
                json!({"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": "x"})
        },
        "Regex \"(a+)+$\"",
    ),
    (
        General,
        |t| t["normalizer"] = json!({"type": "Prepend", "prepend": "x".repeat(1_000_000)}),
        "1000000 bytes",
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
    (General, |t| t["normalizer"] = one_rule(|_, _| {})),
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
    let kinds = ["Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Nmt"];
    let plain = prop::sample::select(kinds.to_vec()).prop_map(|kind| json!({"type": kind}));
    let strip = any::<[bool; 2]>()
        .prop_map(|on| json!({"type": "Strip", "strip_left": on[0], "strip_right": on[1]}));
    let bert = (any::<[bool; 3]>(), any::<Option<bool>>()).prop_map(|(on, accents)| json!({
        "clean_text": on[0], "handle_chinese_chars": on[1], "lowercase": on[2], "strip_accents": accents,
    }));
    let replace = prop::sample::select(vec![
        (json!({"String": " "}), "▁"),
        (json!({"String": "a"}), ""),
        (json!({"String": "é"}), "  x"),
        (json!({"Regex": " {2,}"}), " "),
        (json!({"Regex": "\\s"}), ""),
    ])
    .prop_map(
        |(pattern, content)| json!({"type": "Replace", "pattern": pattern, "content": content}),
    );
    let prepend = Just(json!({"type": "Prepend", "prepend": "▁"}));
    let rules = prop::sample::select(vec!["xé\0", "x\0", "x \u{301}\0"])
        .prop_map(|texts| one_rule(|_, rule| *rule = texts.to_owned()));
    prop::collection::vec(prop_oneof![plain, strip, bert, replace, prepend, rules], 0..4)
        .prop_map(|list| json!({"type": "Sequence", "normalizers": list}))
}

fn pre_tokenizer() -> impl Strategy<Value = Value> {
    let kinds = ["BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Punctuation"];
    let behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];
    let plain = prop::sample::select(kinds.to_vec()).prop_map(|kind| json!({"type": kind}));
    let marks = prop::sample::select(behaviors.to_vec())
        .prop_map(|behavior| json!({"type": "Punctuation", "behavior": behavior}));
    let digits = any::<bool>().prop_map(|on| json!({"type": "Digits", "individual_digits": on}));
    let bytes = any::<[bool; 3]>().prop_map(|on| {
        json!({"type": "ByteLevel", "add_prefix_space": on[0], "trim_offsets": on[1], "use_regex": on[2]})
    });
    let metaspace = (prop::sample::select(vec!["always", "never", "first"]), any::<bool>()).prop_map(
        |(scheme, split)| {
            json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split})
        },
    );
    let patterns = vec![
        json!({"String": " "}),
        json!({"String": "a"}),
        json!({"Regex": " {2,}"}),
        json!({"Regex": "\\d+"}),
        json!({"Regex": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"}),
    ];
    let split = (
        prop::sample::select(patterns),
        prop::sample::select(behaviors.to_vec()),
        any::<bool>(),
    )
        .prop_map(|(pattern, behavior, invert)| {
            json!({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert})
        });
    prop::collection::vec(prop_oneof![plain, marks, digits, bytes, metaspace, split], 0..4)
        .prop_map(|list| json!({"type": "Sequence", "pretokenizers": list}))
}

/// Another kind of model over the plain checkpoint's vocabulary.
fn model(plain: &Value, kind: usize, on: [bool; 3]) -> Value {
    let vocabulary = plain["vocab"].as_object().unwrap();
    let merges = [["i", "n"], ["o", "f"], ["t", "o"]];
    match kind {
        0 => plain.clone(),
        1 => json!({
            "type": "BPE", "unk_token": on[0].then_some("[UNK]"), "fuse_unk": on[1], "ignore_merges": on[2],
            "byte_fallback": on[0], "vocab": vocabulary, "merges": merges,
        }),
        _ => {
            let mut names: Vec<&String> = vocabulary.keys().collect();
            names.sort_by_key(|name| vocabulary[*name].as_u64());
            let scored: Vec<Value> = names.iter().map(|name| json!([name, -1.0])).collect();
            json!({"type": "Unigram", "unk_id": 5, "byte_fallback": on[0], "vocab": scored})
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever loads takes every text.
    #[test]
    fn no_tokenizer_that_loads_panics(
        normalizer in normalizer(),
        pre_tokenizer in pre_tokenizer(),
        added in prop::collection::vec((content(), any::<[bool; 5]>()), 0..4),
        prefix in prop::sample::select(vec!["##", "", "x", "é"]),
        (kind, on, trims) in (0..3usize, any::<[bool; 3]>(), any::<[bool; 2]>()),
        texts in prop::collection::vec(prop::collection::vec(0..PIECES.len() + 4, 0..12), 4),
    ) {
        let mut files = changed(General, |t| {
            t["normalizer"] = normalizer;
            t["pre_tokenizer"] = pre_tokenizer;
            t["model"] = model(&t["model"], kind, on);
            if kind == 0 {
                t["model"]["continuing_subword_prefix"] = json!(prefix);
            }
            t["post_processor"] = json!({
                "type": "RobertaProcessing", "cls": ["[CLS]", 6], "sep": ["[SEP]", 7], "trim_offsets": trims[0],
                "add_prefix_space": trims[1],
            });
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
