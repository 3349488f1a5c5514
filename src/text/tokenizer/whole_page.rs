//! Which ids stand round the tokens of a page that is seen in one piece?

use crate::error::{Error, Result};
use crate::model::config::WholePageConfig;
use crate::text::token_batch::TokenSequence;

/// The ids of such pages.
pub(crate) struct WholePrompt {
    image: u32,
    before: Vec<u32>,
    behind: Vec<u32>,
}

impl WholePrompt {
    /// # Errors
    /// [`Error::InvalidTokenizer`] for a tokenizer that has no image token, or another one.
    pub(super) fn new(inner: &tokenizers::Tokenizer, config: &WholePageConfig) -> Result<Self> {
        let (image, name) = (config.image_token_id, config.image_token);
        let invalid = |reason: String| Error::InvalidTokenizer { reason };
        if inner.token_to_id(name) != Some(image) {
            let reason = format!("{name} is not the token {image} that config.json names");
            return Err(invalid(reason));
        }
        let encoding = inner.encode(config.prompt.as_str(), true);
        let encoding = encoding.map_err(|error| invalid(error.to_string()))?;
        let mut parts = encoding.get_ids().split(|&id| id == image).map(<[u32]>::to_vec);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(before), Some(behind), None) => Ok(Self { image, before, behind }),
            _ => Err(invalid(format!("a page's prompt does not have the token {name} once"))),
        }
    }

    /// The tokens of a page with this many of the image's. All are attended to; `only_patches` says whether image tokens alone yield
    /// embeddings.
    pub(crate) fn tokens(&self, count: usize, only_patches: bool) -> TokenSequence {
        let ids = [self.before.clone(), vec![self.image; count], self.behind.clone()].concat();
        let embedding_mask = ids.iter().map(|&id| !only_patches || id == self.image).collect();
        TokenSequence {
            attention_mask: vec![true; ids.len()],
            embedding_mask,
            offsets: vec![None; ids.len()],
            truncated: false,
            ids,
        }
    }

    /// The id whose place a vector of the image takes.
    pub(crate) fn image(&self) -> u32 {
        self.image
    }
}
