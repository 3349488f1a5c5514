//! What picture does a file hold? PNG, JPEG, WebP, TIFF, GIF and BMP, by the `image` crate; feature `images`.
//!
//! As transformers' `load_image` opens a file with Pillow: turned as its EXIF orientation says, then `convert("RGB")`. Alpha is
//! left out, of 16 bits the upper 8 are taken, CMYK of a JPEG is taken to be inverted as Adobe writes it, of several frames
//! or pages the first one counts, colour profiles do not. Files without loss come out equal to Pillow's; decoders of JPEG and lossy WebP part by
//! a step or two. Grey of 16 bits is the one exception: Pillow cuts it off at 255, so that a scan is white; here its upper
//! 8 bits count as well.
//!
//! Files are hostile. What a header says is held against [`MAX_SIDE`](super::picture::MAX_SIDE),
//! [`MAX_PIXELS`](super::picture::MAX_PIXELS) and the file's length before memory for pixels is taken. A file that ends too early is an error,
//! whatever it has shown by then.

mod colours;

use std::io::Cursor;

use image::metadata::Orientation;
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage,
    guess_format,
};

use super::picture::{MAX_SIDE, Picture, check_size};
use crate::error::{Error, Result};
use colours::to_rgb;

/// More than any compression that is in use reaches: a blank page of one bit a pixel by CCITT's group 4.
const MOST_PIXELS_A_BYTE: usize = 65_536;
/// Bytes that a decoder may take beside the pixels.
const MOST_ALLOCATED: u64 = 512 * 1024 * 1024;

/// The picture in a file's bytes.
///
/// # Errors
/// [`Error::InvalidPicture`] for files of other kinds, damaged and truncated ones, [`Error::PictureSize`] for those that are too large.
pub fn decode(bytes: &[u8]) -> Result<Picture> {
    let format = format(bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(invalid)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(width, height)?;
    check_length(bytes, format, width * height)?;
    let orientation = decoder.orientation().map_err(invalid)?;
    let colours = decoder.color_type();
    let mut samples = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut samples).map_err(invalid)?;
    turned(width, height, to_rgb(samples, colours)?, orientation)
}

fn format(bytes: &[u8]) -> Result<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    match guess_format(bytes) {
        Ok(format @ (Png | Jpeg | WebP | Tiff | Gif | Bmp)) => Ok(format),
        _ => Err(unreadable("is no PNG, JPEG, WebP, TIFF, GIF or BMP")),
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE as u32);
    limits.max_image_height = Some(MAX_SIDE as u32);
    limits.max_alloc = Some(MOST_ALLOCATED);
    limits
}

/// One colour takes no bits at all in a WebP without loss.
fn check_length(bytes: &[u8], format: ImageFormat, pixels: usize) -> Result<()> {
    if format != ImageFormat::WebP && pixels / MOST_PIXELS_A_BYTE > bytes.len() {
        return Err(unreadable(format!(
            "has {pixels} pixels in {} bytes: it is damaged",
            bytes.len()
        )));
    }
    // The decoder goes on with grey where a JPEG stops.
    match format == ImageFormat::Jpeg && !ends(bytes) {
        true => Err(unreadable("is a JPEG without its end")),
        false => Ok(()),
    }
}

/// Whether a JPEG's end follows the begin of its last scan. A preview inside its header has an end of its own.
fn ends(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    last([0xff, 0xda]) < last([0xff, 0xd9])
}

fn turned(
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    orientation: Orientation,
) -> Result<Picture> {
    if orientation == Orientation::NoTransforms {
        return Picture::from_rgb(width, height, pixels);
    }
    let whole = RgbImage::from_raw(width as u32, height as u32, pixels);
    let mut image = DynamicImage::ImageRgb8(whole.expect("a pixel has three bytes"));
    image.apply_orientation(orientation);
    Picture::from_rgb(image.width() as usize, image.height() as usize, image.into_bytes())
}

fn invalid(error: ImageError) -> Error {
    unreadable(format!("cannot be read: {error}"))
}

fn unreadable(reason: impl Into<String>) -> Error {
    Error::InvalidPicture { reason: reason.into() }
}

#[cfg(test)]
mod tests;
