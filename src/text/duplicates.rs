//! Which texts of a list are the same, to the byte? Found as the list is read, without keeping a text.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use crate::text::texts::Texts;

/// What has come so far.
#[derive(Debug, Default)]
pub struct Duplicates {
    hasher: RandomState,
    /// By the hash of a text, where it came first.
    first: HashMap<u64, usize>,
    /// Each with the place where it came first.
    copies: BTreeMap<usize, usize>,
}

impl Duplicates {
    /// Takes the text at `index`; it is a copy if it came before, and `same` says of its first place that what belongs to the two
    /// beside the text is the same. Of two texts that share a hash by chance neither is taken for the other.
    pub fn take<T: Texts + ?Sized>(
        &mut self,
        texts: &T,
        index: usize,
        same: impl FnOnce(usize) -> bool,
    ) {
        let text = texts.text(index);
        let first = *self.first.entry(self.hasher.hash_one(&*text)).or_insert(index);
        if first != index && texts.text(first) == text && same(first) {
            self.copies.insert(index, first);
        }
    }

    /// Of `places` each text once: by the place where it came first, where the first of those that are the same stands.
    pub fn once(&self, places: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut met = HashSet::new();
        let firsts = places.into_iter().map(|place| *self.copies.get(&place).unwrap_or(&place));
        firsts.filter(|&first| met.insert(first)).collect()
    }

    /// Texts that had come before, in their order, each with the place where it came first.
    pub fn into_copies(self) -> Vec<(usize, usize)> {
        self.copies.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Duplicates;

    proptest! {
        #[test]
        fn each_copy_names_the_first(texts in prop::collection::vec("[ab]{0,2}", 0..30)) {
            let mut duplicates = Duplicates::default();
            (0..texts.len()).for_each(|index| duplicates.take(&texts, index, |_| true));
            let first = |index: usize| texts.iter().position(|text| *text == texts[index]);
            let copies = (0..texts.len()).filter_map(|index| Some((index, first(index)?)));
            let copies: Vec<_> = copies.filter(|(index, first)| index != first).collect();
            let mut backwards: Vec<usize> = (0..texts.len()).rev().filter_map(first).collect();
            let mut met = Vec::new();
            backwards.retain(|first| !met.contains(first) && { met.push(*first); true });
            prop_assert_eq!(duplicates.once((0..texts.len()).rev()), backwards);
            prop_assert_eq!(duplicates.into_copies(), copies);
        }
    }
}
