//! Thin rules that a drawing misses: without soft edges a line thinner than a row shows only where it happens to
//! meet the middle of one. A second drawing with twice the rows tells where lines are.

use super::bitmap::Bitmap;
use super::raster::{BLACK_BELOW, Grey};

/// Pels of the shortest line that is looked after: 1.5 mm.
const SHORTEST: usize = 12;
/// Rows of the drawing with twice the rows that a thin line has at most.
const THICKEST: u32 = 4;

/// Adds to `page` the thin level lines that `twice`, the same page drawn with twice the rows, has and it has not.
/// `spared` tells the places that are none of our business.
pub(super) fn restore(page: &mut Bitmap, twice: &Grey, spared: impl Fn(u32, u32) -> bool) {
    for y in 0..twice.height().min(page.height() * 2) {
        for (start, end) in runs(twice.row(y)) {
            let middle = (start + end) / 2;
            if end - start >= SHORTEST
                && is_thin(twice, middle, y)
                && is_missing(page, start as u32, end as u32, y / 2)
                && !spared(middle as u32, y / 2)
            {
                page.blacken(y / 2, &[start as u32, end as u32]);
            }
        }
    }
}

/// Black runs of a row: first pel, and first pel behind.
fn runs(row: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut x = 0;
    std::iter::from_fn(move || {
        let start = x + row[x..].iter().position(|&level| level < BLACK_BELOW)?;
        let white = row[start..].iter().position(|&level| level >= BLACK_BELOW);
        x = white.map_or(row.len(), |len| start + len);
        Some((start, x))
    })
}

/// Whether the black at this place is a few rows high.
fn is_thin(twice: &Grey, x: usize, y: u32) -> bool {
    let black = |&y: &u32| twice.row(y)[x] < BLACK_BELOW;
    let above = (0..y).rev().take_while(black).take(THICKEST as usize);
    let below = (y..twice.height()).take_while(black);
    above.count() + below.take(THICKEST as usize + 1).count() <= THICKEST as usize
}

/// Whether less than half of the run has ink in its row or in the rows next to it.
fn is_missing(page: &Bitmap, start: u32, end: u32, y: u32) -> bool {
    let near = y.saturating_sub(1)..=y + 1;
    let inked = (start..end)
        .filter(|&x| near.clone().any(|y| page.get(x, y)))
        .count() as u32;
    inked * 2 < end - start
}
