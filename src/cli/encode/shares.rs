//! What does each core encode by itself? Texts that follow each other, enough to fill a batch; what comes of them goes on in order.
//!
//! Each core has one share at a time, so that memory grows with the cores and not with the texts.

use pollster::block_on;
use rayon::prelude::*;
use tabrank::late_interaction::codec::CompressedEmbeddings;
use tabrank::{Encoded, Error, Reranker, Unobserved};

use super::settings::Settings;

/// Bytes of text that end a share: a thousand tokens or so.
const BYTES: usize = 4_096;

/// Texts that were encoded together, as they are stored, and for each whether it was cut.
pub type Coded = (CompressedEmbeddings, Vec<bool>);

/// What comes of the first of the texts.
pub struct Share {
    /// How many texts it has.
    pub texts: usize,
    pub batches: Vec<Coded>,
    /// Why the batches are not of all of them.
    pub error: Option<Error>,
}

/// Encodes the first of some texts, a share a core.
pub fn encode(model: &Reranker, settings: &Settings, texts: &[&str]) -> Vec<Share> {
    let shares = cut(texts, rayon::current_num_threads());
    shares.into_par_iter().map(|texts| share(model, settings, texts)).collect()
}

fn share(model: &Reranker, settings: &Settings, texts: &[&str]) -> Share {
    let Settings { kind, options, codec, .. } = settings;
    let mut batches = Vec::new();
    let each = |Encoded { embeddings, truncated }: Encoded| {
        batches.push((codec.compress(&embeddings)?, truncated));
        Ok(())
    };
    let encoded = block_on(model.encode_each(*kind, texts, *options, &mut Unobserved, each));
    Share { texts: texts.len(), batches, error: encoded.err() }
}

/// At most `count` shares.
fn cut<'a, 'b>(mut texts: &'a [&'b str], count: usize) -> Vec<&'a [&'b str]> {
    let mut shares = Vec::new();
    while !texts.is_empty() && shares.len() < count {
        let mut bytes = 0;
        let end = texts.iter().position(|text| {
            bytes += text.len();
            bytes >= BYTES
        });
        let (share, rest) = texts.split_at(end.map_or(texts.len(), |last| last + 1));
        shares.push(share);
        texts = rest;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::{BYTES, cut};

    #[test]
    fn shares_follow_each_other_and_fill_a_batch() {
        let long = "x".repeat(BYTES);
        let half = &long[..BYTES / 2];
        let texts = [half, half, &long, "", half, half, "a", "b"];
        let shares = cut(&texts, 8);
        assert_eq!(shares.iter().map(|share| share.len()).collect::<Vec<_>>(), [2, 1, 3, 2]);
        assert_eq!(shares.concat(), texts);
        assert_eq!(cut(&texts, 2).concat(), texts[..3]);
        assert!(cut(&[], 2).is_empty());
    }
}
