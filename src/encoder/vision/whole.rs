//! A page that is seen in one piece: see [`crate::model::config::WholePageConfig`].

use burn::tensor::{Device, Tensor};

use super::qwen2::Qwen2Vision;
use super::siglip::Siglip;
use crate::encoder::Watch;
use crate::encoder::layers::product;
use crate::error::Result;
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::{PATCHES, QWEN2_PATCHES, WholePageConfig, WholeTowerConfig};
use crate::observer::{Observer, pause};
use crate::ops::Linear;

/// What saves of transformers 5 put in place of a level of SigLIP's names.
const NEWER: [&str; 2] = ["vision_model.", "vision_tower."];

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
    /// Puts the page side's weights on `device`. The observer can stop it before each layer.
    ///
    /// # Errors
    /// A tensor that is missing, misshapen, of an unknown type or not finite; [`crate::Error::Aborted`].
    pub(crate) async fn load(
        config: &WholePageConfig,
        files: &CheckpointFiles,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let open = || Weights::open(files, &files.backbone_files()?);
        let tower = match &config.tower {
            WholeTowerConfig::Siglip(vision) => {
                let [old, new] = NEWER;
                let probe = format!("{PATCHES}.weight");
                let weights = match open()?.behind("", &probe) {
                    Ok(weights) => weights,
                    Err(_) => open()?.renamed(old, new).behind("", &probe.replace(old, new))?,
                };
                let tower = Box::new(Siglip::load(vision, &weights, device, observer).await?);
                pause(observer).await?;
                let projector = config.projector().expect("this tower has one");
                let weights = open()?.behind("", &format!("{}.weight", projector.names[0]))?;
                let projector = Box::new(product(&weights, &projector, device)?);
                Tower::Siglip { tower, projector }
            }
            WholeTowerConfig::Qwen2 { vision, .. } => {
                let weights = open()?.behind("", &format!("{QWEN2_PATCHES}.weight"))?;
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
