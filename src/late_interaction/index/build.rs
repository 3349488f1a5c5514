//! How do documents become an index? In three or more passes over them, with little of them in memory.
//!
//! ```text
//! 1    each document's place in the order, and whether its id is new; how many tokens each centroid has
//! 2    the documents in their order, into parts
//! 3…   the same order again, for the lists: of as many centroids at once as have 2²⁶ tokens together
//! ```
//!
//! In memory are, beside the codec, about 60 bytes a document, one part, and lists of at most five bytes a token. The same documents make the same files, in whatever
//! portions they came: see [`super::order`].

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::documents::DocumentsWriter;
use super::lists::{List, ListsWriter};
use super::manifest::{IndexManifest, IndexPart, PartKind};
use super::order::Order;
use super::{MAX_ID, MAX_PART};
use crate::error::{Error, Result};
use crate::late_interaction::codec::ResidualCodec;
use crate::late_interaction::codec::file::EmbeddingsInfo;
use crate::model::bundle::digest;

/// Least size of parts that can be asked for.
const MIN_PART: usize = 1 << 10;
/// Sizes of parts that nobody asked for, and how many parts there are to be of documents.
const USUAL_BYTES: [usize; 4] = [16 << 10, 32 << 10, 64 << 10, 128 << 10];
const USUAL_PARTS: u64 = 8_192;
const CODE_BYTES: usize = 4;
/// Tokens whose documents are in lists in memory, unless one centroid has more.
const TOKENS_AT_ONCE: u64 = 1 << 26;

/// A document as an index holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDocument {
    /// At most 1024 bytes, and no other document's.
    pub id: String,
    /// The centroid of each row.
    pub codes: Vec<u32>,
    /// `dimension · nbits / 8` bytes a row.
    pub residuals: Vec<u8>,
}

/// Documents that can be read again, in any order.
pub trait Documents {
    /// What reading can fail with.
    type Error: From<Error>;

    /// How many there are.
    fn count(&self) -> usize;

    /// The document at a place, from 0.
    ///
    /// # Errors
    /// What the caller's reading fails with.
    fn read(&mut self, place: usize) -> Result<IndexDocument, Self::Error>;
}

/// Where parts are put. A part that is there already, under the same name, has the same bytes.
pub trait IndexWriter {
    /// What writing can fail with.
    type Error;

    /// # Errors
    /// What the caller's writing fails with.
    fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// How an index is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// The model that made the embeddings, and how rows were pooled.
    pub info: EmbeddingsInfo,
    /// Bytes that a part with lists or documents has at most, unless one document has more: 1024 to [`MAX_PART`]. Smaller ones save a
    /// query bytes, and make more requests, more files and a longer manifest. `None`: 16, 32, 64, 128 or 256 KB, the least with which
    /// documents make at most 8,192 parts.
    pub part_bytes: Option<usize>,
}

impl BuildOptions {
    /// # Errors
    /// [`Error::Argument`] for what is no size of a part.
    fn check(&self) -> Result<()> {
        match self.part_bytes.filter(|bytes| !(MIN_PART..=MAX_PART).contains(bytes)) {
            Some(bytes) => {
                let reason = format!("is {bytes}; {MIN_PART} to {MAX_PART} are taken");
                Err(Error::argument("part_bytes", reason))
            }
            None => Ok(()),
        }
    }

    fn part_bytes(&self, manifest: &IndexManifest, row_bytes: usize) -> usize {
        let all = manifest.tokens.saturating_mul(row_bytes as u64);
        let fits = |bytes: &usize| all / *bytes as u64 <= USUAL_PARTS;
        let usual = || USUAL_BYTES.into_iter().find(fits).unwrap_or(MAX_PART);
        self.part_bytes.unwrap_or_else(usual)
    }
}

/// Writes all parts, and answers with the manifest, which the caller writes last.
///
/// # Errors
/// [`Error::Argument`] for an id that is there twice or too long, for a document that is larger than a part, for rows that are not those
/// of the codec, and for more documents than are numbered; what reading and writing fail with.
pub fn build<E: From<Error>>(
    codec: &Arc<ResidualCodec>,
    documents: &mut impl Documents<Error = E>,
    options: &BuildOptions,
    writer: &mut impl IndexWriter<Error = E>,
) -> Result<IndexManifest, E> {
    options.check()?;
    let mut manifest = empty(codec, options);
    let plan = plan(codec, documents, &mut manifest)?;
    let part_bytes = options.part_bytes(&manifest, codec.residual_bytes() + CODE_BYTES);
    let mut parts = Parts { writer, manifest };
    for piece in codec.write_small().chunks(MAX_PART) {
        parts.put(PartKind::Codec, piece, None)?;
    }
    let writer = DocumentsWriter::new(part_bytes, codec, options.info.clone());
    write_documents(documents, &plan, writer, &mut parts)?;
    write_lists(documents, &plan, ListsWriter::new(part_bytes), &mut parts)?;
    Ok(parts.manifest)
}

/// Of an index that has no parts yet.
fn empty(codec: &ResidualCodec, options: &BuildOptions) -> IndexManifest {
    IndexManifest {
        info: options.info.clone(),
        dimension: codec.dimension(),
        nbits: codec.nbits(),
        codec_id: codec.id().to_owned(),
        // A codec has no more than are numbered.
        centroids: codec.centroid_count() as u32,
        documents: 0,
        tokens: 0,
        codec: Vec::new(),
        lists: Vec::new(),
        document_parts: Vec::new(),
    }
}

/// What the first pass finds.
struct Plan {
    /// The documents' places in their order.
    places: Vec<u32>,
    /// Of each centroid.
    tokens: Vec<u64>,
}

fn plan<E: From<Error>>(
    codec: &ResidualCodec,
    documents: &mut impl Documents<Error = E>,
    manifest: &mut IndexManifest,
) -> Result<Plan, E> {
    let count = u32::try_from(documents.count()).map_err(|_| {
        Error::argument("documents", format!("are {}; 32 bits number them", documents.count()))
    })?;
    let order = Order::new(codec);
    let (mut ids, mut tokens) = (HashSet::new(), vec![0u64; codec.centroid_count()]);
    let mut places = Vec::new();
    for place in 0..count {
        let document = documents.read(place as usize)?;
        check_id(&document.id, place, &mut ids)?;
        check_codes(&document, codec)?;
        document.codes.iter().for_each(|&code| tokens[code as usize] += 1);
        places.push((order.key(&document.codes), place));
    }
    places.sort_unstable();
    manifest.documents = count;
    manifest.tokens = tokens.iter().sum();
    Ok(Plan { places: places.into_iter().map(|(_, place)| place).collect(), tokens })
}

/// Of an id the first half of its hash is kept, which no two have in common.
pub(super) fn check_id(id: &str, place: u32, seen: &mut HashSet<[u8; 16]>) -> Result<()> {
    if id.len() > MAX_ID {
        let reason = format!("has {} bytes; at most {MAX_ID} are taken", id.len());
        return Err(Error::argument(format!("documents[{place}].id"), reason));
    }
    match seen.insert(*digest(id.as_bytes()).first_chunk().expect("a hash has 32 bytes")) {
        true => Ok(()),
        false => Err(Error::argument(format!("document {id:?}"), "is there twice")),
    }
}

/// # Errors
/// [`Error::Argument`]: a code of no centroid.
pub(super) fn check_codes(document: &IndexDocument, codec: &ResidualCodec) -> Result<()> {
    let centroids = codec.centroid_count();
    match document.codes.iter().find(|&&code| code as usize >= centroids) {
        Some(code) => {
            let reason = format!("has the code {code}; the codec has {centroids} centroids");
            Err(Error::argument(format!("document {:?}", document.id), reason))
        }
        None => Ok(()),
    }
}

/// What was written so far.
struct Parts<'a, W> {
    writer: &'a mut W,
    manifest: IndexManifest,
}

impl<W: IndexWriter> Parts<'_, W> {
    fn put(
        &mut self,
        kind: PartKind,
        bytes: &[u8],
        range: Option<RangeInclusive<u32>>,
    ) -> Result<(), W::Error> {
        let part = IndexPart::new(kind, bytes, range);
        self.writer.write(&part.file, bytes)?;
        self.manifest.parts_mut(kind).push(part);
        Ok(())
    }
}

fn write_documents<E: From<Error>>(
    documents: &mut impl Documents<Error = E>,
    plan: &Plan,
    mut writer: DocumentsWriter,
    parts: &mut Parts<'_, impl IndexWriter<Error = E>>,
) -> Result<(), E> {
    for &place in &plan.places {
        if let Some((bytes, range)) = writer.push(documents.read(place as usize)?)? {
            parts.put(PartKind::Documents, &bytes, Some(range))?;
        }
    }
    match writer.close() {
        Some((bytes, range)) => parts.put(PartKind::Documents, &bytes, Some(range)),
        None => Ok(()),
    }
}

fn write_lists<E: From<Error>>(
    documents: &mut impl Documents<Error = E>,
    plan: &Plan,
    mut writer: ListsWriter,
    parts: &mut Parts<'_, impl IndexWriter<Error = E>>,
) -> Result<(), E> {
    for centroids in passes(&plan.tokens, TOKENS_AT_ONCE) {
        let mut lists = vec![List::default(); centroids.len()];
        for (number, &place) in plan.places.iter().enumerate() {
            for code in documents.read(place as usize)?.codes {
                if centroids.contains(&(code as usize)) {
                    lists[code as usize - centroids.start].push(number as u32);
                }
            }
        }
        for list in lists {
            for (bytes, range) in writer.push(list) {
                parts.put(PartKind::Lists, &bytes, Some(range))?;
            }
        }
    }
    match writer.close() {
        Some((bytes, range)) => parts.put(PartKind::Lists, &bytes, Some(range)),
        None => Ok(()),
    }
}

/// Centroids whose lists are in memory together: such as have `most` tokens at most, or one.
pub(super) fn passes(tokens: &[u64], most: u64) -> Vec<Range<usize>> {
    let (mut passes, mut start, mut size) = (Vec::new(), 0, 0);
    for (centroid, count) in tokens.iter().enumerate() {
        if size + count > most && centroid > start {
            passes.push(start..centroid);
            (start, size) = (centroid, 0);
        }
        size += count;
    }
    passes.push(start..tokens.len());
    passes
}
