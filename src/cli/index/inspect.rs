//! `tabrank inspect` and `tabrank verify` of an index's folder.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use tabrank::late_interaction::index::check;
use tabrank::{Documents, ForeignIndex, IndexManifest, PartKind, SearchOptions};

use super::folder::{Failed, manifest, stored};
use super::foreign::{self, FolderFiles};
use crate::cli::CliError;
use crate::cli::inspect::tell;

/// What an index of another library is.
#[derive(Serialize)]
struct ForeignReport {
    kind: &'static str,
    writer: &'static str,
    documents: usize,
    dimension: usize,
    nbits: usize,
    centroids: usize,
}

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
    if let Some(form) = foreign::other(folder) {
        let report = ForeignReport::of(&foreign::open(folder, form)?, foreign::writer(form));
        return tell(&report, json, |out| report.print(out));
    }
    let report = Report::of(&manifest(folder)?);
    tell(&report, json, |out| report.print(out))
}

impl ForeignReport {
    fn of(index: &ForeignIndex<FolderFiles>, writer: &'static str) -> Self {
        let codec = index.codec();
        Self {
            kind: "index",
            writer,
            documents: index.count(),
            dimension: codec.dimension(),
            nbits: codec.nbits(),
            centroids: codec.centroid_count(),
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { writer, documents, dimension, nbits, centroids, .. } = self;
        writeln!(
            out,
            "index of {writer}, {dimension} wide, {nbits} bits a number, {centroids} centroids"
        )?;
        writeln!(out, "{documents} documents")
    }
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
    let whole = match foreign::other(folder) {
        Some(form) => of_foreign(foreign::open(folder, form)?, foreign::writer(form)),
        None => {
            let (mut documents, _) = stored(folder)?;
            check(&mut documents).map(|()| of_own(documents.index().manifest()))
        }
    };
    let whole = whole.map_err(|failed: Failed| failed.of(folder))?;
    writeln!(io::stdout().lock(), "{}: whole; {whole}", folder.display()).map_err(CliError::Stdout)
}

fn of_own(manifest: &IndexManifest) -> String {
    let (parts, documents) = (manifest.all_parts().count(), manifest.documents);
    let bytes = manifest.bytes();
    format!("{parts} parts of {bytes} bytes have their hashes; {documents} documents")
}

/// A search that probes all centroids reads all lists.
fn of_foreign(
    mut index: ForeignIndex<FolderFiles>,
    writer: &'static str,
) -> Result<String, Failed> {
    let codec = index.codec().clone();
    let options = SearchOptions { top_k: 1, n_ivf_probe: codec.centroid_count(), n_full_scores: 1 };
    index.search(&vec![0.0; codec.dimension()], &options)?;
    let documents = index.count();
    (0..documents).try_for_each(|place| index.read(place).map(drop))?;
    Ok(format!("an index of {writer} has no hashes; {documents} documents are read"))
}
