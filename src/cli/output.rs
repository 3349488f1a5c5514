//! Where does an output go? A file or a folder takes its name when it is whole and on disk; a pipe, a device and `-` are written
//! into.
//!
//! Files and folders are made in a folder beside their place, `.tabrank-XXXXXX`, so that all that is left to do is a rename; what goes
//! into a folder that is there is made within it, as it may be a disk of its own, or where somebody works. Its `lock` is let go when
//! the process ends: what a killed one has left is removed by the next that writes to the same place.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{CliError, interrupt};

/// Longest chain of links that is followed.
const MAX_LINKS: usize = 40;
const PREFIX: &str = ".tabrank-";
const OUTPUT: &str = "output";

/// A file to write, as the user named it, and what that leads to.
pub struct Output<'a> {
    name: &'a Path,
    place: Place,
}

enum Place {
    Stdout,
    /// A pipe or a device.
    Stream(File),
    /// A file, there or not.
    File(PathBuf),
}

impl<'a> Output<'a> {
    /// Finds out where `name` leads; nothing is changed.
    ///
    /// # Errors
    /// A place that cannot be written, or that the input is read from.
    pub fn find(name: &'a Path) -> Result<Self, CliError> {
        let place = Place::find(name).map_err(|source| CliError::write(name, source))?;
        if let Place::File(path) = &place
            && is_open_as(&io::stdin(), path)
        {
            return Err(CliError::OutputInUse { path: name.to_owned(), reason: "is the input" });
        }
        Ok(Self { name, place })
    }

    /// The file that will be replaced or made; `None` for a stream.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Stdout | Place::Stream(_) => None,
        }
    }

    /// As the user named it.
    pub fn name(&self) -> &'a Path {
        self.name
    }

    /// A file without a name for what is not ready to be written, on the same disk if there is one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn scratch(&self) -> io::Result<File> {
        match self.path() {
            Some(path) => tempfile::tempfile_in(folder_of(path)),
            None => tempfile::tempfile(),
        }
    }

    /// Writes all of it. A file is replaced only if nothing fails; it keeps its mode and, as far as it may, its owner.
    pub fn write(
        self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let written = match self.place {
            Place::Stdout => {
                let mut out = io::stdout().lock();
                return write(&mut out).and_then(|()| out.flush()).map_err(CliError::Stdout);
            }
            Place::Stream(mut file) => write(&mut file),
            Place::File(path) => replace(&path, write),
        };
        written.map_err(|source| CliError::write(self.name, source))
    }
}

impl Place {
    fn find(name: &Path) -> io::Result<Self> {
        if name == Path::new("-") {
            return Ok(Place::Stdout);
        }
        let path = follow(name)?;
        if is_open_file(&path) && is_open_as(&io::stdout(), &path) {
            return Ok(Place::Stdout);
        }
        let open = || OpenOptions::new().write(true).open(&path);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() && !is_open_file(&path) => {
                open()?;
                Ok(Place::File(path))
            }
            Ok(_) => open().map(Place::Stream),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place::File(path)),
            Err(error) => Err(error),
        }
    }
}

/// Makes a folder of files, each by its name with `/`, in a place where nothing or an empty folder is. An empty folder is filled, its
/// last file last: where a process was killed amid that, this one is not there.
///
/// # Errors
/// What the disk says. Nothing is left then.
pub fn make_folder<'a>(
    path: &Path,
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> io::Result<()> {
    let is_there = path.is_dir();
    let work = Workshop::within(if is_there { path } else { folder_of(path) })?;
    let names = work.create_all(files)?;
    if is_there { work.fill(path, &names) } else { work.finish(path) }
}

/// Whether nothing lies in a folder but what a run is making, or has left.
pub fn is_empty(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if !is_workshop(&entry?.file_name().to_string_lossy()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where a path leads whose last part may be a link, also to what is not there yet.
pub fn follow(path: &Path) -> io::Result<PathBuf> {
    // Such as "..", beside which nothing can lie.
    if path.file_name().is_none() {
        return path.canonicalize();
    }
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(_) if is_open_file(&path) => return Ok(path),
            Ok(link) => path = folder_of(&path).join(link),
            // No link, or nothing at all.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links"))
}

/// The folder that a file lies in, or will.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether the path stands for a file that a process has open, as /dev/stdout does: that one is meant, not its name.
fn is_open_file(path: &Path) -> bool {
    folder_of(path).canonicalize().is_ok_and(|folder| folder.starts_with("/proc"))
}

/// Whether a stream of this process reads or writes the file.
#[cfg(unix)]
pub(super) fn is_open_as(stream: &impl std::os::fd::AsFd, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let open = stream.as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
    let file = fs::metadata(path);
    let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
    open.is_ok_and(|open| file.is_ok_and(|file| id(file) == id(open)))
}

#[cfg(not(unix))]
fn is_open_as<T>(_: &T, _: &Path) -> bool {
    false
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let work = Workshop::within(folder_of(path))?;
    let mut file = work.create(&work.output())?;
    if let Ok(old) = fs::metadata(path) {
        take_over(&file, &old)?;
    }
    write(&mut file)?;
    file.sync_all()?;
    work.finish(path)
}

/// Gives a file mode and owner of the one that it will replace; only root may give files away.
fn take_over(file: &File, old: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
    file.set_permissions(old.permissions())
}

/// Some file systems cannot; the rename has been made all the same.
pub(super) fn sync_folder(path: &Path) {
    let _ = File::open(path).and_then(|folder| folder.sync_all());
}

/// The folder in which an output is made. It goes with what is in it, also on Ctrl-C.
pub(super) struct Workshop {
    folder: TempDir,
    /// Held while this process works in it.
    _lock: File,
}

impl Workshop {
    /// In the folder that the output will lie in, on the same disk.
    pub(super) fn within(parent: &Path) -> io::Result<Self> {
        remove_left_over(parent);
        loop {
            let mut unfinished = interrupt::unfinished();
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            unfinished.push(folder.path().to_owned());
            // Another process may have taken it for left over before it was locked.
            let lock = folder.path().join("lock");
            match File::create(&lock) {
                Ok(file) if is_ours(&file) && lock.exists() => {
                    return Ok(Self { folder, _lock: file });
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }

    /// Where the output is made.
    pub(super) fn output(&self) -> PathBuf {
        self.folder.path().join(OUTPUT)
    }

    /// A new file in it, and the folders that it lies in.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        // Nothing new comes while an interruption removes it all.
        let _unfinished = interrupt::unfinished();
        fs::create_dir_all(folder_of(path))?;
        File::create(path)
    }

    /// Makes a folder of the output; answers the names in it, in their order.
    fn create_all<'a>(
        &self,
        files: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> io::Result<Vec<&'a str>> {
        let (folder, mut names) = (self.output(), Vec::new());
        for (path, bytes) in files {
            let mut file = self.create(&folder.join(path))?;
            file.write_all(bytes)?;
            file.sync_all()?;
            let name = path.split('/').next().unwrap_or(path);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let inner = names.iter().map(|name| folder.join(name)).filter(|path| path.is_dir());
        inner.for_each(|path| sync_folder(&path));
        sync_folder(&folder);
        Ok(names)
    }

    /// Gives the output its name.
    pub(super) fn finish(self, path: &Path) -> io::Result<()> {
        let unfinished = interrupt::unfinished();
        fs::rename(self.output(), path)?;
        drop(unfinished);
        sync_folder(folder_of(path));
        Ok(())
    }

    /// Puts what lies in the output into an empty folder, by name.
    pub(super) fn fill(self, path: &Path, names: &[&str]) -> io::Result<()> {
        let unfinished = interrupt::unfinished();
        if !is_empty(path)? {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let output = self.output();
        let put = |name: &&str| fs::rename(output.join(name), path.join(name));
        if let Err(error) = names.iter().try_for_each(put) {
            for name in names {
                let _ = fs::rename(path.join(name), output.join(name));
            }
            return Err(error);
        }
        drop(unfinished);
        sync_folder(path);
        Ok(())
    }

    /// Puts what lies in the output into a folder where other files are: those of the names that were made, and `last` when they are on disk.
    pub(super) fn replace(self, path: &Path, names: &[String], last: &str) -> io::Result<()> {
        let _unfinished = interrupt::unfinished();
        let output = self.output();
        for name in names.iter().filter(|name| output.join(name).exists()) {
            fs::rename(output.join(name), path.join(name))?;
        }
        sync_folder(path);
        fs::rename(output.join(last), path.join(last))?;
        sync_folder(path);
        Ok(())
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let mut unfinished = interrupt::unfinished();
        remove(self.folder.path());
        unfinished.retain(|folder| folder != self.folder.path());
    }
}

/// Where files cannot be locked, nobody removes what is not their own.
fn is_ours(lock: &File) -> bool {
    !matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
}

/// Removes what killed processes have left: their locks can be taken.
fn remove_left_over(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_workshop(&entry.file_name().to_string_lossy())) {
        match File::open(entry.path().join("lock")) {
            Ok(lock) if lock.try_lock().is_ok() => {
                remove(&entry.path());
            }
            Ok(_) => {}
            // Killed before it had a lock; a folder with anything in it stays.
            Err(_) => {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// Removes a workshop, its lock last: without one it would not be known again if this is cut short.
pub fn remove(folder: &Path) {
    let output = folder.join(OUTPUT);
    let _ = fs::remove_dir_all(&output).or_else(|_| fs::remove_file(&output));
    let _ = fs::remove_dir_all(folder);
}

fn is_workshop(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == 6)
}
