//! How does a picture become squares of numbers? The fields of transformers' `Idefics3ImageProcessor`.

use serde::Serialize;

use super::MAX_TILES;
use crate::error::{Result, Warning};
use crate::model::checkpoint::Fields;

/// Largest side that a page is enlarged to; the processor ends there too.
const MAX_EDGE: usize = 4_096;

/// How a picture is cut into squares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Splitting {
    /// The longer side of the page is made as long as this, in pixels.
    pub longest_edge: usize,
    /// Side of a square in pixels.
    pub tile: usize,
    pub filter: ResizeFilter,
    /// Whether a page is cut at all, or seen in one square.
    pub split: bool,
}

/// What a pixel is made of when a picture is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ResizeFilter {
    Bilinear,
    Bicubic,
    Lanczos,
}

/// How bytes become numbers: `(byte · scale - mean) / std` of each colour.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PixelConfig {
    pub scale: f64,
    pub mean: [f64; 3],
    pub std: [f64; 3],
}

impl PixelConfig {
    /// The number that each byte stands for, of a colour; in f32, as the processor computes it.
    pub(crate) fn table(&self, colour: usize) -> [f32; 256] {
        let (scale, mean, std) = (self.scale, self.mean[colour] as f32, self.std[colour] as f32);
        std::array::from_fn(|byte| ((byte as f64 * scale) as f32 - mean) / std)
    }
}

/// Reads `preprocessor_config.json`.
///
/// # Errors
/// A field that is null, out of range or asks for something else.
pub(super) fn read(
    image: &Fields<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<(Splitting, PixelConfig)> {
    refuse_kind(image, &["Idefics3ImageProcessor", "ModernVBertImageProcessor"])?;
    let edge = |field| -> Result<Option<usize>> {
        image.object(field)?.map_or(Ok(None), |size| size.count("longest_edge", MAX_EDGE))
    };
    let tile = image.or_default("max_image_size", edge("max_image_size")?, 364, warnings)?;
    let longest_edge = image.or_default("size", edge("size")?, 4 * 364, warnings)?;
    if longest_edge.div_ceil(tile).pow(2) > MAX_TILES {
        let reason = format!("makes more than {MAX_TILES} squares of {tile} pixels of a page");
        return Err(image.invalid("size", &reason));
    }
    let split = image.bool("do_image_splitting")?;
    let splitting = Splitting {
        longest_edge,
        tile,
        filter: filter(image, 1, warnings)?,
        split: image.or_default("do_image_splitting", split, true, warnings)?,
    };
    Ok((splitting, read_numbers(image, warnings)?))
}

/// Of a processor that leaves a page in one piece.
///
/// # Errors
/// As [`read`].
pub(super) fn read_pixels(
    image: &Fields<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<(ResizeFilter, PixelConfig)> {
    Ok((filter(image, 3, warnings)?, read_numbers(image, warnings)?))
}

fn read_numbers(image: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<PixelConfig> {
    // Without one of these steps the numbers are others; a picture of one page is never padded.
    for field in ["do_convert_rgb", "do_resize", "do_rescale", "do_normalize"] {
        if image.bool(field)? == Some(false) {
            return Err(image.unsupported(field, "false", "true is"));
        }
    }
    let scale = image.float("rescale_factor")?;
    let pixels = PixelConfig {
        scale: positive(image, "rescale_factor", scale.unwrap_or(1.0 / 255.0))?,
        mean: colours(image, "image_mean", warnings)?,
        std: colours(image, "image_std", warnings)?,
    };
    for std in pixels.std {
        positive(image, "image_std", std)?;
    }
    Ok(pixels)
}

/// Another processor than the first of `kinds`, under any of its names.
pub(super) fn refuse_kind(image: &Fields<'_>, kinds: &[&str]) -> Result<()> {
    let field = "image_processor_type";
    match image.string(field)? {
        Some(kind) if !kinds.iter().any(|own| kind.starts_with(own)) => {
            Err(image.unsupported(field, kind, "the processor of the model's own class is"))
        }
        _ => Ok(()),
    }
}

/// By Pillow's numbers.
fn filter(image: &Fields<'_>, default: u64, warnings: &mut Vec<Warning>) -> Result<ResizeFilter> {
    let number = image.value("resample").map(|value| value.as_u64().unwrap_or(u64::MAX));
    match image.or_default("resample", number, default, warnings)? {
        1 => Ok(ResizeFilter::Lanczos),
        2 => Ok(ResizeFilter::Bilinear),
        3 => Ok(ResizeFilter::Bicubic),
        other => Err(image.unsupported("resample", &other.to_string(), "1, 2 and 3 are")),
    }
}

fn colours(image: &Fields<'_>, field: &str, warnings: &mut Vec<Warning>) -> Result<[f64; 3]> {
    let Some(value) = image.value(field) else {
        let of_half = image.or_default(field, None, 0.5, warnings)?;
        return Ok([of_half; 3]);
    };
    let numbers = value.as_array().map(|list| list.iter().filter_map(|n| n.as_f64()).collect());
    let numbers: Vec<f64> = numbers.unwrap_or_default();
    let three = <[f64; 3]>::try_from(numbers).ok();
    three
        .filter(|three| three.iter().all(|number| number.abs() <= 1e3))
        .ok_or_else(|| image.invalid(field, "is no list of three numbers"))
}

fn positive(image: &Fields<'_>, field: &str, number: f64) -> Result<f64> {
    match (1e-6..=1e3).contains(&number) {
        true => Ok(number),
        false => Err(image.invalid(field, &format!("is {number}; a number above 0 is needed"))),
    }
}
