//! Which file holds what: the layouts of fast-plaid and of Stanford's ColBERT.
//!
//! ```text
//!              fast-plaid, next-plaid                     colbert-ai, PyLate with use_fast=False
//! settings     metadata.json: nbits, num_chunks           metadata.json: config.nbits, num_chunks
//! centroids    centroids.npy [K, dimension]               centroids.pt
//! buckets      bucket_cutoffs.npy, bucket_weights.npy     buckets.pt, a pair
//! average      avg_residual.npy [dimension]               avg_residual.pt, one number, not read
//! lengths      doclens.I.json, a list                     doclens.I.json
//! codes        I.codes.npy [rows]                         I.codes.pt
//! residuals    I.residuals.npy [rows, dimension nbits/8]  I.residuals.pt
//! lists        ivf.npy, ivf_lengths.npy                   ivf.pid.pt, a pair
//! ```
//!
//! Numbers have the type that their file says: next-plaid keeps centroids in 32 bits, and lengths of lists were of 64 bits once. Nothing
//! else is read: `merged_*` are copies with padding, and `embeddings.npy` and `buffer.npy` are kept for later updates.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::array::{Array, Number};
use super::{IndexFolder, npy, size_of};
use crate::error::{Error, Result};
use crate::late_interaction::codec::ResidualCodec;
use crate::late_interaction::codec::residual::ResidualParts;
use crate::model::bundle::strict_json;
use crate::model::checkpoint::pickle;

/// Largest JSON file, in bytes: lengths of some fifty million documents.
const MAX_JSON: u64 = 1 << 28;
/// Most files with codes.
const MAX_CHUNKS: u64 = 1 << 20;
const METADATA: &str = "metadata.json";

/// The files of one of the two layouts.
pub(super) struct Layout<'f, F> {
    pub(super) folder: &'f F,
    /// What stands in front of their names.
    pub(super) prefix: &'static str,
    /// Whether numbers lie in what `torch.save` has written.
    pub(super) pickled: bool,
}

/// Documents whose codes share a file.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The row of its first document among those of all.
    pub(super) first_row: u64,
    pub(super) codes: Array,
    pub(super) residuals: Array,
}

impl<F: IndexFolder> Layout<'_, F> {
    /// The codec, and how many files with codes there are.
    pub(super) fn codec(&self) -> Result<(Arc<ResidualCodec>, u64), F::Error> {
        let metadata = self.metadata()?;
        let nbits = metadata.count("nbits", 8)? as usize;
        let chunks = metadata.count("num_chunks", MAX_CHUNKS)?;
        let centroids = self.array("centroids")?;
        let [_, dimension] = centroids.sizes()?;
        let (cutoffs, weights) = match self.pickled {
            true => self.pair("buckets")?,
            false => (self.array("bucket_cutoffs")?, self.array("bucket_weights")?),
        };
        let avg_residual = match self.average()? {
            Some(average) => average.floats(self.folder)?,
            None => Vec::new(),
        };
        let parts = ResidualParts {
            dimension: dimension as usize,
            nbits,
            centroids: centroids.floats(self.folder)?,
            cutoffs: cutoffs.floats(self.folder)?,
            weights: weights.floats(self.folder)?,
            avg_residual,
            embedding_id: None,
        };
        let codec =
            ResidualCodec::new(parts).map_err(|error| error.in_file("the index's codec"))?;
        Ok((Arc::new(codec), chunks))
    }

    /// Nothing is computed with it.
    fn average(&self) -> Result<Option<Array>, F::Error> {
        let there = !self.pickled && self.folder.size(&self.name("avg_residual"))?.is_some();
        let average = if there { Some(self.array("avg_residual")?) } else { None };
        Ok(average)
    }

    fn metadata(&self) -> Result<Settings, F::Error> {
        let file = format!("{}{METADATA}", self.prefix);
        let bytes = self.json(&file)?;
        let value = strict_json(&bytes)
            .map_err(|reason| Error::vectors(&file, format!("is not valid JSON: {reason}")))?;
        let Value::Object(mut fields) = value else {
            return Err(Error::vectors(&file, "is no object").into());
        };
        if fields.get("binary").is_some_and(|binary| *binary != Value::Bool(false)) {
            let reason = "is not false: signs without centroids are not read";
            return Err(Error::vectors(format!("{file}: binary"), reason).into());
        }
        if let Some(Value::Object(config)) = fields.get("config").filter(|_| self.pickled) {
            let nbits = config.get("nbits").cloned().unwrap_or(Value::Null);
            fields.insert("nbits".to_owned(), nbits);
        }
        Ok(Settings { file, fields })
    }

    /// The lengths of the documents whose codes lie in the file of this number, and these.
    pub(super) fn chunk(
        &self,
        number: u64,
        first_row: u64,
        codec: &ResidualCodec,
    ) -> Result<(Vec<u32>, Chunk), F::Error> {
        let file = format!("{}doclens.{number}.json", self.prefix);
        let lengths: Vec<u32> = serde_json::from_slice(&self.json(&file)?)
            .map_err(|error| Error::vectors(&file, format!("is no list of lengths: {error}")))?;
        let rows: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
        let codes = self.array(&format!("{number}.codes"))?;
        let residuals = self.array(&format!("{number}.residuals"))?;
        residuals.expect(Number::U8)?;
        let width = codec.residual_bytes() as u64;
        for (array, expected) in [(&codes, &[rows][..]), (&residuals, &[rows, width])] {
            if array.shape != expected {
                let reason = format!("has shape {:?}; by {file} it is {expected:?}", array.shape);
                return Err(array.wrong(reason).into());
            }
        }
        Ok((lengths, Chunk { first_row, codes, residuals }))
    }

    /// The lists, one behind the other, and their lengths; `None` if there are none.
    pub(super) fn lists(&self) -> Result<Option<(Array, Array)>, F::Error> {
        let name = if self.pickled { "ivf.pid" } else { "ivf" };
        if self.folder.size(&self.name(name))?.is_none() {
            return Ok(None);
        }
        let (lists, lengths) = match self.pickled {
            true => self.pair(name)?,
            false => (self.array(name)?, self.array("ivf_lengths")?),
        };
        let [_] = lists.sizes()?;
        let [_] = lengths.sizes()?;
        Ok(Some((lists, lengths)))
    }

    fn name(&self, name: &str) -> String {
        let ending = if self.pickled { "pt" } else { "npy" };
        format!("{}{name}.{ending}", self.prefix)
    }

    fn array(&self, name: &str) -> Result<Array, F::Error> {
        let file = self.name(name);
        if self.pickled {
            let [array] = self.tensors(&file)?;
            return Ok(array);
        }
        let size = self.size(&file)?;
        let start = self.folder.read_at(&file, 0..size.min(npy::START))?;
        Ok(npy::read(&file, &start, size)?)
    }

    fn pair(&self, name: &str) -> Result<(Array, Array), F::Error> {
        let [one, other] = self.tensors(&self.name(name))?;
        Ok((one, other))
    }

    /// As many tensors as a pickle has to hold.
    fn tensors<const COUNT: usize>(&self, file: &str) -> Result<[Array; COUNT], F::Error> {
        let size = self.size(file)?;
        let archive = self.folder.archive(file)?;
        let places = pickle::tensors(file, &archive.pickle, &archive.storages, COUNT);
        let places = places.map_err(|reason| {
            Error::vectors(file, format!("is no pickle of tensors alone: {reason}"))
        })?;
        if places.iter().any(|place| place.bytes.end > size) {
            return Err(Error::vectors(file, "ends before its numbers do").into());
        }
        let arrays = places.iter().map(Array::of_place).collect::<Result<Vec<_>>>()?;
        Ok(arrays.try_into().expect("there are as many as were asked for"))
    }

    fn size(&self, file: &str) -> Result<u64, F::Error> {
        let size = self.folder.size(file)?;
        Ok(size.ok_or_else(|| Error::vectors(file, "is missing"))?)
    }

    fn json(&self, file: &str) -> Result<Vec<u8>, F::Error> {
        let size = self.size(file)?;
        self.folder.read_at(file, 0..size_of(file, size, MAX_JSON)?)
    }
}

/// The fields of `metadata.json`.
struct Settings {
    file: String,
    fields: Map<String, Value>,
}

impl Settings {
    /// A whole number from 1 to `most`.
    fn count(&self, field: &str, most: u64) -> Result<u64> {
        let value = self.fields.get(field).unwrap_or(&Value::Null);
        value.as_u64().filter(|count| (1..=most).contains(count)).ok_or_else(|| {
            let reason = format!("is {value}; a whole number from 1 to {most} is read");
            Error::vectors(format!("{}: {field}", self.file), reason)
        })
    }
}
