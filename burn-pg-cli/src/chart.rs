//! Charts of lines, as SVG and as PNG, and in the terminal.

pub mod blocks;
pub mod short_numbers;

mod canvas;
mod font;
mod layout;
mod look;
mod plot;
mod raster;
mod svg;
mod ticks;

use anyhow::{Result, bail};

use layout::Layout;

/// Pixels of a PNG for one of an SVG, in each direction: sharp when printed.
const SCALE: u16 = 2;

/// A chart: panels, one above the other, over the same horizontal axis.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    pub title: String,
    pub x: Axis,
    pub panels: Vec<Panel>,
    /// The label of each colour.
    pub legend: Vec<String>,
    /// What strokes mean.
    pub strokes: Vec<(Stroke, String)>,
    /// What bands mean.
    pub bands: Option<String>,
    /// True if bold lines of different colours differ in dashes and markers too, for print without colours.
    pub patterns: bool,
}

/// The horizontal axis.
#[derive(Debug, Clone, Default)]
pub struct Axis {
    pub name: String,
    /// True if distances are those of square roots.
    pub of_roots: bool,
}

/// A panel of a chart.
#[derive(Debug, Clone, Default)]
pub struct Panel {
    /// What is shown.
    pub y: String,
    pub lines: Vec<Line>,
    pub bands: Vec<Band>,
    pub references: Vec<Reference>,
}

/// A line, whose points have finite numbers.
#[derive(Debug, Clone)]
pub struct Line {
    pub colour: usize,
    pub stroke: Stroke,
    pub points: Vec<[f64; 2]>,
}

/// The area between two lines, such as an interval, in a light tint of a colour.
#[derive(Debug, Clone)]
pub struct Band {
    pub colour: usize,
    /// Points (x, low, high) with finite numbers.
    pub points: Vec<[f64; 3]>,
}

/// A horizontal line with a label, such as a score at which a task is solved.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Its finite place on the vertical axis, which always includes it.
    pub y: f64,
    pub label: String,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    Bold,
    Faint,
    Dashed,
}

impl Chart {
    /// Returns the chart as SVG. Texts are in the sans-serif font of the viewer.
    ///
    /// # Errors
    /// If there is nothing to draw.
    pub fn svg(&self) -> Result<String> {
        let layout = self.layout()?;
        let mut canvas = svg::Svg::new(layout.size);
        layout.draw(&mut canvas);
        Ok(canvas.finish())
    }

    /// Returns the chart as PNG, with two pixels for one of the SVG in each direction. Texts are in DejaVu Sans, which has Latin and Greek letters.
    ///
    /// # Errors
    /// If there is nothing to draw, or the picture is too large.
    pub fn png(&self) -> Result<Vec<u8>> {
        let layout = self.layout()?;
        let mut canvas = raster::Raster::new(layout.size, SCALE)?;
        layout.draw(&mut canvas);
        canvas.finish()
    }

    fn layout(&self) -> Result<Layout<'_>> {
        let mut lines = self.panels.iter().flat_map(|panel| &panel.lines);
        if lines.all(|line| line.points.is_empty()) {
            bail!("there is nothing to draw");
        }
        Ok(Layout::new(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<[f64; 2]>) -> Chart {
        let lines = vec![Line { colour: 0, stroke: Stroke::Bold, points }];
        Chart {
            title: "Two <lines>".into(),
            x: Axis { name: "nats".into(), of_roots: true },
            panels: vec![Panel { y: "score".into(), lines, ..Panel::default() }],
            legend: vec!["a run".into()],
            strokes: vec![(Stroke::Dashed, "best of n".into())],
            ..Chart::default()
        }
    }

    #[test]
    fn a_chart_has_its_texts_and_its_lines() {
        let svg = chart(vec![[0.0, 1.0], [4.0, 2.0], [16.0, 1.5]]).svg().unwrap();
        for text in ["Two &lt;lines&gt;", "nats", "score", "a run", "best of n", "#0072B2", ">10<"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }

    #[test]
    fn bands_and_references_are_drawn_and_explained() {
        let mut chart = chart(vec![[0.0, 1.0], [1.0, 2.0]]);
        chart.panels[0].bands = vec![Band { colour: 0, points: vec![[0.0, 0.5, 1.5], [1.0, 1.5, 2.5]] }];
        chart.panels[0].references = vec![Reference { y: 4.0, label: "solved: 4".into() }];
        chart.bands = Some("95 % interval".into());
        let svg = chart.svg().unwrap();
        for text in ["solved: 4", "95 % interval", "fill-opacity"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }

    #[test]
    fn patterns_tell_colours_apart() {
        let mut chart = chart(vec![[0.0, 1.0], [1.0, 2.0]]);
        chart.strokes.clear();
        let points = vec![[0.0, 2.0], [1.0, 1.0]];
        chart.panels[0].lines.push(Line { colour: 1, stroke: Stroke::Bold, points });
        assert!(!chart.svg().unwrap().contains("stroke-dasharray"));
        chart.patterns = true;
        assert!(chart.svg().unwrap().contains("stroke-dasharray"));
    }

    #[test]
    fn a_png_has_twice_the_size_of_the_svg() {
        let chart = chart(vec![[0.0, 1.0], [1.0, 2.0]]);
        let [width, height] = chart.layout().unwrap().size;
        let svg = format!("width=\"{width}\" height=\"{height}\"");
        assert!(chart.svg().unwrap().contains(&svg), "{svg}");
        let png = chart.png().unwrap();
        // The header: a signature of 8 bytes, length and name of the first chunk, width and height.
        let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert_eq!(png[..4], *b"\x89PNG");
        assert_eq!([number(16), number(20)], [2 * u32::from(width), 2 * u32::from(height)]);
    }

    #[test]
    fn nothing_is_refused_and_one_point_is_drawn() {
        assert!(chart(Vec::new()).svg().is_err());
        assert!(chart(Vec::new()).png().is_err());
        let svg = chart(vec![[1.0, 1.0]]).svg().unwrap();
        assert!(svg.contains("<polygon"), "{svg}");
        assert!(chart(vec![[1.0, 1.0]]).png().is_ok());
    }
}
