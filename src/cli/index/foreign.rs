//! Index folders of other libraries: colbert-ai, PyLate, fast-plaid and next-plaid.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use tabrank::{Archive, FolderWriter, ForeignIndex, IndexFolder, IndexForm};

use super::folder::Failed;
use crate::cli::output::Workshop;
use crate::cli::{CliError, pickle};

/// What has written an index folder; `None`: it is none.
pub fn form(folder: &Path) -> Option<IndexForm> {
    let is_there = |file: &str| {
        let path = folder.join(file);
        path.exists() || path.is_symlink()
    };
    IndexForm::of(is_there)
}

/// Whether an index lies in a folder, whoever wrote it.
pub fn is_index(folder: &Path) -> bool {
    form(folder).is_some()
}

/// What other library has written an index folder; `None`: none has.
pub fn other(folder: &Path) -> Option<IndexForm> {
    form(folder).filter(|form| *form != IndexForm::Tabrank)
}

/// Who writes indexes of a form.
pub fn writer(form: IndexForm) -> &'static str {
    match form {
        IndexForm::Tabrank => "tabrank",
        IndexForm::FastPlaid => "fast-plaid or next-plaid",
        IndexForm::PyLate => "PyLate",
        IndexForm::Stanford => "colbert-ai or PyLate",
    }
}

/// An index of another library.
///
/// # Errors
/// What cannot be read, and what is damaged.
pub fn open(folder: &Path, form: IndexForm) -> Result<ForeignIndex<FolderFiles>, CliError> {
    let files = FolderFiles(folder.to_owned());
    ForeignIndex::open(files, form).map_err(|failed| failed.of(folder))
}

/// Reads a folder's files.
pub struct FolderFiles(PathBuf);

impl FolderFiles {
    fn tried<T>(&self, file: &str, read: impl FnOnce(&Path) -> io::Result<T>) -> Result<T, Failed> {
        let path = self.0.join(file);
        read(&path).map_err(|source| CliError::read(&path, source).into())
    }
}

impl IndexFolder for FolderFiles {
    type Error = Failed;

    fn size(&self, file: &str) -> Result<Option<u64>, Failed> {
        self.tried(file, |path| match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
            Ok(_) => Err(io::Error::other("it is not a regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn read_at(&self, file: &str, bytes: Range<u64>) -> Result<Vec<u8>, Failed> {
        self.tried(file, |path| {
            let (mut file, mut read) = (File::open(path)?, Vec::new());
            file.seek(SeekFrom::Start(bytes.start))?;
            let length = bytes.end - bytes.start;
            file.take(length).read_to_end(&mut read)?;
            match read.len() as u64 == length {
                true => Ok(read),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        })
    }

    fn archive(&self, file: &str) -> Result<Archive, Failed> {
        let opened = self.tried(file, |path| File::open(path))?;
        let pickle::Found { pickle, storages } = pickle::open(file, &opened)?;
        Ok(Archive { pickle, storages })
    }
}

/// Writes a folder that is made in a workshop.
pub struct Files<'a> {
    pub work: &'a Workshop,
    /// As the user named it.
    pub name: &'a Path,
    /// Names in the folder itself, in their order.
    pub names: Vec<String>,
}

impl Files<'_> {
    fn put(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.work.output().join(file);
        let mut file = match path.exists() {
            true => File::options().append(true).open(path)?,
            false => self.work.create(&path)?,
        };
        file.write_all(bytes)?;
        file.sync_data()
    }
}

impl FolderWriter for Files<'_> {
    type Error = Failed;

    fn append(&mut self, file: &str, bytes: &[u8]) -> Result<(), Failed> {
        self.put(file, bytes).map_err(|error| CliError::write(self.name, error))?;
        let name = file.split('/').next().unwrap_or(file);
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
        Ok(())
    }
}
