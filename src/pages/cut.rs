//! Pages that are longer than any sheet, cut into several where nothing stands.

use serde::{Deserialize, Serialize};

use super::bitmap::Bitmap;
use super::layout::header_rows;

/// What becomes of a page that is longer than legal paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LongPages {
    /// A little longer: shrunk. Much longer: cut.
    #[default]
    Split,
    /// Shrunk, however small it gets.
    Shrink,
}

/// Inches above the end of a sheet in which a white row is looked for.
const SEARCH: f64 = 1.5;

/// Cuts a page into sheets of at most `rows` rows, each with room for the header line; `y_dpi` is its resolution.
pub(super) fn sheets(page: &Bitmap, rows: u32, y_dpi: u32) -> Vec<Bitmap> {
    let strip = header_rows(y_dpi);
    let most = rows.saturating_sub(strip).max(1);
    let search = (SEARCH * f64::from(y_dpi)) as u32;
    let mut sheets = Vec::new();
    // What is white at the top is the strip of the first sheet.
    let mut from = page.blank_rows_at_top().min(strip);
    while from < page.height() {
        let end = (from + most).min(page.height());
        let to = match end == page.height() {
            true => end,
            false => white_row(page, end.saturating_sub(search).max(from + 1), end).unwrap_or(end),
        };
        sheets.push(sheet(page, from, to, strip));
        from = to;
    }
    sheets
}

/// The last white row between two.
fn white_row(page: &Bitmap, from: u32, to: u32) -> Option<u32> {
    let is_white = |y: &u32| page.row(*y).iter().all(|octet| *octet == 0);
    (from..to).rev().find(is_white)
}

fn sheet(page: &Bitmap, from: u32, to: u32, strip: u32) -> Bitmap {
    let sheet = Bitmap::new(page.width(), strip + to - from);
    let mut sheet = sheet.expect("a sheet is shorter than the page it was cut from, or than paper");
    for (own, y) in (strip..).zip(from..to) {
        sheet.add_row(own, page.row(y));
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of ten rows with ten white ones between, down a long page.
    fn page(height: u32, first: u32) -> Bitmap {
        let mut page = Bitmap::new(64, height).unwrap();
        for y in (first..height).filter(|y| y % 20 < 10) {
            page.blacken(y, &[8, 56]);
        }
        page
    }

    fn inked(page: &Bitmap) -> usize {
        page.rows()
            .filter(|row| row.iter().any(|octet| *octet != 0))
            .count()
    }

    #[test]
    fn no_line_is_cut_in_two_and_none_is_lost() {
        for first in [0, 20, 200] {
            let long = page(7000, first);
            let sheets = sheets(&long, 2200, 196);
            assert_eq!(sheets.len(), 4);
            assert_eq!(sheets.iter().map(inked).sum::<usize>(), inked(&long));
            for sheet in &sheets {
                assert!(sheet.height() <= 2200);
                assert!(sheet.blank_rows_at_top() >= header_rows(196));
                assert_eq!(inked(sheet) % 10, 0, "a line of ten rows is whole");
            }
        }
    }

    #[test]
    fn what_is_black_all_over_is_cut_all_the_same() {
        let mut black = Bitmap::new(64, 5000).unwrap();
        (0..5000).for_each(|y| black.blacken(y, &[0]));
        let sheets = sheets(&black, 1100, 98);
        assert_eq!(sheets.iter().map(inked).sum::<usize>(), 5000);
        assert!(sheets.iter().all(|sheet| sheet.height() <= 1100));
    }
}
