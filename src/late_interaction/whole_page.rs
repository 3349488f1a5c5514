//! What vectors does a page have that a model sees in one piece? As [`super::page`], with the whole page as the only tile:
//!
//! ```text
//! Picture → resized → [tokens, hidden] → prompt with all of them → [tokens, dimension]
//! ```

use burn::tensor::{Device, Tensor};

use crate::device::read;
use crate::encoder::Watch;
use crate::encoder::vision::WholeTower;
use crate::error::{Error, Result};
use crate::image::smart::{SmartSize, patches};
use crate::image::{Picture, resize};
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::encode::States;
use crate::late_interaction::page::{
    EncodedPage, PageInspection, PageLayout, PageOptions, check_features, check_finite, kept,
};
use crate::model::checkpoint::CheckpointFiles;
use crate::model::config::{WholePageConfig, WholeTowerConfig};
use crate::observer::{Observer, Stage, Unobserved, batch_done, pause};
use crate::ops::tensor;
use crate::text::token_batch::{Features, TokenBatch, TokenSequence};
use crate::text::tokenizer::WholePrompt;

/// What such a model needs to read pages.
pub(crate) struct WholePage {
    config: WholePageConfig,
    tower: WholeTower,
}

impl WholePage {
    /// Puts the tower's weights on `device`.
    ///
    /// # Errors
    /// A weight that is missing, misshapen, of an unknown type or not finite; [`Error::Aborted`].
    pub(crate) async fn load(
        files: &CheckpointFiles,
        config: &WholePageConfig,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let tower = WholeTower::load(config, files, device, observer).await?;
        Ok(Self { config: config.clone(), tower })
    }

    /// One tile, whatever the picture's size.
    ///
    /// # Errors
    /// [`Error::Argument`] for options that do not go with the model; [`Error::PictureRatio`].
    pub(crate) fn layout(&self, page: [usize; 2], options: PageOptions) -> Result<PageLayout> {
        if options.longest_edge.is_some() {
            let reason = "does not go with this model, which sees a page in one piece";
            return Err(Error::argument("longestEdge", reason));
        }
        self.size(page)?;
        Ok(PageLayout { rows: 0, columns: 0, page })
    }

    /// The size that a page is brought to, width and height.
    fn size(&self, [width, height]: [usize; 2]) -> Result<[usize; 2]> {
        match &self.config.tower {
            WholeTowerConfig::Siglip(vision) => Ok([vision.image_size; 2]),
            &WholeTowerConfig::Qwen2 { ref vision, min_pixels, max_pixels } => {
                let factor = vision.patch_size * vision.spatial_merge_size;
                SmartSize { factor, min_pixels, max_pixels }.of(width, height)
            }
        }
    }

    /// Rows and columns of a page's tokens.
    fn grid(&self, page: [usize; 2]) -> Result<[usize; 2]> {
        let [width, height] = self.size(page)?;
        let side = match &self.config.tower {
            WholeTowerConfig::Siglip(vision) => vision.patch_size,
            WholeTowerConfig::Qwen2 { vision, .. } => vision.patch_size * vision.spatial_merge_size,
        };
        Ok([height / side, width / side])
    }

    /// Vectors of a page's tokens, `[tokens, hidden]`. The observer can stop the call between layers.
    ///
    /// # Errors
    /// As [`WholePage::layout`]; [`Error::Overflow`]; [`Error::Aborted`].
    pub(crate) async fn features(
        &self,
        picture: &Picture,
        options: PageOptions,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Vec<f32>> {
        let page = [picture.width(), picture.height()];
        self.layout(page, options)?;
        pause(observer).await?;
        let (patches, grid) = self.patches(picture)?;
        observer.stage(Stage::Encode);
        let vectors = read(self.tower.forward(patches, grid, watch, observer).await?).await?;
        check_finite(&vectors)?;
        batch_done(observer, 1, 1).await?;
        Ok(vectors)
    }

    /// The resized page's patches, and how many rows and columns of them there are.
    fn patches(&self, picture: &Picture) -> Result<(Tensor<2>, [usize; 2])> {
        let [width, height] = self.size([picture.width(), picture.height()])?;
        let resized = resize(picture, width, height, self.config.filter);
        let (numbers, grid) = match &self.config.tower {
            WholeTowerConfig::Siglip(vision) => {
                let numbers = vision.patches_of(&self.config.pixels, resized.pixels());
                (numbers, [vision.side(); 2])
            }
            WholeTowerConfig::Qwen2 { vision, .. } => {
                let found = patches(&resized, vision.patching(), &self.config.pixels);
                (found.values, [found.rows, found.columns])
            }
        };
        let count = grid[0] * grid[1];
        let width = numbers.len() / count;
        Ok((tensor(numbers, [count, width], self.tower.device()), grid))
    }

    /// A page's vectors by those of its tokens, `[tokens, hidden]`.
    ///
    /// # Errors
    /// [`Error::Argument`] where there are not as many as the page calls for, or one is no number; [`Error::Overflow`];
    /// [`Error::Aborted`].
    pub(crate) async fn embeddings(
        &self,
        model: &ColBert,
        features: Vec<f32>,
        layout: &PageLayout,
        options: PageOptions,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<EncodedPage> {
        let grid = self.grid(layout.page)?;
        let expected = grid[0] * grid[1] * self.config.text_hidden_size;
        check_features(&features, expected, "this page makes")?;
        observer.stage(Stage::Encode);
        let prompt = prompt(model)?;
        let sequence = prompt.tokens(grid[0] * grid[1], options.only_patches);
        if sequence.len() > model.max_length() {
            let (tokens, most) = (sequence.len(), model.max_length());
            let reason = format!("is made {tokens} tokens of, and the model reads {most}");
            return Err(Error::argument("page", reason));
        }
        let mut batch = TokenBatch::new([&sequence]);
        batch.features = Some(Features { id: prompt.image(), rows: features });
        batch.places = self.places(&sequence, prompt.image(), grid);
        let hidden = model.hidden_states(&batch, watch, observer).await?;
        let rows = read(model.project(hidden, [&sequence].into_iter())).await?;
        check_finite(&rows)?;
        let (embeddings, patches) = kept(&sequence, prompt.image(), &rows, model.dimension());
        Ok(EncodedPage { embeddings, grid, page: layout.page, tile: None, patches })
    }

    /// Of a model whose tokens have three: a text's are counted, an image's begin where it does, and the text goes on behind the larger
    /// of its sides.
    fn places(
        &self,
        sequence: &TokenSequence,
        image: u32,
        [rows, columns]: [usize; 2],
    ) -> Option<Vec<[u32; 3]>> {
        let WholeTowerConfig::Qwen2 { .. } = self.config.tower else {
            return None;
        };
        let (mut next, mut patch) = (0, 0);
        let place = |&id: &u32| {
            if id != image {
                next += 1;
                return [next - 1; 3];
            }
            let (row, column) = (patch / columns, patch % columns);
            patch += 1;
            let place = [next, next + row as u32, next + column as u32];
            if patch == rows * columns {
                next += rows.max(columns) as u32;
            }
            place
        };
        Some(sequence.ids.iter().map(place).collect())
    }
}

/// Every stage of one page.
///
/// # Errors
/// As [`WholePage::features`] and [`WholePage::embeddings`].
pub(crate) async fn inspect(
    model: &ColBert,
    pages: &WholePage,
    picture: &Picture,
    options: PageOptions,
) -> Result<PageInspection> {
    let observer = &mut Unobserved;
    let layout = pages.layout([picture.width(), picture.height()], options)?;
    let mut states = States::default();
    let features = pages.features(picture, options, &mut states, observer).await?;
    let tower = vec![states.read().await?];
    let mut states = States::default();
    let all = features.clone();
    let page = pages.embeddings(model, all, &layout, options, &mut states, observer).await?;
    let [rows, columns] = page.grid;
    let tokens = prompt(model)?.tokens(rows * columns, options.only_patches);
    let hidden_states = states.read().await?;
    Ok(PageInspection { layout, tower, features, tokens, hidden_states, page })
}

/// The ids round an image.
///
/// # Errors
/// Why the tokenizer has none.
pub(crate) fn prompt(model: &ColBert) -> Result<&WholePrompt> {
    let prompt = model.tokenizer().whole_prompt();
    prompt.expect("a model with a page side has one").as_ref().map_err(Error::clone)
}
