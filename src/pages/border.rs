//! What surrounds the sheet on a scan: black where the lid was open. It says nothing, and takes minutes on the wire.

use super::layout::Layout;
use super::raster::Grey;

/// Pels behind the black that are paper, and in how many lines in a hundred at least.
const BEHIND: usize = 24;
const CLEAN_PERCENT: usize = 80;
/// Levels of what is no paper.
const DARK: u8 = 110;
/// Pels of the rim of a scan that may have any level: soft edges.
const RIM: usize = 3;
/// Of a scan's side, how far in hundreds the black may reach inwards: what goes further is a picture or a fill.
const DEEPEST_PERCENT: usize = 10;
/// Of an edge, how much in a hundred the black takes that is cleaned away.
const LONGEST_PERCENT: usize = 30;
/// Pels that go with the black: its soft edge.
const SOFT: usize = 3;

/// Makes the black at the edges of a scan white, which lies where the layout says.
pub(super) fn clean(grey: &mut Grey, layout: &Layout) {
    let (left, width) = (layout.x as usize, layout.content_width as usize);
    let rows = layout.y..(layout.y + layout.content_height).min(grey.height());
    for mirrored in [false, true] {
        let at = |n: usize| left + if mirrored { width - 1 - n } else { n };
        let deep = |y: u32| {
            let row = grey.row(y);
            Depth::of(width, |n| row[at(n)])
        };
        let depths: Vec<Depth> = rows.clone().map(deep).collect();
        if is_border(&depths) {
            for (y, depth) in rows
                .clone()
                .zip(&depths)
                .filter(|(_, depth)| depth.black > 0)
            {
                let row = grey.row_mut(y);
                (0..depth.black + SOFT).for_each(|n| row[at(n)] = u8::MAX);
            }
        }
    }
    for mirrored in [false, true] {
        let at = |n: usize| match mirrored {
            true => rows.end - 1 - n as u32,
            false => rows.start + n as u32,
        };
        let deep = |x: usize| Depth::of(rows.len(), |n| grey.row(at(n))[x]);
        let depths: Vec<Depth> = (left..left + width).map(deep).collect();
        if is_border(&depths) {
            for (x, depth) in (left..).zip(&depths).filter(|(_, depth)| depth.black > 0) {
                (0..(depth.black + SOFT).min(rows.len()))
                    .for_each(|n| grey.row_mut(at(n))[x] = u8::MAX);
            }
        }
    }
}

/// The black at the edge of one line of pels.
struct Depth {
    /// So many pels; 0 where there are none, or more than of any border.
    black: usize,
    /// Paper follows, and no more black: light letters in a black band have black behind them.
    is_clean: bool,
}

impl Depth {
    fn of(length: usize, level: impl Fn(usize) -> u8) -> Depth {
        let deepest = length * DEEPEST_PERCENT / 100;
        let is_dark = |n: &usize| level(*n) < DARK;
        let black = match (RIM..deepest).take_while(is_dark).count() {
            0 => 0,
            dark if RIM + dark >= deepest => 0,
            dark => RIM + dark,
        };
        let behind = black + SOFT..(black + SOFT + BEHIND).min(length);
        let is_clean = !behind.clone().any(|n| is_dark(&n));
        Depth { black, is_clean }
    }
}

fn is_border(depths: &[Depth]) -> bool {
    let black = || depths.iter().filter(|depth| depth.black > 0);
    let clean = black().filter(|depth| depth.is_clean).count();
    let black = black().count();
    black * 100 >= depths.len() * LONGEST_PERCENT && clean * 100 >= black * CLEAN_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Resolution;
    use crate::pages::layout::TopMargin;

    /// A sheet of grey paper with a column of letters, and what `level` says of its edges.
    fn cleaned(level: impl Fn(u32, u32) -> Option<u8>) -> Grey {
        let layout = Layout::fit(595.0, 842.0, Resolution::Standard, TopMargin::Own);
        let (width, height) = (1728, layout.height);
        let levels = (0..width * height).map(|n| {
            let (x, y) = (n % width, n / width);
            level(x, y).unwrap_or(if x % 20 < 3 && x > 200 && x < 900 {
                30
            } else {
                225
            })
        });
        let mut grey = Grey::new(width, height, levels.collect());
        clean(&mut grey, &layout);
        grey
    }

    #[test]
    fn black_around_the_sheet_goes_and_letters_stay() {
        // Slanted, as the sheet lay askew.
        let grey = cleaned(|x, y| (x < 40 + y / 40 || y > 1120).then_some(15));
        for (x, y) in [(22, 5), (30, 500), (60, 1000), (810, 1130)] {
            assert!(grey.row(y)[x] > 200, "{x}, {y}");
        }
        assert_eq!(grey.row(500)[241], 30, "a letter");
    }

    #[test]
    fn bands_and_pictures_at_an_edge_stay() {
        let band = cleaned(|_, y| (y < 200).then_some(15));
        assert_eq!(band.row(100)[900], 15, "deeper than a border");
        let letters = |x: u32, y: u32| (10..16).contains(&(x % 20)) && !y.is_multiple_of(3);
        let lettered = cleaned(|x, y| (x < 100).then(|| if letters(x, y) { 255 } else { 15 }));
        assert_eq!(lettered.row(99)[45], 15, "a band with letters");
        let mark = cleaned(|x, y| (x < 60 && y < 200).then_some(15));
        assert_eq!(mark.row(100)[40], 15, "shorter than a border");
    }
}
