//! Damaged and hostile files of embeddings and codecs: each is refused with an error that names the culprit, nothing panics, and nothing
//! is allocated that the file could not fill.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use tabrank::{
    Codec, CompressedEmbeddings, EmbeddingsFile, EmbeddingsInfo, Error, ResidualCodec,
    ResidualParts, Rows, TokenEmbeddings, VectorFile,
};

/// The system's, taking note of the largest piece that a thread asked for.
struct Watched;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: as of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as of the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static WATCHED: Watched = Watched;

fn residual() -> Arc<ResidualCodec> {
    let parts = ResidualParts {
        dimension: 8,
        nbits: 2,
        centroids: vec![0.25; 16],
        cutoffs: vec![-0.1, 0.0, 0.1],
        weights: vec![-0.2, -0.1, 0.1, 0.2],
        avg_residual: vec![0.1; 8],
        embedding_id: None,
    };
    Arc::new(ResidualCodec::new(parts).unwrap())
}

fn codec(name: &str) -> Codec {
    Codec::from_name(name).unwrap_or_else(|| Codec::Residual(residual()))
}

/// Two documents, 8 wide, and the facts of pages.
fn list(name: &str) -> Vec<u8> {
    let values = (0..24).map(|place| (place as f32 - 11.0) / 40.0).collect();
    let embeddings = TokenEmbeddings::from_parts(values, vec![1, 2], 8).unwrap();
    let compressed = codec(name).compress(&embeddings).unwrap();
    let mut file = EmbeddingsFile::new(compressed, EmbeddingsInfo::default());
    file.grid = Some(vec![[1, 1], [2, 1]]);
    file.page = Some(vec![[8.0, 9.0]; 2]);
    file.truncated = Some(vec![false, true]);
    file.write()
}

fn header(bytes: &[u8]) -> (Value, &[u8]) {
    let (header, data) =
        bytes[8..].split_at(u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize);
    (serde_json::from_slice(header).unwrap(), data)
}

fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A file whose header was changed.
fn changed(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (mut value, data) = header(bytes);
    change(&mut value);
    with_header(&value.to_string(), data)
}

/// A file with bytes of a tensor in place of its first ones.
fn overwritten(bytes: &[u8], tensor: &str, with: &[u8]) -> Vec<u8> {
    let (value, data) = header(bytes);
    let at = bytes.len() - data.len() + value[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    let mut bytes = bytes.to_vec();
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

fn read(bytes: &[u8]) -> Result<EmbeddingsFile, Error> {
    EmbeddingsFile::read("list", bytes, &[residual()])
}

fn check(error: Option<Error>, culprit: &str) {
    let error = error.unwrap_or_else(|| panic!("taken: {culprit}"));
    let text = error.to_string();
    assert_eq!(error.code(), "INVALID_INPUT", "{text}");
    assert!(text.contains(culprit), "{text:?} does not mention {culprit:?}");
}

#[test]
fn fields_of_a_list_are_refused_by_name() {
    type Change = fn(&mut Value);
    let cases: &[(Change, &str)] = &[
        (|h| h["__metadata__"]["format"] = json!("tabrank-bundle"), "list: format is"),
        (|h| h["__metadata__"]["version"] = json!("2"), "list: version is \"2\""),
        (|h| h["__metadata__"]["version"] = json!(1), "list: version is no string"),
        (|h| h["__metadata__"]["codec"] = json!("int4"), "list: codec is \"int4\""),
        (|h| h["__metadata__"]["codec"] = json!("f16"), "list: embeddings is F32 of shape [3, 8]"),
        (|h| h["__metadata__"]["codec"] = json!("int8"), "list: embeddings is F32"),
        (|h| h["__metadata__"]["codec"] = json!("residual"), "list: codecId is missing"),
        (|h| h["__metadata__"]["dimension"] = json!("0"), "list: embeddings has rows of 8"),
        (|h| h["__metadata__"]["dimension"] = json!("16"), "list: embeddings has rows of 8"),
        (|h| h["__metadata__"]["dimension"] = json!("+8"), "list: dimension is"),
        (|h| h["__metadata__"]["dimension"] = json!(""), "list: dimension is"),
        (|h| h["__metadata__"]["dimension"] = json!("99999999999999999999"), "list: dimension is"),
        (|h| h["__metadata__"]["embeddingId"] = json!(7), "list: embeddingId is no string"),
        (|h| h["__metadata__"] = json!([]), "__metadata__ is no object"),
        (|h| h["__metadata__"] = json!({}), "list: format is missing"),
        (|h| h["lengths"]["dtype"] = json!("F32"), "list: lengths is F32"),
        (|h| h["lengths"]["dtype"] = json!("U33"), "unknown variant"),
        (|h| h["lengths"]["shape"] = json!([2, 1]), "list: lengths is U32 of shape [2, 1]"),
        (|h| h["lengths"]["shape"] = json!([1]), "list is not a valid safetensors file"),
        (|h| h["lengths"]["shape"] = json!([u64::MAX, 8]), "list is not a valid safetensors file"),
        (|h| h["lengths"]["shape"] = json!([-1]), "list is not a valid safetensors file"),
        (|h| h["lengths"]["data_offsets"] = json!([4, 12]), "list is not a valid safetensors"),
        (|h| h["lengths"]["data_offsets"] = json!([0, u64::MAX]), "list is not a valid"),
        (|h| h["page"]["shape"] = json!([4, 1]), "list: page has shape [4, 1], not [2, 2]"),
        (|h| h["truncated"]["dtype"] = json!("U8"), "list: truncated is U8"),
        (|h| *h = json!([]), "list is not a valid safetensors file"),
    ];
    for (change, culprit) in cases {
        check(read(&changed(&list("f32"), change)).err(), culprit);
    }
    let other = |h: &mut Value| h["__metadata__"]["codecId"] = json!("r1-0");
    check(read(&changed(&list("residual"), other)).err(), "list: codecId is r1-0, and no codec");
    for tensor in ["lengths", "embeddings", "scales"] {
        let absent = |h: &mut Value| {
            let tensor = h.as_object_mut().unwrap().remove(tensor).unwrap();
            h["elsewhere"] = tensor;
        };
        check(read(&changed(&list("int8"), absent)).err(), &format!("list: {tensor} is missing"));
    }
}

#[test]
fn names_that_stand_twice_are_refused() {
    let bytes = list("int8");
    let (value, data) = header(&bytes);
    let text = value.to_string();
    let twice = text.replacen('{', &format!("{{\"scales\":{},", value["scales"]), 1);
    check(read(&with_header(&twice, data)).err(), "has the key \"scales\" twice");
    let twice = text.replacen("\"codec\"", "\"codec\":\"f32\",\"codec\"", 1);
    check(read(&with_header(&twice, data)).err(), "has the key \"codec\" twice");
}

#[test]
fn files_that_are_none_are_refused() {
    let bytes = list("f32");
    let (value, data) = header(&bytes);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let long = format!("{{\"a\":\"{}\"}}", "a".repeat(1 << 20));
    for (bytes, culprit) in [
        (Vec::new(), "list is empty"),
        (vec![1, 2, 3], "it ends before its header"),
        (bytes[..20].to_vec(), "it ends within its header"),
        ([u64::MAX.to_le_bytes(), [0; 8]].concat(), "its header is longer than"),
        (with_header(&long, data), "its header is longer than"),
        (with_header(&deep, data), "deep"),
        (with_header("{}{}", data), "trailing"),
        (with_header(&value.to_string(), &data[1..]), "its tensors take"),
        (with_header(&value.to_string(), &[data, &[0]].concat()), "its tensors take"),
        (b"<!doctype html><title>404</title>".to_vec(), "list is a web page"),
    ] {
        check(read(&bytes).err(), culprit);
        assert!(ResidualCodec::read("list", &bytes).is_err());
        assert!(VectorFile::read("list", &bytes).is_err());
    }
}

#[test]
fn numbers_of_a_list_are_refused_by_their_tensor() {
    let not_finite = "hold a number that is not finite";
    for (codec, tensor, with, culprit) in [
        ("f32", "embeddings", f32::NAN.to_le_bytes().to_vec(), not_finite),
        ("f32", "embeddings", f32::INFINITY.to_le_bytes().to_vec(), not_finite),
        ("f16", "embeddings", 0x7c00u16.to_le_bytes().to_vec(), not_finite),
        ("int8", "scales", f32::NAN.to_le_bytes().to_vec(), not_finite),
        ("int8", "scales", 3e38f32.to_le_bytes().to_vec(), "product with a code is too large"),
        ("int8", "scales", (-1f32).to_le_bytes().to_vec(), "hold a number below 0"),
        ("int8", "embeddings", vec![128], "hold -128"),
        ("residual", "codes", 2u32.to_le_bytes().to_vec(), "hold 2, and the codec has 2 centroids"),
        ("f32", "lengths", 2u32.to_le_bytes().to_vec(), "4 rows have 8 each"),
        ("f32", "lengths", u32::MAX.to_le_bytes().to_vec(), "rows have 8 each"),
        ("f32", "page", f32::NAN.to_le_bytes().to_vec(), "holds a size that is not finite"),
    ] {
        let bytes = overwritten(&list(codec), tensor, &with);
        let named = if tensor == "lengths" { "embeddings" } else { tensor };
        check(read(&bytes).err(), &format!("list: {named} "));
        check(read(&bytes).err(), culprit);
    }
}

#[test]
fn parts_of_other_sizes_and_codecs_are_refused_by_name() {
    let of = |codec: Codec, lengths: &[usize], rows: Rows| {
        CompressedEmbeddings::from_parts(codec, 4, lengths.to_vec(), rows).err()
    };
    let int8 = |codes: usize, scales: usize| Rows::Int8 {
        codes: vec![0; codes],
        scales: vec![0.0; scales],
    };
    check(of(Codec::F32, &[1], Rows::F16(vec![0; 4])), "embeddings are rows of f16, not of f32");
    check(of(Codec::F32, &[1], Rows::F32(vec![0.0; 5])), "embeddings hold 5 numbers");
    check(of(Codec::Int8, &[2], int8(8, 1)), "scales hold 1 numbers");
    check(of(Codec::Int8, &[2], int8(7, 2)), "embeddings hold 7 numbers");
    check(of(Codec::Binary, &[1], Rows::Binary(vec![8])), "have a bit set behind");
    check(of(Codec::F32, &[usize::MAX, 2], Rows::F32(Vec::new())), "lengths add up to more");
    check(of(Codec::F32, &[1 << 62], Rows::F32(Vec::new())), "embeddings hold 0 numbers");
    check(
        of(codec("residual"), &[], Rows::new(&codec("residual"))),
        "codec is for rows of 8, and these have 4",
    );
    let none = CompressedEmbeddings::from_parts(Codec::F32, 0, vec![3], Rows::F32(Vec::new()));
    check(none.err(), "dimension is 0");
    let infinite = TokenEmbeddings::from_parts(vec![f32::INFINITY; 8], vec![1], 8).unwrap();
    let beyond = TokenEmbeddings::from_parts(vec![65_520.0; 8], vec![1], 8).unwrap();
    for name in Codec::NAMES {
        check(codec(name).compress(&infinite).err(), "embeddings hold a number");
    }
    check(Codec::F16.compress(&beyond).err(), "embeddings hold a number that is not finite");
}

#[test]
fn tables_of_a_codec_are_refused_by_name() {
    type Change = fn(&mut ResidualParts);
    let cases: &[(Change, &str)] = &[
        (|p| p.nbits = 3, "nbits is 3"),
        (|p| p.nbits = 0, "nbits is 0"),
        (|p| p.nbits = usize::MAX, "nbits is"),
        (|p| p.dimension = 0, "dimension is 0"),
        (|p| p.dimension = 7, "dimension is 7, which is no whole number of bytes"),
        (|p| p.centroids.clear(), "centroids are 0 numbers"),
        (|p| p.centroids.truncate(9), "centroids are 9 numbers"),
        (|p| p.centroids[3] = f32::NAN, "centroids hold a number that is not finite"),
        (|p| p.centroids[3] = 65_536.0, "centroids hold a number that is not finite or beyond"),
        (|p| p.cutoffs[1] = f32::INFINITY, "bucket_cutoffs hold a number"),
        (|p| p.cutoffs[1] = 7.0, "bucket_cutoffs do not ascend"),
        (|p| p.cutoffs.truncate(2), "bucket_cutoffs are 2; 2 bits have 3"),
        (|p| p.weights.push(1.0), "bucket_weights are 5; 2 bits have 4"),
        (|p| p.weights[0] = f32::NEG_INFINITY, "bucket_weights hold a number"),
        (|p| p.avg_residual.truncate(3), "avg_residual has 3 numbers"),
        (|p| p.avg_residual[0] = f32::NAN, "avg_residual hold a number"),
    ];
    for (change, culprit) in cases {
        let mut parts = residual().parts().clone();
        change(&mut parts);
        check(ResidualCodec::new(parts).err(), culprit);
    }
}

#[test]
fn fields_of_a_codec_s_file_are_refused_by_name() {
    type Change = fn(&mut Value);
    let cases: &[(Change, &str)] = &[
        (|h| h["__metadata__"]["format"] = json!("tabrank-embeddings"), "codec: format is"),
        (|h| h["__metadata__"]["nbits"] = json!("4"), "codec: bucket_cutoffs are 3"),
        (|h| h["__metadata__"]["nbits"] = json!("two"), "codec: nbits is \"two\""),
        (|h| h["centroids"]["shape"] = json!([4, 4]), "codec: avg_residual has shape [8], not [4]"),
        (|h| h["centroids"]["shape"] = json!([16]), "codec: centroids is F32 of shape [16]"),
        (|h| h["centroids"]["dtype"] = json!("U32"), "codec: centroids is U32"),
        (|h| h["centroids"]["shape"] = json!([1u64 << 40, 1u64 << 40]), "is not a valid"),
    ];
    for (change, culprit) in cases {
        let bytes = changed(&residual().write(), change);
        check(ResidualCodec::read("codec", &bytes).err(), culprit);
    }
    let bytes = overwritten(&residual().write(), "centroids", &f32::NAN.to_le_bytes());
    check(ResidualCodec::read("codec", &bytes).err(), "codec: centroids hold a number");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A byte here and there, or an end that is missing.
    #[test]
    fn whatever_is_taken_can_be_decoded(
        name in 0usize..Codec::NAMES.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in 0usize..3,
    ) {
        for mut bytes in [list(Codec::NAMES[name]), residual().write()] {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes.truncate(bytes.len() - cut);
            LARGEST.set(0);
            let taken = read(&bytes);
            let codec = ResidualCodec::read("codec", &bytes);
            let _ = VectorFile::read("file", &bytes);
            // The text of an error, and the table of a codec of eight bits.
            prop_assert!(LARGEST.get() <= 8 * bytes.len() + 4_096, "{} of {}", LARGEST.get(), bytes.len());
            if let Ok(file) = taken {
                let decoded = file.embeddings.decompress();
                prop_assert!(decoded.values().iter().all(|value| value.is_finite()));
                prop_assert_eq!(read(&file.write()), Ok(file));
            }
            if let Ok(codec) = codec {
                prop_assert_eq!(ResidualCodec::read("codec", &codec.write()).unwrap(), codec);
            }
        }
    }
}
