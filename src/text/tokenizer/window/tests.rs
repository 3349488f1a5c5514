//! Windows of a text give what the whole text gives, for every kind of tokenizer; and never more is tokenized than said.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokenizers::Tokenizer as Inner;

use super::*;
use crate::model::checkpoint::CheckpointFiles;
use crate::model::config::{LowerCase, ModelConfig};
use crate::text::tokenizer::Tokenizer;
use crate::text_kind::TextKind;

const WORDS: &[&str] = &[
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "a",
    "b",
    "c",
    "e",
    "é",
    "o",
    "x",
    "1",
    "2",
    ".",
    "!",
    "[",
    "]",
    "he",
    "##llo",
    "##a",
    "##b",
    "##1",
    "##.",
    "##e",
    "##é",
    "##\u{301}",
    "\u{301}",
    "σ",
    "ς",
    "##σ",
    "##ς",
    "Σ",
    "野",
    "##野",
    "口",
    "##口",
    "\u{3042}",
    "가",
    "##가",
    "한",
    "а",
    "##а",
    "й",
    "fi",
    "ﬁ",
    " ",
    "## ",
    "\u{a0}",
];

/// What becomes one token in the models that merge, behind bytes' stand-ins and behind marks.
const MERGES: &[(&str, &str)] = &[
    ("h", "e"),
    ("l", "l"),
    ("ll", "o"),
    ("he", "llo"),
    ("Ġ", "a"),
    ("Ġ", "he"),
    ("Ġ", "Ġ"),
    ("▁", "a"),
    ("▁", "he"),
    ("▁", "▁"),
    ("a", "b"),
    ("1", "2"),
    (".", "."),
    ("!", "Ċ"),
    ("Ã", "©"),
];
/// Tokens in which a mark stands behind something else.
const ACROSS: &[(&str, &str)] = &[("b", "▁"), ("▁a", "▁"), ("é", "▁")];

/// Contents of added tokens: spelled-out ones, with white space before, within and behind, in letters that normalizers change.
const ADDED: &[&str] = &[
    "i o",
    "[SEP]",
    "[Q] ",
    "[M]",
    "he llo",
    " [L]",
    "野",
    "é",
    "a\u{301}",
    "Σ",
    ".",
    "x\u{3000}y",
    "] [",
    "[A",
    "b ",
    "A",
    "\u{a0}",
    "  ",
    "口 a",
    "ﬁ",
    "lo\n",
    "e a",
    "\u{85}a",
    "а",
    "й а",
];

const PREFIXES: &[&str] = &["", "[Q] ", "query: ", "he", "é", " "];

const PIECES: &[&str] = &[
    "é a",
    "ﬁ o",
    " ",
    " ",
    " ",
    "  ",
    "\n",
    "\t",
    "\r\n",
    "\u{b}",
    "\u{85}",
    "\u{a0}",
    "\u{2003}",
    "\u{2028}",
    "\u{3000}",
    "\u{feff}",
    "\u{200b}",
    "\u{200d}",
    "\u{1f}",
    "\0",
    "\u{fffd}",
    "\u{ad}",
    "\u{301}",
    "\u{300}\u{327}",
    "\u{345}",
    "\u{3099}",
    "\u{fe0f}",
    "a",
    "b",
    "A",
    "hello",
    "He",
    "llo",
    "é",
    "É",
    "e\u{301}",
    "x",
    "y",
    "o",
    "1",
    "12",
    ".",
    "...",
    "!",
    "[",
    "]",
    "[Q]",
    "[Q] ",
    "[SEP]",
    "[sep]",
    "[S",
    "EP]",
    "[M]",
    "[L]",
    "\u{ff3d}",
    "野",
    "口",
    "㐀",
    "\u{f900}",
    "\u{20000}",
    "〸",
    "\u{3042}",
    "\u{304b}",
    "가",
    "\u{1100}",
    "\u{1161}",
    "\u{11a8}",
    "한국",
    "Σ",
    "σ",
    "ΑΣ",
    "ΑΣ.",
    "İ",
    "ß",
    "\u{212a}",
    "ﬁ",
    "ﬀ",
    "ŉ",
    "\u{b4}",
    "\u{a8}",
    "\u{fe70}",
    "\u{fc5e}",
    "\u{37a}",
    "½",
    "²",
    "①",
    "⑴",
    "а",
    "й",
    "привет",
    "हिन्दी",
    "\u{e33}",
    "ไทย",
    "ﷺ",
    "👩\u{200d}🔬",
    "aaaaaaaaaaaa",
    "bab.bab.bab",
    "                    ",
    "_",
    "-",
    "’",
    "።",
    "\u{115f}",
    "\u{180e}",
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Words {
    WordPiece,
    Bpe,
    Unigram,
}

/// A tokenizer as a checkpoint describes it.
#[derive(Debug, Clone)]
struct Kind {
    words: Words,
    /// `byte_fallback`, `fuse_unk`, `ignore_merges`, and whether tokens reach across marks.
    switches: [bool; 4],
    /// Whether offsets are trimmed, and whether there is a space before the first word.
    trims: [bool; 2],
    normalizer: Value,
    pre_tokenizer: Value,
    /// Content and the switches `lstrip`, `rstrip`, `single_word`, `normalized`.
    added: Vec<(&'static str, [bool; 4])>,
    longest_word: usize,
    prefix: &'static str,
    prefix_is_token: bool,
    strip: bool,
    lower_case: LowerCase,
    length: usize,
}

impl Kind {
    fn definition(&self) -> Value {
        let mut words = WORDS.to_vec();
        let mut added = Vec::new();
        for &(content, [lstrip, rstrip, single_word, normalized]) in &self.added {
            let id = words.iter().position(|word| *word == content).unwrap_or(words.len());
            words.extend((id == words.len()).then_some(content));
            added.push(json!({
                "id": id, "content": content, "special": !normalized, "normalized": normalized,
                "single_word": single_word, "lstrip": lstrip, "rstrip": rstrip,
            }));
        }
        words.extend(["[Q]", "query:"]);
        added.sort_by_key(|token| token["id"].as_u64());
        json!({
            "added_tokens": added,
            "normalizer": self.normalizer,
            "pre_tokenizer": self.pre_tokenizer,
            "post_processor": {
                "type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2],
                "trim_offsets": self.trims[0], "add_prefix_space": self.trims[1],
            },
            "model": self.model(&words),
        })
    }

    fn model(&self, words: &[&str]) -> Value {
        let [byte_fallback, fuse_unk, ignore_merges, across] = self.switches;
        let merges = MERGES.iter().chain(if across { ACROSS } else { &[] });
        let merges: Vec<(&str, &str)> = merges.copied().collect();
        let mut all: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        if self.words != Words::WordPiece {
            all.extend(["l", "h", "Ġ", "▁", "Ċ", "Ã", "©"].map(str::to_owned));
            all.extend(merges.iter().map(|(first, second)| [*first, *second].concat()));
            let bytes = if byte_fallback { 256 } else { 0 };
            all.extend((0..bytes).map(|byte| format!("<0x{byte:02X}>")));
        }
        let mut seen = HashSet::new();
        all.retain(|word| seen.insert(word.clone()));
        let vocabulary: serde_json::Map<String, Value> =
            all.iter().enumerate().map(|(id, word)| (word.clone(), json!(id))).collect();
        match self.words {
            Words::WordPiece => json!({
                "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "vocab": vocabulary,
                "max_input_chars_per_word": self.longest_word,
            }),
            Words::Bpe => json!({
                "type": "BPE", "unk_token": "[UNK]", "byte_fallback": byte_fallback, "fuse_unk": fuse_unk,
                "ignore_merges": ignore_merges, "vocab": vocabulary, "merges": merges,
            }),
            Words::Unigram => {
                let scored = all.iter().map(|word| json!([word, -1.0 / word.len() as f64]));
                let scored: Vec<Value> = scored.collect();
                json!({"type": "Unigram", "unk_id": 1, "byte_fallback": byte_fallback, "vocab": scored})
            }
        }
    }

    /// `None` where the library or the tokenizers crate refuses it.
    fn load(&self) -> Option<Tokenizer> {
        let mut files = plain_files();
        files.insert("tokenizer.json", self.definition().to_string().into_bytes()).unwrap();
        let mut config = ModelConfig::from_files(&files).unwrap();
        config.text.document_prefix = self.prefix.to_owned();
        config.text.prefixes_are_tokens = self.prefix_is_token;
        config.text.strip = self.strip;
        config.text.lower_case = self.lower_case;
        config.text.document_length = self.length + 2;
        Tokenizer::load(&files, &config, &mut Vec::new()).ok()
    }
}

/// A plain checkpoint that takes `tokenizer.json` as it stands.
fn plain_files() -> CheckpointFiles {
    let mut files = CheckpointFiles::new();
    let config = json!({
        "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 8, "vocab_size": 2_000, "max_position_embeddings": 512,
        "type_vocab_size": 1, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 0,
    });
    let tokenizer = json!({"tokenizer_class": "PreTrainedTokenizerFast"});
    files.insert("config.json", config.to_string().into_bytes()).unwrap();
    files.insert("tokenizer_config.json", tokenizer.to_string().into_bytes()).unwrap();
    files
}

fn normalizer() -> impl Strategy<Value = Value> {
    let bert = (any::<[bool; 3]>(), any::<Option<bool>>()).prop_map(|(on, strip)| {
        json!({
            "type": "BertNormalizer", "clean_text": on[0], "handle_chinese_chars": on[1],
            "lowercase": on[2], "strip_accents": strip,
        })
    });
    let strip = any::<[bool; 2]>()
        .prop_map(|on| json!({"type": "Strip", "strip_left": on[0], "strip_right": on[1]}));
    let plain =
        prop::sample::select(vec!["Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"])
            .prop_map(|kind| json!({"type": kind}));
    let replace = prop::sample::select(vec![
        (json!({"String": " "}), "▁"),
        (json!({"Regex": " {2,}"}), " "),
        (json!({"String": "a "}), "b"),
    ])
    .prop_map(
        |(pattern, content)| json!({"type": "Replace", "pattern": pattern, "content": content}),
    );
    let prepend = prop::sample::select(vec!["▁", "中", "a "]);
    let prepend = prepend.prop_map(|text| json!({"type": "Prepend", "prepend": text}));
    let one = prop_oneof![6 => bert, 2 => strip, 6 => plain, 8 => replace, 2 => prepend];
    let list = prop::collection::vec(one.clone(), 0..4)
        .prop_map(|list| json!({"type": "Sequence", "normalizers": list}));
    prop_oneof![1 => Just(Value::Null), 4 => one, 4 => list]
}

fn pre_tokenizer() -> impl Strategy<Value = Value> {
    let splits = prop::sample::select(vec!["BertPreTokenizer", "Whitespace", "WhitespaceSplit"])
        .prop_map(|kind| json!({"type": kind}));
    let behaviors =
        vec!["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];
    let punctuation = prop::sample::select(behaviors)
        .prop_map(|behavior| json!({"type": "Punctuation", "behavior": behavior}));
    let digits =
        any::<bool>().prop_map(|each| json!({"type": "Digits", "individual_digits": each}));
    let bytes = any::<[bool; 2]>().prop_map(|on| {
        json!({"type": "ByteLevel", "add_prefix_space": on[0], "trim_offsets": true, "use_regex": on[1]})
    });
    let metaspace = (prop::sample::select(vec!["always", "never"]), any::<bool>()).prop_map(
        |(scheme, split)| {
            json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split})
        },
    );
    let words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let split = prop::sample::select(vec![
        (json!({"Regex": words}), "Isolated"),
        (json!({"String": " "}), "MergedWithPrevious"),
        (json!({"Regex": "\\s"}), "Isolated"),
    ])
    .prop_map(|(pattern, behavior)| {
        json!({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": false})
    });
    let one = prop_oneof![
        6 => splits, 2 => punctuation, 1 => digits, 3 => bytes, 3 => metaspace, 3 => split
    ];
    let list = prop::collection::vec(one.clone(), 0..4)
        .prop_map(|list| json!({"type": "Sequence", "pretokenizers": list}));
    prop_oneof![1 => Just(Value::Null), 6 => one, 6 => list]
}

fn kind() -> impl Strategy<Value = Kind> {
    let added = (prop::sample::select(ADDED), any::<[bool; 4]>());
    let lower_case =
        prop::sample::select(vec![LowerCase::No, LowerCase::Text, LowerCase::Normalizer]);
    let prefix = prop::sample::select(PREFIXES);
    let words = prop::sample::select(vec![Words::WordPiece, Words::Bpe, Words::Unigram]);
    let model = (words, any::<[bool; 4]>(), any::<[bool; 2]>());
    (
        model,
        normalizer(),
        pre_tokenizer(),
        prop::collection::vec(added, 0..4),
        1..9usize,
        prefix,
        any::<bool>(),
        any::<bool>(),
        lower_case,
        1..9usize,
    )
        .prop_map(
            |(
                (words, switches, trims),
                normalizer,
                pre_tokenizer,
                added,
                longest_word,
                prefix,
                token,
                strip,
                lower_case,
                length,
            )| Kind {
                words,
                switches,
                trims,
                normalizer,
                pre_tokenizer,
                added,
                longest_word,
                prefix,
                prefix_is_token: token && prefix == "[Q] ",
                strip,
                lower_case,
                length,
            },
        )
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    let piece =
        prop_oneof![12 => prop::sample::select(PIECES).prop_map(str::to_owned), 1 => ".{0,3}"];
    let text = prop::collection::vec(piece, 0..48).prop_map(|pieces| pieces.concat());
    prop::collection::vec(text, 1..6)
}

/// At least `cases`; more if `PROPTEST_CASES` says so.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: cases.max(default.cases), failure_persistence: None, ..default }
}

#[test]
fn windows_keep_what_the_whole_text_gives() {
    let (compared, cut) = (Cell::new(0u32), Cell::new(0u32));
    let mut runner = TestRunner::new(config(4_096));
    let strategy = (kind(), texts(), 1..6usize);
    let result = runner.run(&strategy, |(kind, texts, first)| {
        let Some(mut tokenizer) = kind.load() else { return Ok(()) };
        for text in texts {
            let cuts = tokenizer.windows.cuts.take();
            tokenizer.windows =
                Windows { cuts: None, first, most: usize::MAX, ..tokenizer.windows };
            let whole = tokenizer.tokenize(TextKind::Document, 0, &text).unwrap();
            tokenizer.windows.cuts = cuts;
            let windows = tokenizer.tokenize(TextKind::Document, 0, &text).unwrap();
            prop_assert_eq!(&windows.ids, &whole.ids, "ids of {:?}", text);
            prop_assert_eq!(&windows.offsets, &whole.offsets, "offsets of {:?}", text);
            prop_assert_eq!(windows.truncated, whole.truncated, "truncation of {:?}", text);
            let mut starts = tokenizer.windows.of(&text, kind.length);
            compared.set(compared.get() + 1);
            cut.set(cut.get() + u32::from(starts.next() != Some(text.as_str())));
        }
        Ok(())
    });
    result.unwrap();
    let (compared, cut) = (compared.get(), cut.get());
    assert!(compared > 4_000 && cut > compared / 8, "{cut} of {compared} texts were cut");
}

/// Stronger than the property above, which looks at the first tokens alone.
#[test]
fn tokens_before_a_safe_cut_stay_whatever_follows() {
    let compared = Cell::new(0u32);
    let mut runner = TestRunner::new(config(4_096));
    let result = runner.run(&(kind(), texts()), |(kind, texts)| {
        let Some(mut tokenizer) = (Kind { length: 510, ..kind }).load() else { return Ok(()) };
        let Some(cuts) = tokenizer.windows.cuts.take() else { return Ok(()) };
        let tokens = |text: &str| tokenizer.tokenize(TextKind::Document, 0, text).unwrap();
        for text in texts {
            let whole = tokens(&text);
            let last = |text: &str| text.char_indices().next_back().map_or(0, |(start, _)| start);
            let mut end = last(&text);
            while let Some(cut) = cuts.last(&text, 0, end) {
                let start = tokens(&text[..cut]);
                let kept = start.len() - 1;
                prop_assert_eq!(
                    &start.ids[..kept],
                    &whole.ids[..kept],
                    "ids of {:?}",
                    &text[..cut]
                );
                let (offsets, expected) = (&start.offsets[..kept], &whole.offsets[..kept]);
                prop_assert_eq!(offsets, expected, "offsets of {:?}", &text[..cut]);
                compared.set(compared.get() + 1);
                end = last(&text[..cut]);
            }
        }
        Ok(())
    });
    result.unwrap();
    assert!(compared.get() > 4_000, "{} safe cuts were found", compared.get());
}

/// What the rule says of a character holds for every character and every normalizer.
#[test]
fn no_normalizer_reaches_across_a_safe_cut() {
    let cuts = Cuts {
        ends: HashSet::new(),
        letters: true,
        ideographs: false,
        start: true,
        white: White::Any,
    };
    let spaced = json!({
        "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": true,
        "lowercase": true,
    });
    let kinds = ["Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"];
    let mut normalizers: Vec<Value> = kinds.iter().map(|kind| json!({"type": kind})).collect();
    let pairs = ["NFC", "NFKC", "NFKD"]
        .map(|kind| json!([{"type": kind}, {"type": "StripAccents"}, spaced]));
    normalizers.extend(pairs.map(|list| json!({"type": "Sequence", "normalizers": list})));
    normalizers.push(spaced);
    let white: Vec<char> = characters().filter(|&c| cuts.is_safe('a', c)).collect();
    assert!(white.len() >= 18, "{white:?}");
    for normalizer in normalizers {
        let normalizer: NormalizerWrapper = serde_json::from_value(normalizer).unwrap();
        let normalized = |text: &str| {
            let mut text = NormalizedString::from(text);
            normalizer.normalize(&mut text).unwrap();
            text.get().to_owned()
        };
        for last in characters().filter(|&last| cuts.is_safe(last, ' ')) {
            let (start, text) =
                (normalized(&format!(" {last}")), normalized(&format!(" {last} \u{301}b")));
            let rest = text.strip_prefix(&start).unwrap_or_else(|| panic!("{last:?}"));
            assert!(rest.starts_with(' '), "{last:?} {normalizer:?}");
            let end = start.chars().next_back().unwrap();
            let expected = match last.is_ascii() {
                true => end.eq_ignore_ascii_case(&last),
                false => !end.is_whitespace() && !end.is_ascii_punctuation(),
            };
            assert!(expected, "{last:?} becomes {end:?}: {normalizer:?}");
        }
        for &next in &white {
            let rest = normalized(&format!("a{next}b"));
            assert!(rest[1..].starts_with(char::is_whitespace), "{next:?} {normalizer:?}");
        }
    }
}

fn characters() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

fn bert() -> Kind {
    Kind {
        words: Words::WordPiece,
        switches: [false; 4],
        trims: [false; 2],
        normalizer: json!({
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true,
        }),
        pre_tokenizer: json!({"type": "BertPreTokenizer"}),
        added: vec![("[Q] ", [false, false, false, true])],
        longest_word: 100,
        prefix: "[Q] ",
        prefix_is_token: true,
        strip: false,
        lower_case: LowerCase::No,
        length: 254,
    }
}

/// Bytes of all windows of a text, which is what is tokenized at most.
fn bytes(tokenizer: &Tokenizer, text: &str) -> usize {
    tokenizer.windows.of(text, tokenizer.document.content_length).map(str::len).sum()
}

#[test]
fn no_more_is_tokenized_than_the_limits_say() {
    let unsplit = Kind { pre_tokenizer: Value::Null, ..bert() };
    let lower = Kind { strip: true, lower_case: LowerCase::Text, ..bert() };
    for kind in [bert(), unsplit, lower] {
        let tokenizer = kind.load().unwrap();
        for piece in
            ["a b. ", "a", " ", "野", "\u{200b}", "e\u{301}", "\u{3042}", "a \u{200b}", "[Q] "]
        {
            let text = piece.repeat(1_000_000 / piece.chars().count());
            assert!(bytes(&tokenizer, &text) <= 2 * MOST * kind.length, "{piece:?}");
            tokenizer.tokenize(TextKind::Document, 0, &text).unwrap();
        }
    }
}

#[test]
fn one_window_is_enough_for_usual_texts() {
    let tokenizer = bert().load().unwrap();
    for (piece, text) in
        [("prose", "hello a b, e. "), ("ideographs", "野口。"), ("cyrillic", "привет. ")]
    {
        let text = text.repeat(100_000);
        let first = tokenizer.windows.of(&text, 254).next().unwrap();
        assert!(
            first.len() <= FIRST * 254 && first.len() > FIRST * 250,
            "{piece}: {}",
            first.len()
        );
        let short = &text[..text.floor_char_boundary(FIRST * 254)];
        assert_eq!(tokenizer.windows.of(short, 254).collect::<Vec<_>>(), [short], "{piece}");
    }
}

#[test]
fn a_text_without_safe_cuts_is_cut_at_the_limit() {
    let tokenizer = bert().load().unwrap();
    let tokens = |text: &str| tokenizer.tokenize(TextKind::Document, 0, text).unwrap();
    let (word, white) = ("a".repeat(1_000_000), " ".repeat(1_000_000));
    let cut = tokens(&word);
    assert_eq!(cut.offsets[2], Some((0, MOST * 254)), "one unknown word");
    assert!(cut.truncated);
    assert!(!tokens(&white).truncated, "nothing but white space is left");
    assert!(tokens(&format!("{white}a")).truncated, "an added token ends in white space");
    assert_eq!(tokens(&format!("{white}a")).ids, tokens("").ids);
    let spaced = format!("a{}b", &white[..MOST * 250]);
    assert_eq!(
        tokens(&spaced).ids.len(),
        tokens("a b").ids.len(),
        "both words are within the limit"
    );
}

#[test]
fn white_space_at_the_start_does_not_count() {
    let added = vec![("[CLS]", [false; 4])];
    let tokenizer =
        Kind { added, prefix: "query: ", prefix_is_token: false, ..bert() }.load().unwrap();
    let tokens = |text: &str| tokenizer.tokenize(TextKind::Document, 0, text).unwrap();
    let white = " \u{3000}\n\u{2003}".repeat(1_000_000);
    let (far, near) = (tokens(&format!("{white}a b")), tokens(" a b"));
    assert_eq!(far.ids, near.ids);
    assert!(!far.truncated);
    let shifted = |range: Option<(usize, usize)>| {
        range.map(|(start, end)| (start + white.len() - 1, end + white.len() - 1))
    };
    assert_eq!(far.offsets, near.offsets.into_iter().map(shifted).collect::<Vec<_>>());
}

/// The rules of the components that need none of the others.
#[test]
fn unknown_components_have_no_safe_cuts() {
    let cuts_of = |words: Words, switches: [bool; 4], pre_tokenizer: Value, normalizer: Value| {
        let mut definition = Kind { words, switches, ..bert() }.definition();
        definition["pre_tokenizer"] = pre_tokenizer;
        definition["normalizer"] = normalizer;
        definition["post_processor"] = Value::Null;
        Cuts::new(&Inner::from_bytes(definition.to_string()).unwrap())
    };
    let cuts = |pre_tokenizer: Value, normalizer: Value| {
        cuts_of(Words::WordPiece, [false; 4], pre_tokenizer, normalizer).is_some()
    };
    let white = || json!({"type": "WhitespaceSplit"});
    let metaspace = |split: bool| json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": split});
    let byte_level = |splits: bool| json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": splits});
    let marks = || json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    assert!(cuts(white(), Value::Null));
    assert!(cuts(white(), json!({"type": "NFC"})));
    assert!(cuts(metaspace(true), Value::Null));
    assert!(cuts(byte_level(true), Value::Null));
    assert!(!cuts(Value::Null, Value::Null));
    assert!(!cuts(metaspace(false), Value::Null));
    assert!(!cuts(byte_level(false), Value::Null));
    assert!(!cuts(json!({"type": "Punctuation", "behavior": "Isolated"}), Value::Null));
    assert!(!cuts(white(), marks()));
    assert!(!cuts(Value::Null, marks()), "a text is one word to WordPiece, known or not");
    assert!(!cuts(white(), json!({"type": "Sequence", "normalizers": [{"type": "Nmt"}]})));
    let one_word = |words, switches| cuts_of(words, switches, Value::Null, marks());
    for words in [Words::Bpe, Words::Unigram] {
        let apart = one_word(words, [false; 4]).unwrap();
        assert!(apart.is_safe('b', ' ') && apart.letters, "{words:?}");
        let across = one_word(words, [false, false, false, true]).unwrap();
        assert!(!across.is_safe('b', ' ') && !across.letters, "{words:?}: b▁ is a token");
    }
    assert!(one_word(Words::Bpe, [false, false, true, false]).is_none(), "a known word is whole");
}

macro_rules! family {
    ($name:literal, $file:literal) => {
        include_bytes!(concat!("../../../../tests/fixtures/tokenizers/", $name, "/", $file))
    };
    ($name:literal) => {
        ($name, family!($name, "tokenizer.json"), family!($name, "tokenizer_config.json"))
    };
}

/// Names, and the two files.
const FAMILIES: [(&str, &[u8], &[u8]); 5] = [
    family!("modernbert"),
    family!("mmbert"),
    family!("roberta"),
    family!("xlm-roberta"),
    family!("distilbert-cased"),
];

/// The tokenizers that real checkpoints' are like, on texts in all scripts.
#[test]
fn windows_of_every_family_keep_what_the_whole_text_gives() {
    let scripts = include_bytes!("../../../../tests/data/scripts.json");
    let scripts: serde_json::Map<String, Value> = serde_json::from_slice(scripts).unwrap();
    let texts = scripts.values().flat_map(|texts| texts.as_array().unwrap());
    let texts: Vec<&str> = texts.map(|text| text.as_str().unwrap()).collect();
    for (name, tokenizer, config) in FAMILIES {
        let mut files = plain_files();
        files.insert("tokenizer.json", tokenizer.to_vec()).unwrap();
        files.insert("tokenizer_config.json", config.to_vec()).unwrap();
        let mut config = ModelConfig::from_files(&files).unwrap();
        config.text.document_length = 40;
        let mut tokenizer = Tokenizer::load(&files, &config, &mut Vec::new()).unwrap();
        let mut cut = 0;
        for (place, text) in texts.iter().enumerate() {
            let text = [text, "  ", texts[(place * 7 + 1) % texts.len()], "\n\n", text].concat();
            let cuts = tokenizer.windows.cuts.take();
            tokenizer.windows =
                Windows { cuts: None, first: 1, most: usize::MAX, ..tokenizer.windows };
            let whole = tokenizer.tokenize(TextKind::Document, 0, &text).unwrap();
            tokenizer.windows.cuts = cuts;
            assert_eq!(tokenizer.tokenize(TextKind::Document, 0, &text).unwrap(), whole, "{name}");
            cut += usize::from(tokenizer.windows.of(&text, 38).next() != Some(text.as_str()));
        }
        assert!(cut > texts.len() / 2, "{name}: {cut} of {} texts were cut", texts.len());
    }
}
