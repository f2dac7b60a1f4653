//! Pages that are too faint for the threshold: what would come out blank is drawn again with all of its contrast.

use super::raster::{Grey, PAPER};

/// Levels between paper and ink: less is the grain of the paper.
const LEAST_CONTRAST: u8 = 12;
/// Pels that are ink at least, among those that are not paper: fewer are dust.
const LEAST_INK: u32 = 60;

/// Pels that the ink of a row has together, in the mean: strokes are short.
const LONGEST_MEAN_RUN: u32 = 100;

/// The page with its darkest ink black and its paper white, where there is any to be told from the other.
pub(super) fn stretched(grey: &Grey) -> Option<Grey> {
    let mut counts = [0u32; 256];
    for y in 0..grey.height() {
        for &level in grey.row(y) {
            counts[usize::from(level)] += 1;
        }
    }
    let pels: u32 = counts.iter().sum();
    let paper = nth(&counts, pels / 2)?;
    let inked = pels - counts[usize::from(PAPER)];
    let ink = nth(&counts, (inked / 500).max(LEAST_INK))?;
    if paper.saturating_sub(ink) < LEAST_CONTRAST {
        return None;
    }
    let middle = ink + (paper - ink) / 2;
    let (mut inked, mut runs) = (0u32, 0u32);
    for y in 0..grey.height() {
        let mut was_ink = false;
        for &level in grey.row(y) {
            let is_ink = level <= middle;
            inked += u32::from(is_ink);
            runs += u32::from(is_ink && !was_ink);
            was_ink = is_ink;
        }
    }
    // A light area is no writing, and would be a black one.
    if inked > runs * LONGEST_MEAN_RUN {
        return None;
    }
    let range = u32::from(paper - ink);
    let stretch = |level: u8| (u32::from(level.saturating_sub(ink)) * 255 / range).min(255) as u8;
    let rows = (0..grey.height()).flat_map(|y| grey.row(y));
    let levels = rows.map(|&level| stretch(level)).collect();
    Some(Grey::new(grey.width(), grey.height(), levels))
}

/// The level of the pel that has `n` darker ones.
fn nth(counts: &[u32; 256], n: u32) -> Option<u8> {
    let mut darker = 0;
    let level = counts.iter().position(|count| {
        darker += count;
        darker > n
    });
    level.and_then(|level| level.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faint_ink_becomes_black_and_the_grain_of_paper_does_not() {
        let page = |paper: u8, ink: u8| {
            let mut levels = vec![paper; 100 * 100];
            levels[2000..3000].fill(ink);
            Grey::new(100, 100, levels)
        };
        for (paper, ink) in [(255, 240), (250, 215), (236, 200), (255, 170)] {
            let page = stretched(&page(paper, ink)).unwrap();
            assert_eq!((page.row(0)[0], page.row(25)[0]), (255, 0), "{paper} {ink}");
        }
        assert!(stretched(&page(255, 250)).is_none());
        assert!(stretched(&page(240, 232)).is_none());
        assert!(stretched(&page(255, 255)).is_none());
        // A flat area.
        let mut levels = vec![255; 400 * 100];
        levels
            .chunks_mut(400)
            .take(50)
            .for_each(|row| row[..300].fill(200));
        assert!(stretched(&Grey::new(400, 100, levels)).is_none());
        // Dust.
        let mut levels = vec![255; 100 * 100];
        levels[..50].fill(200);
        assert!(stretched(&Grey::new(100, 100, levels)).is_none());
    }
}
