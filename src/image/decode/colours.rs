//! Which red, green and blue do a decoder's samples stand for?

use image::ColorType;

use super::unreadable;
use crate::error::Result;

/// Three bytes a pixel.
///
/// # Errors
/// [`crate::Error::InvalidPicture`] for numbers with a floating point, of which no range is known.
pub(super) fn to_rgb(samples: Vec<u8>, colours: ColorType) -> Result<Vec<u8>> {
    use ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};
    let channels = usize::from(colours.channel_count());
    match colours {
        Rgb8 => Ok(samples),
        L8 | La8 | Rgba8 => Ok(rgb(&samples, channels)),
        L16 | La16 | Rgb16 | Rgba16 => Ok(rgb(&upper_bytes(&samples), channels)),
        _ => Err(unreadable("has samples of a kind that is not read")),
    }
}

/// Of samples of 16 bits, as this machine orders their bytes.
fn upper_bytes(samples: &[u8]) -> Vec<u8> {
    let (samples, _) = samples.as_chunks::<2>();
    samples.iter().map(|&sample| (u16::from_ne_bytes(sample) >> 8) as u8).collect()
}

fn rgb(samples: &[u8], channels: usize) -> Vec<u8> {
    let pixels = samples.chunks_exact(channels);
    match channels {
        1 | 2 => pixels.flat_map(|pixel| [pixel[0]; 3]).collect(),
        _ => pixels.flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
    }
}
