//! Two rows of a drawing into one, for the standard resolution: a page drawn at its own rows loses the bars and bows of
//! small letters. It is drawn at the rows of fine, and of two pels that one stays which would get lost.
//!
//! What stands by itself on the page, as a line of letters does, is moved by one of these rows where that makes it
//! simpler: where the foot of its letters lies astride of two pairs, it would become twice as thick.

use super::blocks::{self, Block};
use super::inked::{self, CHUNK, Inked};
use super::raster::{BLACK_BELOW, Grey, PAPER};

/// Pels that differ by less are of a photo or a fill: they become their mean.
const EDGE: u8 = 48;
/// Pairs of rows above and below that tell on what ground a chunk stands.
const GROUND_REACH: u32 = 4;

/// The same page with half of the rows.
pub(super) fn halved(tall: &Grey) -> Grey {
    let (width, height) = (tall.width() as usize, tall.height() / 2);
    let inked = Inked::of(tall);
    let shades = Shades::of(tall, &inked);
    let mut page = Grey::new(tall.width(), height, vec![PAPER; width * height as usize]);
    for block in blocks::find(&inked, 2 * height, width.div_ceil(CHUNK)) {
        let joined = |earlier| Joined::of(tall, &inked, &shades, &block, earlier);
        let as_it_lies = joined(0);
        // Its last row must not leave the page.
        let simpler = (block.rows.end < 2 * height)
            .then(|| joined(1))
            .filter(|moved| moved.changes < as_it_lies.changes);
        simpler.unwrap_or(as_it_lies).put(&mut page, &block);
    }
    page
}

/// A block in half of its rows.
struct Joined {
    /// Its first row on the page.
    top: u32,
    /// Row by row, its chunks.
    chunks: Vec<[u8; CHUNK]>,
    /// How often its rows turn from white to black or back: what they cost in T.6.
    changes: u32,
}

impl Joined {
    /// Pairs begin at even rows, or so much earlier.
    fn of(tall: &Grey, inked: &Inked, shades: &Shades, block: &Block, earlier: u32) -> Joined {
        let (top, last) = (
            (block.rows.start + earlier) / 2,
            (block.rows.end - 1 + earlier) / 2,
        );
        let mut joined = Joined {
            top,
            chunks: Vec::with_capacity((last + 1 - top) as usize * block.chunks.len()),
            changes: 0,
        };
        for y in top..=last {
            let rows = rows_of(y, earlier, tall.height());
            let [_, upper, lower, ..] = rows;
            let mut before = 0;
            for n in block.chunks.clone() {
                let mut pels = [PAPER; CHUNK];
                if inked.has(upper, n) || inked.has(lower, n) {
                    let columns = rows.map(|row| inked::chunk(tall, row, n));
                    let ground = shades.around(n, y);
                    pels = std::array::from_fn(|x| {
                        joined_pel(columns.map(|levels| levels[x]), ground)
                    });
                }
                let black = black(&pels);
                joined.changes += (black ^ (black >> 1 | before)).count_ones();
                before = black << (CHUNK - 1);
                joined.chunks.push(pels);
            }
        }
        joined
    }

    fn put(&self, page: &mut Grey, block: &Block) {
        let rows = self.chunks.chunks_exact(block.chunks.len());
        for (y, chunks) in (self.top..).zip(rows) {
            let row = page.row_mut(y)[block.chunks.start * CHUNK..].chunks_mut(CHUNK);
            row.zip(chunks)
                .for_each(|(own, pels)| own.copy_from_slice(&pels[..own.len()]));
        }
    }
}

/// A bit for each pel, 1 for black, the first in the highest one.
fn black(pels: &[u8; CHUNK]) -> u32 {
    pels.iter()
        .fold(0, |bits, level| bits << 1 | u32::from(*level < BLACK_BELOW))
}

/// The two rows that become row `y`, the one before and the two behind them, of so many; at its edges the page goes on as
/// it ends.
fn rows_of(y: u32, earlier: u32, height: u32) -> [u32; 5] {
    let upper = 2 * y;
    [-1, 0, 1, 2, 3].map(|off| {
        let row = upper.saturating_add_signed(off).saturating_sub(earlier);
        row.min(height - 1)
    })
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
            assert_eq!(bar(255, 0), 4, "black, {first}");
        }
    }

    #[test]
    fn white_strokes_on_black_become_what_black_ones_on_white_do() {
        let mut rng = fastrand::Rng::with_seed(9);
        let mut levels = vec![u8::MAX; 128 * 64];
        // It holds all of them together.
        levels.iter_mut().step_by(128).for_each(|level| *level = 0);
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
    fn letters_astride_of_two_pairs_are_moved_and_no_row_is_lost() {
        for top in 8..31 {
            // An H of 12 rows, its bar of 2; at the foot of the page too.
            let letter = |x: u32, y: u32| {
                (top..top + 12).contains(&y)
                    && (matches!(x, 40..43 | 52..55)
                        || (43..52).contains(&x) && (top + 4..top + 6).contains(&y))
            };
            let levels = (0..128 * 42).map(|n| match letter(n % 128, n / 128) {
                true => 0,
                false => 255,
            });
            let page = halved(&Grey::new(128, 42, levels.collect()));
            let black = |x: usize| (0..21).filter(|y| page.row(*y)[x] == 0).count();
            assert_eq!((black(47), black(41)), (1, 6), "{top}");
        }
    }

    #[test]
    fn photos_keep_their_tone() {
        assert_eq!(barred(150, 120).row(1)[10], 135);
    }
}
