//! Is an index whole? Its parts are those of the manifest, its lists hold the documents that have a token there and no others, and no two
//! documents have one id. In memory are one part, 24 bytes a centroid, and about 30 bytes a document.

use std::collections::{BTreeSet, HashSet};

use super::build::{Documents, check_id};
use super::manifest::{IndexManifest, PartKind};
use super::stored::{IndexReader, StoredDocuments};
use super::{IndexDocument, lists};
use crate::error::{Error, Result};
use crate::model::bundle::digest;

/// Reads all of an index.
///
/// # Errors
/// [`Error::Integrity`], [`Error::IndexPart`] and [`Error::IndexManifest`]; [`Error::Argument`] for an id that is there twice or too long;
/// what reading fails with.
pub fn check<R: IndexReader>(documents: &mut StoredDocuments<R>) -> Result<(), R::Error> {
    let manifest = documents.index().manifest().clone();
    let had = of_documents(documents, &manifest)?;
    let listed = of_lists(documents, &manifest)?;
    Ok(compare(&listed, &had, &manifest)?)
}

/// The documents of one centroid: how many, and the sum of the hashes of their numbers, for which their order makes no difference.
#[derive(Clone, Copy, Default, PartialEq)]
struct Tally {
    count: u32,
    sum: u128,
}

impl Tally {
    fn add(&mut self, hash: u128) {
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.wrapping_add(hash);
    }
}

fn hash(number: u32) -> u128 {
    let digest = digest(&number.to_le_bytes());
    u128::from_le_bytes(*digest.first_chunk().expect("a hash has 32 bytes"))
}

/// Of each centroid the documents that have a token there.
fn of_documents<R: IndexReader>(
    documents: &mut StoredDocuments<R>,
    manifest: &IndexManifest,
) -> Result<Vec<Tally>, R::Error> {
    let mut tallies = vec![Tally::default(); manifest.centroids as usize];
    let (mut ids, mut tokens) = (HashSet::new(), 0);
    for number in 0..manifest.documents {
        let IndexDocument { id, codes, residuals: _ } = documents.read(number as usize)?;
        check_id(&id, number, &mut ids)?;
        tokens += codes.len() as u64;
        let (hash, codes) = (hash(number), codes.into_iter().collect::<BTreeSet<u32>>());
        codes.into_iter().for_each(|code| tallies[code as usize].add(hash));
    }
    match tokens == manifest.tokens {
        true => Ok(tallies),
        false => {
            let reason = format!("are {}; the documents have {tokens}", manifest.tokens);
            Err(Error::IndexManifest { field: "tokens".to_owned(), reason }.into())
        }
    }
}

/// Of each centroid the documents of its list.
fn of_lists<R: IndexReader>(
    documents: &mut StoredDocuments<R>,
    manifest: &IndexManifest,
) -> Result<Vec<Tally>, R::Error> {
    let mut tallies = vec![Tally::default(); manifest.centroids as usize];
    for part in manifest.parts(PartKind::Lists) {
        let (first, last) = part.bounds();
        let bytes = documents.part(part)?;
        for (centroid, list) in
            lists::read(part, &bytes, manifest.documents, &(first..=last).collect())?
        {
            list.into_iter().for_each(|number| tallies[centroid as usize].add(hash(number)));
        }
    }
    Ok(tallies)
}

fn compare(listed: &[Tally], had: &[Tally], manifest: &IndexManifest) -> Result<()> {
    let Some(centroid) = (0..had.len()).find(|&place| listed[place] != had[place]) else {
        return Ok(());
    };
    let parts = manifest.parts(PartKind::Lists);
    let part = &parts[parts.partition_point(|part| (part.bounds().1 as usize) < centroid)];
    let (listed, had) = (listed[centroid].count, had[centroid].count);
    let reason = match listed == had {
        true => format!("lists other documents of centroid {centroid} than have a token there"),
        false => {
            format!("lists {listed} documents of centroid {centroid}; {had} have a token there")
        }
    };
    Err(Error::IndexPart { file: part.file.clone(), reason })
}
