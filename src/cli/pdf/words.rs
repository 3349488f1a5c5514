//! What is written on a page? Its glyphs, by the characters that the file's fonts say they are, in the order in which they are drawn: scans have
//! none, unless somebody has put what is read from them beneath.
//!
//! A glyph far from where the one before it ended begins a word, and one on another line a line.

use hayro::hayro_interpret::font::{Glyph, GlyphRun};
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, TransformExt, interpret_page,
};
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::{Affine, BezPath, Point, Rect, Vec2};

/// Most bytes of a page's text; what is behind them is left out.
const MAX_BYTES: usize = 1 << 20;
/// Units of a font to its size.
const UNITS: f64 = 1_000.0;
/// Part of the size of a font that parts words, and lines.
const WORD: f64 = 0.2;
const LINE: f64 = 0.5;

/// A page's text.
pub fn words(page: &Page<'_>, settings: &InterpreterSettings) -> String {
    let (width, height) = page.render_dimensions();
    let cache = InterpreterCache::new();
    let all = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let start = page.initial_transform(true).to_kurbo();
    let mut context = Context::new(start, all, &cache, page.xref(), settings.clone());
    let mut words = Words::default();
    interpret_page(page, &mut context, &mut words);
    words.text.trim().to_owned()
}

#[derive(Default)]
struct Words {
    text: String,
    /// Where the last glyph ended.
    end: Option<Point>,
}

impl Words {
    fn glyph(&mut self, glyph: &Glyph<'_>, transform: Affine) {
        let Some(character) = glyph.as_unicode() else { return };
        if self.text.len() > MAX_BYTES {
            return;
        }
        let advance = match glyph {
            Glyph::Outline(glyph) => glyph.advance_width(),
            Glyph::Type3(glyph) => glyph.advance_width(),
        };
        let begin = transform * Point::ZERO;
        let end = transform * Point::new(f64::from(advance.unwrap_or(0.0)), 0.0);
        let size = (transform * Point::new(0.0, UNITS) - begin).hypot();
        let along = (transform * Point::new(UNITS, 0.0) - begin).normalize();
        if let Some(last) = self.end {
            self.part(begin - last, along, size);
        }
        match character {
            BfString::Char(character) => self.text.push(character),
            BfString::String(characters) => self.text.push_str(&characters),
        }
        self.end = Some(end);
    }

    /// What stands between two glyphs that are so far from each other.
    fn part(&mut self, way: Vec2, along: Vec2, size: f64) {
        let is_parted = self.text.ends_with(char::is_whitespace);
        if way.cross(along).abs() > LINE * size {
            self.text.truncate(self.text.trim_end_matches(' ').len());
            self.text.push('\n');
        } else if !is_parted && way.dot(along).abs() > WORD * size {
            self.text.push(' ');
        }
    }
}

impl Device<'_> for Words {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, _: &DrawMode) {
        run.glyphs()
            .iter()
            .for_each(|glyph| self.glyph(glyph, props.transform * glyph.transform()));
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}

    fn push_clip_path(&mut self, _: &ClipPath) {}

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}

    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {}

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {}
}
