//! What becomes of a document that has more tokens than the model takes?
//!
//! Its end is cut off, or it is encoded in windows that overlap, each like a document of its own, with prefix and special tokens
//! round it. A window holds as many of the text's tokens as the model takes beside those, and begins as many less the overlap
//! behind the one before it.
//!
//! The windows' vectors are united: a token that two of them hold keeps the one of the window where it is farther from the edge,
//! the place where the text was cut, of two that are as far the first one's. Prefix and special tokens keep theirs once: those in
//! front of the text the first window's, those behind it the last one's.

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::text::token_batch::TokenSequence;

/// What becomes of a document that has more tokens than the model takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LongDocuments {
    /// Its end is not read.
    #[default]
    Cut,
    /// It is encoded in windows, and their vectors are united.
    Windows {
        /// Tokens that a window shares with the next; `None`: an eighth of the text's tokens that one holds. At most half of them.
        overlap: Option<usize>,
        /// Most windows a document; what is beyond them is cut.
        most: NonZeroUsize,
    },
}

impl LongDocuments {
    /// Most windows where nothing else is asked for: sixteen times the model's length is a long article, and takes as much time as
    /// sixteen documents.
    pub const MOST_WINDOWS: NonZeroUsize = NonZeroUsize::new(16).unwrap();

    /// Most windows of a document.
    pub(super) fn most(self) -> usize {
        match self {
            LongDocuments::Cut => 1,
            LongDocuments::Windows { most, .. } => most.get(),
        }
    }

    /// Refuses an overlap of which a token could be in three windows, of `room` tokens of the text each.
    ///
    /// # Errors
    /// [`Error::Overlap`].
    pub(super) fn check(self, room: usize) -> Result<()> {
        match self {
            LongDocuments::Windows { overlap: Some(overlap), .. } if overlap > room / 2 => {
                Err(Error::Overlap { overlap, room })
            }
            _ => Ok(()),
        }
    }

    fn overlap(self, room: usize) -> usize {
        match self {
            LongDocuments::Cut => 0,
            LongDocuments::Windows { overlap, .. } => overlap.unwrap_or(room / 8).min(room / 2),
        }
    }

    /// Tokens of the text that all windows hold together.
    pub(super) fn reach(self, room: usize) -> usize {
        (self.most() - 1).saturating_mul(room - self.overlap(room)).saturating_add(room)
    }

    /// Cuts tokens, of which those that are not in `text` stand round each window. The text is within
    /// [`LongDocuments::reach`].
    pub(super) fn windows(
        self,
        whole: &TokenSequence,
        text: Range<usize>,
        room: usize,
    ) -> Vec<Window> {
        let overlap = self.overlap(room);
        let mut windows = Vec::new();
        let mut held = text.start..text.end.min(text.start + room);
        // What the windows so far keep.
        let mut kept = 0;
        while held.end < text.end {
            let end = held.end - overlap / 2;
            windows.push(Window::of(whole, &text, held.clone(), kept..end));
            kept = end;
            let start = held.end - overlap;
            held = start..text.end.min(start + room);
        }
        windows.push(Window::of(whole, &text, held, kept..whole.len()));
        windows
    }
}

/// A part of a text that is encoded by itself. A text that is not long is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub tokens: TokenSequence,
    /// Positions whose vectors stay.
    pub kept: Range<usize>,
}

impl Window {
    /// The tokens `held` of the `text` in `whole`, with what stands round the text; `kept` are positions in the whole.
    fn of(
        whole: &TokenSequence,
        text: &Range<usize>,
        held: Range<usize>,
        kept: Range<usize>,
    ) -> Self {
        // Nothing of the whole is kept by two windows, so that only the first one keeps what is in front of the text.
        let passed = held.start - text.start;
        let mut tokens = TokenSequence { truncated: whole.truncated, ..TokenSequence::default() };
        for part in [0..text.start, held, text.end..whole.len()] {
            tokens.extend(whole, part);
        }
        Self { tokens, kept: kept.start - passed..kept.end - passed }
    }

    /// Positions whose embeddings stay.
    pub fn embedded(&self) -> impl Iterator<Item = usize> + '_ {
        self.kept.clone().filter(|&position| self.tokens.embedding_mask[position])
    }
}

impl From<TokenSequence> for Window {
    fn from(tokens: TokenSequence) -> Self {
        Self { kept: 0..tokens.len(), tokens }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text's tokens, numbered, with some round them.
    fn whole([before, text, behind]: [usize; 3]) -> TokenSequence {
        let length = before + text + behind;
        TokenSequence {
            ids: (0..length as u32).collect(),
            attention_mask: vec![true; length],
            embedding_mask: (0..length).map(|position| position % 3 != 1).collect(),
            offsets: (0..length).map(|position| Some((position, position + 1))).collect(),
            truncated: false,
        }
    }

    fn cases() -> impl Strategy<Value = ([usize; 3], usize, Option<usize>, usize)> {
        let overlapping =
            (1..40usize).prop_flat_map(|room| (Just(room), prop::option::of(0..=room / 2)));
        (0..4usize, 0..4usize, overlapping, 1..6usize, any::<prop::sample::Index>()).prop_map(
            |(before, behind, (room, overlap), most, text)| {
                let long = long(overlap, most);
                ([before, text.index(long.reach(room) + 1), behind], room, overlap, most)
            },
        )
    }

    fn long(overlap: Option<usize>, most: usize) -> LongDocuments {
        LongDocuments::Windows { overlap, most: NonZeroUsize::new(most).unwrap() }
    }

    proptest! {
        #[test]
        fn every_token_is_kept_once_where_it_is_farthest_from_the_edge(
            (parts, room, overlap, most) in cases(),
        ) {
            let [before, length, behind] = parts;
            let whole = whole(parts);
            let text = before..before + length;
            let long = long(overlap, most);
            prop_assert!(long.check(room).is_ok());
            let windows = long.windows(&whole, text.clone(), room);

            let kept: Vec<u32> =
                windows.iter().flat_map(|w| &w.tokens.ids[w.kept.clone()]).copied().collect();
            prop_assert_eq!(&kept, &whole.ids, "every token once, in order");
            let stride = room - overlap.unwrap_or(room / 8);
            let expected = 1 + length.saturating_sub(room).div_ceil(stride);
            prop_assert_eq!(windows.len(), expected);
            prop_assert!(windows.len() <= most);

            let (front, end) = (&whole.ids[..before], &whole.ids[before + length..]);
            let middle = |window: &Window| -> Vec<u32> {
                window.tokens.ids[before..window.tokens.len() - behind].to_vec()
            };
            for (place, window) in windows.iter().enumerate() {
                let start = before + place * stride;
                let own = start..text.end.min(start + room);
                let ids: Vec<u32> = own.map(|id| id as u32).collect();
                prop_assert_eq!(middle(window), ids);
                prop_assert!(window.tokens.ids.starts_with(front) && window.tokens.ids.ends_with(end));
                for (position, &id) in window.tokens.ids.iter().enumerate() {
                    let id = id as usize;
                    prop_assert_eq!(window.tokens.offsets[position], whole.offsets[id]);
                    prop_assert_eq!(window.tokens.embedding_mask[position], whole.embedding_mask[id]);
                }
            }

            // The distance to the nearer end of a window, by the windows that hold a token.
            for id in text {
                let holders = windows.iter().filter_map(|window| {
                    let ids = middle(window);
                    let place = ids.iter().position(|&held| held as usize == id)?;
                    let keeps = window.kept.contains(&(before + place));
                    Some((place.min(ids.len() - 1 - place), keeps))
                });
                let holders: Vec<(usize, bool)> = holders.collect();
                prop_assert!((1..=2).contains(&holders.len()));
                let farthest = holders.iter().map(|(distance, _)| *distance).max().unwrap();
                let keeper = holders.iter().find(|(distance, _)| *distance == farthest);
                prop_assert!(keeper.unwrap().1, "{:?}", holders);
                prop_assert_eq!(holders.iter().filter(|(_, keeps)| *keeps).count(), 1);
            }
        }

        #[test]
        fn of_more_than_half_of_a_window_none_overlap(room in 0..50usize, more in 1..50usize) {
            let overlap = room / 2 + more;
            let error = long(Some(overlap), 3).check(room).unwrap_err();
            prop_assert_eq!(error, Error::Overlap { overlap, room });
        }
    }

    #[test]
    fn a_text_that_is_cut_has_one_window() {
        let whole = whole([2, 5, 1]);
        assert_eq!(LongDocuments::Cut.reach(5), 5);
        assert_eq!(LongDocuments::Cut.windows(&whole, 2..7, 5), [Window::from(whole)]);
    }
}
