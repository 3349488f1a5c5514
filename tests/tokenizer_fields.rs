//! Every field of the tokenizer's files that transformers reads, or that stands in files which it wrote: used, refused or
//! without effect. `tokenizer_files` holds the effects against transformers.

mod common;

use Effect::{Nothing, Refused, Used};
use common::{Fixture, tokenizer_files};
use serde_json::{Value, json};
use tabrank::text::tokenizer::Tokenizer;
use tabrank::{CheckpointFiles, Error, ModelConfig, TextKind};

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const MAP: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Effect {
    /// Some text gets other ids.
    Used,
    /// The error names the field.
    Refused,
    Nothing,
}

/// Field (a path in JSON pointer notation), a value that is not the usual one, what it does.
type Row = (&'static str, Value, Effect);

const TEXTS: &[&str] = &[
    "The Café oil, 東京 price\u{301} rose",
    "[unused1] oil x[MASK][SEP] [CLS] waterwater",
    "zzyzx ߷ 9 a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p",
];

/// The plain checkpoint, whose own components are not `BertTokenizer`'s.
fn base(class: &str) -> CheckpointFiles {
    let mut files = Fixture::read("plain").files;
    files.insert_missing(MAP).unwrap();
    let mut tokenizer: Value = serde_json::from_slice(files.get(TOKENIZER).unwrap()).unwrap();
    tokenizer["normalizer"] = json!({"type": "NFC"});
    files.insert(TOKENIZER, tokenizer.to_string().into_bytes()).unwrap();
    let config = json!({"tokenizer_class": class, "model_max_length": 48});
    files.insert(CONFIG, config.to_string().into_bytes()).unwrap();
    files
}

fn encode(files: &CheckpointFiles) -> Result<Vec<Vec<u32>>, Error> {
    let config = ModelConfig::from_files(files)?;
    let tokenizer = Tokenizer::load(files, &config, &mut Vec::new())?;
    let longest = config.tokenizer.model_max_length.unwrap_or(usize::MAX);
    let ids = |text: &&str| {
        let ids = tokenizer.tokenize(TextKind::Document, 0, text)?.ids;
        Ok(ids.into_iter().take(longest).collect())
    };
    TEXTS.iter().map(ids).collect()
}

/// What a field does in a checkpoint of one class.
fn effect(class: &str, file: &str, field: &str, value: &Value) -> Effect {
    effect_in(base(class), file, field, value)
}

fn effect_in(mut files: CheckpointFiles, file: &str, field: &str, value: &Value) -> Effect {
    let usual = encode(&files).unwrap();
    let mut content: Value =
        files.get(file).map_or(json!({}), |bytes| serde_json::from_slice(bytes).unwrap());
    let (parent, name) = field.rsplit_once('/').unwrap();
    content.pointer_mut(parent).unwrap()[name] = value.clone();
    files.insert(file, content.to_string().into_bytes()).unwrap();
    match encode(&files) {
        Ok(ids) if ids == usual => Nothing,
        Ok(_) => Used,
        Err(error) => {
            assert!(error.to_string().contains(name), "{file} {field}: {error}");
            Refused
        }
    }
}

fn check(class: &str, file: &str, rows: &[Row]) {
    for (field, value, expected) in rows {
        assert_eq!(effect(class, file, field, value), *expected, "{class}: {file} {field} {value}");
    }
}

fn token(content: &str) -> Value {
    json!({"content": content, "special": true})
}

/// What both classes take of `tokenizer_config.json`.
fn shared() -> Vec<Row> {
    vec![
        ("/tokenizer_class", json!("GPT2Tokenizer"), Refused),
        ("/added_tokens_decoder", json!({"2": token("[unused1]"), "8": token("[MASK]")}), Used),
        ("/additional_special_tokens", json!(["[unused1]"]), Used),
        ("/extra_special_tokens", json!(["[unused1]"]), Used),
        ("/extra_special_tokens", json!({"own_token": "[unused1]"}), Used),
        ("/image_token", json!("[unused1]"), Used),
        ("/bos_token", json!("[unused1]"), Used),
        ("/eos_token", json!("[unused1]"), Used),
        ("/pad_token", json!("[unused1]"), Used),
        ("/mask_token", token("[unused1]"), Used),
        ("/model_max_length", json!(9), Used),
        ("/max_len", json!(9), Nothing),
        ("/split_special_tokens", json!(true), Used),
        ("/truncation_side", json!("left"), Refused),
        ("/truncation_side", json!("right"), Nothing),
        ("/padding_side", json!("left"), Refused),
        ("/padding_side", json!("right"), Nothing),
        ("/fast_tokenizer_files", json!(["tokenizer.4.0.json"]), Refused),
        ("/fast_tokenizer_files", json!(["tokenizer.json"]), Nothing),
        ("/init_inputs", json!(["x"]), Refused),
        ("/init_inputs", json!([]), Nothing),
        ("/model_specific_special_tokens", json!({"x": "[unused1]"}), Refused),
        // Set for each call by the libraries that read a checkpoint.
        ("/max_length", json!(5), Nothing),
        ("/stride", json!(2), Nothing),
        ("/truncation_strategy", json!("only_first"), Nothing),
        ("/pad_to_multiple_of", json!(7), Nothing),
        // Of slow tokenizers, of decoding, of other classes, of where the files came from.
        ("/do_basic_tokenize", json!(false), Nothing),
        ("/never_split", json!(["oil"]), Nothing),
        ("/wordpieces_prefix", json!("@@"), Nothing),
        ("/clean_text", json!(false), Nothing),
        ("/clean_up_tokenization_spaces", json!(true), Nothing),
        ("/add_prefix_space", json!(true), Nothing),
        ("/add_bos_token", json!(true), Nothing),
        ("/add_eos_token", json!(true), Nothing),
        ("/model_input_names", json!(["input_ids"]), Nothing),
        ("/pad_token_type_id", json!(3), Nothing),
        ("/chat_template", json!("x"), Nothing),
        ("/processor_class", json!("x"), Nothing),
        ("/auto_map", json!({"AutoTokenizer": [null, "x.Y"]}), Nothing),
        ("/backend", json!("tokenizers"), Nothing),
        ("/is_local", json!(true), Nothing),
        ("/local_files_only", json!(true), Nothing),
        ("/name_or_path", json!("x"), Nothing),
        ("/special_tokens_map_file", json!("x"), Nothing),
        ("/tokenizer_file", json!("x"), Nothing),
        ("/vocab_file", json!("x"), Nothing),
    ]
}

#[test]
fn tokenizer_config_is_used_or_refused() {
    for class in ["BertTokenizer", "PreTrainedTokenizerFast"] {
        check(class, CONFIG, &shared());
    }
    check(
        "BertTokenizer",
        CONFIG,
        &[
            ("/tokenizer_class", json!("PreTrainedTokenizerFast"), Used),
            ("/do_lower_case", json!(false), Used),
            ("/strip_accents", json!(false), Used),
            ("/tokenize_chinese_chars", json!(false), Used),
            ("/unk_token", json!("[unused2]"), Used),
            ("/unk_token", json!(null), Refused),
            ("/cls_token", json!("[unused2]"), Used),
            ("/cls_token", json!(null), Refused),
            ("/sep_token", json!("[unused2]"), Used),
            ("/sep_token", json!(null), Refused),
        ],
    );
    check(
        "PreTrainedTokenizerFast",
        CONFIG,
        &[
            ("/tokenizer_class", json!("BertTokenizerFast"), Used),
            ("/do_lower_case", json!(true), Nothing),
            ("/strip_accents", json!(true), Nothing),
            ("/tokenize_chinese_chars", json!(true), Nothing),
        ],
    );
    check(
        "BertTokenizer",
        "config.json",
        &[("/tokenizer_class", json!("TokenizersBackend"), Nothing)],
    );
}

#[test]
fn tokenizer_json_is_used_or_refused() {
    let shared = [
        ("/version", json!("2.0"), Refused),
        ("/model/type", json!("WordLevel"), Refused),
        ("/model/vocab", json!([]), Refused),
        ("/added_tokens/4/single_word", json!(true), Used),
        ("/added_tokens/4/id", json!(9), Refused),
        ("/truncation/direction", json!("Left"), Refused),
        ("/truncation/max_length", json!(3), Nothing),
        ("/truncation/stride", json!(3), Nothing),
        ("/truncation/strategy", json!("OnlySecond"), Nothing),
        ("/padding/direction", json!("Left"), Refused),
        ("/padding/strategy", json!({"Fixed": 100}), Nothing),
        ("/decoder", json!({"type": "WordPiece"}), Nothing),
        ("/other", json!({}), Refused),
    ];
    let own = |effect: Effect| {
        [
            ("/normalizer", json!({"type": "Lowercase"}), effect),
            ("/pre_tokenizer", json!({"type": "WhitespaceSplit"}), effect),
            (
                "/post_processor",
                json!({"type": "BertProcessing", "cls": ["[CLS]", 6], "sep": ["[PAD]", 0]}),
                effect,
            ),
            ("/model/unk_token", json!("[PAD]"), effect),
            ("/model/continuing_subword_prefix", json!(""), effect),
            ("/model/max_input_chars_per_word", json!(6), effect),
        ]
    };
    for (class, effect) in [("BertTokenizer", Nothing), ("PreTrainedTokenizerFast", Used)] {
        check(class, TOKENIZER, &shared);
        check(class, TOKENIZER, &own(effect));
    }
}

/// What the other kinds have that WordPiece has not.
#[test]
fn the_other_kinds_are_used_or_refused() {
    let of = |kind: &str, class: &str, file: &str, rows: &[Row]| {
        for (field, value, expected) in rows {
            let mut files = tokenizer_files(kind);
            let mut config: Value = serde_json::from_slice(files.get(CONFIG).unwrap()).unwrap();
            config["tokenizer_class"] = json!(class);
            config["model_max_length"] = json!(48);
            files.insert(CONFIG, config.to_string().into_bytes()).unwrap();
            let effect = effect_in(files, file, field, value);
            assert_eq!(effect, *expected, "{kind}, {class}: {file} {field} {value}");
        }
    };
    let bytes = |field: &str, on: bool| {
        let mut bytes =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true});
        bytes[field] = json!(on);
        bytes
    };
    let general = "PreTrainedTokenizerFast";
    of(
        "modernbert",
        general,
        TOKENIZER,
        &[
            ("/normalizer", Value::Null, Used),
            ("/pre_tokenizer", bytes("add_prefix_space", true), Used),
            ("/pre_tokenizer", bytes("trim_offsets", false), Nothing),
            ("/model/unk_token", json!("[NONE]"), Nothing),
            ("/model/dropout", json!(0.1), Refused),
            ("/model/dropout", json!(0.0), Nothing),
            ("/model/continuing_subword_prefix", json!("##"), Refused),
            ("/model/continuing_subword_prefix", json!(""), Nothing),
            ("/model/end_of_word_suffix", json!("</w>"), Refused),
            ("/model/ignore_merges", json!(true), Nothing),
            ("/model/merges", json!([]), Used),
            ("/model/merges", json!([["a", "NONE"]]), Refused),
        ],
    );
    of(
        "modernbert",
        general,
        CONFIG,
        &[
            ("/add_prefix_space", json!(true), Nothing),
            ("/do_lower_case", json!(true), Nothing),
            ("/trim_offsets", json!(false), Nothing),
            ("/errors", json!("strict"), Nothing),
        ],
    );
    of(
        "mmbert",
        general,
        TOKENIZER,
        &[
            ("/model/byte_fallback", json!(false), Used),
            ("/normalizer/content", json!("_"), Used),
            ("/normalizer/pattern", json!({"String": "o"}), Used),
            ("/normalizer/pattern", json!({"Regex": "o+"}), Refused),
        ],
    );
    of(
        "mmbert",
        general,
        CONFIG,
        &[
            ("/add_bos_token", json!(true), Nothing),
            ("/add_eos_token", json!(true), Nothing),
            ("/add_bos_token", json!(false), Nothing),
            ("/spaces_between_special_tokens", json!(true), Nothing),
        ],
    );
    of("mmbert", "GemmaTokenizerFast", CONFIG, &[("/add_bos_token", json!(true), Nothing)]);
    of(
        "roberta",
        "RobertaTokenizer",
        CONFIG,
        &[
            ("/add_prefix_space", json!(true), Used),
            ("/add_bos_token", json!(true), Nothing),
            ("/trim_offsets", json!(false), Nothing),
            ("/cls_token", json!("<mask>"), Used),
            ("/sep_token", json!("<mask>"), Used),
        ],
    );
    of(
        "roberta",
        "RobertaTokenizer",
        TOKENIZER,
        &[
            ("/normalizer", json!({"type": "Lowercase"}), Nothing),
            ("/pre_tokenizer", json!({"type": "WhitespaceSplit"}), Nothing),
            ("/post_processor", Value::Null, Nothing),
            ("/model/unk_token", json!("[NONE]"), Nothing),
            ("/model/dropout", json!(0.1), Nothing),
            ("/model/merges", json!([]), Used),
        ],
    );
    let metaspace = |field: &str, value: &str| {
        let mut metaspace = json!({"type": "Metaspace", "replacement": "▁"});
        metaspace[field] = json!(value);
        json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]})
    };
    for class in ["XLMRobertaTokenizer", general] {
        of(
            "xlm-roberta",
            class,
            TOKENIZER,
            &[
                ("/model/unk_id", json!(5), Used),
                ("/model/unk_id", Value::Null, Refused),
                ("/model/unk_id", json!(5_000), Refused),
                ("/model/byte_fallback", json!(true), Nothing),
                ("/normalizer", Value::Null, Used),
                ("/pre_tokenizer", metaspace("prepend_scheme", "always"), Nothing),
                ("/pre_tokenizer", metaspace("prepend_scheme", "never"), Used),
                ("/pre_tokenizer", metaspace("prepend_scheme", "first"), Used),
                ("/pre_tokenizer", metaspace("replacement", "_"), Used),
                ("/pre_tokenizer", metaspace("str_rep", "_"), Nothing),
                ("/post_processor", Value::Null, Refused),
            ],
        );
    }
    of(
        "xlm-roberta",
        "XLMRobertaTokenizer",
        CONFIG,
        &[("/add_prefix_space", json!(false), Nothing), ("/add_bos_token", json!(true), Nothing)],
    );
    for class in ["DistilBertTokenizer", "BertTokenizer"] {
        of(
            "distilbert-cased",
            class,
            CONFIG,
            &[("/do_lower_case", json!(true), Used), ("/strip_accents", json!(true), Used)],
        );
    }
}

#[test]
fn the_small_files_are_used_or_refused() {
    for class in ["BertTokenizer", "PreTrainedTokenizerFast"] {
        check(
            class,
            MAP,
            &[
                ("/mask_token", token("[unused1]"), Used),
                ("/additional_special_tokens", json!(["[unused1]"]), Used),
                ("/extra_special_tokens", json!(["[unused1]"]), Used),
                ("/do_lower_case", json!(false), Refused),
                ("/anything", json!(1), Refused),
            ],
        );
        check(class, ADDED, &[("/[unused1]", json!(2), Used), ("/[NEW]", json!(592), Refused)]);
    }
}
