//! Thin rules that a drawing misses: without soft edges a line thinner than a pel shows only where it happens to
//! meet the middle of one. PDFium draws no line thinner than the mean of a pel's width and height: where pels are
//! wider than high upright lines get lost, where they are higher than wide level ones. A second drawing with other
//! pels tells where these are.

use super::Resolution;
use super::bitmap::Bitmap;
use super::inked::{self, CHUNK, Inked};
use super::layout::Layout;
use super::raster::{BLACK_BELOW, Grey};
use super::runs;

/// Levels of lines: lighter ones are hardly meant to be seen.
const LINE_BELOW: u8 = 238;
/// Pels of the shortest line that is looked after: 1.5 mm.
const SHORTEST: u32 = 12;
/// Of a light one.
const SHORTEST_LIGHT: u32 = 60;
/// Pels across the thickest line in the second drawing that can be missing in the first.
const THICKEST: usize = 4;

/// Where to draw the page for the second time.
pub(super) fn second_layout(first: &Layout, resolution: Resolution) -> Layout {
    match resolution {
        Resolution::Standard | Resolution::Fine => first.scaled_down_the_page(2, 1),
        Resolution::Superfine => first.scaled_down_the_page(1, 2),
    }
}

/// Points across the thinnest line that no drawing misses, of a page of `size` in points: a pel's longer side, where
/// the page is drawn, and a little more for rounding.
pub(super) fn thinnest(
    layout: &Layout,
    (width, height): (f64, f64),
    resolution: Resolution,
) -> f32 {
    let (x_dpi, y_dpi) = resolution.exact_dpi();
    let downwards = if layout.turned { width } else { height };
    let drawn_dpi = f64::from(layout.content_height) * 72.0 / downwards;
    let scale = (drawn_dpi / y_dpi).clamp(0.01, 1.0);
    (72.0 / x_dpi.min(y_dpi) / scale * 1.03) as f32
}

/// Adds to `page` the thin lines that the `second` drawing has and it has not. `spared` tells the places that are
/// none of our business.
pub(super) fn restore(
    page: &mut Bitmap,
    second: &Grey,
    resolution: Resolution,
    spared: impl Fn(u32, u32) -> bool,
) {
    let inked = Inked::of(second);
    if resolution == Resolution::Superfine {
        // One row of it for two of the page.
        return restore_upright(page, second, &inked, |row| row * 2, spared);
    }
    restore_level(page, second, &inked, &spared);
    restore_upright(page, second, &inked, |row| row / 2, spared);
}

/// `twice` has two rows for each of the page.
fn restore_level(
    page: &mut Bitmap,
    twice: &Grey,
    inked: &Inked,
    spared: impl Fn(u32, u32) -> bool,
) {
    for row in 0..twice.height() {
        let y = row / 2;
        for (start, end) in long_runs(twice.row(row), inked.chunks(row)) {
            let middle = (start + end) / 2;
            let at = |y: u32| twice.row(y)[middle as usize];
            let near = |x| (y.saturating_sub(1)..=y + 1).any(|y| page.get(x, y));
            if is_thin((0..row).rev().map(at), (row..twice.height()).map(at))
                && end - start >= shortest(at(row))
                && mostly_white(start..end, near)
                && !spared(middle, y)
            {
                page.blacken(y, &[start, end]);
            }
        }
    }
}

/// `page_row` tells which row of the page a row of `second` lies in, or where it begins.
fn restore_upright(
    page: &mut Bitmap,
    second: &Grey,
    inked: &Inked,
    page_row: impl Fn(u32) -> u32,
    spared: impl Fn(u32, u32) -> bool,
) {
    let last = second.height().saturating_sub(SHORTEST);
    let starts = (0..last).flat_map(|row| inked.chunks(row).map(move |chunk| (row, chunk)));
    for (start, chunk) in starts {
        let begin = begins(second, start, chunk);
        // Next to nowhere does any.
        if !begin.iter().fold(false, |any, begins| any | begins) {
            continue;
        }
        let places = (0..)
            .zip(begin)
            .filter_map(|(n, begins)| begins.then_some(n));
        for x in places.map(|n| (chunk * CHUNK) as u32 + n) {
            let probe = second.row(start + SHORTEST - 1);
            let across = |x: u32| probe[x as usize];
            if !is_thin((0..x).rev().map(across), (x..second.width()).map(across)) {
                continue;
            }
            let down = (start..second.height()).map(|row| second.row(row)[x as usize]);
            let length = down.take_while(|level| *level < LINE_BELOW).count() as u32;
            let rows = page_row(start)..page_row(start + length);
            let near = |y| (x.saturating_sub(1)..=x + 1).any(|x| page.get(x, y));
            if length >= shortest(across(x))
                && mostly_white(rows.clone(), near)
                && !spared(x, rows.start.midpoint(rows.end))
            {
                rows.for_each(|y| page.set(x, y));
            }
        }
    }
}

/// At which pels of a chunk an upright line may begin, which goes on for a while. `row` is not among the last ones.
fn begins(second: &Grey, row: u32, chunk: usize) -> [bool; CHUNK] {
    let above = match row.checked_sub(1) {
        Some(row) => inked::chunk(second, row, chunk),
        None => [u8::MAX; CHUNK],
    };
    let own = inked::chunk(second, row, chunk);
    let middle = inked::chunk(second, row + SHORTEST / 2, chunk);
    let end = inked::chunk(second, row + SHORTEST - 1, chunk);
    let black = |level: u8| level < LINE_BELOW;
    // Without a branch: the pels are looked at together.
    std::array::from_fn(|n| black(own[n]) & !black(above[n]) & black(middle[n]) & black(end[n]))
}

/// Pels of the shortest line of a level: letters are no lines, even light ones.
fn shortest(level: u8) -> u32 {
    match level < BLACK_BELOW {
        true => SHORTEST,
        false => SHORTEST_LIGHT,
    }
}

/// Black runs of a row that are long enough to be lines: the first place, and the first place behind. `inked` are the
/// chunks that are not all paper.
fn long_runs(row: &[u8], inked: impl Iterator<Item = usize>) -> impl Iterator<Item = (u32, u32)> {
    const STEP: usize = SHORTEST as usize;
    let black = |level: u8| level < LINE_BELOW;
    let mut done = 0;
    // None of them lies between two of these places.
    let places = inked.flat_map(move |chunk| {
        let (start, end) = (chunk * CHUNK, (chunk + 1) * CHUNK);
        let first = (start + 1).next_multiple_of(STEP) - 1;
        (first..end.min(row.len())).step_by(STEP)
    });
    places.filter_map(move |place| {
        if place < done || row[place] >= LINE_BELOW {
            return None;
        }
        let start = place - runs::back(&row[..place], black);
        done = place + runs::forth(&row[place..], black);
        (done - start >= STEP).then_some((start as u32, done as u32))
    })
}

/// Whether the black in the middle of a run is a few pels thick.
fn is_thin(before: impl Iterator<Item = u8>, from: impl Iterator<Item = u8>) -> bool {
    let black = |level: &u8| *level < LINE_BELOW;
    let before = before.take_while(black).take(THICKEST).count();
    before + from.take_while(black).take(THICKEST + 1).count() <= THICKEST
}

/// Whether less than half of a run has ink.
fn mostly_white(run: std::ops::Range<u32>, ink: impl Fn(u32) -> bool) -> bool {
    let len = run.len();
    run.filter(|&at| ink(at)).count() * 2 < len
}
