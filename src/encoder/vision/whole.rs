//! A page that is seen in one piece: see [`crate::model::config::WholePageConfig`].

use burn::tensor::{Device, Tensor};

use super::qwen2::Qwen2Vision;
use super::siglip::Siglip;
use crate::encoder::Watch;
use crate::encoder::layers::product;
use crate::error::Result;
use crate::model::checkpoint::CheckpointFiles;
use crate::model::config::{PageReader, WholePageConfig, WholeTowerConfig};
use crate::observer::{Observer, pause};
use crate::ops::Linear;

/// A tower with what brings its vectors to the width of the text's, on one device.
pub(crate) struct WholeTower {
    tower: Tower,
    device: Device,
}

enum Tower {
    Siglip { tower: Box<Siglip>, projector: Box<Linear> },
    Qwen2(Box<Qwen2Vision>),
}

impl WholeTower {
    /// Puts the page side's weights on `device`; a bundle's are gone from it then. The observer can stop it before each layer.
    ///
    /// # Errors
    /// A tensor that is missing, misshapen, of an unknown type or not finite; [`crate::Error::Aborted`].
    pub(crate) async fn load(
        config: &WholePageConfig,
        files: &CheckpointFiles,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let reader = PageReader::Whole(config);
        let weights = reader.tower_weights(files)?.keeping(false);
        let tower = match &config.tower {
            WholeTowerConfig::Siglip(vision) => {
                let behind = reader.weights_behind(files)?.keeping(false);
                let tower = Box::new(Siglip::load(vision, &weights, device, observer).await?);
                pause(observer).await?;
                let projector = config.projector().expect("this tower has one");
                let projector = Box::new(product(&behind, &projector, device)?);
                Tower::Siglip { tower, projector }
            }
            WholeTowerConfig::Qwen2 { vision, .. } => {
                Tower::Qwen2(Box::new(Qwen2Vision::load(vision, &weights, device, observer).await?))
            }
        };
        Ok(Self { tower, device: device.clone() })
    }

    /// Where the weights are.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Vectors `[tokens, text hidden]` of a page's patches `[patches, numbers]`, of which there are `grid`, rows and columns. The
    /// observer can stop it between layers.
    ///
    /// # Errors
    /// [`crate::Error::Aborted`].
    pub(crate) async fn forward(
        &self,
        patches: Tensor<2>,
        grid: [usize; 2],
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        match &self.tower {
            Tower::Siglip { tower, projector } => {
                Ok(projector.forward(tower.forward(patches, watch, observer).await?))
            }
            Tower::Qwen2(tower) => tower.forward(patches, grid, watch, observer).await,
        }
    }
}
