//! Which pixels does a model see of a page?
//!
//! | question | where |
//! | --- | --- |
//! | What is a picture? | [`picture`] |
//! | What picture does a file hold? | `decode`, with feature `images` |
//! | How does a picture get another size? | [`mod@resize`] |
//! | Which tiles is a page cut into (Idefics3)? | [`tiles`] |
//! | Which size and patches does a page get (Qwen2-VL)? | [`smart`] |
//! | Which numbers stand for pixels? | [`normalize`] |
//!
//! ColPali squashes a page, whatever its shape: `resize(page, 448, 448, Filter::Bicubic)`.
//!
//! The references work on 8-bit values through Pillow, and every step rounds; so pixels here are equal to theirs to the bit
//! wherever they begin with the same pixels. transformers' processors on torchvision filter otherwise: the ones to be held
//! against are those whose names end in `Pil`.

#[cfg(feature = "images")]
pub mod decode;
pub mod normalize;
pub mod picture;
pub mod resize;
pub mod smart;
pub mod tiles;

#[cfg(feature = "images")]
pub use decode::decode;
pub use normalize::Normalization;
pub use picture::Picture;
pub use resize::{Filter, resize};
