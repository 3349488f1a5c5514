//! Embeddings on their way: the rows of each tensor grow on disk by themselves, with a state that a later run goes on from. Nine bytes a
//! text are held: its number of rows, its line, and whether it was cut; eight where ids are kept, and sixteen of a page image.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tabrank::late_interaction::codec::file::planes;

use super::settings::{Said, Settings};
use super::texts::Mark;
use super::{Batch, Sink};
use crate::cli::partial::Partial;
use crate::cli::{CliError, say};

/// File of what is known of each text.
const TEXTS: &str = "texts";
/// File of their ids, each behind its length.
const IDS: &str = "ids";
/// Bytes of a text in its file.
const TEXT: usize = 9;
/// Bytes of the length of an id.
const LENGTH: usize = 4;
/// File of what is known of each page image.
const PAGES: &str = "pages";
/// Bytes of a page image in its file.
const PAGE: usize = 16;

/// Rows on disk.
pub struct Spill<'a> {
    /// What they will be, as the user named it.
    name: &'a Path,
    settings: &'a Settings,
    /// `None` for what goes into a pipe or a device at the end.
    partial: Option<Partial>,
    texts: File,
    ids: Option<File>,
    pages: Option<File>,
    pub planes: Vec<File>,
    /// What is known of each text.
    pub held: Vec<Text>,
    /// What is known of each page image; empty where they are none.
    pub held_pages: Vec<PageFields>,
    /// Where each one's id begins in the file of them.
    id_starts: Vec<u64>,
    /// Bytes of all of them.
    id_bytes: u64,
}

/// What is known of a text.
#[derive(Clone, Copy)]
pub struct Text {
    pub length: u32,
    pub index: u32,
    pub truncated: bool,
}

/// What is known of a page image: rows and columns of its patches, zeros where there is no such grid any more, and its width and height.
#[derive(Clone, Copy, Default)]
pub struct PageFields {
    pub grid: [u32; 2],
    pub page: [f32; 2],
}

/// How far a run has come.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    version: u32,
    pub settings: Said,
    pub mark: Mark,
    /// Bytes of each tensor's rows.
    planes: Vec<u64>,
    /// Bytes of the ids.
    ids: u64,
}

impl State {
    const VERSION: u32 = 1;
}

impl<'a> Spill<'a> {
    /// An empty one. What an earlier run has left goes when there is more to go on with.
    ///
    /// # Errors
    /// What the disk says.
    pub fn begin(
        name: &'a Path,
        settings: &'a Settings,
        partial: Partial,
    ) -> Result<Self, CliError> {
        if partial.path().is_dir() {
            say(format_args!(
                "{} is what an earlier run has left; this one begins anew (--resume goes on with it)",
                partial.path().display()
            ));
        }
        let open = |file: &str| partial.file(file);
        let spill =
            Self::open(name, settings, open).map_err(|error| CliError::write(name, error))?;
        Ok(Self { partial: Some(partial), ..spill })
    }

    /// One of which nothing stays.
    ///
    /// # Errors
    /// What the disk says.
    pub fn without_state(
        name: &'a Path,
        settings: &'a Settings,
        scratch: impl Fn() -> io::Result<File>,
    ) -> Result<Self, CliError> {
        let spill = Self::open(name, settings, |_| scratch());
        spill.map_err(|error| CliError::write(name, error))
    }

    /// What an earlier run has left, taken up where its state says.
    ///
    /// # Errors
    /// What the disk says, and what was made in another way or is damaged.
    pub fn resume(
        name: &'a Path,
        settings: &'a Settings,
        (partial, state): (Partial, &State),
    ) -> Result<Self, CliError> {
        if let Some(difference) = settings.difference(&state.settings) {
            return Err(cannot_go_on(&partial, difference));
        }
        let failed = |error| CliError::write(name, error);
        let spill = Self::open(name, settings, |file| partial.file(file)).map_err(failed)?;
        let mut spill = Self { partial: Some(partial), ..spill };
        match spill.take_up(state).map_err(failed)? {
            true => Ok(spill),
            false => Err(spill.cannot_go_on("its files are not as long as its state says")),
        }
    }

    fn open(
        name: &'a Path,
        settings: &'a Settings,
        open: impl Fn(&str) -> io::Result<File>,
    ) -> io::Result<Self> {
        let (texts, ids) = (open(TEXTS)?, settings.keeps_ids.then(|| open(IDS)).transpose()?);
        let pages = settings.keeps_pages.then(|| open(PAGES)).transpose()?;
        let planes = (0..settings.planes()).map(|place| open(&format!("plane-{place}")));
        let planes = planes.collect::<Result<_, _>>()?;
        Ok(Self {
            name,
            settings,
            partial: None,
            texts,
            ids,
            pages,
            planes,
            held: Vec::new(),
            held_pages: Vec::new(),
            id_starts: Vec::new(),
            id_bytes: 0,
        })
    }

    /// # Errors
    /// An input that is not the same as that of the run which has left this.
    pub fn check_passed_over(&self, is_same: bool) -> Result<(), CliError> {
        match is_same {
            true => Ok(()),
            false => Err(self.cannot_go_on("the input is not the one that it was made of")),
        }
    }

    /// What the disk says.
    pub fn failed(&self, error: io::Error) -> CliError {
        CliError::write(self.name, error)
    }

    fn cannot_go_on(&self, reason: &str) -> CliError {
        let partial = self.partial.as_ref().expect("something was left");
        cannot_go_on(partial, reason.to_owned())
    }

    /// Goes to where a run has come to; answers whether there is as much, and nothing is changed where there is not.
    fn take_up(&mut self, state: &State) -> io::Result<bool> {
        let Some(bytes) = (TEXT as u64).checked_mul(state.mark.texts) else { return Ok(false) };
        let ids = self.ids.is_some().then_some(state.ids);
        let pages = self.pages.is_some().then_some((PAGE as u64).saturating_mul(state.mark.texts));
        let ends = [bytes].into_iter().chain(ids).chain(pages).chain(state.planes.iter().copied());
        let ends: Vec<u64> = ends.collect();
        let files = [&mut self.texts].into_iter().chain(&mut self.ids);
        let files = files.chain(&mut self.pages).chain(&mut self.planes);
        let mut files: Vec<&mut File> = files.collect();
        if ends.len() != files.len() {
            return Ok(false);
        }
        for (file, &end) in files.iter().zip(&ends) {
            if file.metadata()?.len() < end {
                return Ok(false);
            }
        }
        let held = read(files[0], bytes)?;
        let held: Vec<Text> = held.as_chunks::<TEXT>().0.iter().map(Text::from_bytes).collect();
        let rows: u64 = held.iter().map(|text| u64::from(text.length)).sum();
        let found = state.planes.iter().try_fold(0u64, |sum, &bytes| sum.checked_add(bytes));
        if found.is_none() || found != rows.checked_mul(self.settings.row_bytes()) {
            return Ok(false);
        }
        let id_starts = match ids {
            Some(bytes) => id_starts(files[1], bytes, held.len())?,
            None => Some(Vec::new()),
        };
        let Some(id_starts) = id_starts else { return Ok(false) };
        let held_pages = match pages {
            Some(bytes) => read(files[1 + usize::from(ids.is_some())], bytes)?,
            None => Vec::new(),
        };
        self.held_pages =
            held_pages.as_chunks::<PAGE>().0.iter().map(PageFields::from_bytes).collect();
        for (file, end) in files.into_iter().zip(ends) {
            file.set_len(end)?;
            file.seek(io::SeekFrom::End(0))?;
        }
        (self.held, self.id_starts, self.id_bytes) = (held, id_starts, state.ids);
        Ok(true)
    }

    fn append(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        for (file, bytes) in self.planes.iter_mut().zip(planes(batch.compressed.rows().view())) {
            file.write_all(&bytes)?;
        }
        let texts = batch.texts().map(|(item, length, truncated)| Text {
            length: u32::try_from(length).expect("a text has fewer than 2^32 tokens"),
            index: item.index,
            truncated,
        });
        let texts: Vec<Text> = texts.collect();
        self.texts
            .write_all(&texts.iter().flat_map(|text| text.to_bytes()).collect::<Vec<u8>>())?;
        self.held.extend(texts);
        if let Some(file) = &mut self.pages {
            file.write_all(
                &batch.pages.iter().flat_map(|page| page.to_bytes()).collect::<Vec<_>>(),
            )?;
            self.held_pages.extend(batch.pages);
        }
        let Some(file) = &mut self.ids else { return Ok(()) };
        let mut bytes = Vec::new();
        for id in batch.items.iter().filter_map(|item| item.id.as_ref()) {
            self.id_starts.push(self.id_bytes + bytes.len() as u64);
            let length = u32::try_from(id.len()).expect("an id is shorter than a line");
            bytes.extend(length.to_le_bytes());
            bytes.extend(id.as_bytes());
        }
        self.id_bytes += bytes.len() as u64;
        file.write_all(&bytes)
    }

    /// The id of a text, where they are kept.
    ///
    /// # Errors
    /// What the disk says.
    pub fn id(&self, place: usize) -> io::Result<String> {
        let mut file = self.ids.as_ref().expect("ids are kept");
        file.seek(io::SeekFrom::Start(self.id_starts[place]))?;
        let mut length = [0; LENGTH];
        file.read_exact(&mut length)?;
        let mut id = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut id)?;
        String::from_utf8(id).map_err(io::Error::other)
    }

    fn keep(&mut self, mark: Mark) -> io::Result<()> {
        let Some(partial) = &mut self.partial else { return Ok(()) };
        let mut bytes = Vec::new();
        for plane in &self.planes {
            plane.sync_data()?;
            bytes.push(plane.metadata()?.len());
        }
        self.texts.sync_data()?;
        self.pages.as_ref().map_or(Ok(()), File::sync_data)?;
        let ids = match &self.ids {
            Some(file) => file.sync_data().map(|()| self.id_bytes)?,
            None => 0,
        };
        let settings = self.settings.said.clone();
        let state = State { version: State::VERSION, settings, mark, planes: bytes, ids };
        partial.keep(&serde_json::to_vec(&state).expect("a state serializes"))
    }

    /// Removes what is on disk: the output is whole.
    ///
    /// # Errors
    /// What the disk says.
    pub fn done(self) -> Result<(), CliError> {
        let done = self.partial.map_or(Ok(()), Partial::done);
        done.map_err(|error| CliError::write(self.name, error))
    }
}

impl Sink for Spill<'_> {
    fn take(&mut self, batch: &Batch<'_>) -> Result<(), CliError> {
        self.append(batch).map_err(|error| self.failed(error))
    }

    fn rest(&mut self, mark: Mark) -> Result<(), CliError> {
        self.keep(mark).map_err(|error| self.failed(error))
    }
}

/// What an earlier run has left of an output, with its state; `None` where there is nothing.
///
/// # Errors
/// What the disk says, and a state that cannot be read.
pub fn left(name: &Path, output: &Path) -> Result<Option<(Partial, State)>, CliError> {
    let left = Partial::left(output).map_err(|error| CliError::write(name, error))?;
    let Some((partial, state)) = left else { return Ok(None) };
    let state = serde_json::from_slice(&state).ok();
    match state.filter(|state: &State| state.version == State::VERSION) {
        Some(state) => Ok(Some((partial, state))),
        None => Err(cannot_go_on(&partial, "its state cannot be read".to_owned())),
    }
}

fn cannot_go_on(partial: &Partial, reason: String) -> CliError {
    CliError::Resume { path: partial.path().to_owned(), reason }
}

fn read(file: &mut File, bytes: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    file.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

/// Where each of `count` ids begins; `None` where they do not end with the bytes.
fn id_starts(file: &mut File, bytes: u64, count: usize) -> io::Result<Option<Vec<u64>>> {
    let mut reader = io::BufReader::new(file.take(bytes));
    let (mut starts, mut end, mut length) = (Vec::with_capacity(count), 0, [0; LENGTH]);
    while end < bytes {
        starts.push(end);
        if end + LENGTH as u64 > bytes {
            return Ok(None);
        }
        reader.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        end += LENGTH as u64 + length;
    }
    Ok((end == bytes && starts.len() == count).then_some(starts))
}

impl PageFields {
    fn to_bytes(self) -> [u8; PAGE] {
        let ([rows, columns], [width, height]) = (self.grid, self.page);
        let numbers = [rows, columns, width.to_bits(), height.to_bits()];
        let mut bytes = [0; PAGE];
        let places = bytes.as_chunks_mut::<4>().0;
        places.iter_mut().zip(numbers).for_each(|(place, number)| *place = number.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; PAGE]) -> Self {
        let number = |at: usize| u32::from_le_bytes(bytes.as_chunks().0[at]);
        let page = [f32::from_bits(number(2)), f32::from_bits(number(3))];
        Self { grid: [number(0), number(1)], page }
    }
}

impl Text {
    fn to_bytes(self) -> [u8; TEXT] {
        let mut bytes = [0; TEXT];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.index.to_le_bytes());
        bytes[8] = self.truncated.into();
        bytes
    }

    fn from_bytes(bytes: &[u8; TEXT]) -> Self {
        let number = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self { length: number(0), index: number(4), truncated: bytes[8] != 0 }
    }
}
