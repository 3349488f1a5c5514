//! A list of texts that are taken one at a time: whoever holds them need not hand over a copy of all.

use std::borrow::Cow;

/// Texts by their place in a list.
pub trait Texts {
    /// Number of texts.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text at `index`, which is below [`Texts::len`].
    fn text(&self, index: usize) -> Cow<'_, str>;
}

impl<S: AsRef<str>> Texts for [S] {
    fn len(&self) -> usize {
        <[S]>::len(self)
    }

    fn text(&self, index: usize) -> Cow<'_, str> {
        Cow::Borrowed(self[index].as_ref())
    }
}

impl<S: AsRef<str>> Texts for Vec<S> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn text(&self, index: usize) -> Cow<'_, str> {
        self.as_slice().text(index)
    }
}

impl<S: AsRef<str>, const N: usize> Texts for [S; N] {
    fn len(&self) -> usize {
        N
    }

    fn text(&self, index: usize) -> Cow<'_, str> {
        self.as_slice().text(index)
    }
}
