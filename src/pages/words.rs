//! The words on a page, as a program that reads text (tesseract) found them.

use serde::{Deserialize, Serialize};

use super::g4::{self, G4Error};
use super::{FaxPage, Resolution, tiff};

/// Words of one page at most, and characters of one word: a page of noise reads as anything.
const MOST_WORDS: usize = 5000;
const MOST_CHARACTERS: usize = 100;

/// A word and the box around it, in pels and rows of its page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// What it says.
    pub text: String,
    /// Left edge.
    pub left: u32,
    /// Top edge.
    pub top: u32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

/// The page as such a program is given it: one TIFF, with pels that are nearly square.
///
/// # Errors
/// [`G4Error`] where the page does not decode.
pub fn to_read(page: &FaxPage) -> Result<Vec<u8>, G4Error> {
    let made_at = match page.y_dpi {
        0..=120 => Resolution::Standard,
        121..=250 => Resolution::Fine,
        _ => Resolution::Superfine,
    };
    let bitmap = g4::decode(&page.g4, page.width, page.height)?;
    Ok(tiff::write(&[tiff::at_resolution(
        &bitmap,
        made_at,
        Resolution::Fine,
    )]))
}

/// Reads the table of words that tesseract makes of [`to_read`] (its format `tsv`): level, page, block, paragraph,
/// line, word, left, top, width, height, confidence, text. Lines that are something else are passed over.
pub fn from_table(table: &str, page: &FaxPage) -> Vec<Word> {
    let words = table.lines().filter_map(|line| word(line, page));
    words.take(MOST_WORDS).collect()
}

fn word(line: &str, page: &FaxPage) -> Option<Word> {
    /// The level of words, below pages, blocks, paragraphs and lines.
    const WORD: &str = "5";
    let mut fields = line.split('\t');
    if fields.next()? != WORD {
        return None;
    }
    let place: Vec<u32> = fields
        .by_ref()
        .skip(5)
        .take(4)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let [left, top, width, height] = place.try_into().ok()?;
    let text = fields.nth(1)?.trim();
    let shown = text.chars().filter(|c| !c.is_control());
    let text: String = shown.take(MOST_CHARACTERS).collect();
    let rows = |n: u32| u32::try_from(u64::from(n) * u64::from(page.y_dpi) / 196).ok();
    let word = Word {
        text,
        left,
        top: rows(top)?,
        width,
        height: rows(height)?.max(1),
    };
    let within = |from: u32, len: u32, all: u32| from.checked_add(len).is_some_and(|to| to <= all);
    let is_on_page = within(word.left, word.width, page.width.saturating_add(8))
        && within(word.top, word.height, page.height.saturating_add(8));
    (is_on_page && word.width > 0 && !word.text.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::bitmap::Bitmap;

    const TABLE: &str = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext
1\t1\t0\t0\t0\t0\t0\t0\t1728\t2287\t-1\t
4\t1\t1\t1\t1\t0\t100\t200\t900\t30\t-1\t
5\t1\t1\t1\t1\t1\t100\t200\t150\t30\t96.1\tDear
5\t1\t1\t1\t1\t2\t270\t200\t300\t30\t91\tJ\u{fc}rgen,
5\t1\t1\t1\t2\t1\t270\t260\t300\t30\t12\t   ";

    fn page(y_dpi: u32, height: u32) -> FaxPage {
        FaxPage {
            width: 1728,
            height,
            x_dpi: 204,
            y_dpi,
            g4: g4::encode(&Bitmap::new(1728, height).unwrap()),
        }
    }

    #[test]
    fn words_have_their_place_in_rows_of_their_page() {
        for (y_dpi, height, top, rows) in [
            (98, 1143, 100, 15),
            (196, 2287, 200, 30),
            (391, 4574, 398, 59),
        ] {
            let words = from_table(TABLE, &page(y_dpi, height));
            assert_eq!(words.len(), 2, "{y_dpi}");
            assert_eq!(words[1].text, "J\u{fc}rgen,");
            let first = &words[0];
            assert_eq!((first.left, first.width), (100, 150));
            assert_eq!((first.top, first.height), (top, rows), "{y_dpi}");
        }
    }

    #[test]
    fn a_standard_page_is_read_with_its_rows_doubled() {
        let read = tiff::read(&to_read(&page(98, 1143)).unwrap()).unwrap();
        assert_eq!(
            (read[0].width, read[0].height, read[0].y_dpi),
            (1728, 2286, 196)
        );
    }

    #[test]
    fn mutated_tables_never_panic_nor_leave_the_page() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..5000 {
            let mut bad = TABLE.as_bytes().to_vec();
            for _ in 0..rng.usize(1..8) {
                let at = rng.usize(..bad.len());
                bad[at] = rng.choice(b"0123456789\t\n-.x".iter()).copied().unwrap();
            }
            for word in from_table(&String::from_utf8_lossy(&bad), &page(196, 2287)) {
                assert!(word.left + word.width <= 1736 && word.top + word.height <= 2295);
            }
        }
    }
}
