//! Pictures as pixels.

use tiny_skia::{
    FillRule, FilterQuality, IntSize, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, PixmapPaint, Stroke,
    Transform,
};

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
    let colour = match shape {
        Shape::Polygon { colour, .. } | Shape::Line { colour, .. } | Shape::Circle { colour, .. } => colour,
        Shape::Pixels { width, height, rgb } => return draw_pixels(*width, *height, rgb, scale, pixmap),
    };
    let mut paint = Paint::default();
    paint.set_color(paint_colour(*colour));
    let transform = Transform::from_scale(scale, scale);
    let path = match shape {
        Shape::Polygon { points, .. } => path(points, true),
        Shape::Line { points, .. } => path(points, false),
        Shape::Circle { centre: [x, y], radius, .. } => PathBuilder::from_circle(*x, *y, *radius),
        Shape::Pixels { .. } => None,
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

fn draw_pixels(width: usize, height: usize, rgb: &[u8], scale: f32, pixmap: &mut Pixmap) {
    let size = u32::try_from(width)
        .ok()
        .zip(u32::try_from(height).ok())
        .and_then(|(width, height)| IntSize::from_wh(width, height));
    let Some(size) = size.filter(|_| rgb.len() == 3 * width * height) else { return };
    let rgba = rgb.as_chunks::<3>().0.iter().flat_map(|&[red, green, blue]| [red, green, blue, 255]).collect();
    let Some(picture) = Pixmap::from_vec(rgba, size) else { return };
    // Several pixels become one when the picture is made smaller, and stay sharp when it is made larger.
    let quality = if scale < 1.0 { FilterQuality::Bilinear } else { FilterQuality::Nearest };
    let paint = PixmapPaint { quality, ..PixmapPaint::default() };
    pixmap.draw_pixmap(0, 0, picture.as_ref(), &paint, Transform::from_scale(scale, scale), None);
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
