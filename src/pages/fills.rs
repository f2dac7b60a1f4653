//! Even fills with text on them that a threshold would lose: white letters on a ground that turns white too, black ones
//! on a ground that turns black. Such a ground takes the colour that its text has not.

use super::Resolution;
use super::bitmap::Bitmap;
use super::inked::{CHUNK, Inked};
use super::raster::{BLACK_BELOW, Grey};
use super::runs;

/// Levels of a ground that text can be read on, in either colour.
const GROUNDS: std::ops::RangeInclusive<u8> = 56..=215;
/// Levels by which pels of one ground differ at most.
const EVEN: u8 = 3;
/// Levels by which text differs from its ground.
const CONTRAST: u8 = 40;
/// Pels of the shortest piece of a ground that is looked for.
const SHORTEST: usize = 8;
/// Pels across the widest stroke of a letter: what is wider is another fill.
const WIDEST_STROKE: usize = 60;
/// Pels up and down from a stroke within which its ground goes on, at fine.
const HIGHEST_STROKE: u32 = 100;
/// Pels of the smallest ground: 15 square millimetres.
const SMALLEST: u32 = 1000;
/// Of a ground, how many pels in a thousand the strokes of its text have at least, one counted across each...
const TEXT_PERMILLE: u32 = 1;
/// ... and how many there are: some letters.
const FEWEST_STROKES: u32 = 60;

/// A piece of a ground in one row.
struct Piece {
    y: u32,
    start: usize,
    end: usize,
    level: u8,
}

/// What is known of a ground.
#[derive(Default, Clone)]
struct Ground {
    pels: u32,
    light: Ink,
    dark: Ink,
}

/// The text on a ground, lighter or darker.
#[derive(Default, Clone)]
struct Ink {
    pels: u32,
    levels: u64,
}

impl Ink {
    fn add(&mut self, levels: &[u8]) {
        self.pels += levels.len() as u32;
        self.levels += levels.iter().map(|&level| u64::from(level)).sum::<u64>();
    }

    fn mean(&self) -> u8 {
        (self.levels / u64::from(self.pels.max(1))) as u8
    }
}

/// What becomes of a ground and of what stands on it.
#[derive(Clone, Copy)]
struct Verdict {
    is_black: bool,
    black_below: u8,
}

impl Ground {
    /// `None` where the threshold of the page does as well.
    fn verdict(&self, level: u8) -> Option<Verdict> {
        let is_text = |ink: &Ink, other: &Ink| {
            self.pels >= SMALLEST
                && ink.pels >= FEWEST_STROKES
                && ink.pels * 1000 >= self.pels * TEXT_PERMILLE
                && ink.pels >= 2 * other.pels
                && ink.mean().abs_diff(level) >= CONTRAST
        };
        let between = |ink: &Ink| level.midpoint(ink.mean());
        if level >= BLACK_BELOW && is_text(&self.light, &self.dark) {
            let black_below = between(&self.light);
            return Some(Verdict {
                is_black: true,
                black_below,
            });
        }
        if level < BLACK_BELOW && is_text(&self.dark, &self.light) {
            let black_below = between(&self.dark);
            return Some(Verdict {
                is_black: false,
                black_below,
            });
        }
        None
    }
}

/// Gives the grounds of `page` the colour in which their text can be read. `spared` tells the places that are none of
/// our business.
pub(super) fn mend(
    page: &mut Bitmap,
    grey: &Grey,
    inked: &Inked,
    resolution: Resolution,
    spared: impl Fn(u32, u32) -> bool,
) {
    let pieces = pieces(grey, inked, spared);
    if pieces.is_empty() {
        return;
    }
    let grounds = Grounds::of(&pieces, grey, resolution);
    for (n, piece) in pieces.iter().enumerate() {
        let Some(verdict) = grounds.verdict(n, piece.level) else {
            continue;
        };
        let row = grey.row(piece.y);
        for x in piece.start..piece.end {
            page.put(x as u32, piece.y, verdict.is_black);
        }
        if let Some(next) = grounds.next_in_row(&pieces, n) {
            let gap = piece.end..next.start;
            for (x, &level) in gap.clone().zip(&row[gap]) {
                page.put(x as u32, piece.y, level < verdict.black_below);
            }
        }
    }
}

/// Looks for the pieces of even grounds, in the order of reading.
fn pieces(grey: &Grey, inked: &Inked, spared: impl Fn(u32, u32) -> bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for y in 0..grey.height() {
        let row = grey.row(y);
        let mut at = SHORTEST / 2;
        for end in inked.chunks(y).map(|chunk| (chunk + 1) * CHUNK) {
            // What lies between is paper.
            let start = (end - CHUNK).saturating_sub(at);
            at += start.next_multiple_of(SHORTEST);
            while at < row.len().min(end) {
                let level = row[at];
                if !GROUNDS.contains(&level) || spared(at as u32, y) {
                    at += SHORTEST;
                    continue;
                }
                let even = |other: u8| other.abs_diff(level) <= EVEN;
                let start = at - runs::back(&row[..at], even);
                let end = at + runs::forth(&row[at..], even);
                if end - start >= SHORTEST {
                    pieces.push(Piece {
                        y,
                        start,
                        end,
                        level,
                    });
                }
                at = (end + 1).max(at + SHORTEST);
            }
        }
    }
    pieces
}

/// Which pieces are of one ground, and what is known of each ground.
struct Grounds {
    /// For each piece another one of its ground; itself for one of them.
    leads_to: Vec<usize>,
    grounds: Vec<Ground>,
}

impl Grounds {
    fn of(pieces: &[Piece], grey: &Grey, resolution: Resolution) -> Grounds {
        let mut all = Grounds {
            leads_to: (0..pieces.len()).collect(),
            grounds: vec![Ground::default(); pieces.len()],
        };
        all.join(pieces);
        let highest = match resolution {
            Resolution::Standard => HIGHEST_STROKE / 2,
            Resolution::Fine => HIGHEST_STROKE,
            Resolution::Superfine => HIGHEST_STROKE * 2,
        };
        for (n, piece) in pieces.iter().enumerate() {
            let ground = all.find(n);
            all.grounds[ground].pels += (piece.end - piece.start) as u32;
            if let Some(next) = all.next_in_row(pieces, n) {
                let gap = (piece.end, next.start);
                look(&mut all.grounds[ground], grey, piece, gap, highest);
            }
        }
        all
    }

    /// Pieces that touch, one below the other, are of one ground.
    fn join(&mut self, pieces: &[Piece]) {
        let mut above = 0;
        for (n, piece) in pieces.iter().enumerate() {
            let is_before = |other: &Piece| {
                other.y + 1 < piece.y || other.y + 1 == piece.y && other.end <= piece.start
            };
            while is_before(&pieces[above]) {
                above += 1;
            }
            let touching = pieces[above..n]
                .iter()
                .take_while(|other| other.y < piece.y && other.start < piece.end);
            for (offset, other) in touching.enumerate() {
                if other.level.abs_diff(piece.level) <= EVEN {
                    let (a, b) = (self.find(above + offset), self.find(n));
                    self.leads_to[b] = a;
                }
            }
        }
    }

    fn find(&mut self, n: usize) -> usize {
        let root = self.root(n);
        let mut at = n;
        while at != root {
            at = std::mem::replace(&mut self.leads_to[at], root);
        }
        root
    }

    fn root(&self, n: usize) -> usize {
        let mut at = n;
        while self.leads_to[at] != at {
            at = self.leads_to[at];
        }
        at
    }

    /// The piece behind `n` in its row, where it is of the same ground and something lies between. Where the level of a
    /// ground changes slowly, its pieces overlap.
    fn next_in_row<'a>(&self, pieces: &'a [Piece], n: usize) -> Option<&'a Piece> {
        let (piece, next) = (&pieces[n], pieces.get(n + 1)?);
        let is_behind = next.y == piece.y && next.start >= piece.end;
        (is_behind && self.root(n) == self.root(n + 1)).then_some(next)
    }

    fn verdict(&self, n: usize, level: u8) -> Option<Verdict> {
        self.grounds[self.root(n)].verdict(level)
    }
}

/// Looks at what stands between two pieces of a ground: strokes, above and below which it goes on.
fn look(ground: &mut Ground, grey: &Grey, piece: &Piece, gap: (usize, usize), highest: u32) {
    let row = &grey.row(piece.y)[..gap.1];
    let is_ground = |level: &u8| level.abs_diff(piece.level) <= EVEN;
    let mut at = gap.0;
    while at < row.len() {
        let stroke = row[at..]
            .iter()
            .take_while(|level| !is_ground(level))
            .count();
        let levels = &row[at..at + stroke];
        if (1..=WIDEST_STROKE).contains(&stroke) {
            let middle = at + stroke / 2;
            let goes_on = |y: u32| is_ground(&grey.row(y)[middle]);
            let above = (piece.y.saturating_sub(highest)..piece.y)
                .rev()
                .any(goes_on);
            let bottom = (piece.y + highest).min(grey.height() - 1);
            if above && (piece.y + 1..=bottom).any(goes_on) {
                let strongest = levels
                    .iter()
                    .max_by_key(|level| level.abs_diff(piece.level));
                match strongest.copied() {
                    Some(level) if level >= piece.level.saturating_add(CONTRAST) => {
                        ground.light.add(&[level])
                    }
                    Some(level) if level.saturating_add(CONTRAST) <= piece.level => {
                        ground.dark.add(&[level])
                    }
                    _ => {}
                }
            }
        }
        at += stroke.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::raster;

    /// White paper with rectangles: left, top, width, height, level.
    fn drawn(rectangles: &[(u32, u32, u32, u32, u8)]) -> Bitmap {
        let mut levels = vec![255; 400 * 200];
        for &(left, top, width, height, level) in rectangles {
            for y in top..top + height {
                levels[(y * 400 + left) as usize..][..width as usize].fill(level);
            }
        }
        raster::bilevel(&Grey::new(400, 200, levels), &[], None, Resolution::Fine)
    }

    /// A ground of `level` with stems of `ink` on it.
    fn lettered(level: u8, ink: u8) -> Bitmap {
        let mut rectangles = vec![(50, 50, 300, 40, level)];
        rectangles.extend((0..20).map(|n| (80 + n * 9, 60, 3, 20, ink)));
        drawn(&rectangles)
    }

    #[test]
    fn white_letters_on_a_light_ground_stay_readable() {
        let page = lettered(150, 255);
        assert!(page.get(60, 55) && page.get(85, 70), "the ground");
        assert!(!page.get(81, 70) && !page.get(20, 20), "letters, paper");
    }

    #[test]
    fn black_letters_on_a_dark_ground_stay_readable() {
        let page = lettered(110, 0);
        assert!(!page.get(60, 55) && !page.get(85, 70), "the ground");
        assert!(page.get(81, 70), "letters");
    }

    #[test]
    fn grounds_that_do_no_harm_stay_as_they_are() {
        assert!(!lettered(200, 0).get(60, 55));
        assert!(lettered(60, 255).get(60, 55));
    }

    #[test]
    fn white_gutter_between_fills_is_no_text() {
        // A row of cells, joined below.
        let mut cells: Vec<_> = (0..10).map(|n| (50 + n * 30, 50, 26, 40, 160)).collect();
        cells.push((50, 90, 300, 20, 160));
        assert!(!drawn(&cells).get(60, 60));
    }

    /// A ground whose level changes slowly, so that its pieces overlap, with stems on it.
    #[test]
    fn grounds_that_change_slowly_are_drawn() {
        let (mut rng, mut mended) = (fastrand::Rng::with_seed(14), 0);
        for round in 0..100 {
            let (mut level, mut row) = (rng.i32(150..165), [255; 400]);
            let mut left = 20;
            while left < 380 {
                let right = (left + rng.usize(4..30)).min(380);
                row[left..right].fill(level as u8);
                level += rng.i32(-2..=2);
                left = right;
            }
            let plain = row;
            for stem in (30..370).step_by(rng.usize(12..40)) {
                row[stem..stem + 3].fill(255);
            }
            let rows = (0..200).flat_map(|y| match y {
                40..45 | 95..100 => plain,
                45..95 => row,
                _ => [255; 400],
            });
            let grey = Grey::new(400, 200, rows.collect());
            let inked = Inked::of(&grey);
            let mut page = Bitmap::new(400, 200).unwrap();
            mend(&mut page, &grey, &inked, Resolution::Fine, |_, _| false);
            assert!(!page.get(5, 60), "paper, in round {round}");
            mended += u32::from(page.get(25, 60));
        }
        assert!(mended > 50, "{mended}");
    }
}
