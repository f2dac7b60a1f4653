//! Scans on grey or shaded paper: the paper is made white and its ink stays as dark against it as it was, so that what
//! follows (photos, threshold, faint ink) sees a clean sheet.

use super::raster::Grey;

/// Pels across and down of a place whose paper is measured.
const BLOCK: u32 = 64;
/// Darker is no paper that anything could be read on.
const DARKEST: usize = 90;
/// Levels around the commonest one that are paper with its grain.
const GRAIN: usize = 18;
/// Of a block of paper, how many pels in a hundred have nothing on them.
const EMPTY_PERCENT: u32 = 50;
/// Of a sheet, how many blocks in a hundred are of about one paper, and by how many levels these differ from their
/// median; a photo has fewer.
const PAPER_PERCENT: usize = 60;
const ONE_PAPER: u8 = 24;
/// From this level on paper is left as it is.
const WHITE: u8 = 225;
/// Levels by which the paper of one sheet differs from its median, in shadows and under lamps.
const SHADE: u8 = 60;
/// Makes grain white too: levels of paper are stretched to this, and cut at 255.
const STRETCH: u32 = 275;

/// Makes the paper of a scan white; anything but a scan on grey paper stays as it is.
pub(super) fn whiten(grey: &mut Grey) {
    let columns = grey.width().div_ceil(BLOCK) as usize;
    let rows = grey.height().div_ceil(BLOCK) as usize;
    let found: Vec<Option<u8>> = (0..rows * columns)
        .map(|n| {
            paper_of(
                grey,
                (n % columns) as u32 * BLOCK,
                (n / columns) as u32 * BLOCK,
            )
        })
        .collect();
    let mut levels: Vec<u8> = found.iter().flatten().copied().collect();
    levels.sort_unstable();
    let Some(&median) = levels.get(levels.len() / 2) else {
        return;
    };
    let of_one_paper = levels
        .iter()
        .filter(|level| level.abs_diff(median) <= ONE_PAPER);
    if of_one_paper.count() * 100 < found.len() * PAPER_PERCENT {
        return;
    }
    let shaded = levels[levels.len() / 20] < WHITE;
    if median >= WHITE && !shaded {
        return;
    }
    let known = |level: &Option<u8>| level.filter(|level| level.abs_diff(median) <= SHADE);
    let blocks = Blocks {
        columns,
        rows,
        levels: spread(
            &found.iter().map(known).collect::<Vec<_>>(),
            columns,
            median,
        ),
    };
    // What becomes of each level on each paper.
    let stretched: Vec<[u8; 256]> = (0..=255)
        .map(|paper: u32| {
            let on_it = |level| (level as u32 * STRETCH / paper.max(1)).min(255) as u8;
            std::array::from_fn(on_it)
        })
        .collect();
    let mut papers = vec![0; grey.width() as usize];
    for y in 0..grey.height() {
        blocks.of_row(y, &mut papers);
        for (level, paper) in grey.row_mut(y).iter_mut().zip(&papers) {
            *level = stretched[usize::from(*paper)][usize::from(*level)];
        }
    }
}

/// The level of the paper in a block, where most of it is paper.
fn paper_of(grey: &Grey, left: u32, top: u32) -> Option<u8> {
    let right = (left + BLOCK).min(grey.width());
    let bottom = (top + BLOCK).min(grey.height());
    let mut counts = [0u32; 256];
    for y in top..bottom {
        for &level in &grey.row(y)[left as usize..right as usize] {
            counts[usize::from(level)] += 1;
        }
    }
    let around = |level: usize| level - GRAIN..(level + GRAIN + 1).min(256);
    let share = |level: &usize| counts[around(*level)].iter().sum::<u32>();
    let commonest = (DARKEST..256).max_by_key(share)?;
    if share(&commonest) * 100 < (right - left) * (bottom - top) * EMPTY_PERCENT {
        return None;
    }
    let (mut pels, mut sum) = (0, 0);
    for level in around(commonest) {
        pels += counts[level];
        sum += counts[level] * level as u32;
    }
    Some((sum / pels.max(1)) as u8)
}

/// Gives blocks of no known paper that of their neighbours; those far from any get the median.
fn spread(found: &[Option<u8>], columns: usize, median: u8) -> Vec<u8> {
    let mut levels = found.to_vec();
    for _ in 0..4 {
        let before = levels.clone();
        for (n, level) in levels
            .iter_mut()
            .enumerate()
            .filter(|(_, level)| level.is_none())
        {
            let column = n % columns;
            let neighbours = [
                (column > 0).then(|| n - 1),
                (column + 1 < columns).then_some(n + 1),
                n.checked_sub(columns),
                Some(n + columns),
            ];
            let near = neighbours.into_iter().flatten();
            let near: Vec<u32> = near
                .filter_map(|n| before.get(n).copied().flatten().map(u32::from))
                .collect();
            if !near.is_empty() {
                *level = Some((near.iter().sum::<u32>() / near.len() as u32) as u8);
            }
        }
    }
    levels
        .into_iter()
        .map(|level| level.unwrap_or(median))
        .collect()
}

/// The paper of a sheet, known in the middle of each block.
struct Blocks {
    columns: usize,
    rows: usize,
    levels: Vec<u8>,
}

impl Blocks {
    /// Its levels in a row, each between those of the four blocks around.
    fn of_row(&self, y: u32, levels: &mut [u8]) {
        let (top, bottom, down) = place(y, self.rows - 1);
        let level = |row: usize, column: usize| u32::from(self.levels[row * self.columns + column]);
        let in_column = |n| level(top, n) * (BLOCK - down) + level(bottom, n) * down;
        let columns: Vec<u32> = (0..self.columns).map(in_column).collect();
        for (x, own) in (0..).zip(levels) {
            let (left, right, across) = place(x, self.columns - 1);
            let sum = columns[left] * (BLOCK - across) + columns[right] * across;
            *own = (sum / (BLOCK * BLOCK)).max(1) as u8;
        }
    }
}

/// The two of the blocks 0 to `last` between whose middles a pel lies, and how far it is from the first of them.
fn place(at: u32, last: usize) -> (usize, usize, u32) {
    let at = at.saturating_sub(BLOCK / 2);
    let block = ((at / BLOCK) as usize).min(last);
    (block, (block + 1).min(last), at % BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Resolution;
    use crate::pages::raster;

    /// Grainy paper that is darker to the right, with stems on it.
    fn sheet(paper: impl Fn(u32) -> u8, ink: u8) -> Grey {
        let mut rng = fastrand::Rng::with_seed(7);
        let levels = (0..640 * 640).map(|n| {
            let (x, y) = (n % 640, n / 640);
            match x % 16 < 3 && y % 40 < 20 {
                true => ink,
                false => paper(x) - rng.u8(0..16),
            }
        });
        Grey::new(640, 640, levels.collect())
    }

    #[test]
    fn grey_paper_turns_white_and_ink_stays() {
        for paper in [140, 180] {
            let mut grey = sheet(|x| paper - (x / 20) as u8, 40);
            whiten(&mut grey);
            let page = raster::bilevel(&grey, &[], None, Resolution::Fine);
            for (x, y) in [(8, 10), (312, 311), (632, 632), (8, 30)] {
                assert!(!page.get(x, y), "{paper}: paper at {x}, {y}");
            }
            for (x, y) in [(1, 10), (321, 330), (625, 605)] {
                assert!(page.get(x, y), "{paper}: ink at {x}, {y}");
            }
        }
    }

    #[test]
    fn photos_and_white_paper_stay_as_they_are() {
        let photo = |n: u32| (60 + (n % 640) / 4 + (n / 640) / 16) as u8;
        let mut photo = Grey::new(640, 640, (0..640 * 640).map(photo).collect());
        let row = photo.row(300).to_vec();
        whiten(&mut photo);
        assert!(photo.row(300) == row, "the photo");
        let mut white = sheet(|_| 255, 0);
        let row = white.row(300).to_vec();
        whiten(&mut white);
        assert!(white.row(300) == row, "the white paper");
    }
}
