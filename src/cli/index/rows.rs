//! Embeddings that were made beforehand: a file of `tabrank encode -o`, of which some documents at a time are in memory, and twelve bytes a
//! document.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tabrank::{CompressedEmbeddings, EmbeddingsFile, EmbeddingsInfo, ResidualCodec};

use crate::cli::CliError;
use crate::cli::encode::PageFields;

/// Longest header, in bytes.
const MAX_HEADER: u64 = 1 << 20;
/// Tensors with a row a document, and a row a token.
const OF_DOCUMENTS: [&str; 4] = ["lengths", "indices", "grid", "page"];
const OF_TOKENS: [&str; 4] = ["embeddings", "scales", "codes", "residuals"];

/// An embeddings file that is read in pieces.
pub struct RowsFile {
    path: PathBuf,
    file: RefCell<File>,
    /// Where the tensors begin.
    start: u64,
    metadata: Value,
    tensors: Vec<Tensor>,
    codecs: Vec<Arc<ResidualCodec>>,
    /// Where the rows of each document end.
    ends: Vec<u64>,
    /// The line of each document.
    lines: Vec<u32>,
    /// What each document is called, if the file says so.
    ids: Option<Vec<String>>,
    /// Of page images.
    pages: Vec<PageFields>,
    pub info: EmbeddingsInfo,
    pub dimension: usize,
}

/// Where a tensor lies.
struct Tensor {
    name: String,
    dtype: Value,
    /// Without the first size.
    shape: Vec<Value>,
    rows: u64,
    begin: u64,
    row_bytes: u64,
}

impl RowsFile {
    /// Reads what stands in front of the rows. `codecs` are those that residual codes may be of.
    ///
    /// # Errors
    /// What cannot be read, and what is no embeddings file.
    pub fn open(path: &Path, codecs: Vec<Arc<ResidualCodec>>) -> Result<Self, CliError> {
        let unreadable = |source| CliError::read(path, source);
        let mut file = File::open(path).map_err(unreadable)?;
        let header = header(&mut file).map_err(unreadable)?;
        let start = 8 + header.len() as u64;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let header = serde_json::from_slice(&header).unwrap_or(Value::Null);
        let described = described(header, bytes.saturating_sub(start));
        let (metadata, tensors, ids) = described.ok_or_else(|| wrong(path))?;
        let mut rows = Self {
            path: path.to_owned(),
            file: file.into(),
            start,
            metadata,
            tensors,
            codecs,
            ends: Vec::new(),
            lines: Vec::new(),
            ids,
            pages: Vec::new(),
            info: EmbeddingsInfo::default(),
            dimension: 0,
        };
        rows.read_documents()?;
        Ok(rows)
    }

    fn read_documents(&mut self) -> Result<(), CliError> {
        let none = self.piece(0..0, 0..0)?;
        (self.info, self.dimension) = (none.info, none.embeddings.dimension());
        let mut end = 0;
        let lengths = self.numbers("lengths")?.unwrap_or_default();
        let ends = lengths.into_iter().map(|length| {
            end += u64::from(length);
            end
        });
        self.ends = ends.collect();
        let count = self.ends.len() as u32;
        self.lines = self.numbers("indices")?.unwrap_or_else(|| (0..count).collect());
        let of_tokens = |tensor: &&Tensor| OF_TOKENS.contains(&tensor.name.as_str());
        let fits = self.tensors.iter().filter(of_tokens).all(|tensor| tensor.rows == end);
        // Lines ascend, as documents do where they are read beside them.
        let ascend = self.lines.is_sorted_by(|a, b| a < b) && self.lines.len() == self.ends.len();
        let (grid, page) = (self.numbers("grid")?, self.numbers("page")?);
        self.pages = pages(grid.unwrap_or_default(), page.unwrap_or_default());
        let are_pages = self.pages.is_empty() || self.pages.len() == self.ends.len();
        let are_named = self.ids.as_ref().is_none_or(|ids| ids.len() == self.ends.len());
        match fits && ascend && are_pages && are_named {
            true => Ok(()),
            false => Err(wrong(&self.path)),
        }
    }

    /// All of a tensor of 32-bit numbers, if it is there.
    fn numbers(&self, name: &str) -> Result<Option<Vec<u32>>, CliError> {
        let Some(tensor) = self.tensors.iter().find(|tensor| tensor.name == name) else {
            return Ok(None);
        };
        let bytes = self.bytes(tensor, 0..tensor.rows)?;
        let numbers = bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        Ok(Some(numbers.collect()))
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// What a document is called; nothing if the file does not say it.
    pub fn id(&self, place: usize) -> &str {
        self.ids.as_ref().map_or("", |ids| &ids[place])
    }

    /// What is known of a page image.
    pub fn page(&self, place: usize) -> Option<PageFields> {
        self.pages.get(place).copied()
    }

    /// The place of the document of a line.
    pub fn place(&self, line: u32) -> Option<usize> {
        self.lines.binary_search(&line).ok()
    }

    /// The embeddings of documents that follow each other.
    ///
    /// # Errors
    /// What cannot be read, and rows that are not those of their codec.
    pub fn read(&self, places: Range<usize>) -> Result<CompressedEmbeddings, CliError> {
        let end = |place: usize| if place == 0 { 0 } else { self.ends[place - 1] };
        let rows = end(places.start)..end(places.end);
        Ok(self.piece(places.start as u64..places.end as u64, rows)?.embeddings)
    }

    /// A file of its own with some of the documents, read as any other.
    fn piece(&self, documents: Range<u64>, rows: Range<u64>) -> Result<EmbeddingsFile, CliError> {
        let (mut header, mut data) = (Map::new(), Vec::new());
        header.insert("__metadata__".to_owned(), self.metadata.clone());
        for tensor in &self.tensors {
            let range = match OF_TOKENS.contains(&tensor.name.as_str()) {
                true => rows.clone(),
                false => documents.clone(),
            };
            let begin = data.len();
            let count = json!(range.end - range.start);
            data.extend(self.bytes(tensor, range)?);
            let shape: Vec<Value> = [count].into_iter().chain(tensor.shape.clone()).collect();
            let described =
                json!({"dtype": tensor.dtype, "shape": shape, "data_offsets": [begin, data.len()]});
            header.insert(tensor.name.clone(), described);
        }
        let header = Value::Object(header).to_string().into_bytes();
        let length = (header.len() as u64).to_le_bytes();
        let bytes = [&length[..], &header, &data].concat();
        Ok(EmbeddingsFile::read(&self.path.display().to_string(), &bytes, &self.codecs)?)
    }

    fn bytes(&self, tensor: &Tensor, rows: Range<u64>) -> Result<Vec<u8>, CliError> {
        let mut file = self.file.borrow_mut();
        let at = self.start + tensor.begin + rows.start * tensor.row_bytes;
        let mut bytes = vec![0; ((rows.end - rows.start) * tensor.row_bytes) as usize];
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|source| CliError::read(&self.path, source))?;
        Ok(bytes)
    }
}

fn wrong(path: &Path) -> CliError {
    let reason = "is no embeddings file of tabrank encode -o";
    CliError::Data { path: path.to_owned(), reason }
}

fn header(file: &mut File) -> io::Result<Vec<u8>> {
    let (mut length, mut header) = ([0; 8], Vec::new());
    file.read_exact(&mut length)?;
    file.take(u64::from_le_bytes(length).min(MAX_HEADER)).read_to_end(&mut header)?;
    Ok(header)
}

/// Each page's grid and size, of which there are as many.
fn pages(grid: Vec<u32>, page: Vec<u32>) -> Vec<PageFields> {
    let (grids, sizes) = (grid.as_chunks::<2>().0, page.as_chunks::<2>().0);
    let each = grids.iter().zip(sizes);
    each.map(|(&grid, size)| PageFields { grid, page: size.map(f32::from_bits) }).collect()
}

/// Metadata, the tensors that are read, of all that take so many bytes, and ids, which are not read with each piece.
fn described(header: Value, bytes: u64) -> Option<(Value, Vec<Tensor>, Option<Vec<String>>)> {
    let Value::Object(mut header) = header else { return None };
    let mut metadata = header.remove("__metadata__")?;
    let ids = metadata.as_object_mut()?.remove("ids");
    // Without them documents would be told by other names than the file's.
    let ids = match ids {
        Some(ids) => Some(serde_json::from_str(ids.as_str()?).ok()?),
        None => None,
    };
    let tensors = header.into_iter().map(|(name, tensor)| Tensor::of(name, &tensor));
    let mut tensors: Vec<Tensor> = tensors.collect::<Option<_>>()?;
    let end = tensors.iter().map(|tensor| tensor.begin + tensor.rows * tensor.row_bytes).max();
    let known = |name: &str| OF_DOCUMENTS.iter().chain(&OF_TOKENS).any(|known| *known == name);
    tensors.retain(|tensor| known(&tensor.name));
    (end == Some(bytes)).then_some((metadata, tensors, ids))
}

impl Tensor {
    fn of(name: String, described: &Value) -> Option<Self> {
        let (rows, shape) = described["shape"].as_array()?.split_first()?;
        let (rows, offsets) = (rows.as_u64()?, &described["data_offsets"]);
        let (begin, end) = (offsets[0].as_u64()?, offsets[1].as_u64()?);
        let bytes = end.checked_sub(begin)?;
        let row_bytes = bytes.checked_div(rows).unwrap_or(0);
        let (dtype, shape) = (described["dtype"].clone(), shape.to_vec());
        (row_bytes.checked_mul(rows) == Some(bytes)).then_some(Self {
            name,
            dtype,
            shape,
            rows,
            begin,
            row_bytes,
        })
    }
}
