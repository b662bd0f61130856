//! Pictures as pixels.

use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

use super::{Colour, Point, Scene, Shape};

/// A picture as pixels. Requires the feature `raster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Red, green and blue of each pixel, row by row from the top, without gaps: `3 * width * height` bytes.
    pub rgb: Vec<u8>,
}

impl Scene {
    /// Returns the scene as pixels, `width` pixels wide; its height follows from the ratio of the sides. Edges are
    /// anti-aliased, and lines are at least one pixel thick. Requires the feature `raster`.
    ///
    /// # Panics
    /// If `width` is 0, a side of the scene is not positive and finite, or the picture does not fit into memory.
    #[must_use]
    pub fn rasterise(&self, width: u32) -> Picture {
        let is_size = |side: f32| side > 0.0 && side.is_finite();
        assert!(
            is_size(self.width) && is_size(self.height),
            "a scene of {} x {} pixels has no size; both must be positive and finite",
            self.width,
            self.height
        );
        let scale = width as f32 / self.width;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at least 1; saturates
        let height = (self.height * scale).round().max(1.0) as u32;
        let Some(mut pixmap) = Pixmap::new(width, height) else {
            panic!("a picture of {width} x {height} pixels is empty or too large");
        };
        pixmap.fill(paint_colour(self.background));
        for shape in &self.shapes {
            draw(shape, scale, &mut pixmap);
        }
        // All pixels are opaque, so their premultiplied colours are the colours themselves.
        let pixels = pixmap.data().as_chunks::<4>().0;
        let mut rgb = vec![0; 3 * pixels.len()];
        for (rgb, [red, green, blue, _]) in rgb.as_chunks_mut().0.iter_mut().zip(pixels) {
            *rgb = [*red, *green, *blue];
        }
        Picture { width, height, rgb }
    }
}

fn draw(shape: &Shape, scale: f32, pixmap: &mut Pixmap) {
    let (Shape::Polygon { colour, .. } | Shape::Line { colour, .. } | Shape::Circle { colour, .. }) = shape;
    let mut paint = Paint::default();
    paint.set_color(paint_colour(*colour));
    let transform = Transform::from_scale(scale, scale);
    let path = match shape {
        Shape::Polygon { points, .. } => path(points, true),
        Shape::Line { points, .. } => path(points, false),
        Shape::Circle { centre: [x, y], radius, .. } => PathBuilder::from_circle(*x, *y, *radius),
    };
    let Some(path) = path else { return };
    if let Shape::Line { width, .. } = shape {
        let width = if width.is_finite() { width.max(1.0 / scale) } else { return };
        let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        pixmap.stroke_path(&path, &paint, &stroke, transform, None);
    } else {
        pixmap.fill_path(&path, &paint, FillRule::Winding, transform, None);
    }
}

fn path(points: &[Point], closed: bool) -> Option<Path> {
    let mut builder = PathBuilder::new();
    let ([x, y], rest) = points.split_first()?;
    builder.move_to(*x, *y);
    for &[x, y] in rest {
        builder.line_to(x, y);
    }
    if closed {
        builder.close();
    }
    builder.finish()
}

fn paint_colour(Colour([red, green, blue]): Colour) -> tiny_skia::Color {
    tiny_skia::Color::from_rgba8(red, green, blue, 255)
}

impl Picture {
    /// Returns the picture as a PNG file.
    ///
    /// # Panics
    /// If a side is 0 or `rgb` has another length than `3 * width * height`.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&self.rgb)?;
            writer.finish()
        });
        written.unwrap_or_else(|error| panic!("a picture of {} x {} pixels: {error}", self.width, self.height));
        file
    }
}
