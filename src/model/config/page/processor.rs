//! How does a picture become squares of numbers? The fields of transformers' `Idefics3ImageProcessor`.

use super::MAX_TILES;
use crate::error::{Result, Warning};
use crate::image::tiles::Splitting;
use crate::image::{Filter, Normalization};
use crate::model::checkpoint::Fields;

/// Largest side that a page is enlarged to; the processor ends there too.
const MAX_EDGE: usize = 4_096;

/// Reads `preprocessor_config.json`.
///
/// # Errors
/// A field that is null, out of range or asks for something else.
pub(super) fn read(
    image: &Fields<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<(Splitting, Normalization)> {
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
) -> Result<(Filter, Normalization)> {
    Ok((filter(image, 3, warnings)?, read_numbers(image, warnings)?))
}

fn read_numbers(image: &Fields<'_>, warnings: &mut Vec<Warning>) -> Result<Normalization> {
    // Without one of these steps the numbers are others; a picture of one page is never padded.
    for field in ["do_convert_rgb", "do_resize", "do_rescale", "do_normalize"] {
        if image.bool(field)? == Some(false) {
            return Err(image.unsupported(field, "false", "true is"));
        }
    }
    let rescale = image.float("rescale_factor")?.unwrap_or(1.0 / 255.0);
    let rescale = positive(image, "rescale_factor", rescale)?;
    let mean = colours(image, "image_mean", warnings)?;
    let std = colours(image, "image_std", warnings)?;
    for std in std {
        positive(image, "image_std", std)?;
    }
    let narrow = |numbers: [f64; 3]| numbers.map(|number| number as f32);
    Ok(Normalization { rescale, mean: narrow(mean), std: narrow(std) })
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
fn filter(image: &Fields<'_>, default: u64, warnings: &mut Vec<Warning>) -> Result<Filter> {
    let number = image.value("resample").map(|value| value.as_u64().unwrap_or(u64::MAX));
    let number = image.or_default("resample", number, default, warnings)?;
    Filter::from_resample(number)
        .ok_or_else(|| image.unsupported("resample", &number.to_string(), "1, 2 and 3 are"))
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
