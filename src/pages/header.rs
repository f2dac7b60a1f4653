//! The header line of a sent page: when, from whom, to whom, which page (47 CFR 68.318(d)).

use std::borrow::Cow;

use ab_glyph::{Font, FontArc, PxScale, PxScaleFont, ScaleFont, point};
use jiff::Zoned;

use super::bitmap::Bitmap;
use super::g4::{self, G4Error};
use super::layout::header_rows;
use super::{FaxPage, exact};

/// Size of the letters. At standard resolution that makes 12 rows.
const POINTS: f64 = 9.0;
const POINTS_PER_INCH: f64 = 72.0;
/// Inches left free at both ends, where many machines do not print.
const MARGIN: f64 = 0.25;
/// Inches between the parts.
const GAP: f64 = 0.15;
/// A pel turns black where the letter covers this much of it.
const COVERAGE: f32 = 0.45;
const ELLIPSIS: char = '…';

/// What stands in the header line of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderLine {
    /// Date and time with zone: "21 Nov 2026 10:05 CET".
    pub date: String,
    /// Who sends: business, entity or person.
    pub name: String,
    /// The telephone number of the sending machine.
    pub number: String,
    /// The number dialled.
    pub to: String,
    /// Number of the page, from 1.
    pub page: u32,
    /// Of how many.
    pub pages: u32,
    /// A second line, on the first page that is sent after a call broke.
    pub below: Option<String>,
}

impl HeaderLine {
    /// The date as the line shows it.
    pub fn date(when: &Zoned) -> String {
        when.strftime("%-d %b %Y %H:%M %Z").to_string()
    }
}

/// The font of the header line.
#[derive(Debug, Clone)]
pub struct HeaderFont(FontArc);

/// The octets are not a TrueType or OpenType font.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a TrueType or OpenType font")]
pub struct NotAFont;

impl HeaderFont {
    /// DejaVu Sans Condensed, which is part of the program.
    pub fn builtin() -> HeaderFont {
        let font = FontArc::try_from_slice(dejavu::sans_condensed::regular());
        HeaderFont(font.expect("the font of the program is a font"))
    }

    /// A font file that a site has chosen.
    ///
    /// # Errors
    /// [`NotAFont`].
    pub fn from_bytes(file: Vec<u8>) -> Result<HeaderFont, NotAFont> {
        FontArc::try_from_vec(file)
            .map(HeaderFont)
            .map_err(|_| NotAFont)
    }
}

/// The page with the header line on it: in the strip that rendering keeps blank or, on pages with ink there, in a
/// strip that is added on top. Nothing of the page is lost.
///
/// # Errors
/// [`G4Error`] where the page does not decode, or would become longer than any page.
pub fn stamp(page: &FaxPage, header: &HeaderLine, font: &HeaderFont) -> Result<FaxPage, G4Error> {
    let rows = header_rows(page.y_dpi);
    let all_rows = rows * (1 + u32::from(header.below.is_some()));
    let mut bitmap = g4::decode(&page.g4, page.width, page.height)?;
    if bitmap.blank_rows_at_top() < all_rows {
        bitmap = below_a_strip(&bitmap, all_rows).ok_or(G4Error::Size {
            width: page.width,
            height: page.height.saturating_add(all_rows),
        })?;
    }
    let (x_dpi, y_dpi) = (exact(page.x_dpi), exact(page.y_dpi));
    let mut pen = Pen::new(&mut bitmap, font, x_dpi, y_dpi, rows);
    pen.line(header);
    if let Some(below) = &header.below {
        pen.baseline += rows as f32;
        pen.alone(below);
    }
    Ok(FaxPage {
        height: bitmap.height(),
        g4: g4::encode(&bitmap),
        ..*page
    })
}

fn below_a_strip(page: &Bitmap, rows: u32) -> Option<Bitmap> {
    let mut taller = Bitmap::new(page.width(), rows)?;
    taller.append(page)?;
    Some(taller)
}

/// Draws letters into the strip.
struct Pen<'a> {
    bitmap: &'a mut Bitmap,
    font: PxScaleFont<&'a FontArc>,
    baseline: f32,
    margin: f32,
    gap: f32,
}

impl Pen<'_> {
    fn new<'a>(
        bitmap: &'a mut Bitmap,
        font: &'a HeaderFont,
        x_dpi: f64,
        y_dpi: f64,
        rows: u32,
    ) -> Pen<'a> {
        let font = font.0.as_scaled(scale(&font.0, x_dpi, y_dpi));
        let spare = rows as f32 - (font.ascent() - font.descent());
        Pen {
            bitmap,
            baseline: (spare / 2.0 + font.ascent()).round(),
            font,
            margin: (MARGIN * x_dpi) as f32,
            gap: (GAP * x_dpi) as f32,
        }
    }

    /// The date at the left, the page at the right, sender and recipient between them.
    fn line(&mut self, header: &HeaderLine) {
        let page = format!("Page {} of {}", header.page, header.pages);
        let right = self.bitmap.width() as f32 - self.margin - self.width(&page);
        let date = self.fitted(&header.date, right - self.gap - self.margin);
        let left = self.margin + self.width(&date) + self.gap;
        let room = right - self.gap - left;
        let middle = self.middle(header, room);
        self.write(self.margin, &date);
        self.write(left + (room - self.width(&middle)) / 2.0, &middle);
        self.write(right, &page);
    }

    /// One text from the left margin on.
    fn alone(&mut self, text: &str) {
        let room = self.bitmap.width() as f32 - 2.0 * self.margin;
        let text = self.fitted(text, room).into_owned();
        self.write(self.margin, &text);
    }

    /// "name number to number". Where that is too long the name gives way: the numbers identify both ends.
    fn middle(&self, header: &HeaderLine, room: f32) -> String {
        let numbers = format!("{}  to  {}", header.number, header.to);
        let name_room = room - self.width(&numbers) - self.gap;
        let name = self.fitted(&header.name, name_room);
        match name.is_empty() {
            true => self.fitted(&numbers, room).into_owned(),
            false => format!("{name}  {numbers}"),
        }
    }

    /// As much of the text as has room, closed by an ellipsis where something is missing.
    fn fitted<'t>(&self, text: &'t str, room: f32) -> Cow<'t, str> {
        if self.width(text) <= room {
            return text.into();
        }
        let mut short = text.to_string();
        while short.pop().is_some() {
            let candidate = format!("{}{ELLIPSIS}", short.trim_end());
            if !short.is_empty() && self.width(&candidate) <= room {
                return candidate.into();
            }
        }
        "".into()
    }

    fn width(&self, text: &str) -> f32 {
        printable(text)
            .map(|c| self.font.h_advance(self.font.glyph_id(c)))
            .sum()
    }

    fn write(&mut self, x: f32, text: &str) {
        let mut x = x.round();
        for c in printable(text) {
            let mut glyph = self.font.scaled_glyph(c);
            glyph.position = point(x, self.baseline);
            x += self.font.h_advance(glyph.id);
            if let Some(outline) = self.font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                let bitmap = &mut *self.bitmap;
                outline.draw(|dx, dy, coverage| {
                    let (x, y) = (
                        corner.x as i64 + i64::from(dx),
                        corner.y as i64 + i64::from(dy),
                    );
                    if coverage >= COVERAGE
                        && let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                    {
                        bitmap.set(x, y);
                    }
                });
            }
        }
    }
}

/// The scale that makes the em square [`POINTS`] high and wide on paper, where pels are not square.
fn scale(font: &FontArc, x_dpi: f64, y_dpi: f64) -> PxScale {
    // ab_glyph scales by ascent and descent together, not by the em square.
    let height = f64::from(font.height_unscaled() / font.units_per_em().unwrap_or(1000.0));
    let inches = POINTS / POINTS_PER_INCH * height;
    PxScale {
        x: (inches * x_dpi) as f32,
        y: (inches * y_dpi) as f32,
    }
}

fn printable(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|c| if c.is_control() { ' ' } else { c })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Resolution;

    fn page(resolution: Resolution, ink_at: u32) -> FaxPage {
        let (x_dpi, y_dpi) = resolution.dpi();
        let mut bitmap = Bitmap::new(1728, 400).unwrap();
        bitmap.blacken(ink_at, &[100, 300]);
        FaxPage {
            width: 1728,
            height: 400,
            x_dpi,
            y_dpi,
            g4: g4::encode(&bitmap),
        }
    }

    fn header() -> HeaderLine {
        HeaderLine {
            date: "21 Nov 2026 10:05 CET".into(),
            name: "Quayside Freight Agency".into(),
            number: "+15557654300".into(),
            to: "+15551234567".into(),
            page: 1,
            pages: 2,
            below: None,
        }
    }

    fn decoded(page: &FaxPage) -> Bitmap {
        g4::decode(&page.g4, page.width, page.height).unwrap()
    }

    /// Black pels of the strip, between two places across.
    fn ink(page: &Bitmap, rows: u32, from: u32, to: u32) -> usize {
        (0..rows)
            .flat_map(|y| (from..to).map(move |x| (x, y)))
            .filter(|&(x, y)| page.get(x, y))
            .count()
    }

    #[test]
    fn stands_in_the_blank_strip_and_changes_nothing_below() {
        for resolution in [
            Resolution::Standard,
            Resolution::Fine,
            Resolution::Superfine,
        ] {
            let rows = header_rows(resolution.dpi().1);
            let before = page(resolution, rows);
            let after = stamp(&before, &header(), &HeaderFont::builtin()).unwrap();
            assert_eq!(after.height, 400);
            let (before, after) = (decoded(&before), decoded(&after));
            for y in rows..400 {
                assert_eq!(before.row(y), after.row(y), "{resolution:?} row {y}");
            }
            for third in [0..576, 576..1152, 1152..1728] {
                assert!(ink(&after, rows, third.start, third.end) > 100);
            }
            assert_eq!(ink(&after, 1, 0, 1728), 0, "cut off at the top edge");
        }
    }

    #[test]
    fn page_with_ink_at_its_top_grows() {
        let before = page(Resolution::Fine, 5);
        let after = stamp(&before, &header(), &HeaderFont::builtin()).unwrap();
        let rows = header_rows(196);
        assert_eq!(after.height, 400 + rows);
        let (before, after) = (decoded(&before), decoded(&after));
        for y in 0..400 {
            assert_eq!(before.row(y), after.row(y + rows));
        }
    }

    #[test]
    fn continuation_line_stands_below_and_takes_a_strip_of_its_own() {
        let rows = header_rows(196);
        let continued = HeaderLine {
            below: Some("continued: pages 1-2 were received at 14:02".into()),
            ..header()
        };
        let font = HeaderFont::builtin();
        // Blank for one line only, so that the page grows.
        let before = page(Resolution::Fine, rows);
        let after = stamp(&before, &continued, &font).unwrap();
        assert_eq!(after.height, 400 + 2 * rows);
        let (before, after) = (decoded(&before), decoded(&after));
        for y in 0..400 {
            assert_eq!(before.row(y), after.row(y + 2 * rows));
        }
        let in_second_line = (rows..2 * rows)
            .flat_map(|y| (0..1728).map(move |x| (x, y)))
            .filter(|(x, y)| after.get(*x, *y))
            .count();
        assert!(in_second_line > 300, "{in_second_line}");
        let one = decoded(&stamp(&page(Resolution::Fine, 399), &header(), &font).unwrap());
        for y in 0..rows {
            assert_eq!(one.row(y), after.row(y), "the first line is as ever");
        }
    }

    #[test]
    fn long_name_gives_way_and_the_page_number_stays() {
        let blank = page(Resolution::Fine, 399);
        let long = HeaderLine {
            name: "Central Office of Weights, Measures and Lighthouses ".repeat(4),
            ..header()
        };
        let (long, short) = (
            decoded(&stamp(&blank, &long, &HeaderFont::builtin()).unwrap()),
            decoded(&stamp(&blank, &header(), &HeaderFont::builtin()).unwrap()),
        );
        for y in 0..header_rows(196) {
            for x in 1520..1728 {
                assert_eq!(long.get(x, y), short.get(x, y), "{x}, {y}");
            }
        }
    }

    #[test]
    fn hostile_fields_and_odd_pages_do_not_panic() {
        let hostile = HeaderLine {
            date: "\u{0}\r\n".repeat(500),
            name: "\u{202E}漢字🖷".repeat(300),
            number: "9".repeat(3000),
            to: String::new(),
            page: u32::MAX,
            pages: 0,
            below: Some("\u{0}漢".repeat(2000)),
        };
        for (width, height) in [(1, 1), (100, 3), (1728, 40), (4864, 50)] {
            let odd = FaxPage {
                width,
                height,
                x_dpi: 0,
                y_dpi: 1200,
                g4: g4::encode(&Bitmap::new(width, height).unwrap()),
            };
            stamp(&odd, &hostile, &HeaderFont::builtin()).unwrap();
        }
    }

    #[test]
    fn a_picture_is_not_a_font() {
        assert!(HeaderFont::from_bytes(b"\x89PNG".to_vec()).is_err());
    }

    #[test]
    fn date_has_its_zone() {
        let when: Zoned = "2026-11-21T10:05:00+01:00[Europe/Berlin]".parse().unwrap();
        assert_eq!(HeaderLine::date(&when), "21 Nov 2026 10:05 CET");
    }
}
