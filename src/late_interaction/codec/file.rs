//! How do embeddings travel? A safetensors file: what `tabrank encode -o` writes is what a backend sends and a page reads.
//!
//! ```text
//! N           8 bytes, little-endian: length of the header
//! header      N bytes of JSON: __metadata__ and of each tensor its type, its shape and its place in the data; spaces fill it up to a
//!             multiple of eight
//! data        the tensors without gaps, row-major, little-endian
//! ```
//!
//! `__metadata__` holds strings:
//!
//! ```text
//! format        "tabrank-embeddings"
//! version       "1"; a reader refuses any other
//! codec         "f32", "f16", "int8", "binary" or "residual": see [`crate::late_interaction::codec`]
//! dimension     width of an embedding, decimal
//! embeddingId   the model: see [`crate::model::embedding_id`]; optional
//! codecId       of residual codes: see [`ResidualCodec::id`]
//! tokenPooling  how rows were pooled, such as "2"; optional
//! ids           a string of each text, as a list in JSON; optional
//! writer        name and version of the program; optional
//! ```
//!
//! Tensors, with one row a token, text after text:
//!
//! ```text
//! lengths      U32  [texts]                            rows of each text
//! embeddings   F32, F16 or I8 [rows, dimension], U8 [rows, ⌈dimension / 8⌉] of binary; not of residual
//! scales       F32  [rows]                             of int8
//! codes        U32  [rows]                             of residual
//! residuals    U8   [rows, dimension · nbits / 8]      of residual
//! indices      U32  [texts]                            the line of each text in what was encoded, from 0; optional
//! grid         U32  [texts, 2]                         rows and columns of patches, of page images; optional
//! page         F32  [texts, 2]                         width and height of each page; optional
//! truncated    BOOL [texts]                            whether a text had more tokens than the model takes; optional
//! ```
//!
//! Fields and tensors of other names are ignored. Numbers of four bytes are written first and those of one byte last, so that each
//! tensor begins at a multiple of its number's size and can be viewed where it lies; a reader takes any order.

use std::sync::Arc;

use safetensors::Dtype;
use serde_json::json;

use super::container::{Container, Described, Stored, header};
use super::{Codec, CompressedEmbeddings, DocumentRows, ResidualCodec, Rows};
use crate::error::{Error, Result};

/// What the metadata's `format` is.
pub const FORMAT: &str = "tabrank-embeddings";

/// What a file says of its embeddings beside their codec and width.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbeddingsInfo {
    /// The model that made them.
    pub embedding_id: Option<String>,
    /// How rows were pooled.
    pub token_pooling: Option<String>,
}

/// An embeddings file.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingsFile {
    pub info: EmbeddingsInfo,
    pub embeddings: CompressedEmbeddings,
    /// The line of each text.
    pub indices: Option<Vec<u32>>,
    /// What the text is called.
    pub ids: Option<Vec<String>>,
    /// Whether each text was cut.
    pub truncated: Option<Vec<bool>>,
    /// Rows and columns of the patches of each page.
    pub grid: Option<Vec<[u32; 2]>>,
    /// Width and height of each page.
    pub page: Option<Vec<[f32; 2]>>,
}

impl EmbeddingsFile {
    /// A list with nothing beside it.
    pub fn new(embeddings: CompressedEmbeddings, info: EmbeddingsInfo) -> Self {
        Self { info, embeddings, indices: None, ids: None, truncated: None, grid: None, page: None }
    }

    /// Reads a file; `file` is how errors name it, and `codecs` are those that residual codes may be of.
    ///
    /// # Errors
    /// [`Error::InvalidVectors`], naming the field or the tensor.
    pub fn read(file: &str, bytes: &[u8], codecs: &[Arc<ResidualCodec>]) -> Result<Self> {
        let container = Container::open(file, bytes)?;
        container.check_format(FORMAT)?;
        let (codec, dimension) = (codec(&container, codecs)?, container.number("dimension")?);
        let ([texts], lengths) = container.take::<u32, 1>("lengths")?;
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        let rows = rows(&container, &codec, dimension)?;
        let embeddings = CompressedEmbeddings::from_parts(codec, dimension, lengths, rows)
            .map_err(|error| error.in_file(file))?;
        let page = container.find_shaped::<f32, 2>("page", [texts, 2])?;
        if page.iter().flatten().any(|size| !size.is_finite() || *size < 0.0) {
            return Err(container.wrong("page", "holds a size that is not finite or below 0"));
        }
        let grid = container.find_shaped("grid", [texts, 2])?;
        let truncated: Option<Vec<Flag>> = container.find_shaped("truncated", [texts])?;
        Ok(Self {
            info: info(&container)?,
            embeddings,
            indices: container.find_shaped("indices", [texts])?,
            ids: ids(&container, texts)?,
            truncated: truncated.map(|flags| flags.into_iter().map(|flag| flag.0).collect()),
            grid: grid.map(|numbers: Vec<u32>| numbers.as_chunks().0.to_vec()),
            page: page.map(|numbers| numbers.as_chunks().0.to_vec()),
        })
    }

    /// The file's bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut writer = EmbeddingsWriter::new(
            self.embeddings.codec().clone(),
            self.embeddings.dimension(),
            self.info.clone(),
        );
        writer.push(self.embeddings.lengths());
        writer.indices = self.indices.clone();
        writer.ids = self.ids.clone();
        writer.truncated = self.truncated.clone();
        writer.grid = self.grid.clone();
        writer.page = self.page.clone();
        let planes = planes(self.embeddings.rows().view());
        let parts = writer.finish().into_iter().flat_map(|part| match part {
            Part::Bytes(bytes) => bytes,
            Part::Plane(place) => planes[place].clone(),
        });
        parts.collect()
    }
}

/// Writes a file whose rows are not in memory: they go to a place of their own for each of the [`planes`], as they come.
pub struct EmbeddingsWriter {
    codec: Codec,
    dimension: usize,
    info: EmbeddingsInfo,
    lengths: Vec<u32>,
    rows: u64,
    /// One a text, or none: see [`EmbeddingsFile`].
    pub indices: Option<Vec<u32>>,
    pub ids: Option<Vec<String>>,
    pub truncated: Option<Vec<bool>>,
    pub grid: Option<Vec<[u32; 2]>>,
    pub page: Option<Vec<[f32; 2]>>,
}

/// What stands next in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Bytes(Vec<u8>),
    /// All that [`planes`] gave at this place, text after text.
    Plane(usize),
}

impl EmbeddingsWriter {
    pub fn new(codec: Codec, dimension: usize, info: EmbeddingsInfo) -> Self {
        Self {
            codec,
            dimension,
            info,
            lengths: Vec::new(),
            rows: 0,
            indices: None,
            ids: None,
            truncated: None,
            grid: None,
            page: None,
        }
    }

    /// Takes note of more texts, whose [`planes`] the caller has put behind those before.
    ///
    /// # Panics
    /// If a text has 2³² rows.
    pub fn push(&mut self, lengths: &[usize]) {
        for &length in lengths {
            self.lengths.push(u32::try_from(length).expect("a text has fewer than 2^32 tokens"));
            self.rows += length as u64;
        }
    }

    /// The file, part after part.
    pub fn finish(self) -> Vec<Part> {
        let mut tensors = self.tensors();
        // Stable: of numbers of one size, those of texts stay in front.
        tensors.sort_by_key(|(described, _)| std::cmp::Reverse(described.dtype.bitsize()));
        let (described, parts): (Vec<Described>, Vec<Part>) = tensors.into_iter().unzip();
        let header = Part::Bytes(header(&self.metadata(), &described));
        std::iter::once(header).chain(parts).collect()
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        let mut metadata = vec![
            ("format", FORMAT.to_owned()),
            ("version", "1".to_owned()),
            ("codec", self.codec.name().to_owned()),
            ("dimension", self.dimension.to_string()),
        ];
        let optional = [
            ("embeddingId", self.info.embedding_id.clone()),
            ("codecId", self.codec.residual().map(|codec| codec.id().to_owned())),
            ("tokenPooling", self.info.token_pooling.clone()),
            ("ids", self.ids.as_ref().map(|ids| json!(ids).to_string())),
        ];
        metadata.extend(optional.into_iter().filter_map(|(field, text)| Some((field, text?))));
        metadata.push(("writer", concat!("tabrank ", env!("CARGO_PKG_VERSION")).to_owned()));
        metadata
    }

    fn tensors(&self) -> Vec<(Described, Part)> {
        let texts = self.lengths.len() as u64;
        let mut tensors = vec![tensor("lengths", &[texts], &self.lengths)];
        tensors.extend(self.indices.as_ref().map(|indices| tensor("indices", &[texts], indices)));
        let pairs = &[texts, 2];
        tensors.extend(self.grid.as_ref().map(|grid| tensor("grid", pairs, grid.as_flattened())));
        tensors.extend(self.page.as_ref().map(|page| tensor("page", pairs, page.as_flattened())));
        for (place, (name, dtype, width)) in self.row_tensors().into_iter().enumerate() {
            let shape = [self.rows].into_iter().chain(width.map(|width| width as u64)).collect();
            tensors.push((Described { name, dtype, shape }, Part::Plane(place)));
        }
        let flags = self.truncated.as_ref();
        let flags: Option<Vec<Flag>> = flags.map(|all| all.iter().map(|&cut| Flag(cut)).collect());
        tensors.extend(flags.map(|flags| tensor("truncated", &[texts], &flags)));
        tensors
    }

    /// Name, type and width of the tensors with one row a token, as [`planes`] gives them; no width where a row is one number.
    fn row_tensors(&self) -> Vec<(&'static str, Dtype, Option<usize>)> {
        let dimension = self.dimension;
        match &self.codec {
            Codec::F32 => vec![("embeddings", Dtype::F32, Some(dimension))],
            Codec::F16 => vec![("embeddings", Dtype::F16, Some(dimension))],
            Codec::Int8 => {
                vec![("embeddings", Dtype::I8, Some(dimension)), ("scales", Dtype::F32, None)]
            }
            Codec::Binary => vec![("embeddings", Dtype::U8, Some(dimension.div_ceil(8)))],
            Codec::Residual(codec) => vec![
                ("codes", Dtype::U32, None),
                ("residuals", Dtype::U8, Some(codec.residual_bytes())),
            ],
        }
    }
}

/// The bytes of some rows, one list for each tensor that a file of their codec has: `embeddings`; `embeddings` and `scales`; or
/// `codes` and `residuals`.
pub fn planes(rows: DocumentRows<'_>) -> Vec<Vec<u8>> {
    match rows {
        DocumentRows::F32(values) => vec![Stored::write(values)],
        DocumentRows::F16(bits) => vec![Stored::write(bits)],
        DocumentRows::Int8 { codes, scales } => vec![Stored::write(codes), Stored::write(scales)],
        DocumentRows::Binary(bits) => vec![bits.to_vec()],
        DocumentRows::Residual { codes, residuals } => {
            vec![Stored::write(codes), residuals.to_vec()]
        }
    }
}

fn tensor<T: Stored>(name: &'static str, shape: &[u64], values: &[T]) -> (Described, Part) {
    let described = Described { name, dtype: T::DTYPE, shape: shape.to_vec() };
    (described, Part::Bytes(T::write(values)))
}

fn codec(container: &Container<'_>, codecs: &[Arc<ResidualCodec>]) -> Result<Codec> {
    let name = container.needed("codec")?;
    if name == "residual" {
        let id = container.needed("codecId")?;
        let found = codecs.iter().find(|codec| codec.id() == id).cloned();
        return found.map(Codec::Residual).ok_or_else(|| {
            container.wrong("codecId", format!("is {id}, and no codec of this id was given"))
        });
    }
    Codec::from_name(name).ok_or_else(|| unknown_codec(container, name))
}

/// Why a codec of this name is not read.
pub(super) fn unknown_codec(container: &Container<'_>, name: &str) -> Error {
    container.wrong("codec", format!("is {name:?}; {} are read", Codec::NAMES.join(", ")))
}

/// What stands beside codec and width.
pub(super) fn info(container: &Container<'_>) -> Result<EmbeddingsInfo> {
    let owned = |field| Ok(container.text(field)?.map(str::to_owned));
    Ok(EmbeddingsInfo {
        embedding_id: owned("embeddingId")?,
        token_pooling: owned("tokenPooling")?,
    })
}

/// One of each text, if there are any.
fn ids(container: &Container<'_>, texts: usize) -> Result<Option<Vec<String>>> {
    let Some(list) = container.text("ids")? else { return Ok(None) };
    let ids: Vec<String> = serde_json::from_str(list)
        .map_err(|_| container.wrong("ids", "are no list of strings in JSON"))?;
    match ids.len() == texts {
        true => Ok(Some(ids)),
        false => Err(container.wrong("ids", format!("are {}, of {texts} texts", ids.len()))),
    }
}

fn rows(container: &Container<'_>, codec: &Codec, dimension: usize) -> Result<Rows> {
    Ok(match codec {
        Codec::F32 => Rows::F32(matrix(container, "embeddings", dimension)?),
        Codec::F16 => Rows::F16(matrix(container, "embeddings", dimension)?),
        Codec::Int8 => Rows::Int8 {
            codes: matrix(container, "embeddings", dimension)?,
            scales: container.take::<_, 1>("scales")?.1,
        },
        Codec::Binary => Rows::Binary(matrix(container, "embeddings", dimension.div_ceil(8))?),
        Codec::Residual(codec) => Rows::Residual {
            codes: container.take::<_, 1>("codes")?.1,
            residuals: matrix(container, "residuals", codec.residual_bytes())?,
        },
    })
}

fn matrix<T: Stored>(container: &Container<'_>, name: &str, width: usize) -> Result<Vec<T>> {
    match container.take::<T, 2>(name)? {
        ([_, found], _) if found != width => {
            Err(container.wrong(name, format!("has rows of {found}, not of {width}")))
        }
        (_, values) => Ok(values),
    }
}

/// A byte that is 0 or not.
#[derive(Clone, Copy)]
struct Flag(bool);

impl Stored for Flag {
    const DTYPE: Dtype = Dtype::BOOL;

    fn read(bytes: &[u8]) -> Vec<Self> {
        bytes.iter().map(|&byte| Flag(byte != 0)).collect()
    }

    fn write(flags: &[Self]) -> Vec<u8> {
        flags.iter().map(|flag| u8::from(flag.0)).collect()
    }
}
