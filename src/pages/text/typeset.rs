//! Sets paragraphs on pages and draws them, black on white, at the pels of a fax.

pub(in crate::pages) mod block;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cosmic_text::fontdb::{Database, Source};
use cosmic_text::{
    Attrs, Buffer, CacheKey, CacheKeyFlags, Family, FontSystem, LayoutGlyph, LayoutRun, Metrics,
    Shaping, Stretch, SwashCache, Weight, Wrap,
};
use zeno::{Format, Mask, Placement, Transform};

use super::{Line, Span};
use crate::pages::bitmap::Bitmap;
use crate::pages::layout::Paper;
use crate::pages::pdfium::FONT_DIRS;
use crate::pages::{FaxPage, PAGE_WIDTH, Resolution, g4};

const POINTS_PER_INCH: f32 = 72.0;
/// Inches left and right, where many machines do not print.
const SIDE: f32 = 0.75;
/// Inches above: the header line has its place there.
const TOP: f32 = 0.7;
const BOTTOM: f32 = 0.6;
/// Points of letters, and of one line.
pub(super) const SIZE: f32 = 11.0;
const LEADING: f32 = 1.3;
/// Points of the letters of tables, where they have room; and the least that can be read at standard resolution.
const COLUMN_SIZE: f32 = 9.0;
const LEAST_SIZE: f32 = 6.0;
/// Of its size, the width of a letter of the face with letters of one width.
const COLUMN_WIDTH: f32 = 0.602;
/// A pel turns black where the letter covers this much of 255.
const COVERAGE: u8 = 110;
/// Points of the rule below the heading.
const RULE: f32 = 0.75;

/// Of the letters of a text, those that no font has, in a hundred: more is a page of boxes.
const MISSING_PERCENT: usize = 15;

/// What is on one page, in points from its upper left corner.
#[derive(Debug, Default)]
pub(in crate::pages) struct SetPage {
    glyphs: Vec<SetGlyph>,
    rules: Vec<Rule>,
    /// Letters that no font has, the first of them.
    missing: BTreeSet<char>,
}

/// Letters without a font that are kept of a page.
const MAX_MISSING: usize = 200;

impl SetPage {
    /// Letters that no font has: they show as boxes.
    pub(in crate::pages) fn missing(&self) -> &BTreeSet<char> {
        &self.missing
    }
}

/// A black bar, in points.
#[derive(Debug, Clone, Copy)]
pub(in crate::pages) struct Rule {
    /// Its left end.
    pub(in crate::pages) x: f32,
    /// Its top.
    pub(in crate::pages) y: f32,
    pub(in crate::pages) width: f32,
    pub(in crate::pages) height: f32,
}

#[derive(Debug, Clone, Copy)]
struct SetGlyph {
    /// Which outline, at the size in points.
    key: CacheKey,
    x: f32,
    /// Of the baseline.
    y: f32,
    /// From its place to the next letter's.
    advance: f32,
}

/// The fonts, and the paper.
pub(in crate::pages) struct Typesetter {
    fonts: FontSystem,
    outlines: SwashCache,
    face: Face,
    columns_face: Face,
    paper: Paper,
    width: f32,
    letters: usize,
    missing: usize,
}

/// The name under which a font is found.
#[derive(Debug, Clone)]
struct Face {
    family: String,
    stretch: Stretch,
}

impl Face {
    fn attrs(&self, bold: bool) -> Attrs<'_> {
        Attrs::new()
            .family(Family::Name(&self.family))
            .stretch(self.stretch)
            .weight(if bold { Weight::BOLD } else { Weight::NORMAL })
            .cache_key_flags(CacheKeyFlags::DISABLE_HINTING)
    }
}

impl Typesetter {
    /// With the fonts that come with the program and, where the text has letters that these lack, the system's.
    pub(super) fn new(paper: Paper, lines: &[Line], heading: &[(String, String)]) -> Typesetter {
        let text = lines
            .iter()
            .flat_map(|line| &line.spans)
            .map(|span| span.text.as_str());
        let heading = heading.iter().map(|(_, value)| value.as_str());
        Typesetter::for_texts(paper, text.chain(heading))
    }

    /// As [`Typesetter::new`], for texts of any other shape.
    pub(in crate::pages) fn for_texts<'t>(
        paper: Paper,
        mut texts: impl Iterator<Item = &'t str>,
    ) -> Typesetter {
        let mut database = Database::new();
        let face = load(&mut database, dejavu::sans_condensed::regular());
        load(&mut database, dejavu::sans_condensed::bold());
        let columns_face = load(&mut database, dejavu::sans_mono::regular());
        load(&mut database, dejavu::sans_mono::bold());
        if texts.any(needs_more) {
            for folder in FONT_DIRS {
                database.load_fonts_dir(folder);
            }
        }
        Typesetter {
            fonts: FontSystem::new_with_locale_and_db("en-US".to_owned(), database),
            outlines: SwashCache::new(),
            face,
            columns_face,
            paper,
            width: page_width() - 2.0 * SIDE * POINTS_PER_INCH,
            letters: 0,
            missing: 0,
        }
    }

    /// Sets the heading and the paragraphs; at least one page.
    pub(super) fn set(&mut self, heading: &[(String, String)], lines: &[Line]) -> Vec<SetPage> {
        let mut column = Column::new(self.paper);
        for (name, value) in heading {
            let bold = |text: String, bold| Span { text, bold };
            let line = Line {
                spans: vec![bold(format!("{name}: "), true), bold(value.clone(), false)],
                ..Line::default()
            };
            self.paragraph(&line, SIZE, &mut column);
        }
        if !heading.is_empty() {
            column.rule();
        }
        for (line, size) in lines.iter().zip(sizes(lines, self.width)) {
            if line.breaks {
                column.next_page();
            }
            self.paragraph(line, size, &mut column);
        }
        column.pages
    }

    fn paragraph(&mut self, line: &Line, size: f32, column: &mut Column) {
        let face = match line.columns {
            true => &self.columns_face,
            false => &self.face,
        };
        let height = size * LEADING;
        let mut buffer = Buffer::new(&mut self.fonts, Metrics::new(size, height));
        buffer.set_wrap(Wrap::WordOrGlyph);
        buffer.set_size(Some(self.width), None);
        let spans = line.spans.iter();
        let spans = spans.map(|span| (span.text.as_str(), face.attrs(span.bold)));
        buffer.set_rich_text(spans, &face.attrs(false), Shaping::Advanced, None);
        buffer.shape_until_scroll(&mut self.fonts, false);
        for run in buffer.layout_runs() {
            let top = column.room_for(height);
            let baseline = top + (run.line_y - run.line_top);
            let left = SIDE * POINTS_PER_INCH;
            for glyph in run.glyphs {
                self.letters += 1;
                if glyph.glyph_id == 0 {
                    self.missing += 1;
                    let letters = run.text.get(glyph.start..glyph.end).unwrap_or_default();
                    let missing = &mut column.page().missing;
                    if missing.len() < MAX_MISSING {
                        missing.extend(letters.chars().filter(|c| !is_pictorial(*c)));
                    }
                }
                if is_shown(&run, glyph) {
                    column.page().glyphs.push(set(glyph, left, baseline));
                }
            }
        }
    }

    /// Whether the fonts have every letter of a text.
    pub(super) fn has(&mut self, text: &str) -> bool {
        let before = self.missing;
        let mut column = Column::new(self.paper);
        self.paragraph(&Line::plain(text), SIZE, &mut column);
        self.missing == before
    }

    /// Whether so many letters are missing in all fonts that nobody could read the pages.
    pub(super) fn lacks_letters(&self) -> bool {
        self.missing * 100 > self.letters * MISSING_PERCENT
    }

    /// The page as a fax page.
    pub(in crate::pages) fn draw(&mut self, page: &SetPage, resolution: Resolution) -> FaxPage {
        let y_dpi = resolution.exact_dpi().1;
        let height = (self.paper.length() * y_dpi).round() as u32;
        let mut bitmap = Bitmap::new(PAGE_WIDTH, height).expect("paper is within the limits");
        self.ink(&mut bitmap, page, resolution);
        let (x_dpi, y_dpi) = resolution.dpi();
        FaxPage {
            width: PAGE_WIDTH,
            height,
            x_dpi,
            y_dpi,
            g4: g4::encode(&bitmap),
        }
    }

    /// Puts what is on `page` onto a bitmap of this resolution.
    pub(in crate::pages) fn ink(
        &mut self,
        bitmap: &mut Bitmap,
        page: &SetPage,
        resolution: Resolution,
    ) {
        let (x_dpi, y_dpi) = resolution.exact_dpi();
        let scale = (
            x_dpi as f32 / POINTS_PER_INCH,
            y_dpi as f32 / POINTS_PER_INCH,
        );
        let mut masks: HashMap<CacheKey, Option<(Vec<u8>, Placement)>> = HashMap::new();
        for glyph in &page.glyphs {
            let mask = masks.entry(glyph.key).or_insert_with(|| {
                let outline = self
                    .outlines
                    .get_outline_commands(&mut self.fonts, glyph.key)?;
                // Outlines point upwards, rows go down.
                let to_pels = Transform::scale(scale.0, -scale.1);
                Some(
                    Mask::new(outline)
                        .format(Format::Alpha)
                        .transform(Some(to_pels))
                        .render(),
                )
            });
            let Some((coverage, placed)) = mask else {
                continue;
            };
            let left = (glyph.x * scale.0).round() as i32 + placed.left;
            let top = (glyph.y * scale.1).round() as i32 + placed.top;
            stamp(bitmap, coverage, placed.width, left, top);
        }
        for rule in &page.rules {
            let ends = [rule.x, rule.x + rule.width].map(|x| (x * scale.0) as u32);
            let top = (rule.y * scale.1).round() as u32;
            let rows = ((rule.height * scale.1).round() as u32).max(1);
            (top..top + rows).for_each(|y| bitmap.blacken(y, &ends));
        }
    }
}

/// Points across a fax page.
pub(in crate::pages) fn page_width() -> f32 {
    (f64::from(PAGE_WIDTH) / Resolution::Fine.exact_dpi().0) as f32 * POINTS_PER_INCH
}

/// Whether a glyph is drawn: a small picture that no font has is left out; a letter shows as its box.
fn is_shown(run: &LayoutRun<'_>, glyph: &LayoutGlyph) -> bool {
    let shown = run.text.get(glyph.start..glyph.end).unwrap_or_default();
    glyph.glyph_id != 0 || !shown.chars().all(is_pictorial)
}

/// Emoji, and what chooses among their forms.
fn is_pictorial(c: char) -> bool {
    matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{fe00}'..='\u{fe0f}' | '\u{200d}' | '\u{e0000}'..='\u{e007f}')
}

fn load(database: &mut Database, font: &'static [u8]) -> Face {
    let ids = database.load_font_source(Source::Binary(Arc::new(font)));
    let face = ids.first().and_then(|id| database.face(*id));
    let face = face.expect("the fonts of the program are fonts");
    Face {
        family: face.families[0].0.clone(),
        stretch: face.stretch,
    }
}

/// Whether the text has letters that the program's own fonts lack.
fn needs_more(text: &str) -> bool {
    use ab_glyph::Font;
    // Latin, Greek and Cyrillic.
    if text.chars().all(|c| c < '\u{0530}') {
        return false;
    }
    let own = ab_glyph::FontRef::try_from_slice(dejavu::sans_condensed::regular());
    let own = own.expect("the font of the program is a font");
    let lacks = |c: char| !c.is_control() && own.glyph_id(c).0 == 0;
    text.chars().any(lacks)
}

/// The size of the letters of each paragraph: rows of one table have one, so small that the longest fits.
fn sizes(lines: &[Line], width: f32) -> Vec<f32> {
    let mut sizes = Vec::with_capacity(lines.len());
    for block in lines.chunk_by(|a, b| a.columns == b.columns) {
        let longest = block.iter().map(|line| line.text().chars().count()).max();
        let fitting = width / (COLUMN_WIDTH * longest.unwrap_or(0).max(1) as f32);
        let size = match block[0].columns {
            true => COLUMN_SIZE.min(fitting).max(LEAST_SIZE),
            false => SIZE,
        };
        sizes.extend(block.iter().map(|_| size));
    }
    sizes
}

fn set(glyph: &LayoutGlyph, left: f32, baseline: f32) -> SetGlyph {
    let (key, _, _) = CacheKey::new(
        glyph.font_id,
        glyph.glyph_id,
        glyph.font_size,
        (0.0, 0.0),
        glyph.font_weight,
        glyph.cache_key_flags,
    );
    SetGlyph {
        key,
        x: left + glyph.x + glyph.font_size * glyph.x_offset,
        y: baseline + glyph.y - glyph.font_size * glyph.y_offset,
        advance: glyph.w,
    }
}

fn stamp(bitmap: &mut Bitmap, coverage: &[u8], width: u32, left: i32, top: i32) {
    for (y, row) in (top..).zip(coverage.chunks(width.max(1) as usize)) {
        for (x, _) in (left..)
            .zip(row)
            .filter(|(_, covered)| **covered >= COVERAGE)
        {
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) {
                bitmap.set(x, y);
            }
        }
    }
}

/// The column of text, page by page.
struct Column {
    pages: Vec<SetPage>,
    y: f32,
    bottom: f32,
}

impl Column {
    fn new(paper: Paper) -> Column {
        Column {
            pages: vec![SetPage::default()],
            y: TOP * POINTS_PER_INCH,
            bottom: (paper.length() as f32 - BOTTOM) * POINTS_PER_INCH,
        }
    }

    fn page(&mut self) -> &mut SetPage {
        self.pages.last_mut().expect("there is one from the start")
    }

    fn next_page(&mut self) {
        self.pages.push(SetPage::default());
        self.y = TOP * POINTS_PER_INCH;
    }

    /// The top of the next `height` points.
    fn room_for(&mut self, height: f32) -> f32 {
        if self.y + height > self.bottom {
            self.next_page();
        }
        let top = self.y;
        self.y += height;
        top
    }

    fn rule(&mut self) {
        let y = self.room_for(SIZE) + SIZE * 0.3;
        let side = SIDE * POINTS_PER_INCH;
        self.page().rules.push(Rule {
            x: side,
            y,
            width: page_width() - 2.0 * side,
            height: RULE,
        });
        self.y += SIZE * 0.5;
    }
}
