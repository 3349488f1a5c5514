//! How is a page drawn? On white, so that its longer side has as many pixels as were asked for, as it would be printed.

use std::sync::{Arc, Mutex, PoisonError};

use hayro::hayro_interpret::{InterpreterSettings, InterpreterWarning};
use hayro::hayro_syntax::page::Page;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};

use super::messages::Drawn;
use super::words::words;

/// Most times that a page may be longer than it is wide, or the other way round.
const MAX_RATIO: f32 = 200.0;

/// Draws a page, and reads what is written on it. Nothing is kept from page to page, so that memory does not grow with their number.
///
/// # Errors
/// Why it cannot be drawn.
pub fn draw(page: &Page<'_>, pixels: Option<u16>) -> Result<Drawn, String> {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let settings = settings(warnings.clone());
    let drawn = match pixels {
        Some(pixels) => picture(page, pixels, &settings)?,
        None => Drawn::default(),
    };
    let words = words(page, &settings);
    let warnings = std::mem::take(&mut *warnings.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Drawn { words, warnings, ..drawn })
}

fn settings(warnings: Arc<Mutex<Vec<String>>>) -> InterpreterSettings {
    let warning_sink = move |warning: InterpreterWarning| {
        let what = match warning {
            InterpreterWarning::UnsupportedFont => "a font",
            InterpreterWarning::ImageDecodeFailure => "a picture",
            InterpreterWarning::UnresolvedAnnotationAppearance => "an annotation",
            _ => "a part",
        };
        let mut warnings = warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.iter().any(|known| known == what) {
            warnings.push(what.to_owned());
        }
    };
    InterpreterSettings { warning_sink: Arc::new(warning_sink), ..InterpreterSettings::default() }
}

fn picture(page: &Page<'_>, pixels: u16, settings: &InterpreterSettings) -> Result<Drawn, String> {
    let [x_scale, y_scale] = scales(page.render_dimensions(), pixels)?;
    let pixmap = render(
        page,
        &RenderCache::new(),
        settings,
        &RenderSettings::default(),
        &PixmapSettings { x_scale, y_scale, bg_color: WHITE },
    );
    let (width, height) = (u32::from(pixmap.width()), u32::from(pixmap.height()));
    // On white nothing is seen through: alpha is 255 all over.
    let pixels = pixmap.data().iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]).collect();
    Ok(Drawn { width, height, pixels, ..Drawn::default() })
}

/// By how much a page of this size is scaled each way: both sides become whole pixels.
fn scales((width, height): (f32, f32), pixels: u16) -> Result<[f32; 2], String> {
    let (longer, shorter) = (width.max(height), width.min(height));
    let is_size = width.is_finite() && height.is_finite() && shorter > 0.0;
    if !is_size || longer / shorter > MAX_RATIO {
        return Err(format!("has a page of {width} x {height} points, which is not drawn"));
    }
    let scale = f32::from(pixels) / longer;
    // A size that is cut to a whole number has to be above it.
    let side = |side: f32| ((side * scale).round().max(1.0) + 0.25) / side;
    Ok([side(width), side(height)])
}

#[cfg(test)]
mod tests {
    use super::scales;

    #[test]
    fn the_longer_side_has_the_pixels_that_were_asked_for() {
        let sized = |width: f32, height: f32, pixels| {
            let [x, y] = scales((width, height), pixels).unwrap();
            [(width * x) as u16, (height * y) as u16]
        };
        assert_eq!(sized(595.276, 841.89, 2_048), [1_448, 2_048]);
        assert_eq!(sized(841.89, 595.276, 2_048), [2_048, 1_448]);
        assert_eq!(sized(612.0, 792.0, 448), [346, 448]);
        assert_eq!(sized(1e9, 1e7, 2_048), [2_048, 20]);
        assert_eq!(sized(1.0, 1.0, 65_535), [65_535, 65_535]);
    }

    #[test]
    fn a_size_that_is_none_is_refused() {
        for size in [(0.0, 1.0), (f32::NAN, 1.0), (f32::INFINITY, 5.0), (1e6, 1.0), (-3.0, 4.0)] {
            assert!(scales(size, 2_048).is_err(), "{size:?}");
        }
    }
}
