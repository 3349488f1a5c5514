//! The tokenizer of the real all-MiniLM-L6-v2 against transformers on 52,000 lines: every id, and every offset in UTF-16 units.
//! `tests/reference/lines.py` makes the same lines and a digest for each few hundred of them, which names where a difference is.
//! `make test` fetches the model; without it this fails.

mod common;

use std::fs;
use std::path::Path;

use common::{fixtures, minilm};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tabrank::text::tokenizer::Tokenizer;
use tabrank::{CheckpointFiles, ModelConfig, TextKind, Utf16Offsets};

const CHUNK: usize = 500;

#[derive(Deserialize)]
struct Expected {
    /// Digest of all lines: if it differs, they were made differently.
    lines: String,
    pieces: Vec<String>,
    separators: Vec<String>,
    /// Start, what comes again and again, how often, end.
    long: Vec<(String, String, usize, String)>,
    generated: u64,
    digests: Vec<String>,
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
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/squad-dev-a");
        let mut lines: Vec<String> = Vec::new();
        for name in ["queries.jsonl", "corpus.jsonl"] {
            let file = fs::read_to_string(data.join(name)).unwrap();
            let text = |line: &str| {
                serde_json::from_str::<Value>(line).unwrap()["text"].as_str().map(str::to_owned)
            };
            lines.extend(file.lines().map(|line| text(line).unwrap()));
        }
        let whole = lines.clone();
        let words: Vec<&str> = whole.iter().flat_map(|text| text.split(' ')).collect();
        let long = |(start, piece, count, end): &(String, String, usize, String)| {
            [start.as_str(), &piece.repeat(*count), end].concat()
        };
        lines.extend(self.long.iter().map(long));
        lines.extend((0..self.generated).map(|number| self.generate(number, &words)));
        lines
    }
}

/// The tokenizer alone: its weights are not read.
fn tokenizer() -> Tokenizer {
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
    let tokenizer = tokenizer();
    let chunks = lines.chunks(CHUNK).zip(&expected.digests).enumerate();
    let differ: Vec<String> = chunks
        .filter(|(_, (lines, expected))| digest(&tokenizer, lines) != **expected)
        .map(|(index, _)| format!("{}..{}", index * CHUNK, (index + 1) * CHUNK))
        .collect();
    assert_eq!(expected.digests.len(), lines.len().div_ceil(CHUNK));
    assert!(differ.is_empty(), "lines {} differ", differ.join(", "));
}
