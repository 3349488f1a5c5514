//! What vectors does a page have? Its picture is cut into tiles, the tower makes some vectors of each tile, and the text tower reads
//! them in the places of the image tokens of the page's prompt:
//!
//! ```text
//! Picture → tiles → [tokens of a tile, hidden] each → prompt with all of them → [tokens, dimension]
//! ```
//!
//! A tile's vectors are a function of the model and its pixels alone, so that the tiles of a page can be spread over several
//! instances of a model. Then one of them reads all.

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use crate::device::read;
use crate::encoder::vision::PageTower;
use crate::encoder::{Unwatched, Watch};
use crate::error::{Error, Result};
use crate::image::Picture;
use crate::image::tiles::{Splitting, split};
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::embeddings::TokenEmbeddings;
use crate::late_interaction::encode::States;
use crate::model::checkpoint::CheckpointFiles;
use crate::model::config::{PageConfig, PageReader};
use crate::observer::{Observer, Stage, Unobserved, batch_done, pause};
use crate::ops::tensor;
use crate::text::token_batch::{Features, TokenBatch, TokenSequence};
use crate::text::tokenizer::PagePrompt;

/// How a page is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageOptions {
    /// Pixels that the longer side of the page gets, at most as many as the checkpoint says, which is also what it gets where this
    /// says nothing. Fewer make fewer tiles, in less time, and other vectors.
    pub longest_edge: Option<usize>,
    /// Whether vectors of the prompt's words and marks are left out.
    pub only_patches: bool,
}

/// The tiles of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLayout {
    /// 0, as `columns`, where the page is seen in one tile alone.
    pub rows: usize,
    pub columns: usize,
    /// Width and height of the page in pixels.
    pub page: [usize; 2],
}

impl PageLayout {
    /// How many tiles there are: those of the rows, row by row, and the overview.
    pub fn tiles(&self) -> usize {
        self.rows * self.columns + 1
    }
}

/// A page's vectors and where on the page they are.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedPage {
    /// One text: the vectors in the order of the page's tokens.
    pub embeddings: TokenEmbeddings,
    /// Rows and columns of patches over the page. The first vectors of patches are theirs, tile after tile; those that are left are
    /// the overview's, which has `tile` × `tile` of them.
    pub grid: [usize; 2],
    /// Width and height of the page in pixels.
    pub page: [usize; 2],
    /// Patches of a tile's side; inside a tile they go row by row. `None` where they do over the whole page.
    pub tile: Option<usize>,
    /// Of each vector whether it is a patch's.
    pub patches: Vec<bool>,
}

impl EncodedPage {
    /// For each place of the grid, row by row, which vector is that of the patch there.
    pub fn places(&self) -> Vec<usize> {
        let patches: Vec<usize> =
            (0..self.patches.len()).filter(|&row| self.patches[row]).collect();
        let [rows, columns] = self.grid;
        let place = |row: usize, column: usize| match self.tile {
            Some(side) => {
                let tile = row / side * (columns / side) + column / side;
                tile * side * side + row % side * side + column % side
            }
            None => row * columns + column,
        };
        let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        all.map(|(row, column)| patches[place(row, column)]).collect()
    }
}

/// What a late-interaction model needs to read pages.
pub(crate) struct PageSide {
    config: PageConfig,
    tower: PageTower,
}

impl PageSide {
    /// Puts the tower's weights on `device`. With `keep` a bundle's tensors stay, for a load on a second device.
    ///
    /// # Errors
    /// A weight that is missing, misshapen, of an unknown type or not finite; [`Error::Aborted`].
    pub(crate) async fn load(
        files: &CheckpointFiles,
        config: &PageConfig,
        device: &Device,
        keep: bool,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let weights = PageReader::Tiles(config).tower_weights(files)?.keeping(keep);
        let tower = PageTower::load(config, &weights, device, observer).await?;
        Ok(Self { config: config.clone(), tower })
    }

    /// The tiles of a picture of this size.
    ///
    /// # Errors
    /// [`Error::Argument`] for options that do not go with the model.
    pub(crate) fn layout(&self, page: [usize; 2], options: PageOptions) -> Result<PageLayout> {
        let [rows, columns] = self.splitting(options)?.grid(page[0], page[1]);
        let most = self.most_tiles_a_side();
        match rows.max(columns) <= most {
            true => Ok(PageLayout { rows, columns, page }),
            false => Err(Error::argument(
                "page",
                format!("makes {rows} × {columns} tiles; {most} × {most} are the most"),
            )),
        }
    }

    /// Holds a layout that came from outside against the model.
    fn check(&self, layout: &PageLayout) -> Result<()> {
        let PageLayout { rows, columns, page } = *layout;
        let most = self.most_tiles_a_side();
        let whole = (rows == 0) == (columns == 0) && page[0] > 0 && page[1] > 0;
        match whole && rows.max(columns) <= most {
            true => Ok(()),
            false => Err(Error::argument(
                "layout",
                format!(
                    "has {rows} × {columns} tiles; 0 × 0 or 1 × 1 to {most} × {most} are taken, of a page with pixels"
                ),
            )),
        }
    }

    fn most_tiles_a_side(&self) -> usize {
        let splitting = &self.config.splitting;
        splitting.longest_edge.div_ceil(splitting.tile)
    }

    fn splitting(&self, options: PageOptions) -> Result<Splitting> {
        let own = &self.config.splitting;
        let longest_edge = options.longest_edge.unwrap_or(own.longest_edge);
        if !(1..=own.longest_edge).contains(&longest_edge) {
            let reason =
                format!("is {longest_edge}; 1 to {} pixels can be asked for", own.longest_edge);
            return Err(Error::argument("longestEdge", reason));
        }
        Ok(Splitting { longest_edge, ..*own })
    }

    /// Vectors of some of a picture's tiles, `[tiles · tokens of a tile, hidden]`. The observer is told of each tile and can stop the
    /// call between layers.
    ///
    /// # Errors
    /// [`Error::Argument`] for tiles that there are not, or options that do not go with the model; [`Error::NotFinite`];
    /// [`Error::Aborted`].
    pub(crate) async fn features(
        &self,
        picture: &Picture,
        tiles: Range<usize>,
        options: PageOptions,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Vec<f32>> {
        let layout = self.layout([picture.width(), picture.height()], options)?;
        let count = layout.tiles();
        if tiles.start > tiles.end || tiles.end > count {
            let reason = format!("are {} to {}; the page has {count}", tiles.start, tiles.end);
            return Err(Error::argument("tiles", reason));
        }
        pause(observer).await?;
        let cut = split(picture, &self.splitting(options)?);
        observer.stage(Stage::Encode);
        let mut features = Vec::new();
        for (done, tile) in tiles.clone().enumerate() {
            let patches = self.patches(&cut.tiles[tile]);
            let vectors = read(self.tower.forward(patches, watch, observer).await?).await?;
            check_finite(&vectors)?;
            features.extend(vectors);
            batch_done(observer, done + 1, tiles.len()).await?;
        }
        Ok(features)
    }

    /// Patches of a tile.
    pub(crate) fn patches_of_a_tile(&self) -> usize {
        self.config.vision.patches()
    }

    /// The fewest patches that have vectors: those of a tile's first rows.
    pub(crate) fn strip(&self) -> usize {
        self.config.vision.side() * self.config.pixel_shuffle_factor
    }

    /// Vectors of the first patches of a made tile, for a check of the device.
    ///
    /// # Errors
    /// [`Error::Aborted`].
    pub(crate) async fn made_features(
        &self,
        patches: usize,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let width = self.config.vision.patch_width();
        let numbers =
            (0..patches * width).map(|place| ((place * 7_919) % 255) as f32 / 127.5 - 1.0);
        let patches = tensor(numbers.collect(), [patches, width], self.tower.device());
        self.tower.forward(patches, &mut Unwatched, observer).await
    }

    /// A tile's patches, row by row, `[patches, numbers]`: of each the reds row by row, the greens, the blues.
    fn patches(&self, tile: &Picture) -> Tensor<2> {
        let vision = &self.config.vision;
        let numbers = vision.patches_of(&self.config.pixels, tile.pixels());
        tensor(numbers, [vision.patches(), vision.patch_width()], self.tower.device())
    }

    /// A page's vectors by those of all its tiles, in order, `[tiles · tokens of a tile, hidden]`.
    ///
    /// # Errors
    /// [`Error::Argument`] where there are not as many as the layout calls for, or one is no number; [`Error::NotFinite`];
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
        self.check(layout)?;
        let tokens = layout.tiles() * self.config.image_seq_len;
        let expected = tokens * self.config.text_hidden_size;
        check_features(&features, expected, &format!("{} tiles make", layout.tiles()))?;
        observer.stage(Stage::Encode);
        let prompt = prompt(model)?;
        let sequence = prompt.tokens(layout.rows, layout.columns, options.only_patches);
        let mut batch = TokenBatch::new([&sequence]);
        batch.features = Some(Features { id: prompt.image(), rows: features });
        let hidden = model.hidden_states(&batch, watch, observer).await?;
        let rows = read(model.project(hidden, [&sequence].into_iter())).await?;
        check_finite(&rows)?;
        let (embeddings, patches) = kept(&sequence, prompt.image(), &rows, model.dimension());
        let side = self.config.tokens_per_side();
        let grid = [layout.rows.max(1) * side, layout.columns.max(1) * side];
        Ok(EncodedPage { embeddings, grid, page: layout.page, tile: Some(side), patches })
    }
}

/// What is kept of the rows `[tokens, dimension]` of a page's tokens, and which of it is patches', whose token is `image`.
pub(crate) fn kept(
    sequence: &TokenSequence,
    image: u32,
    rows: &[f32],
    dimension: usize,
) -> (TokenEmbeddings, Vec<bool>) {
    let mut embeddings = TokenEmbeddings::new(dimension);
    let row = |position: usize| &rows[position * dimension..(position + 1) * dimension];
    let kept: Vec<f32> = sequence.embedded().flat_map(row).copied().collect();
    embeddings.push(&kept);
    let is_patch = |position: usize| sequence.ids[position] == image;
    (embeddings, sequence.embedded().map(is_patch).collect())
}

/// Holds a tower's numbers that came from outside against how many `makers`, as the error says, "this page makes".
///
/// # Errors
/// [`Error::Argument`].
pub(crate) fn check_features(features: &[f32], expected: usize, makers: &str) -> Result<()> {
    if features.len() != expected {
        let reason = format!("have {} numbers; {makers} {expected}", features.len());
        return Err(Error::argument("features", reason));
    }
    match features.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(Error::argument("features", "hold a value that is not finite")),
    }
}

/// Every stage of one page, for tests and bug reports.
#[derive(Debug, Clone, PartialEq)]
pub struct PageInspection {
    pub layout: PageLayout,
    /// Of each tile the embeddings' output, then each layer's, then what the last norm makes of that, `[patches, hidden]` each.
    pub tower: Vec<Vec<Vec<f32>>>,
    /// `[tiles · tokens of a tile, text hidden]`.
    pub features: Vec<f32>,
    pub tokens: TokenSequence,
    /// The text tower's, as [`crate::Inspection`] has them.
    pub hidden_states: Vec<Vec<f32>>,
    pub page: EncodedPage,
}

/// Every stage of one page.
///
/// # Errors
/// As [`PageSide::features`] and [`PageSide::embeddings`].
pub(crate) async fn inspect(
    model: &ColBert,
    pages: &PageSide,
    picture: &Picture,
    options: PageOptions,
) -> Result<PageInspection> {
    let observer = &mut Unobserved;
    let layout = pages.layout([picture.width(), picture.height()], options)?;
    let (mut tower, mut features) = (Vec::new(), Vec::new());
    for tile in 0..layout.tiles() {
        let mut states = States::default();
        let own = pages.features(picture, tile..tile + 1, options, &mut states, observer).await?;
        features.extend(own);
        tower.push(states.read().await?);
    }
    let mut states = States::default();
    let all = features.clone();
    let page = pages.embeddings(model, all, &layout, options, &mut states, observer).await?;
    let prompt = prompt(model)?;
    let tokens = prompt.tokens(layout.rows, layout.columns, options.only_patches);
    let hidden_states = states.read().await?;
    Ok(PageInspection { layout, tower, features, tokens, hidden_states, page })
}

/// The ids of pages.
///
/// # Errors
/// Why the tokenizer has none.
pub(crate) fn prompt(model: &ColBert) -> Result<&PagePrompt> {
    let prompt = model.tokenizer().page_prompt();
    prompt.expect("a model with a page side has one").as_ref().map_err(Error::clone)
}

pub(crate) fn check_finite(values: &[f32]) -> Result<()> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(Error::Overflow { what: "a vector of the page".to_owned() }),
    }
}
