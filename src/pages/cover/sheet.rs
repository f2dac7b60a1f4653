//! The cover page of our own: a text in our markup, set on one sheet.

use super::markup::{self, Rank, Row};
use crate::pages::layout::Paper;
use crate::pages::text::typeset::block::{SetLine, Style};
use crate::pages::text::typeset::{Rule, SetPage, Typesetter, page_width};
use crate::pages::{DocumentRefusal, FaxPage, Resolution};

const POINTS_PER_INCH: f32 = 72.0;
/// Inches left and right, above (the header line has its place there) and below.
const SIDE: f32 = 0.85;
const TOP: f32 = 0.75;
const BOTTOM: f32 = 0.75;
/// Points between columns, of an empty line, and of the two rules with the room above and below them.
const GUTTER: f32 = 24.0;
const ROOM: f32 = 14.0;
const THICK: [f32; 3] = [10.0, 3.0, 16.0];
const THIN: [f32; 3] = [12.0, 0.75, 12.0];
/// Of its size, how much of a line is above its baseline.
const ASCENT: f32 = 0.93;
const ELLIPSIS: &str = "…";
/// Octets of the longest text: a page has room for a tenth of it.
const MOST: usize = 64 << 10;

impl Rank {
    fn style(self) -> Style {
        let (size, bold, leading) = match self {
            Rank::Huge => (44.0, true, 1.1),
            Rank::Large => (15.0, true, 1.25),
            Rank::Label => (9.0, true, 1.6),
            Rank::Text => (12.0, false, 1.35),
        };
        Style {
            size,
            bold,
            leading,
        }
    }

    /// Lines at most: a long subject leaves room for what follows.
    fn most_lines(self) -> usize {
        match self {
            Rank::Huge | Rank::Label => 1,
            Rank::Large => 4,
            Rank::Text => usize::MAX,
        }
    }
}

/// A cover page that is set and can be drawn.
pub struct Sheet {
    setter: Typesetter,
    page: SetPage,
}

impl Sheet {
    /// Sets a text; what has no room on one page is left out, and an ellipsis says so.
    ///
    /// # Errors
    /// [`DocumentRefusal::Damaged`] for octets that are no UTF-8, [`DocumentRefusal::TooMuchText`].
    pub fn set(text: &[u8], paper: Paper) -> Result<Sheet, DocumentRefusal> {
        if text.len() > MOST {
            return Err(DocumentRefusal::TooMuchText { limit: MOST });
        }
        let text = str::from_utf8(text).map_err(|_| DocumentRefusal::damaged("text"))?;
        let mut setter = Typesetter::for_texts(paper, std::iter::once(text));
        let mut column = Column::new(paper);
        for row in markup::rows(text) {
            let goes_on = match row {
                Row::Room => column.skip(ROOM),
                Row::Thick => column.rule(THICK),
                Row::Thin => column.rule(THIN),
                Row::Cells(cells) => column.cells(&mut setter, &cells),
            };
            if !goes_on {
                break;
            }
        }
        let page = column.page;
        Ok(Sheet { setter, page })
    }

    /// The page.
    pub fn page(&mut self, resolution: Resolution) -> FaxPage {
        self.setter.draw(&self.page, resolution)
    }
}

/// What is set so far, from the top.
struct Column {
    page: SetPage,
    y: f32,
    bottom: f32,
}

/// A cell's lines, and how many more it would have had.
struct Cell {
    style: Style,
    lines: Vec<SetLine>,
    cut: bool,
}

impl Column {
    fn new(paper: Paper) -> Column {
        Column {
            page: SetPage::default(),
            y: TOP * POINTS_PER_INCH,
            bottom: (paper.length() as f32 - BOTTOM) * POINTS_PER_INCH,
        }
    }

    fn skip(&mut self, height: f32) -> bool {
        self.y += height;
        self.y < self.bottom
    }

    fn rule(&mut self, [above, height, below]: [f32; 3]) -> bool {
        let x = SIDE * POINTS_PER_INCH;
        self.y += above;
        if self.y + height < self.bottom {
            self.page.bar(Rule {
                x,
                y: self.y,
                width: page_width() - 2.0 * x,
                height,
            });
        }
        self.skip(height + below)
    }

    /// Sets cells side by side, on one baseline; false where the page is full.
    fn cells(&mut self, setter: &mut Typesetter, cells: &[(Rank, String)]) -> bool {
        let side = SIDE * POINTS_PER_INCH;
        let columns = cells.len() as f32;
        let width = (page_width() - 2.0 * side - GUTTER * (columns - 1.0)) / columns;
        if width < GUTTER {
            return true;
        }
        let styles = cells.iter().map(|(rank, _)| rank.style());
        let ascent = styles.map(|style| style.size * ASCENT).fold(0.0, f32::max);
        let room = self.bottom - self.y - ascent;
        let mut lowest = self.y;
        for (n, (rank, text)) in cells.iter().enumerate() {
            let Some(mut cell) = fitted(setter, *rank, text, width, room) else {
                return false;
            };
            if cell.cut {
                close(setter, &mut cell, width);
            }
            let x = side + n as f32 * (width + GUTTER);
            let step = cell.style.size * cell.style.leading;
            let mut baseline = self.y + ascent;
            for line in &cell.lines {
                self.page.put(line, x, baseline);
                baseline += step;
            }
            lowest = lowest.max(baseline - cell.style.size * ASCENT);
        }
        self.y = lowest;
        true
    }
}

/// As many lines of a text as the rank and the room allow; none where not even one has room.
fn fitted(setter: &mut Typesetter, rank: Rank, text: &str, width: f32, room: f32) -> Option<Cell> {
    let style = rank.style();
    let mut lines = setter.lay(text, style, width);
    let step = style.size * style.leading;
    if room < 0.0 {
        return None;
    }
    let most = rank.most_lines().min(1 + (room / step) as usize);
    let cut = lines.len() > most;
    lines.truncate(most);
    Some(Cell { style, lines, cut })
}

/// Puts the ellipsis behind the last line, in the place of its end where it has no other.
fn close(setter: &mut Typesetter, cell: &mut Cell, width: f32) {
    let Some(last) = cell.lines.last_mut() else {
        return;
    };
    let Some(ellipsis) = setter.lay(ELLIPSIS, cell.style, width).pop() else {
        return;
    };
    last.shorten(width - ellipsis.width);
    last.append(&ellipsis);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::g4;

    fn draw(text: &str, resolution: Resolution) -> FaxPage {
        let mut sheet = Sheet::set(text.as_bytes(), Paper::Letter).unwrap();
        sheet.page(resolution)
    }

    fn rows_with_ink(page: &FaxPage) -> Vec<u32> {
        let bitmap = g4::decode(&page.g4, page.width, page.height).unwrap();
        let inked = |y: &u32| bitmap.row(*y).iter().any(|octet| *octet != 0);
        (0..page.height).filter(inked).collect()
    }

    #[test]
    fn long_and_hostile_texts_stay_on_the_page() {
        let texts = [
            format!("## {}", "word ".repeat(3000)),
            format!("## {}", "W".repeat(5000)),
            "text\n".repeat(3000),
            "a || b || c\n".repeat(100),
            "|".repeat(5000),
            "# x\n===\n---\n".repeat(200),
            "\u{202e}\u{200f}\u{0}\u{feff}".repeat(500),
            String::new(),
        ];
        for text in texts {
            for resolution in [Resolution::Standard, Resolution::Fine] {
                let page = draw(&text, resolution);
                let y_dpi = resolution.exact_dpi().1;
                let ink = rows_with_ink(&page);
                let last = ((11.0 - 0.5) * y_dpi) as u32;
                assert!(ink.last().is_none_or(|y| *y < last), "{:?}", ink.last());
                assert!(ink.first().is_none_or(|y| *y as f64 > 0.5 * y_dpi));
            }
        }
        let long = vec![b'x'; MOST + 1];
        assert!(Sheet::set(&long, Paper::A4).is_err());
        assert!(Sheet::set(b"\xff", Paper::A4).is_err());
    }

    #[test]
    fn a_text_that_is_cut_ends_in_an_ellipsis() {
        let whole = draw(
            &format!(
                "## {}",
                "nine words of a subject that is not short ".repeat(4)
            ),
            Resolution::Fine,
        );
        let cut = draw(
            &format!(
                "## {}",
                "nine words of a subject that is not short ".repeat(40)
            ),
            Resolution::Fine,
        );
        assert_ne!(whole, cut);
        let lines = |page: &FaxPage| {
            let ink = rows_with_ink(page);
            1 + ink.windows(2).filter(|pair| pair[1] > pair[0] + 4).count()
        };
        assert!(lines(&cut) <= 4 + 4, "{}", lines(&cut));
    }
}
