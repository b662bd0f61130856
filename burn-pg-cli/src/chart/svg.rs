//! Charts as SVG.

use std::fmt::Write;

use super::canvas::{Anchor, Canvas, Lettering, Paint, Pen, Place};

/// The text of an SVG.
pub struct Svg(String);

impl Svg {
    /// Starts a white picture.
    pub fn new([width, height]: [u16; 2]) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n"
        ))
    }

    pub fn finish(self) -> String {
        self.0 + "</svg>\n"
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        self.0.write_fmt(element).expect("memory can be written to");
        self.0.push('\n');
    }
}

impl Canvas for Svg {
    fn fill(&mut self, outline: &[Place], paint: Paint) {
        self.add(format_args!("<polygon points=\"{}\"{}/>", places(outline), painted("fill", paint)));
    }

    fn line(&mut self, points: &[Place], pen: Pen) {
        let dashes: Vec<String> = pen.dashes.iter().map(f64::to_string).collect();
        let dashes =
            if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", dashes.join(" ")) };
        self.add(format_args!(
            "<polyline points=\"{}\" fill=\"none\"{} stroke-width=\"{}\" stroke-linejoin=\"round\"{dashes}/>",
            places(points),
            painted("stroke", pen.paint),
            pen.width
        ));
    }

    fn text(&mut self, text: &str, [x, y]: Place, Lettering { size, anchor, upwards }: Lettering) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let turned = if upwards { format!(" transform=\"rotate(-90 {x:.1} {y:.1})\"") } else { String::new() };
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\"{turned}>{}</text>",
            escaped(text)
        ));
    }
}

fn places(points: &[Place]) -> String {
    let places: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
    places.join(" ")
}

fn painted(what: &str, Paint { rgb: [red, green, blue], opacity }: Paint) -> String {
    let opacity = if opacity < 1.0 { format!(" {what}-opacity=\"{opacity}\"") } else { String::new() };
    format!(" {what}=\"#{red:02X}{green:02X}{blue:02X}\"{opacity}")
}

fn escaped(text: &str) -> String {
    // XML has no control characters.
    let text = text.replace(char::is_control, " ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_their_places_and_paints() {
        let paint = Paint { rgb: [0, 114, 178], opacity: 0.5 };
        let mut svg = Svg::new([20, 10]);
        svg.fill(&[[0.0, 0.0], [1.25, 0.0], [1.0, 2.0]], paint);
        svg.line(&[[0.0, 0.0], [1.0, 2.0]], Pen { paint, width: 1.5, dashes: &[3.0, 2.0] });
        svg.text("a & b", [3.0, 4.0], Lettering { size: 13.0, anchor: Anchor::End, upwards: true });
        let svg = svg.finish();
        let elements: Vec<&str> = svg.lines().skip(2).collect();
        assert_eq!(
            elements,
            [
                r##"<polygon points="0.0,0.0 1.2,0.0 1.0,2.0" fill="#0072B2" fill-opacity="0.5"/>"##,
                r##"<polyline points="0.0,0.0 1.0,2.0" fill="none" stroke="#0072B2" stroke-opacity="0.5" stroke-width="1.5" stroke-linejoin="round" stroke-dasharray="3 2"/>"##,
                r#"<text x="3.0" y="4.0" font-size="13" text-anchor="end" transform="rotate(-90 3.0 4.0)">a &amp; b</text>"#,
                "</svg>",
            ]
        );
    }
}
