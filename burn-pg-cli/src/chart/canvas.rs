//! What charts are drawn on.

/// A place in pixels, from the upper left corner.
pub type Place = [f64; 2];

/// A picture that is being drawn.
pub trait Canvas {
    /// Fills the area that these points enclose.
    fn fill(&mut self, outline: &[Place], paint: Paint);

    /// Draws a line through these points.
    fn line(&mut self, points: &[Place], pen: Pen);

    /// Writes a text with its baseline at `at`.
    fn text(&mut self, text: &str, at: Place, lettering: Lettering);
}

/// A colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paint {
    pub rgb: [u8; 3],
    /// From 0 to 1.
    pub opacity: f64,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pen {
    pub paint: Paint,
    pub width: f64,
    /// Lengths of dashes and of the gaps after them; none for a solid line.
    pub dashes: &'static [f64],
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lettering {
    pub size: f64,
    pub anchor: Anchor,
    /// True if it runs from bottom to top.
    pub upwards: bool,
}

/// The point of a text that its place refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}
