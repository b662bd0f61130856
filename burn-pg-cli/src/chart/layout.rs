//! Where the parts of a chart are.

use super::{
    Chart, Stroke,
    canvas::{Anchor, Canvas, Lettering, Pen},
    font::{width, wrapped},
    look::{BLACK, draw_marker},
    plot::{BAND, PLOT, Plot, TICK, lettering, range, tidy, x_ticks, y_range},
    ticks::{Tick, linear},
};

/// Sizes in pixels.
const MARGIN: f64 = 16.0;
const TITLE: f64 = 17.0;
const TEXT: f64 = 13.0;
/// Height of a line of the title, and of other texts.
const TITLE_ROW: f64 = 23.0;
const ROW: f64 = 17.0;
/// Space between entries of the legend.
const ENTRY_GAP: f64 = 7.0;
/// Width of a piece of a line in the legend, and widest text beside it.
const SAMPLE: f64 = 44.0;
const LEGEND_TEXT: f64 = 220.0;
/// Height of the labels of ticks below a panel.
const TICKS_HEIGHT: f64 = 22.0;
const PANEL_GAP: f64 = 14.0;

/// A chart whose parts have places.
pub struct Layout<'a> {
    chart: &'a Chart,
    pub size: [u16; 2],
    title: Vec<String>,
    plots: Vec<Plot<'a>>,
    entries: Vec<Entry<'a>>,
    x_ticks: Vec<Tick>,
    /// Where the text of the legend starts.
    legend: f64,
    y_name: f64,
}

/// An entry of the legend.
struct Entry<'a> {
    sample: Sample<'a>,
    lines: Vec<String>,
}

enum Sample<'a> {
    Colour(usize),
    Stroke(&'a Stroke),
    Band,
}

impl<'a> Layout<'a> {
    /// Lays out a chart that has points.
    pub fn new(chart: &'a Chart) -> Self {
        let points = chart.panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.points);
        let bands = chart.panels.iter().flat_map(|panel| &panel.bands).flat_map(|band| &band.points);
        let places = points.map(|[x, _]| *x).chain(bands.map(|[x, ..]| *x)).map(|x| chart.x.place(x));
        let [from, to] = range(places, 0.0).unwrap_or([0.0, 1.0]);
        // Roots begin at 0.
        let x = if chart.x.of_roots { [0.0, to] } else { tidy([from, to]) };
        let x_ticks = x_ticks(&chart.x, x);

        let axes: Vec<([f64; 2], Vec<Tick>)> = chart
            .panels
            .iter()
            .map(|panel| {
                let [low, high] = y_range(panel);
                ([low, high], linear(low, high, 6))
            })
            .collect();
        let y_labels = axes.iter().flat_map(|(_, ticks)| ticks).map(|tick| width(&tick.label, TICK));
        let names = chart.panels.iter().map(|panel| wrapped(&panel.y, TEXT, PLOT[1]).len() as f64 * ROW);
        let names = names.fold(0.0, f64::max);
        let left = MARGIN + names + 6.0 + y_labels.fold(0.0, f64::max) + 8.0;

        let entries = entries(chart);
        let legend = left + PLOT[0] + 22.0 + SAMPLE + 10.0;
        let text = entries.iter().flat_map(|entry| &entry.lines).map(|line| width(line, TEXT)).fold(0.0, f64::max);
        // The last label of the horizontal axis may stick out.
        let last = x_ticks.last().map_or(0.0, |tick| width(&tick.label, TICK) / 2.0);
        let right = if entries.is_empty() { left + PLOT[0] + last.max(2.0) } else { legend + text };
        let title = wrapped(&chart.title, TITLE, right - MARGIN);
        let wide = title.iter().map(|line| MARGIN + width(line, TITLE)).fold(right, f64::max) + MARGIN;
        let mut top = MARGIN + TITLE_ROW * title.len() as f64 + if title.is_empty() { 0.0 } else { 8.0 };
        let legend_ends = top + entries.iter().map(|entry| entry.lines.len() as f64 * ROW + ENTRY_GAP).sum::<f64>();
        let mut plots = Vec::new();
        for (panel, (y, ticks)) in chart.panels.iter().zip(axes) {
            plots.push(Plot { panel, axis: &chart.x, x, y, left, top, ticks });
            top += PLOT[1] + TICKS_HEIGHT + PANEL_GAP;
        }
        let name = wrapped(&chart.x.name, TEXT, PLOT[0]).len() as f64 * ROW;
        let high = (top - PANEL_GAP + name + 8.0).max(legend_ends) + MARGIN / 2.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most 65535
        let size = [wide, high].map(|side| side.ceil().clamp(1.0, f64::from(u16::MAX)) as u16);
        Self { chart, size, title, plots, entries, x_ticks, legend, y_name: MARGIN + TEXT }
    }

    pub fn draw(&self, canvas: &mut dyn Canvas) {
        for (line, row) in self.title.iter().zip(0_u32..) {
            let place = [MARGIN, MARGIN + TITLE + TITLE_ROW * f64::from(row) - 2.0];
            canvas.text(line, place, lettering(TITLE, Anchor::Start));
        }
        for plot in &self.plots {
            plot.draw_axes(canvas, &self.x_ticks);
            let name = wrapped(&plot.panel.y, TEXT, PLOT[1]);
            for (line, row) in name.iter().zip(0_u32..) {
                let place = [self.y_name + ROW * f64::from(row), plot.top + PLOT[1] / 2.0];
                canvas.text(line, place, Lettering { upwards: true, ..lettering(TEXT, Anchor::Middle) });
            }
            plot.draw_lines(canvas, self.chart);
        }
        if let Some(last) = self.plots.last() {
            let name = wrapped(&self.chart.x.name, TEXT, PLOT[0]);
            for (line, row) in name.iter().zip(1_u32..) {
                let y = last.top + PLOT[1] + TICKS_HEIGHT + ROW * f64::from(row) - 1.0;
                canvas.text(line, [last.left + PLOT[0] / 2.0, y], lettering(TEXT, Anchor::Middle));
            }
            self.draw_legend(canvas, self.plots[0].top);
        }
    }

    fn draw_legend(&self, canvas: &mut dyn Canvas, mut top: f64) {
        let (to, from) = (self.legend - 10.0, self.legend - 10.0 - SAMPLE);
        for Entry { sample, lines } in &self.entries {
            let y = top + ROW / 2.0;
            let mut line = |pen| canvas.line(&[[from, y], [to, y]], pen);
            match *sample {
                Sample::Colour(colour) => {
                    line(Stroke::Bold.pen(colour, self.chart.patterns));
                    if self.chart.patterns {
                        draw_marker(canvas, colour, [f64::midpoint(from, to), y]);
                    }
                }
                Sample::Stroke(stroke) => {
                    let pen = stroke.pen(0, false);
                    line(Pen { paint: BLACK.with_opacity(pen.paint.opacity), ..pen });
                }
                Sample::Band => {
                    let outline = [[from, y - 6.0], [to, y - 6.0], [to, y + 6.0], [from, y + 6.0]];
                    canvas.fill(&outline, BLACK.with_opacity(BAND));
                }
            }
            for (line, row) in lines.iter().zip(0_u32..) {
                let baseline = y + 0.36 * TEXT + ROW * f64::from(row);
                canvas.text(line, [self.legend, baseline], lettering(TEXT, Anchor::Start));
            }
            top += ROW * lines.len() as f64 + ENTRY_GAP;
        }
    }
}

fn entries(chart: &Chart) -> Vec<Entry<'_>> {
    let colours = chart.legend.iter().enumerate().map(|(colour, label)| (Sample::Colour(colour), label));
    let strokes = chart.strokes.iter().map(|(stroke, label)| (Sample::Stroke(stroke), label));
    let bands = chart.bands.iter().map(|label| (Sample::Band, label));
    let entry = |(sample, label): (_, &String)| Entry { sample, lines: wrapped(label, TEXT, LEGEND_TEXT) };
    colours.chain(strokes).chain(bands).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Line, Panel, Reference};

    fn chart() -> Chart {
        let line = Line { colour: 0, stroke: Stroke::Bold, points: vec![[0.0, 0.0], [100_000.0, 200.0]] };
        let reference = Reference { y: 475.0, label: "solved: 475".into() };
        let panel = Panel { y: "return".into(), lines: vec![line], references: vec![reference], ..Panel::default() };
        Chart { panels: vec![panel], legend: vec!["ppo".into()], ..Chart::default() }
    }

    #[test]
    fn points_are_in_the_area_of_their_panel() {
        let chart = chart();
        let layout = Layout::new(&chart);
        let plot = &layout.plots[0];
        assert_eq!(plot.column(0.0), plot.left);
        assert_eq!(plot.column(100_000.0), plot.left + PLOT[0]);
        // The axis reaches from 6 % below the values to where a label has 20 pixels above the reference.
        assert_eq!(plot.y[0], -0.06 * 475.0);
        assert!((plot.row(475.0) - plot.top - 20.0).abs() < 1e-9, "{}", plot.row(475.0));
    }

    #[test]
    fn the_end_of_a_root_axis_is_at_the_number_itself() {
        let mut chart = chart();
        chart.x.of_roots = true;
        chart.panels[0].lines[0].points = vec![[4.0, 0.0], [16.0, 1.0]];
        let layout = Layout::new(&chart);
        let plot = &layout.plots[0];
        assert_eq!([0.0, 4.0, 16.0].map(|x| plot.column(x) - plot.left), [0.0, PLOT[0] / 2.0, PLOT[0]]);
    }

    #[test]
    fn a_legend_makes_the_picture_wider_and_higher_if_it_must() {
        let mut chart = chart();
        let [wide, high] = Layout::new(&chart).size;
        chart.legend = vec!["a much longer label".into(); 30];
        let [wider, higher] = Layout::new(&chart).size;
        assert!(wider > wide && higher > high);
        chart.legend.clear();
        assert!(Layout::new(&chart).size[0] < wide - 60);
    }
}
