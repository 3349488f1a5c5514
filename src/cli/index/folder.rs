//! An index's folder. Its parts are read when they are wanted; a new state is made apart and put beside the old one, its manifest last, so
//! that whoever reads finds one of the two.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tabrank::late_interaction::index::{MANIFEST, MAX_PART, is_part};
use tabrank::{
    BuildOptions, Documents, Error, Index, IndexManifest, IndexReader, IndexWriter, ResidualCodec,
    StoredDocuments, build,
};

use super::foreign::{self, Files};
use super::spilled::Watched;
use crate::cli::CliError;
use crate::cli::error::is_taken;
#[cfg(unix)]
use crate::cli::output::is_open_as;
use crate::cli::output::{Workshop, folder_of, follow, is_empty, sync_folder};

/// Largest manifest that is read, in bytes; what it may have is for the library to say.
const MAX_MANIFEST: u64 = 64 << 20;
/// Why an index was not made.
pub enum Failed {
    Library(Error),
    Cli(CliError),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Library(error)
    }
}

impl From<CliError> for Failed {
    fn from(error: CliError) -> Self {
        Failed::Cli(error)
    }
}

impl Failed {
    /// As an error of what a folder holds, or would.
    pub fn of(self, folder: &Path) -> CliError {
        let folder = folder.to_owned();
        match self {
            Failed::Cli(error) => error,
            Failed::Library(Error::Argument { argument, reason }) => {
                CliError::Folder { folder, reason: format!("{argument} {reason}") }
            }
            Failed::Library(source) => CliError::Model { folder, source },
        }
    }
}

/// Reads parts, and knows which those were.
pub struct PartFiles {
    folder: PathBuf,
    /// Bytes of each.
    read: HashMap<String, u64>,
}

impl PartFiles {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), read: HashMap::new() }
    }

    /// How many different ones were read.
    pub fn parts(&self) -> usize {
        self.read.len()
    }

    /// Bytes of these.
    pub fn bytes(&self) -> u64 {
        self.read.values().sum()
    }
}

impl IndexReader for PartFiles {
    type Error = Failed;

    fn read(&mut self, file: &str) -> Result<Vec<u8>, Failed> {
        let bytes = read_up_to(&self.folder.join(file), MAX_PART as u64)?;
        self.read.insert(file.to_owned(), bytes.len() as u64);
        Ok(bytes)
    }
}

/// One byte more than is taken, so that it is refused.
fn read_up_to(path: &Path, most: u64) -> Result<Vec<u8>, CliError> {
    let read = |file: File| {
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    open_regular(path).and_then(read).map_err(|source| CliError::read(path, source))
}

/// Nothing else has an end for certain.
fn open_regular(path: &Path) -> io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// Whether one of our indexes lies in a folder.
fn is_index(folder: &Path) -> bool {
    let manifest = folder.join(MANIFEST);
    manifest.exists() || manifest.is_symlink()
}

/// An index, with its codec, and what reads its parts.
///
/// # Errors
/// What cannot be read, and a manifest or a codec that is damaged.
pub fn open(folder: &Path) -> Result<(Index, PartFiles), CliError> {
    let manifest = manifest_bytes(folder)?;
    let mut files = PartFiles::new(folder);
    let index = with_codec(&manifest, &mut files).map_err(|failed| failed.of(folder))?;
    Ok((index, files))
}

/// What an index says of itself.
///
/// # Errors
/// What cannot be read, and a manifest that is damaged.
pub fn manifest(folder: &Path) -> Result<IndexManifest, CliError> {
    let manifest = IndexManifest::parse(&manifest_bytes(folder)?);
    manifest.map_err(|error| Failed::from(error).of(folder))
}

fn manifest_bytes(folder: &Path) -> Result<Vec<u8>, CliError> {
    if !folder.is_dir() {
        return Err(CliError::NoFolder { path: folder.to_owned(), hint: "" });
    }
    if !is_index(folder) {
        let reason = format!("holds no index: it has no {MANIFEST}");
        return Err(CliError::Folder { folder: folder.to_owned(), reason });
    }
    read_up_to(&folder.join(MANIFEST), MAX_MANIFEST)
}

/// The documents of an index, and its codec.
///
/// # Errors
/// As [`open`].
pub fn stored(folder: &Path) -> Result<(StoredDocuments<PartFiles>, Arc<ResidualCodec>), CliError> {
    let (index, files) = open(folder)?;
    let codec = index.codec().expect("its parts were given").clone();
    let stored = StoredDocuments::open(index, files).map_err(|failed| failed.of(folder))?;
    Ok((stored, codec))
}

fn with_codec(manifest: &[u8], files: &mut PartFiles) -> Result<Index, Failed> {
    let mut index = Index::open(manifest)?;
    for file in index.wanted() {
        index.give(&file, &files.read(&file)?)?;
    }
    Ok(index)
}

/// Where an index is written: a place where nothing is, an empty folder, or an index, which is replaced.
pub struct Target<'a> {
    name: &'a Path,
    path: PathBuf,
    /// Of an index that is there, the manifest, which is locked.
    old: Option<File>,
    /// Where the new one is made.
    work: Option<Workshop>,
    written: Vec<String>,
}

impl<'a> Target<'a> {
    /// Finds out where `name` leads; nothing is changed.
    ///
    /// # Errors
    /// A place where something else lies, and an index that another run changes.
    pub fn find(name: &'a Path) -> Result<Self, CliError> {
        let failed = |error| CliError::write(name, error);
        let path = follow(name).map_err(failed)?;
        let mut target = Self { name, path, old: None, work: None, written: Vec::new() };
        if !is_taken(&target.path) {
            return Ok(target);
        }
        if is_index(&target.path) {
            target.old = Some(target.lock()?);
        } else if !target.path.is_dir() || !is_empty(&target.path).map_err(failed)? {
            let reason = "is there already, and is no index of tabrank's";
            return Err(CliError::OutputInUse { path: name.to_owned(), reason });
        }
        Ok(target)
    }

    /// An index that will be changed.
    ///
    /// # Errors
    /// A folder in which none of ours is, and one that another run changes.
    pub fn of_index(name: &'a Path) -> Result<Self, CliError> {
        match foreign::other(name) {
            Some(form) => {
                let writer = foreign::writer(form);
                let reason = format!(
                    "is an index of {writer}, which is read and not changed; `tabrank index merge` makes one of it that can be"
                );
                Err(CliError::Folder { folder: name.to_owned(), reason })
            }
            None => {
                manifest(name)?;
                Self::find(name)
            }
        }
    }

    /// As the user named it.
    pub fn name(&self) -> &'a Path {
        self.name
    }

    /// Where it leads.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an index is there.
    pub fn is_index(&self) -> bool {
        self.old.is_some()
    }

    /// Makes a folder here of another form than ours, where nothing or an empty folder is.
    ///
    /// # Errors
    /// What `write` answers, and what the disk says.
    pub fn make(
        self,
        write: impl FnOnce(&mut Files<'_>) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let work = self.workshop()?;
        let mut files = Files { work: &work, name: self.name, names: Vec::new() };
        write(&mut files)?;
        let names = files.names;
        finish(work, &self.path, &names).map_err(|error| CliError::write(self.name, error))
    }

    fn workshop(&self) -> Result<Workshop, CliError> {
        let parent = if self.path.is_dir() { &self.path } else { folder_of(&self.path) };
        Workshop::within(parent).map_err(|error| self.failed(error))
    }

    /// Until this process has put another manifest in its place.
    fn lock(&self) -> Result<File, CliError> {
        let path = self.path.join(MANIFEST);
        loop {
            let file = open_regular(&path).map_err(|source| CliError::read(&path, source))?;
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                return Err(self.failed(io::Error::other("another run is writing it")));
            }
            // Another run may have replaced it before it was locked.
            if has_name(&file, &path) {
                manifest(&self.path)?;
                return Ok(file);
            }
        }
    }

    /// Builds an index of documents here.
    ///
    /// # Errors
    /// Those of the documents, and what the disk says.
    pub fn build<D: Documents<Error = Failed>>(
        mut self,
        codec: &Arc<ResidualCodec>,
        documents: &mut D,
        options: &BuildOptions,
    ) -> Result<IndexManifest, CliError> {
        self.work = Some(self.workshop()?);
        let built = build(codec, &mut Watched::new(documents), options, &mut self);
        let manifest = built.map_err(|failed| failed.of(self.name))?;
        let name = self.name;
        self.commit(&manifest).map_err(|error| CliError::write(name, error))?;
        Ok(manifest)
    }

    fn failed(&self, error: io::Error) -> CliError {
        CliError::write(self.name, error)
    }

    /// A part that is there is not written again.
    fn put(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        match self.old.is_some() && is_there(&self.path.join(file), bytes) {
            true => Ok(()),
            false => write_all(&self.create(file)?, bytes),
        }
    }

    fn create(&self, file: &str) -> io::Result<File> {
        let work = self.work.as_ref().expect("what is written is made in a workshop");
        work.create(&work.output().join(file))
    }

    fn commit(mut self, manifest: &IndexManifest) -> io::Result<()> {
        let file = self.create(MANIFEST)?;
        write_all(&file, &manifest.write())?;
        let work = self.work.take().expect("the manifest was made in it");
        sync_folder(&work.output());
        if self.old.is_none() {
            self.written.push(MANIFEST.to_owned());
            return finish(work, &self.path, &self.written);
        }
        // Whoever comes now finds it locked until the parts of the old state have gone.
        let _ = file.try_lock();
        work.replace(&self.path, &self.written, MANIFEST)?;
        self.remove_old()
    }

    /// Removes the parts of other states: of that which was there, and those that a killed run has left.
    fn remove_old(&self) -> io::Result<()> {
        let new: HashSet<&str> = self.written.iter().map(String::as_str).collect();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_old = name.to_str().is_some_and(|name| is_part(name) && !new.contains(name));
            if is_old && !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Whether a file has these bytes.
fn is_there(path: &Path, bytes: &[u8]) -> bool {
    let size = fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| file.len());
    size == Some(bytes.len() as u64) && fs::read(path).is_ok_and(|there| there == bytes)
}

/// Whether a path leads to a file that is open.
#[cfg(unix)]
fn has_name(file: &File, path: &Path) -> bool {
    is_open_as(file, path)
}

#[cfg(not(unix))]
fn has_name(_: &File, _: &Path) -> bool {
    true
}

/// Gives what was made its place, its last name last.
fn finish(work: Workshop, path: &Path, names: &[String]) -> io::Result<()> {
    match path.is_dir() {
        true => work.fill(path, &names.iter().map(String::as_str).collect::<Vec<_>>()),
        false => work.finish(path),
    }
}

fn write_all(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

impl IndexWriter for Target<'_> {
    type Error = Failed;

    fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), Failed> {
        self.put(file, bytes).map_err(|error| self.failed(error))?;
        self.written.push(file.to_owned());
        Ok(())
    }
}
