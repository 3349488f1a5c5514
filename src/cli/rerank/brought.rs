//! Embeddings that candidates bring along, in their own objects or in a file, and whose they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tabrank::late_interaction::codec::{CompressedEmbeddings, ResidualCodec};
use tabrank::{DocumentEmbeddings, EmbeddingsFile, Reranker};

use crate::cli::CliError;
use crate::cli::codec::{read, read_codec};
use crate::cli::jsonl::Record;

/// Where embeddings come from.
#[derive(clap::Args)]
pub struct EmbeddingsArgs {
    /// Embeddings of candidates, a file of `tabrank encode -o`, whose "indices" are the lines, from 0, or of `tabrank pages encode`, whose keys are the
    /// objects' "id". Such a candidate is not encoded, and needs a "text" only where a stage reads it.
    #[arg(long, value_name = "FILE")]
    embeddings: Option<PathBuf>,
    /// The file of a residual codec that embeddings are stored by. May be given several times.
    #[arg(long = "codec", value_name = "FILE")]
    codecs: Vec<PathBuf>,
}

impl EmbeddingsArgs {
    /// Whether only the objects themselves bring any.
    pub fn is_from_objects(&self) -> bool {
        self.embeddings.is_none()
    }

    /// The residual codecs.
    ///
    /// # Errors
    /// A file that cannot be read, or that holds no codec.
    pub fn codecs(&self) -> Result<Vec<Arc<ResidualCodec>>, CliError> {
        self.codecs.iter().map(|path| read_codec(path)).collect()
    }
}

/// What all candidates bring.
pub struct Brought {
    groups: Vec<Group>,
    /// For each candidate its group, and its place in that.
    of: Vec<Option<(usize, usize)>>,
}

/// Where a file has the embeddings of each candidate.
enum Places {
    /// By its line.
    Lines(HashMap<usize, usize>),
    /// By its id.
    Ids(HashMap<String, usize>),
}

impl Places {
    /// # Errors
    /// A line or an id that comes twice.
    fn of(file: &EmbeddingsFile, path: &Path) -> Result<Self, CliError> {
        let count = file.embeddings.len();
        let places = match (&file.ids, &file.indices) {
            (Some(ids), _) => Places::Ids(ids.iter().cloned().zip(0..).collect()),
            (None, Some(indices)) => {
                Places::Lines(indices.iter().map(|&line| line as usize).zip(0..).collect())
            }
            (None, None) => Places::Lines((0..count).map(|place| (place, place)).collect()),
        };
        let (found, reason) = match &places {
            Places::Lines(lines) => (lines.len(), "has a line twice among its indices"),
            Places::Ids(ids) => (ids.len(), "has an id twice"),
        };
        match found == count {
            true => Ok(places),
            false => Err(CliError::Data { path: path.to_owned(), reason }),
        }
    }

    fn find(&self, record: &Record) -> Option<usize> {
        match self {
            Places::Lines(lines) => lines.get(&record.index).copied(),
            Places::Ids(ids) => ids.get(&record.id().ok()?).copied(),
        }
    }
}

/// Embeddings of one codec, width and model.
pub struct Group {
    pub embeddings: CompressedEmbeddings,
    pub embedding_id: Option<String>,
}

impl Brought {
    /// Puts together what candidates bring.
    ///
    /// # Errors
    /// What cannot be read or does not fit together, and a candidate that has neither embeddings nor a text.
    pub fn new(
        args: &EmbeddingsArgs,
        codecs: &[Arc<ResidualCodec>],
        records: &[Record],
        given: Vec<Option<Group>>,
    ) -> Result<Self, CliError> {
        let mut brought = Self { groups: Vec::new(), of: vec![None; records.len()] };
        for (place, given) in given.into_iter().enumerate() {
            if let Some(Group { embeddings, embedding_id }) = given {
                brought.push(place, embeddings, embedding_id)?;
            }
        }
        if let Some(path) = &args.embeddings {
            brought.take_file(path, codecs, records)?;
        }
        let mut without = records.iter().enumerate().filter(|(place, _)| !brought.has(*place));
        without.try_for_each(|(_, record)| record.string("text").map(drop))?;
        Ok(brought)
    }

    /// Whether a candidate brings any.
    pub fn has(&self, place: usize) -> bool {
        self.of[place].is_some()
    }

    /// Of one candidate.
    fn push(
        &mut self,
        place: usize,
        embeddings: CompressedEmbeddings,
        embedding_id: Option<String>,
    ) -> Result<(), CliError> {
        if embeddings.lengths() == [0] {
            return Ok(());
        }
        let alike = |group: &Group| {
            group.embeddings.codec() == embeddings.codec()
                && group.embeddings.dimension() == embeddings.dimension()
                && group.embedding_id == embedding_id
        };
        let group = self.groups.iter().position(alike).unwrap_or(self.groups.len());
        match self.groups.get_mut(group) {
            Some(group) => group.embeddings.extend(&embeddings)?,
            None => self.groups.push(Group { embeddings, embedding_id }),
        }
        self.of[place] = Some((group, self.groups[group].embeddings.len() - 1));
        Ok(())
    }

    fn take_file(
        &mut self,
        path: &Path,
        codecs: &[Arc<ResidualCodec>],
        records: &[Record],
    ) -> Result<(), CliError> {
        let file = EmbeddingsFile::read(&path.display().to_string(), &read(path)?, codecs)?;
        let places = Places::of(&file, path)?;
        for (place, record) in records.iter().enumerate() {
            let Some(position) = places.find(record) else { continue };
            if file.embeddings.lengths()[position] == 0 {
                continue;
            }
            if self.of[place].replace((self.groups.len(), position)).is_some() {
                let reason = "has \"embeddings\", and some in the file of --embeddings too";
                return Err(record.place.wrong(reason));
            }
        }
        let EmbeddingsFile { embeddings, info, .. } = file;
        self.groups.push(Group { embeddings, embedding_id: info.embedding_id });
        Ok(())
    }

    /// Which model's a candidate's embeddings are, by its place among `models`: the one that they name, else the first.
    pub fn owner(&self, place: usize, models: &[Reranker]) -> Option<usize> {
        let (group, _) = self.of[place]?;
        let id = self.groups[group].embedding_id.as_ref();
        let named = models.iter().position(|model| Some(&model.info().embedding_id) == id);
        Some(named.unwrap_or(0))
    }

    /// What some candidates bring for one of `models`, as a list of theirs.
    ///
    /// # Errors
    /// None: what is in a group goes together.
    pub fn of(
        &self,
        candidates: &[usize],
        model: usize,
        models: &[Reranker],
    ) -> Result<DocumentEmbeddings, CliError> {
        let mut all = DocumentEmbeddings::new(candidates.len());
        for (at, Group { embeddings, embedding_id }) in self.groups.iter().enumerate() {
            let position = |(index, &candidate): (usize, &usize)| {
                let (group, position) = self.of[candidate]?;
                let is_wanted = group == at && self.owner(candidate, models) == Some(model);
                is_wanted.then_some((index, position))
            };
            let (indices, positions): (Vec<_>, Vec<_>) =
                candidates.iter().enumerate().filter_map(position).unzip();
            if !indices.is_empty() {
                all.add(embeddings.select(positions), &indices, embedding_id.as_deref())?;
            }
        }
        Ok(all)
    }
}
