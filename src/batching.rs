//! Which texts are computed together?

/// Cuts texts into batches of neighbours: ranges into `lengths` with at most `tokens` tokens each, unless a single
/// text has more.
pub(crate) fn in_order(lengths: &[usize], tokens: usize) -> Vec<std::ops::Range<usize>> {
    let mut batches: Vec<std::ops::Range<usize>> = Vec::new();
    let mut sum = 0;
    for (index, &length) in lengths.iter().enumerate() {
        match batches.last_mut() {
            Some(batch) if sum + length <= tokens => batch.end = index + 1,
            _ => {
                batches.push(index..index + 1);
                sum = 0;
            }
        }
        sum += length;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn neighbours_stay_together() {
        assert_eq!(in_order(&[3, 5, 1, 9, 0, 8], 8), vec![0..2, 2..3, 3..4, 4..6]);
        assert!(in_order(&[], 8).is_empty());
    }
}
