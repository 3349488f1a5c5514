//! How far has an input been read, and how far does it go? For the progress bar.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use crate::cli::CliError;

/// An input, which counts.
pub struct Source {
    /// For errors.
    pub name: String,
    /// How many there are, if it is a file.
    pub bytes: Option<u64>,
    reader: Box<dyn Read>,
    read: Rc<Cell<u64>>,
}

impl Source {
    /// Stdin, from where it is.
    pub fn stdin() -> Self {
        Self::new("stdin".to_owned(), bytes(), Box::new(io::stdin().lock()))
    }

    /// A file.
    ///
    /// # Errors
    /// One that cannot be opened.
    pub fn file(path: &Path) -> Result<Self, CliError> {
        let file = File::open(path).map_err(|source| CliError::read(path, source))?;
        let bytes = file.metadata().ok().filter(|metadata| metadata.is_file());
        let bytes = bytes.map(|metadata| metadata.len());
        Ok(Self::new(path.display().to_string(), bytes, Box::new(file)))
    }

    /// Something that reads.
    pub fn new(name: String, bytes: Option<u64>, reader: Box<dyn Read>) -> Self {
        Self { name, bytes, reader, read: Rc::new(Cell::new(0)) }
    }

    /// The bytes that will have been read.
    pub fn read_so_far(&self) -> Rc<Cell<u64>> {
        self.read.clone()
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(into)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// Bytes of stdin, if it is a file.
#[cfg(unix)]
fn bytes() -> Option<u64> {
    use std::os::fd::AsFd;

    let stdin = io::stdin().as_fd().try_clone_to_owned().ok()?;
    let metadata = File::from(stdin).metadata().ok()?;
    metadata.is_file().then_some(metadata.len())
}

#[cfg(not(unix))]
fn bytes() -> Option<u64> {
    None
}
