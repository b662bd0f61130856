//! Charts as PNG.

use anyhow::{Context, Result};
use tiny_skia::{Color, FillRule, LineJoin, Path, PathBuilder, Pixmap, Stroke, StrokeDash, Transform};
use ttf_parser::OutlineBuilder;

use super::{
    canvas::{Anchor, Canvas, Lettering, Paint, Pen, Place},
    font,
    look::BLACK,
};

/// Pixels of a metre on screens, and of SVG: 96 of an inch.
const PER_METRE: f32 = 96.0 / 0.0254;

/// Pixels that are being drawn.
pub struct Raster {
    pixels: Pixmap,
    scale: Transform,
}

impl Raster {
    /// Starts a white picture with `scale` pixels for one of `size` in each direction.
    pub fn new(size: [u16; 2], scale: u16) -> Result<Self> {
        let [width, height] = size.map(|side| u32::from(side) * u32::from(scale));
        let mut pixels = Pixmap::new(width, height)
            .with_context(|| format!("a picture of {width} x {height} pixels cannot be drawn"))?;
        pixels.fill(Color::WHITE);
        Ok(Self { pixels, scale: Transform::from_scale(f32::from(scale), f32::from(scale)) })
    }

    /// Returns the picture as PNG, which prints as large as with one pixel for one of `size`.
    pub fn finish(self) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.pixels.width(), self.pixels.height());
        encoder.set_color(png::ColorType::Rgb);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few thousand
        let per_metre = (PER_METRE * self.scale.sx).round() as u32;
        let unit = png::Unit::Meter;
        encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit }));
        let mut writer = encoder.write_header()?;
        // The picture is opaque.
        let colours: Vec<u8> = self.pixels.data().chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
        writer.write_image_data(&colours)?;
        writer.finish()?;
        Ok(file)
    }
}

impl Canvas for Raster {
    fn fill(&mut self, outline: &[Place], paint: Paint) {
        if let Some(path) = path(outline, true) {
            self.pixels.fill_path(&path, &painted(paint), FillRule::Winding, self.scale, None);
        }
    }

    fn line(&mut self, points: &[Place], pen: Pen) {
        let dashes = pen.dashes.iter().map(|dash| narrow(*dash)).collect();
        let stroke = Stroke {
            width: narrow(pen.width),
            line_join: LineJoin::Round,
            dash: StrokeDash::new(dashes, 0.0),
            ..Stroke::default()
        };
        if let Some(path) = path(points, false) {
            self.pixels.stroke_path(&path, &painted(pen.paint), &stroke, self.scale, None);
        }
    }

    fn text(&mut self, text: &str, [x, y]: Place, Lettering { size, anchor, upwards }: Lettering) {
        let start = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -font::width(text, size) / 2.0,
            Anchor::End => -font::width(text, size),
        };
        let mut outline = Outline(PathBuilder::new());
        font::outline(text, size, &mut outline);
        let Some(path) = outline.0.finish() else { return };
        // Letters point up, but the second axis of a picture points down.
        let turned = if upwards { Transform::from_row(0.0, -1.0, 1.0, 0.0, 0.0, 0.0) } else { Transform::identity() };
        let place = Transform::from_row(1.0, 0.0, 0.0, -1.0, narrow(start), 0.0)
            .post_concat(turned)
            .post_translate(narrow(x), narrow(y))
            .post_concat(self.scale);
        self.pixels.fill_path(&path, &painted(BLACK), FillRule::Winding, place, None);
    }
}

/// The outline of a text.
struct Outline(PathBuilder);

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}

/// Returns a path through these points, unless it has no extent.
fn path(points: &[Place], is_closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (at, [x, y]) in points.iter().enumerate() {
        let (x, y) = (narrow(*x), narrow(*y));
        if at == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    if is_closed {
        path.close();
    }
    path.finish()
}

fn painted(Paint { rgb: [red, green, blue], opacity }: Paint) -> tiny_skia::Paint<'static> {
    let mut paint = tiny_skia::Paint { anti_alias: true, ..tiny_skia::Paint::default() };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 255
    paint.set_color_rgba8(red, green, blue, (opacity * 255.0).round() as u8);
    paint
}

#[allow(clippy::cast_possible_truncation)] // places in a picture
fn narrow(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the red of a pixel.
    fn red(raster: &Raster, x: u32, y: u32) -> u8 {
        raster.pixels.pixel(x, y).unwrap().red()
    }

    #[test]
    fn areas_lines_and_letters_are_where_they_belong() {
        let mut raster = Raster::new([40, 20], 2).unwrap();
        let blue = Paint { rgb: [0, 0, 255], opacity: 1.0 };
        raster.fill(&[[0.0, 0.0], [5.0, 0.0], [5.0, 5.0], [0.0, 5.0]], blue);
        assert_eq!([red(&raster, 9, 9), red(&raster, 11, 9)], [0, 255]);
        raster.line(&[[10.0, 2.0], [20.0, 2.0]], Pen { paint: blue, width: 2.0, dashes: &[4.0, 4.0] });
        // A dash, a gap and another dash.
        assert_eq!([red(&raster, 24, 4), red(&raster, 32, 4), red(&raster, 38, 4)], [0, 255, 0]);
        // A dash is a thick horizontal line: above the baseline, and beside it if it is turned.
        let plain = Lettering { size: 20.0, anchor: Anchor::End, upwards: false };
        raster.text("—", [40.0, 20.0], plain);
        let dark = |raster: &Raster, x: u32| (0..40).filter(|y| red(raster, x, *y) < 128).count();
        assert!((1..=6).contains(&dark(&raster, 60)), "{}", dark(&raster, 60));
        let mut raster = Raster::new([40, 20], 2).unwrap();
        raster.text("—", [40.0, 20.0], Lettering { anchor: Anchor::Start, upwards: true, ..plain });
        assert!((0..80).any(|x| dark(&raster, x) > 30));
        assert_eq!(dark(&raster, 40), 0);
    }
}
