//! Which numbers stand for pixels? `(value · rescale − mean) / std`, of each colour.

use serde::Serialize;

use super::picture::{CHANNELS, Picture};

/// Of a processor's configuration, red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Normalization {
    /// `rescale_factor`.
    pub rescale: f64,
    /// `image_mean`.
    pub mean: [f32; 3],
    /// `image_std`.
    pub std: [f32; 3],
}

impl Normalization {
    /// The picture's numbers, `[3, height, width]`.
    pub fn planes(&self, picture: &Picture) -> Vec<f32> {
        let tables = self.tables();
        let values = |channel: usize| picture.pixels().iter().skip(channel).step_by(CHANNELS);
        (0..CHANNELS)
            .flat_map(|channel| values(channel).map(move |&value| (channel, value)))
            .map(|(channel, value)| tables[channel][usize::from(value)])
            .collect()
    }

    /// The numbers of the 256 values of each colour, rounded where transformers rounds: the product in f64, the rest in f32.
    pub(crate) fn tables(&self) -> [[f32; 256]; CHANNELS] {
        std::array::from_fn(|channel| {
            let number = |value: usize| (value as f64 * self.rescale) as f32;
            std::array::from_fn(|value| (number(value) - self.mean[channel]) / self.std[channel])
        })
    }
}
