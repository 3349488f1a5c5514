//! Files as `torch.save` writes them since PyTorch 1.6: a ZIP archive whose entries are stored as they are, a pickle among them and
//! the numbers of each storage.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::ops::Range;

use tabrank::Error;
use tabrank::model::checkpoint::{MAX_PICKLE, no_archive};
use zip::{CompressionMethod, ZipArchive, read::ZipFile};

/// Most entries of an archive; a model has about two hundred storages.
const MAX_ENTRIES: usize = 65_536;

/// Bytes by which a file that is no archive is told.
const START: u64 = 64;

/// What an archive says of its tensors.
#[derive(Default)]
pub struct Found {
    pub pickle: Vec<u8>,
    /// Where the numbers of each storage lie in the file, by the names that the pickle has for them.
    pub storages: BTreeMap<String, Range<u64>>,
}

/// Reads the archive's list and its pickle.
pub fn open(name: &str, mut file: &File) -> Result<Found, Error> {
    let archive = ZipArchive::new(file).map_err(|error| {
        let mut start = Vec::new();
        // What cannot be read is not told by its start.
        let _ = file.rewind().and_then(|()| file.take(START).read_to_end(&mut start));
        no_archive(name, &start, &error.to_string())
    })?;
    read(archive).map_err(|reason| Error::InvalidPickle { file: name.to_owned(), reason })
}

fn read(mut archive: ZipArchive<&File>) -> Result<Found, String> {
    if archive.len() > MAX_ENTRIES {
        return Err(format!("it has {} entries; at most {MAX_ENTRIES} are taken", archive.len()));
    }
    let mut found = Found::default();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| error.to_string())?;
        found.add(entry)?;
    }
    match found.pickle.is_empty() {
        true => Err("it has no data.pkl".to_owned()),
        false => Ok(found),
    }
}

impl Found {
    /// All lies in one folder, which is named after the file.
    fn add(&mut self, mut entry: ZipFile<'_, &File>) -> Result<(), String> {
        let path = entry.name().map_err(|error| error.to_string())?.into_owned();
        let wrong = |what: &str| Err(format!("its entry {path:?} {what}"));
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return wrong("is compressed or encrypted");
        }
        match path.split_once('/').map_or("", |(_, inside)| inside) {
            "data.pkl" if !self.pickle.is_empty() => wrong("is there twice"),
            "data.pkl" => {
                self.pickle = bytes(&mut entry, MAX_PICKLE)?;
                Ok(())
            }
            "byteorder" if bytes(&mut entry, 16)? != b"little" => wrong("is not little"),
            inside => match (inside.strip_prefix("data/"), entry.data_start()) {
                (None, _) => Ok(()),
                (Some(_), None) => wrong("lies nowhere"),
                (Some(key), Some(start)) => {
                    let range = start..start.saturating_add(entry.size());
                    match self.storages.insert(key.to_owned(), range) {
                        None => Ok(()),
                        Some(_) => wrong("is there twice"),
                    }
                }
            },
        }
    }
}

fn bytes(entry: &mut ZipFile<'_, &File>, most: usize) -> Result<Vec<u8>, String> {
    if entry.size() > most as u64 {
        return Err(format!("an entry has {} bytes; at most {most} are taken", entry.size()));
    }
    let mut bytes = Vec::new();
    entry.take(most as u64).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}
