//! Bundles changed by hand, with hashes that fit: the files are what their manifest says, and wrong all the same.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;

use pollster::block_on;
use safetensors::{Dtype as Stored, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tabrank::{
    BundleFiles, CheckpointFiles, ConvertOptions, Dtype, Result, Source, Unobserved, convert,
};

use super::{gather, gather_into};

pub const MANIFEST: &str = "tabrank.json";
pub const SHARD: &str = "weights-00001-of-00001.safetensors";
/// The only shard that only pages need.
pub const PAGES: &str = "pages-00001-of-00001.safetensors";

/// A tensor of a shard: type, shape, bytes.
pub type Raw = (Stored, Vec<usize>, Vec<u8>);

pub fn converted(files: &CheckpointFiles, dtype: Dtype) -> BundleFiles {
    let options =
        ConvertOptions { dtype, source: Source::default(), overrides: Default::default() };
    block_on(convert(files.clone(), &options, &mut Unobserved)).unwrap()
}

/// A bundle's files by name.
#[derive(Clone)]
pub struct Crafted {
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Crafted {
    pub fn new(bundle: BundleFiles) -> Self {
        Self { files: bundle.files.into_iter().collect() }
    }

    /// Changes the manifest, hashes as they are.
    pub fn manifest(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut value: Value = serde_json::from_slice(&self.files[MANIFEST]).unwrap();
        change(&mut value);
        self.files.insert(MANIFEST.to_owned(), value.to_string().into_bytes());
        self
    }

    /// Puts bytes in place of a file, with their size and hash in the manifest.
    pub fn file(mut self, name: &str, bytes: Vec<u8>) -> Self {
        let sha256: String =
            Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let entry = json!({"name": name, "bytes": bytes.len(), "sha256": sha256});
        self.files.insert(name.to_owned(), bytes);
        let list = match name {
            PAGES => "pages",
            name if name.ends_with(".safetensors") => "weights",
            _ => "files",
        };
        self.manifest(|manifest| {
            let list = manifest[list].as_array_mut().unwrap();
            list.retain(|listed| listed["name"] != name);
            list.push(entry);
        })
    }

    /// Changes the tensors of the only shard.
    pub fn tensors(self, change: impl FnOnce(&mut BTreeMap<String, Raw>)) -> Self {
        let mut tensors = read_tensors(&self.files[SHARD]);
        change(&mut tensors);
        self.file(SHARD, write_tensors(&tensors))
    }

    /// Changes the tensors of the only shard that only pages need.
    pub fn page_tensors(self, change: impl FnOnce(&mut BTreeMap<String, Raw>)) -> Self {
        let mut tensors = read_tensors(&self.files[PAGES]);
        change(&mut tensors);
        self.file(PAGES, write_tensors(&tensors))
    }

    /// Changes the bytes of the only shard.
    pub fn shard(self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = self.files[SHARD].clone();
        change(&mut bytes);
        self.file(SHARD, bytes)
    }

    /// Changes the header of the only shard, which may become one that no writer makes.
    pub fn header(self, change: impl FnOnce(&mut Value)) -> Self {
        self.shard(|bytes| {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
            change(&mut header);
            let header = header.to_string().into_bytes();
            let data = bytes.split_off(8 + length);
            *bytes = [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat();
        })
    }

    pub fn open(&self) -> Result<CheckpointFiles> {
        gather(|name| self.files.get(name).cloned())
    }

    /// As [`Crafted::open`], of which weights `take` says.
    pub fn open_taking(&self, take: impl FnOnce(&mut CheckpointFiles)) -> Result<CheckpointFiles> {
        let mut files = CheckpointFiles::new();
        take(&mut files);
        gather_into(files, |name| self.files.get(name).cloned())
    }
}

pub fn read_tensors(bytes: &[u8]) -> BTreeMap<String, Raw> {
    let raw = |view: TensorView<'_>| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
    let parsed = SafeTensors::deserialize(bytes).unwrap();
    parsed.tensors().into_iter().map(|(name, view)| (name, raw(view))).collect()
}

pub fn write_tensors(tensors: &BTreeMap<String, Raw>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// Values of an F32 tensor.
pub fn floats(raw: &Raw) -> Vec<f32> {
    assert_eq!(raw.0, Stored::F32);
    raw.2.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

pub fn f32_tensor(shape: Vec<usize>, values: &[f32]) -> Raw {
    (Stored::F32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}
