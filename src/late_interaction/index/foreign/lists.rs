//! Of each centroid the documents that have a token there: read from an index's own lists, or made of its codes where it has none.

use super::array::Array;
use super::{Documents, IndexFolder};
use crate::error::Result;

/// Codes that are read at once.
const CODES_AT_ONCE: u64 = 1 << 18;

/// Lists, one behind the other.
#[derive(Debug)]
pub(super) struct Lists {
    /// Where the list of each centroid ends.
    ends: Vec<u64>,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    Stored(Array),
    Made(Vec<u32>),
}

impl Lists {
    /// Lists of `centroids` centroids that a file holds. Those of the last centroids may be missing where they are empty, and padding may
    /// follow.
    ///
    /// # Errors
    /// [`crate::Error::InvalidVectors`]; what reading fails with.
    pub(super) fn stored<F: IndexFolder>(
        folder: &F,
        (numbers, lengths): (Array, Array),
        centroids: usize,
    ) -> Result<Self, F::Error> {
        let ([count], [named]) = (numbers.sizes()?, lengths.sizes()?);
        let mut ends = Vec::with_capacity(centroids);
        let mut end = 0u64;
        for (centroid, length) in lengths.counts(folder, 0..named)?.into_iter().enumerate() {
            let sum = end.checked_add(length).filter(|&end| end <= count);
            let fits = centroid < centroids || length == 0;
            end = sum.filter(|_| fits).ok_or_else(|| {
                lengths.wrong(format!(
                    "has a list of {length} for centroid {centroid}, of {centroids} with {count} documents together"
                ))
            })?;
            ends.push(end);
        }
        ends.resize(centroids, end);
        Ok(Self { ends, numbers: Numbers::Stored(numbers) })
    }

    /// Lists made of all codes, which takes two passes over them: 4 bytes for each centroid of each document, and 8 for each centroid.
    ///
    /// # Errors
    /// As [`Lists::stored`].
    pub(super) fn made<F: IndexFolder>(documents: &Documents<F>) -> Result<Self, F::Error> {
        let centroids = documents.codec.centroid_count();
        let mut lengths = vec![0u64; centroids];
        each_centroid(documents, |centroid, _| lengths[centroid as usize] += 1)?;
        let mut end = 0;
        let mut next: Vec<u64> = lengths.iter().map(|length| (end, end += length).0).collect();
        let mut numbers = vec![0; end as usize];
        each_centroid(documents, |centroid, document| {
            let place = &mut next[centroid as usize];
            numbers[*place as usize] = document;
            *place += 1;
        })?;
        Ok(Self { ends: next, numbers: Numbers::Made(numbers) })
    }

    /// The documents of a centroid.
    ///
    /// # Errors
    /// [`crate::Error::InvalidVectors`]: one of a number that no document has; what reading fails with.
    pub(super) fn get<F: IndexFolder>(
        &self,
        documents: &Documents<F>,
        centroid: u32,
    ) -> Result<Vec<u32>, F::Error> {
        let centroid = centroid as usize;
        let start = centroid.checked_sub(1).map_or(0, |before| self.ends[before]);
        let places = start..self.ends[centroid];
        let array = match &self.numbers {
            Numbers::Made(numbers) => {
                return Ok(numbers[places.start as usize..places.end as usize].to_vec());
            }
            Numbers::Stored(array) => array,
        };
        let mut list = Vec::new();
        for number in array.counts(&documents.folder, places)? {
            if number >= documents.ends.len() as u64 {
                let reason =
                    format!("holds {number}; there are {} documents", documents.ends.len());
                return Err(array.wrong(reason).into());
            }
            list.push(number as u32);
        }
        Ok(list)
    }
}

/// Calls with each centroid of each document, once.
fn each_centroid<F: IndexFolder>(
    documents: &Documents<F>,
    mut call: impl FnMut(u32, u32),
) -> Result<(), F::Error> {
    let mut codes = Vec::new();
    let mut first = 0;
    while first < documents.ends.len() {
        let last = documents.fitting(first, CODES_AT_ONCE);
        let read = documents.codes(first..last)?;
        let mut rest = read.as_slice();
        for document in first..last {
            let (own, behind) = rest.split_at(documents.length(document));
            codes.clear();
            codes.extend_from_slice(own);
            codes.sort_unstable();
            codes.dedup();
            codes.iter().for_each(|&code| call(code, document as u32));
            rest = behind;
        }
        first = last;
    }
    Ok(())
}
