//! What is a picture? Red, green and blue of each pixel, 8 bits each.

use crate::error::{Error, Result};

/// Bytes of a pixel.
pub(super) const CHANNELS: usize = 3;

/// Most pixels a side: what JPEG can say, and more than any page that is scanned.
pub const MAX_SIDE: usize = 65_535;
/// Most pixels of a picture, 268 MB of them: Pillow's `MAX_IMAGE_PIXELS`, from which it warns of a bomb.
pub const MAX_PIXELS: usize = 89_478_485;

/// Decoded pixels, row by row.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// Of red, green and blue, row by row from the top.
    ///
    /// # Errors
    /// [`Error::PictureSize`] for a side of 0 and beyond [`MAX_SIDE`] and [`MAX_PIXELS`]; [`Error::Argument`] if there are not
    /// as many bytes as the sides call for.
    pub fn from_rgb(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self> {
        check_bytes(width, height, CHANNELS, pixels.len())?;
        Ok(Self { width, height, pixels })
    }

    /// Of red, green, blue and alpha, as a canvas has them. Alpha is left out, as Pillow's `convert("RGB")` leaves it out:
    /// what is transparent shows the colour that it has beneath.
    ///
    /// # Errors
    /// As [`Picture::from_rgb`].
    pub fn from_rgba(width: usize, height: usize, pixels: &[u8]) -> Result<Self> {
        check_bytes(width, height, 4, pixels.len())?;
        let pixels =
            pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        Ok(Self { width, height, pixels })
    }

    /// Of pixels that this crate made, of a size that it chose.
    pub(super) fn made(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        assert_eq!(pixels.len(), width * height * CHANNELS, "a pixel has {CHANNELS} bytes");
        Self { width, height, pixels }
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Red, green and blue, `[height, width, 3]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// One row of [`Picture::pixels`].
    pub(super) fn row(&self, y: usize) -> &[u8] {
        let length = self.width * CHANNELS;
        &self.pixels[y * length..][..length]
    }

    /// The part of the picture whose left upper corner is at column `x`, row `y`.
    ///
    /// # Panics
    /// If the part reaches beyond the picture: the caller's arithmetic is broken.
    pub(super) fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let rows = (y..y + height).map(|y| &self.row(y)[x * CHANNELS..(x + width) * CHANNELS]);
        Self::made(width, height, rows.collect::<Vec<_>>().concat())
    }
}

/// Pixels are a user's, and many: they never reach a message.
impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} × {})", self.width, self.height)
    }
}

/// # Errors
/// [`Error::PictureSize`] for sides that no picture may have.
pub(super) fn check_size(width: usize, height: usize) -> Result<()> {
    let sides = 1..=MAX_SIDE;
    match sides.contains(&width) && sides.contains(&height) && width * height <= MAX_PIXELS {
        true => Ok(()),
        false => Err(Error::PictureSize { width, height }),
    }
}

fn check_bytes(width: usize, height: usize, channels: usize, bytes: usize) -> Result<()> {
    check_size(width, height)?;
    let expected = width * height * channels;
    if bytes == expected {
        return Ok(());
    }
    let reason =
        format!("has {bytes} bytes; {width} × {height} pixels of {channels} bytes are {expected}");
    Err(Error::argument("pixels", reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_left_out() {
        let picture = Picture::from_rgba(1, 2, &[1, 2, 3, 0, 4, 5, 6, 255]).unwrap();
        assert_eq!(picture, Picture::from_rgb(1, 2, vec![1, 2, 3, 4, 5, 6]).unwrap());
    }

    #[test]
    fn a_part_has_the_pixels_of_its_place() {
        let picture = Picture::from_rgb(3, 2, (0..18).collect()).unwrap();
        let part = picture.crop(1, 1, 2, 1);
        assert_eq!(
            (part.width(), part.height(), part.pixels()),
            (2, 1, &[12, 13, 14, 15, 16, 17][..])
        );
    }

    #[test]
    fn sizes_that_no_picture_has_are_refused() {
        for (width, height) in [(0, 1), (1, 0), (65_536, 1), (9_460, 9_460), (usize::MAX, 2)] {
            let refused = Picture::from_rgb(width, height, Vec::new());
            assert_eq!(refused, Err(Error::PictureSize { width, height }));
        }
    }

    #[test]
    fn other_numbers_of_bytes_are_refused() {
        let message = Picture::from_rgb(2, 2, vec![0; 13]).unwrap_err().to_string();
        assert_eq!(message, "pixels has 13 bytes; 2 × 2 pixels of 3 bytes are 12");
        assert!(Picture::from_rgba(2, 2, &[0; 12]).is_err());
    }
}
