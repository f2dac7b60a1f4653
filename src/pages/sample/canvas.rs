//! A page to draw on: PDF operators (ISO 32000-1 annex A) with names. Coordinates in points from the lower left.

use std::fmt::Write;

/// The content of a page.
#[derive(Default)]
pub(super) struct Canvas(String);

/// The fonts that [`Canvas`] writes with: every PDF reader has them (ISO 32000-1 9.6.2.2).
pub(super) fn fonts() -> String {
    let font = |name| {
        format!("<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>")
    };
    format!(
        "<< /Regular {} /Bold {} >>",
        font("Helvetica"),
        font("Helvetica-Bold")
    )
}

impl Canvas {
    pub(super) fn content(&self) -> &str {
        &self.0
    }

    pub(super) fn text(&mut self, x: f64, y: f64, size: f64, text: &str) {
        self.write("Regular", x, y, size, text);
    }

    pub(super) fn bold(&mut self, x: f64, y: f64, size: f64, text: &str) {
        self.write("Bold", x, y, size, text);
    }

    /// What follows is drawn in this grey: 0 is black, 1 white.
    pub(super) fn grey(&mut self, grey: f64) {
        self.operator(format_args!("{grey} g"));
    }

    /// A number that ends at `x`.
    pub(super) fn number(&mut self, x: f64, y: f64, size: f64, digits: &str) {
        // Helvetica: digits are 0.556 wide, points and commas 0.278.
        let width: f64 = digits
            .chars()
            .map(|c| if c.is_ascii_digit() { 0.556 } else { 0.278 })
            .sum();
        self.text(x - width * size, y, size, digits);
    }

    /// Lines of text below each other, 1.4 times their size apart.
    pub(super) fn paragraph(&mut self, x: f64, y: f64, size: f64, lines: &[&str]) -> f64 {
        let mut y = y;
        for line in lines {
            self.text(x, y, size, line);
            y -= size * 1.4;
        }
        y
    }

    pub(super) fn line_width(&mut self, width: f64) {
        self.operator(format_args!("{width} w"));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.operator(format_args!(
            "{} {} m {} {} l S",
            from.0, from.1, to.0, to.1
        ));
    }

    pub(super) fn frame(&mut self, x: f64, y: f64, width: f64, height: f64) {
        self.operator(format_args!("{x} {y} {width} {height} re S"));
    }

    /// A rectangle of grey: 0 is black, 1 white.
    pub(super) fn fill(&mut self, x: f64, y: f64, width: f64, height: f64, grey: f64) {
        self.operator(format_args!("{grey} g {x} {y} {width} {height} re f 0 g"));
    }

    /// A polygon, filled black.
    pub(super) fn shape(&mut self, corners: &[(f64, f64)]) {
        for (n, (x, y)) in corners.iter().enumerate() {
            let operator = if n == 0 { "m" } else { "l" };
            self.operator(format_args!("{x} {y} {operator}"));
        }
        self.operator(format_args!("h f"));
    }

    /// A curve of Bézier pieces: a start, then three points for each piece.
    pub(super) fn curve(&mut self, start: (f64, f64), pieces: &[[(f64, f64); 3]]) {
        self.operator(format_args!("{} {} m", start.0, start.1));
        for [a, b, end] in pieces {
            self.operator(format_args!(
                "{} {} {} {} {} {} c",
                a.0, a.1, b.0, b.1, end.0, end.1
            ));
        }
        self.operator(format_args!("S"));
    }

    fn write(&mut self, font: &str, x: f64, y: f64, size: f64, text: &str) {
        // The samples are in ASCII; brackets are escaped.
        let text = text.replace('(', "\\(").replace(')', "\\)");
        self.operator(format_args!(
            "BT /{font} {size} Tf {x:.2} {y:.2} Td ({text}) Tj ET"
        ));
    }

    fn operator(&mut self, operator: std::fmt::Arguments) {
        writeln!(self.0, "{operator}").expect("a String takes everything");
    }
}
