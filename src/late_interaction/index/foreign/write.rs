//! How does fast-plaid read an index of ours? As a folder that PyLate opens: fast-plaid's files in `fast_plaid_index/`, and the ids in
//! two pickles beside it. next-plaid opens `fast_plaid_index/` too.
//!
//! Centroids become halves, as fast-plaid computes with them. In memory are, beside the codec, 4 bytes a centroid, the documents of one
//! file, and lists of some centroids.

use half::f16;

use super::array::Number;
use super::ids::{IDS, IdsWriter, NUMBERS};
use super::npy;
use crate::error::{Error, Result};
use crate::late_interaction::codec::ResidualCodec;
use crate::late_interaction::index::build::{Documents, IndexDocument, check_codes, passes};

const FOLDER: &str = "fast_plaid_index";
/// Most documents of a file, as fast-plaid has it, and most bytes of their codes and residuals.
const CHUNK: (usize, usize) = (25_000, 64 << 20);
/// Rows whose residuals say how far a token is from its centroid, as the libraries take them.
const SAMPLE: usize = 50_000;
/// Documents of lists that are in memory together, unless one centroid has more.
const LISTED_AT_ONCE: u64 = 1 << 24;

/// Where a folder's files are written. Names are paths in it, with `/`.
pub trait FolderWriter {
    /// What writing can fail with.
    type Error;

    /// Puts bytes behind those that a file has; the first ones make it.
    ///
    /// # Errors
    /// What the caller's writing fails with.
    fn append(&mut self, file: &str, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// Writes a folder that PyLate and fast-plaid read; documents are numbered as they come. They are read two times or more.
///
/// # Errors
/// [`Error::Argument`] for no documents, a width that is no multiple of 8, or rows that are not those of the codec; what reading and
/// writing fail with.
pub fn write_plaid<E: From<Error>>(
    codec: &ResidualCodec,
    documents: &mut impl Documents<Error = E>,
    writer: &mut impl FolderWriter<Error = E>,
) -> Result<(), E> {
    let (count, dimension) = (documents.count(), codec.dimension());
    if !dimension.is_multiple_of(8) {
        let reason = format!("is {dimension}; fast-plaid takes multiples of 8");
        return Err(Error::argument("dimension", reason).into());
    }
    if count == 0 || i32::try_from(count).is_err() {
        let reason = format!("are {count}; fast-plaid's index has some, and 31 bits number them");
        return Err(Error::argument("documents", reason).into());
    }
    let mut folder = Folder { codec, writer };
    let written = folder.documents(documents)?;
    folder.codec(&written)?;
    folder.lists(documents, &written)?;
    folder.metadata(count, &written)
}

struct Folder<'a, W> {
    codec: &'a ResidualCodec,
    writer: &'a mut W,
}

/// What was written of documents.
struct Written {
    chunks: usize,
    rows: u64,
    /// Documents that each centroid has.
    listed: Vec<u64>,
    /// Lengths of the residuals of some rows.
    distances: Vec<f32>,
}

/// Documents of a file.
#[derive(Default)]
struct Chunk {
    lengths: Vec<usize>,
    codes: Vec<u32>,
    residuals: Vec<u8>,
}

impl Chunk {
    fn is_full(&self) -> bool {
        self.lengths.len() >= CHUNK.0 || 8 * self.codes.len() + self.residuals.len() >= CHUNK.1
    }
}

impl<W: FolderWriter> Folder<'_, W>
where
    W::Error: From<Error>,
{
    fn append(&mut self, file: &str, bytes: &[u8]) -> Result<(), W::Error> {
        self.writer.append(&format!("{FOLDER}/{file}"), bytes)
    }

    /// A `.npy` file.
    fn array(
        &mut self,
        name: &str,
        number: Number,
        shape: &[usize],
        bytes: &[u8],
    ) -> Result<(), W::Error> {
        let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        self.append(&format!("{name}.npy"), &[&npy::write(number, &shape), bytes].concat())
    }

    fn floats(&mut self, name: &str, values: &[f32]) -> Result<(), W::Error> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.array(name, Number::F32, &[values.len()], &bytes)
    }

    fn documents(
        &mut self,
        documents: &mut impl Documents<Error = W::Error>,
    ) -> Result<Written, W::Error> {
        let listed = vec![0; self.codec.centroid_count()];
        let mut written = Written { chunks: 0, rows: 0, listed, distances: Vec::new() };
        let (mut chunk, count) = (Chunk::default(), documents.count());
        let sampled = count.div_ceil(SAMPLE);
        let (mut ids, start) = IdsWriter::new();
        [IDS, NUMBERS].iter().try_for_each(|file| self.writer.append(file, start))?;
        for place in 0..count {
            let document = documents.read(place)?;
            self.check(&document)?;
            let IndexDocument { id, codes, residuals } = document;
            for (file, bytes) in [IDS, NUMBERS].iter().zip(ids.push(place as u32, &id)) {
                self.writer.append(file, &bytes)?;
            }
            distinct(&codes).iter().for_each(|&code| written.listed[code as usize] += 1);
            if place % sampled == 0 && written.distances.len() < SAMPLE {
                written.distances.extend(self.distances(&residuals));
            }
            chunk.lengths.push(codes.len());
            chunk.codes.extend(codes);
            chunk.residuals.extend(residuals);
            if chunk.is_full() || place + 1 == count {
                self.chunk(&chunk, &mut written)?;
                chunk = Chunk::default();
            }
        }
        let end = ids.close();
        [IDS, NUMBERS].iter().try_for_each(|file| self.writer.append(file, end))?;
        Ok(written)
    }

    fn check(&self, document: &IndexDocument) -> Result<()> {
        let (rows, width) = (document.codes.len(), self.codec.residual_bytes());
        if document.residuals.len() != rows * width {
            let reason = format!("has {} bytes for {rows} codes", document.residuals.len());
            return Err(Error::argument(format!("document {:?}", document.id), reason));
        }
        check_codes(document, self.codec)
    }

    /// Lengths of what the residuals of rows stand for.
    fn distances(&self, residuals: &[u8]) -> Vec<f32> {
        let rows = residuals.chunks_exact(self.codec.residual_bytes());
        rows.map(|row| self.codec.residual_length(row)).collect()
    }

    fn chunk(&mut self, chunk: &Chunk, written: &mut Written) -> Result<(), W::Error> {
        let (number, rows) = (written.chunks, chunk.codes.len());
        let codes: Vec<u8> =
            chunk.codes.iter().flat_map(|&code| i64::from(code).to_le_bytes()).collect();
        self.array(&format!("{number}.codes"), Number::I64, &[rows], &codes)?;
        let shape = [rows, self.codec.residual_bytes()];
        self.array(&format!("{number}.residuals"), Number::U8, &shape, &chunk.residuals)?;
        let lengths = serde_json::json!(chunk.lengths).to_string();
        self.append(&format!("doclens.{number}.json"), lengths.as_bytes())?;
        let metadata = serde_json::json!({
            "num_documents": chunk.lengths.len(),
            "num_embeddings": rows,
            "embedding_offset": written.rows,
        });
        self.append(&format!("{number}.metadata.json"), metadata.to_string().as_bytes())?;
        written.chunks += 1;
        written.rows += rows as u64;
        Ok(())
    }

    fn codec(&mut self, written: &Written) -> Result<(), W::Error> {
        let parts = self.codec.parts();
        let centroids: Vec<u8> =
            parts.centroids.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        let shape = [self.codec.centroid_count(), parts.dimension];
        self.array("centroids", Number::F16, &shape, &centroids)?;
        self.floats("bucket_cutoffs", &parts.cutoffs)?;
        self.floats("bucket_weights", &parts.weights)?;
        match parts.avg_residual.as_slice() {
            [] => self.floats("avg_residual", &vec![0.0; parts.dimension])?,
            average => self.floats("avg_residual", average)?,
        }
        self.floats("cluster_threshold", &[three_quarters(&written.distances)])
    }

    fn lists(
        &mut self,
        documents: &mut impl Documents<Error = W::Error>,
        written: &Written,
    ) -> Result<(), W::Error> {
        let listed: u64 = written.listed.iter().sum();
        self.array("ivf", Number::I64, &[listed as usize], &[])?;
        for centroids in passes(&written.listed, LISTED_AT_ONCE) {
            let mut lists: Vec<Vec<u8>> = vec![Vec::new(); centroids.len()];
            for place in 0..documents.count() {
                for code in distinct(&documents.read(place)?.codes) {
                    if centroids.contains(&(code as usize)) {
                        let list = &mut lists[code as usize - centroids.start];
                        list.extend((place as i64).to_le_bytes());
                    }
                }
            }
            lists.iter().try_for_each(|list| self.append("ivf.npy", list))?;
        }
        let lengths: Vec<u8> =
            written.listed.iter().flat_map(|&length| (length as i32).to_le_bytes()).collect();
        self.array("ivf_lengths", Number::I32, &[written.listed.len()], &lengths)
    }

    /// Last, since a folder is one by it.
    fn metadata(&mut self, documents: usize, written: &Written) -> Result<(), W::Error> {
        let (nbits, chunks) = (self.codec.nbits(), written.chunks);
        let plan = serde_json::json!({"nbits": nbits, "num_chunks": chunks});
        self.append("plan.json", plan.to_string().as_bytes())?;
        let metadata = serde_json::json!({
            "num_chunks": chunks,
            "nbits": nbits,
            "num_partitions": self.codec.centroid_count(),
            "num_embeddings": written.rows,
            "avg_doclen": written.rows as f64 / documents as f64,
            "num_documents": documents,
            "compress_only": false,
        });
        self.append("metadata.json", metadata.to_string().as_bytes())
    }
}

/// The centroids that a document has tokens at, ascending.
fn distinct(codes: &[u32]) -> Vec<u32> {
    let mut codes = codes.to_vec();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// The length that three quarters are below, linear between two; fast-plaid makes new centroids of tokens that are farther.
fn three_quarters(distances: &[f32]) -> f32 {
    let mut distances = distances.to_vec();
    distances.sort_unstable_by(f32::total_cmp);
    let Some(last) = distances.len().checked_sub(1) else { return 0.0 };
    let place = 0.75 * last as f32;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    distances[below] + (distances[above] - distances[below]) * place.fract()
}
