//! The file that is made: the rows of each tensor grow on disk by themselves, and are put behind one header when the last text has come.
//! Nine bytes a text are held: its number of rows, its line, and whether it was cut.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use serde::{Deserialize, Serialize};
use tabrank::late_interaction::codec::file::{EmbeddingsWriter, Part, planes};

use super::settings::{Said, Settings};
use super::texts::Mark;
use super::{Batch, Sink};
use crate::cli::output::Output;
use crate::cli::partial::Partial;
use crate::cli::{CliError, say};

/// File of what is known of each text.
const TEXTS: &str = "texts";
/// Bytes of a text in it.
const TEXT: usize = 9;

/// A file on its way.
pub struct EmbeddingsFile<'a> {
    output: Output<'a>,
    settings: &'a Settings,
    /// `None` for a pipe or a device, which is written into at the end.
    partial: Option<Partial>,
    texts: File,
    planes: Vec<File>,
    held: Vec<Text>,
}

/// What is known of a text.
#[derive(Clone, Copy)]
struct Text {
    length: u32,
    index: u32,
    truncated: bool,
}

/// How far a run has come.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    settings: Said,
    mark: Mark,
    /// Bytes of each tensor's rows.
    planes: Vec<u64>,
}

impl State {
    const VERSION: u32 = 1;
}

impl<'a> EmbeddingsFile<'a> {
    /// A new one. What an earlier run has left goes when there is more to go on with.
    ///
    /// # Errors
    /// What the disk says.
    pub fn begin(output: Output<'a>, settings: &'a Settings) -> Result<Self, CliError> {
        let partial = output.path().map(Partial::begin).transpose();
        let partial = partial.map_err(|error| output.failed(error))?;
        if let Some(left) = partial.as_ref().filter(|partial| partial.path().is_dir()) {
            say(format_args!(
                "{} is what an earlier run has left; this one begins anew (--resume goes on with it)",
                left.path().display()
            ));
        }
        Self::open(output, settings, partial)
    }

    /// What an earlier run has left, and how far that has come; a new one where there is nothing.
    ///
    /// # Errors
    /// What the disk says, and what was made in another way or is damaged.
    pub fn resume(
        output: Output<'a>,
        settings: &'a Settings,
    ) -> Result<(Self, Option<Mark>), CliError> {
        let Some(path) = output.path() else {
            let argument = "--resume".to_owned();
            let reason = "wants a file: nothing is kept beside a pipe or a device".to_owned();
            return Err(CliError::Usage { argument, reason });
        };
        let Some((partial, state)) = Partial::left(path).map_err(|error| output.failed(error))?
        else {
            return Ok((Self::begin(output, settings)?, None));
        };
        let folder = partial.path().to_owned();
        let wrong = |reason: String| CliError::Resume { path: folder.clone(), reason };
        let state = serde_json::from_slice(&state).ok();
        let state = state.filter(|state: &State| state.version == State::VERSION);
        let state = state.ok_or_else(|| wrong("its state cannot be read".to_owned()))?;
        if let Some(difference) = settings.difference(&state.settings) {
            return Err(wrong(difference));
        }
        let mut file = Self::open(output, settings, Some(partial))?;
        let taken = file.take_up(&state).map_err(|error| file.output.failed(error))?;
        match taken {
            true => Ok((file, Some(state.mark))),
            false => Err(wrong("its files are not as long as its state says".to_owned())),
        }
    }

    /// Why what an earlier run has left is of no use.
    pub fn cannot_go_on(&self, reason: &str) -> CliError {
        let partial = self.partial.as_ref().map_or(self.output.name(), Partial::path);
        CliError::Resume { path: partial.to_owned(), reason: reason.to_owned() }
    }

    fn open(
        output: Output<'a>,
        settings: &'a Settings,
        partial: Option<Partial>,
    ) -> Result<Self, CliError> {
        let open = |name: &str| match &partial {
            Some(partial) => partial.file(name).map_err(|error| output.failed(error)),
            None => output.scratch(),
        };
        let texts = open(TEXTS)?;
        let planes = (0..settings.planes()).map(|place| open(&format!("plane-{place}")));
        let planes = planes.collect::<Result<_, _>>()?;
        Ok(Self { output, settings, partial, texts, planes, held: Vec::new() })
    }

    /// Goes to where a run has come to; answers whether there is as much, and nothing is changed where there is not.
    fn take_up(&mut self, state: &State) -> io::Result<bool> {
        let Some(bytes) = (TEXT as u64).checked_mul(state.mark.texts) else { return Ok(false) };
        let ends: Vec<u64> = [bytes].into_iter().chain(state.planes.iter().copied()).collect();
        let files: Vec<&mut File> = [&mut self.texts].into_iter().chain(&mut self.planes).collect();
        if ends.len() != files.len() {
            return Ok(false);
        }
        for (file, &end) in files.iter().zip(&ends) {
            if file.metadata()?.len() < end {
                return Ok(false);
            }
        }
        let mut texts = Vec::new();
        (&mut self.texts).take(bytes).read_to_end(&mut texts)?;
        let held: Vec<Text> = texts.as_chunks::<TEXT>().0.iter().map(Text::from_bytes).collect();
        let rows: u64 = held.iter().map(|text| u64::from(text.length)).sum();
        let found = state.planes.iter().try_fold(0u64, |sum, &bytes| sum.checked_add(bytes));
        if found.is_none() || found != rows.checked_mul(self.settings.row_bytes()) {
            return Ok(false);
        }
        self.held = held;
        let files = [&mut self.texts].into_iter().chain(&mut self.planes);
        for (file, end) in files.zip(ends) {
            file.set_len(end)?;
            file.seek(io::SeekFrom::End(0))?;
        }
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
        Ok(())
    }

    fn keep(&mut self, mark: Mark) -> io::Result<()> {
        let Some(partial) = &mut self.partial else { return Ok(()) };
        let mut bytes = Vec::new();
        for plane in &self.planes {
            plane.sync_data()?;
            bytes.push(plane.metadata()?.len());
        }
        self.texts.sync_data()?;
        let settings = self.settings.said.clone();
        let state = State { version: State::VERSION, settings, mark, planes: bytes };
        partial.keep(&serde_json::to_vec(&state).expect("a state serializes"))
    }

    /// Writes the file: all texts have come.
    ///
    /// # Errors
    /// What the disk says.
    pub fn finish(self) -> Result<(), CliError> {
        let Self { output, settings, partial, mut planes, held, .. } = self;
        let mut writer = settings.writer();
        writer.push(&held.iter().map(|text| text.length as usize).collect::<Vec<_>>());
        writer.indices = Some(held.iter().map(|text| text.index).collect());
        writer.truncated = Some(held.iter().map(|text| text.truncated).collect());
        drop(held);
        let name = output.name();
        output.write(|out| write(writer, &mut planes, out))?;
        partial.map_or(Ok(()), Partial::done).map_err(|error| CliError::write(name, error))
    }
}

fn write(writer: EmbeddingsWriter, planes: &mut [File], out: &mut dyn Write) -> io::Result<()> {
    for part in writer.finish() {
        match part {
            Part::Bytes(bytes) => out.write_all(&bytes)?,
            Part::Plane(place) => {
                planes[place].rewind()?;
                io::copy(&mut planes[place], out)?;
            }
        }
    }
    Ok(())
}

impl Sink for EmbeddingsFile<'_> {
    fn take(&mut self, batch: &Batch<'_>) -> Result<(), CliError> {
        self.append(batch).map_err(|error| self.output.failed(error))
    }

    fn rest(&mut self, mark: Mark) -> Result<(), CliError> {
        self.keep(mark).map_err(|error| self.output.failed(error))
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
