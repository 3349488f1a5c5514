//! Documents that were encoded, and lie on disk until they are put into parts.

use std::fs::File;
use std::io::{self, Read, Seek};

use tabrank::{Documents, Error, IndexDocument};

use super::folder::Failed;
use crate::cli::encode::Spill;
use crate::cli::progress::Progress;

/// The documents of a spill. Eight bytes of each are held.
pub struct Spilled<'a> {
    spill: &'a Spill<'a>,
    /// The first row of each.
    starts: Vec<u64>,
    residual_bytes: usize,
}

impl<'a> Spilled<'a> {
    /// `residual_bytes`: those of a row.
    pub fn new(spill: &'a Spill<'a>, residual_bytes: usize) -> Self {
        let mut end = 0;
        let start = |text: &crate::cli::encode::Text| {
            let start = end;
            end += u64::from(text.length);
            start
        };
        Self { spill, starts: spill.held.iter().map(start).collect(), residual_bytes }
    }

    fn document(&self, place: usize) -> io::Result<IndexDocument> {
        let (start, rows) = (self.starts[place], self.spill.held[place].length as usize);
        let planes = &self.spill.planes;
        let codes = read_at(&planes[0], 4 * start, 4 * rows)?;
        Ok(IndexDocument {
            id: self.spill.id(place)?,
            codes: codes.as_chunks().0.iter().map(|code| u32::from_le_bytes(*code)).collect(),
            residuals: read_at(
                &planes[1],
                self.residual_bytes as u64 * start,
                self.residual_bytes * rows,
            )?,
        })
    }
}

fn read_at(mut file: &File, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut read = vec![0; bytes];
    file.seek(io::SeekFrom::Start(at))?;
    file.read_exact(&mut read)?;
    Ok(read)
}

impl Documents for Spilled<'_> {
    type Error = Failed;

    fn count(&self) -> usize {
        self.starts.len()
    }

    fn read(&mut self, place: usize) -> Result<IndexDocument, Failed> {
        self.document(place).map_err(|error| self.spill.failed(error).into())
    }
}

/// Passes that are made over documents, where not one is very long.
const PASSES: usize = 3;

/// Documents, with a bar that tells how far they are.
pub struct Watched<'a, D> {
    documents: &'a mut D,
    progress: Progress,
    read: usize,
}

impl<'a, D: Documents> Watched<'a, D> {
    pub fn new(documents: &'a mut D) -> Self {
        let progress = Progress::new("index", PASSES * documents.count());
        Self { documents, progress, read: 0 }
    }
}

impl<E: From<Error>, D: Documents<Error = E>> Documents for Watched<'_, D> {
    type Error = E;

    fn count(&self) -> usize {
        self.documents.count()
    }

    fn read(&mut self, place: usize) -> Result<IndexDocument, E> {
        self.read += 1;
        let all = (PASSES * self.count()).max(self.read);
        self.progress.update(self.read, all);
        self.documents.read(place)
    }
}
