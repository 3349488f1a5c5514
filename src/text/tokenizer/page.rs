//! Which ids stand round and for the squares of a page? As transformers' processors of the Idefics3 family write them out:
//!
//! ```text
//! prompt with <image> replaced by
//!   of each square      <fake_token_around_image> <row_r_col_c> <image> × n     and a line feed behind each row
//!   of the whole page   line feed <fake_token_around_image> <global-img> <image> × n <fake_token_around_image>
//! ```
//!
//! The text is tokenized as a whole. As image tokens cut it into parts that do not touch each other, the parts of the largest page
//! and of one that is not cut are all there is: other pages are put together of them, which is tried at load.

use crate::error::{Error, Result};
use crate::model::config::PageConfig;
use crate::text::token_batch::TokenSequence;

const IMAGE: &str = "<image>";
const FAKE: &str = "<fake_token_around_image>";
const WHOLE: &str = "<global-img>";

/// The ids of pages.
pub(crate) struct PagePrompt {
    image: u32,
    /// How many image tokens a square has.
    repeated: usize,
    /// Rows and columns of the largest page.
    most: usize,
    /// What stands in front of each square of the largest page, of the whole page, and behind that.
    cut: Vec<Vec<u32>>,
    /// What stands in front of the whole page and behind it where that is all.
    uncut: Vec<Vec<u32>>,
}

impl PagePrompt {
    /// # Errors
    /// [`Error::InvalidTokenizer`] for a tokenizer that has no image token, or the tokens of squares otherwise.
    pub(super) fn new(inner: &tokenizers::Tokenizer, config: &PageConfig) -> Result<Self> {
        let image = config.image_token_id;
        if inner.token_to_id(IMAGE) != Some(image) {
            let reason =
                format!("{IMAGE} is not the token {image} that config.json calls image_token_id");
            return Err(Error::InvalidTokenizer { reason });
        }
        let most = config.splitting.longest_edge.div_ceil(config.splitting.tile);
        let parts = |rows, columns| parts(inner, config, rows, columns);
        let (cut, uncut) = (parts(most, most)?, parts(0, 0)?);
        let prompt = Self { image, repeated: config.image_seq_len, most, cut, uncut };
        for (rows, columns) in [(1, 1), (1, most), (most, 1)] {
            if parts(rows, columns)? != prompt.parts(rows, columns) {
                let reason =
                    "the squares of a page are not tokens apart from each other".to_owned();
                return Err(Error::InvalidTokenizer { reason });
            }
        }
        Ok(prompt)
    }

    /// The tokens of a page that is cut into `rows` × `columns` squares beside the whole of it, or, of 0 × 0, into none. All are
    /// attended to; `only_patches` says whether image tokens alone yield embeddings.
    ///
    /// # Panics
    /// If there are more rows or columns than the largest page has.
    pub(crate) fn tokens(&self, rows: usize, columns: usize, only_patches: bool) -> TokenSequence {
        assert!(
            rows.max(columns) <= self.most,
            "no page has more than {} squares a side",
            self.most
        );
        let parts = self.parts(rows, columns);
        let between = vec![self.image; self.repeated];
        let ids: Vec<u32> = parts.join(between.as_slice());
        let embedding_mask = ids.iter().map(|&id| !only_patches || id == self.image).collect();
        TokenSequence {
            attention_mask: vec![true; ids.len()],
            embedding_mask,
            offsets: vec![None; ids.len()],
            truncated: false,
            ids,
        }
    }

    /// The id whose place a square's vectors take.
    pub(crate) fn image(&self) -> u32 {
        self.image
    }

    /// Most tokens that a page has.
    pub(crate) fn longest(&self) -> usize {
        self.tokens(self.most, self.most, false).len()
    }

    /// What stands between the image tokens of such a page.
    fn parts(&self, rows: usize, columns: usize) -> Vec<Vec<u32>> {
        if rows * columns == 0 {
            return self.uncut.clone();
        }
        let squares = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let of_square = |(row, column): (usize, usize)| self.cut[row * self.most + column].clone();
        let behind = self.cut.len() - 2;
        squares.map(of_square).chain(self.cut[behind..].iter().cloned()).collect()
    }
}

/// What stands between the image tokens of a page, each square having one.
fn parts(
    inner: &tokenizers::Tokenizer,
    config: &PageConfig,
    rows: usize,
    columns: usize,
) -> Result<Vec<Vec<u32>>> {
    let text = config.prompt.replacen(IMAGE, &image(rows, columns), 1);
    let invalid = |reason: String| Error::InvalidTokenizer { reason };
    let encoding = inner.encode(text, true).map_err(|error| invalid(error.to_string()))?;
    let parts: Vec<_> =
        encoding.get_ids().split(|&id| id == config.image_token_id).map(<[u32]>::to_vec).collect();
    let squares = rows * columns + 1;
    match parts.len() == squares + 1 {
        true => Ok(parts),
        false => {
            let found = parts.len() - 1;
            Err(invalid(format!("a page of {squares} squares has {found} tokens {IMAGE}")))
        }
    }
}

/// A page with one image token a square.
fn image(rows: usize, columns: usize) -> String {
    let mut text = String::new();
    for row in 1..=rows {
        for column in 1..=columns {
            text += &format!("{FAKE}<row_{row}_col_{column}>{IMAGE}");
        }
        text.push('\n');
    }
    if rows > 0 {
        text.push('\n');
    }
    text + &format!("{FAKE}{WHOLE}{IMAGE}{FAKE}")
}
