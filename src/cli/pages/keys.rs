//! What is a page called, and what becomes of one that cannot be had?

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::cli::jsonl::OnError;
use crate::cli::{CliError, say};

/// Of a page, by its number from 0, in a file as the user named it: pages count from 1.
pub fn key(path: &Path, page: usize) -> String {
    format!("{}:page_{}", path.display(), page + 1)
}

/// # Errors
/// A file that is named twice, whose pages would have the same keys.
pub fn check_distinct(files: &[PathBuf]) -> Result<(), CliError> {
    let mut names = HashSet::new();
    let twice = files.iter().find(|path| !names.insert(path.display().to_string()));
    twice.map_or(Ok(()), |path| {
        let reason = "is named twice".to_owned();
        Err(CliError::Usage { argument: path.display().to_string(), reason })
    })
}

/// Pages, and files, that could not be had.
pub struct Refused {
    on_error: OnError,
    count: usize,
    first: Option<CliError>,
}

impl Refused {
    pub fn new(on_error: OnError) -> Self {
        Self { on_error, count: 0, first: None }
    }

    /// Takes note of one.
    ///
    /// # Errors
    /// That one, unless such are skipped.
    pub fn take(&mut self, error: CliError) -> Result<(), CliError> {
        if self.on_error == OnError::Fail {
            return Err(error);
        }
        say(format_args!("skipped: {error}"));
        self.count += 1;
        self.first.get_or_insert(error);
        Ok(())
    }

    /// Tells how many were skipped beside `taken` others.
    ///
    /// # Errors
    /// The first one, where there are no others.
    pub fn finish(self, taken: u64) -> Result<(), CliError> {
        match self.first {
            Some(error) if taken == 0 => Err(error),
            Some(_) => {
                say(format_args!("{} pages or files are skipped, of {taken} others", self.count));
                Ok(())
            }
            None => Ok(()),
        }
    }
}
