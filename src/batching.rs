//! Which texts are computed together? Texts of like length, so that little is padded.

/// Cuts texts into batches of similar length: indices into `lengths`, longest first. A batch padded to
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
    use super::by_length;

    #[test]
    fn batches_are_sorted_and_bounded() {
        assert_eq!(by_length(&[3, 0, 10, 4, 4], 8), vec![vec![2], vec![3, 4], vec![0]]);
        assert!(by_length(&[0, 0], 8).is_empty());
    }
}
