//! How large is each input channel of the products that see pages? Measured on one made page: strokes on paper, as words are, a slope
//! of grey and colours, as pictures have them.

use std::cell::RefCell;

use burn::tensor::Tensor as Numbers;

use super::calibrate::{Sizes, Sums};
use crate::device;
use crate::encoder::vision::{TowerLayer, embed};
use crate::error::Result;
use crate::image::Picture;
use crate::image::smart::patches;
use crate::model::bundle::Tensors;
use crate::model::checkpoint::Weights;
use crate::model::config::{PageReader, Product, TowerConfig};
use crate::observer::{Observer, pause};
use crate::random::SplitMix64;

const SEED: u64 = 1;
/// Pixels between two lines of strokes, and their height.
const LINE: usize = 16;
const STROKE: usize = 9;
/// Tokens of its side, of a tower that sees pages of any size: 336 pixels of Qwen2-VL's.
const SIDE: usize = 12;

/// The made page on its way through the tower in f32, a layer at a time.
pub(super) struct PageCalibration<'a> {
    page: PageReader<'a>,
    hidden: Option<Numbers<2>>,
    /// Tensors that are in no layer, until they are needed.
    others: Tensors,
}

impl<'a> PageCalibration<'a> {
    pub(super) fn new(page: PageReader<'a>) -> Self {
        Self { page, hidden: None, others: Tensors::default() }
    }

    /// The tower's products, in the order of computation.
    pub(super) fn products(&self) -> Vec<Product> {
        self.page.tower().products()
    }

    /// Keeps tensors that are in no layer.
    pub(super) fn others(&mut self, tensors: Tensors) {
        self.others.extend(tensors);
    }

    /// Takes the page through a layer; the sizes of its products' inputs.
    ///
    /// # Errors
    /// [`crate::Error::Overflow`] for a model that gives no numbers; [`crate::Error::Aborted`].
    pub(super) async fn layer(
        &mut self,
        index: usize,
        weights: &Weights<'_>,
        observer: &mut impl Observer,
    ) -> Result<Sizes> {
        pause(observer).await?;
        let hidden = match self.hidden.take() {
            Some(hidden) => hidden,
            None => self.embed()?,
        };
        let patches = hidden.dims()[0];
        let layer = TowerLayer::load(self.page.tower(), weights, index, &device::cpu())?;
        let mut sums = Sums::default();
        let mut squares = Vec::new();
        let mut each = |name: &str, input: &Numbers<2>| {
            squares.push((name.to_owned(), (input.clone() * input.clone()).sum_dim(0)));
        };
        self.hidden = Some(layer.inputs(hidden, &mut each, observer).await?);
        sums.add(squares).await?;
        Ok(sums.sizes(patches))
    }

    /// Takes the page to the first layer.
    fn embed(&mut self) -> Result<Numbers<2>> {
        let tensors = RefCell::new(std::mem::take(&mut self.others));
        let weights = Weights::of_tensors(&tensors, "").keeping(false);
        embed(self.page.tower(), &weights, self.patches(), &device::cpu())
    }

    /// The made page's, of one as large as the tower sees, or large enough.
    fn patches(&self) -> Vec<f32> {
        let pixels = self.page.pixels();
        match self.page.tower() {
            TowerConfig::Siglip(vision) => vision.patches_of(pixels, &made_page(vision.image_size)),
            TowerConfig::Qwen2(vision) => {
                let side = SIDE * vision.spatial_merge_size * vision.patch_size;
                let page = Picture::from_rgb(side, side, made_page(side));
                let page = page.expect("it has as many pixels as it says");
                patches(&page, vision.patching(), pixels).values
            }
        }
    }
}

/// Colours of the pixels of a made page, row by row.
fn made_page(side: usize) -> Vec<u8> {
    let mut random = SplitMix64(SEED);
    let mut page = vec![[0u8; 3]; side * side];
    let mut ink = 0;
    for (place, pixel) in page.iter_mut().enumerate() {
        let (y, x) = (place / side, place % side);
        if place % 3 == 0 {
            ink = (random.next() >> 56) as u8;
        }
        let grey = match (y * 4 / side, x * 2 / side) {
            (3, 0) => (x * 510 / side) as u8,
            (3, _) => {
                let colours = random.next().to_le_bytes();
                *pixel = [colours[0], colours[1], colours[2]];
                continue;
            }
            _ if y % LINE < STROKE && ink < 100 => ink,
            _ => 255,
        };
        *pixel = [grey; 3];
    }
    page.into_flattened()
}
