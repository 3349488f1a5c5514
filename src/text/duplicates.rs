//! Which texts of a list are the same, to the byte? Found as the list is read, without keeping a text.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::text::texts::Texts;

/// What has come so far.
#[derive(Debug, Default)]
pub struct Duplicates {
    hasher: RandomState,
    /// By the hash of a text, where it came first.
    first: HashMap<u64, usize>,
    copies: Vec<(usize, usize)>,
}

impl Duplicates {
    /// Takes the text at `index`; answers whether it came before, and `same` says of its first place that what belongs to the two
    /// beside the text is the same. Of two texts that share a hash by chance neither is taken for the other.
    pub fn is_copy<T: Texts + ?Sized>(
        &mut self,
        texts: &T,
        index: usize,
        text: &str,
        same: impl FnOnce(usize) -> bool,
    ) -> bool {
        let first = *self.first.entry(self.hasher.hash_one(text)).or_insert(index);
        let copy = first != index && texts.text(first) == text && same(first);
        if copy {
            self.copies.push((index, first));
        }
        copy
    }

    /// Texts that had come before, in their order, each with the place where it came first.
    pub fn into_copies(mut self) -> Vec<(usize, usize)> {
        self.copies.sort_unstable();
        self.copies.dedup();
        self.copies
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
            for (index, text) in texts.iter().enumerate() {
                let before = texts[..index].contains(text);
                prop_assert_eq!(duplicates.is_copy(&texts, index, text, |_| true), before);
            }
            for (copy, first) in duplicates.into_copies() {
                prop_assert_eq!(texts.iter().position(|text| *text == texts[copy]), Some(first));
            }
        }
    }
}
