//! The file that is made: all rows are put behind one header when the last text has come.

use std::fs::File;
use std::io::{self, Seek, Write};

use tabrank::late_interaction::codec::file::{EmbeddingsWriter, Part};

use super::settings::Settings;
use super::spill::{self, Spill};
use super::texts::Mark;
use crate::cli::CliError;
use crate::cli::output::Output;
use crate::cli::partial::Partial;

/// A file on its way.
pub struct EmbeddingsFile<'a> {
    output: Output<'a>,
    settings: &'a Settings,
    pub spill: Spill<'a>,
}

impl<'a> EmbeddingsFile<'a> {
    /// A new one. What an earlier run has left goes when there is more to go on with.
    ///
    /// # Errors
    /// What the disk says.
    pub fn begin(output: Output<'a>, settings: &'a Settings) -> Result<Self, CliError> {
        let name = output.name();
        let spill = match output.path().map(Partial::begin).transpose() {
            Ok(Some(partial)) => Spill::begin(name, settings, partial)?,
            Ok(None) => Spill::without_state(name, settings, || output.scratch())?,
            Err(error) => return Err(CliError::write(name, error)),
        };
        Ok(Self { output, settings, spill })
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
        let Some((partial, state)) = spill::left(output.name(), path)? else {
            return Ok((Self::begin(output, settings)?, None));
        };
        let spill = Spill::resume(output.name(), settings, (partial, &state))?;
        Ok((Self { output, settings, spill }, Some(state.mark)))
    }

    /// Writes the file: all texts have come.
    ///
    /// # Errors
    /// What the disk says.
    pub fn finish(self) -> Result<(), CliError> {
        let Self { output, settings, mut spill } = self;
        let mut writer = settings.writer();
        if settings.keeps_ids {
            let ids = (0..spill.held.len()).map(|place| spill.id(place));
            writer.ids = Some(ids.collect::<io::Result<_>>().map_err(|error| spill.failed(error))?);
        }
        if settings.keeps_pages {
            writer.grid = Some(spill.held_pages.iter().map(|page| page.grid).collect());
            writer.page = Some(spill.held_pages.iter().map(|page| page.page).collect());
        }
        let held = std::mem::take(&mut spill.held);
        writer.push(&held.iter().map(|text| text.length as usize).collect::<Vec<_>>());
        writer.indices = Some(held.iter().map(|text| text.index).collect());
        // A page is never cut.
        let truncated = || held.iter().map(|text| text.truncated).collect();
        writer.truncated = (!settings.keeps_pages).then(truncated);
        drop(held);
        output.write(|out| write(writer, &mut spill.planes, out))?;
        spill.done()
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
