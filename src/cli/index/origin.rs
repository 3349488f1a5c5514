//! Where do embeddings come from? A model, or a file in which they are already.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use rayon::prelude::*;
use tabrank::late_interaction::codec::{Codec, CompressedEmbeddings};
use tabrank::{EncodeOptions, Reranker, TextKind};

use super::rows::RowsFile;
use crate::cli::CliError;
use crate::cli::encode::{Batch, Item, Run, Settings, Sink, Stretch, Texts, ToItem};
use crate::cli::progress::Progress;

/// What makes embeddings of documents.
pub enum Origin {
    Model(Box<Reranker>, EncodeOptions),
    File(Box<RowsFile>),
}

/// How far documents are, for the bar.
pub struct Told {
    pub progress: Progress,
    /// Bytes of the input that will have been read.
    pub read: Rc<Cell<u64>>,
}

impl Origin {
    /// How embeddings are stored by a codec.
    ///
    /// # Errors
    /// A model that makes none, and a codec of another width.
    pub fn settings(&self, codec: Codec) -> Result<Settings, CliError> {
        Ok(match self {
            Origin::Model(model, options) => {
                Settings::new(model, TextKind::Document, *options, codec)?
            }
            Origin::File(rows) => Settings::of_rows(rows.info.clone(), rows.dimension, codec)?,
        })
    }

    /// The model that made them, if that is known.
    pub fn embedding_id(&self) -> Option<&String> {
        match self {
            Origin::Model(model, _) => Some(&model.info().embedding_id),
            Origin::File(rows) => rows.info.embedding_id.as_ref(),
        }
    }

    /// Takes all documents through.
    ///
    /// # Errors
    /// Those of the documents and the model, and what the sink answers.
    pub fn through<R: Read, F: ToItem>(
        &self,
        settings: &Settings,
        told: Told,
        texts: &mut Texts<R, F>,
        sink: &mut impl Sink,
    ) -> Result<(), CliError> {
        match self {
            Origin::Model(model, _) => {
                Run::new(model, settings, told.progress, told.read).through(texts, sink)
            }
            Origin::File(rows) => taken(rows, settings, told, texts, sink),
        }
    }

    /// Takes some documents through.
    ///
    /// # Errors
    /// As [`Origin::through`].
    pub fn encode(
        &self,
        settings: &Settings,
        told: Told,
        items: &[Item],
        sink: &mut impl Sink,
    ) -> Result<(), CliError> {
        match self {
            Origin::Model(model, _) => {
                Run::new(model, settings, told.progress, told.read).encode(items, 0, sink)
            }
            Origin::File(rows) => items.iter().try_for_each(|item| {
                let place = place(rows, item)?;
                hand_over(rows, settings, place, std::slice::from_ref(item), sink)
            }),
        }
    }
}

fn taken<R: Read, F: ToItem>(
    rows: &RowsFile,
    settings: &Settings,
    mut told: Told,
    texts: &mut Texts<R, F>,
    sink: &mut impl Sink,
) -> Result<(), CliError> {
    loop {
        let Stretch { items, is_last } = texts.stretch()?;
        for run in runs(rows, &items)? {
            hand_over(rows, settings, place(rows, &run[0])?, run, sink)?;
        }
        told.progress.advance(texts.taken(), told.read.get());
        if is_last {
            return Ok(());
        }
        sink.rest(texts.mark())?;
    }
}

/// Items whose rows follow each other.
fn runs<'a>(rows: &RowsFile, items: &'a [Item]) -> Result<Vec<&'a [Item]>, CliError> {
    items.iter().try_for_each(|item| place(rows, item).map(drop))?;
    let next = |a: &Item, b: &Item| {
        let places = (rows.place(a.index), rows.place(b.index));
        places.0.is_some_and(|place| places.1 == Some(place + 1))
    };
    Ok(items.chunk_by(next).collect())
}

/// # Errors
/// A document that the file has no embeddings of.
fn place(rows: &RowsFile, item: &Item) -> Result<usize, CliError> {
    let place = rows.place(item.index);
    place.ok_or_else(|| item.place.wrong("the file of --embeddings has none of this line"))
}

fn hand_over(
    rows: &RowsFile,
    settings: &Settings,
    first: usize,
    items: &[Item],
    sink: &mut impl Sink,
) -> Result<(), CliError> {
    let compressed = stored_by(&settings.codec, rows.read(first..first + items.len())?)?;
    let truncated = vec![false; items.len()];
    sink.take(&Batch { items, compressed: &compressed, truncated: &truncated, pages: &[] })
}

/// Rows as a codec stores them, each core some of them.
fn stored_by(codec: &Codec, rows: CompressedEmbeddings) -> Result<CompressedEmbeddings, CliError> {
    if rows.codec() == codec {
        return Ok(rows);
    }
    let places: Vec<usize> = (0..rows.len()).collect();
    let share = places.len().div_ceil(rayon::current_num_threads()).max(1);
    let shares = places.par_chunks(share).map(|places| {
        let some = rows.select(places.iter().copied());
        codec.compress(&some.decompress())
    });
    let mut all = CompressedEmbeddings::new(codec.clone(), rows.dimension())?;
    for share in shares.collect::<Vec<_>>() {
        all.extend(&share?)?;
    }
    Ok(all)
}
