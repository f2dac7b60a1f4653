//! The pages that are sent: drawn here, the same each time.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use postfax::pages::bitmap::Bitmap;
use postfax::pages::raster::{self, Grey};
use postfax::pages::{FaxPage, PAGE_WIDTH, Resolution, g4};

/// A4 in inches.
const WIDTH: f64 = 8.27;
const HEIGHT: f64 = 11.69;

/// What is on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A letter: some twenty lines at 11 points, 28 KB at fine.
    Letter,
    /// A form: rules, boxes, small print, some entries.
    Form,
    /// A page full of small print.
    Dense,
    /// A photo as large as half the page, halftoned, with a line below.
    Photo,
}

/// All of them.
pub const KINDS: [Kind; 4] = [Kind::Letter, Kind::Form, Kind::Dense, Kind::Photo];

impl Kind {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Letter => "letter",
            Kind::Form => "form",
            Kind::Dense => "dense page",
            Kind::Photo => "photo",
        }
    }

    /// Draws it.
    pub fn page(self, resolution: Resolution) -> FaxPage {
        let mut sheet = Sheet::new(resolution);
        match self {
            Kind::Letter => letter(&mut sheet),
            Kind::Form => form(&mut sheet),
            Kind::Dense => sheet.words((0.6, 0.6, 7.6), 11.0, 8.0, 1),
            Kind::Photo => photo(&mut sheet),
        }
        sheet.finish()
    }
}

fn letter(sheet: &mut Sheet) {
    sheet.words((1.0, 1.0, 3.6), 1.7, 11.0, 2);
    sheet.words((1.0, 2.4, 7.3), 7.0, 11.0, 3);
    sheet.words((1.0, 7.6, 4.0), 7.8, 11.0, 4);
}

fn form(sheet: &mut Sheet) {
    for row in 0..22_u32 {
        let y = 1.2 + f64::from(row) * 0.42;
        sheet.rule((0.7, y), (7.6, y));
        sheet.words((0.75, y + 0.12, 2.6), y + 0.2, 7.0, 10 + u64::from(row));
        if row % 3 == 0 {
            sheet.words((2.8, y + 0.27, 5.0), y + 0.3, 11.0, 40 + u64::from(row));
        }
    }
    for x in [0.7, 2.7, 5.2, 7.6] {
        sheet.rule((x, 1.2), (x, 1.2 + 21.0 * 0.42));
    }
}

fn photo(sheet: &mut Sheet) {
    let mut light = |x: f64, y: f64| {
        let wave = (x * 1.7).sin() * (y * 1.3).cos() + 0.5 * (x * y * 0.9).sin();
        (128.0 + 80.0 * wave).clamp(0.0, 255.0) as u8
    };
    sheet.picture((1.2, 1.2), (7.1, 6.4), &mut light);
    sheet.words((1.2, 6.8, 7.0), 7.0, 11.0, 7);
}

/// A sheet of paper, measured in inches from its upper left.
struct Sheet {
    resolution: Resolution,
    dpi: (f64, f64),
    width: u32,
    height: u32,
    /// 0 is black.
    levels: Vec<u8>,
}

impl Sheet {
    fn new(resolution: Resolution) -> Sheet {
        let (_, y_dpi) = resolution.dpi();
        let dpi = (f64::from(PAGE_WIDTH) / WIDTH, f64::from(y_dpi));
        let (width, height) = (PAGE_WIDTH, (HEIGHT * dpi.1) as u32);
        Sheet {
            resolution,
            dpi,
            width,
            height,
            levels: vec![255; (width * height) as usize],
        }
    }

    fn finish(self) -> FaxPage {
        let (x_dpi, y_dpi) = self.resolution.dpi();
        let grey = Grey::new(self.width, self.height, self.levels);
        let bitmap: Bitmap = raster::bilevel(&grey, &[], None, self.resolution);
        FaxPage {
            width: bitmap.width(),
            height: bitmap.height(),
            x_dpi,
            y_dpi,
            g4: g4::encode(&bitmap),
        }
    }

    fn set(&mut self, x: i64, y: i64, level: u8) {
        if (0..i64::from(self.width)).contains(&x) && (0..i64::from(self.height)).contains(&y) {
            self.levels[y as usize * self.width as usize + x as usize] = level;
        }
    }

    /// A rule, a hundredth of an inch thick.
    fn rule(&mut self, from: (f64, f64), to: (f64, f64)) {
        let pels = |inches: f64, dpi: f64| (inches * dpi).round() as i64;
        for y in pels(from.1, self.dpi.1)..=pels(to.1 + 0.01, self.dpi.1) {
            for x in pels(from.0, self.dpi.0)..=pels(to.0 + 0.01, self.dpi.0) {
                self.set(x, y, 0);
            }
        }
    }

    fn picture(&mut self, from: (f64, f64), to: (f64, f64), light: &mut dyn FnMut(f64, f64) -> u8) {
        let (x_dpi, y_dpi) = self.dpi;
        for y in (from.1 * y_dpi) as i64..(to.1 * y_dpi) as i64 {
            for x in (from.0 * x_dpi) as i64..(to.0 * x_dpi) as i64 {
                let level = light(x as f64 / x_dpi, y as f64 / y_dpi);
                self.set(x, y, level);
            }
        }
    }

    /// Lines of made-up words from `left` to `right`, the first on base line `top`, down to `bottom`.
    fn words(&mut self, (left, top, right): (f64, f64, f64), bottom: f64, points: f64, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut y = top;
        while y <= bottom {
            let mut line = String::new();
            while self.width_of(&line, points) < right - left - 0.5 {
                line.push_str(&word(&mut random));
                line.push(' ');
            }
            self.text((left, y), points, &line);
            y += points * 1.4 / 72.0;
        }
    }

    fn width_of(&self, text: &str, points: f64) -> f64 {
        let font = font();
        let scaled = font.as_scaled(PxScale::from(1.0));
        let widths = text.chars().map(|c| scaled.h_advance(scaled.glyph_id(c)));
        f64::from(widths.sum::<f32>()) * points / 72.0
    }

    fn text(&mut self, (x, y): (f64, f64), points: f64, text: &str) {
        let font = font();
        let scale = PxScale {
            x: (points / 72.0 * self.dpi.0) as f32,
            y: (points / 72.0 * self.dpi.1) as f32,
        };
        let (mut pen, base) = ((x * self.dpi.0) as f32, (y * self.dpi.1) as f32);
        for letter in text.chars() {
            let id = font.glyph_id(letter);
            let glyph: Glyph = id.with_scale_and_position(scale, point(pen, base));
            pen += font.as_scaled(scale).h_advance(id);
            let Some(outline) = font.outline_glyph(glyph) else {
                continue;
            };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, ink| {
                if ink > 0.5 {
                    let (x, y) = (corner.x + dx as f32, corner.y + dy as f32);
                    self.set(x as i64, y as i64, 0);
                }
            });
        }
    }
}

fn font() -> FontRef<'static> {
    FontRef::try_from_slice(dejavu::sans::regular()).expect("it comes with the program")
}

/// Three to nine letters, as often as in real words.
fn word(random: &mut fastrand::Rng) -> String {
    const LETTERS: &[u8] = b"eeeeeeeeeeeetttttttttaaaaaaaaooooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddllllcccuuummmwwffggyyppbbvk";
    let length = random.usize(3..10);
    let mut word: String = (0..length)
        .map(|_| char::from(LETTERS[random.usize(..LETTERS.len())]))
        .collect();
    if random.u8(..8) == 0 {
        word[..1].make_ascii_uppercase();
    }
    word
}
