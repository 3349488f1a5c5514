//! `tabrank inspect` and `tabrank verify` of an index's folder.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use tabrank::late_interaction::index::check;
use tabrank::{IndexManifest, PartKind};

use super::folder::{manifest, stored};
use crate::cli::CliError;
use crate::cli::inspect::tell;

#[derive(Serialize)]
struct Report {
    kind: &'static str,
    documents: u32,
    tokens: u64,
    dimension: usize,
    nbits: usize,
    centroids: u32,
    bytes: u64,
    codec_id: String,
    embedding_id: Option<String>,
    token_pooling: Option<String>,
    parts: Vec<PartsRow>,
}

#[derive(Serialize)]
struct PartsRow {
    kind: &'static str,
    files: usize,
    bytes: u64,
    largest: u64,
}

/// Tells what an index holds, by its manifest.
pub fn inspect(folder: &Path, json: bool) -> Result<(), CliError> {
    let report = Report::of(&manifest(folder)?);
    tell(&report, json, |out| report.print(out))
}

impl Report {
    fn of(manifest: &IndexManifest) -> Self {
        let kinds = [PartKind::Codec, PartKind::Lists, PartKind::Documents];
        Self {
            kind: "index",
            documents: manifest.documents,
            tokens: manifest.tokens,
            dimension: manifest.dimension,
            nbits: manifest.nbits,
            centroids: manifest.centroids,
            bytes: manifest.bytes(),
            codec_id: manifest.codec_id.clone(),
            embedding_id: manifest.info.embedding_id.clone(),
            token_pooling: manifest.info.token_pooling.clone(),
            parts: kinds.map(|kind| PartsRow::of(manifest, kind)).into(),
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { documents, tokens, dimension, nbits, centroids, bytes, .. } = self;
        writeln!(out, "index, {dimension} wide, {nbits} bits a number, {centroids} centroids")?;
        writeln!(out, "{documents} documents, {tokens} tokens, {bytes} bytes")?;
        let ids = [
            ("codec id", Some(&self.codec_id)),
            ("embedding id", self.embedding_id.as_ref()),
            ("token pooling", self.token_pooling.as_ref()),
        ];
        for (name, id) in ids {
            if let Some(id) = id {
                writeln!(out, "{name} {id}")?;
            }
        }
        for PartsRow { kind, files, bytes, largest } in &self.parts {
            writeln!(out, "{bytes:>12}  {kind}, {files} files, the largest of {largest}")?;
        }
        Ok(())
    }
}

impl PartsRow {
    fn of(manifest: &IndexManifest, kind: PartKind) -> Self {
        let bytes = manifest.parts(kind).iter().map(|part| part.integrity.bytes);
        let largest = bytes.clone().max().unwrap_or(0);
        Self { kind: kind.name(), files: bytes.len(), bytes: bytes.sum(), largest }
    }
}

/// Reads all of an index: every hash, list and document, which have to go together.
pub fn verify(folder: &Path) -> Result<(), CliError> {
    let (mut documents, _) = stored(folder)?;
    check(&mut documents).map_err(|failed| failed.of(folder))?;
    let manifest = documents.index().manifest();
    let (parts, documents) = (manifest.all_parts().count(), manifest.documents);
    let (folder, bytes) = (folder.display(), manifest.bytes());
    writeln!(
        io::stdout().lock(),
        "{folder}: whole; {parts} parts of {bytes} bytes have their hashes; {documents} documents"
    )
    .map_err(CliError::Stdout)
}
