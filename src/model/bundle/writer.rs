//! Packs tensors into shards and writes the manifest.

use sha2::{Digest, Sha256};

use super::tensors::{Tensor, part_name};
use super::{FileEntry, Integrity, MANIFEST, MAX_SHARD, Manifest, Source, hexadecimal, shard};
use crate::error::Result;
use crate::model::overrides::Overrides;
use crate::model::quantize::Dtype;
use crate::observer::{Observer, pause};

/// Bytes of a header beside the names: the braces, and of each tensor its type, shape and place.
const HEADER: usize = 64;
const HEADER_ENTRY: usize = 160;

/// Bytes that are hashed between two looks at the caller: milliseconds.
const HASHED_AT_ONCE: usize = 1 << 20;

/// The files of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFiles {
    /// Name and bytes: the manifest, the checkpoint's files by name, the shards in order.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Gathers a bundle. The same calls make the same bytes.
#[derive(Default)]
pub(crate) struct BundleWriter {
    files: Vec<(String, Vec<u8>)>,
    shards: Vec<Vec<u8>>,
    /// How many of the shards are not of the page side, once that has begun.
    text_shards: Option<usize>,
    /// Tensors of the shard that is being filled.
    pending: Vec<(String, Tensor)>,
    /// Size that `pending` comes to at most.
    size: usize,
}

impl BundleWriter {
    /// Adds a file of the checkpoint.
    pub(crate) fn file(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.push((name.to_owned(), bytes));
    }

    /// What follows is of the page side, in shards of its own.
    pub(crate) fn begin_pages(&mut self) {
        self.close_shard();
        self.text_shards = Some(self.shards.len());
    }

    /// Whether that has been said.
    pub(crate) fn has_pages(&self) -> bool {
        self.text_shards.is_some()
    }

    /// Adds a tensor, in parts if it does not fit one shard.
    pub(crate) fn tensor(&mut self, name: &str, tensor: Tensor) {
        let room = MAX_SHARD - HEADER - entry(name);
        if tensor.byte_len() <= room {
            return self.push(name.to_owned(), tensor);
        }
        let width: usize = tensor.shape[1..].iter().product();
        // At least a row: the widest that a configuration allows takes 64 KiB.
        let most = (room / (width * tensor.data.size())).max(1);
        let mut start = 0;
        while start < tensor.shape[0] {
            let end = (start + most).min(tensor.shape[0]);
            let shape = [&[end - start], &tensor.shape[1..]].concat();
            let data = tensor.data.part(start * width..end * width);
            self.push(part_name(name, start, end), Tensor { shape, data });
            start = end;
        }
    }

    /// Names and hashes everything. `embedding_id` makes the id of what the files and the shards are.
    ///
    /// # Errors
    /// [`crate::Error::Aborted`].
    pub(crate) async fn finish(
        mut self,
        dtype: Dtype,
        source: Source,
        overrides: Overrides,
        embedding_id: impl FnOnce(&[FileEntry], &[FileEntry]) -> String,
        observer: &mut impl Observer,
    ) -> Result<BundleFiles> {
        self.close_shard();
        let pages = self.shards.split_off(self.text_shards.unwrap_or(self.shards.len()));
        let (weights, pages) = (named("weights", self.shards), named("pages", pages));
        let settings = listed(&self.files, observer).await?;
        let shards = [listed(&weights, observer).await?, listed(&pages, observer).await?];
        let id = embedding_id(&settings, &shards[0]);
        let manifest = Manifest::new(dtype, source, overrides, id, settings, shards).write();
        let mut files = vec![(MANIFEST.to_owned(), manifest)];
        files.extend(self.files);
        files.extend(weights);
        files.extend(pages);
        Ok(BundleFiles { files })
    }

    fn push(&mut self, name: String, tensor: Tensor) {
        let size = entry(&name) + tensor.byte_len();
        if HEADER + self.size + size > MAX_SHARD {
            self.close_shard();
        }
        self.size += size;
        self.pending.push((name, tensor));
    }

    fn close_shard(&mut self) {
        if !self.pending.is_empty() {
            self.shards.push(shard::write(&std::mem::take(&mut self.pending)));
            self.size = 0;
        }
    }
}

fn named(what: &str, shards: Vec<Vec<u8>>) -> Vec<(String, Vec<u8>)> {
    let count = shards.len();
    let name = |index| format!("{what}-{:05}-of-{count:05}.safetensors", index + 1);
    shards.into_iter().enumerate().map(|(index, bytes)| (name(index), bytes)).collect()
}

/// Most bytes that a tensor adds to a header; a part's name has up to 24 digits more.
fn entry(name: &str) -> usize {
    name.len() + HEADER_ENTRY
}

async fn listed(
    files: &[(String, Vec<u8>)],
    observer: &mut impl Observer,
) -> Result<Vec<FileEntry>> {
    let mut entries = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        let mut hash = Sha256::new();
        for part in bytes.chunks(HASHED_AT_ONCE) {
            pause(observer).await?;
            hash.update(part);
        }
        let integrity = Integrity { bytes: bytes.len() as u64, sha256: hexadecimal(hash) };
        entries.push(FileEntry { name: name.clone(), integrity });
    }
    Ok(entries)
}
