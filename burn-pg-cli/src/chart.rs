//! Charts of lines as SVG.

use anyhow::{Result, anyhow, bail};
use plotters::{
    coord::Shift,
    prelude::{
        BLACK, ChartBuilder, Color, DashedLineSeries, DrawingArea, IntoDrawingArea, IntoFont, LineSeries, PathElement,
        RGBColor, SVGBackend, ShapeStyle, Text, WHITE,
    },
    style::TextStyle,
};

/// Size of a panel in pixels.
const PANEL: [u32; 2] = [640, 300];
/// Width of the legend, and height of the title.
const LEGEND: u32 = 230;
const TITLE: u32 = 40;
/// Height of a line of the legend.
const ROW: i32 = 22;
/// Length of a piece of a line in the legend.
const SAMPLE: i32 = 26;

/// Colours that people with any colour vision can tell apart, and that differ in print (M. Okabe, K. Ito, 2002).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

/// A chart: panels, one above the other, over the same horizontal axis.
pub struct Chart {
    pub title: String,
    pub x: Axis,
    pub panels: Vec<Panel>,
    /// The label of each colour.
    pub legend: Vec<String>,
    /// What strokes mean.
    pub strokes: Vec<(Stroke, String)>,
}

/// The horizontal axis.
pub struct Axis {
    pub name: String,
    /// True if distances are those of square roots.
    pub of_roots: bool,
}

/// A panel of a chart.
pub struct Panel {
    /// What is shown.
    pub y: String,
    pub lines: Vec<Line>,
}

/// A line, whose points have finite numbers.
pub struct Line {
    pub colour: usize,
    pub stroke: Stroke,
    pub points: Vec<[f64; 2]>,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    Bold,
    Faint,
    Dashed,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Chart {
    /// Returns the chart as SVG.
    ///
    /// # Errors
    /// If there is nothing to draw.
    pub fn svg(&self) -> Result<String> {
        let all = || self.panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.points);
        if all().next().is_none() {
            bail!("there is nothing to draw");
        }
        // Roots begin at 0.
        let start = self.x.of_roots.then_some(0.0);
        let x = range(all().map(|[x, _]| self.x.place(*x)).chain(start), 0.0).expect("there are points");
        let height = TITLE + PANEL[1] * u32::try_from(self.panels.len())?;
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, (PANEL[0] + LEGEND, height)).into_drawing_area();
            self.draw(&area, x).map_err(|error| anyhow!("the chart cannot be drawn: {error}"))?;
        }
        Ok(text)
    }

    fn draw(&self, area: &Area<'_>, x: [f64; 2]) -> Result<(), String> {
        area.fill(&WHITE).map_err(said)?;
        let (title, below) = area.split_vertically(TITLE);
        title.draw(&Text::new(self.title.clone(), (16, 12), font(19))).map_err(said)?;
        let (left, right) = below.split_horizontally(PANEL[0]);
        for (panel, area) in self.panels.iter().zip(left.split_evenly((self.panels.len(), 1))) {
            self.draw_panel(panel, &area, x)?;
        }
        self.draw_legend(&right)
    }

    fn draw_panel(&self, panel: &Panel, area: &Area<'_>, [from, to]: [f64; 2]) -> Result<(), String> {
        let points = panel.lines.iter().flat_map(|line| &line.points);
        let Some([low, high]) = range(points.map(|[_, y]| *y), 0.06) else { return Ok(()) };
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(42)
            .y_label_area_size(62)
            .build_cartesian_2d(from..to, low..high)
            .map_err(said)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(BLACK.mix(0.12))
            .x_desc(&self.x.name)
            .y_desc(&panel.y)
            .x_label_formatter(&|place| short(self.x.value(*place)))
            .y_label_formatter(&|value| short(*value))
            .label_style(font(13))
            .axis_desc_style(font(14))
            .draw()
            .map_err(said)?;
        for line in &panel.lines {
            let points: Vec<(f64, f64)> = line.points.iter().map(|&[x, y]| (self.x.place(x), y)).collect();
            let style = line.stroke.style(line.colour);
            match line.stroke {
                Stroke::Dashed => chart.draw_series(DashedLineSeries::new(points, 5, 4, style)).map(|_| ()),
                Stroke::Bold | Stroke::Faint => chart.draw_series(LineSeries::new(points, style)).map(|_| ()),
            }
            .map_err(said)?;
        }
        Ok(())
    }

    fn draw_legend(&self, area: &Area<'_>) -> Result<(), String> {
        let colours =
            self.legend.iter().enumerate().map(|(colour, label)| (Stroke::Bold.style(colour), Stroke::Bold, label));
        let strokes = self.strokes.iter().map(|(stroke, label)| {
            let style = ShapeStyle { color: BLACK.mix(stroke.strength()), ..stroke.style(0) };
            (style, *stroke, label)
        });
        for ((style, stroke, label), row) in colours.chain(strokes).zip(0..) {
            let y = 20 + ROW * row;
            let pieces: &[[i32; 2]] =
                if stroke == Stroke::Dashed { &[[0, 6], [10, 16], [20, SAMPLE]] } else { &[[0, SAMPLE]] };
            for [from, to] in pieces {
                area.draw(&PathElement::new([(8 + from, y), (8 + to, y)], style)).map_err(said)?;
            }
            area.draw(&Text::new(label.clone(), (SAMPLE + 16, y - 7), font(14))).map_err(said)?;
        }
        Ok(())
    }
}

impl Axis {
    /// Returns where a number is on the axis.
    fn place(&self, x: f64) -> f64 {
        if self.of_roots { x.max(0.0).sqrt() } else { x }
    }

    /// Returns the number that is at a place of the axis.
    fn value(&self, place: f64) -> f64 {
        if self.of_roots { place * place } else { place }
    }
}

impl Stroke {
    fn strength(self) -> f64 {
        if self == Self::Faint { 0.3 } else { 1.0 }
    }

    fn style(self, colour: usize) -> ShapeStyle {
        let shade = COLOURS[colour % COLOURS.len()].mix(self.strength());
        ShapeStyle { color: shade, filled: false, stroke_width: if self == Self::Bold { 2 } else { 1 } }
    }
}

/// Returns the range of numbers, with this share of it more at each end.
fn range(numbers: impl Iterator<Item = f64>, more: f64) -> Option<[f64; 2]> {
    let [low, high] = numbers.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(x), high.max(x)]);
    let wide = if high > low { high - low } else { 1.0 };
    low.is_finite().then_some([low - more * wide, low + wide * (1.0 + more)])
}

/// Returns a number with the digits that a label needs.
fn short(number: f64) -> String {
    let text = if number.abs() < 10.0 { format!("{number:.2}") } else { format!("{number:.0}") };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.to_owned() }
}

fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().into()
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<[f64; 2]>) -> Chart {
        let lines = vec![Line { colour: 0, stroke: Stroke::Bold, points }];
        Chart {
            title: "Two <lines>".into(),
            x: Axis { name: "nats".into(), of_roots: true },
            panels: vec![Panel { y: "score".into(), lines }],
            legend: vec!["a run".into()],
            strokes: vec![(Stroke::Dashed, "best of n".into())],
        }
    }

    #[test]
    fn a_chart_has_its_texts_and_its_lines() {
        let svg = chart(vec![[0.0, 1.0], [4.0, 2.0], [16.0, 1.5]]).svg().unwrap();
        for text in ["Two &lt;lines&gt;", "nats", "score", "a run", "best of n", "#0072B2"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        // The end of a root axis is at the number itself.
        assert!(svg.contains("16"), "{svg}");
    }

    #[test]
    fn nothing_is_refused_and_one_point_is_drawn() {
        assert!(chart(Vec::new()).svg().is_err());
        assert!(chart(vec![[1.0, 1.0]]).svg().is_ok());
    }

    #[test]
    fn labels_are_short() {
        assert_eq!([-0.001, -0.25, 2.0, 12.34, 100.0].map(short), ["0", "-0.25", "2", "12", "100"]);
    }
}
