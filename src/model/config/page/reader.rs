//! Which tensors do only pages need, whichever way a model reads them? Those of the tower that sees, and of what brings its vectors to
//! the width of the text's.

use super::PageConfig;
use super::qwen2::{QWEN2_PATCHES, Qwen2VisionConfig};
use super::siglip::{PATCHES, SiglipConfig};
use super::whole::{PROJECTOR, WholePageConfig, WholeTowerConfig};
use crate::error::{Error, Result};
use crate::image::Normalization;
use crate::model::bundle::TensorSpec;
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::{ModelConfig, Product};

/// What saves of transformers 5 put in place of a level of SigLIP's names.
const NEWER: [&str; 2] = ["vision_model.", "vision_tower."];

/// What reads a model's pages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PageReader<'a> {
    /// In tiles.
    Tiles(&'a PageConfig),
    /// In one piece.
    Whole(&'a WholePageConfig),
}

/// The tower of either.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TowerConfig<'a> {
    Siglip(&'a SiglipConfig),
    Qwen2(&'a Qwen2VisionConfig),
}

impl ModelConfig {
    /// What reads pages, if its weights are wanted. In a tab none sees a page in one piece, and the code for it is left out.
    ///
    /// # Errors
    /// Why this folder's pages are not computed here.
    pub(crate) fn wanted_reader(&self, files: &CheckpointFiles) -> Result<Option<PageReader<'_>>> {
        let whole = self.whole_page.as_ref().filter(|_| !cfg!(target_arch = "wasm32"));
        match whole {
            Some(page) if files.takes_pages() => {
                page.as_ref().map(|page| Some(PageReader::Whole(page))).map_err(Error::clone)
            }
            _ => Ok(self.wanted_page(files)?.map(PageReader::Tiles)),
        }
    }
}

impl<'a> PageReader<'a> {
    pub(crate) fn tower(self) -> TowerConfig<'a> {
        match self {
            PageReader::Tiles(page) => TowerConfig::Siglip(&page.vision),
            PageReader::Whole(page) => page.tower(),
        }
    }

    /// How pixels become numbers.
    pub(crate) fn pixels(self) -> &'a Normalization {
        match self {
            PageReader::Tiles(page) => &page.pixels,
            PageReader::Whole(page) => &page.pixels,
        }
    }

    /// The tensors behind the tower under their names in a bundle.
    pub(crate) fn tensors_behind(self) -> Vec<TensorSpec> {
        match self {
            PageReader::Tiles(page) => page.connector_tensors(),
            PageReader::Whole(page) => page.tensors_behind(),
        }
    }

    /// All tensors of the page side under their names in a bundle.
    pub(crate) fn tensors(self) -> Vec<TensorSpec> {
        [self.tower().tensors(), self.tensors_behind()].concat()
    }

    /// The weights of the tower.
    ///
    /// # Errors
    /// As [`Weights::open`]; [`Error::MissingTensor`] where there are none.
    pub(crate) fn tower_weights(self, files: &CheckpointFiles) -> Result<Weights<'_>> {
        match self.tower() {
            TowerConfig::Siglip(_) => siglip_weights(files),
            TowerConfig::Qwen2(_) => qwen2_weights(files),
        }
    }

    /// Those of what stands behind it.
    ///
    /// # Errors
    /// As [`PageReader::tower_weights`].
    pub(crate) fn weights_behind(self, files: &CheckpointFiles) -> Result<Weights<'_>> {
        match self {
            PageReader::Whole(page) if page.projector().is_some() => {
                Weights::open_pages(files, &format!("{PROJECTOR}.weight"))
            }
            _ => self.tower_weights(files),
        }
    }
}

/// Which of the two names a save has, its own patches tell.
pub(super) fn siglip_weights(files: &CheckpointFiles) -> Result<Weights<'_>> {
    let [old, new] = NEWER;
    let probe = format!("{PATCHES}.weight");
    Weights::open_pages(files, &probe).or_else(|error| {
        let newer = Weights::open_pages(files, &probe.replace(old, new));
        Ok(newer.map_err(|_| error)?.renamed(old, new))
    })
}

pub(super) fn qwen2_weights(files: &CheckpointFiles) -> Result<Weights<'_>> {
    Weights::open_pages(files, &format!("{QWEN2_PATCHES}.weight"))
}

impl TowerConfig<'_> {
    /// All tensors under their names in a bundle, those that belong together after each other.
    pub(crate) fn tensors(self) -> Vec<TensorSpec> {
        match self {
            TowerConfig::Siglip(vision) => vision.tensors(),
            TowerConfig::Qwen2(vision) => vision.tensors(),
        }
    }

    /// The layers' products, in the order of computation.
    pub(crate) fn products(self) -> Vec<Product> {
        match self {
            TowerConfig::Siglip(vision) => {
                (0..vision.num_hidden_layers).flat_map(|n| vision.layer_products(n)).collect()
            }
            TowerConfig::Qwen2(vision) => {
                (0..vision.depth).flat_map(|n| vision.layer_products(n)).collect()
            }
        }
    }

    /// Name and shape of the patches' product as a kernel of a convolution, which is how checkpoints have it.
    pub(crate) fn kernel(self) -> (String, Vec<usize>) {
        match self {
            TowerConfig::Siglip(vision) => (format!("{PATCHES}.weight"), vision.kernel().to_vec()),
            TowerConfig::Qwen2(vision) => {
                (format!("{QWEN2_PATCHES}.weight"), vision.kernel().to_vec())
            }
        }
    }
}

impl WholePageConfig {
    fn tower(&self) -> TowerConfig<'_> {
        match &self.tower {
            WholeTowerConfig::Siglip(vision) => TowerConfig::Siglip(vision),
            WholeTowerConfig::Qwen2 { vision, .. } => TowerConfig::Qwen2(vision),
        }
    }

    fn tensors_behind(&self) -> Vec<TensorSpec> {
        match (&self.tower, self.projector()) {
            (WholeTowerConfig::Qwen2 { vision, .. }, _) => vision.merger_tensors(),
            (WholeTowerConfig::Siglip(_), projector) => {
                projector.iter().flat_map(Product::tensors).collect()
            }
        }
    }
}
