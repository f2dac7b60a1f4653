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
        // Two rows, and those before and behind them; at the edges the page goes on as in a mirror.
        let (upper, lower) = (tall.row(2 * y), tall.row(2 * y + 1));
        let above = if y > 0 { tall.row(2 * y - 1) } else { lower };
        let is_last = 2 * y + 2 >= tall.height();
        let below = if is_last { upper } else { tall.row(2 * y + 2) };
        for (left, joined) in (0..).step_by(CHUNK).zip(joined.chunks_mut(CHUNK)) {
            let chunk = left..left + joined.len();
            let both = upper[chunk.clone()].iter().chain(&lower[chunk.clone()]);
            if both.fold(u8::MAX, |all, level| all & level) == u8::MAX {
                continue;
            }
            for (x, level) in chunk.zip(joined) {
                *level = joined_pel(above[x], upper[x], lower[x], below[x]);
            }
        }
    }
    Grey::new(tall.width(), height, levels)
}

/// One of two pels, one below the other: the dark one, so that no bar gets lost; but the light one where it is a bar
/// between dark ones, as in white letters.
fn joined_pel(above: u8, upper: u8, lower: u8, below: u8) -> u8 {
    let middle = upper.midpoint(lower);
    if upper.abs_diff(lower) < EDGE {
        middle
    } else if above.max(below) <= middle {
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
    fn photos_keep_their_tone() {
        assert_eq!(barred(150, 120).row(1)[10], 135);
    }
}
