//! Which texts are computed together?

/// Gathers what follows each other into batches of at most `most` tokens each, unless a single item has more.
pub(crate) struct Batching<T> {
    most: usize,
    batch: Vec<T>,
    tokens: usize,
}

impl<T> Batching<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, batch: Vec::new(), tokens: 0 }
    }

    /// Takes the next item; answers the batch before it if it does not fit in.
    pub(crate) fn push(&mut self, item: T, tokens: usize) -> Option<Vec<T>> {
        let full = !self.batch.is_empty() && self.tokens + tokens > self.most;
        let done = full.then(|| self.finish());
        self.batch.push(item);
        self.tokens += tokens;
        done
    }

    /// What is left; empty when all of it went.
    pub(crate) fn finish(&mut self) -> Vec<T> {
        self.tokens = 0;
        std::mem::take(&mut self.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::Batching;
    use crate::random::SplitMix64;

    fn batches(lengths: &[usize], most: usize) -> Vec<Vec<usize>> {
        let mut batching = Batching::new(most);
        let mut found: Vec<Vec<usize>> =
            lengths.iter().filter_map(|&length| batching.push(length, length)).collect();
        found.push(batching.finish());
        found
    }

    #[test]
    fn neighbours_stay_together() {
        let expected = [vec![3, 5], vec![1], vec![9], vec![0, 8]];
        assert_eq!(batches(&[3, 5, 1, 9, 0, 8], 8), expected);
        assert_eq!(batches(&[], 8), [vec![0usize; 0]]);
        assert_eq!(batches(&[9], 8), [vec![9]]);
    }

    #[test]
    fn no_batch_of_several_has_more_than_the_most_and_nothing_is_lost() {
        let mut random = SplitMix64(1);
        for _ in 0..1000 {
            let most = 1 + (random.next() % 1024) as usize;
            let lengths: Vec<usize> =
                (0..random.next() % 50).map(|_| (random.next() % 600) as usize).collect();
            let batches = batches(&lengths, most);
            for batch in &batches {
                assert!(batch.len() <= 1 || batch.iter().sum::<usize>() <= most, "{batch:?}");
            }
            assert_eq!(batches.concat(), lengths);
        }
    }
}
