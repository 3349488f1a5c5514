//! How do compressed documents get to where a model's embeddings are? As codes, which are scored there as they are.

use std::sync::{Mutex, PoisonError};

use crate::device::Device;
use crate::late_interaction::codec::{Codec, CompressedEmbeddings, ResidualCodec};
use crate::ops::{CodedBatch, Coding, DeviceTables, ResidualTables};

/// Most residual codecs whose tables stay on a device.
const KEPT: usize = 4;

/// The tables of the residual codecs that were used last, on their device: they are larger than what is scored with them.
#[derive(Default)]
pub(crate) struct Tables(Mutex<Vec<(String, DeviceTables)>>);

impl Tables {
    fn of(&self, codec: &ResidualCodec, device: &Device) -> DeviceTables {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().position(|(id, _)| id == codec.id());
        let found = known.map(|place| all.remove(place));
        let last = found.unwrap_or_else(|| (codec.id().to_owned(), tables(codec, device)));
        all.truncate(KEPT - 1);
        all.insert(0, last.clone());
        last.1
    }
}

fn tables(codec: &ResidualCodec, device: &Device) -> DeviceTables {
    let parts = codec.parts();
    let (centroids, weights) = (&parts.centroids, &parts.weights);
    let (dimension, nbits) = (parts.dimension, parts.nbits);
    DeviceTables::new(ResidualTables { dimension, nbits, centroids, weights }, device)
}

/// Puts documents onto a device, whose tables are `tables`.
pub(crate) fn on_device(
    documents: &CompressedEmbeddings,
    tables: &Tables,
    device: &Device,
) -> CodedBatch {
    let tables = documents.codec().residual().map(|codec| tables.of(codec, device));
    let rows = documents.rows().view();
    CodedBatch::new(rows, documents.lengths(), documents.dimension(), tables.as_ref(), device)
}

impl From<&Codec> for Coding {
    fn from(codec: &Codec) -> Self {
        match codec {
            Codec::F32 => Coding::F32,
            Codec::F16 => Coding::F16,
            Codec::Int8 => Coding::Int8,
            Codec::Binary => Coding::Binary,
            Codec::Residual(codec) => Coding::Residual { nbits: codec.parts().nbits },
        }
    }
}
