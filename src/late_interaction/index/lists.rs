//! A part with lists: numbers in groups of seven bits.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::manifest::IndexPart;
use crate::error::{Error, Result};

/// Most bytes of a number.
const LONGEST_NUMBER: usize = 5;

/// Reads the lists of those centroids that are wanted, of a part: document numbers, ascending.
///
/// # Errors
/// [`Error::IndexPart`].
pub(super) fn read(
    part: &IndexPart,
    bytes: &[u8],
    documents: u32,
    wanted: &BTreeSet<u32>,
) -> Result<Vec<(u32, Vec<u32>)>> {
    let wrong = |reason: String| Error::IndexPart { file: part.file.clone(), reason };
    let (first, last) = part.bounds();
    let mut numbers = Numbers { bytes, documents };
    let found = numbers.next().map_err(wrong)?;
    if found != first {
        return Err(wrong(format!("begins with centroid {found}, not {first}")));
    }
    let mut lists = Vec::new();
    for centroid in first..=last {
        let list = numbers.list();
        let list =
            list.map_err(|reason| wrong(format!("has a damaged list {centroid}: {reason}")))?;
        if wanted.contains(&centroid) {
            lists.push((centroid, list));
        }
    }
    match numbers.bytes {
        [] => Ok(lists),
        more => Err(wrong(format!("has {} bytes behind its last list", more.len()))),
    }
}

struct Numbers<'a> {
    bytes: &'a [u8],
    documents: u32,
}

impl Numbers<'_> {
    fn next(&mut self) -> Result<u32, String> {
        let mut number = 0u64;
        for (place, &byte) in self.bytes.iter().take(LONGEST_NUMBER).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.bytes = &self.bytes[place + 1..];
                return u32::try_from(number)
                    .map_err(|_| "holds a number of over 32 bits".to_owned());
            }
        }
        Err("ends within a number, or holds one of over 32 bits".to_owned())
    }

    fn list(&mut self) -> Result<Vec<u32>, String> {
        let count = self.next()? as usize;
        // A number takes a byte at least.
        if count > self.bytes.len() {
            return Err(format!("{count} documents do not fit into {} bytes", self.bytes.len()));
        }
        let mut list = Vec::with_capacity(count);
        for place in 0..count {
            let step = self.next()?;
            let number = match list.last() {
                Some(_) if step == 0 => return Err(format!("[{place}] is there twice")),
                Some(last) => step.checked_add(*last),
                None => Some(step),
            };
            match number.filter(|&number| number < self.documents) {
                Some(number) => list.push(number),
                None => return Err(format!("[{place}] is not below {}", self.documents)),
            }
        }
        Ok(list)
    }
}

/// A list that grows, packed as its part holds it.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
    count: u32,
    last: u32,
    bytes: Vec<u8>,
}

impl List {
    /// Appends a document whose number is larger than those before; one that is there already is passed over.
    pub(super) fn push(&mut self, document: u32) {
        let step = match self.count {
            0 => document,
            _ if document == self.last => return,
            _ => document - self.last,
        };
        write_number(&mut self.bytes, step);
        self.last = document;
        self.count += 1;
    }

    /// The same documents in lists that take at most `most` bytes each.
    fn split(&self, most: usize) -> Vec<List> {
        let mut numbers = Numbers { bytes: &self.bytes, documents: u32::MAX };
        let (mut lists, mut number) = (vec![List::default()], 0);
        for _ in 0..self.count {
            number += numbers.next().expect("what was written is read");
            if lists.last().is_none_or(|list| list.bytes.len() + LONGEST_NUMBER > most) {
                lists.push(List::default());
            }
            lists.last_mut().expect("there is one").push(number);
        }
        lists
    }
}

/// A part's bytes, and of which centroids its lists are.
pub(super) type Part = (Vec<u8>, RangeInclusive<u32>);

/// Cuts lists into parts of about `most` bytes, and no more.
pub(super) struct ListsWriter {
    most: usize,
    /// Of the part that is being filled.
    first: u32,
    /// The centroid of the list that comes next.
    next: u32,
    body: Vec<u8>,
}

impl ListsWriter {
    /// Begins with the list of centroid 0.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most - 2 * LONGEST_NUMBER, first: 0, next: 0, body: Vec::new() }
    }

    /// Appends the next centroid's list; answers with the parts that are full.
    pub(super) fn push(&mut self, list: List) -> Vec<Part> {
        let mut full = Vec::new();
        if self.body.len() + list.bytes.len() > self.most && !self.body.is_empty() {
            full.extend(self.close());
            self.first = self.next;
        }
        let pieces = match list.bytes.len() > self.most {
            true => list.split(self.most),
            false => vec![list],
        };
        self.next += 1;
        let last = pieces.len() - 1;
        for (place, piece) in pieces.into_iter().enumerate() {
            write_number(&mut self.body, piece.count);
            self.body.extend(piece.bytes);
            if place < last {
                full.extend(self.close());
                self.first = self.next - 1;
            }
        }
        full
    }

    /// What is left.
    pub(super) fn close(&mut self) -> Option<Part> {
        let body = std::mem::take(&mut self.body);
        let mut bytes = Vec::with_capacity(body.len() + LONGEST_NUMBER);
        write_number(&mut bytes, self.first);
        bytes.extend(&body);
        (!body.is_empty()).then(|| (bytes, self.first..=self.next - 1))
    }
}

/// In groups of seven bits, the lowest first.
fn write_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::manifest::PartKind;
    use super::*;

    /// Documents of each centroid, with gaps of all sizes.
    fn lists() -> impl Strategy<Value = Vec<Vec<u32>>> {
        let gap = prop_oneof![1..200u32, 1..20_000u32, 1..2_000_000u32];
        let list = prop::collection::vec(gap, 0..60).prop_map(|gaps| {
            let numbers = gaps.iter().scan(0, |last, gap| {
                *last += gap;
                Some(*last - 1)
            });
            numbers.collect()
        });
        prop::collection::vec(list, 1..40)
    }

    fn written(lists: &[Vec<u32>], most: usize) -> Vec<Part> {
        let mut writer = ListsWriter::new(most);
        let mut parts = Vec::new();
        for numbers in lists {
            let mut list = List::default();
            // Each document as often as it has tokens there.
            numbers.iter().flat_map(|&number| [number; 2]).for_each(|number| list.push(number));
            parts.extend(writer.push(list));
        }
        parts.into_iter().chain(writer.close()).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(lists in lists(), most in 24usize..400) {
            let documents = lists.iter().flatten().max().map_or(0, |last| last + 1);
            let wanted: BTreeSet<u32> = (0..lists.len() as u32).step_by(2).collect();
            let mut found: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            let mut next = 0;
            for (bytes, range) in written(&lists, most) {
                prop_assert!(bytes.len() <= most);
                prop_assert!(*range.start() == next || *range.start() + 1 == next);
                next = range.end() + 1;
                let part = IndexPart::new(PartKind::Lists, &bytes, Some(range));
                for (centroid, list) in read(&part, &bytes, documents, &wanted).unwrap() {
                    found.entry(centroid).or_default().extend(list);
                }
            }
            prop_assert_eq!(next as usize, lists.len());
            let expected = (0u32..).zip(lists).filter(|(centroid, _)| centroid % 2 == 0);
            prop_assert_eq!(found, expected.collect::<BTreeMap<_, _>>());
        }
    }
}
