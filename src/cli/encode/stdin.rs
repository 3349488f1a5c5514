//! How far has stdin been read, and how far does it go? For the progress bar.

use std::cell::Cell;
use std::io::{self, Read, StdinLock};
use std::rc::Rc;

/// Stdin, which counts.
pub struct Stdin {
    reader: StdinLock<'static>,
    read: Rc<Cell<u64>>,
}

impl Stdin {
    /// From where it is, and the bytes that will have been read of it.
    pub fn open() -> (Self, Rc<Cell<u64>>) {
        let read = Rc::new(Cell::new(0));
        (Self { reader: io::stdin().lock(), read: read.clone() }, read)
    }
}

impl Read for Stdin {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(into)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// Bytes of stdin, if it is a file.
#[cfg(unix)]
pub fn bytes() -> Option<u64> {
    use std::os::fd::AsFd;

    let stdin = io::stdin().as_fd().try_clone_to_owned().ok()?;
    let metadata = std::fs::File::from(stdin).metadata().ok()?;
    metadata.is_file().then_some(metadata.len())
}

#[cfg(not(unix))]
pub fn bytes() -> Option<u64> {
    None
}
