//! Two rows of a drawing into one, for the standard resolution: a page drawn at its own rows loses the bars and bows of
//! small letters. It is drawn at the rows of fine, and of two pels the one stays that has the ink.

use super::raster::Grey;

/// Pels across a place, and rows down it, of which one colour is the ground.
const PLACE: (usize, u32) = (32, 8);
/// Darker places on the mean are dark grounds: there the light pel is the ink.
const DARK: u32 = 110;
/// Pels that differ by less are of a photo or a fill: they become their mean.
const EDGE: u8 = 48;

/// The same page with half of the rows.
pub(super) fn halved(tall: &Grey) -> Grey {
    let (width, height) = (tall.width() as usize, tall.height() / 2);
    let mut levels = vec![u8::MAX; width * height as usize];
    for top in (0..height).step_by(PLACE.1 as usize) {
        let rows = top..(top + PLACE.1).min(height);
        for left in (0..width).step_by(PLACE.0) {
            let across = left..(left + PLACE.0).min(width);
            let sum = |row: u32| -> u32 {
                let levels = &tall.row(row)[across.clone()];
                levels.iter().map(|level| u32::from(*level)).sum()
            };
            let pels = 2 * rows.len() as u32 * across.len() as u32;
            let light: u32 = (2 * rows.start..2 * rows.end).map(sum).sum();
            if light == pels * u32::from(u8::MAX) {
                continue;
            }
            let join = if light < pels * DARK { lighter } else { darker };
            for y in rows.clone() {
                let (upper, lower) = (tall.row(2 * y), tall.row(2 * y + 1));
                let pairs = upper[across.clone()].iter().zip(&lower[across.clone()]);
                let joined = &mut levels[y as usize * width..][across.clone()];
                for (level, (upper, lower)) in joined.iter_mut().zip(pairs) {
                    *level = join(*upper, *lower);
                }
            }
        }
    }
    Grey::new(tall.width(), height, levels)
}

fn darker(a: u8, b: u8) -> u8 {
    match a.abs_diff(b) < EDGE {
        true => a.midpoint(b),
        false => a.min(b),
    }
}

fn lighter(a: u8, b: u8) -> u8 {
    match a.abs_diff(b) < EDGE {
        true => a.midpoint(b),
        false => a.max(b),
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
