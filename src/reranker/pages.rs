//! Pages: documents that are images. Only a model that reads them has the weights for it, and only once they were asked for.

use std::ops::Range;

use super::Reranker;
use crate::device;
use crate::device::DeviceKind;
use crate::device_check::pages::check_pages;
use crate::encoder::Unwatched;
use crate::error::{Error, Result};
use crate::image::Picture;
use crate::late_interaction::colbert::ColBert;
use crate::late_interaction::page::{
    self, EncodedPage, PageInspection, PageLayout, PageOptions, PageSide,
};
use crate::late_interaction::whole_page::{self, WholePage};
use crate::model::bundle::TensorSpec;
use crate::model::checkpoint::CheckpointFiles;
use crate::model::config::PageReader;
use crate::model::room;
use crate::observer::{Observer, Stage};

/// How a model reads pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageInfo {
    /// Pixels of a page's longer side, unless a call says otherwise.
    pub longest_edge: usize,
    /// Pixels of a tile's side.
    pub tile_size: usize,
    /// Of the weights that only pages need, as they are stored.
    pub bytes: u64,
}

impl Reranker {
    /// How pages are read, whether what they need was loaded or not; `None` for a model that reads none.
    pub fn page_info(&self) -> Option<PageInfo> {
        let config = self.page_config.as_ref()?.as_ref().ok()?;
        let values = |spec: &TensorSpec| spec.shape.iter().product::<usize>() as u64;
        let bytes = match &self.manifest {
            Some(manifest) => manifest.pages.iter().map(|entry| entry.integrity.bytes).sum(),
            None => 4 * config.tensors().iter().map(values).sum::<u64>(),
        };
        let (longest_edge, tile_size) = (config.splitting.longest_edge, config.splitting.tile);
        Some(PageInfo { longest_edge, tile_size, bytes })
    }

    /// Loads what only pages need, onto the device that the model is on. `files` are the model's own, with
    /// [`CheckpointFiles::take_pages`] or [`CheckpointFiles::take_pages_alone`]. A second call does nothing.
    ///
    /// # Errors
    /// [`Error::Argument`] for a model that reads no pages, and for the files of another one; what the files say wrongly;
    /// [`Error::DeviceRejected`] for a GPU that computes something else than the CPU; [`Error::Aborted`].
    pub async fn load_pages(
        &mut self,
        files: &CheckpointFiles,
        observer: &mut impl Observer,
    ) -> Result<()> {
        if self.reads_pages() {
            return Ok(());
        }
        observer.stage(Stage::Load);
        let model = self.model.late("encoding of pages")?;
        let whole = self.whole_page_config.as_ref().filter(|_| !cfg!(target_arch = "wasm32"));
        if let Some(config) = whole {
            let config = config.as_ref().map_err(Error::clone)?;
            whole_page::prompt(model)?;
            self.check_page_files(files, &PageReader::Whole(config).tensors())?;
            let device = model.device().clone();
            self.whole_pages = Some(WholePage::load(files, config, &device, observer).await?);
            return Ok(());
        }
        let config = match &self.page_config {
            Some(config) => config.as_ref().map_err(Error::clone)?,
            None => return Err(no_pages()),
        };
        let longest = page::prompt(model)?.longest();
        if longest > model.max_length() {
            let reason =
                format!("of {longest} tokens are made, and the model reads {}", model.max_length());
            return Err(Error::argument("pages", reason));
        }
        self.check_page_files(files, &config.tensors())?;
        let gpu = self.kind == DeviceKind::WebGpu;
        let on_cpu = PageSide::load(files, config, &device::cpu(), gpu, observer).await?;
        self.pages = Some(match gpu {
            false => on_cpu,
            true => {
                let on_gpu = PageSide::load(files, config, model.device(), false, observer).await?;
                check_pages(&on_gpu, &on_cpu, self.info.dtype, observer).await?;
                on_gpu
            }
        });
        Ok(())
    }

    /// Whether the files are those of this model and have what only pages need, in no more memory than there is taken to be.
    fn check_page_files(&self, files: &CheckpointFiles, tensors: &[TensorSpec]) -> Result<()> {
        if files.manifest() != self.manifest.as_deref() {
            return Err(Error::argument("files", "are not those that the model was loaded from"));
        }
        files.check_page_tensors(tensors)?;
        room::check(tensors, self.info.dtype)
    }

    /// Whether pages can be encoded.
    pub fn reads_pages(&self) -> bool {
        self.pages.is_some() || self.whole().is_some()
    }

    /// The tiles of a picture.
    ///
    /// # Errors
    /// [`Error::Argument`] for options that do not go with the model, and without [`Reranker::load_pages`].
    pub fn page_tiles(&self, picture: &Picture, options: PageOptions) -> Result<PageLayout> {
        self.page_layout([picture.width(), picture.height()], options)
    }

    /// The tiles of a picture of this width and height, which is cut without being looked at.
    ///
    /// # Errors
    /// As [`Reranker::page_tiles`].
    pub fn page_layout(&self, page: [usize; 2], options: PageOptions) -> Result<PageLayout> {
        match self.whole() {
            Some(pages) => pages.layout(page, options),
            None => self.page_side()?.1.layout(page, options),
        }
    }

    /// Vectors of some of a picture's tiles, `[tiles · tokens of a tile, hidden]`; no tile's depend on another's. The observer is told of
    /// each tile.
    ///
    /// # Errors
    /// [`Error::Argument`] for tiles that there are not and as [`Reranker::page_tiles`]; [`Error::Overflow`]; [`Error::DeviceRejected`];
    /// [`Error::Aborted`].
    pub async fn tile_features(
        &self,
        picture: &Picture,
        tiles: Range<usize>,
        options: PageOptions,
        observer: &mut impl Observer,
    ) -> Result<Vec<f32>> {
        if let Some(pages) = self.whole() {
            if tiles != (0..1) {
                return Err(Error::argument("tiles", "are not 0 to 1, the page in one piece"));
            }
            self.watch_gpu(observer).await?;
            return pages.features(picture, options, &mut Unwatched, observer).await;
        }
        let (_, pages) = self.page_side()?;
        self.watch_gpu(observer).await?;
        pages.features(picture, tiles, options, &mut Unwatched, observer).await
    }

    /// A page's vectors by those of all its tiles, in the tiles' order.
    ///
    /// # Errors
    /// [`Error::Argument`] for vectors that are not those of the layout's tiles and as [`Reranker::page_tiles`]; [`Error::Overflow`];
    /// [`Error::DeviceRejected`]; [`Error::Aborted`].
    pub async fn page_embeddings(
        &self,
        features: Vec<f32>,
        layout: &PageLayout,
        options: PageOptions,
        observer: &mut impl Observer,
    ) -> Result<EncodedPage> {
        if let Some(pages) = self.whole() {
            let model = self.model.late("encoding of pages")?;
            self.watch_gpu(observer).await?;
            let watch = &mut Unwatched;
            return pages.embeddings(model, features, layout, options, watch, observer).await;
        }
        let (model, pages) = self.page_side()?;
        self.watch_gpu(observer).await?;
        pages.embeddings(model, features, layout, options, &mut Unwatched, observer).await
    }

    /// A page's vectors.
    ///
    /// # Errors
    /// As [`Reranker::tile_features`] and [`Reranker::page_embeddings`].
    pub async fn encode_page(
        &self,
        picture: &Picture,
        options: PageOptions,
        observer: &mut impl Observer,
    ) -> Result<EncodedPage> {
        let layout = self.page_tiles(picture, options)?;
        let all = 0..layout.tiles();
        let features = self.tile_features(picture, all, options, observer).await?;
        self.page_embeddings(features, &layout, options, observer).await
    }

    /// Every stage of one page, for tests and bug reports.
    ///
    /// # Errors
    /// As [`Reranker::encode_page`].
    pub async fn inspect_page(
        &self,
        picture: &Picture,
        options: PageOptions,
    ) -> Result<PageInspection> {
        if let Some(pages) = self.whole() {
            let model = self.model.late("encoding of pages")?;
            return whole_page::inspect(model, pages, picture, options).await;
        }
        let (model, pages) = self.page_side()?;
        page::inspect(model, pages, picture, options).await
    }

    /// A model that sees a page in one piece; in a tab there is none, and its code is left out.
    fn whole(&self) -> Option<&WholePage> {
        self.whole_pages.as_ref().filter(|_| !cfg!(target_arch = "wasm32"))
    }

    fn page_side(&self) -> Result<(&ColBert, &PageSide)> {
        let model = self.model.late("encoding of pages")?;
        if let Some(pages) = &self.pages {
            return Ok((model, pages));
        }
        let config = self.page_config.as_ref().map(|config| config.as_ref().map(drop));
        let whole = self.whole_page_config.as_ref().map(|config| config.as_ref().map(drop));
        match config.or(whole) {
            Some(Err(error)) => Err(error.clone()),
            Some(Ok(())) => {
                let reason = "cannot be encoded yet: what the model needs for it was not loaded";
                Err(Error::argument("pages", reason))
            }
            None => Err(no_pages()),
        }
    }
}

fn no_pages() -> Error {
    let reason = "cannot be encoded: this model reads none, or its folder lacks the weights for it";
    Error::argument("pages", reason)
}
