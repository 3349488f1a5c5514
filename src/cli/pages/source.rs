//! Where do pages come from? A PDF, whose pages are drawn one by one, or a picture, which is one page.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tabrank::image::Picture;

use super::keys::key;
use crate::cli::pdf::{self, Drawn, Limits, Pdf};
use crate::cli::{CliError, say};

/// Largest file of a picture, in bytes.
const MAX_PICTURE: u64 = 256 << 20;

/// A file of pages.
pub struct Source {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Pdf(Pdf),
    Picture,
}

impl Source {
    /// Opens a file, of which pages in front of `first` are not wanted.
    ///
    /// # Errors
    /// A file that cannot be read, and what is damaged.
    pub fn open(path: &Path, limits: Limits, first: usize) -> Result<Self, CliError> {
        let start = start(path).map_err(|source| CliError::read(path, source))?;
        let kind = match pdf::is_pdf(&start) {
            true => {
                let pdf = Pdf::open(path, limits, first);
                Kind::Pdf(pdf.map_err(|reason| of_file(path, reason))?)
            }
            false => Kind::Picture,
        };
        Ok(Self { path: path.to_owned(), kind })
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        match &self.kind {
            Kind::Pdf(pdf) => pdf.pages(),
            Kind::Picture => 1,
        }
    }

    /// The picture of a page, by its number from 0.
    ///
    /// # Errors
    /// Why there is none.
    pub fn picture(&mut self, page: usize) -> Result<Picture, CliError> {
        let key = key(&self.path, page);
        let picture = match &mut self.kind {
            Kind::Pdf(pdf) => {
                let drawn = pdf.page(page).map_err(|reason| of_page(&key, reason))?;
                say_missing(&key, &drawn);
                Picture::from_rgb(drawn.width as usize, drawn.height as usize, drawn.pixels)
            }
            Kind::Picture => {
                let bytes = read(&self.path).map_err(|reason| of_page(&key, reason))?;
                tabrank::image::decode(&bytes)
            }
        };
        picture.map_err(|error| of_page(&key, error.to_string()))
    }

    /// What is written on a page; nothing on a picture.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn words(&mut self, page: usize) -> Result<String, CliError> {
        match &mut self.kind {
            Kind::Pdf(pdf) => {
                let drawn = pdf.page(page);
                Ok(drawn.map_err(|reason| of_page(&key(&self.path, page), reason))?.words)
            }
            Kind::Picture => Ok(String::new()),
        }
    }
}

/// The hash of a file's bytes.
///
/// # Errors
/// A file that cannot be read.
pub fn hash(path: &Path) -> Result<[u8; 32], CliError> {
    let mut hash = Sha256::new();
    let copied = open(path).and_then(|mut file| io::copy(&mut file, &mut hash));
    copied.map_err(|source| CliError::read(path, source))?;
    Ok(hash.finalize().into())
}

/// # Errors
/// The first of the files that is not there, or that may have no end.
pub fn check_regular(files: &[PathBuf]) -> Result<(), CliError> {
    let opened = |path: &PathBuf| open(path).map_err(|source| CliError::read(path, source));
    files.iter().try_for_each(|path| opened(path).map(|_| ()))
}

/// Opens a regular file: a pipe would be waited for, and a device has no end.
fn open(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?;
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => File::open(path),
        (_, true) => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::other("it is not a regular file")),
    }
}

fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    open(path)?.take(1024).read_to_end(&mut start)?;
    Ok(start)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| error.to_string();
    let file = open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > MAX_PICTURE {
        return Err(format!("has {size} bytes; at most {MAX_PICTURE} are read"));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(MAX_PICTURE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// What the picture of a page lacks.
fn say_missing(key: &str, drawn: &Drawn) {
    if !drawn.warnings.is_empty() {
        let what = drawn.warnings.join(", ");
        say(format_args!("warning: {key} is drawn without {what} that cannot be read"));
    }
}

/// What is wrong with a file.
pub fn of_file(path: &Path, reason: String) -> CliError {
    CliError::Page { key: path.display().to_string(), reason }
}

/// What is wrong with a page.
pub fn of_page(key: &str, reason: String) -> CliError {
    CliError::Page { key: key.to_owned(), reason }
}
