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

/// Cuts texts into batches of similar length, so that little is padded: indices into `lengths`, longest first. A batch padded to
/// its longest text has at most `tokens` tokens, unless a single text has more. Texts of length 0 are
/// left out.
pub(crate) fn by_length(lengths: &[usize], tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).filter(|&index| lengths[index] > 0).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(lengths[index]), index));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for index in order {
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * lengths[batch[0]] <= tokens => batch.push(index),
            _ => batches.push(vec![index]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::{by_length, in_order};

    #[test]
    fn neighbours_stay_together() {
        assert_eq!(in_order(&[3, 5, 1, 9, 0, 8], 8), vec![0..2, 2..3, 3..4, 4..6]);
        assert!(in_order(&[], 8).is_empty());
    }

    #[test]
    fn batches_are_sorted_and_bounded() {
        assert_eq!(by_length(&[3, 0, 10, 4, 4], 8), vec![vec![2], vec![3, 4], vec![0]]);
        assert!(by_length(&[0, 0], 8).is_empty());
    }
}
