//! Two rows of a drawing into one, for the standard resolution: a page drawn at its own rows loses the bars and bows of
//! small letters. It is drawn at the rows of fine, and of two pels that one stays which would get lost.

use super::raster::Grey;

/// Pels that differ by less are of a photo or a fill: they become their mean.
const EDGE: u8 = 48;
/// Pels that are looked at together: most of them are paper.
const CHUNK: usize = 32;

/// The same page with half of the rows.
pub(super) fn halved(tall: &Grey) -> Grey {
    let (width, height) = (tall.width() as usize, tall.height() / 2);
    let mut levels = vec![u8::MAX; width * height as usize];
    for (y, joined) in (0..height).zip(levels.chunks_exact_mut(width)) {
        // Two rows, the one before and the two behind them; at the edges the page goes on as in a mirror.
        let (upper, lower) = (tall.row(2 * y), tall.row(2 * y + 1));
        let above = if y > 0 { tall.row(2 * y - 1) } else { lower };
        let is_last = y + 1 == height;
        let [below, next] = match is_last {
            true => [upper, lower],
            false => [tall.row(2 * y + 2), tall.row(2 * y + 3)],
        };
        for (left, joined) in (0..).step_by(CHUNK).zip(joined.chunks_mut(CHUNK)) {
            let chunk = left..left + joined.len();
            let both = upper[chunk.clone()].iter().chain(&lower[chunk.clone()]);
            if both.fold(u8::MAX, |all, level| all & level) == u8::MAX {
                continue;
            }
            for (x, level) in chunk.zip(joined) {
                *level = joined_pel([above[x], upper[x], lower[x], below[x], next[x]]);
            }
        }
    }
    Grey::new(tall.width(), height, levels)
}

/// Of five pels below each other, the second and the third as one: the dark one, so that no bar gets lost; but the light
/// one where it is a bar between dark ones, as in white letters. Such a bar of two rows that belong to two pairs stays in
/// the upper pair.
fn joined_pel([above, upper, lower, below, next]: [u8; 5]) -> u8 {
    let middle = upper.midpoint(lower);
    let is_dark = |level: u8| level <= middle;
    let stays_light = is_dark(above) && (is_dark(below) || is_dark(upper) && is_dark(next));
    if upper.abs_diff(lower) < EDGE {
        middle
    } else if stays_light {
        upper.max(lower)
    } else {
        upper.min(lower)
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
            assert_eq!(bar(0, 255), 4, "white, {first}");
            assert!((4..=8).contains(&bar(255, 0)), "black, {first}");
        }
    }

    #[test]
    fn photos_keep_their_tone() {
        assert_eq!(barred(150, 120).row(1)[10], 135);
    }
}
