//! Tokenizers against transformers on lines in all scripts: every id, and every offset in UTF-16 units. The one of the real
//! all-MiniLM-L6-v2 takes 52,000 lines, the small ones of every other kind the first 12,000 of them.
//! `tests/reference/lines.py` makes the same lines and a digest for each few hundred of them, which names where a difference is.
//! `make test` fetches the model; without it this fails.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{fixtures, minilm, small_tokenizer};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tabrank::text::tokenizer::Tokenizer;
use tabrank::{CheckpointFiles, ModelConfig, TextKind, Utf16Offsets};

const CHUNK: usize = 500;
const LENGTH: usize = 256;
const REAL: &str = "all-MiniLM-L6-v2";

#[derive(Deserialize)]
struct Expected {
    /// Digest of all lines: if it differs, they were made differently.
    lines: String,
    pieces: Vec<String>,
    separators: Vec<String>,
    /// Start, what comes again and again, how often, end.
    long: Vec<(String, String, usize, String)>,
    generated: u64,
    /// By the tokenizer.
    digests: BTreeMap<String, Vec<String>>,
}

struct SplitMix64(u64);

impl SplitMix64 {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn character(&mut self) -> char {
        let limit = if self.below(2) == 0 { 0x3000 } else { 0x11_0000 };
        char::from_u32(self.below(limit) as u32).unwrap_or('\u{fffd}')
    }
}

impl Expected {
    fn generate(&self, number: u64, words: &[&str]) -> String {
        let mut random = SplitMix64(number);
        let kind = random.below(4);
        let mut line = String::new();
        for _ in 0..1 + random.below(24) {
            match if kind == 3 { random.below(3) } else { kind } {
                0 => line += words[random.below(words.len())],
                1 => line.push(random.character()),
                _ => line += &self.pieces[random.below(self.pieces.len())],
            }
            line += &self.separators[random.below(self.separators.len())];
        }
        line
    }

    fn all_lines(&self) -> Vec<String> {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let mut whole: Vec<String> = Vec::new();
        for name in ["queries.jsonl", "corpus.jsonl"] {
            let file = fs::read_to_string(data.join("squad-dev-a").join(name)).unwrap();
            let text = |line: &str| {
                serde_json::from_str::<Value>(line).unwrap()["text"].as_str().map(str::to_owned)
            };
            whole.extend(file.lines().map(|line| text(line).unwrap()));
        }
        let scripts = fs::read(data.join("scripts.json")).unwrap();
        let scripts: serde_json::Map<String, Value> = serde_json::from_slice(&scripts).unwrap();
        assert!(scripts.len() >= 12);
        let others = scripts.values().flat_map(|texts| texts.as_array().unwrap());
        let others: Vec<&str> = others.map(|text| text.as_str().unwrap()).collect();
        let words = whole.iter().map(String::as_str).chain(others.repeat(100));
        let words: Vec<&str> = words.flat_map(|text| text.split(' ')).collect();
        let long = self.long.iter().map(|(start, piece, count, end)| {
            [start.as_str(), &piece.repeat(*count), end].concat()
        });
        let generated = (0..self.generated).map(|number| self.generate(number, &words));
        let first = others.iter().map(|&text| text.to_owned()).chain(long);
        first.chain(whole.iter().cloned()).chain(generated).collect()
    }
}

/// The tokenizer alone: weights are not read.
fn tokenizer(name: &str) -> Tokenizer {
    if name != REAL {
        return small_tokenizer(name, |config| config.text.document_length = LENGTH);
    }
    let mut files = CheckpointFiles::new();
    for name in [
        "modules.json",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "sentence_bert_config.json",
    ] {
        let bytes = fs::read(minilm().join(name)).expect("run scripts/fetch-model.sh");
        files.insert(name, bytes).unwrap();
    }
    let config = ModelConfig::from_files(&files).unwrap();
    Tokenizer::load(&files, &config, &mut Vec::new()).unwrap()
}

fn short(digest: Sha256) -> String {
    digest.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(tokenizer: &Tokenizer, lines: &[String]) -> String {
    let mut digest = Sha256::new();
    for line in lines {
        let tokens = tokenizer.tokenize(TextKind::Document, 0, line).unwrap();
        let units = Utf16Offsets::new(line);
        for (id, range) in tokens.ids.iter().zip(&tokens.offsets) {
            let (start, end) = range.unwrap_or((0, 0));
            for number in [*id, units.at(start), units.at(end)] {
                digest.update(number.to_le_bytes());
            }
        }
        digest.update(u32::MAX.to_le_bytes());
    }
    short(digest)
}

#[test]
fn ids_and_offsets_equal_the_reference_on_every_line() {
    let json = fs::read(fixtures().join("lines.json")).unwrap();
    let expected: Expected = serde_json::from_slice(&json).unwrap();
    let lines = expected.all_lines();
    assert!(lines.len() > 52_000);
    assert_eq!(
        short(Sha256::new_with_prefix(lines.join("\0"))),
        expected.lines,
        "these are other lines"
    );
    assert_eq!(expected.digests.len(), 6);
    assert_eq!(expected.digests[REAL].len(), lines.len().div_ceil(CHUNK));
    for (name, digests) in &expected.digests {
        let tokenizer = tokenizer(name);
        let chunks = lines.chunks(CHUNK).zip(digests).enumerate();
        let differ: Vec<String> = chunks
            .filter(|(_, (lines, expected))| digest(&tokenizer, lines) != **expected)
            .map(|(index, _)| format!("{}..{}", index * CHUNK, (index + 1) * CHUNK))
            .collect();
        assert!(digests.len() >= 24, "{name}: {} digests", digests.len());
        assert!(differ.is_empty(), "{name}: lines {} differ", differ.join(", "));
    }
}
