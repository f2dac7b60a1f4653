//! A sheet to draw on: PDF operators (ISO 32000-1 annex A) with names. Points from the upper left, colours from 0 to 1.

use std::fmt::Write as _;

use super::A4;

/// Red, green, blue.
pub type Colour = (f64, f64, f64);

pub const BLACK: Colour = (0.0, 0.0, 0.0);
pub const WHITE: Colour = (1.0, 1.0, 1.0);

/// A grey.
pub fn grey(level: f64) -> Colour {
    (level, level, level)
}

/// A picture of eight bits a level: grey, or three a pel.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub levels: Vec<u8>,
}

/// One page.
pub struct Sheet {
    size: (f64, f64),
    content: String,
    pictures: Vec<Picture>,
}

impl Sheet {
    /// A page of A4.
    pub fn new() -> Sheet {
        Sheet::of(A4)
    }

    /// A page of another size.
    pub fn of(size: (f64, f64)) -> Sheet {
        Sheet {
            size,
            content: String::new(),
            pictures: Vec::new(),
        }
    }

    pub fn size(&self) -> (f64, f64) {
        self.size
    }

    pub fn content(&self) -> &str {
        &self.content
    }

    pub fn pictures(&self) -> &[Picture] {
        &self.pictures
    }

    /// A line of text on its base line.
    pub fn text(
        &mut self,
        font: &str,
        points: f64,
        colour: Colour,
        (x, y): (f64, f64),
        text: &str,
    ) {
        let text = text.replace('(', "\\(").replace(')', "\\)");
        self.write(colour, font, points, (x, y), &format!("({text})"));
    }

    /// A line of Chinese.
    pub fn chinese(&mut self, points: f64, (x, y): (f64, f64), text: &str) {
        let codes: String = text
            .encode_utf16()
            .map(|unit| format!("{unit:04X}"))
            .collect();
        self.write(BLACK, "Song", points, (x, y), &format!("<{codes}>"));
    }

    /// Text that is there and not seen, as below the picture of a scan.
    pub fn hidden_text(&mut self, points: f64, at: (f64, f64), text: &str) {
        self.content.push_str("3 Tr\n");
        self.text("Helvetica", points, BLACK, at, text);
        self.content.push_str("0 Tr\n");
    }

    /// Lines of text below each other; where the next one would be.
    pub fn lines(&mut self, font: &str, points: f64, (x, y): (f64, f64), lines: &[String]) -> f64 {
        let mut y = y;
        for line in lines {
            self.text(font, points, BLACK, (x, y), line);
            y += points * 1.35;
        }
        y
    }

    pub fn fill(&mut self, colour: Colour, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let bottom = self.size.1 - y - height;
        let (r, g, b) = colour;
        self.put(format_args!(
            "{r} {g} {b} rg {x:.2} {bottom:.2} {width:.2} {height:.2} re f"
        ));
    }

    pub fn line(&mut self, colour: Colour, width: f64, from: (f64, f64), to: (f64, f64)) {
        self.path(colour, width, &[from, to]);
    }

    pub fn frame(&mut self, width: f64, (x, y): (f64, f64), (across, down): (f64, f64)) {
        let corners = [
            (x, y),
            (x + across, y),
            (x + across, y + down),
            (x, y + down),
            (x, y),
        ];
        self.path(BLACK, width, &corners);
    }

    /// A line through many places.
    pub fn path(&mut self, colour: Colour, width: f64, places: &[(f64, f64)]) {
        let (r, g, b) = colour;
        self.put(format_args!("{r} {g} {b} RG {width} w"));
        for (n, (x, y)) in places.iter().enumerate() {
            let operator = if n == 0 { "m" } else { "l" };
            let y = self.size.1 - y;
            self.put(format_args!("{x:.2} {y:.2} {operator}"));
        }
        self.put(format_args!("S"));
    }

    /// A picture, as large as it is told.
    pub fn picture(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), picture: Picture) {
        let (number, bottom) = (self.pictures.len(), self.size.1 - y - height);
        self.put(format_args!(
            "q {width:.2} 0 0 {height:.2} {x:.2} {bottom:.2} cm /P{number} Do Q"
        ));
        self.pictures.push(picture);
    }

    fn write(&mut self, colour: Colour, font: &str, points: f64, (x, y): (f64, f64), text: &str) {
        let ((r, g, b), y) = (colour, self.size.1 - y);
        self.put(format_args!(
            "{r} {g} {b} rg BT /{font} {points} Tf {x:.2} {y:.2} Td {text} Tj ET"
        ));
    }

    fn put(&mut self, operators: std::fmt::Arguments) {
        writeln!(self.content, "{operators}").expect("a String takes everything");
    }
}
