//! Index folders in memory.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::path::Path;

use tabrank::{Archive, Error, FolderWriter, IndexFolder, IndexForm};
use zip::ZipArchive;

/// Files by their paths in the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder(pub BTreeMap<String, Vec<u8>>);

impl Folder {
    /// All files below a path.
    pub fn read(path: &Path) -> Self {
        let mut folder = Self::default();
        folder.add(path, "");
        folder
    }

    fn add(&mut self, path: &Path, prefix: &str) {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.path().is_dir() {
                true => self.add(&entry.path(), &format!("{name}/")),
                false => drop(self.0.insert(name, fs::read(entry.path()).unwrap())),
            }
        }
    }

    pub fn form(&self) -> Option<IndexForm> {
        IndexForm::of(|file| self.0.contains_key(file))
    }
}

fn wrong(file: &str, reason: impl ToString) -> Error {
    Error::InvalidPickle { file: file.to_owned(), reason: reason.to_string() }
}

impl IndexFolder for Folder {
    type Error = Error;

    fn size(&self, file: &str) -> Result<Option<u64>, Error> {
        Ok(self.0.get(file).map(|bytes| bytes.len() as u64))
    }

    fn read_at(&self, file: &str, bytes: Range<u64>) -> Result<Vec<u8>, Error> {
        let some = self.0[file].get(bytes.start as usize..bytes.end as usize);
        Ok(some.expect("what is read lies within its file").to_vec())
    }

    fn archive(&self, file: &str) -> Result<Archive, Error> {
        let wrong = |error: &dyn std::fmt::Display| wrong(file, error);
        let mut zip = ZipArchive::new(Cursor::new(&self.0[file])).map_err(|e| wrong(&e))?;
        let mut archive = Archive::default();
        for index in 0..zip.len() {
            let mut entry = zip.by_index_raw(index).map_err(|e| wrong(&e))?;
            let path = entry.name().map_err(|e| wrong(&e))?.into_owned();
            let inside = path.split_once('/').map_or("", |(_, inside)| inside);
            if inside == "data.pkl" {
                entry.read_to_end(&mut archive.pickle).map_err(|e| wrong(&e))?;
            } else if let (Some(key), Some(start)) =
                (inside.strip_prefix("data/"), entry.data_start())
            {
                let range = start..start.saturating_add(entry.size());
                archive.storages.insert(key.to_owned(), range);
            }
        }
        Ok(archive)
    }
}

impl FolderWriter for Folder {
    type Error = Error;

    fn append(&mut self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        self.0.entry(file.to_owned()).or_default().extend(bytes);
        Ok(())
    }
}
