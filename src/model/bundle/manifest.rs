//! `tabrank.json`: what the bundle is and which files it has.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{MAX_SHARD, json, sha256};
use crate::error::{Error, Result};
use crate::model::contents::found_instead;
use crate::model::overrides::Overrides;
use crate::model::quantize::Dtype;

const FORMAT: &str = "tabrank-bundle";
/// The version that is written: the first that says all there is to say, so that readers of that version can read it.
const VERSION: &str = "1.0";
const VERSION_WITH_OVERRIDES: &str = "2.0";
const VERSION_WITH_BLOCKS: &str = "3.0";
/// The major versions that are read. Readers of the first would pass overrides over, and compute something else; those of the second
/// know q8 with one scale a row alone.
const MAJORS: [&str; 3] = ["1", "2", "3"];
/// Largest manifest, in bytes.
pub(crate) const MAX_MANIFEST: usize = 1 << 20;

/// Where a checkpoint came from, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// E.g. `sentence-transformers/all-MiniLM-L6-v2`.
    pub repository: Option<String>,
    /// A commit.
    pub revision: Option<String>,
    /// An SPDX identifier or a name.
    pub license: Option<String>,
}

/// What a file must be, to the byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integrity {
    pub bytes: u64,
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl Integrity {
    /// Holds a file's bytes against this, which `manifest` lists.
    ///
    /// # Errors
    /// [`Error::Integrity`].
    pub(crate) fn verify(&self, manifest: &'static str, file: &str, bytes: &[u8]) -> Result<()> {
        self.verify_hashed(manifest, file, bytes, None)
    }

    /// As [`Integrity::verify`], of bytes whose SHA-256 may be known, in lower-case hexadecimal.
    pub(crate) fn verify_hashed(
        &self,
        manifest: &'static str,
        file: &str,
        bytes: &[u8],
        hash: Option<String>,
    ) -> Result<()> {
        let differs = |expected: String, found: String| {
            let reason = format!("{manifest} lists {expected}, found {found}");
            Err(Error::Integrity { file: file.to_owned(), reason })
        };
        let size = bytes.len() as u64;
        if size != self.bytes {
            return differs(format!("{} bytes", self.bytes), format!("{size} bytes"));
        }
        let hash = hash.unwrap_or_else(|| sha256(bytes));
        match hash == self.sha256 {
            true => Ok(()),
            false => differs(format!("sha256 {}", self.sha256), format!("sha256 {hash}")),
        }
    }
}

/// A file that the manifest lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    pub name: String,
    pub integrity: Integrity,
}

/// A bundle's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Version of the format.
    pub version: String,
    /// The type that the matrices are stored in.
    pub dtype: Dtype,
    pub source: Source,
    /// Settings in place of those of the checkpoint's files.
    pub overrides: Overrides,
    /// The id that the bundle's embeddings have, if it says so.
    pub embedding_id: Option<String>,
    /// The checkpoint's own files.
    pub files: Vec<FileEntry>,
    /// The shards.
    pub weights: Vec<FileEntry>,
    /// The shards of what reads pages, which only those need who encode some.
    pub pages: Vec<FileEntry>,
}

impl Manifest {
    /// A manifest of the version that is written.
    pub(super) fn new(
        dtype: Dtype,
        source: Source,
        overrides: Overrides,
        embedding_id: String,
        files: Vec<FileEntry>,
        [weights, pages]: [Vec<FileEntry>; 2],
    ) -> Self {
        let embedding_id = Some(embedding_id);
        let version = match dtype {
            Dtype::Q8 | Dtype::Q4 => VERSION_WITH_BLOCKS,
            Dtype::F32 | Dtype::F16 if overrides.is_empty() => VERSION,
            Dtype::F32 | Dtype::F16 => VERSION_WITH_OVERRIDES,
        };
        let version = version.to_owned();
        Self { version, dtype, source, overrides, embedding_id, files, weights, pages }
    }

    /// Files and shards.
    pub fn entries(&self) -> impl Iterator<Item = &FileEntry> {
        self.files.iter().chain(&self.weights).chain(&self.pages)
    }

    /// Reads a manifest; whether names lie below the folder is the caller's to check.
    ///
    /// # Errors
    /// [`Error::BundleVersion`], [`Error::BundleManifest`] with the field.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_MANIFEST {
            let size = bytes.len();
            return Err(invalid(
                "",
                &format!("has {size} bytes; at most {MAX_MANIFEST} are taken"),
            ));
        }
        let parsed = json::parse(bytes).map_err(|reason| match found_instead(bytes) {
            Some(found) => invalid("", &format!("is {found}")),
            None => invalid("", &reason),
        })?;
        let Value::Object(map) = parsed else {
            return Err(invalid("", "is not an object"));
        };
        if string(&map, "", "format")? != FORMAT {
            return Err(invalid("format", &format!("is not {FORMAT:?}")));
        }
        let version = version(string(&map, "", "version")?)?;
        let dtype = Dtype::from_name(string(&map, "", "dtype")?)
            .ok_or_else(|| invalid("dtype", "is none of f32, f16, q8 and q4"))?;
        let manifest = Self {
            version,
            dtype,
            source: source(&map)?,
            overrides: overrides(&map)?,
            embedding_id: optional_string(&map, "", "embedding_id")?,
            files: entries(&map, "files", u64::MAX)?,
            weights: entries(&map, "weights", MAX_SHARD as u64)?,
            pages: match map.get("pages") {
                None | Some(Value::Null) => Vec::new(),
                Some(_) => entries(&map, "pages", MAX_SHARD as u64)?,
            },
        };
        manifest.check_names()?;
        Ok(manifest)
    }

    /// The bytes of `tabrank.json`.
    pub(super) fn write(&self) -> Vec<u8> {
        let list = |entries: &[FileEntry]| -> Vec<Value> {
            let entry = |e: &FileEntry| json!({"name": e.name, "bytes": e.integrity.bytes, "sha256": e.integrity.sha256});
            entries.iter().map(entry).collect()
        };
        let mut manifest = json!({
            "format": FORMAT,
            "version": self.version,
            "dtype": self.dtype.name(),
            "source": {
                "repository": self.source.repository,
                "revision": self.source.revision,
                "license": self.source.license,
            },
            "embedding_id": self.embedding_id,
            "files": list(&self.files),
            "weights": list(&self.weights),
        });
        if !self.pages.is_empty() {
            manifest["pages"] = Value::Array(list(&self.pages));
        }
        if !self.overrides.is_empty() {
            manifest["overrides"] = json!(self.overrides);
        }
        format!("{manifest:#}\n").into_bytes()
    }

    fn check_names(&self) -> Result<()> {
        let mut seen = HashSet::from([super::MANIFEST]);
        let lists = [("files", &self.files), ("weights", &self.weights), ("pages", &self.pages)];
        for (field, entries) in lists {
            for (index, entry) in entries.iter().enumerate() {
                let field = format!("{field}[{index}].name");
                if !seen.insert(&entry.name) {
                    return Err(invalid(&field, &format!("{:?} is there twice", entry.name)));
                }
                if entry.name.ends_with(".safetensors") == std::ptr::eq(entries, &self.files) {
                    return Err(invalid(&field, &format!("{:?} is in the wrong list", entry.name)));
                }
            }
        }
        Ok(())
    }
}

/// Any minor version of the major ones.
fn version(version: &str) -> Result<String> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match version.split_once('.') {
        Some((major, minor)) if MAJORS.contains(&major) && digits(minor) => Ok(version.to_owned()),
        Some((major, minor)) if digits(major) && digits(minor) => {
            Err(Error::BundleVersion { found: version.chars().take(20).collect() })
        }
        _ => Err(invalid("version", "is not of the form \"1.0\"")),
    }
}

fn source(map: &Map<String, Value>) -> Result<Source> {
    let source = match map.get("source") {
        None | Some(Value::Null) => return Ok(Source::default()),
        Some(Value::Object(source)) => source,
        Some(_) => return Err(invalid("source", "is not an object")),
    };
    let field = |name: &str| optional_string(source, "source.", name);
    Ok(Source {
        repository: field("repository")?,
        revision: field("revision")?,
        license: field("license")?,
    })
}

/// A reader of the first version would not have seen them.
fn overrides(map: &Map<String, Value>) -> Result<Overrides> {
    let first = map.get("version").and_then(Value::as_str).is_some_and(|v| v.starts_with("1."));
    match map.get("overrides") {
        None | Some(Value::Null) => Ok(Overrides::default()),
        Some(_) if first => Err(invalid("overrides", "needs version 2.0")),
        Some(value @ Value::Object(_)) => Overrides::deserialize(value)
            .map_err(|error| invalid("overrides", &format!("is not as it should be: {error}"))),
        Some(_) => Err(invalid("overrides", "is not an object")),
    }
}

fn entries(map: &Map<String, Value>, field: &str, limit: u64) -> Result<Vec<FileEntry>> {
    let Some(Value::Array(list)) = map.get(field) else {
        return Err(invalid(field, "is not a list"));
    };
    let entry = |(index, value): (usize, &Value)| {
        let path = format!("{field}[{index}].");
        let Value::Object(map) = value else {
            return Err(invalid(&format!("{field}[{index}]"), "is not an object"));
        };
        let integrity = integrity(map, limit)
            .map_err(|(field, reason)| invalid(&format!("{path}{field}"), &reason))?;
        let name = string(map, &path, "name")?.to_owned();
        Ok(FileEntry { name, integrity })
    };
    list.iter().enumerate().map(entry).collect()
}

/// Size and hash of an entry of at most `limit` bytes; the error says which field is wrong, and why.
pub(crate) fn integrity(
    map: &Map<String, Value>,
    limit: u64,
) -> Result<Integrity, (&'static str, String)> {
    let bytes = map.get("bytes").and_then(Value::as_u64).filter(|&bytes| bytes <= limit);
    let bytes = bytes.ok_or_else(|| ("bytes", format!("is not a whole number up to {limit}")))?;
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match map.get("sha256").and_then(Value::as_str) {
        None => Err(("sha256", "is not a string".to_owned())),
        Some(hash) if hash.len() != 64 || !hash.bytes().all(digit) => {
            Err(("sha256", "is not 64 lower-case hex digits".to_owned()))
        }
        Some(hash) => Ok(Integrity { bytes, sha256: hash.to_owned() }),
    }
}

fn string<'a>(map: &'a Map<String, Value>, path: &str, field: &str) -> Result<&'a str> {
    map.get(field)
        .and_then(Value::as_str)
        .ok_or_else(|| invalid(&format!("{path}{field}"), "is not a string"))
}

fn optional_string(map: &Map<String, Value>, path: &str, field: &str) -> Result<Option<String>> {
    match map.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => string(map, path, field).map(|text| Some(text.to_owned())),
    }
}

/// An empty `field` stands for the whole file.
fn invalid(field: &str, reason: &str) -> Error {
    let field = if field.is_empty() { "the manifest" } else { field };
    Error::BundleManifest { field: field.to_owned(), reason: reason.to_owned() }
}
