//! What stands in a file's place when it is not the file? Told by its first bytes, for files that turned out not to be what they
//! are called.

/// How each begins, and what it is.
const STARTS: &[(&[u8], &str)] = &[
    (b"version https://git-lfs", "a Git LFS pointer: fetch the file itself with `git lfs pull`"),
    (
        b"PK\x03\x04",
        "a ZIP archive, as PyTorch writes pickles: save the model again with safetensors",
    ),
    (b"\x1f\x8b", "gzip data: unpack it"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data: unpack it"),
    (b"\x89HDF", "an HDF5 file, as Keras writes it: save the model again with safetensors"),
    (b"GGUF", "a GGUF file: take the checkpoint that it was made from"),
    (b"BURN", "a Burn record: convert the checkpoint that it was made from"),
    (b"NRUB", "a Burn record: convert the checkpoint that it was made from"),
    (b"\xff\xfe", "text in UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16: save it as UTF-8"),
    (b"<?xml", "an XML document, as object stores answer where they refuse a file"),
];
/// What some editors put before a text in UTF-8; JSON has none.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
/// Pickles of the protocols that there are begin so.
const PICKLES: [[u8; 2]; 4] = [[0x80, 2], [0x80, 3], [0x80, 4], [0x80, 5]];

/// `None`: nothing that is known here.
pub(crate) fn found_instead(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return Some("empty");
    }
    let known = STARTS.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, what)| *what);
    if known.is_some() {
        return known;
    }
    if PICKLES.iter().any(|start| bytes.starts_with(start)) {
        return Some("a pickle: save the model again with safetensors");
    }
    let start = &bytes[..bytes.len().min(64)];
    let text = start.strip_prefix(UTF8_MARK).unwrap_or(start);
    if is_page(text) {
        return Some("a web page (HTML), as servers answer for a file that they do not have");
    }
    if text.len() < start.len() {
        return Some("text behind a byte order mark: save it as UTF-8 without one");
    }
    // MessagePack: a map whose first key is one of a record's.
    if start[0] & 0xf0 == 0x80 && holds(start, b"metadata") {
        return Some("a Burn record: convert the checkpoint that it was made from");
    }
    // Protocol buffers: the version of the format, then who made the graph.
    let graph = matches!(start, [0x08, 1..=31, 0x12, ..]);
    graph.then_some("an ONNX graph: take the checkpoint that it was exported from")
}

fn is_page(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<!--"].iter().any(|tag| text.starts_with(tag))
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
