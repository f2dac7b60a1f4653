//! What surrounds the sheet on a scan: black where the lid was open. It says nothing, and takes minutes on the wire.

use super::layout::Layout;
use super::raster::Grey;

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
            depth(width, |n| row[at(n)])
        };
        let depths: Vec<usize> = rows.clone().map(deep).collect();
        if is_border(&depths) {
            for (y, depth) in rows.clone().zip(&depths).filter(|(_, depth)| **depth > 0) {
                let row = grey.row_mut(y);
                (0..depth + SOFT).for_each(|n| row[at(n)] = u8::MAX);
            }
        }
    }
    for mirrored in [false, true] {
        let at = |n: usize| match mirrored {
            true => rows.end - 1 - n as u32,
            false => rows.start + n as u32,
        };
        let deep = |x: usize| depth(rows.len(), |n| grey.row(at(n))[x]);
        let depths: Vec<usize> = (left..left + width).map(deep).collect();
        if is_border(&depths) {
            for (x, depth) in (left..).zip(&depths).filter(|(_, depth)| **depth > 0) {
                (0..(depth + SOFT).min(rows.len())).for_each(|n| grey.row_mut(at(n))[x] = u8::MAX);
            }
        }
    }
}

/// Pels of black at the edge of one line of `length` pels; 0 where there are none, or more than of any border.
fn depth(length: usize, level: impl Fn(usize) -> u8) -> usize {
    let deepest = length * DEEPEST_PERCENT / 100;
    let dark = (RIM..deepest).take_while(|n| level(*n) < DARK).count();
    match dark {
        0 => 0,
        dark if RIM + dark >= deepest => 0,
        dark => RIM + dark,
    }
}

fn is_border(depths: &[usize]) -> bool {
    let black = depths.iter().filter(|depth| **depth > 0).count();
    black * 100 >= depths.len() * LONGEST_PERCENT
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
        for (x, y) in [(22, 5), (30, 500), (60, 1000), (800, 1130)] {
            assert!(grey.row(y)[x] > 200, "{x}, {y}");
        }
        assert_eq!(grey.row(500)[241], 30, "a letter");
    }

    #[test]
    fn bands_and_pictures_at_an_edge_stay() {
        let band = cleaned(|_, y| (y < 200).then_some(15));
        assert_eq!(band.row(100)[900], 15, "deeper than a border");
        let mark = cleaned(|x, y| (x < 60 && y < 200).then_some(15));
        assert_eq!(mark.row(100)[40], 15, "shorter than a border");
    }
}
