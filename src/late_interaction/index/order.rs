//! In which order do documents stand, so that alike ones share parts? By the coarse cluster of the codec's centroids that is nearest to the
//! sum of their tokens' centroids. That is a function of the codec and of the document alone: what else is in an index makes no difference.
//!
//! Of the parts that the 64 best documents of a query lie in, this leaves one of three on a collection of many topics, as a clustering
//! of the documents themselves would.

use crate::late_interaction::codec::{Clusters, ResidualCodec};

/// An order of documents.
pub(super) struct Order<'a> {
    codec: &'a ResidualCodec,
    clusters: Clusters,
}

impl<'a> Order<'a> {
    pub(super) fn new(codec: &'a ResidualCodec) -> Self {
        let clusters = Clusters::new(&codec.parts().centroids, codec.dimension());
        Self { codec, clusters }
    }

    /// Alike documents have numbers that are close. Those without embeddings come last.
    ///
    /// # Panics
    /// If a code has no centroid.
    pub(super) fn key(&self, codes: &[u32]) -> u32 {
        if codes.is_empty() {
            return self.clusters.count() as u32;
        }
        let (centroids, dimension) = (&self.codec.parts().centroids, self.codec.dimension());
        let mut sum = vec![0.0; dimension];
        for &code in codes {
            let centroid = &centroids[code as usize * dimension..][..dimension];
            sum.iter_mut().zip(centroid).for_each(|(sum, value)| *sum += value);
        }
        self.clusters.of(&sum)[0]
    }
}

#[cfg(test)]
mod tests {
    use super::Order;
    use crate::late_interaction::codec::ResidualCodec;
    use crate::late_interaction::codec::residual::ResidualParts;

    /// Two directions in turn, 32 centroids of each.
    #[test]
    fn documents_stand_by_what_most_of_their_tokens_are_like() {
        let parts = ResidualParts {
            dimension: 8,
            nbits: 1,
            centroids: (0..64 * 8).map(|i| f32::from(u8::from(i / 8 % 2 == i % 8))).collect(),
            cutoffs: vec![0.0],
            weights: vec![-0.1, 0.1],
            ..ResidualParts::default()
        };
        let codec = ResidualCodec::new(parts).unwrap();
        let order = Order::new(&codec);
        let keys = [order.key(&[0]), order.key(&[1])];
        assert_eq!([keys[0].min(keys[1]), keys[0].max(keys[1])], [0, 1]);
        assert_eq!(order.key(&[2, 4, 62, 1]), keys[0]);
        assert_eq!(order.key(&[1, 2, 4, 62]), keys[0]);
        assert_eq!(order.key(&[3, 5, 63, 0]), keys[1]);
        assert_eq!(order.key(&[]), 2);
    }
}
