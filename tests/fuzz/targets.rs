//! What is done with arbitrary bytes. `make fuzz` searches for bytes that end in a panic; `tests/corpus.rs` replays
//! those that were kept, with each test run.
//!
//! Bytes that stand for files as they are hardly get past the first parser. So they stand for a fixture and for some
//! changes of its files, field by field.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use arbitrary::{Arbitrary, Result, Unstructured};
use pollster::block_on;
use serde_json::{Value, json};
use tabrank::{
    Archive, BundleFiles, CheckpointFiles, Codec, ConvertOptions, Documents, Dtype, EmbeddingsFile,
    Error, ForeignIndex, Index, IndexFolder, IndexForm, LoadOptions, LongDocuments, PartKind,
    Pooling, RerankOptions, Reranker, ResidualCodec, SearchOptions, Source, TextKind,
    TokenEmbeddings, Unobserved, VectorFile, convert,
};

use crate::common::crafted::{Crafted, MANIFEST, converted};
use crate::common::index::{self, Collection, Folder};
use crate::common::{CASES, Fixture, fixtures, gather};

/// What is done with bytes. It panics at a fault.
pub type Target = fn(&[u8]);

pub const TARGETS: &[(&str, Target)] = &[
    ("checkpoint", checkpoint),
    ("bundle", bundle),
    ("tokenizer", tokenizer),
    ("conversion", conversion),
    ("pickle", pickle),
    ("vectors", vectors),
    ("codec", codec),
    ("index", index),
    ("foreign-index", foreign_index),
];

/// Texts that have been trouble somewhere.
const TEXTS: &[&str] = &[
    "",
    " \t\n",
    "oil prices rose. Who wrote Faust?",
    "[CLS][MASK] [SEP][unused0]",
    "e\u{301}\u{301}\u{200d}\u{feff}\u{202e}x",
    "野猪野猪",
    "\0\u{fffd}\u{10ffff}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Bytes that are too few are the end, not a fault.
fn ended(_: Result<()>) {}

/// A checkpoint with changed files loads, or is refused; loaded, it ranks.
fn checkpoint(data: &[u8]) {
    ended((|| {
        let mut u = Unstructured::new(data);
        let files = changed_checkpoint(&mut u)?;
        let text = text(&mut u)?;
        use_files(files, &text);
        Ok(())
    })());
}

/// A pickle beside two storages gives tensors, or is refused.
fn pickle(data: &[u8]) {
    let storages = [("0", 64..4_160), ("1", 4_160..4_168)];
    let storages = storages.map(|(name, range)| (name.to_owned(), range)).into();
    let _ = CheckpointFiles::new().insert_pickle("pytorch_model.bin", data, &storages);
}

/// A changed file of embeddings is refused, or what it holds can be decoded, and is the same once it is written again.
fn vectors(data: &[u8]) {
    ended((|| {
        let mut u = Unstructured::new(data);
        let name = *u.choose(Codec::NAMES)?;
        let bytes = changed_vectors(&mut u, &format!("{name}.safetensors"))?;
        let _ = VectorFile::read("list", &bytes);
        let codecs =
            [Arc::new(residual_codec(&vector_file("codec.safetensors")).expect("a codec"))];
        let Ok(mut file) = EmbeddingsFile::read("list", &bytes, &codecs) else { return Ok(()) };
        assert_eq!(EmbeddingsFile::read("list", &file.write(), &codecs), Ok(file.clone()));
        file.embeddings.normalize_long(1.01);
        let decoded = file.embeddings.decompress();
        assert!(decoded.values().iter().all(|value| value.is_finite()), "decoded to no number");
        assert_eq!(file.embeddings.documents().count(), decoded.len());
        Ok(())
    })());
}

/// A changed codec is refused, or stores rows and reads them back as finite ones.
fn codec(data: &[u8]) {
    ended((|| {
        let mut u = Unstructured::new(data);
        let bytes = changed_vectors(&mut u, "codec.safetensors")?;
        let _ = VectorFile::read("codec", &bytes);
        let Ok(codec) = residual_codec(&bytes) else { return Ok(()) };
        assert_eq!(residual_codec(&codec.write()).as_ref(), Ok(&codec));
        let dimension = codec.dimension();
        let values: Vec<f32> = (0..3 * dimension).map(|place| place as f32 - 7.0).collect();
        let rows = TokenEmbeddings::from_parts(values, vec![1, 2], dimension).expect("three rows");
        let stored =
            Codec::Residual(Arc::new(codec)).compress(&rows).expect("finite rows of the width");
        let decoded = stored.decompress();
        assert!(decoded.values().iter().all(|value| value.is_finite()), "decoded to no number");
        Ok(())
    })());
}

/// An index with a changed manifest, or with a changed part whose hash fits, is refused, or searched and read.
fn index(data: &[u8]) {
    static BUILT: LazyLock<Folder> = LazyLock::new(|| Collection::new(120, 2, 20).built(0..120));
    ended((|| {
        let (mut u, mut folder) = (Unstructured::new(data), BUILT.clone());
        for _ in 0..u.int_in_range(1..=3)? {
            let Ok(opened) = Index::open(&folder.0[index::MANIFEST]) else { break };
            let kind = *u.choose(&[PartKind::Codec, PartKind::Lists, PartKind::Documents])?;
            let place = u.choose_index(opened.manifest().parts(kind).len())?;
            match u.ratio(1, 3)? {
                true => {
                    let manifest = change_file(&mut u, folder.0[index::MANIFEST].clone())?;
                    folder.0.insert(index::MANIFEST.to_owned(), manifest);
                }
                false => {
                    let file = &opened.manifest().parts(kind)[place].file;
                    let Some(bytes) = folder.0.get(file).cloned() else { break };
                    let bytes = change_file(&mut u, bytes)?;
                    folder.exchange(kind.name(), place, bytes);
                }
            }
        }
        let _ = (folder.read_all(), folder.check());
        Ok(())
    })());
}

/// A changed index folder of another library is refused, or all of its documents can be read, and hits have finite scores.
fn foreign_index(data: &[u8]) {
    ended((|| {
        let mut u = Unstructured::new(data);
        let case = *u.choose(&["fast-plaid", "next-plaid", "pylate", "pylate-stanford"])?;
        let mut files = BTreeMap::new();
        gather_files(&fixtures().join("indexes").join(case), "", &mut files);
        change_files(&mut u, &mut files)?;
        let pickle = u.bytes(u.len())?.to_vec();
        let form = IndexForm::of(|file| files.contains_key(file));
        let folder = ChangedFolder { files, pickle };
        if let Some(Ok(index)) = form.map(|form| ForeignIndex::open(folder, form)) {
            use_foreign(index);
        }
        Ok(())
    })());
}

fn use_foreign(mut index: ForeignIndex<ChangedFolder>) {
    for place in 0..index.count() {
        let _ = index.read(place);
    }
    let query = vec![0.5; index.codec().dimension()];
    if let Ok(hits) = index.search(&query, &SearchOptions::default()) {
        assert!(hits.iter().all(|hit| hit.score.is_finite()), "a hit has no score");
    }
}

fn gather_files(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a fixture") {
        let path = entry.expect("a fixture").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a fixture");
        let name = format!("{prefix}{name}");
        match path.is_dir() {
            true => gather_files(&path, &format!("{name}/"), files),
            false => drop(files.insert(name, fs::read(path).expect("a fixture"))),
        }
    }
}

/// An index folder, all of whose archives hold one pickle.
struct ChangedFolder {
    files: BTreeMap<String, Vec<u8>>,
    pickle: Vec<u8>,
}

impl IndexFolder for ChangedFolder {
    type Error = Error;

    fn size(&self, file: &str) -> tabrank::Result<Option<u64>> {
        Ok(self.files.get(file).map(|bytes| bytes.len() as u64))
    }

    fn read_at(&self, file: &str, bytes: Range<u64>) -> tabrank::Result<Vec<u8>> {
        Ok(self.files[file][bytes.start as usize..bytes.end as usize].to_vec())
    }

    fn archive(&self, _: &str) -> tabrank::Result<Archive> {
        let storages = [("0", 64..1_088), ("1", 1_088..1_096)];
        let storages = storages.map(|(name, range)| (name.to_owned(), range)).into();
        Ok(Archive { pickle: self.pickle.clone(), storages })
    }
}

fn residual_codec(bytes: &[u8]) -> tabrank::Result<ResidualCodec> {
    ResidualCodec::read("codec", bytes)
}

/// One of the files of embeddings that NumPy wrote.
fn vector_file(name: &str) -> Vec<u8> {
    fs::read(fixtures().join("vectors").join(name)).expect("a fixture")
}

/// Such a file with some changes; or the bytes as they are.
fn changed_vectors(u: &mut Unstructured<'_>, name: &str) -> Result<Vec<u8>> {
    if u.ratio(1, 16)? {
        return Ok(u.bytes(u.len())?.to_vec());
    }
    let mut bytes = vector_file(name);
    for _ in 0..u.int_in_range(1..=3)? {
        bytes = change_file(u, bytes)?;
    }
    Ok(bytes)
}

/// A bundle whose files were changed, with hashes that fit.
fn bundle(data: &[u8]) {
    ended((|| {
        let mut u = Unstructured::new(data);
        let dtype = *u.choose(&[Dtype::F32, Dtype::F16, Dtype::Q8, Dtype::Q4])?;
        let case = *u.choose(&CASES)?;
        let mut bundle = Crafted::new(converted_once(case, dtype));
        let names: Vec<_> = bundle.files.keys().filter(|name| *name != MANIFEST).cloned().collect();
        for _ in 0..u.int_in_range(0..=2)? {
            let name = u.choose(&names)?;
            let bytes = change_file(&mut u, bundle.files[name].clone())?;
            bundle = bundle.file(name, bytes);
        }
        for _ in 0..u.int_in_range(0..=2)? {
            let edit = Edit::arbitrary(&mut u)?;
            bundle = bundle.manifest(|manifest| edit.apply(manifest));
        }
        let text = text(&mut u)?;
        use_files(bundle.open(), &text);
        Ok(())
    })());
}

/// A tokenizer's files are changed, then texts are encoded: ids have rows, and offsets lie in the text.
fn tokenizer(data: &[u8]) {
    ended((|| {
        let mut u = Unstructured::new(data);
        let mut files = files_of(u.choose(&CASES)?);
        let own: Vec<_> = files.keys().filter(|name| name.contains("token")).cloned().collect();
        for _ in 0..u.int_in_range(1..=4)? {
            let name = u.choose(&own)?;
            let mut value: Value = serde_json::from_slice(&files[name]).unwrap_or(Value::Null);
            Edit::arbitrary(&mut u)?.apply(&mut value);
            files.insert(name.clone(), value.to_string().into_bytes());
        }
        let text = text(&mut u)?;
        use_files(inserted(&files), &text);
        Ok(())
    })());
}

/// What is converted from a changed checkpoint loads, and ranks with finite scores or says that it cannot.
fn conversion(data: &[u8]) {
    ended((|| {
        let mut u = Unstructured::new(data);
        let dtype = *u.choose(&[Dtype::F32, Dtype::F16, Dtype::Q8, Dtype::Q4])?;
        let files = changed_checkpoint(&mut u)?;
        let text = text(&mut u)?;
        let options =
            ConvertOptions { dtype, source: Source::default(), overrides: Default::default() };
        let Ok(files) = files else { return Ok(()) };
        if let Ok(bundle) = block_on(convert(files, &options, &mut Unobserved)) {
            use_files(from_bundle(&bundle), &text);
        }
        Ok(())
    })());
}

fn from_bundle(bundle: &BundleFiles) -> tabrank::Result<CheckpointFiles> {
    Ok(CheckpointFiles::from_bundle(bundle).expect("a bundle that was just made is a bundle"))
}

/// Loads and uses what the library takes.
fn use_files(files: tabrank::Result<CheckpointFiles>, text: &str) {
    let Ok(files) = files else { return };
    let options = LoadOptions::default();
    let Ok(reranker) = block_on(Reranker::load(files, &options, &mut Unobserved)) else { return };
    let texts = [text, TEXTS[2]];
    check_scores(&reranker, text, &texts);
    check_offsets(&reranker, text);
    let (kind, mut observer) = (TextKind::Document, Unobserved);
    if let Ok(encoded) = block_on(reranker.encode(kind, &texts, Pooling::Mean, &mut observer)) {
        let finite = encoded.embeddings.values().iter().all(|value| value.is_finite());
        assert!(finite, "a mean vector is not finite");
    }
}

fn check_scores(reranker: &Reranker, query: &str, texts: &[&str]) {
    let options = RerankOptions { explain: true, ..RerankOptions::default() };
    match block_on(reranker.rerank(query, texts, &options, &mut Unobserved)) {
        Ok(output) => {
            assert!(output.results.iter().all(|result| result.score.is_finite()));
        }
        Err(Error::EmptyQuery { .. } | Error::NotFinite { .. } | Error::Tokenize { .. }) => {}
        Err(other) => panic!("a model that was taken cannot rank: {other}"),
    }
}

fn check_offsets(reranker: &Reranker, text: &str) {
    let Ok(explanation) =
        block_on(reranker.explain(TEXTS[2], text, LongDocuments::Cut, &mut Unobserved))
    else {
        return;
    };
    for found in explanation.matches {
        if let Some((start, end)) = found.document.range {
            assert!(text.get(start..end).is_some(), "{start}..{end} of {text:?}");
        }
    }
}

fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = u.choose(TEXTS)?.to_string();
    text.push_str(<&str>::arbitrary(u).unwrap_or_default());
    Ok(text)
}

fn files_of(case: &'static str) -> BTreeMap<String, Vec<u8>> {
    let files = read_once(case);
    files.iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect()
}

/// Fixtures are the same each time, and reading one takes longer than what is tried with it.
fn read_once(case: &'static str) -> CheckpointFiles {
    static READ: Mutex<BTreeMap<&str, CheckpointFiles>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().expect("no input is tried while another one is");
    read.entry(case).or_insert_with(|| Fixture::read(case).files).clone()
}

fn converted_once(case: &'static str, dtype: Dtype) -> BundleFiles {
    static MADE: Mutex<BTreeMap<(&str, &str), BundleFiles>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().expect("no input is tried while another one is");
    made.entry((case, dtype.name())).or_insert_with(|| converted(&read_once(case), dtype)).clone()
}

fn changed_checkpoint(u: &mut Unstructured<'_>) -> Result<tabrank::Result<CheckpointFiles>> {
    let mut files = files_of(u.choose(&CASES)?);
    change_files(u, &mut files)?;
    Ok(inserted(&files))
}

/// Takes some away, and changes others.
fn change_files(u: &mut Unstructured<'_>, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    let names: Vec<_> = files.keys().cloned().collect();
    for _ in 0..u.int_in_range(1..=3)? {
        let name = u.choose(&names)?;
        let Some(bytes) = files.get(name) else { continue };
        match u.ratio(1, 8)? {
            true => files.remove(name),
            false => files.insert(name.clone(), change_file(u, bytes.clone())?),
        };
    }
    Ok(())
}

fn inserted(files: &BTreeMap<String, Vec<u8>>) -> tabrank::Result<CheckpointFiles> {
    gather(|name| files.get(name).cloned())
}

/// JSON gets an edit, as does the header of a safetensors file; or a byte of either changes.
fn change_file(u: &mut Unstructured<'_>, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    if u.ratio(1, 4)? {
        let (at, byte) = (usize::arbitrary(u)?, u8::arbitrary(u)?);
        overwrite(&mut bytes, at, byte);
        return Ok(bytes);
    }
    let edit = Edit::arbitrary(u)?;
    if let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) {
        edit.apply(&mut value);
        return Ok(value.to_string().into_bytes());
    }
    let length = bytes.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk) as usize);
    let Some(header) = bytes.get(8..8 + length) else { return Ok(bytes) };
    let Ok(mut value) = serde_json::from_slice::<Value>(header) else { return Ok(bytes) };
    edit.apply(&mut value);
    let header = value.to_string().into_bytes();
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, &bytes[8 + length..]].concat())
}

fn overwrite(bytes: &mut [u8], at: usize, byte: u8) {
    if let Some(length) = bytes.len().checked_sub(1) {
        bytes[at % (length + 1)] = byte;
    }
}

/// One change of a JSON value: at the field that `at` leads to, each step taking the child of that number.
#[derive(Debug, Arbitrary)]
struct Edit {
    at: [u8; 5],
    depth: u8,
    what: What,
}

#[derive(Debug, Arbitrary)]
enum What {
    Remove,
    Replace(Scalar),
    /// Puts a field, or an item, beside the others.
    Add(Name, Scalar),
    /// The value that stands there once more, under this name.
    Copy(Name),
    Wrap,
}

#[derive(Debug, Arbitrary)]
enum Scalar {
    Null,
    Bool(bool),
    Small(i8),
    Integer(i64),
    Float(f64),
    Huge,
    Empty,
    Word(Name),
    Long(u8),
    List(u8),
    Object,
    Text(String),
}

/// Names that readers know, and one that they do not.
#[derive(Debug, Arbitrary)]
enum Name {
    Known(u8),
    Other(String),
}

const NAMES: &[&str] = &[
    "type",
    "Sequence",
    "pretokenizers",
    "pre_tokenizers",
    "normalizers",
    "FixedLength",
    "length",
    "Sequence",
    "ByteLevel",
    "add_prefix_space",
    "trim_offsets",
    "use_regex",
    "Metaspace",
    "replacement",
    "prepend_scheme",
    "first",
    "never",
    "Split",
    "pattern",
    "String",
    "Regex",
    "behavior",
    "MergedWithPrevious",
    "invert",
    "Precompiled",
    "precompiled_charsmap",
    "Prepend",
    "RobertaProcessing",
    "processors",
    "byte_fallback",
    "fuse_unk",
    "ignore_merges",
    "unk_id",
    "▁",
    "Ġ",
    "Replace",
    "Strip",
    "Lowercase",
    "NFKC",
    "BertNormalizer",
    "Whitespace",
    "Punctuation",
    "Digits",
    "WordPiece",
    "BPE",
    "Unigram",
    "vocab",
    "merges",
    "unk_token",
    "[MASK]",
    "[UNK]",
    "##",
    "continuing_subword_prefix",
    "max_input_chars_per_word",
    "added_tokens",
    "content",
    "id",
    "special",
    "normalized",
    "lstrip",
    "rstrip",
    "single_word",
    "truncation",
    "direction",
    "Left",
    "stride",
    "max_length",
    "TemplateProcessing",
    "BertProcessing",
    "RobertaProcessing",
    "hidden_act",
    "gelu_new",
    "prompts",
    "query",
    "document",
    "default_prompt_name",
    "similarity_fn_name",
    "query_expansion",
    "strategy",
    "min",
    "token",
    "attend",
    "skiplist_words",
    "query_length",
    "document_length",
    "dtype",
    "shape",
    "data_offsets",
    "F32",
    "I8",
    "files",
    "weights",
    "bytes",
    "sha256",
    "version",
    "model_type",
    "__metadata__",
    "format",
    "codec",
    "dimension",
    "embeddings",
    "lengths",
    "scales",
    "codes",
    "nbits",
    "8",
    "U32",
    "ids",
    "parts",
    "first",
    "last",
    "centroids",
    "documents",
];

impl Edit {
    fn apply(&self, root: &mut Value) {
        let (steps, last) = (&self.at[..self.depth as usize % 5], self.at[4] as usize);
        let mut value = root;
        for step in steps {
            // Of a scalar there is no child; the edit is of the scalar then.
            match children(value) {
                0 => break,
                count => value = child(value, *step as usize % count),
            }
        }
        self.what.apply(value, last);
    }
}

impl What {
    fn apply(&self, value: &mut Value, last: usize) {
        match self {
            What::Remove => remove(value, last),
            What::Replace(scalar) => *value = scalar.value(),
            What::Add(name, scalar) => add(value, name, scalar.value()),
            What::Copy(name) => {
                let copy = match children(value) {
                    0 => value.clone(),
                    count => child(value, last % count).clone(),
                };
                add(value, name, copy);
            }
            What::Wrap => *value = json!([value.take()]),
        }
    }
}

impl Scalar {
    fn value(&self) -> Value {
        match self {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => json!(value),
            Scalar::Small(value) => json!(value),
            Scalar::Integer(value) => json!(value),
            Scalar::Float(value) => json!(value),
            Scalar::Huge => json!(u64::MAX),
            Scalar::Empty => json!(""),
            Scalar::Word(name) => json!(name.text()),
            Scalar::Long(length) => json!("#".repeat(*length as usize * 64)),
            Scalar::List(length) => json!(vec![1; *length as usize]),
            Scalar::Object => json!({}),
            Scalar::Text(text) => json!(text),
        }
    }
}

impl Name {
    fn text(&self) -> &str {
        match self {
            Name::Known(index) => NAMES[*index as usize % NAMES.len()],
            Name::Other(name) => name,
        }
    }
}

fn children(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    }
}

fn child(value: &mut Value, place: usize) -> &mut Value {
    match value {
        Value::Array(list) => &mut list[place],
        Value::Object(map) => map.values_mut().nth(place).expect("a place below the count"),
        _ => unreachable!("a scalar has no children"),
    }
}

fn remove(value: &mut Value, place: usize) {
    match value {
        Value::Array(list) if !list.is_empty() => {
            list.remove(place % list.len());
        }
        Value::Object(map) if !map.is_empty() => {
            let name = map.keys().nth(place % map.len()).cloned();
            name.and_then(|name| map.shift_remove(&name));
        }
        _ => *value = Value::Null,
    }
}

fn add(value: &mut Value, name: &Name, added: Value) {
    match value {
        Value::Array(list) => list.push(added),
        Value::Object(map) => {
            map.insert(name.text().to_owned(), added);
        }
        other => *other = json!({name.text(): added}),
    }
}
