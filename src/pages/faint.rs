//! Ink that a threshold loses: grey letters, grey rules, the thin strokes of a scan. It is told from fills by being
//! thin, and from the soft edges of black letters by being the darkest of its surroundings.

use super::Resolution;
use super::raster::{BLACK_BELOW, Grey};

/// Levels that may be ink though they are not black. Above are watermarks and paper.
pub(super) const LEVELS: std::ops::Range<u8> = BLACK_BELOW..200;
/// Levels by which the paper on both sides is lighter.
const CONTRAST: u8 = 48;
/// Pels across of the thickest stroke: 2 mm. Fills are wider.
const THICKEST: u32 = 16;
/// Half of that many times as large is what has strokes and is a letter.
const JUNCTION: u32 = 5;
/// Levels by which a pel across the stroke may be darker...
const ACROSS: u8 = 16;
/// ... and one along the stroke: more is the end of a black one.
const ALONG: u8 = 40;

/// Finds faint ink on one page, asked for pels in the order of reading.
pub(super) struct Faint<'a> {
    grey: &'a Grey,
    thickest_down: u32,
    /// The last pel that was found deep in a fill across, and for each column the last one that was down.
    deep_across: Option<Deep>,
    deep_down: Vec<Option<Deep>>,
}

/// A pel too far from paper for a stroke and for where two meet; so is the next one where it has the same level.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Deep {
    x: u32,
    y: u32,
    level: u8,
}

impl Faint<'_> {
    pub(super) fn new(grey: &Grey, resolution: Resolution) -> Faint<'_> {
        let thickest_down = match resolution {
            Resolution::Standard => THICKEST / 2,
            Resolution::Fine => THICKEST,
            Resolution::Superfine => THICKEST * 2,
        };
        Faint {
            grey,
            thickest_down,
            deep_across: None,
            deep_down: vec![None; grey.width() as usize],
        }
    }

    /// Whether the pel, whose level is one of [`LEVELS`], belongs to a thin stroke, or to where two of them meet.
    pub(super) fn is_ink(&mut self, x: u32, y: u32) -> bool {
        let (across, down) = self.is_deep(x, y);
        let (x, y) = (x.into(), y.into());
        match (across, down) {
            // Most pels of fills.
            (true, true) => false,
            (true, false) => self.is_of_level_stroke(x, y),
            (false, true) => self.is_of_upright_stroke(x, y),
            (false, false) => self.is_of_stroke(x, y) || self.is_of_junction(x, y),
        }
    }

    /// Whether the pel is deep in a fill, across and down, as it was told by the ones before it where they have its level.
    fn is_deep(&mut self, x: u32, y: u32) -> (bool, bool) {
        let level = self.grey.row(y)[x as usize];
        let here = Deep { x, y, level };
        let left = x.checked_sub(1).map(|x| Deep { x, ..here });
        let above = y.checked_sub(1).map(|y| Deep { y, ..here });
        let column = |distance: i64| self.level(i64::from(x) + distance, y.into());
        let row = |distance: i64| self.level(x.into(), i64::from(y) + distance);
        // Not looked for where it would be told to nobody.
        let is_far = |towards: &dyn Fn(i64) -> u8, thickest: u32| {
            towards(1) == level && !is_within(level, towards, thickest * JUNCTION / 2)
        };
        let across = left.is_some() && self.deep_across == left || is_far(&column, THICKEST);
        let down = above.is_some() && self.deep_down[x as usize] == above
            || is_far(&row, self.thickest_down);
        self.deep_across = across.then_some(here);
        self.deep_down[x as usize] = down.then_some(here);
        (across, down)
    }

    fn is_of_stroke(&self, x: i64, y: i64) -> bool {
        self.is_of_upright_stroke(x, y) || self.is_of_level_stroke(x, y)
    }

    fn is_of_upright_stroke(&self, x: i64, y: i64) -> bool {
        let row = |distance: i64| self.level(x, y + distance);
        let column = |distance: i64| self.level(x + distance, y);
        is_stroke(self.level(x, y), column, row, THICKEST)
    }

    fn is_of_level_stroke(&self, x: i64, y: i64) -> bool {
        let row = |distance: i64| self.level(x, y + distance);
        let column = |distance: i64| self.level(x + distance, y);
        is_stroke(self.level(x, y), row, column, self.thickest_down)
    }

    /// Where the bars of a bold E leave its stem neither is thin; all of it is no larger than a letter.
    fn is_of_junction(&self, x: i64, y: i64) -> bool {
        let level = self.level(x, y);
        let row = |distance: i64| self.level(x, y + distance);
        let column = |distance: i64| self.level(x + distance, y);
        // Beside darker ink it is a soft edge.
        let is_edge = |at: i64| level.saturating_sub(row(at).min(column(at))) > ACROSS;
        if [-2, -1, 1, 2].into_iter().any(is_edge) {
            return false;
        }
        if !is_within(level, row, self.thickest_down * JUNCTION / 2)
            || !is_within(level, column, THICKEST * JUNCTION / 2)
        {
            return false;
        }
        let leads_to_stroke = |(dx, dy): (i64, i64), reach: u32| {
            (1..=i64::from(reach))
                .map(|distance| (x + dx * distance, y + dy * distance))
                .take_while(|(x, y)| self.level(*x, *y).abs_diff(level) <= ACROSS)
                .any(|(x, y)| self.is_of_stroke(x, y))
        };
        [(-1, 0), (1, 0)]
            .into_iter()
            .any(|to| leads_to_stroke(to, THICKEST))
            || [(0, -1), (0, 1)]
                .into_iter()
                .any(|to| leads_to_stroke(to, self.thickest_down))
    }

    /// The level at a place; outside of the page is paper.
    fn level(&self, x: i64, y: i64) -> u8 {
        match (u32::try_from(x), u32::try_from(y)) {
            (Ok(x), Ok(y)) if x < self.grey.width() && y < self.grey.height() => {
                self.grey.row(y)[x as usize]
            }
            _ => u8::MAX,
        }
    }
}

/// Whether a pel lies in a stroke that is at most `thickest` wide in the direction `across`. The directions give
/// the level at a distance.
fn is_stroke(
    level: u8,
    across: impl Fn(i64) -> u8,
    along: impl Fn(i64) -> u8,
    thickest: u32,
) -> bool {
    let darkest_across = [-2, -1, 1, 2].map(&across).into_iter().fold(level, u8::min);
    let darkest_along = along(-1).min(along(1));
    if level - darkest_across > ACROSS || level.saturating_sub(darkest_along) > ALONG {
        return false;
    }
    is_within(level, across, thickest)
}

/// Whether there is paper on both sides, so near that what lies between is at most `thickest` wide.
fn is_within(level: u8, across: impl Fn(i64) -> u8, thickest: u32) -> bool {
    let paper = level.saturating_add(CONTRAST);
    let reach = i64::from(thickest);
    let Some(behind) = (1..=reach).find(|&distance| across(-distance) >= paper) else {
        return false;
    };
    (1..=reach - behind + 1).any(|distance| across(distance) >= paper)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A white page with grey rectangles: left, top, width, height, level.
    fn page(rectangles: &[(u32, u32, u32, u32, u8)]) -> Grey {
        let mut levels = vec![255; 100 * 100];
        for &(left, top, width, height, level) in rectangles {
            for y in top..top + height {
                levels[(y * 100 + left) as usize..][..width as usize].fill(level);
            }
        }
        Grey::new(100, 100, levels)
    }

    fn is_ink(page: &Grey, x: u32, y: u32) -> bool {
        Faint::new(page, Resolution::Fine).is_ink(x, y)
    }

    #[test]
    fn grey_rules_are_ink_in_both_directions() {
        let page = page(&[(10, 10, 60, 2, 170), (10, 20, 3, 60, 150)]);
        assert!(is_ink(&page, 40, 10) && is_ink(&page, 40, 11));
        assert!(is_ink(&page, 10, 50) && is_ink(&page, 12, 50));
    }

    #[test]
    fn bold_grey_letter_is_ink_where_its_strokes_meet() {
        // The stem of an E, and its bars.
        let mut letter = vec![(10, 10, 8, 36, 170)];
        letter.extend([10, 25, 40].map(|top| (10, top, 24, 6, 170)));
        let page = page(&letter);
        for (x, y) in [(12, 12), (16, 28), (13, 43), (13, 20), (30, 27)] {
            assert!(is_ink(&page, x, y), "{x}, {y}");
        }
    }

    #[test]
    fn small_grey_box_is_not_ink() {
        let page = page(&[(20, 20, 28, 28, 180)]);
        assert!((20..48).all(|x| !is_ink(&page, x, 34) && !is_ink(&page, x, 20)));
    }

    #[test]
    fn grey_fills_are_not_ink_up_to_their_rims() {
        let page = page(&[(10, 10, 60, 40, 170)]);
        for (x, y) in [(10, 10), (10, 30), (40, 10), (40, 30), (69, 49)] {
            assert!(!is_ink(&page, x, y), "{x}, {y}");
        }
    }

    #[test]
    fn fill_between_black_letters_is_not_ink() {
        // Two black stems on a grey fill, the grey between them narrow.
        let page = page(&[
            (10, 10, 60, 40, 170),
            (30, 15, 3, 20, 0),
            (38, 15, 3, 20, 0),
        ]);
        assert!(!is_ink(&page, 35, 25) && !is_ink(&page, 29, 25));
    }

    #[test]
    fn soft_edge_of_a_black_stem_is_not_ink() {
        let page = page(&[(29, 14, 6, 32, 150), (30, 15, 4, 30, 20)]);
        for (x, y) in [(29, 30), (34, 30), (31, 14), (31, 45)] {
            assert!(!is_ink(&page, x, y), "{x}, {y}");
        }
    }

    #[test]
    fn rough_grey_paper_is_not_ink() {
        let mut rng = fastrand::Rng::with_seed(4);
        let levels = (0..10_000).map(|_| rng.u8(175..205)).collect();
        let page = Grey::new(100, 100, levels);
        assert!(!(0..100).any(|y| (0..100).any(|x| is_ink(&page, x, y))));
    }
}
