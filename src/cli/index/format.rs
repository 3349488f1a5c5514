//! In which form is an index written?

use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use tabrank::{BuildOptions, Documents, EmbeddingsInfo, IndexManifest, ResidualCodec, write_plaid};

use super::folder::{Failed, Target};
use super::spilled::Watched;
use crate::cli::{CliError, say};

/// The form of an index's folder.
#[derive(clap::Args)]
pub struct FormatArgs {
    /// tabrank: parts for a static host. plaid: a folder that fast-plaid and PyLate read, which goes where nothing or an empty folder is.
    #[arg(long, value_enum, default_value_t = Format::Tabrank, value_name = "FORMAT")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Tabrank,
    Plaid,
}

impl FormatArgs {
    /// Where an index of this form goes.
    ///
    /// # Errors
    /// As [`Target::find`]; an index that is there, of the other form.
    pub fn target<'a>(&self, name: &'a Path) -> Result<Target<'a>, CliError> {
        let target = Target::find(name)?;
        match self.format == Format::Plaid && target.is_index() {
            true => {
                let reason = "is an index of another form, which is not replaced";
                Err(CliError::OutputInUse { path: name.to_owned(), reason })
            }
            false => Ok(target),
        }
    }

    /// Writes an index of documents, and tells what it has become.
    ///
    /// # Errors
    /// Those of the documents, and what the disk says.
    pub fn build<D: Documents<Error = Failed>>(
        &self,
        target: Target<'_>,
        codec: &Arc<ResidualCodec>,
        documents: &mut D,
        info: &EmbeddingsInfo,
    ) -> Result<(), CliError> {
        match self.format {
            Format::Tabrank => say_built(&target.build(codec, documents, &build_options(info))?),
            Format::Plaid => {
                let name = target.name();
                target.make(|files| {
                    let written = write_plaid(codec, &mut Watched::new(documents), files);
                    written.map_err(|failed| failed.of(name))
                })?;
                say(format_args!("{} documents", documents.count()));
            }
        }
        Ok(())
    }
}

/// How an index of such embeddings is built.
pub fn build_options(info: &EmbeddingsInfo) -> BuildOptions {
    BuildOptions { info: info.clone(), ..BuildOptions::default() }
}

/// Tells what was made.
pub fn say_built(manifest: &IndexManifest) {
    let (documents, tokens) = (manifest.documents, manifest.tokens);
    let (parts, bytes) = (manifest.all_parts().count(), manifest.bytes());
    say(format_args!("{documents} documents, {tokens} tokens, {bytes} bytes in {parts} parts"));
}
