//! Two rows of a drawing into one, for the standard resolution: a page drawn at its own rows loses the bars and bows of
//! small letters. It is drawn at the rows of fine, and of two pels that one stays which would get lost.

use super::inked::{self, CHUNK, Inked};
use super::raster::Grey;

/// Pels that differ by less are of a photo or a fill: they become their mean.
const EDGE: u8 = 48;
/// Pairs of rows above and below that tell on what ground a chunk stands.
const GROUND_REACH: u32 = 4;

/// The same page with half of the rows.
pub(super) fn halved(tall: &Grey) -> Grey {
    let (width, height) = (tall.width() as usize, tall.height() / 2);
    let inked = Inked::of(tall);
    let shades = Shades::of(tall, &inked);
    let mut levels = vec![u8::MAX; width * height as usize];
    for (y, joined) in (0..height).zip(levels.chunks_exact_mut(width)) {
        let rows = rows_of(y, height);
        let [_, upper, lower, ..] = rows;
        for (n, joined) in joined.chunks_mut(CHUNK).enumerate() {
            if inked.has(upper, n) || inked.has(lower, n) {
                let columns = rows.map(|row| inked::chunk(tall, row, n));
                let ground = shades.around(n, y);
                let pels: [u8; CHUNK] = std::array::from_fn(|x| {
                    let column = columns.map(|levels| levels[x]);
                    joined_pel(column, ground)
                });
                joined.copy_from_slice(&pels[..joined.len()]);
            }
        }
    }
    Grey::new(tall.width(), height, levels)
}

/// The two rows that become row `y` of `height`, the one before and the two behind them; at the edges the page goes on as
/// in a mirror.
fn rows_of(y: u32, height: u32) -> [u32; 5] {
    let (upper, lower) = (2 * y, 2 * y + 1);
    let above = upper.checked_sub(1).unwrap_or(lower);
    match y + 1 == height {
        true => [above, upper, lower, upper, lower],
        false => [above, upper, lower, lower + 1, lower + 2],
    }
}

/// How dark a page is, chunk by chunk.
struct Shades {
    columns: usize,
    height: u32,
    /// For each pair of rows, what the chunks above it add up to, 0 for white.
    above: Vec<u32>,
}

impl Shades {
    fn of(tall: &Grey, inked: &Inked) -> Shades {
        let columns = (tall.width() as usize).div_ceil(CHUNK);
        let height = tall.height() / 2;
        let mut above = vec![0; columns * (height as usize + 1)];
        for y in 0..height {
            let at = y as usize * columns;
            let (done, next) = above[at..at + 2 * columns].split_at_mut(columns);
            next.copy_from_slice(done);
            for row in [2 * y, 2 * y + 1] {
                for n in inked.chunks(row) {
                    let levels = inked::chunk(tall, row, n);
                    next[n] += levels.iter().map(|level| u32::from(!level)).sum::<u32>();
                }
            }
        }
        Shades {
            columns,
            height,
            above,
        }
    }

    /// The mean level of a chunk and of those above and below it.
    fn around(&self, chunk: usize, y: u32) -> u8 {
        let (top, bottom) = (
            y.saturating_sub(GROUND_REACH),
            (y + GROUND_REACH + 1).min(self.height),
        );
        let sum = |y: u32| self.above[y as usize * self.columns + chunk];
        let pels = (bottom - top) * 2 * CHUNK as u32;
        !(((sum(bottom) - sum(top)) / pels) as u8)
    }
}

/// Of five pels below each other, the second and the third as one: of two that differ the one that is not as the ground,
/// so that no bar gets lost, neither a black one on white nor a white one on black. Without branches, as what it calls:
/// the pels of a chunk are looked at together.
fn joined_pel(column: [u8; 5], ground: u8) -> u8 {
    let [_, upper, lower, ..] = column;
    let middle = upper.midpoint(lower);
    let inverted = if ground > middle { 0 } else { u8::MAX };
    let stroke = joined_stroke(column.map(|level| level ^ inverted)) ^ inverted;
    match upper.abs_diff(lower) < EDGE {
        true => middle,
        false => stroke,
    }
}

/// As [`joined_pel`], of dark strokes: the dark one of two, but the light one where it is a bar between dark ones, as in
/// an e. Such a bar of two rows that belong to two pairs stays in the upper pair.
fn joined_stroke([above, upper, lower, below, next]: [u8; 5]) -> u8 {
    let middle = upper.midpoint(lower);
    let is_dark = |level: u8| level <= middle;
    let stays_light = is_dark(above) & (is_dark(below) | is_dark(upper) & is_dark(next));
    match stays_light {
        true => upper.max(lower),
        false => upper.min(lower),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of `ground` with bars of one row, `ink`, in every fourth row of its left half.
    fn barred(ground: u8, ink: u8) -> Grey {
        let levels = (0..128 * 64).map(|n| match (n % 128, n / 128 % 4) {
            (..64, 3) => ink,
            _ => ground,
        });
        halved(&Grey::new(128, 64, levels.collect()))
    }

    #[test]
    fn bars_of_one_row_stay_on_light_and_on_dark_ground() {
        for (ground, ink) in [(255, 0), (0, 255), (40, 200), (220, 90)] {
            let page = barred(ground, ink);
            assert_eq!(page.height(), 32);
            for y in 0..32 {
                let expected = if y % 2 == 1 { ink } else { ground };
                assert_eq!(page.row(y)[10], expected, "{ink} on {ground}, row {y}");
                assert_eq!(page.row(y)[100], ground);
            }
        }
    }

    #[test]
    fn bars_of_two_rows_stay_in_one_row_wherever_they_begin() {
        for first in 0..4 {
            let bar = |ground: u8, ink: u8| {
                let levels = (0..64 * 64).map(|n| match (n / 64 + 64 - first) % 16 {
                    4..6 => ink,
                    _ => ground,
                });
                let page = halved(&Grey::new(64, 64, levels.collect()));
                (0..32).filter(|y| page.row(*y)[5] == ink).count()
            };
            assert!((4..=8).contains(&bar(0, 255)), "white, {first}");
            assert!((4..=8).contains(&bar(255, 0)), "black, {first}");
        }
    }

    #[test]
    fn white_strokes_on_black_become_what_black_ones_on_white_do() {
        let mut rng = fastrand::Rng::with_seed(9);
        let mut levels = vec![u8::MAX; 128 * 64];
        for _ in 0..60 {
            let (left, top) = (rng.usize(..118), rng.usize(..60));
            let (width, height) = *rng.choice(&[(10, 2), (9, 3), (2, 4)]).unwrap();
            for row in levels.chunks_exact_mut(128).skip(top).take(height) {
                row[left..left + width].fill(0);
            }
        }
        let reversed = levels.iter().map(|level| !level).collect();
        let on_white = halved(&Grey::new(128, 64, levels));
        let on_black = halved(&Grey::new(128, 64, reversed));
        for y in 0..32 {
            let row: Vec<u8> = on_black.row(y).iter().map(|level| !level).collect();
            assert_eq!(row, on_white.row(y), "{y}");
        }
    }

    #[test]
    fn photos_keep_their_tone() {
        assert_eq!(barred(150, 120).row(1)[10], 135);
    }
}
