//! Token embeddings of several texts, without padding.

/// Ragged rows: text after text, token after token. Padding cannot be represented, so it can never
/// reach a score.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenEmbeddings {
    values: Vec<f32>,
    lengths: Vec<usize>,
    dimension: usize,
}

impl TokenEmbeddings {
    /// No texts, with embeddings of width `dimension`.
    pub fn new(dimension: usize) -> Self {
        Self { values: Vec::new(), lengths: Vec::new(), dimension }
    }

    /// Embeddings of several texts, row-major, text after text; nothing if `lengths` are not those of the rows.
    pub fn from_parts(values: Vec<f32>, lengths: Vec<usize>, dimension: usize) -> Option<Self> {
        let rows = lengths.iter().try_fold(0usize, |sum, &length| sum.checked_add(length))?;
        let fits = dimension > 0 && rows.checked_mul(dimension) == Some(values.len());
        fits.then_some(Self { values, lengths, dimension })
    }

    /// Appends one text's embeddings, row-major `[length, dimension]`.
    ///
    /// # Panics
    /// If `rows` is not a whole number of rows: the caller's arithmetic is broken.
    pub fn push(&mut self, rows: &[f32]) {
        assert_eq!(rows.len() % self.dimension, 0, "a text has whole rows");
        self.lengths.push(rows.len() / self.dimension);
        self.values.extend_from_slice(rows);
    }

    /// All embeddings, row-major `[sum of lengths, dimension]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Number of embeddings of each text.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Width of an embedding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there are no texts.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Each text's embeddings, row-major `[length, dimension]`.
    pub fn texts(&self) -> impl Iterator<Item = &[f32]> {
        let mut rest = self.values.as_slice();
        self.lengths.iter().map(move |length| {
            let (text, tail) = rest.split_at(length * self.dimension);
            rest = tail;
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::TokenEmbeddings;

    #[test]
    fn parts_have_to_add_up() {
        let of = |values: usize, lengths: &[usize], dimension| {
            TokenEmbeddings::from_parts(vec![1.0; values], lengths.to_vec(), dimension)
        };
        let mut pushed = TokenEmbeddings::new(2);
        [2, 0, 4].iter().for_each(|&values| pushed.push(&vec![1.0; values]));
        assert_eq!(of(6, &[1, 0, 2], 2), Some(pushed));
        assert_eq!(of(6, &[1, 1], 2), None);
        assert_eq!(of(6, &[usize::MAX, 4], 2), None);
        assert_eq!(of(6, &[1 << 63, 3], 2), None);
        assert_eq!(of(0, &[], 0), None);
    }
}
