//! Words under the pictures of pages: found by a search and copied with the mouse, never drawn (text rendering mode 3,
//! ISO 32000-1 9.3.6).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::file::{PdfFile, Ref};
use super::glyphless::{ADVANCE, font};
use super::{POINTS_PER_INCH, hexadecimal_utf16};
use crate::pages::FaxPage;
use crate::pages::words::Word;

/// Entries of one list in a ToUnicode map at most (9.10.3; Adobe technical note 5014).
const LIST: usize = 100;

/// The font of all layers of a file, and the number of each character in it.
pub(super) struct Layer {
    /// The font, a resource of each page.
    pub(super) font: Ref,
    glyphs: BTreeMap<char, u16>,
}

impl Layer {
    /// Writes the font for these words; none where there are none.
    pub(super) fn new(file: &mut PdfFile, words: &[Vec<Word>]) -> Option<Layer> {
        let mut glyphs = BTreeMap::new();
        for c in words.iter().flatten().flat_map(|word| word.text.chars()) {
            // 0 is the glyph for what is not there.
            let next = u16::try_from(glyphs.len() + 1).unwrap_or(0);
            glyphs.entry(c).or_insert(next);
        }
        let count = u16::try_from(glyphs.len() + 1).unwrap_or(u16::MAX);
        (!glyphs.is_empty()).then(|| Layer {
            font: write_font(file, &glyphs, count),
            glyphs,
        })
    }

    /// The operators that lay the words of a page.
    pub(super) fn text(&self, page: &FaxPage, words: &[Word]) -> String {
        let (width, height) = page.inches();
        let across = width * POINTS_PER_INCH / f64::from(page.width);
        let down = height * POINTS_PER_INCH / f64::from(page.height);
        let mut operators = "BT 3 Tr\n".to_owned();
        for word in words {
            let size = f64::from(word.height) * down;
            let natural = word.text.chars().count() as f64 * size * f64::from(ADVANCE) / 1000.0;
            let stretch = 100.0 * f64::from(word.width) * across / natural;
            let (x, bottom) = (f64::from(word.left) * across, word.top + word.height);
            let y = f64::from(page.height.saturating_sub(bottom)) * down;
            let codes = self.codes(&word.text);
            let line = format!(
                "/Words {size:.2} Tf {stretch:.1} Tz 1 0 0 1 {x:.2} {y:.2} Tm <{codes}> Tj\n"
            );
            operators += &line;
        }
        operators + "ET\n"
    }

    fn codes(&self, text: &str) -> String {
        let mut codes = String::with_capacity(4 * text.len());
        for c in text.chars() {
            let glyph = self.glyphs.get(&c).copied().unwrap_or(0);
            write!(codes, "{glyph:04X}").expect("a String takes everything");
        }
        codes
    }
}

/// 9.7: a font of glyphs by number, embedded, with the character of each.
fn write_font(file: &mut PdfFile, glyphs: &BTreeMap<char, u16>, count: u16) -> Ref {
    let program = font(count);
    let program = file.add_stream(&format!("/Length1 {}", program.len()), &program);
    let descriptor = file.add(&format!(
        "<< /Type /FontDescriptor /FontName /POSTFX+Words /Flags 4 /FontBBox [0 0 0 0] /ItalicAngle 0 \
         /Ascent 800 /Descent -200 /CapHeight 800 /StemV 0 /FontFile2 {program} >>"
    ));
    let descendant = file.add(&format!(
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /POSTFX+Words /CIDToGIDMap /Identity /DW {ADVANCE} \
         /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor {descriptor} >>"
    ));
    let characters = file.add_stream("", characters(glyphs).as_bytes());
    file.add(&format!(
        "<< /Type /Font /Subtype /Type0 /BaseFont /POSTFX+Words /Encoding /Identity-H \
         /DescendantFonts [{descendant}] /ToUnicode {characters} >>"
    ))
}

/// 9.10.3: which character each glyph stands for.
fn characters(glyphs: &BTreeMap<char, u16>) -> String {
    let mut map = "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n\
        /CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n\
        /CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n\
        1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
        .to_owned();
    let mut all: Vec<(u16, char)> = glyphs.iter().map(|(c, glyph)| (*glyph, *c)).collect();
    all.sort_unstable();
    for list in all.chunks(LIST) {
        map += &format!("{} beginbfchar\n", list.len());
        for (glyph, c) in list {
            map += &format!("<{glyph:04X}> <{}>\n", hexadecimal_utf16(&c.to_string()));
        }
        map += "endbfchar\n";
    }
    map + "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
}
