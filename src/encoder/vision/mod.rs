//! What vector does each token of a page get? A tower sees squares of the page one by one, each for itself; some patches that lie
//! together become one token, which is brought to the width of the text's:
//!
//! ```text
//! square [patches, numbers] → tower [patches, hidden] → shuffle [tokens, factor² · hidden] → connector [tokens, text hidden]
//! ```
//!
//! The vectors take the places of the image tokens' rows of the vocabulary table, in front of the text tower's first norm.

mod qwen2;
mod siglip;
mod whole;

use burn::tensor::{Device, Tensor};

use super::Watch;
use crate::error::Result;
use crate::model::checkpoint::Weights;
use crate::model::config::{PageConfig, TowerConfig};
use crate::observer::{Observer, pause};
use crate::ops::{Bounds, Linear, tensor};
use qwen2::Qwen2VisionLayer;
use siglip::{Siglip, SiglipLayer};
pub(crate) use whole::WholeTower;

/// A tower and the layer behind it, on one device.
pub(crate) struct PageTower {
    tower: Siglip,
    connector: Linear,
    /// The connector's name.
    name: String,
    side: usize,
    factor: usize,
    device: Device,
}

impl PageTower {
    /// Puts the page side's weights on `device`. The observer can stop it before each layer.
    ///
    /// # Errors
    /// A tensor that is missing, misshapen, of an unknown type or not finite; [`crate::Error::Aborted`].
    pub(crate) async fn load(
        config: &PageConfig,
        weights: &Weights<'_>,
        device: &Device,
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let tower = Siglip::load(&config.vision, weights, device, observer).await?;
        pause(observer).await?;
        let connector = config.connector();
        let (name, shape) = (&connector.names[0], [connector.rows, connector.columns]);
        let weight = format!("{name}.weight");
        let weight = weights.older(&weight).unwrap_or(weight);
        Ok(Self {
            tower,
            connector: Linear::new(weights.matrix(&weight, shape)?, None, device),
            name: name.clone(),
            side: config.vision.side(),
            factor: config.pixel_shuffle_factor,
            device: device.clone(),
        })
    }

    /// Where the weights are.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Vectors `[tokens, text hidden]` of one square, whose patches are `[patches, numbers]`. The observer can stop it between
    /// layers.
    ///
    /// # Errors
    /// [`crate::Error::Aborted`].
    pub(crate) async fn forward(
        &self,
        patches: Tensor<2>,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let hidden = self.tower.forward(patches, watch, observer).await?;
        pause(observer).await?;
        let shuffled = shuffle(hidden, self.side, self.factor);
        watch.input(&self.name, &shuffled);
        Ok(self.connector.forward(shuffled))
    }
}

/// Blocks of `factor` × `factor` patches as one row each, row by row; in a row a block's patches, row by row. `x`
/// `[rows · side, width]` → `[rows · side / factor², factor² · width]`.
fn shuffle(x: Tensor<2>, side: usize, factor: usize) -> Tensor<2> {
    let [patches, width] = x.dims();
    let (down, across) = (patches / side / factor, side / factor);
    let by_block = x.reshape([down, factor, across, factor * width]).swap_dims(1, 2);
    by_block.reshape([down * across, factor * factor * width])
}

/// What stands in front of a tower's layers, alone, over the numbers of a whole picture: for a model of which not all is in memory at
/// a time.
pub(crate) fn embed(
    config: TowerConfig<'_>,
    weights: &Weights<'_>,
    numbers: Vec<f32>,
    device: &Device,
) -> Result<Tensor<2>> {
    let patches = |width: usize| {
        let count = numbers.len() / width;
        tensor(numbers, [count, width], device)
    };
    Ok(match config {
        TowerConfig::Siglip(vision) => {
            let embeddings = siglip::SiglipEmbeddings::load(vision, weights, device)?;
            embeddings.forward(patches(vision.patch_width()))
        }
        TowerConfig::Qwen2(vision) => {
            qwen2::patches(vision, weights, device)?.forward(patches(vision.patch_width()))
        }
    })
}

/// A tower's layer by itself, for a model of which not all is in memory at a time.
pub(crate) struct TowerLayer(Alone);

enum Alone {
    Siglip(SiglipLayer),
    Qwen2(Qwen2VisionLayer),
}

impl TowerLayer {
    /// Reads the layer's tensors, and the norm in front of it.
    ///
    /// # Errors
    /// As [`PageTower::load`].
    pub(crate) fn load(
        config: TowerConfig<'_>,
        weights: &Weights<'_>,
        layer: usize,
        device: &Device,
    ) -> Result<Self> {
        let layer = match config {
            TowerConfig::Siglip(vision) => {
                SiglipLayer::load_alone(vision, weights, layer, device).map(Alone::Siglip)
            }
            TowerConfig::Qwen2(vision) => {
                Qwen2VisionLayer::load(vision, weights, layer, device).map(Alone::Qwen2)
            }
        };
        layer.map(Self)
    }

    /// `[patches, hidden]`, of a square picture, → the same shape, no norm behind it; shows the inputs of products as [`Watch::input`]
    /// does.
    ///
    /// # Errors
    /// [`crate::Error::Aborted`].
    pub(crate) async fn inputs(
        &self,
        x: Tensor<2>,
        each: &mut impl FnMut(&str, &Tensor<2>),
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        let watch = &mut super::Inputs(each);
        match &self.0 {
            Alone::Siglip(layer) => layer.forward_alone(x, watch, observer).await,
            Alone::Qwen2(_) if cfg!(target_arch = "wasm32") => {
                unreachable!("a tab refuses the models that have it")
            }
            Alone::Qwen2(layer) => layer.forward_alone(x, watch, observer).await,
        }
    }
}

/// All patches of one square attend to each other.
fn whole(patches: usize, device: &Device) -> Bounds {
    Bounds::new(&[patches], &vec![true; patches], device)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Token (R, C) is the block at (R, C), of whose patches each keeps its numbers together.
    #[test]
    fn patches_that_lie_together_become_one_token() {
        let (side, width) = (4, 2);
        let values: Vec<f32> = (0..side * side * width).map(|n| n as f32).collect();
        let x = tensor(values, [side * side, width], &Device::flex());
        let shuffled = shuffle(x, side, 2);
        assert_eq!(shuffled.dims(), [4, 8]);
        let values: Vec<f32> = shuffled.into_data().try_to_vec().unwrap();
        assert_eq!(values[..8], [0., 1., 2., 3., 8., 9., 10., 11.]);
        assert_eq!(values[8..16], [4., 5., 6., 7., 12., 13., 14., 15.]);
        assert_eq!(values[16..18], [16., 17.]);
    }
}
