//! Memory that begins where a line of the cache does, so that no register's load lies in two lines.

use std::ops::{Deref, DerefMut};

/// Bytes of a line.
const LINE: usize = 64;

/// Values from the start of a line on.
pub(super) struct Lines<T> {
    values: Vec<T>,
    /// Values before that.
    before: usize,
}

impl<T: Copy + Default> Lines<T> {
    pub(super) fn zeros(length: usize) -> Self {
        let spare = LINE / size_of::<T>();
        let values = vec![T::default(); length + spare];
        let before = values.as_ptr().align_offset(LINE).min(spare);
        let mut lines = Self { values, before };
        lines.values.truncate(before + length);
        lines
    }
}

/// Whether values begin where a line does.
pub(super) fn begin_line<T>(values: &[T]) -> bool {
    values.as_ptr().align_offset(LINE) == 0
}

impl<T> Deref for Lines<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[self.before..]
    }
}

impl<T> DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.before..]
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, begin_line};

    #[test]
    fn values_begin_a_line() {
        for length in [0, 1, 63, 64, 1_000] {
            let (bytes, floats) = (Lines::<i8>::zeros(length), Lines::<f32>::zeros(length));
            assert_eq!((bytes.len(), floats.len()), (length, length));
            assert!(begin_line(&bytes) && begin_line(&floats));
        }
    }
}
