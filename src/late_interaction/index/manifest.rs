//! `index.json`: what the index is and which parts it has.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::{MANIFEST, MAX_PART};
use crate::error::{Error, Result};
use crate::late_interaction::codec::ResidualCodec;
use crate::late_interaction::codec::file::EmbeddingsInfo;
use crate::late_interaction::codec::residual::check_widths;
use crate::model::bundle::{Integrity, integrity, sha256, strict_json};
use crate::model::contents::found_instead;

const FORMAT: &str = "tabrank-index";
const VERSION: u64 = 1;
/// Largest manifest, in bytes: of some hundred thousand parts.
const MAX_MANIFEST: usize = 16 << 20;
/// Most tokens: what JavaScript counts exactly.
const MAX_TOKENS: u64 = (1 << 53) - 1;
/// Most bytes of a codec's file beside its tables.
const MAX_CODEC_HEADER: u64 = 1 << 20;
/// Digits of its hash that a part's name holds.
const DIGITS: usize = 16;

/// What a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    Codec,
    Lists,
    Documents,
}

impl PartKind {
    const ALL: [Self; 3] = [PartKind::Codec, PartKind::Lists, PartKind::Documents];

    /// As the manifest names it.
    pub fn name(self) -> &'static str {
        match self {
            PartKind::Codec => "codec",
            PartKind::Lists => "lists",
            PartKind::Documents => "documents",
        }
    }

    /// That each of what it holds takes: the length of a list, or of a document.
    fn least_bytes(self) -> u64 {
        match self {
            PartKind::Codec => 0,
            PartKind::Lists => 1,
            PartKind::Documents => 4,
        }
    }

    fn file(self, sha256: &str) -> String {
        let ending = match self {
            PartKind::Documents => "safetensors",
            PartKind::Codec | PartKind::Lists => "bin",
        };
        format!("{}-{}.{ending}", self.name(), &sha256[..DIGITS])
    }
}

/// Whether a file has the name of a part, of whatever state.
pub fn is_part(file: &str) -> bool {
    PartKind::ALL.into_iter().any(|kind| {
        let hash = file.strip_prefix(kind.name()).and_then(|rest| rest.strip_prefix('-'));
        let hash = hash.and_then(|rest| rest.get(..DIGITS)).filter(|hash| is_hex(hash));
        hash.is_some_and(|hash| kind.file(hash) == file)
    })
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A part that the manifest lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    pub file: String,
    pub integrity: Integrity,
    /// Of which centroids its lists are, or which documents it holds. Nothing of a codec's piece.
    pub range: Option<RangeInclusive<u32>>,
}

impl IndexPart {
    /// The entry of a part with these bytes.
    pub(super) fn new(kind: PartKind, bytes: &[u8], range: Option<RangeInclusive<u32>>) -> Self {
        let sha256 = sha256(bytes);
        let file = kind.file(&sha256);
        Self { file, integrity: Integrity { bytes: bytes.len() as u64, sha256 }, range }
    }

    /// First and last of what it holds; only of parts that hold a range.
    pub(super) fn bounds(&self) -> (u32, u32) {
        let range = self.range.as_ref().expect("lists and documents have a range");
        (*range.start(), *range.end())
    }
}

/// An index's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexManifest {
    /// The model, and how rows were pooled.
    pub info: EmbeddingsInfo,
    /// Width of an embedding.
    pub dimension: usize,
    /// Bits of each number of a residual.
    pub nbits: usize,
    pub codec_id: String,
    pub centroids: u32,
    pub documents: u32,
    /// Rows of all documents.
    pub tokens: u64,
    /// Pieces of the codec's file, in order.
    pub codec: Vec<IndexPart>,
    /// By centroid.
    pub lists: Vec<IndexPart>,
    /// By number.
    pub document_parts: Vec<IndexPart>,
}

impl IndexManifest {
    /// All parts of a kind.
    pub fn parts(&self, kind: PartKind) -> &[IndexPart] {
        match kind {
            PartKind::Codec => &self.codec,
            PartKind::Lists => &self.lists,
            PartKind::Documents => &self.document_parts,
        }
    }

    pub(super) fn parts_mut(&mut self, kind: PartKind) -> &mut Vec<IndexPart> {
        match kind {
            PartKind::Codec => &mut self.codec,
            PartKind::Lists => &mut self.lists,
            PartKind::Documents => &mut self.document_parts,
        }
    }

    /// All parts.
    pub fn all_parts(&self) -> impl Iterator<Item = &IndexPart> {
        PartKind::ALL.into_iter().flat_map(|kind| self.parts(kind))
    }

    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.all_parts().map(|part| part.integrity.bytes).sum()
    }

    /// Holds a file against the manifest.
    ///
    /// # Errors
    /// [`Error::Integrity`]; [`Error::IndexManifest`] for a file that is not listed.
    pub fn verify(&self, file: &str, bytes: &[u8]) -> Result<()> {
        let listed = self.all_parts().find(|part| part.file == file);
        let listed = listed.ok_or_else(|| invalid("parts", format!("list no {file:?}")))?;
        listed.integrity.verify(MANIFEST, file, bytes)
    }

    /// Why a codec is not the one that the manifest tells of.
    pub(super) fn check_codec(&self, codec: &ResidualCodec) -> Result<(), String> {
        let found = (codec.id(), codec.dimension(), codec.nbits(), codec.centroid_count());
        let listed = (self.codec_id.as_str(), self.dimension, self.nbits, self.centroids as usize);
        match found == listed {
            true => Ok(()),
            false => Err(format!("begins the codec {found:?}; {MANIFEST} tells of {listed:?}")),
        }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::IndexManifest`] with the field.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_MANIFEST {
            let size = bytes.len();
            return Err(invalid("", format!("has {size} bytes; at most {MAX_MANIFEST} are taken")));
        }
        let parsed = strict_json(bytes).map_err(|reason| match found_instead(bytes) {
            Some(found) => invalid("", format!("is {found}")),
            None => invalid("", format!("cannot be read: {reason}")),
        })?;
        let map = object("", &parsed)?;
        if string(map, "format")? != FORMAT {
            return Err(invalid("format", format!("is not {FORMAT:?}")));
        }
        let version = number(map, "version", u64::MAX)?;
        if version != VERSION {
            return Err(invalid("version", format!("is {version}; {VERSION} is read")));
        }
        let parts = object("parts", map.get("parts").unwrap_or(&Value::Null))?;
        let manifest = Self {
            info: EmbeddingsInfo {
                embedding_id: optional_string(map, "embeddingId")?,
                token_pooling: optional_string(map, "tokenPooling")?,
            },
            dimension: number(map, "dimension", u32::MAX.into())? as usize,
            nbits: number(map, "nbits", 8)? as usize,
            codec_id: string(map, "codecId")?.to_owned(),
            centroids: number(map, "centroids", u32::MAX.into())? as u32,
            documents: number(map, "documents", u32::MAX.into())? as u32,
            tokens: number(map, "tokens", MAX_TOKENS)?,
            codec: entries(parts, PartKind::Codec)?,
            lists: entries(parts, PartKind::Lists)?,
            document_parts: entries(parts, PartKind::Documents)?,
        };
        manifest.check()?;
        Ok(manifest)
    }

    /// The bytes of `index.json`, a part a line.
    pub fn write(&self) -> Vec<u8> {
        let entry = |part: &IndexPart| {
            let Integrity { bytes, sha256 } = &part.integrity;
            let mut entry = json!({"file": part.file, "bytes": bytes, "sha256": sha256});
            if let Some(range) = &part.range {
                entry["first"] = json!(range.start());
                entry["last"] = json!(range.end());
            }
            format!("      {entry}")
        };
        let list = |kind: PartKind| {
            let lines: Vec<String> = self.parts(kind).iter().map(entry).collect();
            match lines.is_empty() {
                true => format!("    \"{}\": []", kind.name()),
                false => format!("    \"{}\": [\n{}\n    ]", kind.name(), lines.join(",\n")),
            }
        };
        let fields = [
            ("format", json!(FORMAT)),
            ("version", json!(VERSION)),
            ("embeddingId", json!(self.info.embedding_id)),
            ("tokenPooling", json!(self.info.token_pooling)),
            ("dimension", json!(self.dimension)),
            ("nbits", json!(self.nbits)),
            ("codecId", json!(self.codec_id)),
            ("centroids", json!(self.centroids)),
            ("documents", json!(self.documents)),
            ("tokens", json!(self.tokens)),
            ("writer", json!(concat!("tabrank ", env!("CARGO_PKG_VERSION")))),
        ];
        let fields = fields.map(|(name, value)| format!("  \"{name}\": {value},\n")).concat();
        let parts = PartKind::ALL.map(list).join(",\n");
        format!("{{\n{fields}  \"parts\": {{\n{parts}\n  }}\n}}\n").into_bytes()
    }

    /// Whether the counts go together.
    fn check(&self) -> Result<()> {
        check_widths(self.dimension, self.nbits).map_err(|error| match error {
            Error::Argument { argument, reason } => invalid(&argument, reason),
            other => other,
        })?;
        if self.centroids == 0 {
            return Err(invalid("centroids", "is 0"));
        }
        self.check_codec_bytes()?;
        check_ranges(PartKind::Lists, &self.lists, self.centroids)?;
        check_ranges(PartKind::Documents, &self.document_parts, self.documents)?;
        // Pieces of a codec may well be the same.
        let mut seen = HashSet::new();
        let mut others = self.lists.iter().chain(&self.document_parts);
        match others.find(|part| !seen.insert(&part.file)) {
            Some(part) => Err(invalid("parts", format!("list {:?} twice", part.file))),
            None => Ok(()),
        }
    }

    /// All of it is fetched and held before the first search.
    fn check_codec_bytes(&self) -> Result<()> {
        let numbers = u64::from(self.centroids).saturating_mul(self.dimension as u64);
        let tables =
            (numbers.saturating_add(self.dimension as u64)).saturating_mul(4) + (2 << 8) * 4;
        let most = tables.saturating_add(MAX_CODEC_HEADER);
        match self.codec.iter().map(|part| part.integrity.bytes).sum::<u64>() {
            0 => Err(invalid("parts.codec", "hold no bytes")),
            bytes if bytes > most => {
                let reason = format!("hold {bytes} bytes; such a codec has at most {most}");
                Err(invalid("parts.codec", reason))
            }
            _ => Ok(()),
        }
    }
}

/// Whether parts hold all of `count` centroids or documents, in order, and can hold as many.
fn check_ranges(kind: PartKind, parts: &[IndexPart], count: u32) -> Result<()> {
    let list = format!("parts.{}", kind.name());
    let mut next = 0u64;
    for (index, part) in parts.iter().enumerate() {
        let wrong = |field: &str, reason| Err(invalid(&format!("{list}[{index}].{field}"), reason));
        let (first, last) = part.bounds();
        // A long list goes on in the next part.
        let goes_on = kind == PartKind::Lists && index > 0 && u64::from(first) + 1 == next;
        if u64::from(first) != next && !goes_on {
            return wrong("first", format!("is {first}; the parts before end in front of {next}"));
        }
        if last < first || last >= count {
            return wrong("last", format!("is {last}, which is not from {first} to below {count}"));
        }
        let least = (u64::from(last - first) + 1) * kind.least_bytes();
        if part.integrity.bytes < least {
            return wrong("bytes", format!("is below the {least} that so many take"));
        }
        next = u64::from(last) + 1;
    }
    match next == u64::from(count) {
        true => Ok(()),
        false => Err(invalid(&list, format!("hold {next} of {count}"))),
    }
}

fn entries(parts: &Map<String, Value>, kind: PartKind) -> Result<Vec<IndexPart>> {
    let list = format!("parts.{}", kind.name());
    let Some(Value::Array(entries)) = parts.get(kind.name()) else {
        return Err(invalid(&list, "is not a list"));
    };
    let entry = |(index, value): (usize, &Value)| {
        let place = format!("{list}[{index}]");
        let at = |error: Error| match error {
            Error::IndexManifest { field, reason } => invalid(&format!("{place}.{field}"), reason),
            other => other,
        };
        part(object(&place, value)?, kind).map_err(at)
    };
    entries.iter().enumerate().map(entry).collect()
}

fn part(map: &Map<String, Value>, kind: PartKind) -> Result<IndexPart> {
    let integrity = integrity(map, MAX_PART as u64);
    let integrity = integrity.map_err(|(field, reason)| invalid(field, reason))?;
    let expected = kind.file(&integrity.sha256);
    if string(map, "file")? != expected {
        return Err(invalid("file", format!("is not {expected:?}, which follows from its sha256")));
    }
    let bound = |field| number(map, field, u32::MAX.into()).map(|number| number as u32);
    let range = match kind {
        PartKind::Codec => None,
        PartKind::Lists | PartKind::Documents => Some(bound("first")?..=bound("last")?),
    };
    Ok(IndexPart { file: expected, integrity, range })
}

fn object<'a>(field: &str, value: &'a Value) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| invalid(field, "is not an object"))
}

fn string<'a>(map: &'a Map<String, Value>, field: &str) -> Result<&'a str> {
    map.get(field).and_then(Value::as_str).ok_or_else(|| invalid(field, "is not a string"))
}

fn optional_string(map: &Map<String, Value>, field: &str) -> Result<Option<String>> {
    match map.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => string(map, field).map(|text| Some(text.to_owned())),
    }
}

fn number(map: &Map<String, Value>, field: &str, limit: u64) -> Result<u64> {
    let number = map.get(field).and_then(Value::as_u64).filter(|&number| number <= limit);
    number.ok_or_else(|| invalid(field, format!("is not a whole number up to {limit}")))
}

/// An empty `field` stands for the whole file.
fn invalid(field: &str, reason: impl Into<String>) -> Error {
    let field = if field.is_empty() { "the manifest" } else { field };
    Error::IndexManifest { field: field.to_owned(), reason: reason.into() }
}
