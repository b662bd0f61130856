//! A panel of a chart, with its axes.

use super::{
    Axis, Band, Chart, Panel, Reference, Stroke,
    canvas::{Anchor, Canvas, Lettering, Paint, Pen, Place},
    font::width,
    look::{BLACK, WHITE, draw_marker},
    ticks::{Tick, linear, of_roots, tidy_step},
};

/// Size of the area in which lines are, in pixels.
pub const PLOT: [f64; 2] = [560.0, 270.0];
/// Size of the labels of ticks and references.
pub const TICK: f64 = 12.0;
/// About how far the markers of a line are apart.
const MARKERS_APART: f64 = 112.0;
/// More at each end of the vertical axis than there are values, as a share of their range.
const MORE: f64 = 0.06;
/// How near a tidy number must be for the horizontal axis to end there, as a share of its range.
const NEAR: f64 = 0.04;
/// How opaque bands are.
pub const BAND: f64 = 0.18;

/// The area of a panel.
pub struct Plot<'a> {
    pub panel: &'a Panel,
    pub axis: &'a Axis,
    pub x: [f64; 2],
    pub y: [f64; 2],
    pub left: f64,
    pub top: f64,
    pub ticks: Vec<Tick>,
}

impl Plot<'_> {
    /// Draws the axes and the grid.
    pub fn draw_axes(&self, canvas: &mut dyn Canvas, x_ticks: &[Tick]) {
        let (right, bottom) = (self.left + PLOT[0], self.top + PLOT[1]);
        let grid = Pen { paint: BLACK.with_opacity(0.1), width: 1.0, dashes: &[] };
        let axis = Pen { paint: BLACK.with_opacity(0.65), width: 1.0, dashes: &[] };
        for tick in &self.ticks {
            let y = self.row(tick.value);
            canvas.line(&[[self.left, y], [right, y]], grid);
            canvas.line(&[[self.left - 4.0, y], [self.left, y]], axis);
            canvas.text(&tick.label, [self.left - 8.0, y + 0.36 * TICK], lettering(TICK, Anchor::End));
        }
        for tick in x_ticks {
            let x = self.column(tick.value);
            canvas.line(&[[x, self.top], [x, bottom]], grid);
            canvas.line(&[[x, bottom], [x, bottom + 4.0]], axis);
            canvas.text(&tick.label, [x, bottom + 18.0], lettering(TICK, Anchor::Middle));
        }
        canvas.line(&[[self.left, self.top], [self.left, bottom], [right, bottom]], axis);
    }

    /// Draws bands, lines and references.
    pub fn draw_lines(&self, canvas: &mut dyn Canvas, chart: &Chart) {
        for band in &self.panel.bands {
            canvas.fill(&self.outline(band), Paint::of(band.colour).with_opacity(BAND));
        }
        for reference in &self.panel.references {
            let y = self.row(reference.y);
            let pen = Pen { paint: BLACK.with_opacity(0.6), width: 1.2, dashes: &[] };
            canvas.line(&[[self.left, y], [self.left + PLOT[0], y]], pen);
        }
        // What is faint is below what is not.
        let (faint, clear): (Vec<_>, Vec<_>) = self.panel.lines.iter().partition(|line| line.stroke == Stroke::Faint);
        let mut drawn = Vec::new();
        for line in faint.into_iter().chain(clear) {
            let points: Vec<Place> = line.points.iter().map(|&point| self.place(point)).collect();
            canvas.line(&points, line.stroke.pen(line.colour, chart.patterns));
            drawn.push((line, points));
        }
        for (line, points) in drawn.iter().filter(|(line, _)| line.stroke == Stroke::Bold) {
            let shift = (line.colour as f64 + 0.5) / chart.legend.len().max(line.colour + 1) as f64;
            // A single point would be invisible without its marker.
            if chart.patterns || points.len() == 1 {
                for place in markers(points, self.left, shift) {
                    draw_marker(canvas, line.colour, place);
                }
            }
        }
        let mut hidden: Vec<Place> = drawn.iter().flat_map(|(_, points)| between(points)).collect();
        for reference in &self.panel.references {
            self.draw_label(canvas, reference, &mut hidden);
        }
    }

    /// Writes the label of a reference above or below it, at the left or at the right: where it hides the fewest of these places. Adds its own places.
    fn draw_label(&self, canvas: &mut dyn Canvas, Reference { y, label }: &Reference, places: &mut Vec<Place>) {
        let (row, wide) = (self.row(*y), width(label, TICK));
        let (left, right) = (self.left + 8.0, self.left + PLOT[0] - wide - 8.0);
        let (above, below) = (row - 5.0, row + 5.0 + 0.8 * TICK);
        let hides = |[x, baseline]: Place| {
            let (columns, rows) = (x - 4.0..x + wide + 4.0, baseline - TICK - 1.0..baseline + 4.0);
            let count = places.iter().filter(|[x, y]| columns.contains(x) && rows.contains(y)).count();
            let is_outside = baseline - TICK < self.top || baseline + 3.0 > self.top + PLOT[1];
            if is_outside { usize::MAX } else { count }
        };
        let candidates = [[left, above], [right, above], [left, below], [right, below]];
        let Some([x, baseline]) = candidates.into_iter().min_by_key(|place| hides(*place)) else { return };
        let (top, bottom) = (baseline - 0.8 * TICK - 1.0, baseline + 3.0);
        let (start, end) = (x - 2.0, x + wide + 2.0);
        canvas.fill(&[[start, top], [end, top], [end, bottom], [start, bottom]], WHITE.with_opacity(0.75));
        canvas.text(label, [x, baseline], lettering(TICK, Anchor::Start));
        // Several lines through the label, so that another avoids it rather than a curve.
        for height in [top, f64::midpoint(top, bottom), bottom] {
            places.extend(between(&[[start, height], [end, height]]));
        }
    }

    fn outline(&self, band: &Band) -> Vec<Place> {
        let low = band.points.iter().map(|&[x, low, _]| self.place([x, low]));
        let high = band.points.iter().rev().map(|&[x, _, high]| self.place([x, high]));
        low.chain(high).collect()
    }

    fn place(&self, [x, y]: [f64; 2]) -> Place {
        [self.column(x), self.row(y)]
    }

    pub fn column(&self, x: f64) -> f64 {
        let [from, to] = self.x;
        self.left + PLOT[0] * (self.axis.place(x) - from) / (to - from)
    }

    pub fn row(&self, y: f64) -> f64 {
        let [low, high] = self.y;
        self.top + PLOT[1] * (high - y) / (high - low)
    }
}

impl Axis {
    /// Returns where a number is on the axis.
    pub fn place(&self, x: f64) -> f64 {
        if self.of_roots { x.max(0.0).sqrt() } else { x }
    }
}

/// Returns a range whose ends are moved outwards to tidy numbers if those are near: 2,048 to 0, and 998,000 to a million.
pub fn tidy([from, to]: [f64; 2]) -> [f64; 2] {
    let near = NEAR * (to - from);
    let step = tidy_step((to - from) / 10.0);
    let (below, above) = ((from / step).floor() * step, (to / step).ceil() * step);
    [if from - below <= near { below } else { from }, if above - to <= near { above } else { to }]
}

/// Returns as many ticks as have room for their labels.
pub fn x_ticks(axis: &Axis, [from, to]: [f64; 2]) -> Vec<Tick> {
    if axis.of_roots {
        return of_roots(to * to, PLOT[0]);
    }
    let fits = |ticks: &[Tick]| {
        let widest = ticks.iter().map(|tick| width(&tick.label, TICK)).fold(0.0, f64::max);
        ticks.windows(2).all(|pair| PLOT[0] * (pair[1].value - pair[0].value) / (to - from) >= widest + 16.0)
    };
    (2..=9).rev().map(|most| linear(from, to, most)).find(|ticks| fits(ticks)).unwrap_or_default()
}

/// Returns the range of the vertical axis, in which a label has room above the highest reference.
pub fn y_range(panel: &Panel) -> [f64; 2] {
    let lines = panel.lines.iter().flat_map(|line| &line.points).map(|[_, y]| *y);
    let bands = panel.bands.iter().flat_map(|band| &band.points).flat_map(|[_, low, high]| [*low, *high]);
    let references = panel.references.iter().map(|reference| reference.y);
    let [low, high] = range(lines.chain(bands).chain(references.clone()), MORE).unwrap_or([0.0, 1.0]);
    // 20 pixels.
    let above = references.map(|y| low + (y - low) / (1.0 - 20.0 / PLOT[1])).fold(high, f64::max);
    [low, above]
}

/// Returns where a line has markers: at least one, shifted by a part of the distance between two, so that those of different lines are apart.
fn markers(points: &[Place], left: f64, shift: f64) -> Vec<Place> {
    let (Some(&[first, _]), Some(&[last, _])) = (points.first(), points.last()) else { return Vec::new() };
    let places = (0..).map(|at| left + (f64::from(at) + shift) * MARKERS_APART).take_while(|x| *x <= last);
    let mut found: Vec<Place> = places.skip_while(|x| *x < first).map(|x| [x, height_at(points, x)]).collect();
    if found.is_empty() {
        let middle = f64::midpoint(first, last);
        found.push([middle, height_at(points, middle)]);
    }
    found
}

/// Returns how high a line is at a place, from left to right.
fn height_at(points: &[Place], x: f64) -> f64 {
    let after = points.partition_point(|[place, _]| *place <= x).clamp(1, points.len().max(2) - 1);
    let ([x0, y0], Some(&[x1, y1])) = (points[after - 1], points.get(after)) else { return points[0][1] };
    if x1 > x0 { y0 + (x - x0) / (x1 - x0) * (y1 - y0) } else { y1 }
}

/// Returns places on a line, a few pixels apart.
fn between(points: &[Place]) -> impl Iterator<Item = Place> + '_ {
    points.windows(2).flat_map(|pair| {
        let [[x0, y0], [x1, y1]] = [pair[0], pair[1]];
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few hundred
        let pieces = ((x1 - x0).hypot(y1 - y0) / 4.0).ceil().clamp(1.0, 1000.0) as u32;
        (0..pieces).map(move |at| {
            let share = f64::from(at) / f64::from(pieces);
            [x0 + share * (x1 - x0), y0 + share * (y1 - y0)]
        })
    })
}

/// Returns the range of numbers, with this share of it more at each end. Around a single number it has a tenth of that at each side.
pub fn range(numbers: impl Iterator<Item = f64>, more: f64) -> Option<[f64; 2]> {
    let [low, high] = numbers.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(x), high.max(x)]);
    let (wide, size) = (high - low, low.abs().max(high.abs()));
    // Differences by rounding are none.
    let aside = if wide > 1e-9 * size { more * wide } else { 0.1 * if size > 0.0 { size } else { 1.0 } };
    low.is_finite().then_some([low - aside, high + aside])
}

/// Returns how texts are written from left to right.
pub fn lettering(size: f64, anchor: Anchor) -> Lettering {
    Lettering { size, anchor, upwards: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_on_the_line() {
        let points = [[10.0, 0.0], [10.0 + 2.0 * MARKERS_APART, 100.0]];
        assert_eq!(
            markers(&points, 10.0, 0.5),
            [[10.0 + 0.5 * MARKERS_APART, 25.0], [10.0 + 1.5 * MARKERS_APART, 75.0]]
        );
        // Too short for the distance between markers.
        assert_eq!(markers(&[[20.0, 4.0], [30.0, 8.0]], 10.0, 0.5), [[25.0, 6.0]]);
        assert_eq!(markers(&[[20.0, 4.0]], 10.0, 0.5), [[20.0, 4.0]]);
    }

    #[test]
    fn the_horizontal_axis_ends_at_tidy_numbers_if_they_are_near() {
        assert_eq!(tidy([2_048.0, 998_000.0]), [0.0, 1e6]);
        assert_eq!(tidy([40.0, 1060.0]), [0.0, 1060.0]);
        assert_eq!(tidy([50.0, 1000.0]), [50.0, 1000.0]);
    }

    #[test]
    fn ranges_of_what_does_not_vary_are_around_it() {
        assert_eq!(range([3e-4].into_iter(), MORE), Some([3e-4 - 3e-5, 3e-4 + 3e-5]));
        assert_eq!(range([0.0, 0.0].into_iter(), MORE), Some([-0.1, 0.1]));
        assert_eq!(range([0.0, 100.0].into_iter(), MORE), Some([-6.0, 106.0]));
        assert_eq!(range([].into_iter(), MORE), None);
    }

    #[test]
    fn horizontal_labels_have_room() {
        let axis = Axis::default();
        assert_eq!(x_ticks(&axis, [0.0, 1e6]).len(), 6);
        assert!(!x_ticks(&axis, [0.0, 3e-9]).is_empty());
    }
}
