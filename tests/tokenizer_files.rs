//! Tokenizer files in their many forms, as transformers reads them: the ids of a few texts for every form, or a refusal that
//! names the field. `tests/reference/tokenizer_files.py` makes the fixture in both libraries' environments.

mod common;

use std::fs;

use common::{Fixture, fixtures, gather, tokenizer_files};
use serde::Deserialize;
use serde_json::Value;
use tabrank::text::tokenizer::Tokenizer;
use tabrank::{CheckpointFiles, Error, ModelConfig, SpelledTokens, TextKind};

#[derive(Deserialize)]
struct Expected {
    length: usize,
    texts: Vec<String>,
    encodings: Vec<Vec<u32>>,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    /// The small tokenizer whose files these are; the plain checkpoint where there is none.
    base: Option<String>,
    /// Changes of the checkpoint's files.
    files: serde_json::Map<String, Value>,
    /// By library; `None` where it refuses the files.
    expected: std::collections::BTreeMap<String, Option<Column>>,
}

#[derive(Deserialize, PartialEq)]
struct Column {
    /// For each text its place among the encodings.
    encodings: Vec<usize>,
    /// Id of the mask token.
    mask: Option<u32>,
}

/// The forms that are refused, and what the error names. The libraries disagree on some, refuse some, and what they do with
/// the rest is not computed here.
const REFUSED: &[(&str, &str)] = &[
    ("no model type and no prefix", "continuing_subword_prefix"),
    ("no longest word", "max_input_chars_per_word"),
    ("no unknown token", "unk_token"),
    ("version 2", "version"),
    ("an unknown part", "extra"),
    ("an unknown token that is not there", "[unused9]"),
    ("special_tokens_map with other settings", "do_lower_case"),
    ("an added token with another id", "gap"),
    ("a hole in the vocabulary", "gap"),
    ("BertNormalizer without lowercase", "lowercase"),
    ("a sequence under another name", "pretokenizers"),
    ("Digits without its field", "individual_digits"),
    ("FixedLength", "FixedLength"),
    ("a template of strings", "post_processor.single"),
    ("a template with an absent token", "[ABSENT]"),
    ("a template of two texts", "post_processor"),
    ("a template of another type id", "post_processor.single"),
    ("no template", "post_processor"),
    ("cut on the left", "truncation_side"),
    ("cut on the left by tokenizer.json", "truncation.direction"),
    ("cut on the left by tokenizer.json, general", "truncation.direction"),
    ("filled up on the left", "padding.direction"),
    ("modernbert, another expression", "pattern.Regex"),
    ("xlm-roberta, no unknown token", "unk_id"),
    ("xlm-roberta, Metaspace, old and never", "add_prefix_space"),
    ("a list of tokenizer files", "fast_tokenizer_files"),
    ("positional settings", "init_inputs"),
];

/// The forms that transformers 5.24 reads by the class that they name, and 5.3 as the general one: as the newer has it.
const NEWER: &[&str] = &["DistilBertTokenizer", "distilbert-cased, DistilBertTokenizerFast"];
/// The forms of which `tokenizer.json` says more than the class takes since version 5 of transformers, each with the form that
/// says the same of the general class: the file has the word.
const FILE_HAS_THE_WORD: &[(&str, &str)] =
    &[("xlm-roberta, components of its own", "xlm-roberta, Metaspace")];

/// Parts of `tokenizer.json` that are written as null where there are none.
const NULLS: &[&str] = &["normalizer", "pre_tokenizer", "post_processor"];

/// A JSON merge patch.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(serde_json::Map::new());
    }
    let fields = value.as_object_mut().unwrap();
    for (name, change) in changes {
        if change.is_null() && fields.contains_key(name) && !NULLS.contains(&name.as_str()) {
            fields.shift_remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// A file with a variant's changes.
fn changed(variant: &Variant, name: &str, own: Option<&[u8]>) -> Option<Vec<u8>> {
    match (variant.files.get(name), own) {
        (Some(Value::Null), _) => None,
        (Some(change), Some(own)) if ["tokenizer.json", "config.json"].contains(&name) => {
            let mut value: Value = serde_json::from_slice(own).unwrap();
            merge(&mut value, change);
            Some(value.to_string().into_bytes())
        }
        (Some(change), _) => Some(change.to_string().into_bytes()),
        (None, own) => own.map(<[u8]>::to_vec),
    }
}

/// A checkpoint's files with a variant's changes, the plain one's asked for as a folder's are.
fn checkpoint(variant: &Variant, plain: &CheckpointFiles) -> Result<CheckpointFiles, Error> {
    let Some(base) = &variant.base else {
        return gather(|name| changed(variant, name, plain.get(name)));
    };
    let mut files = tokenizer_files(base);
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        if let Some(bytes) = changed(variant, name, files.get(name)) {
            files.insert(name, bytes)?;
        }
    }
    Ok(files)
}

/// Ids of the texts and of the mask token.
fn encode(
    files: &CheckpointFiles,
    texts: &[String],
    length: usize,
) -> Result<(Vec<Vec<u32>>, Option<u32>), Error> {
    let mut config = ModelConfig::from_files(files)?;
    let longest = config.tokenizer.model_max_length.unwrap_or(length);
    config.text.document_length = length.min(longest);
    let tokenizer = Tokenizer::load(files, &config, &mut Vec::new())?;
    let ids = texts.iter().map(|text| Ok(tokenizer.tokenize(TextKind::Document, 0, text)?.ids));
    let ids = ids.collect::<Result<Vec<_>, Error>>()?;
    let mask = config.tokenizer.special_tokens.get("mask_token").and_then(|mask| {
        let rows = config.encoder.vocab_size() as u32;
        (0..rows).find(|&id| tokenizer.token(id) == mask)
    });
    Ok((ids, mask))
}

/// What the libraries make of a variant, or of the one that says the same.
fn columns<'a>(variant: &'a Variant, expected: &'a Expected) -> Vec<&'a Option<Column>> {
    let same = FILE_HAS_THE_WORD.iter().find(|(name, _)| *name == variant.name);
    let named = |name: &str| expected.variants.iter().find(|variant| variant.name == name);
    let variant = same.map_or(variant, |(_, name)| named(name).unwrap());
    let newer = |library: &str| {
        library == "sentence-transformers" || !NEWER.contains(&variant.name.as_str())
    };
    let columns = variant.expected.iter().filter(|(library, _)| newer(library));
    columns.map(|(_, column)| column).collect()
}

/// What is wrong with how a variant is read.
fn fault(variant: &Variant, expected: &Expected, plain: &CheckpointFiles) -> Option<String> {
    let encoded = checkpoint(variant, plain)
        .and_then(|files| encode(&files, &expected.texts, expected.length));
    let refused = REFUSED.iter().find(|(name, _)| *name == variant.name);
    let (ids, mask) = match (encoded, refused) {
        (Ok(encoded), None) => encoded,
        (Ok(_), Some(_)) => return Some("was taken".to_owned()),
        (Err(error), Some((_, culprit))) => {
            let named = error.to_string().contains(culprit);
            let right = error.code().starts_with("CHECKPOINT_") && named;
            return (!right).then(|| format!("{}: {error}", error.code()));
        }
        (Err(error), None) => return Some(error.to_string()),
    };
    let columns: Vec<&Column> = columns(variant, expected).into_iter().flatten().collect();
    let equal = |column: &&Column| {
        let encodings = column.encodings.iter().map(|place| &expected.encodings[*place]);
        encodings.eq(ids.iter()) && column.mask == mask
    };
    let right = !columns.is_empty() && columns.iter().all(equal);
    (!right).then(|| format!("gives {ids:?} and the mask {mask:?}"))
}

#[test]
fn every_form_of_the_files_gives_the_references_ids_or_a_refusal() {
    let json = fs::read(fixtures().join("tokenizer_files.json")).unwrap();
    let expected: Expected = serde_json::from_slice(&json).unwrap();
    let plain = Fixture::read("plain").files;
    let faults: Vec<String> = expected
        .variants
        .iter()
        .filter_map(|variant| {
            Some(format!("{}: {}", variant.name, fault(variant, &expected, &plain)?))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let named = |name: &str| expected.variants.iter().any(|variant| variant.name == name);
    assert!(REFUSED.iter().all(|(name, _)| named(name)), "a refused form is not in the fixture");
    assert!(expected.variants.len() > 100);
}

/// With [`SpelledTokens::Text`] a text gets what transformers makes of it with `split_special_tokens`.
#[test]
fn spelled_tokens_can_be_text() {
    let json = fs::read(fixtures().join("tokenizer_files.json")).unwrap();
    let expected: Expected = serde_json::from_slice(&json).unwrap();
    let variant = expected.variants.iter().find(|variant| variant.name == "split_special_tokens");
    let column = variant.unwrap().expected["sentence-transformers"].as_ref().unwrap();
    let files = Fixture::read("plain").files;
    let mut config = ModelConfig::from_files(&files).unwrap();
    config.text.document_length = expected.length;
    let tokenizer = Tokenizer::load(&files, &config, &mut Vec::new()).unwrap();
    let tokenizer = tokenizer.with_spelled_tokens(SpelledTokens::Text).unwrap();
    for (text, place) in expected.texts.iter().zip(&column.encodings) {
        let tokens = tokenizer.tokenize(TextKind::Document, 0, text).unwrap();
        assert_eq!(tokens.ids, expected.encodings[*place], "{text:?}");
    }
}

/// Nothing changes but what spells a token out: prefixes keep theirs, offsets stay.
#[test]
fn texts_without_spelled_tokens_are_the_same_either_way() {
    let mut changed = 0;
    for case in common::CASES.iter() {
        let fixture = Fixture::read(case);
        let config = ModelConfig::from_files(&fixture.files).unwrap();
        let load = || Tokenizer::load(&fixture.files, &config, &mut Vec::new()).unwrap();
        let (parse, text) = (load(), load().with_spelled_tokens(SpelledTokens::Text).unwrap());
        for (kind, texts) in [
            (TextKind::Query, &fixture.expected.queries),
            (TextKind::Document, &fixture.expected.documents),
        ] {
            for expected in texts {
                let tokens =
                    |tokenizer: &Tokenizer, text: &str| tokenizer.tokenize(kind, 0, text).unwrap();
                let found = tokens(&text, &expected.text);
                let escaped = expected.text.replace('[', "[ ").replace(']', " ]");
                // Only WordPiece takes no notice of the space beside a bracket.
                let bert = config.tokenizer.special_tokens.get("mask_token") == Some("[MASK]");
                let bytes = case.starts_with("modernbert") && *case != "modernbert-wide";
                if bert && !bytes {
                    assert_eq!(
                        found.ids,
                        tokens(&parse, &escaped).ids,
                        "{case} {kind} {:?}",
                        expected.text
                    );
                }
                changed += usize::from(found != tokens(&parse, &expected.text));
                if !expected.text.contains(['[', '<']) {
                    assert_eq!(
                        found,
                        tokens(&parse, &expected.text),
                        "{case} {kind} {:?}",
                        expected.text
                    );
                }
                let names = found.ids.iter().map(|&id| text.token(id));
                assert!(names.eq(found.ids.iter().map(|&id| parse.token(id))), "{case} {kind}");
            }
        }
    }
    assert!(changed > 40, "{changed} texts spell out a token");
}
