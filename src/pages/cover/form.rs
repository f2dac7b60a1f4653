//! A site's own cover page: a PDF of one page whose text fields are filled in.
//!
//! PDFium draws the page and says where its fields lie. What stands in them is set by us: so a name has its letters in
//! every script, and the text of a field that is too small shrinks before it is cut.

use std::collections::BTreeMap;

use crate::pages::layout::Paper;
use crate::pages::pdfium::{Document, TextField};
use crate::pages::text::typeset::block::{SetLine, Style};
use crate::pages::text::typeset::{SetPage, Typesetter};
use crate::pages::{DocumentRefusal, FaxPage, Resolution, render};

const POINTS_PER_INCH: f64 = 72.0;
/// Points of the letters, where they have room, and the least that can be read at standard resolution.
const SIZE: f32 = 12.0;
const LEAST: f32 = 8.0;
const STEP: f32 = 0.5;
const LEADING: f32 = 1.25;
/// Of its size, what of a line is above its baseline, and the height of its letters.
const ASCENT: f32 = 0.93;
const CAPITALS: f32 = 0.72;
/// Points between the edge of a field and its text.
const INSET: f32 = 2.0;
/// Points of the lowest field that takes several lines though it does not say so.
const TALL: f32 = 40.0;
const ELLIPSIS: char = '…';

/// An open PDF whose fields are known.
pub struct Form<'a> {
    pdf: Document<'a>,
    values: &'a BTreeMap<String, String>,
}

impl<'a> Form<'a> {
    /// Looks whether the PDF is a cover page.
    ///
    /// # Errors
    /// [`DocumentRefusal::Cover`] with what is missing; as [`Document::page`].
    pub fn open(
        pdf: Document<'a>,
        values: &'a BTreeMap<String, String>,
    ) -> Result<Form<'a>, DocumentRefusal> {
        if pdf.pages() != 1 {
            return Err(refused(format!(
                "it has {} pages, and a cover page is one",
                pdf.pages()
            )));
        }
        let names = pdf.page(1)?.text_field_names();
        if !names.iter().any(|name| values.contains_key(name)) {
            let known: Vec<&str> = values.keys().map(String::as_str).collect();
            let known = known.join(", ");
            return Err(refused(format!("none of its text fields is named {known}")));
        }
        Ok(Form { pdf, values })
    }

    /// The page with its fields filled in.
    ///
    /// # Errors
    /// As `render::bitmap`; [`DocumentRefusal::Cover`] for a page that lies across.
    pub fn page(&self, resolution: Resolution) -> Result<FaxPage, DocumentRefusal> {
        let mut page = self.pdf.page(1)?;
        page.empty_text_fields();
        let (mut bitmap, layout) = render::bitmap(&page, resolution)?;
        if layout.turned {
            return Err(refused(
                "it is wider than a fax page: make it upright".to_owned(),
            ));
        }
        let texts = self.values.values().map(String::as_str);
        let mut setter = Typesetter::for_texts(Paper::default(), texts);
        let mut sheet = SetPage::default();
        for field in page.text_fields(&layout) {
            if let Some(value) = self.values.get(&field.name) {
                fill(
                    &mut setter,
                    &mut sheet,
                    &Place::of(&field, resolution),
                    value,
                );
            }
        }
        setter.ink(&mut bitmap, &sheet, resolution);
        Ok(render::encoded(&bitmap, resolution))
    }
}

fn refused(why: String) -> DocumentRefusal {
    DocumentRefusal::Cover(why)
}

/// Where a text goes, in points of the fax page.
struct Place {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    multiline: bool,
}

impl Place {
    fn of(field: &TextField, resolution: Resolution) -> Place {
        let (x_dpi, y_dpi) = resolution.exact_dpi();
        let across = |pels: i32| (f64::from(pels) / x_dpi * POINTS_PER_INCH) as f32;
        let down = |rows: i32| (f64::from(rows) / y_dpi * POINTS_PER_INCH) as f32;
        let [left, top, right, bottom] = field.place;
        let height = down(bottom - top);
        Place {
            x: across(left) + INSET,
            y: down(top),
            width: (across(right - left) - 2.0 * INSET).max(1.0),
            height,
            multiline: field.multiline || height >= TALL,
        }
    }

    fn fits(&self, lines: &[SetLine], size: f32) -> bool {
        let height = size * LEADING * lines.len() as f32;
        match self.multiline {
            true => height <= self.height,
            false => lines.len() <= 1,
        }
    }

    /// The largest letters worth trying.
    fn size(&self) -> f32 {
        match self.multiline {
            true => SIZE,
            false => (self.height / LEADING).clamp(LEAST, SIZE),
        }
    }

    fn most_lines(&self, size: f32) -> usize {
        match self.multiline {
            true => ((self.height / (size * LEADING)) as usize).max(1),
            false => 1,
        }
    }
}

/// Sets a value into its place: as large as it fits, cut where it does not fit at all.
fn fill(setter: &mut Typesetter, sheet: &mut SetPage, place: &Place, value: &str) {
    let style = |size| Style {
        size,
        bold: false,
        leading: LEADING,
    };
    let value = match place.multiline {
        true => value.to_owned(),
        false => value.replace('\n', " "),
    };
    let mut size = place.size();
    let mut lines = setter.lay(&value, style(size), place.width);
    while !place.fits(&lines, size) && size > LEAST {
        size = (size - STEP).max(LEAST);
        lines = setter.lay(&value, style(size), place.width);
    }
    let most = place.most_lines(size);
    if lines.len() > most {
        lines.truncate(most);
        if let (Some(last), Some(ellipsis)) = (
            lines.last_mut(),
            setter
                .lay(&ELLIPSIS.to_string(), style(size), place.width)
                .pop(),
        ) {
            last.shorten(place.width - ellipsis.width);
            last.append(&ellipsis);
        }
    }
    let first = match place.multiline {
        true => size * ASCENT + INSET,
        // In the middle, as the letters look.
        false => (place.height + size * CAPITALS) / 2.0,
    };
    for (n, line) in lines.iter().enumerate() {
        sheet.put(line, place.x, place.y + first + n as f32 * size * LEADING);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::bitmap::Bitmap;
    use crate::pages::cover::CoverSource;
    use crate::pages::cut::LongPages;
    use crate::pages::document::{Document, Source, Target};
    use crate::pages::pdfium::testing::with_pdfium;
    use crate::pages::{g4, sample};

    const TO: (&str, [f64; 4], bool) = ("to", [170.0, 690.0, 525.0, 712.0], false);
    const SUBJECT: (&str, [f64; 4], bool) = ("subject", [170.0, 650.0, 525.0, 672.0], false);
    const NOTES: (&str, [f64; 4], bool) = ("notes", [170.0, 480.0, 525.0, 600.0], true);

    fn draw(
        pdf: &[u8],
        values: &[(&str, &str)],
        resolution: Resolution,
    ) -> Result<Bitmap, DocumentRefusal> {
        let owned = values
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let source = Source::Cover(CoverSource::Form(owned.collect()));
        let paper = Paper::A4;
        let page = with_pdfium(|renderer| {
            let mut document = Document::open(renderer, &source, pdf, paper)?;
            document.draw(
                1,
                Target {
                    resolution,
                    paper,
                    long_pages: LongPages::Shrink,
                },
            )
        })?;
        let page = &page.pages[0];
        Ok(g4::decode(&page.g4, page.width, page.height).unwrap())
    }

    /// Black pels in a field, without the rule at its foot.
    fn ink(page: &Bitmap, (_, [left, bottom, right, top], _): (&str, [f64; 4], bool)) -> usize {
        let across = |points: f64| (points / 595.28 * 1728.0 * 210.0 / 215.0 + 20.0) as u32;
        let down = |points: f64| ((841.89 - points) / 841.89 * f64::from(page.height())) as u32;
        let rows = down(top)..down(bottom + 2.0);
        let pels = rows.flat_map(|y| (across(left)..across(right)).map(move |x| (x, y)));
        pels.filter(|(x, y)| page.get(*x, *y)).count()
    }

    #[test]
    fn each_value_stands_in_its_field_and_nowhere_else() {
        let pdf = sample::cover_form(&[TO, SUBJECT, NOTES]);
        for resolution in [Resolution::Standard, Resolution::Fine] {
            let blank = draw(
                &pdf,
                &[("to", ""), ("subject", ""), ("notes", "")],
                resolution,
            )
            .unwrap();
            for field in [TO, SUBJECT, NOTES] {
                assert_eq!(
                    ink(&blank, field),
                    0,
                    "no placeholder is left in {}",
                    field.0
                );
            }
            let one = draw(&pdf, &[("to", "Jane Roe"), ("subject", "")], resolution).unwrap();
            assert!(ink(&one, TO) > 100 && ink(&one, SUBJECT) == 0);
            let all = [
                ("to", "\u{6771}\u{4eac}"),
                ("subject", "Lease"),
                ("notes", "One\nTwo\nThree"),
            ];
            let all = draw(&pdf, &all, resolution).unwrap();
            assert!(
                [TO, SUBJECT, NOTES]
                    .into_iter()
                    .all(|field| ink(&all, field) > 100)
            );
        }
    }

    #[test]
    fn a_text_that_is_too_long_stays_in_its_field() {
        let pdf = sample::cover_form(&[TO, SUBJECT, NOTES]);
        let long = "a subject that is much too long ".repeat(60);
        let blank = draw(&pdf, &[("subject", ""), ("notes", "")], Resolution::Fine).unwrap();
        let full = [("subject", long.as_str()), ("notes", &long)];
        let full = draw(&pdf, &full, Resolution::Fine).unwrap();
        let black = |page: &Bitmap| {
            page.rows()
                .flatten()
                .map(|octet| octet.count_ones() as usize)
                .sum::<usize>()
        };
        let inside = ink(&full, SUBJECT) + ink(&full, NOTES);
        let all = black(&full) - black(&blank);
        assert!(inside * 100 >= all * 97, "{inside} of {all}");
    }

    #[test]
    fn what_is_no_cover_page_is_told_why() {
        let none = sample::cover_form(&[("addressee", TO.1, false)]);
        let why = draw(&none, &[("to", "x"), ("subject", "y")], Resolution::Fine).unwrap_err();
        assert_eq!(
            why.to_string(),
            "none of its text fields is named subject, to"
        );
        for (pdf, told) in [
            (sample::numbered_pages(2), "it has 2 pages"),
            (sample::demo_document(), "it has 2 pages"),
            (sample::numbered_pages(1), "none of its text fields"),
            (b"%PDF-1.7 no more".to_vec(), "damaged"),
            (Vec::new(), "empty"),
        ] {
            let why = draw(&pdf, &[("to", "x")], Resolution::Fine)
                .unwrap_err()
                .to_string();
            assert!(why.contains(told), "{why}");
        }
    }
}
