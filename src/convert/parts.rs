//! What of the weights is in memory at a time? A part: some rows of a table, or a layer. While one is worked on, the bytes of the
//! next are on their way.

use std::collections::BTreeMap;
use std::ops::Range;
use std::pin::Pin;

use super::groups::Group;
use crate::error::{Error, Result};
use crate::model::bundle::{Tensor, TensorKind, Tensors};
use crate::model::checkpoint::{CheckpointFiles, Place};
use crate::model::config::layer_of;

/// Bytes that are on their way.
pub type Coming = Pin<Box<dyn Future<Output = Result<Vec<u8>>>>>;

/// Brings bytes of weight files of which [`CheckpointFiles`] has the header alone.
pub trait Fetch {
    /// Begins to bring the bytes of `file` at `range`. Ranges come in the order of computation, none twice, and do not overlap.
    fn fetch(&self, file: &str, range: Range<u64>) -> Coming;
}

/// For files that are all there.
pub(super) struct NothingToFetch;

impl Fetch for NothingToFetch {
    fn fetch(&self, file: &str, _: Range<u64>) -> Coming {
        let name = file.to_owned();
        Box::pin(async { Err(Error::MissingFile { name, hint: " beyond its header" }) })
    }
}

/// Most bytes of a table that are read at a time.
const TABLE_BYTES: u64 = 16 << 20;
/// Tensors that lie as close to each other come with what is between them.
const GAP: u64 = 64 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rows of a table.
    Rows(Range<usize>),
    /// The tensors of a layer.
    Layer(usize),
    /// Tensors in front of the layers, behind them, or of a Dense module.
    Other,
}

/// What is converted at a time.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Place among the groups.
    pub(super) group: usize,
    /// Places of its tensors among the group's.
    pub(super) specs: Range<usize>,
    pub(super) kind: Kind,
}

/// The parts of a checkpoint one after the other.
pub(super) struct Parts<'a, F> {
    files: &'a CheckpointFiles,
    fetch: &'a F,
    groups: &'a [Group<'a>],
    parts: std::vec::IntoIter<Part>,
    coming: Option<(Part, Vec<Span>)>,
}

/// Bytes of a file that several tensors lie in.
struct Span {
    file: String,
    range: Range<u64>,
    /// `None` where they are at hand.
    coming: Option<Coming>,
}

impl<'a, F: Fetch> Parts<'a, F> {
    pub(super) fn new(
        files: &'a CheckpointFiles,
        fetch: &'a F,
        groups: &'a [Group<'a>],
    ) -> Result<Self> {
        let mut parts = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            parts.extend(parts_of(index, group)?);
        }
        Ok(Self { files, fetch, groups, parts: parts.into_iter(), coming: None })
    }

    /// The next part, with its tensors in f32 under their names in the bundle.
    ///
    /// # Errors
    /// [`Error::TensorType`], [`Error::TensorNotFinite`], and what reading them answers.
    pub(super) async fn next(&mut self) -> Result<Option<(Part, Tensors)>> {
        let first = self.coming.is_none().then(|| self.begin()).transpose()?.flatten();
        let Some((part, spans)) = first.or_else(|| self.coming.take()) else {
            return Ok(None);
        };
        self.coming = self.begin()?;
        let mut read = Vec::with_capacity(spans.len());
        for span in spans {
            let bytes = match span.coming {
                Some(coming) => coming.await?,
                None => self.files.bytes(&span.file, span.range.clone())?.into_owned(),
            };
            read.push((span.file, span.range, bytes));
        }
        let tensors = self.decoded(&part, &read)?;
        Ok(Some((part, tensors)))
    }

    /// Asks for the bytes of the next part.
    fn begin(&mut self) -> Result<Option<(Part, Vec<Span>)>> {
        let Some(part) = self.parts.next() else {
            return Ok(None);
        };
        let mut ranges: BTreeMap<(String, u64), u64> = BTreeMap::new();
        for (_, place, range) in self.pieces(&part)? {
            ranges.insert((place.file.clone(), range.start), range.end);
        }
        let at_hand = self.files.is_readable();
        let mut spans: Vec<Span> = Vec::new();
        for ((file, start), end) in ranges {
            match spans.last_mut() {
                Some(last) if last.file == file && start <= last.range.end + GAP => {
                    last.range.end = last.range.end.max(end);
                }
                _ => spans.push(Span { file, range: start..end, coming: None }),
            }
        }
        for span in spans.iter_mut().filter(|_| !at_hand) {
            span.coming = Some(self.fetch.fetch(&span.file, span.range.clone()));
        }
        Ok(Some((part, spans)))
    }

    /// The part's tensors, each with its place and the bytes that are needed of it.
    fn pieces(&self, part: &Part) -> Result<Vec<(usize, &'a Place, Range<u64>)>> {
        let group = &self.groups[part.group];
        let piece = |index: usize| {
            let place = group.place(&group.specs[index])?;
            let range = match &part.kind {
                Kind::Rows(rows) => place.rows(rows.clone()),
                _ => place.bytes.clone(),
            };
            Ok((index, place, range))
        };
        part.specs.clone().map(piece).collect()
    }

    fn decoded(&self, part: &Part, read: &[(String, Range<u64>, Vec<u8>)]) -> Result<Tensors> {
        let specs = &self.groups[part.group].specs;
        let tensor = |(index, place, range): (usize, &Place, Range<u64>)| {
            let spec = &specs[index];
            let holds = |(file, span, _): &&(String, Range<u64>, Vec<u8>)| {
                *file == place.file && span.start <= range.start && range.end <= span.end
            };
            let (_, span, bytes) = read.iter().find(holds).expect("a span holds each tensor");
            let at = |offset: u64| (offset - span.start) as usize;
            let rows = match &part.kind {
                Kind::Rows(rows) => rows.clone(),
                _ => 0..spec.shape[0],
            };
            let mut shape = spec.shape.clone();
            shape[0] = rows.len();
            let bytes = &bytes[at(range.start)..at(range.end)];
            let values = place.adapted(self.files, &spec.name, rows, bytes)?;
            Ok((spec.name.clone(), Tensor::f32(shape, values)))
        };
        self.pieces(part)?.into_iter().map(tensor).collect()
    }
}

/// The parts of a group, in the order of its tensors.
fn parts_of(index: usize, group: &Group<'_>) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    for (place, spec) in group.specs.iter().enumerate() {
        let specs = place..place + 1;
        if spec.kind == TensorKind::Table {
            let most = rows_at_once(group.place(spec)?);
            let blocks = (0..spec.shape[0]).step_by(most);
            parts.extend(blocks.map(|row| {
                let rows = row..(row + most).min(spec.shape[0]);
                Part { group: index, specs: specs.clone(), kind: Kind::Rows(rows) }
            }));
            continue;
        }
        let kind = layer_of(&spec.name).map_or(Kind::Other, Kind::Layer);
        match parts.last_mut() {
            Some(last) if last.kind == kind => last.specs.end = specs.end,
            _ => parts.push(Part { group: index, specs, kind }),
        }
    }
    Ok(parts)
}

fn rows_at_once(table: &Place) -> usize {
    let row = table.rows(0..1);
    (TABLE_BYTES / (row.end - row.start)).max(1) as usize
}
