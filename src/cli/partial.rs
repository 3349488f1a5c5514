//! What stays of a long run that is killed? The files that it was making, in a folder beside its output, `NAME.partial`, with a state that
//! says how far they have come.
//!
//! The folder gets its name when there is something to go on with, and goes when the output is whole. Who works in it holds its `lock`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::is_taken;
use super::output::{Workshop, folder_of, sync_folder};

const LOCK: &str = "lock";
const STATE: &str = "state.json";
/// Most bytes of a state.
const MAX_STATE: u64 = 1 << 20;

/// A folder of files that are being made.
pub struct Partial {
    /// Its name, which it has once there is a state.
    path: PathBuf,
    /// Where it has none yet.
    work: Option<Workshop>,
    _lock: File,
}

impl Partial {
    /// A new one for what will be `output`.
    ///
    /// # Errors
    /// What the disk says, and a name that is taken by something else.
    pub fn begin(output: &Path) -> io::Result<Self> {
        let path = path_of(output);
        check_free(&path)?;
        let work = Workshop::within(folder_of(output))?;
        let lock = work.create(&work.output().join(LOCK))?;
        lock_or_refuse(&lock)?;
        Ok(Self { path, work: Some(work), _lock: lock })
    }

    /// What an earlier run has left, with its state; `None` where there is nothing.
    ///
    /// # Errors
    /// What the disk says, a name that is taken by something else, and a folder that another run works in.
    pub fn left(output: &Path) -> io::Result<Option<(Self, Vec<u8>)>> {
        let path = path_of(output);
        if !is_taken(&path) {
            return Ok(None);
        }
        check_free(&path)?;
        let lock = File::open(path.join(LOCK))?;
        lock_or_refuse(&lock)?;
        let mut state = Vec::new();
        File::open(path.join(STATE))?.take(MAX_STATE).read_to_end(&mut state)?;
        Ok(Some((Self { path, work: None, _lock: lock }, state)))
    }

    /// Where it is, or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One of its files, made if it is not there.
    ///
    /// # Errors
    /// What the disk says.
    pub fn file(&self, name: &str) -> io::Result<File> {
        let path = self.folder().join(name);
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    }

    /// Takes note that what is on disk can be gone on with.
    ///
    /// # Errors
    /// What the disk says, and another run that has come first.
    pub fn keep(&mut self, state: &[u8]) -> io::Result<()> {
        let new = self.folder().join("state.new");
        let mut file = File::create(&new)?;
        io::Write::write_all(&mut file, state)?;
        file.sync_all()?;
        fs::rename(&new, self.folder().join(STATE))?;
        sync_folder(&self.folder());
        match self.work.take() {
            Some(work) => {
                remove(&self.path)?;
                work.finish(&self.path)
            }
            None => Ok(()),
        }
    }

    /// Removes it, and what an earlier run has left: the output is whole.
    ///
    /// # Errors
    /// As [`Partial::keep`].
    pub fn done(self) -> io::Result<()> {
        match self.work {
            Some(_) => remove(&self.path),
            None => remove_unlocked(&self.path),
        }
    }

    fn folder(&self) -> PathBuf {
        self.work.as_ref().map_or_else(|| self.path.clone(), Workshop::output)
    }
}

fn path_of(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    output.with_file_name(name)
}

/// Removes what an earlier run has left.
fn remove(path: &Path) -> io::Result<()> {
    if !is_taken(path) {
        return Ok(());
    }
    check_free(path)?;
    remove_unlocked(path)
}

/// Its state first: a folder without one is nothing to go on with.
fn remove_unlocked(path: &Path) -> io::Result<()> {
    fs::remove_file(path.join(STATE))?;
    fs::remove_dir_all(path)
}

/// Whether a name is free, or taken by what an ended run has left.
fn check_free(path: &Path) -> io::Result<()> {
    match File::open(path.join(LOCK)) {
        Ok(lock) if path.join(STATE).is_file() => lock_or_refuse(&lock),
        _ if !is_taken(path) => Ok(()),
        _ => Err(io::Error::other(format!("{} is in its way", path.display()))),
    }
}

/// Where files cannot be locked, nobody is kept out.
fn lock_or_refuse(lock: &File) -> io::Result<()> {
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another run is writing it")),
        _ => Ok(()),
    }
}
